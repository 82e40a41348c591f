import SwiftQTL

/// Changes of bytes, bits, numbers and pieces.
struct Damage {
  /// Numbers at the edges of their types.
  private static let edges: [UInt64] = [
    0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 62,
    UInt64(Int64.max), 1 << 63, .max,
  ]
  private static let telling = Array("\t\n\r :/|.,;=-+e0129NA\"#@ \0\u{7F}".utf8)
  private static let words = [
    "NA", "nan", "inf", "-9", "1e400", "-1e-400", "99999999999999999999", "9223372036854775807", "0x1p3", ".",
    "\t",
    "\n", "\n\n", "\r\n", "#", "##", "\"", "é", "1e+05", "0.5,0.5", "./.", "0|1", "GT:DS",
  ].map { Array($0.utf8) }

  /// One to four changes.
  static func change(_ bytes: inout [UInt8], _ parts: [Range<Int>], _ random: inout CounterRNG) {
    for _ in 0...random.below(4) where !bytes.isEmpty {
      let part = parts[random.below(parts.count)].clamped(to: 0..<bytes.count)
      let at = part.isEmpty ? random.below(bytes.count) : part.lowerBound + random.below(part.count)
      change(&bytes, at, &random)
    }
  }

  private static func change(_ bytes: inout [UInt8], _ at: Int, _ random: inout CounterRNG) {
    let left = bytes.count - at
    // Mostly short.
    let count = random.oneIn(4) ? 1 + random.below(left) : 1 + random.below(min(left, 8))
    switch random.below(12) {
    case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
    case 1: bytes[at] ^= 1 << UInt8(random.below(8))
    case 2: bytes[at] = telling[random.below(telling.count)]
    case 3: bytes.insert(telling[random.below(telling.count)], at: at)
    case 4: bytes.removeSubrange(at..<(at + count))
    case 5: bytes.removeSubrange(at...)
    case 6: overwrite(&bytes, at, little(edges[random.below(edges.count)], 1 << random.below(4)))
    case 7:
      // A length or an offset that is slightly wrong.
      let size = min(left, 1 << random.below(4))
      let old = (0..<size).reduce(UInt64(0)) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
      overwrite(&bytes, at, little(old &+ UInt64(truncatingIfNeeded: random.below(33) - 16), size))
    case 8: bytes.insert(contentsOf: words[random.below(words.count)], at: at)
    case 9:
      let from = random.below(bytes.count)
      bytes.insert(contentsOf: Array(bytes[from..<min(from + count, bytes.count)]), at: at)
    case 10:
      let from = random.below(bytes.count)
      overwrite(&bytes, at, Array(bytes[from..<min(from + count, bytes.count)]))
    default: overwrite(&bytes, at, (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }
  }

  private static func overwrite(_ bytes: inout [UInt8], _ at: Int, _ new: [UInt8]) {
    let count = min(new.count, bytes.count - at)
    bytes.replace(at: at, with: Array(new[..<count]))
  }
}
