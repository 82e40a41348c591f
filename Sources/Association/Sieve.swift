internal import CScanKernels
internal import Distributions
internal import LinearAlgebra
internal import StudyData

/// What computes the product that screens the pairs.
public enum ScanBackend: String, Sendable, CaseIterable {
  /// The fastest that this machine and study allow.
  case automatic
  /// fp32 products by OpenBLAS.
  case blas
}

/// Decides which pairs cannot be hits, from an fp32 product whose error is bounded.
///
/// With z = ỹ/r* a pair is a hit iff |g'z| ≥ ‖Mg‖ (methods §1). The screen computes c = fl₃₂(g̃'z̃), g̃ and z̃ rounded to fp32
/// from centred fp64 values. For any order of summation inside one BLAS call over k samples, and blocks added up,
///
///     |c − g'z| ≤ γ·‖g−ḡ‖·‖z‖,   γ = (k + n/k + 4)·u,   u = 2⁻²⁴   (2u of it for the two roundings of the inputs)
///
/// so |c| < ℓ − γ‖g−ḡ‖·max‖z‖, ℓ ≤ ‖Mg‖, discards for certain. It holds for fp32 arithmetic with or without FMA, not for reduced
/// modes (TF32, BF16), which OpenBLAS does not use in sgemm. Survivors are recomputed in fp64: the hit set is that of the fp64 scan.
struct Sieve: Sendable {
  let sampleCount: Int
  /// Trait-panel index of each screen column: complete traits first, then those with missing values.
  let order: [Int32]
  let completeCount: Int
  /// r* of each screen column.
  let criticalR: [Double]
  /// n × count: ỹ/r*.
  private let z: [Float]
  /// max‖z‖ = 1/min r*.
  private let longest: Double
  /// n × (rank − 1): Q without the intercept, to which centred genotypes are orthogonal.
  private let q: [Float]
  private let covariateRank: Int
  /// n × patterns: indicators of the missing samples of each incomplete pattern.
  private let missing: [Float]
  private let missingPatternCount: Int
  /// Of each incomplete screen column, its column in `missing` and its deletion factor.
  private let missingColumn: [Int32]
  private let deletion: [Float]

  /// Samples summed in one BLAS call: block-wise sums have the smaller bound, long ones are faster.
  private let innerCount: Int
  /// Traits per tile. With blocks of 512 variants OpenBLAS comes near its best rate, and the comparison that follows finds
  /// the 5 MB of results in the last-level cache.
  static let tileTraits = 2560

  var count: Int { order.count }
  var smallestR: Double { criticalR.min() ?? 1 }

  /// - Parameters:
  ///   - logThreshold: ln p*; 0 makes every pair survive.
  ///   - isTight: prefers a small error to speed, for scans that look at every product and not only at the largest.
  init(
    traits: TraitPanel, residualiser: Residualiser, logThreshold: Double, alternative: Alternative,
    isTight: Bool = false
  ) {
    let n = traits.sampleCount
    sampleCount = n
    innerCount = isTight ? min(n, 256) : n > 4096 ? 1024 : n
    // r* = 0 (p* = 1) would divide by zero; the smallest length makes the slack dominate, and everything survives.
    let rOfPattern = traits.patterns.map { pattern in
      max(
        1e-30,
        StudentT.criticalCorrelation(
          logP: logThreshold, degreesOfFreedom: Double(max(1, pattern.degreesOfFreedom)),
          oneSided: alternative != .twoSided))
    }
    let complete = (0..<traits.count).filter { traits.patterns[Int(traits.patternOf[$0])].missing.isEmpty }
    let incomplete = (0..<traits.count).filter { !traits.patterns[Int(traits.patternOf[$0])].missing.isEmpty }
    order = (complete + incomplete).map(Int32.init)
    completeCount = complete.count
    criticalR = order.map { rOfPattern[Int(traits.patternOf[Int($0)])] }
    longest = 1 / (criticalR.min() ?? 1)
    var z = [Float](repeating: 0, count: n * traits.count)
    for (column, trait) in order.enumerated() {
      let scale = 1 / criticalR[column]
      let from = Int(trait) * n
      for i in 0..<n { z[column * n + i] = Float(traits.unit[from + i] * scale) }
    }
    self.z = z
    q = residualiser.q[n...].map(Float.init)
    covariateRank = residualiser.rank - 1
    missingPatternCount = traits.patterns.count - 1
    var missing = [Float](repeating: 0, count: n * missingPatternCount)
    for (p, pattern) in traits.patterns.dropFirst().enumerated() {
      for i in pattern.missing { missing[p * n + Int(i)] = 1 }
    }
    self.missing = missing
    missingColumn = incomplete.map { traits.patternOf[$0] - 1 }
    deletion = incomplete.map { trait in
      let factor = traits.patterns[Int(traits.patternOf[trait])].deletionFactor
      return factor < 1e6 ? Float(factor * (1 + 1e-6)) : 1e6
    }
    hasUnboundedPattern = incomplete.contains {
      traits.patterns[Int(traits.patternOf[$0])].deletionFactor >= 1e6
    }
  }

  /// Some pattern deletes (nearly) a whole direction of the covariates: its traits are not screened but recomputed.
  private let hasUnboundedPattern: Bool

  /// Bytes that `Workspace` and the panels take, for `--memory`.
  static func bytes(
    samples n: Int, traits t: Int, rank: Int, patterns: Int, block: Int, workers: Int, tile: Int
  ) -> Int {
    let shared = 4 * n * (t + rank + patterns)
    let each = 4 * (n * block * (patterns > 1 ? 2 : 1) + (tile + rank + patterns) * block + 4 * t)
    return shared + workers * each
  }

  /// One worker's scratch.
  struct Workspace {
    var g: [Float] = []
    var e: [Float] = []
    var c: [Float] = []
    var coefficients: [Float] = []
    var lost: [Float] = []
    var bounds: [Float] = []
    var found: [UInt32] = []
    /// Of each variant of the panel.
    var lengths: [LengthBound] = []
  }

  /// ℓ ≤ ‖Mg‖ and what the comparison may be off by, of one variant.
  struct LengthBound {
    var lower: Double
    var slack: Double
    /// ‖g − ḡ‖.
    var centered: Double
  }

  private var gamma: Double {
    let block = Double(innerCount)
    return (block + Double(sampleCount) / block + 4) * 0x1p-24 * (1 + 1e-3)
  }

  /// What |c|·r* may differ from |g'ỹ| by, as a share of ‖g − ḡ‖.
  var relativeError: Double { gamma }

  /// Fills the workspace with the block's centred genotypes and its length bounds.
  ///
  /// ‖Mg‖² = ‖g−ḡ‖² − ‖Q'g‖² with Q'g in fp32; where the covariates explain more than 99 % of the variant the bound is made from the
  /// fp64 residual by `exactLength`, nil from which means that nothing is left and the variant is not tested.
  func prepare(
    _ panel: VariantPanel, _ w: inout Workspace, exactLength: (Int) -> Double?
  ) -> [Int] {
    let (n, b, r) = (sampleCount, panel.count, covariateRank)
    grow(&w.g, n * b)
    grow(&w.coefficients, max(1, r * b))
    w.g.withUnsafeMutableBufferPointer { panel.writeCentered(to: $0.baseAddress!) }
    product(rows: r, columns: b, q, w.g, into: &w.coefficients)
    var collinear: [Int] = []
    w.lengths.removeAll(keepingCapacity: true)
    for v in 0..<b {
      let total = panel.variants[v].summary.centeredSumOfSquares
      let centered = total.squareRoot()
      var explained = 0.0
      for l in 0..<r { explained += Double(w.coefficients[v * r + l]) * Double(w.coefficients[v * r + l]) }
      let upper = explained.squareRoot() + Double(r).squareRoot() * gamma * centered
      var squared = total - upper * upper
      if squared < 1e-2 * total {
        if let exact = exactLength(v) {
          squared = exact * exact
        } else {
          collinear.append(v)
          squared = 0
        }
      }
      w.lengths.append(
        LengthBound(
          lower: squared.squareRoot() * (1 - 1e-9), slack: gamma * centered * longest, centered: centered))
    }
    if missingPatternCount > 0 { fillLost(panel, &w) }
    return collinear
  }

  /// lost[v, p] = Σ e² over the samples that pattern p misses, e = Mg in fp32.
  private func fillLost(_ panel: VariantPanel, _ w: inout Workspace) {
    let (n, b, r) = (sampleCount, panel.count, covariateRank)
    grow(&w.e, n * b)
    grow(&w.lost, missingPatternCount * b)
    w.e.withUnsafeMutableBufferPointer { e in
      for i in 0..<n * b { e[i] = w.g[i] }
      BLAS.subtractProduct(
        rows: n, columns: b, inner: r, q, n, w.coefficients, max(1, r), from: e.baseAddress!, n)
      for i in 0..<n * b { e[i] *= e[i] }
    }
    product(rows: missingPatternCount, columns: b, missing, w.e, into: &w.lost)
  }

  /// Calls `visit` with every row of every tile: variant, screen columns, and c = g'z for them.
  func forEachRow(
    variants: Range<Int>, tileTraits: Int, _ w: inout Workspace,
    visit: (_ variant: Int, _ columns: Range<Int>, _ c: UnsafeMutablePointer<Float>, inout Workspace) -> Void
  ) {
    var c = w.c
    w.c = []
    grow(&c, tileTraits * variants.count)
    for start in stride(from: 0, to: count, by: tileTraits) {
      let columns = start..<min(start + tileTraits, count)
      z.withUnsafeBufferPointer { z in
        w.g.withUnsafeBufferPointer { g in
          c.withUnsafeMutableBufferPointer { c in
            product(
              rows: columns.count, columns: variants.count, z.baseAddress! + start * sampleCount,
              g.baseAddress! + variants.lowerBound * sampleCount, into: c.baseAddress!)
          }
        }
      }
      c.withUnsafeMutableBufferPointer { c in
        for v in variants {
          visit(v, columns, c.baseAddress! + (v - variants.lowerBound) * columns.count, &w)
        }
      }
    }
    w.c = c
  }

  /// Screen columns in `columns` that may reach |r| ≥ r*·floor, as offsets into `columns` in `w.found`; returns their number.
  ///
  /// - Parameter floors: per screen column, at most 1; nil for 1 everywhere.
  func collect(
    variant v: Int, columns: Range<Int>, _ c: UnsafePointer<Float>, floors: UnsafePointer<Float>?,
    _ w: inout Workspace
  ) -> Int {
    grow(&w.found, columns.count)
    let length = w.lengths[v]
    // Rounded outwards: fp32 of the threshold errs by 2⁻²⁴ of the larger term.
    let outward = 1 - 4e-7
    let slack = length.slack + 4e-7 * length.lower
    let complete = columns.clamped(to: 0..<completeCount)
    if floors == nil, complete.count == columns.count {
      let threshold = Float(length.lower * outward - slack)
      return Int(sk_collect(c, Int64(columns.count), threshold, &w.found))
    }
    grow(&w.bounds, columns.count)
    let scale = Float(length.lower * outward)
    for (i, column) in complete.enumerated() {
      w.bounds[i] = (floors?[column] ?? 1) * scale - Float(slack)
    }
    if complete.count < columns.count {
      let first = columns.lowerBound + complete.count
      let offset = first - completeCount
      let p = missingPatternCount
      // e in fp32 is off by at most √r·γ‖g−ḡ‖ plus its own roundings.
      let off = (Double(covariateRank).squareRoot() + 2) * 2 * gamma * length.centered
      w.lost.withUnsafeBufferPointer { lost in
        missingColumn.withUnsafeBufferPointer { pattern in
          deletion.withUnsafeBufferPointer { deletion in
            w.bounds.withUnsafeMutableBufferPointer { bounds in
              sk_missing_bounds(
                lost.baseAddress! + v * p, pattern.baseAddress! + offset, deletion.baseAddress! + offset,
                floors.map { $0 + first }, Float(length.lower * length.lower * (1 - 2e-6)),
                Float(1 + 2 * gamma), Float(off), Float(slack), Int64(columns.count - complete.count),
                bounds.baseAddress! + complete.count)
            }
          }
        }
      }
      if hasUnboundedPattern {
        for column in first..<columns.upperBound where deletion[column - completeCount] >= 1e6 {
          w.bounds[column - columns.lowerBound] = -.infinity
        }
      }
    }
    return Int(sk_collect_bounds(c, w.bounds, Int64(columns.count), &w.found))
  }

  // MARK: products

  /// out (rows × columns) = a'b, summed over blocks of `innerBlock` samples.
  private func product(
    rows: Int, columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    guard rows > 0, columns > 0 else { return }
    let n = sampleCount
    let block = innerCount
    for start in stride(from: 0, to: n, by: block) {
      BLAS.multiplyTransposed(
        rows: rows, columns: columns, inner: min(block, n - start), a + start, n, b + start, n, into: out,
        rows, accumulate: start > 0)
    }
  }

  private func product(rows: Int, columns: Int, _ a: [Float], _ b: [Float], into out: inout [Float]) {
    product(rows: rows, columns: columns, a, b, into: &out)
  }
}

/// Makes room; contents are not kept.
private func grow<T: ExpressibleByIntegerLiteral>(_ array: inout [T], _ count: Int) {
  if array.count < count { array = [T](repeating: 0, count: count) }
}
