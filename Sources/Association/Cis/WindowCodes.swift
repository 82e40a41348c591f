internal import CScanKernels
internal import Glibc
internal import StudyData

/// The variants of one gene's window as panels of integers, identical ones once.
///
/// A worker keeps one and fills it gene by gene.
struct WindowCodes {
  let instructions: InstructionSet
  /// Index in the window of every lane; those that pad the last panel repeat the variant before them.
  private(set) var lanes: [Int32] = []
  private(set) var panels: [UInt8] = []
  /// u = s_v‖M_p g‖ rounded down, κ and d of every lane, as ``IntegerScreen`` has them.
  private(set) var lower: [Float] = []
  private(set) var error: [Float] = []
  private(set) var offset: [Float] = []
  /// Of every panel, what `sk_depth` says.
  private(set) var depth: [Int64] = []
  private var codes: [UInt8] = []
  private var indexOfHash: [UInt64: Int32] = [:]

  var panelCount: Int { depth.count }

  init(instructions: InstructionSet) { self.instructions = instructions }

  /// - Parameter lengths: ‖M_p g‖ of every variant of the window; those with 0 are left out.
  mutating func fill(_ window: CisWindow, lengths: [Double], sampleCount n: Int) {
    let width = Int(instructions.shape.width)
    let groups = (n + 3) / 4
    lanes.removeAll(keepingCapacity: true)
    indexOfHash.removeAll(keepingCapacity: true)
    for k in 0..<window.count where lengths[k] > 0 && !isRepeated(k, window) { lanes.append(Int32(k)) }
    while lanes.count % width > 0 { lanes.append(lanes[lanes.count - 1]) }
    let panelCount = lanes.count / width
    depth.removeAll(keepingCapacity: true)
    for bounds in [\Self.lower, \.error, \.offset] { grow(&self[keyPath: bounds], lanes.count) }
    grow(&panels, lanes.count * groups * 4)
    grow(&codes, n)
    for p in 0..<panelCount {
      let largest = encode(p, window, lengths, level: level(of: p, window), width, n)
      depth.append(sk_depth(Int64(max(1, largest))))
    }
  }

  /// The code of one allele: exact for hard calls without missing ones. Where sums have 16 bits, codes up to 32 let four groups
  /// pass before they are widened, for a tenth more time than codes up to 2; imputed dosages, mostly near 0, 1 and 2, lose
  /// little. Elsewhere large codes cost nothing.
  private func level(of p: Int, _ window: CisWindow) -> Int {
    let width = Int(instructions.shape.width)
    guard instructions.shape.sums_in_16_bits != 0 else { return instructions.largestGenotypeCode / 2 }
    let isExact = lanes[p * width..<(p + 1) * width].allSatisfy { k in
      let (panel, index) = window.place(Int(k))
      guard case .hardCalls = panel.block.dosages else { return false }
      return panel.variants[index].summary.observed == n(panel)
    }
    return isExact ? 1 : Self.testLevel
  }

  static let testLevel = Int(String(cString: getenv("LEVEL") ?? strdup("16")))!
  private func n(_ panel: VariantPanel) -> Int { panel.sampleCount }

  /// Codes a panel; returns its largest code.
  private mutating func encode(
    _ p: Int, _ window: CisWindow, _ lengths: [Double], level: Int, _ width: Int, _ n: Int
  ) -> Int {
    let size = (n + 3) / 4 * width * 4
    var largest = 0
    for lane in 0..<width {
      let slot = p * width + lane
      let k = Int(lanes[slot])
      let (panel, index) = window.place(k)
      let code = VariantCode(of: index, in: panel, level: level, codes: &codes)
      panels.withUnsafeMutableBufferPointer {
        sk_place_codes(codes, Int64(n), Int64(width), Int64(lane), $0.baseAddress! + p * size)
      }
      lower[slot] = Float(code.scale * lengths[k] * (1 - 0x1p-20))
      error[slot] = Float(code.norm * (1 + 0x1p-20))
      offset[slot] = Float(code.lost * (1 + 0x1p-20) + 1e-9)
      largest = max(largest, code.largest)
    }
    return largest
  }

  /// Whether an earlier variant of the window has the same dosages, or those of the other allele: it has the same |r|.
  private mutating func isRepeated(_ k: Int, _ window: CisWindow) -> Bool {
    let (panel, index) = window.place(k)
    let hash = panel.dosageHash(index)
    guard let earlier = indexOfHash[hash] else {
      indexOfHash[hash] = Int32(k)
      return false
    }
    let (other, otherIndex) = window.place(Int(earlier))
    return panel.hasDosages(index, of: other, otherIndex)
  }
}

extension VariantPanel {
  /// Depends on the dosages alone. Of hard calls the same for either allele.
  fileprivate func dosageHash(_ k: Int) -> UInt64 {
    let (n, base) = (sampleCount, columns[k] * sampleCount)
    switch block.dosages {
    case .hardCalls(let codes):
      return codes.withUnsafeBufferPointer { sk_hash_calls($0.baseAddress! + base, Int64(n)) }
    case .fractional(let values):
      return values.withUnsafeBufferPointer { sk_hash_dosages($0.baseAddress! + base, Int64(n)) }
    }
  }

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
