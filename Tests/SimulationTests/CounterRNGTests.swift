import Testing

@testable import Simulation

struct CounterRNGTests {
  /// Moments of the uniform and normal distribution, each within 4 standard errors.
  @Test func moments() {
    var random = CounterRNG(seed: 1, stream: 2)
    let n = 200_000.0
    var powers = [Double](repeating: 0, count: 5)
    var uniform = Moments()
    for _ in 0..<Int(n) {
      uniform.add(random.nextUniform())
      let z = random.nextNormal()
      for k in 1...4 { powers[k] += (0..<k).reduce(1) { power, _ in power * z } / n }
    }
    #expect(abs(uniform.mean - 0.5) < 4 * (1 / 12 / n).squareRoot())
    // Var (u - 1/2)² = 1/80 - 1/144.
    #expect(abs(uniform.variance - 1 / 12) < 4 * ((1 / 80 - 1 / 144) / n).squareRoot())
    // Variances of z, z², z³, z⁴: 1, 2, 15, 96.
    #expect(abs(powers[1]) < 4 * (1 / n).squareRoot())
    #expect(abs(powers[2] - 1) < 4 * (2 / n).squareRoot())
    #expect(abs(powers[3]) < 4 * (15 / n).squareRoot())
    #expect(abs(powers[4] - 3) < 4 * (96 / n).squareRoot())
  }

  /// Neighbouring seeds, streams and draws are uncorrelated.
  @Test func streamsAreIndependent() {
    func draws(_ seed: UInt64, _ stream: UInt64) -> [Double] {
      var random = CounterRNG(seed: seed, stream: stream)
      return (0..<100_000).map { _ in random.nextUniform() - 0.5 }
    }
    let a = draws(1, 1)
    for b in [draws(2, 1), draws(1, 2), draws(2, 2), Array(a.dropFirst()) + [0]] {
      // A correlation of 100,000 pairs has standard error 0.0032.
      #expect(abs(dot(a, b)) * 12 / 100_000 < 4 * 0.0032)
    }
  }
}
