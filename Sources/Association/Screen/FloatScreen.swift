internal import CScanKernels

/// Decides pairs from fp32 products by OpenBLAS.
///
/// With z = ỹ/r* a pair is a hit iff |g'z| ≥ ‖M_p g‖ (methods §1). With c the product and γ its error (``BlockedProduct``),
/// |c| < ℓ − γ‖g−ḡ‖·max‖z‖, ℓ ≤ ‖M_p g‖, discards for certain.
struct FloatScreen: Sendable {
  private let lengths: ResidualLengths
  /// Trait-panel index of each column: complete traits first, then those with missing values.
  let order: [Int32]
  let completeCount: Int
  /// r* of each column; in a mixed model times its share of its row's length.
  let criticalR: [Double]
  /// n × count: ỹ/r*.
  private let z: [Float]
  /// max‖z‖ = 1/min r*.
  private let longest: Double
  /// Of each incomplete column, its pattern (without the complete one) and its deletion factor.
  private let missingColumn: [Int32]
  /// In a mixed model the row of each column.
  private let rowOf: [Int32]
  private let deletion: [Float]
  private let hasUnboundedPattern: Bool

  /// Traits per tile. With blocks of 512 variants OpenBLAS comes near its best rate, and the comparison that follows finds
  /// the 5 MB of results in the last-level cache.
  static let tileTraits = 2560

  var count: Int { order.count }
  var smallestR: Double { 1 / longest }

  /// - Parameters:
  ///   - columns: indices into the trait panel.
  ///   - criticalR: r* of each pattern.
  init(_ columns: [Int32], of traits: TraitPanel, criticalR rOfPattern: [Double], lengths: ResidualLengths) {
    let n = traits.sampleCount
    self.lengths = lengths
    // In a mixed model every column looks its row up.
    let isComplete = { (trait: Int32) in
      traits.mixed != nil || traits.patterns[Int(traits.patternOf[Int(trait)])].missing.isEmpty
    }
    let incomplete = columns.filter { !isComplete($0) }
    order = columns.filter(isComplete) + incomplete
    completeCount = order.count - incomplete.count
    rowOf = traits.mixed == nil ? [] : order.map { lengths.rowOf[Int($0)] }
    criticalR = order.map { rOfPattern[Int(traits.patternOf[Int($0)])] * lengths.share(Int($0)) }
    longest = 1 / (criticalR.min() ?? 1)
    var z = [Float](repeating: 0, count: n * order.count)
    for (column, trait) in order.enumerated() {
      let scale = 1 / criticalR[column]
      let from = Int(trait) * n
      for i in 0..<n { z[column * n + i] = Float(traits.unit[from + i] * scale) }
    }
    self.z = z
    missingColumn = incomplete.map { traits.patternOf[Int($0)] - 1 }
    deletion = missingColumn.map { lengths.deletion[Int($0)] }
    hasUnboundedPattern = deletion.contains { $0 >= ResidualLengths.unboundedDeletion }
  }

  /// One worker's scratch.
  struct Workspace {
    fileprivate var c: [Float] = []
    fileprivate var bounds: [Float] = []
    var found: [UInt32] = []
  }

  static func bytes(samples n: Int, traits t: Int, block: Int, tile: Int) -> (shared: Int, each: Int) {
    (4 * n * t, 4 * (tile * block + 4 * t))
  }

  /// What |c| may differ from |g'z| by.
  func slack(_ length: ResidualLengths.LengthBound) -> Double {
    lengths.product.error * length.centered * longest
  }

  /// What |c|·r* may differ from |g'ỹ| by, as a share of ‖g − ḡ‖.
  var relativeError: Double { lengths.product.error }

  /// Calls `visit` with every row of every tile: variant, columns, and c = g'z for them.
  func forEachRow(
    variants: Range<Int>, tileTraits: Int, _ block: ResidualLengths.Block, _ w: inout Workspace,
    visit: (_ variant: Int, _ columns: Range<Int>, _ c: UnsafeMutablePointer<Float>, inout Workspace) -> Void
  ) {
    let product = lengths.product
    var c = w.c
    w.c = []
    grow(&c, tileTraits * variants.count)
    for start in stride(from: 0, to: count, by: tileTraits) {
      let columns = start..<min(start + tileTraits, count)
      z.withUnsafeBufferPointer { z in
        block.g.withUnsafeBufferPointer { g in
          c.withUnsafeMutableBufferPointer { c in
            product(
              rows: columns.count, columns: variants.count, z.baseAddress! + start * product.sampleCount,
              g.baseAddress! + variants.lowerBound * product.sampleCount, into: c.baseAddress!)
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

  /// Columns in `columns` that may reach |r| ≥ r*·floor, as offsets into `columns` in `w.found`; returns their number.
  ///
  /// - Parameter floors: per column; nil for 1 everywhere.
  func collect(
    variant v: Int, columns: Range<Int>, _ c: UnsafePointer<Float>, floors: UnsafePointer<Float>?,
    _ block: ResidualLengths.Block, _ w: inout Workspace
  ) -> Int {
    grow(&w.found, columns.count)
    let length = block.lengths[v]
    // Rounded outwards: fp32 of the threshold errs by 2⁻²⁴ of the larger term.
    let outward = 1 - 4e-7
    let slack = slack(length) + 4e-7 * length.lower
    if lengths.spectral != nil {
      grow(&w.bounds, columns.count)
      let row = v * lengths.rowCount
      for (i, column) in columns.enumerated() {
        let lower = block.spectral.lower[row + Int(rowOf[column])] * Float(outward)
        w.bounds[i] = (floors?[column] ?? 1) * lower - Float(slack)
      }
      return Int(sk_collect_bounds(c, w.bounds, Int64(columns.count), &w.found))
    }
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
      let p = lengths.missingPatternCount
      let error = lengths.lostError(length)
      block.lost.withUnsafeBufferPointer { lost in
        missingColumn.withUnsafeBufferPointer { pattern in
          deletion.withUnsafeBufferPointer { deletion in
            w.bounds.withUnsafeMutableBufferPointer { bounds in
              sk_missing_bounds(
                lost.baseAddress! + v * p, pattern.baseAddress! + offset, deletion.baseAddress! + offset,
                floors.map { $0 + first }, Float(length.lower * length.lower * (1 - 2e-6)),
                Float(error.growth), Float(error.offset), Float(slack), Int64(columns.count - complete.count),
                bounds.baseAddress! + complete.count)
            }
          }
        }
      }
      if hasUnboundedPattern {
        for column in first..<columns.upperBound
        where deletion[column - completeCount] >= ResidualLengths.unboundedDeletion {
          w.bounds[column - columns.lowerBound] = -.infinity
        }
      }
    }
    return Int(sk_collect_bounds(c, w.bounds, Int64(columns.count), &w.found))
  }
}
