internal import LinearAlgebra
internal import StudyData

/// U'g of the variants of a block that lie in some gene's window, made once for all genes.
struct RotatedVariants: Sendable {
  /// Of each variant of the block among those rotated.
  fileprivate(set) var places: [Int32]
  /// m × count by pattern; empty where no gene needs it.
  fileprivate(set) var rotated: [[Double]]
  fileprivate let sizes: [Int]

  func withVariant<R>(_ v: Int, pattern: Int, _ body: (UnsafePointer<Double>) -> R) -> R {
    rotated[pattern].withUnsafeBufferPointer { body($0.baseAddress! + Int(places[v]) * sizes[pattern]) }
  }
}

/// Rotates the variants of blocks for genes.
///
/// - Complexity: 2n² flop and 8n bytes for each variant in a window and pattern of missing samples.
struct BlockRotation: Sendable {
  private let mixed: MixedTraits
  /// Of the genes' traits, ascending.
  private let patterns: [Int]
  /// By chromosome: windows, overlapping ones as one, ascending.
  private let intervals: [String: [(low: Int, high: Int)]]

  init(_ mixed: MixedTraits, _ traits: TraitPanel, _ genes: [CisGene]) {
    self.mixed = mixed
    patterns = Set(genes.flatMap { $0.traits.map { Int(traits.patternOf[$0]) } }).sorted()
    intervals = Dictionary(grouping: genes, by: \.chromosome).mapValues { genes in
      var merged: [(low: Int, high: Int)] = []
      for gene in genes.sorted(by: { $0.low < $1.low }) {
        if let last = merged.last, gene.low <= last.high {
          merged[merged.count - 1].high = max(last.high, gene.high)
        } else {
          merged.append((gene.low, gene.high))
        }
      }
      return merged
    }
  }

  func rotated(_ panel: VariantPanel) -> RotatedVariants {
    var chromosome = ChromosomeCache()
    let wanted = panel.variants.indices.filter { v in
      let variant = panel.variants[v].variant
      return isInWindow(chromosome(variant.chromosome), variant.position)
    }
    var out = RotatedVariants(
      places: [Int32](repeating: -1, count: panel.count),
      rotated: mixed.spectra.map { _ in [] }, sizes: mixed.spectra.map { $0?.size ?? 0 })
    for (place, v) in wanted.enumerated() { out.places[v] = Int32(place) }
    let (n, width) = (mixed.sampleCount, Spectrum.width)
    // The last panel is filled up, as a variant's bits depend on the number of columns.
    let count = (wanted.count + width - 1) / width * width
    for p in patterns { out.rotated[p] = [Double](repeating: 0, count: out.sizes[p] * count) }
    var columns = [Double](repeating: 0, count: n * width)
    for first in stride(from: 0, to: wanted.count, by: width) {
      let members = wanted[first..<min(first + width, wanted.count)]
      columns.withUnsafeMutableBufferPointer { columns in
        for (k, v) in members.enumerated() { panel.writeCentered(v, to: columns.baseAddress! + k * n) }
        for i in members.count * n..<columns.count { columns[i] = 0 }
      }
      for p in patterns {
        out.rotated[p].withUnsafeMutableBufferPointer {
          mixed.spectra[p]?.rotate(columns, into: $0.baseAddress! + first * out.sizes[p])
        }
      }
    }
    return out
  }

  private func isInWindow(_ chromosome: String, _ position: Int) -> Bool {
    guard let list = intervals[chromosome] else { return false }
    var (a, b) = (0, list.count)
    while a < b {
      let middle = (a + b) / 2
      if list[middle].high < position { a = middle + 1 } else { b = middle }
    }
    return a < list.count && list[a].low <= position
  }
}
