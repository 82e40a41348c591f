internal import CScanKernels
internal import Glibc
internal import StudyData

/// How the dosages of a variant became small integers: g = a + ĝ/s + δg.
struct VariantCode {
  /// s.
  var scale: Double
  /// κ = ‖ĝ_c‖, c for what is left of the mean.
  var norm: Double
  /// d = s·‖δg_c‖.
  var lost: Double
  /// No code is larger.
  var largest: Int

  /// Fills the first n of `codes` with ĝ.
  ///
  /// - Parameter level: code of one allele (hard calls), or of the whole range over two (dosages).
  init(of v: Int, in panel: VariantPanel, level: Int, codes: inout [UInt8]) {
    let n = panel.sampleCount
    let base = panel.columns[v] * n
    let summary = panel.variants[v].summary
    let mean = summary.mean
    switch panel.block.dosages {
    case .hardCalls(let calls):
      // Imputed samples get the code nearest the mean; all lose the same, m, of which m·√(k(1 − k/n)) remains after centring.
      let missing = Int((mean * Double(level)).rounded())
      calls.withUnsafeBufferPointer {
        sk_encode_calls($0.baseAddress! + base, Int64(n), Int32(level), Int32(missing), &codes)
      }
      let absent = n - summary.observed
      let counts = (one: summary.rounded.1, two: summary.rounded.2)
      let sum = level * (counts.one + 2 * counts.two) + missing * absent
      let squares = level * level * (counts.one + 4 * counts.two) + missing * missing * absent
      let off = abs(mean * Double(level) - Double(missing))
      let spread = (Double(absent) * (1 - Double(absent) / Double(n))).squareRoot()
      scale = Double(level)
      norm = (Double(n * squares - sum * sum) / Double(n)).squareRoot()
      lost = off * spread
      largest = 2 * level
    case .fractional(let values):
      var (least, most): (Float, Float) = (0, 0)
      values.withUnsafeBufferPointer { sk_range($0.baseAddress! + base, Int64(n), &least, &most) }
      let (low, range) = (Double(least), Double(most) - Double(least))
      let (levels, step) = (2 * level, Double(2 * level) / max(range, 1e-30))
      let sums = values.withUnsafeBufferPointer {
        sk_encode_dosages($0.baseAddress! + base, Int64(n), mean, low, step, Int32(levels), &codes)
      }
      (scale, largest) = (step, levels)
      let count = Double(n)
      norm = (Double(Int64(n) * sums.squares - sums.sum * sums.sum) / count).squareRoot()
      // Σδ² is that of the uncentred δ, so no smaller.
      lost = scale * (sums.squared_error.squareRoot() + 1e-12 * count)
    }
  }
}
