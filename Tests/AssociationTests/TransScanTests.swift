import Association
import Foundation
import StudyData
import TestSupport
import Testing

/// Trans scans against every pair regressed by brute force.
@Suite struct TransScanTests {
  /// One random study with random options.
  struct Trial {
    let small: SmallStudy
    let scan: TransScan
    let alternative: Alternative
    let minimumFrequency: Double

    init(seed: UInt64) {
      var generator = SplitMix64(seed)
      let shape = StudyShape.random(&generator)
      let small = SmallStudy(shape, seed: seed)
      self.small = small
      alternative = generator.bernoulli(0.6) ? .twoSided : generator.bernoulli(0.5) ? .greater : .less
      minimumFrequency = generator.bernoulli(0.7) ? 0 : 0.1
      var exclusion = CisExclusion.none
      if generator.bernoulli(0.5) {
        exclusion.radius = Int.random(in: 0...8_000_000, using: &generator)
        exclusion.anchor = WindowAnchor.allCases.randomElement(using: &generator) ?? .automatic
      }
      if generator.bernoulli(0.4) {
        exclusion.pairs = (0..<3).map { _ in
          (
            small.features.randomElement(using: &generator)?.id ?? "",
            small.features.randomElement(using: &generator)?.id ?? ""
          )
        }
      }
      let threshold = [0.5, 0.7, 0.1, 1e-2, 1e-4, 1e-6, 1e-10].randomElement(using: &generator) ?? 0.5
      scan = TransScan(
        threshold: threshold, exclusion: exclusion,
        options: ScanOptions(
          filter: VariantFilter(
            minimumFrequency: minimumFrequency, minimumCount: 0, maximumMissing: 1), alternative: alternative)
      )
    }

    /// From the definition: near the trait itself, or near a trait that it must not be tested with.
    func isExcluded(_ variant: Variant, _ trait: Int) -> Bool {
      let exclusion = scan.exclusion
      func isNear(_ feature: Feature, _ radius: Int) -> Bool {
        let usesInterval = exclusion.anchor != .tss && small.features.contains { $0.end > $0.start }
        let end = usesInterval || exclusion.anchor == .interval ? feature.end : feature.start
        return "chr" + feature.chromosome == variant.chromosome
          && variant.position >= feature.start - radius && variant.position <= end + radius
      }
      if let radius = exclusion.radius, isNear(small.features[trait], radius) { return true }
      return exclusion.pairs.contains { a, b in
        small.features[trait].id == b
          && small.features.contains { $0.id == a && isNear($0, exclusion.radius ?? 1_000_000) }
      }
    }
  }

  @Test(arguments: 0..<24)
  func hitsAndNumbersAreThoseOfBruteForce(batch: Int) throws {
    var hitCount = 0
    for seed in batch * 10..<batch * 10 + 10 {
      let trial = Trial(seed: UInt64(seed))
      let brute = BruteForce(trial.small) { frequency, _ in frequency >= trial.minimumFrequency }
      let tested = brute.pairs.filter {
        !trial.isExcluded(trial.small.variants[$0.variant], $0.trait)
      }
      let expected = tested.filter {
        ($0.fit?.logP(trial.alternative) ?? .infinity) <= trial.scan.logThreshold
      }
      let study = try trial.small.study(shuffled: UInt64(seed))
      guard tested.contains(where: { $0.fit != nil }) else {
        #expect(throws: StudyError.self, "seed \(seed)") { try trial.scan.hits(in: study) }
        continue
      }
      let (batches, summary) = try trial.scan.hits(in: study, workers: 2)
      let found = disagreements(batches.pairs, expected, trial.alternative)
      #expect(found.isEmpty, "seed \(seed)")
      #expect(summary.counts.tests == tested.filter { $0.fit != nil }.count, "seed \(seed)")
      #expect(summary.counts.untestable == tested.filter { $0.fit == nil }.count, "seed \(seed)")
      #expect(summary.counts.excluded == brute.pairs.count - tested.count, "seed \(seed)")
      #expect(summary.counts.variants == brute.variants.count, "seed \(seed)")
      #expect(
        summary.counts.droppedVariants == trial.small.variants.count - brute.variants.count, "seed \(seed)")
      #expect(batches.drops.count == summary.counts.droppedVariants, "seed \(seed)")
      #expect(summary.counts.rows == expected.count, "seed \(seed)")
      #expect(summary.traits == brute.traits.count, "seed \(seed)")
      hitCount += expected.count
    }
    // Ten studies without a hit would not test much.
    #expect(hitCount > 0)
  }

  /// p* just above or below each of the smallest p of a study: the pair is in, or out, and nothing else changes.
  @Test(arguments: [StudyShape.MissingPhenotypes.none, .each])
  func pairsWithinAMillionthOfTheThresholdAreDecidedRight(missing: StudyShape.MissingPhenotypes) throws {
    var shape = StudyShape()
    shape.samples = 300
    shape.variants = 40
    shape.traits = 10
    shape.encoding = .fractional
    shape.missingPhenotypes = missing
    let small = SmallStudy(shape, seed: 5)
    let study = try small.study()
    let fits = BruteForce(small).pairs.compactMap(\.fit).map { $0.logP() }.sorted()
    for logP in fits.prefix(60) where logP > -700 {
      let inside = TransScan(threshold: exp(logP) * (1 + 1e-6), exclusion: .none, options: .unfiltered)
      let outside = TransScan(threshold: exp(logP) * (1 - 1e-6), exclusion: .none, options: .unfiltered)
      let rank = fits.filter { $0 <= logP }.count
      #expect(try inside.hits(in: study).summary.counts.rows == rank)
      #expect(try outside.hits(in: study).summary.counts.rows == rank - 1)
    }
  }

  /// Beyond double range: r² → 1 in thousands of samples.
  @Test func thresholdsFarBelowDoubleRangeStillSelect() throws {
    var generator = SplitMix64(11)
    var small = SmallStudy(samples: 4000)
    for _ in 0..<5 {
      small.addVariant((0..<4000).map { _ in Float(Int.random(in: 0...2, using: &generator)) })
    }
    for noise in [1e-1, 1e-2, 1e-3] {
      small.addTrait(small.dosages[2].map { Double($0) + noise * generator.normal() })
    }
    let brute = BruteForce(small)
    var scan = TransScan(exclusion: .none)
    for limit in [-700.0, -10_000, -18_000] {
      scan.logThreshold = limit
      let expected = brute.pairs.filter { ($0.fit?.logP() ?? 0) <= limit }
      let (batches, _) = try scan.hits(in: small.study())
      #expect(disagreements(batches.pairs, expected).isEmpty)
      #expect(!expected.isEmpty)
    }
  }

  /// Statistics near zero: p near 1 must keep its digits, since π₀ and the histogram are made of such pairs.
  @Test func pNearOneKeepsItsDigits() throws {
    var generator = SplitMix64(12)
    var small = SmallStudy(samples: 200)
    small.addVariant((0..<200).map { _ in Float(Int.random(in: 0...2, using: &generator)) })
    let g = small.dosages[0].map(Double.init)
    let mean = g.reduce(0, +) / 200
    let total = g.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    for power in 2...9 {
      // Noise without g, then a little of it: r is about 10⁻ᵏ.
      var y = (0..<200).map { _ in generator.normal() }
      let slope = zip(g, y).reduce(0) { $0 + ($1.0 - mean) * $1.1 } / total
      for i in 0..<200 { y[i] += (pow(10, -Double(power)) - slope) * (g[i] - mean) }
      small.addTrait(y)
    }
    let (batches, _) = try TransScan(threshold: 1, exclusion: .none).hits(in: small.study())
    let found = disagreements(batches.pairs, BruteForce(small).pairs)
    #expect(found.isEmpty)
  }

  @Test func everyPairIsReportedAtThresholdOne() throws {
    for alternative in Alternative.allCases {
      var shape = StudyShape()
      shape.missingPhenotypes = .few
      let small = SmallStudy(shape, seed: 3)
      let scan = TransScan(
        threshold: 1, exclusion: .none,
        options: ScanOptions(filter: .off, alternative: alternative))
      let expected = BruteForce(small).pairs.filter { $0.fit != nil }
      let (batches, _) = try scan.hits(in: small.study())
      #expect(disagreements(batches.pairs, expected, alternative).isEmpty)
    }
  }

  /// Gene A is constant, so it is not analysed; reads still map between it and B, and it still makes windows intervals.
  @Test func featuresThatAreNotAnalysedStillExclude() throws {
    var small = SmallStudy(StudyShape(), seed: 9)
    small.features = []
    small.phenotypes.removeLast(small.phenotypes.count - 2)
    small.phenotypes[0] = [Double](repeating: 1, count: small.sampleCount)
    small.features = [
      Feature(id: "A", chromosome: "1", start: 100_000_000, end: 100_001_000),
      Feature(id: "B", chromosome: "2", start: 50_000_000, end: 50_000_000),
    ]
    small.variants[0].chromosome = "1"
    small.variants[0].position = 100_001_500
    var scan = TransScan(
      threshold: 1, exclusion: CisExclusion(radius: 1000, anchor: .automatic, pairs: [("A", "B")]),
      options: .unfiltered)
    for radius in [1000, nil] {
      scan.exclusion.radius = radius
      let (batches, summary) = try scan.hits(in: small.study())
      #expect(summary.counts.excluded == 1 && summary.counts.tests == 19)
      #expect(batches.pairs.map(\.key.variant) == Array(1..<20))
    }
  }

  @Test func selectionKeepsOrdinalsOfTheSource() throws {
    let small = SmallStudy(StudyShape(), seed: 8)
    var scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    scan.options.selection = VariantSelection(ids: ["v3", "v17"])
    let (batches, _) = try scan.hits(in: small.study())
    let found = disagreements(
      batches.pairs, BruteForce(small).pairs.filter { [3, 17].contains($0.variant) && $0.fit != nil })
    #expect(found.isEmpty)
  }

  @Test func readerAndSinkErrorsReachTheCaller() throws {
    let small = SmallStudy(StudyShape(), seed: 8)
    let failure = StudyError(.malformed, file: "x.bed", line: 3, "cut short", remedy: "copy it again")
    var genotypes = MemoryGenotypes(
      sampleIDs: small.sampleIDs, variants: small.variants, dosages: small.dosages, encoding: .hardCalls)
    genotypes.failure = (0, failure)
    let whole = try small.study()
    let study = try Study(
      genotypes: genotypes,
      phenotypes: Phenotypes(
        path: "y", sampleIDs: whole.sampleIDs, features: whole.features, values: whole.phenotypes))
    #expect(throws: failure) { try TransScan().hits(in: study) }
    #expect(throws: failure) {
      try TransScan().run(
        in: whole, execution: Execution(), render: { $0 }, emit: { _ in throw failure })
    }
  }

  @Test func tooLittleMemoryIsRefusedUpFront() throws {
    let small = SmallStudy(StudyShape(), seed: 8)
    let error = #expect(throws: StudyError.self) {
      try TransScan().run(
        in: small.study(), execution: Execution(memory: 1 << 20), render: { $0 }, emit: { _ in })
    }
    #expect(error?.kind == .environment)
  }
}
