import CText

/// Rows of a table as bytes, built without a String per number: the hot path of result tables.
///
/// Fill it with some hundreds of rows, hand it to ``TableWriter/append(_:)``, ``removeAll()``, repeat.
public struct RowBuffer: Sendable {
  /// Elements from `count` on are free space.
  private var storage: [UInt8]
  public private(set) var count = 0

  public init(capacity: Int = 1 << 16) {
    storage = [UInt8](repeating: 0, count: max(capacity, Self.numberWidth))
  }

  /// No number that we print is wider: 17 digits, sign, point and exponent need 24.
  private static let numberWidth = 32

  public var isEmpty: Bool { count == 0 }

  /// Forgets the contents and keeps the memory.
  public mutating func removeAll() { count = 0 }

  public mutating func append(byte: UInt8) {
    reserve(1)
    storage[count] = byte
    count += 1
  }

  public mutating func appendTab() { append(byte: 0x09) }
  public mutating func appendNewline() { append(byte: 0x0A) }

  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(bytes: UnsafeRawBufferPointer($0)) }
  }

  public mutating func append(bytes: [UInt8]) {
    bytes.withUnsafeBytes { append(bytes: $0) }
  }

  public mutating func append(bytes: UnsafeRawBufferPointer) {
    reserve(bytes.count)
    let end = count + bytes.count
    storage.withUnsafeMutableBytes { storage in
      UnsafeMutableRawBufferPointer(rebasing: storage[count..<end]).copyMemory(from: bytes)
    }
    count = end
  }

  public mutating func append(_ value: Int) {
    appendNumber { ctext_format_int(Int64(value), $0) }
  }

  /// Appends what C's `%.<precision>g` prints, whatever the locale; `NA` for NaN, `Inf` and `-Inf` as R reads them.
  /// Zero has no sign.
  ///
  /// - Parameter precision: significant digits, 1…17.
  public mutating func append(_ value: Double, precision: Int = 9) {
    guard value.isFinite else {
      append(value.isNaN ? "NA" : value < 0 ? "-Inf" : "Inf")
      return
    }
    // Adding zero turns -0 into 0.
    appendNumber { ctext_format_g(value + 0, Int32(precision), $0) }
  }

  public borrowing func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try storage.withUnsafeBufferPointer { (storage) throws(Failure) in
      try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(storage)[..<count]))
    }
  }

  /// The contents as text, for messages and tests.
  public var text: String { String(decoding: storage[..<count], as: UTF8.self) }

  @inline(__always)
  private mutating func appendNumber(_ format: (UnsafeMutablePointer<CChar>) -> Int32) {
    reserve(Self.numberWidth)
    let start = count
    count += storage.withUnsafeMutableBytes { storage in
      Int(format((storage.baseAddress! + start).assumingMemoryBound(to: CChar.self)))
    }
  }

  @inline(__always)
  private mutating func reserve(_ extra: Int) {
    if count + extra > storage.count { grow(extra) }
  }

  private mutating func grow(_ extra: Int) {
    let target = max(2 * storage.count, count + extra)
    storage.append(contentsOf: repeatElement(0, count: target - storage.count))
  }
}
