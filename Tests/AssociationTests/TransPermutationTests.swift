import Distributions
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// Permutation maxima are what scans of the permuted traits themselves find, to the last bit.
@Suite struct TransPermutationTests {
  private static func study(
    _ missing: StudyShape.MissingPhenotypes, samples: Int = 60, seed: UInt64 = 9
  ) throws -> Study {
    var shape = StudyShape()
    shape.samples = samples
    shape.variants = 90
    shape.traits = 7
    shape.covariates = 2
    shape.missingGenotypes = 0.03
    shape.missingPhenotypes = missing
    shape.heavyTails = true
    return try SmallStudy(shape, seed: seed).study()
  }

  /// One scan for bests of every copy, made without the code under test but for the order of the samples.
  private static func expected(_ scan: TransScan, _ permutations: Int, _ study: Study) throws -> [[Double]] {
    let shuffles = Permutations(seed: scan.seed, sampleIDs: study.sampleIDs)
    var minima = [[Double]](repeating: [], count: study.features.count)
    for index in 1...permutations {
      let order = shuffles.order(index).map { Int($0) }
      var permuted = study.phenotypes
      for column in 0..<permuted.columns {
        let observed = (0..<permuted.rows).filter { !study.phenotypes[$0, column].isNaN }
        let from = order.filter { !study.phenotypes[$0, column].isNaN }
        for (to, source) in zip(observed, from) { permuted[to, column] = study.phenotypes[source, column] }
      }
      var every = scan
      every.reportsBest = true
      let summary = try every.hits(in: study.replacing(features: study.features, phenotypes: permuted))
        .summary
      for row in summary.bestRows { minima[row.feature].append(row.logP) }
    }
    return minima.map { $0.sorted() }
  }

  @Test(arguments: StudyShape.MissingPhenotypes.allCases, Alternative.allCases)
  func maximaAreThoseOfScansOfPermutedTraits(
    missing: StudyShape.MissingPhenotypes, alternative: Alternative
  ) throws {
    let study = try Self.study(missing)
    var options = ScanOptions.unfiltered
    options.alternative = alternative
    let scan = TransScan(exclusion: CisExclusion(radius: 400_000), options: options, seed: 3)
    let wanted = try Self.expected(scan, 12, study)
    var best = scan
    best.reportsBest = true
    let leads = try best.hits(in: study).summary
    for backend in ScanBackend.allCases {
      for workers in [1, 3] {
        let (traits, counts) = try TransPermutations(scan, permutations: 12).run(
          in: study, execution: Execution(workers: workers, backend: backend))
        #expect(traits.map(\.minimalLogP) == wanted, "\(backend), \(workers) workers")
        for (trait, lead) in zip(traits, leads.bestRows) {
          var row = lead
          row.variant = 0
          #expect(trait.row == row)
          #expect(trait.variant.ordinal == leads.bestVariants[lead.variant].ordinal)
        }
        #expect(counts.integerPairs + counts.floatPairs > 0)
        #expect((counts.integerPairs > 0) == (backend != .blas || counts.floatPairs == 0))
      }
    }
  }

  /// As many passes as a small memory makes of it change nothing; too small a one is refused.
  @Test func passesOverTheGenotypes() throws {
    let study = try Self.study(.few)
    let permutations = TransPermutations(
      TransScan(exclusion: .none, options: .unfiltered), permutations: 40)
    let whole = Execution(workers: 1, memory: 1 << 30)
    #expect(try permutations.copiesPerPass(of: study, whole) == 41)
    // The least memory that is not refused, then a little more, for a few copies a pass.
    var memory = 64 << 20
    while (try? permutations.copiesPerPass(of: study, Execution(workers: 1, memory: memory))) == nil {
      memory += 4 << 10
    }
    let tight = Execution(workers: 1, memory: memory + (96 << 10))
    let copies = try permutations.copiesPerPass(of: study, tight)
    #expect(copies > 1 && copies < 20)
    let a = try permutations.run(in: study, execution: whole).traits
    let b = try permutations.run(in: study, execution: tight).traits
    #expect(a.map(\.minimalLogP) == b.map(\.minimalLogP))
    #expect(a.map(\.row) == b.map(\.row))
    #expect(throws: StudyError.self) {
      try permutations.run(in: study, execution: Execution(workers: 1, memory: 32 << 20))
    }
  }

  @Test func permutationsAreKeyedBySeedIndexAndSamples() {
    let ids = (0..<50).map { "s\($0)" }
    let shuffles = Permutations(seed: 1, sampleIDs: ids)
    #expect(shuffles.order(0) == (0..<50).map { Int32($0) })
    #expect(shuffles.order(4).sorted() == (0..<50).map { Int32($0) })
    #expect(shuffles.order(4) == Permutations(seed: 1, sampleIDs: ids).order(4))
    #expect(shuffles.order(4) != shuffles.order(5))
    #expect(shuffles.order(4) != Permutations(seed: 2, sampleIDs: ids).order(4))
    #expect(shuffles.order(4) != Permutations(seed: 1, sampleIDs: ids.reversed()).order(4))
    // Each sample comes first about equally often: within 6 standard errors of 5,000 / 50.
    var first = [Int](repeating: 0, count: 50)
    for index in 1...5_000 { first[Int(shuffles.order(index)[0])] += 1 }
    #expect(first.allSatisfy { abs($0 - 100) < 60 })
  }

  @Test func ranks() throws {
    let study = try Self.study(.none)
    var trait = try #require(
      TransPermutations(TransScan(options: .unfiltered), permutations: 1).run(
        in: study, execution: Execution()
      ).traits.first)
    trait.minimalLogP = (1...99).map { -100 + Double($0) }
    trait.row.logP = -99
    #expect(trait.empiricalP == 0.02)
    trait.row.logP = -200
    #expect(trait.empiricalP == 0.01)
    #expect(trait.logThreshold(0.05) == -95)
    #expect(trait.logThreshold(0.29) == -71)
    #expect(trait.logThreshold(0.01) == -99)
    #expect(trait.logThreshold(0.005) == nil)
  }
}
