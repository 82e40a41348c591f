/// Values as bytes, one after the other, as they lie in memory (little-endian on every machine that this builds for).
package struct ByteEncoder: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  package mutating func put(_ value: some BitwiseCopyable) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  /// A count and the values.
  package mutating func put<Value: BitwiseCopyable>(_ values: [Value]) {
    put(Int64(values.count))
    values.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  package mutating func put(bytes other: UnsafeRawBufferPointer) {
    put(Int64(other.count))
    bytes.append(contentsOf: other)
  }

  package mutating func put(_ text: String) { put(Array(text.utf8)) }

  package mutating func put(_ texts: [String]) {
    put(Int64(texts.count))
    for text in texts { put(text) }
  }
}

/// Reads what a ``ByteEncoder`` put, in the same order. Bytes may come from a damaged file: every count is checked.
package struct ByteDecoder {
  package struct Failure: Error { package init() {} }

  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  /// - Parameter bytes: valid as long as the decoder is used.
  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  package var isAtEnd: Bool { offset == bytes.count }

  package mutating func value<Value: BitwiseCopyable>(_: Value.Type = Value.self) throws(Failure) -> Value {
    let size = MemoryLayout<Value>.size
    guard size <= bytes.count - offset else { throw Failure() }
    defer { offset += size }
    return bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
  }

  package mutating func skip(_ count: Int) throws(Failure) {
    guard count >= 0, count <= bytes.count - offset else { throw Failure() }
    offset += count
  }

  package mutating func values<Value: BitwiseCopyable>(_: Value.Type = Value.self) throws(Failure) -> [Value]
  {
    let count = Int(try value(Int64.self))
    let stride = MemoryLayout<Value>.stride
    guard count >= 0, count <= (bytes.count - offset) / stride else { throw Failure() }
    defer { offset += count * stride }
    return [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count * stride]))
      initialized = count
    }
  }

  /// Bytes in place.
  package mutating func slice() throws(Failure) -> UnsafeRawBufferPointer {
    let count = Int(try value(Int64.self))
    guard count >= 0, count <= bytes.count - offset else { throw Failure() }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  package mutating func text() throws(Failure) -> String {
    String(decoding: try slice(), as: UTF8.self)
  }

  package mutating func texts() throws(Failure) -> [String] {
    let count = Int(try value(Int64.self))
    // Each has a count of its own.
    guard count >= 0, count <= (bytes.count - offset) / 8 else { throw Failure() }
    var texts: [String] = []
    texts.reserveCapacity(count)
    for _ in 0..<count { texts.append(try text()) }
    return texts
  }
}
