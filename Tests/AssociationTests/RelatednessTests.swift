import Distributions
import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// What mixed models are for: relatives make least squares claim too much, principal components do not cure it, and a mixed model keeps
/// both its level and its power.
@Suite struct RelatednessTests {
  /// Families of two parents and four children; variants are passed on, traits have h² 0.8 by the pedigree, and the first `planted`
  /// variants move one trait each.
  static func families(_ count: Int, variants: Int, planted: Int, effect: Double, seed: UInt64) -> SmallStudy
  {
    let n = 6 * count
    var generator = SplitMix64(seed)
    var small = SmallStudy(samples: n)
    for _ in 0..<variants {
      var dosages: [Float] = []
      let p = generator.uniform(0.2, 0.5)
      for _ in 0..<count {
        let alleles = (0..<4).map { _ in generator.bernoulli(p) ? Float(1) : 0 }
        dosages += [alleles[0] + alleles[1], alleles[2] + alleles[3]]
        for _ in 0..<4 {
          dosages.append(
            alleles[generator.bernoulli(0.5) ? 0 : 1] + alleles[generator.bernoulli(0.5) ? 2 : 3])
        }
      }
      small.addVariant(dosages)
    }
    for t in 0..<max(40, planted) {
      var y: [Double] = []
      for _ in 0..<count {
        let parents = [generator.normal(), generator.normal()]
        y += parents
        for _ in 0..<4 { y.append((parents[0] + parents[1]) / 2 + 0.5.squareRoot() * generator.normal()) }
      }
      for i in 0..<n {
        y[i] = 0.8.squareRoot() * y[i] + 0.2.squareRoot() * generator.normal()
        if t < planted { y[i] += effect * Double(small.dosages[t][i]) }
      }
      small.addTrait(y)
    }
    small.kinship = (0..<n).map { a in
      (0..<n).map { b in
        if a == b { return 1 }
        // Parents of one family are unrelated; all other pairs within it share half.
        return a / 6 != b / 6 || a % 6 < 2 && b % 6 < 2 ? 0 : 0.5
      }
    }
    return small
  }

  /// Median χ² over that of χ²₁, all pairs but the planted.
  static func inflation(_ rows: [(key: Pair, row: PairRow)], planted: Int) -> Double {
    let squares = rows.filter { $0.key.variant >= planted }.map { $0.row.t * $0.row.t }.sorted()
    return squares[squares.count / 2] / 0.4549364
  }

  @Test func mixedModelsKeepLevelAndPower() throws {
    let planted = 40
    let small = Self.families(40, variants: 400, planted: planted, effect: 0.45, seed: 11)
    let scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    let mixed = try scan.hits(in: small.study()).batches.pairs
    var unrelated = small
    unrelated.kinship = []
    let plain = try scan.hits(in: unrelated.study()).batches.pairs
    var adjusted = unrelated
    let n = small.sampleCount
    let eigen = SymmetricEigen(of: Matrix(rows: n, columns: n, storage: small.kinship.flatMap(\.self)))
    for k in 1...20 { adjusted.addCovariate(eigen.vectors.column(n - k)) }
    let components = try scan.hits(in: adjusted.study()).batches.pairs

    let inflation = [mixed, plain, components].map { Self.inflation($0, planted: planted) }
    #expect((0.93...1.07).contains(inflation[0]), "λ \(inflation)")
    // Full sibs: 1 + (m − 1)·½·½·h² and more for parents; 20 components are half of the 40 families.
    #expect(inflation[1] > 1.3 && inflation[2] > 1.1, "λ \(inflation)")

    // Where each method's own null puts its 1e-3: power at the same true level.
    func found(_ rows: [(key: Pair, row: PairRow)]) -> Int {
      let null = rows.filter { $0.key.variant >= planted }.map { abs($0.row.t) }.sorted(by: >)
      let limit = null[null.count / 1000]
      return rows.count { $0.key.variant == $0.key.trait && abs($0.row.t) >= limit }
    }
    let power = [mixed, plain, components].map(found)
    #expect(power[0] > power[1] && power[0] > power[2] && power[0] >= planted / 2, "found \(power)")
  }
}
