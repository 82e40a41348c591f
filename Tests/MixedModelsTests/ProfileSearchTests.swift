import Foundation
import TestSupport
import Testing

@testable import MixedModels

@Suite struct ProfileSearchTests {
  /// Two groups of eigenvalues and a trait that likes both ends give profiles with two minima: the lower one is found, as by looking
  /// everywhere; h from 0 on, or from below 0.
  @Test(arguments: [true, false]) func globalMinimum(isConstrained: Bool) {
    var generator = SplitMix64(77)
    var (bimodal, negative) = (0, 0)
    for _ in 0..<60 {
      let n = Int.random(in: 4...40, using: &generator)
      let excess = (0..<n).map { _ in
        generator.bernoulli(0.5) ? generator.logUniform(-1, 1.6) - 1 : generator.uniform(-1, -0.9)
      }
      let squares = excess.map { _ in generator.logUniform(-4, 1) * generator.normal() * generator.normal() }
        .map(abs)
      let search = ProfileSearch(isUnbounded: false, largestExcess: isConstrained ? nil : excess.max())
      let determinant = LogDeterminant(excess, grid: search.grid)
      let value = { (h: Double) -> Double in
        Double(n) * log(SpectralSums(squares, excess, h).zeroth) + determinant.value(h)
      }
      let derivatives = { (h: Double) -> (first: Double, second: Double) in
        let s = SpectralSums(squares, excess, h)
        let (slope, d) = (-s.first / s.zeroth, determinant.derivatives(h))
        return (
          Double(n) * slope + d.first, Double(n) * (2 * s.second / s.zeroth - slope * slope) + d.second
        )
      }
      let found = search.minimum(
        slope: { derivatives(search.grid[$0]).first }, derivatives: derivatives, value: value)
      negative += found < 0 ? 1 : 0

      // Steps in ln h/(1 − h), before them equal ones, and the ends.
      var grid: [Double] =
        search.lowest < 0 ? (0..<20_000).map { search.lowest * (1 - Double($0) / 20_000) } : []
      grid.append(0)
      for k in 0..<100_000 {
        let logit = -15 + 26.5 * Double(k) / 100_000
        grid.append(1 / (1 + exp(-logit)))
      }
      grid.append(1 - 1e-5)
      let values: [Double] = grid.map(value)
      let least = values.min() ?? .nan
      // A grid point is no lower than the minimum, but for rounding.
      #expect(value(found) <= least + 1e-11 * Double(n))
      // Minima that stand out among points 1,000 apart.
      let coarse: [Double] = stride(from: 0, to: values.count, by: 1000).map { values[$0] }
      var minima = 0
      for k in coarse.indices {
        let fallsBefore = k == 0 || coarse[k] < coarse[k - 1]
        let risesAfter = k == coarse.count - 1 || coarse[k] < coarse[k + 1]
        minima += fallsBefore && risesAfter ? 1 : 0
      }
      bimodal += minima > 1 ? 1 : 0
    }
    #expect(bimodal >= 5)
    #expect(isConstrained ? negative == 0 : negative >= 5)
  }

  @Test func grid() {
    let constrained = ProfileSearch(isUnbounded: false)
    #expect(constrained.grid.first == 0 && constrained.grid.last == 1 - 1e-5)
    let unconstrained = ProfileSearch(isUnbounded: false, largestExcess: 4)
    // 1 + 4h is a tenth.
    #expect(abs(unconstrained.lowest + 0.9 / 4) < 1e-15)
    #expect(Array(unconstrained.grid.suffix(constrained.grid.count)) == constrained.grid)
    // Where all eigenvalues are alike no variance can be less than the others.
    #expect(ProfileSearch(isUnbounded: false, largestExcess: 0).lowest == 0)
    for grid in [constrained.grid, unconstrained.grid] {
      for (a, b) in zip(grid, grid.dropFirst()) { #expect(a < b) }
      #expect(grid.count < 60)
    }
  }
}
