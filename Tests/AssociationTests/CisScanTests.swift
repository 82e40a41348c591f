import Association
import StudyData
import TestSupport
import Testing

@Suite struct CisScanTests {
  /// The rows of a trans scan of all pairs, for the pairs in windows: bit for bit.
  @Test(arguments: 0..<40) func numbersAreThoseOfTheTransScan(seed: Int) throws {
    var generator = SplitMix64(UInt64(seed))
    let shape = StudyShape.random(&generator)
    let small = SmallStudy(shape, seed: UInt64(5000 + seed))
    let alternative = Alternative.allCases[seed % 3]
    let anchor = WindowAnchor.allCases[seed % WindowAnchor.allCases.count]
    let options = ScanOptions(filter: .off, alternative: alternative)
    let study = try small.study(shuffled: UInt64(seed))
    let radius = 6_000_000
    let all = try TransScan(threshold: 1, exclusion: .none, options: options).hits(in: study).batches.pairs
    let expected = all.filter { key, _ in
      let (variant, feature) = (small.variants[key.variant], small.features[key.trait])
      let end = anchor == .tss ? feature.start : feature.end
      return variant.chromosome == "chr" + feature.chromosome
        && (feature.start - radius...end + radius).contains(variant.position)
    }
    guard !expected.isEmpty else { return }
    let scan = CisScan(radius: radius, anchor: anchor, options: options)
    for workers in [1, 3] {
      let (batches, summary) = try scan.pairs(in: study, workers: workers)
      #expect(batches.pairs.map(\.row) == expected.map(\.row))
      #expect(summary.counts.rows == expected.count && summary.counts.tests == expected.count)
    }
  }

  private static func line(positions: [Int], chromosome: String = "chr1") -> SmallStudy {
    var generator = SplitMix64(1)
    var small = SmallStudy(samples: 30)
    for position in positions {
      small.addVariant(
        (0..<30).map { _ in Float(Int.random(in: 0...2, using: &generator)) }, chromosome: chromosome,
        position: position)
    }
    return small
  }

  private static func noise() -> [Double] {
    var generator = SplitMix64(2)
    return (0..<30).map { _ in generator.normal() }
  }

  private static func found(_ small: SmallStudy, _ scan: CisScan) throws -> [Int] {
    try scan.pairs(in: small.study()).batches.flatMap(\.variants).map(\.variant.position)
  }

  @Test func windowsAreClosedOnBothSides() throws {
    var small = Self.line(positions: [899, 900, 1000, 1100, 1101])
    small.addTrait(Self.noise(), chromosome: "1", start: 1000)
    let scan = CisScan(radius: 100, options: .unfiltered)
    #expect(try Self.found(small, scan) == [900, 1000, 1100])
    #expect(try Self.found(small, CisScan(radius: 0, options: .unfiltered)) == [1000])
    #expect(
      try Self.found(small, CisScan(radius: .max, options: .unfiltered)) == [899, 900, 1000, 1100, 1101])
  }

  /// One feature longer than a base makes all windows start and end at the interval.
  @Test func anchorsDecideWhereWindowsEnd() throws {
    var small = Self.line(positions: [899, 900, 1100, 1101, 1600, 1601])
    small.addTrait(Self.noise(), chromosome: "chr1", start: 1000, end: 1500)
    func at(_ anchor: WindowAnchor) throws -> [Int] {
      try Self.found(small, CisScan(radius: 100, anchor: anchor, options: .unfiltered))
    }
    #expect(try at(.tss) == [900, 1100])
    #expect(try at(.interval) == [900, 1100, 1101, 1600])
    #expect(try at(.automatic) == [900, 1100, 1101, 1600])
    small.features[0].end = 1000
    #expect(try at(.automatic) == [900, 1100])
  }

  @Test(arguments: [
    ("chr1", "1"), ("1", "CHR1"), ("chrX", "x"), ("chrM", "MT"), ("scaffold_7", "SCAFFOLD_7"),
  ])
  func chromosomeNamesAreNormalised(ofVariants: String, ofTraits: String) throws {
    var small = Self.line(positions: [1000], chromosome: ofVariants)
    small.addTrait(Self.noise(), chromosome: ofTraits, start: 1000)
    #expect(try Self.found(small, CisScan(radius: 1, options: .unfiltered)) == [1000])
  }

  @Test func otherChromosomesAreNotInTheWindow() throws {
    var small = Self.line(positions: [1000])
    small.addVariant(small.dosages[0], chromosome: "2", position: 1000)
    small.addTrait(Self.noise(), chromosome: "2", start: 1000)
    let (batches, _) = try CisScan(options: .unfiltered).pairs(in: small.study())
    #expect(batches.pairs.map(\.key) == [Pair(variant: 1, trait: 0)])
  }

  /// Windows of very different lengths on one chromosome: a long one must not hide behind short ones that start later.
  @Test func longAndShortWindowsTogether() throws {
    var generator = SplitMix64(3)
    var small = Self.line(positions: (0..<60).map { 500 + 137 * $0 })
    for _ in 0..<12 {
      let start = Int.random(in: 1...9000, using: &generator)
      let length = generator.bernoulli(0.5) ? 0 : Int.random(in: 0...5000, using: &generator)
      small.addTrait(Self.noise(), chromosome: "1", start: start, end: start + length)
    }
    small.addTrait(Self.noise())
    let rows = try CisScan(radius: 300, anchor: .interval, options: .unfiltered).pairs(in: small.study())
      .batches
      .pairs
    var expected: [Pair] = []
    for (v, variant) in small.variants.enumerated() {
      for (k, feature) in small.features.enumerated() where feature.hasLocation {
        if (feature.start - 300...feature.end + 300).contains(variant.position) {
          expected.append(Pair(variant: v, trait: k))
        }
      }
    }
    #expect(rows.map(\.key) == expected)
  }

  @Test func nothingToTestIsAnError() throws {
    var small = Self.line(positions: [1000])
    small.addTrait(Self.noise(), chromosome: "1", start: 9_000_000)
    var error = #expect(throws: StudyError.self) { try CisScan(radius: 10).pairs(in: small.study()) }
    #expect(error?.kind == .inconsistent)
    small.features[0] = Feature(id: "nowhere")
    error = #expect(throws: StudyError.self) { try CisScan().pairs(in: small.study()) }
    #expect(error?.kind == .inconsistent)
    #expect(error?.cause.contains("location") == true)
  }

  @Test func collinearAndUntestablePairsAreCounted() throws {
    var small = Self.line(positions: [1000, 1001, 1002])
    small.addTrait(Self.noise(), chromosome: "1", start: 1000)
    small.addTrait(Self.noise(), chromosome: "1", start: 1000)
    small.addCovariate(small.dosages[0].map { 1 + 2 * Double($0) })
    small.dosages[2] = (0..<30).map { $0 == 4 ? 1 : 0 }
    small.phenotypes[1][4] = .nan
    let (batches, summary) = try CisScan(options: .unfiltered).pairs(in: small.study())
    #expect(batches.drops.map(\.id) == ["v0"])
    #expect(
      batches.pairs.map(\.key) == [
        Pair(variant: 1, trait: 0), Pair(variant: 1, trait: 1), Pair(variant: 2, trait: 0),
      ])
    #expect(summary.counts.tests == 3 && summary.counts.untestable == 1)
  }
}
