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
///
/// Dosages that are whole numbers are hard calls here whatever the file calls them: a block of such is screened at their price, and a
/// variant's summary has the same bits in any block.
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
    var block = block
    let (summaries, calls) = Self.summaries(block)
    if let calls { block.dosages = .hardCalls(calls) }
    var columns: [Int] = []
    var variants: [TestedVariant] = []
    var drops = block.drops
    for (j, summary) in summaries.enumerated() {
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

  /// - Returns: of every variant of the block, and its dosages as hard calls where all of them can be so.
  private static func summaries(_ block: GenotypeBlock) -> ([VariantSummary], calls: [UInt8]?) {
    let n = block.sampleCount
    let values: [Float]
    switch block.dosages {
    case .hardCalls(let codes):
      let summaries = codes.withUnsafeBufferPointer { codes in
        (0..<block.count).map {
          VariantSummary(codes: UnsafeBufferPointer(rebasing: codes[$0 * n..<($0 + 1) * n]))
        }
      }
      return (summaries, nil)
    case .fractional(let fractional): values = fractional
    }
    var wholeCount = 0
    var summaries: [VariantSummary] = []
    let codes = [UInt8](unsafeUninitializedCapacity: values.count) { codes, count in
      values.withUnsafeBufferPointer { values in
        for j in 0..<block.count {
          let own = UnsafeBufferPointer(rebasing: values[j * n..<(j + 1) * n])
          // Beside each other while all are whole, else in place of the one before.
          let calls = UnsafeMutableBufferPointer(rebasing: codes[wholeCount * n..<(wholeCount + 1) * n])
          guard let base = own.baseAddress, let first = calls.baseAddress,
            sk_whole_dosages(base, Int64(n), first) != 0
          else {
            summaries.append(VariantSummary(dosages: own))
            continue
          }
          summaries.append(VariantSummary(codes: UnsafeBufferPointer(calls)))
          if wholeCount == j { wholeCount += 1 }
        }
      }
      count = wholeCount * n
    }
    return (summaries, wholeCount == block.count ? codes : nil)
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
        values.withUnsafeBufferPointer { sk_expand_dosages($0.baseAddress! + j * n, mean, Int64(n), out) }
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
