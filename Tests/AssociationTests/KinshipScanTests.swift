import LinearAlgebra
import StudyData
import Synchronization
import TestSupport
import Testing

@testable import Association

/// Relationship matrices against their definition, and what they must not depend on.
@Suite struct KinshipScanTests {
  /// Three chromosomes, the variants of each in one piece.
  private static func genotypes(
    samples: Int = 41, variants: Int = 70, missing: Double, _ encoding: MemoryGenotypes.Encoding,
    seed: UInt64 = 3
  ) -> MemoryGenotypes {
    var shape = StudyShape()
    (shape.samples, shape.variants, shape.traits, shape.covariates) = (samples, variants, 1, 0)
    (shape.encoding, shape.missingGenotypes) = (encoding, missing)
    let study = SmallStudy(shape, seed: seed).sorted()
    return MemoryGenotypes(
      sampleIDs: study.sampleIDs, variants: study.variants, dosages: study.dosages, encoding: encoding)
  }

  /// The definition, pair by pair, in wider arithmetic.
  private static func naive(_ source: MemoryGenotypes, _ form: KinshipForm) -> (
    values: [Double], counts: [Int], variants: Int
  ) {
    let n = source.sampleIDs.count
    var sums = [Extended](repeating: 0, count: n * n)
    var both = [Int](repeating: 0, count: n * n)
    var variants = 0
    for row in source.dosages {
      let observed = row.filter { !$0.isNaN }.map { Extended($0) }
      guard let first = observed.first, observed.contains(where: { $0 != first }) else { continue }
      variants += 1
      let mean = observed.reduce(0, +) / Extended(observed.count)
      let p = mean / 2
      let scale: Extended =
        switch form {
        case .centered: 1
        case .standardizedSample:
          (observed.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Extended(n)).squareRoot()
        case .standardized2pq: (2 * p * (1 - p)).squareRoot()
        }
      let z = row.map { $0.isNaN ? nil : (Extended($0) - mean) / scale }
      for i in 0..<n {
        for j in 0..<n {
          guard let a = z[i], let b = z[j] else { continue }
          sums[i * n + j] += a * b
          both[i * n + j] += 1
        }
      }
    }
    if form != .standardized2pq { both = both.map { _ in variants } }
    return (zip(sums, both).map { Double($0 / Extended($1)) }, both, variants)
  }

  private static func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } / b.reduce(0) { max($0, abs($1)) }
  }

  private static let scan = KinshipScan(filter: .off)

  @Test(arguments: KinshipForm.allCases, [0, 0.15])
  func definition(_ form: KinshipForm, _ missing: Double) throws {
    for encoding in [MemoryGenotypes.Encoding.hardCalls, .fractional] {
      let source = Self.genotypes(missing: missing, encoding)
      var scan = Self.scan
      scan.form = form
      let (kinship, summary) = try scan.run(on: source)
      let (values, counts, variants) = Self.naive(source, form)
      // Sums of 70 terms of both signs, relative to the largest entry: far above their rounding, far below any other definition.
      #expect(Self.largestDifference(kinship.matrix.storage, values) < 1e-13)
      #expect(kinship.sampleIDs == source.sampleIDs && summary.variants == variants)
      let n = source.sampleIDs.count
      for i in 0..<n { for j in 0..<i { #expect(kinship.matrix[i, j] == kinship.matrix[j, i]) } }
      switch kinship.variantCounts {
      case .uniform(let m): #expect(counts.allSatisfy { $0 == Int(m) })
      case .pairwise(let pairs):
        #expect(form == .standardized2pq && missing > 0)
        for i in 0..<n { for j in 0...i { #expect(Int(pairs[i * (i + 1) / 2 + j]) == counts[i * n + j]) } }
      }
    }
  }

  /// More samples than a tile holds.
  @Test(arguments: KinshipForm.allCases) func workersAndBlocks(_ form: KinshipForm) throws {
    let source = Self.genotypes(samples: 300, variants: 90, missing: 0.05, .hardCalls)
    var scan = Self.scan
    (scan.form, scan.blockSize) = (form, 16)
    let one = try scan.run(on: source).kinship
    #expect(Self.largestDifference(one.matrix.storage, Self.naive(source, form).values) < 1e-13)
    for workers in [2, 5] {
      let other = try scan.run(on: source, execution: Execution(workers: workers)).kinship
      #expect(other.matrix.storage.map(\.bitPattern) == one.matrix.storage.map(\.bitPattern))
      #expect(other.variantCounts == one.variantCounts)
    }
    for size in [1, 7, 512] {
      scan.blockSize = size
      let other = try scan.run(on: source, execution: Execution(workers: 2)).kinship
      #expect(Self.largestDifference(other.matrix.storage, one.matrix.storage) < 1e-13)
      #expect(other.variantCounts == one.variantCounts)
    }
  }

  /// Another order of samples, and fewer of them: frequencies are those of the samples asked for.
  @Test(arguments: KinshipForm.allCases) func samples(_ form: KinshipForm) throws {
    let source = Self.genotypes(missing: 0.1, .fractional)
    var scan = Self.scan
    scan.form = form
    var order = Array(source.sampleIDs.indices)
    var random = SplitMix64(9)
    order.shuffle(using: &random)
    let straight = try scan.run(on: source).kinship
    let shuffled = try scan.run(on: source, samples: order).kinship
    #expect(shuffled.sampleIDs == order.map { source.sampleIDs[$0] })
    let back = try shuffled.restricted(to: source.sampleIDs)
    #expect(Self.largestDifference(back.matrix.storage, straight.matrix.storage) < 1e-13)

    let few = Array(order.prefix(30))
    let part = MemoryGenotypes(
      sampleIDs: few.map { source.sampleIDs[$0] }, variants: source.variants,
      dosages: source.dosages.map { row in few.map { row[$0] } }, encoding: .fractional)
    let some = try scan.run(on: source, samples: few).kinship
    #expect(Self.largestDifference(some.matrix.storage, Self.naive(part, form).values) < 1e-13)
  }

  /// By chromosome: each part is the matrix of its variants, and the whole less a part is that of the others.
  @Test(arguments: KinshipForm.allCases) func chromosomes(_ form: KinshipForm) throws {
    let source = Self.genotypes(samples: 60, variants: 80, missing: 0.1, .hardCalls)
    var scan = Self.scan
    (scan.form, scan.blockSize) = (form, 16)
    var parts: [(name: String, kinship: Kinship)] = []
    let (whole, summary) = try scan.run(
      on: source, execution: Execution(workers: 2), chromosome: { parts.append(($0, $1)) })
    #expect(parts.map(\.name) == ["1", "2", "3"] && summary.chromosomes == ["1", "2", "3"])
    #expect(
      Self.largestDifference(whole.matrix.storage, try scan.run(on: source).kinship.matrix.storage) < 1e-13)
    for (name, part) in parts {
      func only(_ isWanted: (Variant) -> Bool) -> MemoryGenotypes {
        let kept = source.variants.indices.filter { isWanted(source.variants[$0]) }
        return MemoryGenotypes(
          sampleIDs: source.sampleIDs, variants: kept.map { source.variants[$0] },
          dosages: kept.map { source.dosages[$0] }, encoding: .hardCalls)
      }
      let alone = try scan.run(on: only { $0.chromosome == "chr" + name }).kinship
      let others = try scan.run(on: only { $0.chromosome != "chr" + name }).kinship
      #expect(Self.largestDifference(part.matrix.storage, alone.matrix.storage) < 1e-13)
      #expect(part.variantCounts == alone.variantCounts)
      let n = source.sampleIDs.count
      for i in 0..<n {
        for j in 0...i {
          let (all, own) = (whole.variants(i, j), part.variants(i, j))
          let left = (whole.matrix[i, j] * all - part.matrix[i, j] * own) / (all - own)
          #expect(all - own == others.variants(i, j))
          #expect(abs(left - others.matrix[i, j]) < 1e-12)
        }
      }
    }
  }

  @Test func autosomesAndFilters() throws {
    var source = Self.genotypes(missing: 0, .hardCalls)
    for (k, name) in ["X", "chrY", "MT", "chrM", "XY"].enumerated() { source.variants[k].chromosome = name }
    var drops: [Drop] = []
    var read: [Double] = []
    var scan = Self.scan
    scan.filter = VariantFilter(minimumFrequency: 0.2)
    let (_, summary) = try scan.run(
      on: source,
      progress: {
        drops += $0.drops
        read.append($0.fractionRead)
      })
    #expect(summary.nonAutosomal == 5 && drops.count == summary.droppedVariants && read.last == 1)
    #expect(drops.prefix(5).map(\.detail) == ["X", "chrY", "MT", "chrM", "XY"])
    #expect(drops.prefix(5).allSatisfy { $0.reason == "not on an autosome" })
    #expect(drops.dropFirst(5).allSatisfy { $0.reason == "minor allele frequency" } && drops.count > 5)
    #expect(summary.variants + drops.count == source.variants.count)
    scan.autosomesOnly = false
    #expect(try scan.run(on: source).summary.nonAutosomal == 0)
  }

  @Test func refused() throws {
    var source = Self.genotypes(missing: 0, .hardCalls)
    func error(_ kind: StudyError.Kind, _ says: String, _ run: () throws -> Void) {
      let error = #expect(throws: StudyError.self) { try run() }
      #expect(error?.kind == kind && error?.cause.contains(says) == true, "\(error?.description ?? "")")
    }
    error(.environment, "needs about") {
      _ = try Self.scan.run(on: source, execution: Execution(memory: 1 << 20))
    }
    error(.inconsistent, "no variant is left") {
      _ = try KinshipScan(filter: VariantFilter(minimumFrequency: 0.5, minimumCount: 1000)).run(on: source)
    }
    source.failure = (0, StudyError(.malformed, "broken", remedy: "none"))
    error(.malformed, "broken") { _ = try Self.scan.run(on: source) }
    source.failure = nil
    source.variants[source.variants.count - 1].chromosome = "1"
    error(.inconsistent, "chromosome 1 is in several pieces") {
      _ = try Self.scan.run(on: source, chromosome: { _, _ in })
    }
    source.variants[0].chromosome = ""
    error(.inconsistent, "have no chromosome") { _ = try Self.scan.run(on: source, chromosome: { _, _ in }) }
    let disjoint = MemoryGenotypes(
      sampleIDs: ["a", "b", "c", "d"], variants: Array(source.variants[..<2]),
      dosages: [[0, 1, .nan, .nan], [.nan, .nan, 1, 2]], encoding: .hardCalls)
    error(.degenerate, "samples c and a have no variant in common") {
      _ = try KinshipScan(filter: .off, autosomesOnly: false).run(on: disjoint)
    }
  }
}

extension Kinship {
  fileprivate func variants(_ i: Int, _ j: Int) -> Double {
    switch variantCounts {
    case .uniform(let m): m
    case .pairwise(let counts): Double(counts[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)])
    }
  }
}
