/// Thrift's compact protocol, as far as Parquet's headers need it: structs, lists, integers and strings.
///
/// Source: Apache Thrift, "Thrift compact protocol encoding".
struct CompactEncoder {
  private(set) var bytes: [UInt8] = []
  /// The last field of every struct that is open.
  private var lastField: [Int] = [0]

  private enum Kind: UInt8 {
    case i32 = 5
    case i64 = 6
    case binary = 8
    case list = 9
    case `struct` = 12
  }

  mutating func put(_ field: Int, _ value: Int32) {
    begin(field, .i32)
    putVarint(zigzag: Int64(value))
  }

  mutating func put(_ field: Int, _ value: Int) {
    begin(field, .i64)
    putVarint(zigzag: Int64(value))
  }

  mutating func put(_ field: Int, _ value: [UInt8]) {
    begin(field, .binary)
    putBinary(value)
  }

  mutating func put(_ field: Int, _ value: String) { put(field, Array(value.utf8)) }

  mutating func put(_ field: Int, _ body: (inout Self) -> Void) {
    begin(field, .struct)
    putStruct(body)
  }

  mutating func put(_ field: Int, list: [Int32]) {
    beginList(field, list.count, .i32)
    for value in list { putVarint(zigzag: Int64(value)) }
  }

  mutating func put(_ field: Int, list: [String]) {
    beginList(field, list.count, .binary)
    for value in list { putBinary(Array(value.utf8)) }
  }

  mutating func put<Element>(
    _ field: Int, list: some Collection<Element>, _ body: (inout Self, Element) -> Void
  ) {
    beginList(field, list.count, .struct)
    for element in list { putStruct { body(&$0, element) } }
  }

  /// The end of the outermost struct.
  mutating func finish() { bytes.append(0) }

  private mutating func putStruct(_ body: (inout Self) -> Void) {
    lastField.append(0)
    body(&self)
    lastField.removeLast()
    bytes.append(0)
  }

  private mutating func begin(_ field: Int, _ kind: Kind) {
    let step = field - lastField[lastField.count - 1]
    precondition((1...15).contains(step), "fields in ascending order")
    bytes.append(UInt8(step) << 4 | kind.rawValue)
    lastField[lastField.count - 1] = field
  }

  private mutating func beginList(_ field: Int, _ count: Int, _ kind: Kind) {
    begin(field, .list)
    if count < 15 {
      bytes.append(UInt8(count) << 4 | kind.rawValue)
    } else {
      bytes.append(0xF0 | kind.rawValue)
      putVarint(UInt64(count))
    }
  }

  private mutating func putBinary(_ value: [UInt8]) {
    putVarint(UInt64(value.count))
    bytes += value
  }

  private mutating func putVarint(zigzag value: Int64) {
    putVarint(UInt64(bitPattern: value << 1 ^ value >> 63))
  }

  private mutating func putVarint(_ value: UInt64) { appendVarint(value, to: &bytes) }
}

/// Seven bits a byte, the least first; all but the last have the highest bit.
func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
  var rest = value
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  bytes.append(UInt8(rest))
}
