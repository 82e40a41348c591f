import Distributions
import Foundation
import LinearAlgebra
import MixedModels
import StudyData
import TestSupport
import Testing

@testable import Association

/// Mixed-model scans against generalised least squares with the covariance written out.
@Suite struct MixedModelScanTests {
  /// Families of four, a covariate, traits of h² between 0 and 0.95 and some planted effects.
  static func study(
    samples n: Int = 61, variants: Int = 30, traits: Int = 9, seed: UInt64,
    missing: StudyShape.MissingPhenotypes = .none, encoding: MemoryGenotypes.Encoding = .hardCalls
  ) -> SmallStudy {
    var shape = StudyShape()
    shape.samples = n
    shape.variants = variants
    shape.traits = traits
    shape.covariates = 2
    shape.missingPhenotypes = missing
    shape.encoding = encoding
    shape.missingGenotypes = 0.03
    var small = SmallStudy(shape, seed: seed)
    var generator = SplitMix64(seed &+ 77)
    small.kinship = (0..<n).map { a in (0..<n).map { b in a == b ? 1 : a / 4 == b / 4 ? 0.5 : 0.01 } }
    for t in 0..<traits {
      let h = [0, 0.2, 0.5, 0.8, 0.95][t % 5]
      let shared = (0...n / 4).map { _ in generator.normal() }
      for i in 0..<n where !small.phenotypes[t][i].isNaN {
        small.phenotypes[t][i] =
          (1 - h).squareRoot() * small.phenotypes[t][i] + 2 * h.squareRoot() * shared[i / 4]
      }
    }
    return small
  }

  /// y ~ W + g with Var y ∝ (1 − h)I + hK/s, in extended precision: every column is multiplied by the inverse of the Cholesky factor.
  struct Explicit {
    private let factor: [[Extended]]
    private var covariates: [[Extended]] = []
    private let rows: [Int]

    init(_ study: SmallStudy, rows: [Int], h: Double) {
      self.rows = rows
      let k = rows.map { a in rows.map { Extended(study.kinship[a][$0]) } }
      let n = rows.count
      let total = k.joined().reduce(0, +)
      let scale = ((0..<n).reduce(Extended(0)) { $0 + k[$1][$1] } - total / Extended(n)) / Extended(n)
      var l = (0..<n).map { i in
        (0..<n).map { j in (i == j ? 1 - Extended(h) : 0) + Extended(h) * k[i][j] / scale }
      }
      for j in 0..<n {
        for p in 0..<j { l[j][j] -= l[j][p] * l[j][p] }
        l[j][j] = l[j][j].squareRoot()
        for i in j + 1..<n {
          for p in 0..<j { l[i][j] -= l[i][p] * l[j][p] }
          l[i][j] /= l[j][j]
        }
      }
      factor = l
      let columns = [[Double](repeating: 1, count: study.sampleCount)] + study.covariates
      for column in columns {
        covariates.append(Self.residual(whiten(column.map { Extended($0) }), covariates, scale: true))
      }
    }

    private func whiten(_ x: [Extended]) -> [Extended] {
      var out = rows.map { x[$0] }
      for i in out.indices {
        for p in 0..<i { out[i] -= factor[i][p] * out[p] }
        out[i] /= factor[i][i]
      }
      return out
    }

    private static func residual(_ x: [Extended], _ basis: [[Extended]], scale: Bool = false) -> [Extended] {
      var x = x
      for _ in 0..<2 {
        for q in basis {
          let product = zip(q, x).reduce(Extended(0)) { $0 + $1.0 * $1.1 }
          for i in x.indices { x[i] -= product * q[i] }
        }
      }
      guard scale else { return x }
      let length = x.reduce(Extended(0)) { $0 + $1 * $1 }.squareRoot()
      return x.map { $0 / length }
    }

    /// Whitened and residualised.
    func residual(_ x: [Extended]) -> [Extended] { Self.residual(whiten(x), covariates) }

    func fit(_ g: [Extended], _ y: [Double]) -> Fit {
      let (e, z) = (residual(g), residual(y.map { $0.isNaN ? 0 : Extended($0) }))
      func dot(_ a: [Extended], _ b: [Extended]) -> Extended { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      let (gg, gy, yy) = (dot(e, e), dot(e, z), dot(z, z))
      let nu = rows.count - covariates.count - 1
      let beta = gy / gg
      let left = zip(e, z).map { $1 - beta * $0 }
      let rest = dot(left, left)
      let error = (rest / Extended(nu) / gg).squareRoot()
      return Fit(
        beta: Double(beta), standardError: Double(error), t: Double(beta / error), degreesOfFreedom: nu,
        n: rows.count, rSquared: Double(gy * gy / gg / yy), oneMinusRSquared: Double(rest / yy))
    }
  }

  /// Dosages with missing ones at the mean.
  static func imputed(_ study: SmallStudy, _ variant: Int) -> [Extended] {
    let row = study.dosages[variant]
    let observed = row.filter { !$0.isNaN }
    let mean = observed.reduce(Extended(0)) { $0 + Extended($1) } / Extended(observed.count)
    return row.map { $0.isNaN ? mean : Extended($0) }
  }

  static func fits(
    _ small: SmallStudy, _ summary: ScanSummary
  ) -> [[Fit]] {
    summary.variances.map { variance in
      let y = small.phenotypes[variance.feature]
      let rows = y.indices.filter { !y[$0].isNaN }
      let explicit = Explicit(small, rows: rows, h: variance.estimate.heritability)
      return small.variants.indices.map { explicit.fit(imputed(small, $0), y) }
    }
  }

  /// β, se, t and ln p of every pair, by both back ends, with and without missing phenotypes; 1e-9: conditioning of V to 1e5 aside,
  /// the rotation loses n·2⁻⁵³. With h² that may be negative, too.
  @Test(
    arguments: [StudyShape.MissingPhenotypes.none, .few], [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func everyPairIsGeneralisedLeastSquares(
    missing: StudyShape.MissingPhenotypes, encoding: MemoryGenotypes.Encoding
  ) throws {
    let small = Self.study(seed: 5, missing: missing, encoding: encoding)
    let study = try small.study(shuffled: 3)
    for isConstrained in [true, false] {
      var options = ScanOptions.unfiltered
      options.mixedModel.isConstrained = isConstrained
      let scan = TransScan(threshold: 1, exclusion: .none, options: options)
      let (batches, summary) = try scan.hits(in: study)
      #expect(summary.variances.contains { $0.estimate.heritability > 0.5 })
      #expect(summary.variances.contains { $0.estimate.heritability < 0 } != isConstrained)
      let fits = Self.fits(small, summary)
      #expect(batches.pairs.count == small.variants.count * small.features.count)
      for (key, row) in batches.pairs {
        let fit = fits[key.trait][key.variant]
        #expect(row.degreesOfFreedom == fit.degreesOfFreedom && row.n == fit.n)
        #expect(abs(row.beta - fit.beta) <= 1e-9 * (abs(fit.beta) + fit.standardError), "\(key)")
        #expect(abs(row.standardError - fit.standardError) <= 1e-9 * fit.standardError, "\(key)")
        #expect(abs(row.t - fit.t) <= 1e-9 * max(1, abs(fit.t)), "\(key)")
        #expect(abs(row.logP - fit.logP()) <= 1e-8 * max(1, abs(fit.logP())), "\(key)")
      }
      let cis = try CisScan(radius: 1_000_000_000, options: options).pairs(in: study)
      let all = Dictionary(uniqueKeysWithValues: batches.pairs.map { ($0.key, $0.row) })
      #expect(!cis.batches.pairs.isEmpty)
      for (key, row) in cis.batches.pairs { #expect(all[key] == row) }
    }
  }

  /// Hits are those of all pairs, whatever the back end, instructions and workers.
  @Test(arguments: [0.5, 0.05, 1e-3], [MixedModelOptions.Test.wald, .score])
  func hitsAreAllPairsBelowTheThreshold(threshold: Double, test: MixedModelOptions.Test) throws {
    for (seed, missing) in zip(UInt64(1)..., StudyShape.MissingPhenotypes.allCases.prefix(2)) {
      let small = Self.study(samples: 90, variants: 700, traits: 70, seed: seed, missing: missing)
      let study = try small.study(shuffled: seed)
      var options = ScanOptions.unfiltered
      options.mixedModel.test = test
      options.mixedModel.isConstrained = missing == .none
      let (all, _) = try TransScan(threshold: 1, exclusion: .none, options: options).hits(in: study)
      let expected = all.pairs.filter { $0.row.logP <= log(threshold) }
      #expect(!expected.isEmpty)
      let scan = TransScan(threshold: threshold, exclusion: .none, options: options)
      for backend in ScanBackend.allCases {
        for instructions in backend == .blas ? [nil] : InstructionSet.available.map(Optional.some) {
          for workers in [1, 3] {
            let (found, summary) = try scan.hits(
              in: study,
              execution: Execution(workers: workers, backend: backend, instructions: instructions))
            // Not the lists: a failure would print them.
            let rows = found.pairs.map(\.row)
            let isSame = rows == expected.map(\.row)
            #expect(isSame, "\(backend) \(rows.count) rows for \(expected.count)")
            if backend == .integer { #expect(summary.counts.integerPairs > 0) }
          }
        }
      }
    }
  }

  /// GEMMA's score statistic: h² by maximum likelihood, F = n·r² on (1, ν).
  @Test func scoreTestIsGEMMAs() throws {
    let small = Self.study(seed: 9)
    var options = ScanOptions.unfiltered
    options.mixedModel.test = .score
    let (batches, summary) = try TransScan(threshold: 1, exclusion: .none, options: options)
      .hits(in: small.study())
    let fits = Self.fits(small, summary)
    for (key, row) in batches.pairs {
      let fit = fits[key.trait][key.variant]
      let p = FDistribution.logUpperP(
        Double(fit.n) * fit.rSquared, numerator: 1, denominator: Double(fit.degreesOfFreedom))
      #expect(abs(row.logP - p) <= 1e-8 * max(1, abs(p)), "\(key)")
      #expect(abs(row.beta - fit.beta) <= 1e-9 * (abs(fit.beta) + fit.standardError))
      #expect(abs(row.standardError - fit.standardError) <= 1e-9 * fit.standardError)
    }
  }

  /// The scale of K, the basis of the covariates and the files' order are conventions.
  @Test func conventionsDoNotMatter() throws {
    let small = Self.study(seed: 4)
    let scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    let reference = try scan.hits(in: small.study()).batches.pairs
    var scaled = small
    scaled.kinship = small.kinship.map { $0.map { 37 * $0 } }
    var rotated = small
    rotated.covariates = [
      zip(small.covariates[0], small.covariates[1]).map { 3 * $0 - $1 + 5 },
      zip(small.covariates[0], small.covariates[1]).map { $0 + 0.5 * $1 },
    ]
    for (name, other) in [("scaled", scaled), ("rotated", rotated)] {
      let rows = try scan.hits(in: other.study()).batches.pairs
      #expect(rows.map(\.key) == reference.map(\.key))
      for (a, b) in zip(rows, reference) {
        #expect(abs(a.row.t - b.row.t) <= 1e-9 * max(1, abs(b.row.t)), "\(name) \(a.key)")
        #expect(abs(a.row.logP - b.row.logP) <= 1e-9 * max(1, abs(b.row.logP)), "\(name) \(a.key)")
      }
    }
    #expect(try scan.hits(in: small.study(shuffled: 8)).batches.pairs.map(\.row) == reference.map(\.row))
  }

  /// A trait gives the same bits alone and among others.
  @Test func aTraitDoesNotDependOnTheOthers() throws {
    let small = Self.study(samples: 77, variants: 40, traits: 70, seed: 6)
    let scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    let all = try scan.hits(in: small.study(), workers: 2).batches.pairs
    for trait in [0, 33, 69] {
      var alone = small
      alone.features = [small.features[trait]]
      alone.phenotypes = [small.phenotypes[trait]]
      let rows = try scan.hits(in: alone.study()).batches.pairs
      let expected = all.filter { $0.key.trait == trait }
      #expect(rows.count == expected.count)
      for (a, b) in zip(rows, expected) {
        var row = a.row
        row.feature = trait
        #expect(row == b.row)
      }
    }
  }

  /// A trait that a variant explains (nearly) wholly keeps the digits of 1 − r².
  @Test func nearPerfectFitsKeepTheirDigits() throws {
    var small = Self.study(seed: 12)
    var generator = SplitMix64(3)
    for (trait, noise) in [(0, 1e-3), (1, 1e-5)] {
      let g = Self.imputed(small, trait)
      small.phenotypes[trait] = g.map { Double($0) + noise * generator.normal() }
    }
    let (batches, summary) = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
      .hits(in: small.study())
    let fits = Self.fits(small, summary)
    for trait in 0..<2 {
      let row = try #require(batches.pairs.first { $0.key == Pair(variant: trait, trait: trait) }).row
      let fit = fits[trait][trait]
      #expect(fit.oneMinusRSquared < 1e-4)
      #expect(abs(row.t - fit.t) <= 1e-7 * abs(fit.t))
    }
  }

  @Test func manyPatternsAreRefusedWithTheirNumber() throws {
    let small = Self.study(seed: 2, missing: .each)
    var options = ScanOptions.unfiltered
    options.mixedModel.maximumPatterns = 3
    let refused = #expect(throws: StudyError.self) {
      try TransScan(exclusion: .none, options: options).hits(in: small.study())
    }
    #expect(refused?.cause.contains("different patterns") == true)
    #expect(refused?.remedy.contains("--max-patterns") == true)
  }

  /// The best pair of each variant and trait is the best of all pairs.
  @Test(arguments: Alternative.allCases)
  func bestsAreThoseOfAllPairs(alternative: Alternative) throws {
    let small = Self.study(samples: 90, variants: 600, traits: 40, seed: 21, missing: .few)
    var options = ScanOptions.unfiltered
    options.alternative = alternative
    let study = try small.study()
    let all = try TransScan(threshold: 1, exclusion: .none, options: options).hits(in: study).batches.pairs
    let (batches, summary) = try TransScan(
      threshold: 1e-4, exclusion: .none, options: options, reportsBest: true
    ).hits(in: study, workers: 2)
    for (key, rows) in Dictionary(grouping: all, by: \.key.variant) {
      let least = rows.map(\.row.logP).min()
      #expect(batches.bestOfVariants.first { $0.variant == key }?.logP == least)
    }
    for (key, rows) in Dictionary(grouping: all, by: \.key.trait) {
      #expect(summary.bestOfTraits.first { $0.feature == key }?.logP == rows.map(\.row.logP).min())
    }
  }

  @Test func whatKnowsLeastSquaresOnlyRefuses() throws {
    let study = try Self.study(seed: 3).study()
    #expect(throws: StudyError.self) { try TransScan(countsAllP: true).hits(in: study) }
    #expect(throws: StudyError.self) { try TraitScale.all(of: study, .unfiltered, workers: 1) }
    #expect(throws: StudyError.self) {
      try TransPermutations(TransScan(exclusion: .none, options: .unfiltered), permutations: 20).run(
        in: study, execution: Execution())
    }
  }

  /// A decomposition made before gives the rows of one made now, and refuses other covariates.
  @Test func storedDecompositions() throws {
    let small = Self.study(seed: 15)
    let study = try small.study()
    let scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    let reference = try scan.hits(in: study).batches.pairs
    let residualiser = try Residualiser(covariates: study.covariates, names: study.covariateNames)
    guard case .kinship(let kinship) = try #require(study.relatedness) else { return }
    let basis = Matrix(rows: study.sampleCount, columns: residualiser.rank, storage: residualiser.q)
    let decomposition = try SpectralDecomposition(of: kinship, covariateBasis: basis)
    let stored = try small.study(relatedness: .decomposition(decomposition))
    #expect(try scan.hits(in: stored).batches.pairs.map(\.row) == reference.map(\.row))
    var other = small
    other.covariates.removeLast()
    other.covariateNames.removeLast()
    #expect(throws: StudyError.self) {
      try scan.hits(in: other.study(relatedness: .decomposition(decomposition)))
    }
  }
}
