import CHTSlib
import Glibc

/// Rows compressed to whole BGZF blocks: by any worker, so that one writer need not compress for all of them.
public struct BGZFBlocks: Sendable {
  public private(set) var bytes: [UInt8] = []

  /// - Parameter level: zlib's, 0…9.
  public init(_ rows: borrowing RowBuffer, level: Int = 6) {
    rows.withUnsafeBytes { append($0, level: level) }
  }

  /// Blocks made before.
  public init(compressed bytes: [UInt8]) { self.bytes = bytes }

  init() {}

  /// Uncompressed bytes to a block, as bgzip cuts them.
  static let blockSize = 0xFF00
  private static let compressedBlockLimit = 0x10000

  /// The empty block that ends a file.
  static let endMarker = {
    var blocks = BGZFBlocks()
    blocks.appendBlock(UnsafeRawBufferPointer(start: nil, count: 0), level: 6)
    return blocks.bytes
  }()

  mutating func append(_ text: UnsafeRawBufferPointer, level: Int) {
    for start in stride(from: 0, to: text.count, by: Self.blockSize) {
      let end = min(start + Self.blockSize, text.count)
      appendBlock(UnsafeRawBufferPointer(rebasing: text[start..<end]), level: level)
    }
  }

  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  private mutating func appendBlock(_ text: UnsafeRawBufferPointer, level: Int) {
    withUnsafeTemporaryAllocation(byteCount: Self.compressedBlockLimit, alignment: 16) { block in
      var count = block.count
      let code = bgzf_compress(
        block.baseAddress, &count, text.baseAddress, text.count, Int32(min(max(level, 0), 9)))
      // 0xFF00 bytes fit a block even if stored: only a lack of memory can fail.
      precondition(code == 0, "bgzf_compress: out of memory")
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: block[..<count]))
    }
  }
}

/// A call of the system that failed, and its errno.
struct SystemFailure: Error {
  var code: Int32
}

/// Buffers, compresses and writes to a file descriptor, which it owns.
struct ByteSink {
  private var descriptor: Int32
  /// Nil: bytes are written as they are.
  private let level: Int?
  /// Bytes of a block that is not yet full.
  private var text: [UInt8] = []
  private var output = BGZFBlocks()

  init(descriptor: Int32, level: Int?) {
    self.descriptor = descriptor
    self.level = level
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(SystemFailure) {
    guard let level else {
      if text.count + bytes.count > BGZFBlocks.blockSize {
        try flushText()
        try write(bytes)
      } else {
        text.append(contentsOf: bytes)
      }
      return
    }
    var rest = bytes[...]
    if !text.isEmpty {
      let first = rest.prefix(BGZFBlocks.blockSize - text.count)
      text.append(contentsOf: first)
      rest = rest.dropFirst(first.count)
      if text.count < BGZFBlocks.blockSize { return }
      try flushText()
    }
    let whole = rest.prefix(rest.count / BGZFBlocks.blockSize * BGZFBlocks.blockSize)
    output.append(UnsafeRawBufferPointer(rebasing: whole), level: level)
    try flushOutput()
    text.append(contentsOf: rest.dropFirst(whole.count))
  }

  mutating func append(_ bytes: [UInt8]) throws(SystemFailure) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(SystemFailure) in
      try append(UnsafeRawBufferPointer(bytes))
    }
  }

  /// - Precondition: the file is compressed.
  mutating func append(_ blocks: BGZFBlocks) throws(SystemFailure) {
    precondition(level != nil, "compressed rows in an uncompressed file")
    try flushText()
    try write(blocks.bytes)
  }

  /// Writes what is left and the end marker. The descriptor stays open.
  mutating func finish() throws(SystemFailure) {
    try flushText()
    if level != nil { try write(BGZFBlocks.endMarker) }
  }

  /// Some file systems report a full disk only here.
  mutating func close() throws(SystemFailure) {
    let descriptor = self.descriptor
    self.descriptor = -1
    if descriptor >= 0, Glibc.close(descriptor) != 0 { throw SystemFailure(code: errno) }
  }

  private mutating func flushText() throws(SystemFailure) {
    if text.isEmpty { return }
    if let level {
      text.withUnsafeBytes { output.append($0, level: level) }
      try flushOutput()
    } else {
      try write(text)
    }
    text.removeAll(keepingCapacity: true)
  }

  private mutating func flushOutput() throws(SystemFailure) {
    try write(output.bytes)
    output.removeAll()
  }

  private func write(_ bytes: [UInt8]) throws(SystemFailure) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(SystemFailure) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws(SystemFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let slice = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, slice.baseAddress, slice.count)
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno != EINTR {
        throw SystemFailure(code: errno)
      }
    }
  }
}
