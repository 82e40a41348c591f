internal import CScanKernels
internal import Glibc
internal import StudyData

/// Decides pairs from products of 8-bit integers, with a certificate.
///
/// A variant's dosages are coded as ĝ (unsigned), g = a + ĝ/s_v + δg, a trait as ŷ (signed, Σŷ = 0), s_t·ỹ = ŷ + δ. With E = ĝ'ŷ and
/// the index c for what is left of the mean,
///
///     s_v·s_t·g_c'ỹ = E + ĝ_c'δ + s_v·s_t·δg_c'ỹ,   |ĝ_c'δ| ≤ ‖ĝ_c‖·‖δ‖,   |δg_c'ỹ| ≤ ‖δg_c‖
///
/// (a and the mean of ĝ drop out because ŷ adds up to zero and g_c to zero.) So a pair is discarded for certain iff
///
///     |E| < s_t·u − λ·κ − s_t·d,   u = s_v·r*·ℓ,  κ = ‖ĝ_c‖,  λ = ‖δ‖,  d = s_v·‖δg_c‖,   ℓ ≤ ‖M_p g‖
///
/// E is exact in 32 bits, and all norms are computed in fp64. In fp32 each of the few operations, the conversion of E included, errs
/// by 2⁻²⁴ of a term; u is lowered by 2⁻²⁰ of itself, κ, λ and d are raised by at least as much.
///
/// Cauchy–Schwarz is not the sharpest bound (no |δ| exceeds ½, which says more of rare variants), but needs one number of each
/// variant and trait, and at p ≤ 1e-5 and some thousand samples survivors cost about a hundredth of the
/// products all the same. They are thinned in fp64 by
/// ``PairEvaluator/discardMisses(_:variant:of:length:criticalR:)`` before a residual is made for any.
struct IntegerScreen: Sendable {
  let traits: TraitCodes
  let instructions: InstructionSet
  private let lengths: ResidualLengths
  /// r* of each pattern.
  private let criticalR: [Double]
  /// Share of pairs that survive, by slack in r: of a usual trait, with no error of genotypes at 0.
  private let survival: SurvivalTable
  private let blocking: CacheBlocking
  /// Tiles in one pass over the variants.
  private let passTiles: Int

  /// One worker's block of variants as codes, and scratch.
  struct Workspace {
    fileprivate(set) var panels: [UInt8] = []
    fileprivate var depth: [Int64] = []
    fileprivate var codes: [UInt8] = []
    /// s_v·r* of each incomplete pattern, of one variant.
    fileprivate var factor: [Float] = []
    /// u by row and variant, κ and d by variant.
    fileprivate(set) var lower: [Float] = []
    fileprivate(set) var error: [Float] = []
    fileprivate(set) var offset: [Float] = []
    fileprivate var sums: [Int32] = []
    fileprivate var found: [UInt64] = []
    fileprivate var upper: [Float] = []
    /// Of each variant, the largest certain |s_v·g'ỹ| so far.
    fileprivate var best: [Float] = []
  }

  /// A pair that may be a hit or a best.
  struct Candidate {
    var variant: Int32
    var trait: Int32
    /// At most this is |s_v·g'ỹ|.
    var upper: Float
  }

  init(
    traits: TraitCodes, instructions: InstructionSet, lengths: ResidualLengths, criticalR: [Double],
    survival: SurvivalTable
  ) {
    self.traits = traits
    self.instructions = instructions
    self.lengths = lengths
    self.criticalR = criticalR
    self.survival = survival
    blocking = CacheBlocking(groups: traits.groups, shape: instructions.shape)
    passTiles = min(traits.tiles, blocking.tiles)
  }

  private var width: Int { Int(instructions.shape.width) }

  /// Share of pairs that survive though genotypes lose nothing.
  var leastSurvival: Double { survival[0] }

  static func bytes(
    samples n: Int, traits t: Int, patterns: Int, block: Int, shape: sk_isa_shape, tracksBest: Bool
  ) -> (shared: Int, each: Int) {
    let (width, perTile) = (Int(shape.width), Int(shape.traits))
    let blocking = CacheBlocking(groups: (n + 3) / 4, shape: shape)
    // Sums and what is found of them in a pass; the first panel of a scan for bests keeps all its pairs.
    let lanes = blocking.isWhole ? width : block + width
    let pass = min(t + perTile, blocking.tiles * perTile) * lanes * 16
    let first = tracksBest ? 20 * width * t : 0
    return (TraitCodes.bytes(samples: n, traits: t), block * (n + 4 * (patterns + 4)) + pass + first)
  }

  // MARK: variants

  /// Codes the block and makes its bounds. Returns the predicted cost of a pair, in units of an integer product.
  func encode(_ panel: VariantPanel, _ block: ResidualLengths.Block, _ w: inout Workspace) -> Double {
    let (n, width, groups) = (panel.sampleCount, width, traits.groups)
    let panels = (panel.count + width - 1) / width
    let padded = panels * width
    let rows = lengths.rowCount
    grow(&w.panels, panels * groups * width * 4)
    grow(&w.codes, n)
    w.depth.removeAll(keepingCapacity: true)
    if w.lower.count < rows * padded { w.lower = [Float](repeating: 0, count: rows * padded) }
    grow(&w.error, padded)
    grow(&w.offset, padded)
    grow(&w.factor, rows)
    var cost = 0.0
    for p in 0..<panels {
      let variants = p * width..<min((p + 1) * width, panel.count)
      let level = chooseLevel(panel, variants, block)
      var largest = 0
      for v in variants {
        let coded = VariantCode(of: v, in: panel, level: level, codes: &w.codes)
        largest = max(largest, coded.largest)
        w.panels.withUnsafeMutableBufferPointer {
          sk_place_codes(
            w.codes, Int64(n), Int64(width), Int64(v - variants.lowerBound),
            $0.baseAddress! + p * groups * width * 4)
        }
        setBounds(v, coded, padded, block, &w)
        cost += survival[coded.lost / max(1e-300, coded.scale * block.lengths[v].lower)]
      }
      w.depth.append(sk_depth(Int64(max(1, largest))))
      // Padding lanes keep old codes; nothing reaches an infinite bound.
      for v in variants.upperBound..<(p + 1) * width {
        for row in 0..<rows { w.lower[row * padded + v] = .infinity }
        w.error[v] = 0
        w.offset[v] = 0
      }
    }
    return 1 + TraitCodes.survivorCost * cost / Double(max(1, panel.count))
  }

  /// Code of one allele (hard calls), or of the whole range over two (dosages).
  ///
  /// Large codes lose less of imputed and fractional dosages; small ones let sums stay in 16 bits for longer where that is how the
  /// instruction works. The smallest with which at most 5·10⁻⁴ more of all pairs survive costs the least, within 2 %.
  private func chooseLevel(_ panel: VariantPanel, _ variants: Range<Int>, _ block: ResidualLengths.Block)
    -> Int
  {
    let most = instructions.largestGenotypeCode / 2
    guard instructions.shape.sums_in_16_bits != 0 else { return most }
    var isFractional = false
    if case .fractional = panel.block.dosages { isFractional = true }
    let uniform = (Double(panel.sampleCount) / 12).squareRoot()
    for level in [1, 2, 4, 8, 16, 32] {
      var excess = 0.0
      for v in variants where block.lengths[v].lower > 0 {
        let summary = panel.variants[v].summary
        let scaled = summary.mean * Double(level)
        let lost =
          isFractional
          ? uniform
          : abs(scaled - scaled.rounded()) * Double(summary.sampleCount - summary.observed).squareRoot()
        excess += survival[lost / Double(level) / block.lengths[v].lower] - survival[0]
      }
      if excess <= 5e-4 * Double(variants.count) { return level }
    }
    return most
  }

  private func setBounds(
    _ v: Int, _ coded: VariantCode, _ stride: Int, _ block: ResidualLengths.Block, _ w: inout Workspace
  ) {
    let length = block.lengths[v]
    let inward = coded.scale * (1 - 0x1p-20)
    if let spectral = lengths.spectral {
      for (row, pattern) in spectral.patternOfRow.enumerated() {
        let length = Double(block.spectral.lower[v * lengths.rowCount + row])
        w.lower[row * stride + v] = Float(inward * criticalR[Int(pattern)] * length)
      }
    } else {
      w.lower[v] = Float(inward * criticalR[0] * length.lower)
    }
    w.error[v] = Float(coded.norm * (1 + 0x1p-20))
    w.offset[v] = Float(coded.lost * (1 + 0x1p-20) + 1e-9)
    guard lengths.missingPatternCount > 0 else { return }
    let error = lengths.lostError(length)
    let patterns = lengths.missingPatternCount
    // A pattern that nothing bounds gets 0, which keeps all its pairs.
    for p in 0..<patterns {
      let isBounded = lengths.deletion[p] < ResidualLengths.unboundedDeletion
      w.factor[p] = isBounded ? Float(inward * criticalR[p + 1]) : 0
    }
    block.lost.withUnsafeBufferPointer { lost in
      w.lower.withUnsafeMutableBufferPointer { lower in
        sk_pattern_lengths(
          lost.baseAddress! + v * patterns, lengths.deletion, w.factor, Int64(patterns),
          Float(length.lower * length.lower * (1 - 2e-6)), Float(error.growth), Float(error.offset),
          lower.baseAddress! + stride + v, Int64(stride))
      }
    }
  }

  // MARK: products and comparisons

  /// Appends the pairs of the encoded block that may reach |r| ≥ r*·floor, as variant << 32 | trait.
  ///
  /// - Parameters:
  ///   - variants: from the first of a panel.
  ///   - skip: variants that are not tested.
  ///   - reach: s·floor by slot; nil for a floor of 1.
  func collect(
    variants: Range<Int>, skip: Set<Int>, reach: [Float]?, _ w: inout Workspace,
    into survivors: inout [UInt64]
  ) {
    run(variants: variants, reach: reach, tracksBest: false, excludedOf: [], &w) { v, slot, _ in
      let trait = traits.order[slot]
      if trait >= 0, variants.contains(v), !skip.contains(v) {
        survivors.append(UInt64(v) << 32 | UInt64(trait))
      }
    }
  }

  /// Pairs of the encoded variants that may be a hit, their variant's best, or reach `reach`.
  ///
  /// - Parameters:
  ///   - variants: from the first of a panel.
  ///   - excluded: pairs that must not count, as slot << 32 | lane, ascending, of a panel.
  func collectBest(
    variants: Range<Int>, skip: Set<Int>, reach: [Float], excluded: (Range<Int>) -> [UInt64],
    _ w: inout Workspace, into candidates: inout [Candidate]
  ) {
    let first = candidates.count
    grow(&w.best, w.error.count)
    for v in variants { w.best[v] = 0 }
    for v in variants.upperBound..<panels(variants).upperBound * width { w.best[v] = .infinity }
    var slots: [Int] = []
    let excludedOf = panels(variants).map { excluded($0 * width..<($0 + 1) * width) }
    run(variants: variants, reach: reach, tracksBest: true, excludedOf: excludedOf, &w) { v, slot, upper in
      let trait = traits.order[slot]
      if trait >= 0, variants.contains(v), !skip.contains(v) {
        candidates.append(Candidate(variant: Int32(v), trait: trait, upper: upper))
        slots.append(slot)
      }
    }
    // The maxima are final now: most of what came early falls away.
    var kept = first
    for k in first..<candidates.count {
      let candidate = candidates[k]
      let v = Int(candidate.variant)
      let slot = slots[k - first]
      let needed = reach[slot] / traits.scale[slot] * w.lower[v] * (1 - 1e-6)
      if !(candidate.upper < min(w.best[v], needed)) {
        candidates[kept] = candidate
        kept += 1
      }
    }
    candidates.removeSubrange(kept...)
  }

  private func panels(_ variants: Range<Int>) -> Range<Int> {
    variants.lowerBound / width..<(variants.upperBound + width - 1) / width
  }

  /// - Parameter excludedOf: of each panel the pairs that count as zero; may be empty.
  private func run(
    variants: Range<Int>, reach: [Float]?, tracksBest: Bool, excludedOf: [[UInt64]],
    _ w: inout Workspace, visit: (_ variant: Int, _ slot: Int, _ upper: Float) -> Void
  ) {
    let width = width
    let panels = panels(variants)
    // A block of which the selection or the filter leaves nothing.
    guard !panels.isEmpty else { return }
    // Panels share the traits of a pass over the samples; of a whole tile each reads what is in the cache anyway.
    let together = blocking.isWhole ? 1 : panels.count
    let room = together * passTiles * Int(instructions.shape.traits) * width
    grow(&w.sums, room)
    grow(&w.found, room)
    if tracksBest { grow(&w.upper, room) }
    withPanels(panels, tracksBest: tracksBest, excludedOf: excludedOf, &w) { all, sums, found, upper in
      traits.withTraits(reach: reach) { traits in
        for tile in stride(from: 0, to: self.traits.tiles, by: passTiles) {
          let end = min(tile + passTiles, self.traits.tiles)
          for first in stride(from: 0, to: all.count, by: together) {
            let count = sk_screen(
              instructions.kernel, all.baseAddress! + first, Int64(min(together, all.count - first)), traits,
              Int64(tile), Int64(end), Int64(blocking.groups), &sums, &found, &upper)
            for k in 0..<Int(count) {
              let lane = Int(truncatingIfNeeded: found[k] & 0xFFFF_FFFF)
              visit(
                (panels.lowerBound + first) * width + lane, Int(found[k] >> 32), tracksBest ? upper[k] : 0)
            }
          }
        }
      }
    }
  }

  /// Lends the panels to C, and room for results beside them.
  private func withPanels(
    _ panels: Range<Int>, tracksBest: Bool, excludedOf: [[UInt64]], _ w: inout Workspace,
    _ body: (
      _ panels: UnsafeBufferPointer<sk_panel>, _ sums: inout [Int32], _ found: inout [UInt64],
      _ upper: inout [Float]
    ) -> Void
  ) {
    let (width, padded) = (width, w.depth.count * width)
    let excluded = excludedOf.flatMap(\.self)
    w.panels.withUnsafeBufferPointer { codes in
      w.lower.withUnsafeBufferPointer { lower in
        w.error.withUnsafeBufferPointer { error in
          w.offset.withUnsafeBufferPointer { offset in
            w.best.withUnsafeMutableBufferPointer { best in
              excluded.withUnsafeBufferPointer { excluded in
                var start = 0
                let all = panels.map { p in
                  let count = excludedOf.isEmpty ? 0 : excludedOf[p - panels.lowerBound].count
                  defer { start += count }
                  return sk_panel(
                    codes: codes.baseAddress! + p * traits.groups * width * 4, depth: w.depth[p],
                    lower: lower.baseAddress! + p * width, lower_stride: Int64(padded),
                    error: error.baseAddress! + p * width, offset: offset.baseAddress! + p * width,
                    best: tracksBest ? best.baseAddress! + p * width : nil,
                    excluded: excluded.baseAddress.map { $0 + start }, excluded_count: Int64(count))
                }
                all.withUnsafeBufferPointer { body($0, &w.sums, &w.found, &w.upper) }
              }
            }
          }
        }
      }
    }
  }
}

/// Shares of pairs that survive an error in r, tabled because logs of p are slow.
struct SurvivalTable: Sendable {
  private let step: Double
  private let share: [Double]

  /// - Parameters:
  ///   - limit: r*; an error of that much discards nothing.
  ///   - share: of pairs without association that have |r| at or above its argument.
  init(limit: Double, share tail: (Double) -> Double) {
    step = limit / 256
    share = (0...256).map { tail(limit - Double($0) * limit / 256) }
  }

  subscript(slack: Double) -> Double {
    slack < step * 256 ? share[Int(slack / step)] : 1
  }
}
