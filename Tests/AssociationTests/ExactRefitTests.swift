import Distributions
import Foundation
import LinearAlgebra
import MixedModels
import StudyData
import TestSupport
import Testing

@testable import Association

/// Mixed-model scans whose h² is estimated with the variant in the model.
@Suite struct ExactRefitTests {
  static let exact: ScanOptions = {
    var options = ScanOptions.unfiltered
    options.mixedModel.refitsExactly = true
    return options
  }()

  /// The estimate of a trait with further columns among the covariates, from a decomposition of its own.
  static func estimate(
    _ small: SmallStudy, trait: Int, beside columns: [[Double]], _ likelihood: Likelihood
  ) throws -> VarianceEstimate {
    let y = small.phenotypes[trait]
    let rows = y.indices.filter { !y[$0].isNaN }
    let n = rows.count
    let all = [[Double](repeating: 1, count: y.count)] + small.covariates + columns
    let covariates = Matrix(
      rows: n, columns: all.count, storage: all.flatMap { column in rows.map { column[$0] } })
    let kinship = Kinship(
      path: "K", sampleIDs: rows.map { "\($0)" },
      matrix: Matrix(
        rows: n, columns: n, storage: rows.flatMap { a in rows.map { small.kinship[a][$0] } }))
    let components = VarianceComponents(
      try SpectralDecomposition(
        of: kinship, covariateBasis: OrthonormalBasis(of: covariates).basis,
        forMaximumLikelihood: likelihood == .ml), likelihood: likelihood)
    let trait = Matrix(rows: n, columns: 1, storage: rows.map { y[$0] })
    return try #require(components.estimates(of: trait)[0])
  }

  /// h² and both likelihoods from a decomposition with the variant among the covariates, β and its error by generalised least squares at
  /// that h² in extended precision.
  ///
  /// 1e-8: h is the root of a slope, known to rounding over its curvature, and the rows move with it. 1e-7 for ln p of the ratio, a
  /// difference of likelihoods of some hundred.
  @Test(arguments: [StudyShape.MissingPhenotypes.none, .few])
  func everyPairHasItsOwnFit(missing: StudyShape.MissingPhenotypes) throws {
    let small = MixedModelScanTests.study(variants: 8, seed: 21, missing: missing)
    let study = try small.study(shuffled: 3)
    let (batches, summary) = try TransScan(threshold: 1, exclusion: .none, options: Self.exact)
      .hits(in: study)
    #expect(batches.pairs.count == small.variants.count * small.features.count)
    var moved = 0
    for (key, row) in batches.pairs {
      let fit = try #require(row.exactFit)
      let variant = MixedModelScanTests.imputed(small, key.variant)
      let beside = [variant.map { Double($0) }]
      let (reml, ml, null) = try (
        Self.estimate(small, trait: key.trait, beside: beside, .reml),
        Self.estimate(small, trait: key.trait, beside: beside, .ml),
        Self.estimate(small, trait: key.trait, beside: [], .ml)
      )
      #expect(abs(fit.heritability - reml.heritability) < 1e-7, "\(key)")
      if fit.heritability != summary.variances[key.trait].estimate.heritability { moved += 1 }
      let y = small.phenotypes[key.trait]
      let rows = y.indices.filter { !y[$0].isNaN }
      let expected = MixedModelScanTests.Explicit(small, rows: rows, h: fit.heritability).fit(variant, y)
      #expect(row.degreesOfFreedom == expected.degreesOfFreedom && row.n == expected.n)
      #expect(
        abs(row.beta - expected.beta) < 1e-8 * (abs(expected.beta) + expected.standardError), "\(key)")
      #expect(abs(row.standardError / expected.standardError - 1) < 1e-8, "\(key)")
      #expect(abs(row.t - expected.t) < 1e-8 * max(1, abs(expected.t)), "\(key)")
      #expect(abs(row.r2 - expected.rSquared) < 1e-8, "\(key)")
      #expect(abs(row.logP - expected.logP()) < 1e-8 * max(1, abs(expected.logP())), "\(key)")
      let ratio = ChiSquared.logUpperP(
        max(0, 2 * (ml.logLikelihood - null.logLikelihood)), degreesOfFreedom: 1)
      // p is steep in a ratio near 0: its root is what rounding moves.
      #expect(abs(fit.logRatioP - ratio) < 1e-7 * max(1, abs(ratio)) + 1e-5, "\(key)")
    }
    #expect(moved > batches.pairs.count / 2)
    let cis = try CisScan(radius: 1_000_000_000, options: Self.exact).pairs(in: study).batches.pairs
    let all = Dictionary(uniqueKeysWithValues: batches.pairs.map { ($0.key, $0.row) })
    #expect(!cis.isEmpty)
    for (key, row) in cis { #expect(all[key] == row) }
  }

  /// Rows are the pairs whose exact p is at most the threshold, among those of at most ten times that without the variant, whatever the
  /// back end and the workers.
  @Test(arguments: [0.05, 1e-3]) func threshold(_ threshold: Double) throws {
    let small = MixedModelScanTests.study(samples: 90, variants: 300, traits: 40, seed: 7, missing: .few)
    let study = try small.study()
    let null = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered).hits(in: study)
    let all = try TransScan(threshold: 1, exclusion: .none, options: Self.exact).hits(in: study)
    let screened = Set(
      null.batches.pairs.filter { $0.row.logP <= log(threshold) + log(10) }.map(\.key))
    let expected = all.batches.pairs.filter { $0.row.logP <= log(threshold) && screened.contains($0.key) }
      .map(\.row)
    let before = null.batches.pairs.filter { $0.row.logP <= log(threshold) }.map(\.key)
    #expect(!expected.isEmpty)
    // h² of its own takes pairs across the threshold, or this test says nothing.
    #expect(
      Set(before) != Set(expected.map { Pair(variant: $0.variant, trait: $0.feature) }) || threshold < 0.05)
    for backend in ScanBackend.allCases {
      for workers in [1, 3] {
        let (found, summary) = try TransScan(
          threshold: threshold, exclusion: .none, options: Self.exact
        ).hits(in: study, execution: Execution(workers: workers, backend: backend))
        let isSame = found.pairs.map(\.row) == expected
        #expect(isSame, "\(backend)")
        #expect(summary.counts.rows == expected.count)
        #expect(summary.counts.tests == null.summary.counts.tests)
      }
    }
  }

  /// One-sided rows are the two-sided ones with another p.
  @Test func oneSided() throws {
    let small = MixedModelScanTests.study(variants: 10, seed: 4)
    var options = Self.exact
    let both = try TransScan(threshold: 1, exclusion: .none, options: options).hits(in: small.study())
    options.alternative = .less
    let less = try TransScan(threshold: 1, exclusion: .none, options: options).hits(in: small.study())
    for (a, b) in zip(both.batches.pairs, less.batches.pairs) {
      let nu = Double(a.row.degreesOfFreedom)
      #expect(b.row.logP == StudentT(degreesOfFreedom: nu).logUpperP(t: -a.row.t))
      var row = b.row
      row.logP = a.row.logP
      #expect(row == a.row)
    }
  }

  /// A trait that is a variant has finite numbers, and says so.
  @Test func perfectFits() throws {
    var small = MixedModelScanTests.study(seed: 12)
    small.phenotypes[0] = MixedModelScanTests.imputed(small, 3).map { 2 - Double($0) }
    let rows = try TransScan(threshold: 1, exclusion: .none, options: Self.exact).hits(in: small.study())
      .batches.pairs.map(\.row)
    let row = try #require(rows.first { $0.variant == 3 && $0.feature == 0 })
    #expect(abs(row.beta + 1) < 1e-9 && row.t < -1e6 && row.t.isFinite && row.standardError > 0)
    #expect(row.logP.isFinite && (row.exactFit?.logRatioP ?? 0) < -100)
    #expect(row.exactFit?.logRatioP.isFinite == true)
  }

  /// Every SNP of the heterogeneous-stock mice, CD8: GEMMA 0.98.5's Wald and likelihood-ratio tests from a scan. GEMMA's λ stops at 1e-5
  /// relative and its tables have seven digits: all agree to 1e-5.
  @Test(.disabled(if: SharedFolder.isAbsent, "the shared data are absent")) func gemma() throws {
    let genotypes = try Mice.genotypes.get()
    let phenotypes = try Mice.cd8.phenotypes()
    let ids = phenotypes.indices.map { "m\($0)" }
    let n = ids.count
    let table = try Mice.cd8.association()
    let column = Dictionary(uniqueKeysWithValues: zip(table[0], table[0].indices))
    let rows = Array(table.dropFirst())
    let names = rows.map { String($0[column["rs"]!]) }
    let study = try Study(
      genotypes: MemoryGenotypes(
        sampleIDs: ids,
        variants: names.map { Variant(id: $0, chromosome: "1", position: 1, ref: "A", alt: "G") },
        dosages: names.map { name in
          let first = genotypes.index[name]! * n
          return genotypes.values[first..<first + n].map { Float($0) }
        }, encoding: .fractional),
      phenotypes: Phenotypes(
        path: "pheno", sampleIDs: ids,
        features: [Feature(id: "CD8", chromosome: "1", start: 1, end: 1)],
        values: Matrix(rows: n, columns: 1, storage: phenotypes.map { $0 ?? .nan })),
      relatedness: .kinship(Kinship(path: "K", sampleIDs: ids, matrix: genotypes.kinship)),
      restrictedTo: Set(ids.indices.filter { phenotypes[$0] != nil }.map { ids[$0] }))
    let found = try TransScan(threshold: 1, exclusion: .none, options: Self.exact).hits(in: study)
      .batches.pairs
    #expect(found.count == rows.count && rows.count > 10_000)
    var worst: [String: Double] = [:]
    for (pair, expected) in zip(found, rows) {
      func number(_ name: String) -> Double { Double(expected[column[Substring(name)]!])! }
      func compare(_ name: String, _ difference: Double) { worst[name] = max(worst[name] ?? 0, difference) }
      func compareP(_ name: String, _ logP: Double) {
        let log10P: Double = log10(number(name))
        compare(name, abs(logP / log(10.0) - log10P) / max(1, -log10P))
      }
      let row = pair.row
      compare("beta", abs(row.beta - number("beta")) / number("se"))
      compare("se", abs(row.standardError / number("se") - 1))
      compareP("p_wald", row.logP)
      compareP("p_lrt", row.exactFit?.logRatioP ?? .nan)
    }
    for (name, difference) in worst { #expect(difference < 1e-5, "\(name)") }
  }
}
