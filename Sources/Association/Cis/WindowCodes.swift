internal import CScanKernels
internal import StudyData

/// The variants of a block as integers, made once for all genes.
struct CodedVariants: Sendable {
  /// n × count.
  let codes: [UInt8]
  let code: [VariantCode]
  /// Of dosages; hard calls have the same for either allele.
  let hash: [UInt64]

  /// Share of a variant's length that codes may lose where smaller ones make the product faster.
  private static let tolerance = 0.003

  /// - Parameter squaredNorms: ‖Mg‖² of each variant.
  init(_ panel: VariantPanel, squaredNorms: [Double], instructions: InstructionSet) {
    let n = panel.sampleCount
    let most = instructions.largestGenotypeCode / 2
    // Where sums have 16 bits, the smaller the codes the more products they hold. 10 and 20 make imputed dosages with steps of 0.1
    // and 0.05 whole numbers.
    let levels = instructions.shape.sums_in_16_bits != 0 ? [1, 2, 4, 10, 20, most] : [most]
    var scratch = [UInt8](repeating: 0, count: n)
    var codes: [UInt8] = []
    codes.reserveCapacity(n * panel.count)
    code = panel.variants.indices.map { v in
      var coded = VariantCode(of: v, in: panel, level: levels[0], codes: &scratch)
      for level in levels.dropFirst()
      where coded.lost > Self.tolerance * coded.scale * squaredNorms[v].squareRoot() {
        coded = VariantCode(of: v, in: panel, level: level, codes: &scratch)
      }
      codes.append(contentsOf: scratch)
      return coded
    }
    self.codes = codes
    hash = panel.variants.indices.map { v in
      let base = panel.columns[v] * n
      return switch panel.block.dosages {
      case .hardCalls(let calls):
        calls.withUnsafeBufferPointer { sk_hash_calls($0.baseAddress! + base, Int64(n)) }
      case .fractional(let values):
        values.withUnsafeBufferPointer { sk_hash_dosages($0.baseAddress! + base, Int64(n)) }
      }
    }
  }
}

/// The variants of one gene's window as panels of an integer product, identical ones once.
///
/// A worker keeps one and fills it gene by gene.
struct WindowCodes {
  let instructions: InstructionSet
  /// Index in the window of every lane; those that pad the last panel repeat the variant before them.
  private(set) var lanes: [Int32] = []
  private var panels: [UInt8] = []
  /// u = s_v‖M_p g‖ rounded down, κ and d of every lane, as ``IntegerScreen`` has them.
  private var lower: [Float] = []
  private var error: [Float] = []
  private var offset: [Float] = []
  /// Of every panel, what `sk_depth` says.
  private var depth: [Int64] = []
  private var indexOfHash: [UInt64: Int32] = [:]

  var panelCount: Int { depth.count }

  init(instructions: InstructionSet) { self.instructions = instructions }

  /// - Parameter lengths: ‖M_p g‖ of every variant of the window; those with 0 are left out.
  mutating func fill(_ window: CisWindow, lengths: [Double], sampleCount n: Int) {
    let width = Int(instructions.shape.width)
    let size = (n + 3) / 4 * width * 4
    lanes.removeAll(keepingCapacity: true)
    indexOfHash.removeAll(keepingCapacity: true)
    for k in 0..<window.count where lengths[k] > 0 && !isRepeated(k, window) { lanes.append(Int32(k)) }
    if instructions.shape.sums_in_16_bits != 0 {
      // A panel goes as fast as its largest code lets it.
      lanes.sort { (window.code($0).largest, $0) < (window.code($1).largest, $1) }
    }
    while lanes.count % width > 0 { lanes.append(lanes[lanes.count - 1]) }
    grow(&lower, lanes.count)
    grow(&error, lanes.count)
    grow(&offset, lanes.count)
    grow(&panels, lanes.count / width * size)
    depth.removeAll(keepingCapacity: true)
    for (slot, k) in lanes.enumerated() {
      let code = window.code(k)
      let (lane, p) = (slot % width, slot / width)
      window.withCodes(Int(k)) { codes in
        panels.withUnsafeMutableBufferPointer {
          sk_place_codes(codes, Int64(n), Int64(width), Int64(lane), $0.baseAddress! + p * size)
        }
      }
      lower[slot] = Float(code.scale * lengths[Int(k)] * (1 - 0x1p-20))
      error[slot] = Float(code.norm * (1 + 0x1p-20))
      offset[slot] = Float(code.lost * (1 + 0x1p-20) + 1e-9)
      let most = sk_depth(Int64(max(1, code.largest)))
      if lane == 0 { depth.append(most) } else { depth[p] = min(depth[p], most) }
    }
  }

  /// Whether an earlier variant of the window has the same dosages, or those of the other allele: it has the same |r|.
  private mutating func isRepeated(_ k: Int, _ window: CisWindow) -> Bool {
    guard let earlier = indexOfHash.updateValue(Int32(k), forKey: window.hash(k)) else { return false }
    indexOfHash[window.hash(k)] = earlier
    let (panel, index) = window.place(k)
    let (other, otherIndex) = window.place(Int(earlier))
    return panel.hasDosages(index, of: other, otherIndex)
  }

  /// Lends a panel to C.
  func withPanel<R>(_ p: Int, sampleCount n: Int, _ body: (UnsafePointer<sk_panel>) -> R) -> R {
    let width = Int(instructions.shape.width)
    let size = (n + 3) / 4 * width * 4
    return panels.withUnsafeBufferPointer { codes in
      lower.withUnsafeBufferPointer { lower in
        error.withUnsafeBufferPointer { error in
          offset.withUnsafeBufferPointer { offset in
            var panel = sk_panel(
              codes: codes.baseAddress! + p * size, depth: depth[p], lower: lower.baseAddress! + p * width,
              lower_stride: 0, error: error.baseAddress! + p * width, offset: offset.baseAddress! + p * width,
              best: nil, excluded: nil, excluded_count: 0)
            return body(&panel)
          }
        }
      }
    }
  }
}

extension VariantPanel {
  /// Whether variant `l` of another panel has the dosages of variant `k`; hard calls also of the other allele.
  fileprivate func hasDosages(_ k: Int, of other: VariantPanel, _ l: Int) -> Bool {
    let n = sampleCount
    let (a, b) = (columns[k] * n, other.columns[l] * n)
    switch (block.dosages, other.block.dosages) {
    case (.hardCalls(let x), .hardCalls(let y)):
      return x.withUnsafeBufferPointer { x in
        y.withUnsafeBufferPointer { y in
          sk_equal_calls(x.baseAddress! + a, y.baseAddress! + b, Int64(n)) != 0
        }
      }
    case (.fractional(let x), .fractional(let y)):
      return x[a..<a + n].elementsEqual(y[b..<b + n]) { $0 == $1 || $0.isNaN && $1.isNaN }
    default:
      return false
    }
  }
}
