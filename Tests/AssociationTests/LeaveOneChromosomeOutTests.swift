import Foundation
import LinearAlgebra
import MixedModels
import StudyData
import TestSupport
import Testing

@testable import Association

/// Scans with the variant's chromosome out of the relationship matrix.
@Suite struct LeaveOneChromosomeOutTests {
  /// Chromosomes 1, 2, 3 with parts of random sizes, X without; K is their mean.
  struct Fixture {
    var small: SmallStudy
    /// By chromosome.
    var parts: [String: [[Double]]]
    /// By chromosome, then pair.
    var counts: [String: [[Double]]]

    init(seed: UInt64) throws {
      small = MixedModelScanTests.study(variants: 90, traits: 12, seed: seed).sorted()
      for v in small.variants.indices.suffix(9) { small.variants[v].chromosome = "X" }
      var generator = SplitMix64(seed)
      let n = small.sampleCount
      (parts, counts) = ([:], [:])
      for name in ["1", "2", "3"] {
        let shared = (0..<n).map { _ in (0..<6).map { _ in generator.normal() } }
        var (part, count) = (small.kinship, small.kinship)
        for i in 0..<n {
          for j in 0...i {
            let product = zip(shared[i], shared[j]).reduce(0) { $0 + $1.0 * $1.1 }
            part[i][j] += product / 3
            part[j][i] = part[i][j]
            count[i][j] = Double(Int.random(in: 90...100, using: &generator))
            count[j][i] = count[i][j]
          }
        }
        parts[name] = part
        counts[name] = count
      }
    }

    /// Of the variants of some chromosomes.
    func mean(_ names: [String]) -> [[Double]] {
      let n = small.sampleCount
      return (0..<n).map { i in
        (0..<n).map { j in
          names.reduce(0) { $0 + parts[$1]![i][j] * counts[$1]![i][j] }
            / names.reduce(0) { $0 + counts[$1]![i][j] }
        }
      }
    }

    func kinship(_ names: [String], counted: Bool = true) -> Kinship {
      let n = small.sampleCount
      let triangle = (0..<n).flatMap { i in
        (0...i).map { j in Float(names.reduce(0) { $0 + counts[$1]![i][j] }) }
      }
      return Kinship(
        path: "K" + names.joined(), sampleIDs: small.sampleIDs,
        matrix: Matrix(rows: n, columns: n, storage: mean(names).flatMap(\.self)),
        variantCounts: counted ? .pairwise(triangle) : .uniform(0))
    }

    func study(_ names: [String] = ["1", "2", "3"], counted: Bool = true) throws -> Study {
      try small.study(relatedness: .kinship(kinship(names, counted: counted)))
    }

    func leavingOut(counted: Bool = true) -> LeaveOneChromosomeOut {
      let parts = Dictionary(
        uniqueKeysWithValues: ["1", "2", "3"].map { ($0, kinship([$0], counted: counted)) })
      return LeaveOneChromosomeOut(
        path: { (name) throws(StudyError) in parts[name] == nil ? nil : name },
        read: { (path) throws(StudyError) in parts[path]! })
    }

    /// What each chromosome leaves.
    static let rest = ["1": ["2", "3"], "2": ["1", "3"], "3": ["1", "2"], "X": ["1", "2", "3"]]
  }

  private func hits(
    _ scan: TransScan, _ study: Study, _ parts: LeaveOneChromosomeOut, workers: Int = 1
  ) throws -> (batches: [PairBatch], summary: ScanSummary) {
    try collected { emit in
      try scan.run(
        in: study, leavingOut: parts, execution: Execution(workers: workers), render: { $0 }, emit: emit)
    }
  }

  /// 1e-9: the matrix without a chromosome is a difference here, a sum there.
  private func expectSame(
    _ rows: [(key: Pair, row: PairRow)], _ expected: [(key: Pair, row: PairRow)]
  ) {
    #expect(rows.map(\.key) == expected.map(\.key))
    for (a, b) in zip(rows, expected) {
      #expect(abs(a.row.beta - b.row.beta) <= 1e-9 * (abs(b.row.beta) + b.row.standardError), "\(a.key)")
      #expect(abs(a.row.standardError / b.row.standardError - 1) <= 1e-9, "\(a.key)")
      #expect(abs(a.row.logP - b.row.logP) <= 1e-8 * max(1, abs(b.row.logP)), "\(a.key)")
    }
  }

  @Test(arguments: [1, 0.05]) func transIsAScanPerChromosome(_ threshold: Double) throws {
    let fixture = try Fixture(seed: 3)
    let study = try fixture.study()
    let scan = TransScan(threshold: threshold, exclusion: .init(), options: .unfiltered)
    let (batches, summary) = try hits(scan, study, fixture.leavingOut())
    var expected: [(key: Pair, row: PairRow)] = []
    var counts = ScanCounts()
    var sampled: [Double] = []
    for name in ["1", "2", "3", "X"] {
      var own = scan
      own.options.selection.regions = [GenomicRegion(chromosome: name)]
      let part = try own.hits(in: fixture.study(Fixture.rest[name]!))
      expected += part.batches.pairs
      counts += part.summary.counts
      sampled += part.summary.sampledLogP
      let variances = summary.variances.filter { $0.leftOut == (name == "X" ? nil : name) }
      #expect(variances.map(\.feature) == part.summary.variances.map(\.feature))
      for (a, b) in zip(variances, part.summary.variances) {
        #expect(abs(a.estimate.heritability - b.estimate.heritability) < 1e-7)
      }
    }
    #expect(!expected.isEmpty)
    expectSame(batches.pairs, expected)
    #expect(summary.counts.tests == counts.tests && summary.counts.variants == counts.variants)
    #expect(summary.counts.excluded == counts.excluded && summary.counts.rows == expected.count)
    #expect(summary.traits == 12)
    #expect(summary.sampledLogP.count == sampled.count)
    #expect(zip(summary.sampledLogP, sampled.sorted()).allSatisfy { abs($0 - $1) < 1e-8 * max(1, abs($1)) })
    #expect(summary.notes.contains { $0.contains("chromosome X") })
    // The matrix matters, or all this would hold for any.
    let whole = try scan.hits(in: study).batches.pairs
    let isSame = whole.map(\.row) == batches.pairs.map(\.row)
    #expect(!isSame)

    let others = try hits(scan, study, fixture.leavingOut(), workers: 3)
    let isInvariant = others.batches.pairs.map(\.row) == batches.pairs.map(\.row)
    #expect(isInvariant && others.summary.sampledLogP == summary.sampledLogP)
    // The share that was read rises over all chromosomes.
    let shares = batches.map(\.fractionRead)
    #expect(shares == shares.sorted() && shares.last == 1)
  }

  @Test func cisIsAScanPerChromosome() throws {
    let fixture = try Fixture(seed: 8)
    var options = ScanOptions.unfiltered
    options.mixedModel.refitsExactly = true
    let scan = CisScan(radius: 5_000_000, options: options)
    func pairs(_ workers: Int) throws -> (batches: [PairBatch], summary: ScanSummary) {
      try collected { emit in
        try scan.run(
          in: try fixture.study(), leavingOut: fixture.leavingOut(), execution: Execution(workers: workers),
          render: { $0 }, emit: emit)
      }
    }
    let (batches, summary) = try pairs(1)
    var expected: [(key: Pair, row: PairRow)] = []
    for name in ["1", "2", "3"] {
      var own = scan
      own.options.selection.regions = [GenomicRegion(chromosome: name)]
      expected += try own.pairs(in: fixture.study(Fixture.rest[name]!)).batches.pairs
    }
    #expect(expected.count > 20)
    expectSame(batches.pairs, expected)
    #expect(summary.counts.tests == expected.count)
    #expect(summary.variances.allSatisfy { fixture.small.features[$0.feature].chromosome == $0.leftOut })
    let isInvariant = try pairs(3).batches.pairs.map(\.row) == batches.pairs.map(\.row)
    #expect(isInvariant)
  }

  /// Regions and ids asked for hold as in any scan.
  @Test func selection() throws {
    let fixture = try Fixture(seed: 3)
    var scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    let all = try hits(scan, fixture.study(), fixture.leavingOut()).batches.pairs
    scan.options.selection.regions = [GenomicRegion(chromosome: "chr2", start: 5_000_000)]
    scan.options.selection.ids = Set(fixture.small.variants.prefix(60).map(\.id))
    let some = try hits(scan, fixture.study(), fixture.leavingOut()).batches.pairs
    let expected = all.filter {
      let variant = fixture.small.variants[$0.key.variant]
      return Chromosome.normalized(variant.chromosome) == "2" && variant.position >= 5_000_000
        && $0.key.variant < 60
    }
    #expect(!expected.isEmpty && some.map(\.row) == expected.map(\.row))
  }

  @Test func refused() throws {
    let fixture = try Fixture(seed: 3)
    let scan = TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
    func cause(_ study: Study, _ parts: LeaveOneChromosomeOut) -> String? {
      let refused = #expect(throws: StudyError.self) { try hits(scan, study, parts) }
      return refused?.cause
    }
    #expect(
      cause(try fixture.study(counted: false), fixture.leavingOut())?.contains("numbers of variants") == true)
    #expect(
      cause(try fixture.study(), fixture.leavingOut(counted: false))?.contains("numbers of variants") == true)
    #expect(cause(try fixture.study(["1"]), fixture.leavingOut())?.contains("none is left") == true)
    var unsorted = fixture
    unsorted.small.variants[1].chromosome = "X"
    #expect(cause(try unsorted.study(), fixture.leavingOut())?.contains("in several pieces") == true)
  }
}
