import Association
import StudyData
import TestSupport
import Testing

/// Which variants are left out, and why.
@Suite struct VariantFilterTests {
  private static let n = 40

  /// Hard calls with given numbers of 0, 1, 2 and missing, in a random order.
  private static func calls(_ counts: [Int], _ generator: inout SplitMix64) -> [Float] {
    var all: [Float] = []
    for (value, count) in zip([0, 1, 2, Float.nan], counts) {
      all += [Float](repeating: value, count: count)
    }
    precondition(all.count == n)
    return all.shuffled(using: &generator)
  }

  private static func study(_ counts: [[Int]], _ encoding: MemoryGenotypes.Encoding) -> SmallStudy {
    var generator = SplitMix64(1)
    var small = SmallStudy(samples: n)
    small.encoding = encoding
    for row in counts { small.addVariant(calls(row, &generator)) }
    small.addTrait((0..<n).map { _ in generator.normal() })
    return small
  }

  private static func reasons(_ small: SmallStudy, _ filter: VariantFilter) throws -> [String: String] {
    let (batches, summary) = try TransScan(
      threshold: 1, exclusion: .none, options: ScanOptions(filter: filter)
    ).hits(in: small.study(shuffled: 1))
    #expect(summary.counts.variants + summary.counts.droppedVariants == small.variants.count)
    #expect(
      Set(batches.pairs.map { "v\($0.key.variant)" }).isDisjoint(with: batches.drops.map(\.id)))
    return Dictionary(uniqueKeysWithValues: batches.drops.map { ($0.id, $0.reason) })
  }

  private static let counts = [
    [30, 9, 1, 0],  // v0: ordinary, frequency 11/80
    [40, 0, 0, 0],  // v1: monomorphic
    [0, 0, 39, 1],  // v2: monomorphic but for a missing call
    [0, 40, 0, 0],  // v3: all heterozygous
    [0, 0, 0, 40],  // v4: all missing
    [39, 1, 0, 0],  // v5: frequency 1/80
    [0, 2, 38, 0],  // v6: the minor allele is REF, frequency 2/80
    [20, 10, 6, 4],  // v7: 10 % missing
    [20, 10, 5, 5],  // v8: 12.5 % missing
    [20, 0, 20, 0],  // v9: no heterozygotes
  ]

  @Test(arguments: [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func whatCannotBeTestedIsDroppedWithTheFiltersOff(encoding: MemoryGenotypes.Encoding) throws {
    let found = try Self.reasons(Self.study(Self.counts, encoding), .off)
    #expect(
      found == [
        "v1": "monomorphic", "v2": "monomorphic", "v3": "monomorphic", "v4": "no observed genotype",
      ])
  }

  @Test(arguments: [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func filtersAreInclusive(encoding: MemoryGenotypes.Encoding) throws {
    let small = Self.study(Self.counts, encoding)
    func dropped(_ change: (inout VariantFilter) -> Void) throws -> [String: String] {
      var filter = VariantFilter.off
      change(&filter)
      let always: Set = ["v1", "v2", "v3", "v4"]
      return try Self.reasons(small, filter).filter { !always.contains($0.key) }
    }
    #expect(try dropped { $0.minimumFrequency = 2.0 / 80 } == ["v5": "minor allele frequency"])
    #expect(
      try dropped { $0.minimumFrequency = 2.01 / 80 }
        == ["v5": "minor allele frequency", "v6": "minor allele frequency"])
    #expect(try dropped { $0.minimumCount = 2 } == ["v5": "minor allele count"])
    #expect(
      try dropped { $0.minimumCount = 2.5 } == ["v5": "minor allele count", "v6": "minor allele count"])
    #expect(try dropped { $0.maximumMissing = 0.1 } == ["v8": "missing rate"])
    #expect(try dropped { $0.maximumMissing = 0.09 } == ["v7": "missing rate", "v8": "missing rate"])
    #expect(try dropped { $0.minimumHardyWeinbergP = 1e-6 } == ["v9": "Hardy-Weinberg"])
  }

  /// Every variant of the first blocks is dropped, so that a worker meets an empty panel first.
  @Test(arguments: [false, true]) func blocksWithoutAVariantAreSkipped(wholeRows: Bool) throws {
    let small = Self.study(
      [[Int]](repeating: [40, 0, 0, 0], count: 1100) + Self.counts, .hardCalls)
    let (batches, summary) = try TransScan(
      threshold: 1, exclusion: .none, options: .unfiltered, reportsBest: wholeRows, countsAllP: wholeRows
    ).hits(in: small.study())
    #expect(batches.drops.count == 1104 && summary.counts.rows == 6)
  }

  @Test func variantsInTheSpanOfTheCovariatesAreDropped() throws {
    var shape = StudyShape()
    shape.covariates = 1
    var small = SmallStudy(shape, seed: 2)
    small.addCovariate(small.dosages[4].map { 5 - 3 * Double($0) })
    small.addCovariate(zip(small.dosages[7], small.dosages[8]).map { Double($0 + $1) })
    small.addCovariate(zip(small.dosages[7], small.dosages[8]).map { Double($0 - $1) })
    for wholeRows in [false, true] {
      let (batches, summary) = try TransScan(
        threshold: 1, exclusion: .none, options: .unfiltered, reportsBest: wholeRows, countsAllP: wholeRows
      ).hits(in: small.study())
      #expect(batches.drops.map(\.id) == ["v4", "v7", "v8"])
      #expect(batches.drops.allSatisfy { $0.reason == "collinear with the covariates" })
      #expect(summary.counts.variants == 17 && summary.counts.tests == 17 * small.features.count)
      #expect(disagreements(batches.pairs, BruteForce(small).pairs).isEmpty)
    }
  }

  /// Counts that rows print, from their definitions; for dosages too.
  @Test(arguments: [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func summariesCountAlleles(encoding: MemoryGenotypes.Encoding) throws {
    var shape = StudyShape()
    shape.encoding = encoding
    shape.missingGenotypes = 0.1
    shape.minimumFrequency = 0.3
    let small = SmallStudy(shape, seed: 3)
    let (batches, _) = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
      .hits(in: small.study())
    let tested = batches.flatMap(\.variants)
    #expect(tested.count == 20)
    for variant in tested {
      let g = small.dosages[variant.ordinal].filter { !$0.isNaN }.map(Double.init)
      let s = variant.summary
      #expect(s.observed == g.count && s.sampleCount == 80)
      #expect(abs(s.altSum - g.reduce(0, +)) <= 1e-12)
      #expect(s.alleleFrequency == s.altSum / Double(2 * g.count))
      let minor = s.alleleFrequency <= 0.5 ? g : g.map { 2 - $0 }
      #expect(s.minorAlleleSamples == minor.count { $0 > 0.5 })
      #expect(abs(s.minorAlleleCount - minor.reduce(0, +)) <= 1e-12)
      let mean = g.reduce(0, +) / Double(g.count)
      let spread = g.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      #expect(abs(s.centeredSumOfSquares - spread) <= 1e-13 * spread)
      #expect(s.rounded.0 + s.rounded.1 + s.rounded.2 == g.count)
    }
  }
}
