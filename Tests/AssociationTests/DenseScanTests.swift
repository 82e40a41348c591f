import CScanKernels
import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// Dense matrices of statistics against the rows of the trans scan, and their kernels against fp64.
@Suite struct DenseScanTests {
  /// r of a row and the error that ``DenseScan`` promises of each statistic.
  private static func expected(_ row: PairRow, _ statistic: DenseScan.Statistic) -> (Double, error: Double) {
    let (r, nu, n) = (
      row.t.sign == .minus ? -row.r2.squareRoot() : row.r2.squareRoot(), Double(row.degreesOfFreedom),
      Double(row.n)
    )
    let error = DenseScan.correlationError(samples: row.n)
    let rest = nu / (nu + row.t * row.t)
    switch statistic {
    case .correlation: return (r, error)
    // Beside the first order: 2⁻²¹ of the value, for the kernels.
    case .t: return (row.t, 1.01 * nu.squareRoot() * error / pow(rest, 1.5) + 0x1p-21 * abs(row.t))
    case .lod:
      let lod = -0.5 * n * log10(rest)
      return (lod, n / log(10) * (1.01 * abs(r) * error + error * error) / rest + 0x1p-21 * lod)
    }
  }

  private static func check(_ study: Study, _ statistic: DenseScan.Statistic, workers: Int) throws {
    let (batches, _) = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered).hits(in: study)
    let dense = try DenseScan(statistic, options: .unfiltered).run(
      in: study, execution: Execution(workers: workers))
    #expect(dense.values.count == dense.variants.count * dense.features.count)
    let column = Dictionary(uniqueKeysWithValues: dense.features.enumerated().map { ($1, $0) })
    let place = Dictionary(uniqueKeysWithValues: dense.variants.enumerated().map { ($1.ordinal, $0) })
    var seen = 0
    for batch in batches {
      for row in batch.rows {
        let variant = try #require(place[batch.variants[row.variant].ordinal])
        let found = Double(dense[variant, try #require(column[row.feature])])
        let (value, error) = expected(row, statistic)
        #expect(abs(found - value) <= error, "\(statistic) \(row)")
        seen += 1
      }
    }
    // What the scan could not test is NaN here.
    #expect(dense.values.count { !$0.isNaN } == seen && seen > 0)
    #expect(dense.summary.counts.variants == dense.variants.count)
  }

  /// More samples, variants and traits than fill one panel or tile, which leave parts of both.
  @Test(arguments: DenseScan.Statistic.allCases, [false, true])
  func agreesWithTheScan(_ statistic: DenseScan.Statistic, isMixed: Bool) throws {
    var small = MixedModelScanTests.study(samples: 61, variants: 530, traits: 101, seed: 8)
    if !isMixed { small.kinship = [] }
    try Self.check(small.study(shuffled: 2), statistic, workers: 3)
  }

  /// Tiles of traits of like h², whose g'Pg are interpolated.
  @Test func manyTraits() throws {
    let study = try MixedModelScanTests.study(samples: 61, variants: 40, traits: 2_300, seed: 9).study()
    let prepared = try PreparedStudy(study, .unfiltered, workers: 2)
    let mixed = try #require(prepared.traits.mixed)
    let sorted = mixed.heritability.sorted()
    let excess = try #require(mixed.spectra[0]).excess
    let interpolated = stride(from: 0, to: sorted.count, by: 256).count {
      WeightNodes(sorted[$0]...sorted[min($0 + 255, sorted.count - 1)], excess: excess) != nil
    }
    #expect(interpolated >= 3)
    try Self.check(study, .correlation, workers: 2)
  }

  /// Interpolated 1/d, and what its bound of roundings takes for granted.
  @Test func weightNodes() {
    var generator = SplitMix64(4)
    var counts = Set<Int>()
    for _ in 0..<2_000 {
      let (least, width) = (0.999 * generator.uniform(), generator.logUniform(-9, 0))
      let range = least...min(least + width, 0.9995)
      let excess = [-generator.uniform(), 0, generator.logUniform(-2, 3)]
      guard let found = WeightNodes(range, excess: excess) else { continue }
      counts.insert(found.nodes.count)
      for _ in 0..<5 {
        let h = range.lowerBound + (range.upperBound - range.lowerBound) * generator.uniform()
        let factors = found.factors(h)
        #expect(factors.reduce(0) { $0 + abs($1) } <= 2.3)
        for e in excess {
          let terms = zip(found.nodes, factors).map { $1 * (1 + h * e) / (1 + $0 * e) }
          // Roundings of fp64 in the factors, whose differences of nodes cancel in short ranges.
          #expect(abs(terms.reduce(0, +) - 1) <= WeightNodes.error + 1e-10)
          #expect(found.nodes.allSatisfy { (1 + h * e) / (1 + $0 * e) <= 1.5 })
        }
      }
    }
    #expect(counts == Set(1...WeightNodes.most))
    #expect(WeightNodes(0.1...0.9, excess: [-1, 0, 5]) == nil)
    #expect(WeightNodes(0.3...0.3, excess: [-1, 0, 5])?.nodes == [0.3])
  }

  /// Every pattern of missing samples has its own residuals, or its own decomposition.
  @Test(arguments: [false, true], [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func missingPhenotypes(isMixed: Bool, encoding: MemoryGenotypes.Encoding) throws {
    var small = MixedModelScanTests.study(seed: 5, missing: .few, encoding: encoding)
    // Varies in one sample only, which the first trait lacks; and the covariates' own.
    var rare = [Float](repeating: 0, count: small.sampleCount)
    rare[3] = 1
    small.addVariant(rare)
    small.phenotypes[0][3] = .nan
    if !isMixed { small.kinship = [] }
    try Self.check(small.study(), .lod, workers: 2)
    try Self.check(small.study(), .t, workers: 1)
  }

  @Test func collinearVariantsAreLeftOut() throws {
    var small = MixedModelScanTests.study(seed: 6)
    small.addVariant(small.sampleIDs.indices.map { Float($0 % 3) })
    small.addCovariate(small.sampleIDs.indices.map { Double($0 % 3) })
    let dense = try DenseScan(options: .unfiltered).run(in: small.study())
    #expect(dense.variants.count == small.variants.count - 1)
    #expect(dense.summary.drops.contains { $0.id == "v30" && $0.reason == "collinear with the covariates" })
  }

  /// Told by the number of variants before any is read.
  @Test func memoryIsRefused() throws {
    let study = try MixedModelScanTests.study(variants: 600, traits: 200, seed: 7).study()
    let needed = Execution().needed(4 * 600 * 200, samples: 61, traits: 200)
    do {
      _ = try DenseScan().run(in: study, execution: Execution(workers: 1, memory: needed))
      Issue.record("not refused")
    } catch let error as StudyError {
      #expect(error.kind == .environment)
    }
    _ = try DenseScan(options: .unfiltered).run(
      in: study, execution: Execution(workers: 1, memory: 4 * needed))
  }

  /// 2⁻²¹ of itself, over all sizes of r², given x as fp32 has it; the largest is 1 − 2⁻²⁴.
  @Test func logarithms() {
    var generator = SplitMix64(3)
    let c =
      (0..<40).map { 1 - Float(pow(2, -Double($0))) }
      + (0..<20_001).map { _ in Float(generator.logUniform(-9, 0)) }
    var out = [Float](repeating: 0, count: c.count)
    sk_dense_log(c, nil, Int64(c.count), 1, &out)
    for (found, c) in zip(out, c) {
      let expected = -log1p(-Double(min(c * c, 1 - 0x1p-24)))
      #expect(abs(Double(found) - expected) <= 0x1p-21 * expected, "\(c)")
    }
    // With lengths: c²/s alone counts, powers of two are exact; NaN on either side stays.
    let lengths = c.map { _ in Float(0.25) }
    var scaled = out
    sk_dense_log(c.map { $0 / 2 }, lengths, Int64(c.count), 1, &scaled)
    #expect(scaled == out)
    for (c, s) in [(Float.nan, Float(1)), (0.5, .nan)] {
      sk_dense_log([c], [s], 1, 1, &out)
      #expect(out[0].isNaN)
      sk_dense_ratio([c], [s], 1, 7, &out)
      #expect(out[0].isNaN)
      sk_dense_root([c], [s], 1, &out)
      #expect(out[0].isNaN)
    }
    sk_dense_ratio([-0.5, 0, 0.5], [1, 1, 0.5], 3, 9, &out)
    #expect(out[0] == -Float(3).squareRoot() && out[1] == 0 && out[2] == 3)
    sk_dense_root([-0.5, 2], [1, 1], 2, &out)
    #expect(out[0] == -0.5 && out[1] == Float(1 - 0x1p-24).squareRoot())
  }
}
