import Distributions
import Foundation
import StudyData
import TestSupport
import Testing

@testable import Association

/// The scan of all pairs against the cis scan with windows that hold everything, which is checked against plain regressions.
@Suite struct TransInteractionTests {
  private static func random(seed: Int, terms: Int) -> SmallStudy {
    var generator = SplitMix64(UInt64(3100 + seed))
    var shape = StudyShape.random(&generator)
    shape.samples = max(shape.samples, 40)
    shape.covariates = min(shape.covariates, 6)
    shape.minimumFrequency = 0.1
    var small = SmallStudy(shape, seed: UInt64(4700 + seed))
    small.gatherOnOneChromosome()
    small.addRandomInteractions(terms, &generator)
    // Interactions to be found, from weak to nearly all of the trait.
    for (t, strength) in zip(small.features.indices, [0.3, 1, 30]) {
      let scale = small.phenotypes[t].filter { !$0.isNaN }.map(abs).max() ?? 1
      for i in 0..<small.sampleCount where !small.dosages[0][i].isNaN {
        small.phenotypes[t][i] += strength * scale * Double(small.dosages[0][i]) * small.interactions[0][i]
      }
    }
    return small
  }

  private static func scan(
    _ threshold: Double, _ exclusion: CisExclusion = .none, side: Alternative = .twoSided
  )
    -> TransInteractionScan
  {
    var options = ScanOptions.unfiltered
    options.alternative = side
    return TransInteractionScan(
      threshold: threshold, exclusion: exclusion, options: options, minimumStratumFrequency: 0)
  }

  private typealias Pairs = [(key: Pair, row: InteractionRow)]

  /// All rows of the cis scan that have numbers.
  private static func everything(_ study: Study, _ side: Alternative = .twoSided) throws -> (
    pairs: Pairs, batches: [InteractionBatch], counts: ScanCounts
  ) {
    var scan = InteractionScan.everywhere
    scan.options.alternative = side
    let (batches, summary) = try scan.pairs(in: study)
    return (batches.pairs.filter { $0.row.status != .singular }, batches, summary.counts)
  }

  private static func best(_ row: InteractionRow) -> Double {
    stride(from: 2, to: row.coefficients.count, by: 2).map { row.coefficients[$0].logP }.min() ?? 0
  }

  @Test(arguments: 0..<40) func numbersAreThoseOfTheCisScan(seed: Int) throws {
    let small = Self.random(seed: seed, terms: 1 + seed % 4)
    let all = try Self.everything(small.study())
    let (batches, summary) = try Self.scan(1).hits(in: small.study(shuffled: UInt64(seed)))
    #expect(batches.pairs.map(\.key) == all.pairs.map(\.key) && all.pairs.count > 5)
    #expect(batches.pairs.map(\.row) == all.pairs.map(\.row))
    #expect(batches.drops.map(\.id) == all.batches.drops.map(\.id))
    #expect(summary.counts.tests == all.counts.tests)
    #expect(summary.counts.untestable == all.counts.untestable)
    #expect(summary.counts.variants == all.counts.variants && summary.counts.excluded == 0)
  }

  /// The threshold at each of some p, so that the pair itself is just a hit, and just below it, so that it is none.
  @Test(arguments: 0..<40) func hitsAreThePairsWithinTheThreshold(seed: Int) throws {
    let small = Self.random(seed: seed, terms: 1 + seed % 4)
    let side = Alternative.allCases[seed % Alternative.allCases.count]
    let study = try small.study()
    let all = try Self.everything(study, side).pairs
    let ordered = all.map { Self.best($0.row) }.sorted()
    var scan = Self.scan(1, side: side)
    for rank in [0, 1, ordered.count / 20, ordered.count / 5, ordered.count - 1] {
      for limit in [ordered[rank], ordered[rank].nextDown] {
        scan.logThreshold = limit
        let (batches, summary) = try scan.hits(in: study)
        let expected = all.filter { Self.best($0.row) <= limit }
        #expect(batches.pairs.map(\.row) == expected.map(\.row), "\(rank), \(limit)")
        #expect(summary.counts.rows == expected.count && summary.counts.survivors >= expected.count)
        #expect(summary.counts.tests == all.count)
      }
    }
  }

  /// More variants than a panel or a block holds, more traits than a tile; few pairs are recomputed.
  @Test(arguments: [(700, 7, 1), (3, 2700, 2)]) func manyVariantsAndTraits(
    _ variants: Int, _ traits: Int, _ terms: Int
  ) throws {
    var generator = SplitMix64(5)
    var small = SmallStudy(samples: 30)
    for _ in 0..<variants {
      small.addVariant((0..<30).map { _ in Float(Int.random(in: 0...2, using: &generator)) })
    }
    for t in 0..<traits {
      var y = (0..<30).map { _ in generator.normal() }
      if t % 5 == 0 { y[t % 30] = .nan }
      small.addTrait(y)
    }
    small.gatherOnOneChromosome()
    small.addRandomInteractions(terms, &generator)
    let study = try small.study()
    let limit = log(0.01)
    let expected = try Self.everything(study).pairs.filter { Self.best($0.row) <= limit }
    for workers in [1, 2, 3] {
      let (batches, summary) = try Self.scan(0.01).hits(in: study, workers: workers)
      #expect(batches.pairs.map(\.row) == expected.map(\.row) && expected.count > 20)
      #expect(summary.counts.survivors < 3 * expected.count)
      #expect(summary.counts.floatPairs == variants * traits)
    }
  }

  @Test(arguments: 0..<6) func nearPairsAreNotTested(seed: Int) throws {
    var small = Self.random(seed: 60 + seed, terms: 1 + seed % 2)
    let all = try Self.everything(small.study()).pairs
    for v in small.variants.indices { small.variants[v].position = 1000 * (v + 1) }
    for t in small.features.indices {
      (small.features[t].start, small.features[t].end) = (3000 * t + 1, 3000 * t + 1)
    }
    small.features[0].chromosome = "2"
    let study = try small.study()
    let exclusion = CisExclusion(radius: 4000, pairs: [("t1", "t0")])
    let (batches, summary) = try Self.scan(1, exclusion).hits(in: study)
    func isNear(_ v: Int, _ t: Int) -> Bool {
      small.features[t].chromosome == "1"
        && abs(small.variants[v].position - small.features[t].start) <= 4000
    }
    let expected = all.filter { key, _ in
      !isNear(key.variant, key.trait) && !(key.trait == 0 && isNear(key.variant, 1))
    }
    #expect(batches.pairs.map(\.row) == expected.map(\.row))
    #expect(summary.counts.excluded > 0 && summary.counts.tests == expected.count)
  }

  /// From a few missing samples to so many that nothing can be screened.
  @Test(arguments: [0.02, 0.1, 0.3, 0.6]) func missingPhenotypes(share: Double) throws {
    var generator = SplitMix64(81)
    var small = Self.random(seed: 2, terms: 2)
    for t in small.features.indices where t > 0 {
      for i in 0..<small.sampleCount where generator.bernoulli(share) { small.phenotypes[t][i] = .nan }
    }
    let study = try small.study()
    let all = try Self.everything(study)
    for threshold in [1, 0.05, 1e-4] {
      let (batches, summary) = try Self.scan(threshold).hits(in: study)
      let expected = all.pairs.filter { Self.best($0.row) <= log(threshold) }
      #expect(batches.pairs.map(\.row) == expected.map(\.row))
      #expect(summary.counts.tests == all.counts.tests)
      #expect(summary.counts.untestable == all.counts.untestable)
    }
  }

  /// Counted whatever the threshold, though they have no rows.
  @Test func singularDesignsAreUntestable() throws {
    var generator = SplitMix64(21)
    var small = SmallStudy(samples: 40)
    for _ in 0..<4 { small.addVariant((0..<40).map { _ in Float(Int.random(in: 0...2, using: &generator)) }) }
    for _ in 0..<3 { small.addTrait((0..<40).map { _ in generator.normal() }, chromosome: "1", start: 1000) }
    small.addInteraction((0..<40).map { Double($0 % 2) })
    // No variation in one group; the same as the term; and, for some traits, no carrier or no sample left in a group.
    for i in 0..<40 where i % 2 == 1 { small.dosages[0][i] = 1 }
    small.dosages[2] = small.interactions[0].map { Float(2 - $0) }
    for i in 0..<40 where i % 2 == 1 {
      small.phenotypes[2][i] = .nan
      if small.dosages[3][i] > 0 { small.phenotypes[1][i] = .nan }
    }
    let study = try small.study()
    let all = try Self.everything(study)
    for threshold in [1, 1e-9] {
      let (batches, summary) = try Self.scan(threshold).hits(in: study)
      #expect(batches.drops.map(\.id) == ["v2"])
      #expect(summary.counts.tests == all.counts.tests && summary.counts.untestable == all.counts.untestable)
      #expect(summary.counts.untestable >= 6)
    }
    for i in 0..<40 where i % 2 == 1 { for v in [1, 3] { small.dosages[v][i] = 1 } }
    let error = #expect(throws: StudyError.self) { try Self.scan(1).hits(in: small.study()) }
    #expect(error?.cause.contains("nothing was tested") == true)
  }

  @Test func perfectFitsAreFound() throws {
    var small = Self.random(seed: 4, terms: 1)
    for i in 0..<small.sampleCount {
      let g = Double(small.dosages[1][i])
      small.phenotypes[0][i] =
        g.isNaN ? .nan : g + 2 * small.interactions[0][i] - 3 * g * small.interactions[0][i]
    }
    let (batches, summary) = try Self.scan(1e-200).hits(in: small.study())
    #expect(batches.rowOf[Pair(variant: 1, trait: 0)]?.status == .perfect)
    #expect(summary.counts.perfectFits == 1)
  }

  @Test func whatCannotBeScanned() throws {
    let small = Self.random(seed: 5, terms: 1)
    var error = #expect(throws: StudyError.self) {
      try Self.scan(1).run(
        in: small.study(), execution: Execution(memory: 1 << 20), render: { $0 }, emit: { _ in })
    }
    #expect(error?.kind == .environment)
    var other = small
    (other.interactions, other.interactionNames) = ([], [])
    error = #expect(throws: StudyError.self) { try Self.scan(1).hits(in: other.study()) }
    #expect(error?.cause.contains("no interaction term") == true)
    other = small
    for t in other.features.indices { other.features[t].chromosome = "" }
    error = #expect(throws: StudyError.self) { try Self.scan(1, CisExclusion()).hits(in: other.study()) }
    #expect(error?.cause.contains("no phenotype has a location") == true)
  }
}
