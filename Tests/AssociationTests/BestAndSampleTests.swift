import Association
import Foundation
import StudyData
import TestSupport
import Testing

/// What is said about all pairs: bests, the histogram, the sample.
@Suite struct BestAndSampleTests {
  /// A scan's own rows at p ≤ 1 (which other tests compare with brute force) are all pairs.
  private static func allRows(_ scan: TransScan, _ study: Study) throws -> [PairRow] {
    var all = scan
    all.logThreshold = 0
    (all.reportsBest, all.countsAllP) = (false, false)
    return try all.hits(in: study).batches.pairs.map(\.row)
  }

  /// By p, then |t|, then order: the definition.
  private static func best(of rows: [PairRow]) -> PairRow? {
    rows.min { a, b in
      (a.logP, -abs(a.t), a.variant, a.feature) < (b.logP, -abs(b.t), b.variant, b.feature)
    }
  }

  @Test(arguments: 0..<8)
  func bestsAndHistogramAreThoseOfAllPairs(batch: Int) throws {
    for seed in batch * 8..<batch * 8 + 8 {
      let trial = TransScanTests.Trial(seed: UInt64(9000 + seed))
      var small = trial.small
      // Ties: the same variant twice, the same trait twice.
      small.variants += small.variants.prefix(2)
      small.dosages += small.dosages.prefix(2)
      var twin = small.features[0]
      twin.id = "twin"
      small.features.append(twin)
      small.phenotypes.append(small.phenotypes[0])
      let study = try small.study()
      var scan = trial.scan
      // A study whose variants are all filtered away is an error, which is tested elsewhere.
      scan.options.filter = .off
      scan.reportsBest = true
      scan.countsAllP = true
      let rows = try Self.allRows(scan, study)
      for workers in [1, 3] {
        let (batches, summary) = try scan.hits(in: study, workers: workers)
        let ofTraits = Dictionary(grouping: rows, by: \.feature).compactMapValues(Self.best)
        #expect(
          summary.bestOfTraits == ofTraits.sorted { $0.key < $1.key }.map(\.value), "seed \(seed)")
        let ofVariants = Dictionary(grouping: rows, by: \.variant).compactMapValues(Self.best)
        #expect(
          batches.bestOfVariants == ofVariants.sorted { $0.key < $1.key }.map(\.value), "seed \(seed)")
        #expect(batches.pairs.map(\.row) == rows.filter { $0.logP <= scan.logThreshold }, "seed \(seed)")
        var histogram = [Int](repeating: 0, count: 20)
        for row in rows { histogram[min(19, Int(exp(row.logP) * 20))] += 1 }
        #expect(summary.histogram == histogram, "seed \(seed)")
        #expect(summary.counts.tests == rows.count)
        // Few traits and variants: the sample is all of them.
        #expect(summary.sampledLogP == rows.map(\.logP).sorted(), "seed \(seed)")
      }
    }
  }

  /// Many variants: floors have risen when most of them come.
  @Test(arguments: StudyShape.MissingPhenotypes.allCases, Alternative.allCases)
  func bestsOverSeveralBlocks(missing: StudyShape.MissingPhenotypes, alternative: Alternative) throws {
    var shape = StudyShape()
    shape.samples = 50
    shape.variants = 1500
    shape.traits = 20
    shape.missingPhenotypes = missing
    shape.planted = 0.2
    let study = try SmallStudy(shape, seed: 41).study()
    let scan = TransScan(
      threshold: 1e-6, options: ScanOptions(filter: .off, alternative: alternative), reportsBest: true,
      countsAllP: true)
    let rows = try Self.allRows(scan, study)
    let (batches, summary) = try scan.hits(in: study, workers: 2)
    let ofTraits = Dictionary(grouping: rows, by: \.feature).compactMapValues(Self.best)
    #expect(summary.bestOfTraits == ofTraits.sorted { $0.key < $1.key }.map(\.value))
    let ofVariants = Dictionary(grouping: rows, by: \.variant).compactMapValues(Self.best)
    #expect(batches.bestOfVariants == ofVariants.sorted { $0.key < $1.key }.map(\.value))
    #expect(summary.histogram.reduce(0, +) == summary.counts.tests)
    // The floors are of use: most pairs are not recomputed.
    if missing == .none { #expect(summary.counts.survivors < summary.counts.tests / 2) }
  }

  /// More traits than are drawn per variant: 64 draws, every one a test that was performed.
  @Test func theSampleIsOfPerformedTests() throws {
    var shape = StudyShape()
    shape.samples = 30
    shape.variants = 600
    shape.traits = 150
    shape.missingPhenotypes = .few
    let study = try SmallStudy(shape, seed: 42).study()
    let scan = TransScan(
      threshold: 1e-4, exclusion: CisExclusion(radius: 6_000_000), options: .unfiltered)
    let all = try Self.allRows(scan, study)
    let sampled = try scan.hits(in: study, workers: 1).summary.sampledLogP
    #expect(try scan.hits(in: study, workers: 3).summary.sampledLogP == sampled)
    var known: [Double: Int] = [:]
    for row in all { known[row.logP, default: 0] += 1 }
    for logP in sampled {
      let left = known[logP, default: 0]
      #expect(left > 0)
      known[logP] = left - 1
    }
    // 64 draws of 150 with replacement hit about 52 traits; some of those are excluded.
    #expect(sampled.count > 600 * 30 && sampled.count < 600 * 60)
    #expect(sampled == sampled.sorted())
  }

  /// More variants than are drawn. Normal noise, so p is uniform: its mean within 5 standard errors of ½.
  @Test func theSampleIsBoundedAndUniformUnderTheNull() throws {
    var generator = SplitMix64(43)
    var small = SmallStudy(samples: 40)
    small.encoding = .hardCalls
    for _ in 0..<20_000 {
      let p = generator.uniform(0.1, 0.5)
      small.addVariant(
        (0..<40).map { _ in (generator.bernoulli(p) ? 1 : 0) + (generator.bernoulli(p) ? 1 : 0) })
    }
    for _ in 0..<8 { small.addTrait((0..<40).map { _ in generator.normal() }) }
    let study = try small.study()
    let scan = TransScan(exclusion: .none, countsAllP: true)
    let one = try scan.hits(in: study, workers: 1).summary
    #expect(try scan.hits(in: study, workers: 3).summary.sampledLogP == one.sampledLogP)
    let p = one.sampledLogP.map { exp($0) }
    #expect(p.count == 15_625 * 8)
    let mean = p.reduce(0, +) / Double(p.count)
    #expect(abs(mean - 0.5) < 5 * (1.0 / 12 / Double(p.count)).squareRoot())
    // The sample and all tests tell the same story, bin by bin (5 standard errors of a share).
    let total = Double(one.counts.tests)
    for (bin, count) in one.histogram.enumerated() {
      let share = Double(count) / total
      let sampled = Double(p.count { min(19, Int($0 * 20)) == bin }) / Double(p.count)
      #expect(abs(sampled - share) < 5 * (share / Double(p.count)).squareRoot())
    }
  }
}
