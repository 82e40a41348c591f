internal import CScanKernels
public import StudyData

/// A variant that is tested, with its counts.
public struct TestedVariant: Sendable {
  /// Ordinal in the source: rows are ordered by it.
  public var ordinal: Int
  public var variant: Variant
  public var summary: VariantSummary
}

/// The admitted variants of one block, and their dosages in the analysed samples.
final class VariantPanel: Sendable {
  let block: GenotypeBlock
  /// Index in the block of each admitted variant.
  let columns: [Int]
  let variants: [TestedVariant]
  /// Records refused by the reader and variants refused by the filter, in file order.
  let drops: [Drop]

  var count: Int { variants.count }
  var sampleCount: Int { block.sampleCount }

  init(block: GenotypeBlock, filter: VariantFilter) {
    var columns: [Int] = []
    var variants: [TestedVariant] = []
    var drops = block.drops
    let n = block.sampleCount
    for j in 0..<block.count {
      let summary =
        switch block.dosages {
        case .hardCalls(let codes):
          codes.withUnsafeBufferPointer {
            VariantSummary(codes: UnsafeBufferPointer(rebasing: $0[j * n..<(j + 1) * n]))
          }
        case .fractional(let values):
          values.withUnsafeBufferPointer {
            VariantSummary(dosages: UnsafeBufferPointer(rebasing: $0[j * n..<(j + 1) * n]))
          }
        }
      if let (reason, detail) = filter.reasonToDrop(summary) {
        drops.append(Drop(.variant, id: block.variants[j].id, reason: reason, detail: detail))
      } else {
        columns.append(j)
        variants.append(
          TestedVariant(ordinal: block.ordinals[j], variant: block.variants[j], summary: summary))
      }
    }
    self.block = block
    self.columns = columns
    self.variants = variants
    self.drops = drops
  }

  /// Writes g − ḡ in fp32 (missing 0), n × count: centred in fp64, so one rounding of the difference is all it loses.
  func writeCentered(to panel: UnsafeMutablePointer<Float>) {
    let n = sampleCount
    for (k, j) in columns.enumerated() {
      let mean = variants[k].summary.mean
      let out = panel + k * n
      switch block.dosages {
      case .hardCalls(let codes):
        let table: [Float] = [Float(0 - mean), Float(1 - mean), Float(2 - mean), 0]
        codes.withUnsafeBufferPointer { sk_expand_codes($0.baseAddress! + j * n, table, Int64(n), out) }
      case .fractional(let values):
        for i in 0..<n {
          let g = values[j * n + i]
          out[i] = g.isNaN ? 0 : Float(Double(g) - mean)
        }
      }
    }
  }

  /// Writes g − ḡ in fp64 (missing 0) of variant `k`.
  func writeCentered(_ k: Int, to out: UnsafeMutablePointer<Double>) {
    let n = sampleCount
    let base = columns[k] * n
    let mean = variants[k].summary.mean
    switch block.dosages {
    case .hardCalls(let codes):
      codes.withUnsafeBufferPointer { sk_center_codes($0.baseAddress! + base, mean, Int64(n), out) }
    case .fractional(let values):
      values.withUnsafeBufferPointer { sk_center_dosages($0.baseAddress! + base, mean, Int64(n), out) }
    }
  }
}
