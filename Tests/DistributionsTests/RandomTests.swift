import Foundation
import Testing

@testable import Distributions

@Suite struct RandomTests {
  /// The authors' known answers for philox4x32-10 (Random123, kat_vectors).
  @Test func philoxGivesTheKnownAnswers() {
    #expect(
      CounterRNG.philox(counter: .zero, key: .zero)
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      CounterRNG.philox(counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      CounterRNG.philox(
        counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func wordsAreTheBlockInOrder() {
    // Seed and stream 0: the first known answer, low word first.
    var random = CounterRNG(seed: 0)
    #expect(random.next() == 0xe169_c58d_6627_e8d5)
    #expect(random.next() == 0x9b00_dbd8_bc57_ac4c)
    #expect(random.position == 2)
  }

  @Test func sequenceEqualsRandomAccess() {
    let source = CounterRNG(seed: 7, stream: 1 << 40 | 3)
    var words = source
    var uniforms = source
    for index in 0..<101 as Range<UInt64> {
      #expect(words.next() == source.word(at: index))
      #expect(uniforms.nextUniform() == source.uniform(at: index))
    }
  }

  @Test func seedsAndStreamsDiffer() {
    let seeds: [UInt64] = [0, 1, 1 << 32, .max]
    let words = seeds.flatMap { seed in seeds.map { CounterRNG(seed: seed, stream: $0).word(at: 5) } }
    #expect(Set(words).count == 16)
  }

  /// The first moments of fixed draws: 5 standard errors of 100,000 of them.
  @Test func momentsAreRight() {
    var random = CounterRNG(seed: 20_260_101, stream: 2)
    let n = 100_000
    let uniforms = (0..<n).map { _ in random.nextUniform() }
    let normals = (0..<n).map { _ in random.nextNormal() }
    #expect(uniforms.allSatisfy { $0 > 0 && $0 < 1 })
    let root = Double(n).squareRoot()
    func mean(_ values: [Double], _ f: (Double) -> Double) -> Double {
      values.map(f).reduce(0, +) / Double(n)
    }
    #expect(abs(mean(uniforms) { $0 } - 0.5) < 5 * 0.2887 / root)
    #expect(abs(mean(uniforms) { $0 * $0 } - 1 / 3.0) < 5 * 0.2982 / root)
    #expect(abs(mean(normals) { $0 }) < 5 / root)
    #expect(abs(mean(normals) { $0 * $0 } - 1) < 5 * 1.4142 / root)
    #expect(abs(mean(normals) { pow($0, 4) } - 3) < 5 * 9.798 / root)
    let lagged = zip(normals, normals.dropFirst()).map { $0 * $1 }.reduce(0, +) / Double(n)
    #expect(abs(lagged) < 5 / root)
  }

  /// Hash-chosen pairs: as many as expected, spread over both indices, other ones under another seed.
  @Test func pairHashDrawsEvenly() {
    let limit = UInt64.max / 100
    var (rows, columns) = ([Int](repeating: 0, count: 500), [Int](repeating: 0, count: 400))
    var both = 0
    for a in 0..<500 {
      for b in 0..<400 where pairHash(seed: 1, UInt64(a), UInt64(b)) < limit {
        rows[a] += 1
        columns[b] += 1
        if pairHash(seed: 2, UInt64(a), UInt64(b)) < limit { both += 1 }
      }
    }
    // 200,000 tests at 1 %: 2,000 ± 44.5; of them 20 ± 4.5 under the other seed as well.
    #expect(abs(rows.reduce(0, +) - 2000) < 5 * 45)
    #expect(abs(both - 20) < 23)
    // Pearson's χ² of equal rows (499 df) and columns (399 df), within 5 standard deviations √(2 df).
    func chiSquared(_ counts: [Int]) -> Double {
      let mean = Double(counts.reduce(0, +)) / Double(counts.count)
      return counts.map { (Double($0) - mean) * (Double($0) - mean) / mean }.reduce(0, +)
    }
    #expect(abs(chiSquared(rows) - 499) < 5 * 31.6)
    #expect(abs(chiSquared(columns) - 399) < 5 * 28.2)
    #expect(pairHash(seed: 1, 2, 3) != pairHash(seed: 1, 3, 2))
  }
}
