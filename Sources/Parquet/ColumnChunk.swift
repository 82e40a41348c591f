internal import CZstd

/// A column of a table.
public struct ParquetColumn: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// UTF-8; always there.
    case text
    /// 64 bits; may be null.
    case integer
    /// 64 bits; may be null.
    case real
  }

  public var name: String
  public var kind: Kind

  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// Numbers of the format's enumerations.
enum Code {
  static let (int64, double, byteArray): (Int32, Int32, Int32) = (2, 5, 6)
  static let (required, optional): (Int32, Int32) = (0, 1)
  static let utf8: Int32 = 0
  static let version: Int32 = 1
  static let (plain, rle, dictionary): (Int32, Int32, Int32) = (0, 3, 8)
  static let (dataPage, dictionaryPage): (Int32, Int32) = (0, 2)
  static let zstd: Int32 = 6
}

/// The values of one column in one row group, and their pages.
struct ColumnChunk {
  /// What the footer says of it.
  struct Summary {
    var encodings: [Int32]
    var valueCount: Int
    var nullCount: Int
    var least: [UInt8]?
    var most: [UInt8]?
    var uncompressedSize: Int
    var compressedSize: Int
    var dictionaryOffset: Int?
    var dataOffset: Int
  }

  private let kind: ParquetColumn.Kind
  /// Of numbers, 8 bytes each; of text, each as its length in 4 bytes and its bytes: those of values that are there.
  private var plain: [UInt8] = []
  private var isPresent: [UInt32] = []
  /// Text: place of each value in the dictionary, and where its values are in `plain`.
  private var places: [UInt32] = []
  private var dictionary: [ArraySlice<UInt8>: UInt32] = [:]
  private var entries: [Range<Int>] = []
  /// Where in `plain` the last one begins.
  private var lastText = 0
  private var realRange: (least: Double, most: Double)?
  private var integerRange: (least: Int64, most: Int64)?

  init(_ kind: ParquetColumn.Kind) { self.kind = kind }

  var count: Int { kind == .text ? places.count : isPresent.count }

  mutating func append(text: UnsafeRawBufferPointer) {
    precondition(kind == .text)
    // Rows come by variant, so most texts are that of the row before, which need not be looked up.
    if let place = places.last, plain[lastText...].elementsEqual(text) {
      places.append(place)
      appendPlain(text)
      return
    }
    let key = ArraySlice(text)
    let next = UInt32(entries.count)
    let place = dictionary[key] ?? next
    let start = plain.count
    appendPlain(text)
    if place == next {
      dictionary[key] = next
      entries.append(start..<plain.count)
    }
    places.append(place)
  }

  private mutating func appendPlain(_ text: UnsafeRawBufferPointer) {
    withUnsafeBytes(of: UInt32(text.count).littleEndian) { plain.append(contentsOf: $0) }
    lastText = plain.count
    plain.append(contentsOf: text)
  }

  mutating func append(_ value: Int64?) {
    precondition(kind == .integer)
    isPresent.append(value == nil ? 0 : 1)
    guard let value else { return }
    withUnsafeBytes(of: value.littleEndian) { plain.append(contentsOf: $0) }
    integerRange = integerRange.map { (min($0.least, value), max($0.most, value)) } ?? (value, value)
  }

  /// - Parameter value: nil and NaN are null.
  mutating func append(_ value: Double?) {
    precondition(kind == .real)
    let value = value.flatMap { $0.isNaN ? nil : $0 }
    isPresent.append(value == nil ? 0 : 1)
    guard let value else { return }
    withUnsafeBytes(of: value.bitPattern.littleEndian) { plain.append(contentsOf: $0) }
    realRange = realRange.map { (min($0.least, value), max($0.most, value)) } ?? (value, value)
  }

  mutating func removeAll() { self = ColumnChunk(kind) }

  /// Appends the pages, whose first byte is at `offset` of the file.
  func write(to bytes: inout [UInt8], offset: Int, level: Int32) -> Summary {
    let first = bytes.count
    var summary = Summary(
      encodings: [Code.rle, Code.plain], valueCount: count, nullCount: 0, uncompressedSize: 0,
      compressedSize: 0,
      dataOffset: offset)
    var data: [UInt8] = []
    var encoding = Code.plain
    if kind == .text {
      (summary.least, summary.most) = textRange()
      if isDictionaryShorter {
        var page: [UInt8] = []
        for entry in entries { page += plain[entry] }
        summary.dictionaryOffset = offset
        summary.uncompressedSize += append(page, .dictionary(entries.count), level, to: &bytes)
        summary.encodings.append(Code.dictionary)
        encoding = Code.dictionary
        let width = bitWidth(entries.count - 1)
        data.append(UInt8(width))
        appendHybrid(places, width: width, to: &data)
      } else {
        data = plain
      }
    } else {
      var levels: [UInt8] = []
      appendHybrid(isPresent, width: 1, to: &levels)
      withUnsafeBytes(of: UInt32(levels.count).littleEndian) { data.append(contentsOf: $0) }
      data += levels
      data += plain
      summary.nullCount = isPresent.count { $0 == 0 }
      (summary.least, summary.most) = numberRange()
    }
    summary.dataOffset = offset + bytes.count - first
    summary.uncompressedSize += append(data, .data(count, encoding), level, to: &bytes)
    summary.compressedSize = bytes.count - first
    return summary
  }

  /// Whether entries and places take less than the values.
  private var isDictionaryShorter: Bool {
    !entries.isEmpty
      && entries.reduce(0) { $0 + $1.count } + places.count * bitWidth(entries.count - 1) / 8 < plain.count
  }

  private enum Page {
    case data(Int, Int32)
    case dictionary(Int)
  }

  /// - Returns: the size without compression.
  private func append(_ page: [UInt8], _ kind: Page, _ level: Int32, to bytes: inout [UInt8]) -> Int {
    let compressed = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(page.count)) { out, count in
      count = ZSTD_compress(out.baseAddress, out.count, page, page.count, level)
      precondition(ZSTD_isError(count) == 0, "ZSTD_compress: out of memory")
    }
    var header = CompactEncoder()
    let type = if case .data = kind { Code.dataPage } else { Code.dictionaryPage }
    header.put(1, type)
    header.put(2, Int32(page.count))
    header.put(3, Int32(compressed.count))
    switch kind {
    case .data(let count, let encoding):
      header.put(5) {
        $0.put(1, Int32(count))
        $0.put(2, encoding)
        $0.put(3, Code.rle)
        $0.put(4, Code.rle)
      }
    case .dictionary(let count):
      header.put(7) {
        $0.put(1, Int32(count))
        $0.put(2, Code.plain)
      }
    }
    header.finish()
    bytes += header.bytes
    bytes += compressed
    return header.bytes.count + page.count
  }

  private func numberRange() -> (least: [UInt8]?, most: [UInt8]?) {
    if let (least, most) = integerRange {
      return (Self.bytes(UInt64(bitPattern: least)), Self.bytes(UInt64(bitPattern: most)))
    }
    // Zeros of both signs compare equal, hence the format wants the range to hold both.
    guard let (least, most) = realRange else { return (nil, nil) }
    return (
      Self.bytes((least == 0 ? -0.0 : least).bitPattern), Self.bytes((most == 0 ? 0.0 : most).bitPattern)
    )
  }

  private static func bytes(_ value: UInt64) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// By unsigned bytes; none of long texts, which no reader can use.
  private func textRange() -> (least: [UInt8]?, most: [UInt8]?) {
    let texts = entries.map { plain[$0.dropFirst(4)] }
    guard let least = texts.min(by: { $0.lexicographicallyPrecedes($1) }),
      let most = texts.max(by: { $0.lexicographicallyPrecedes($1) }), max(least.count, most.count) <= 64
    else { return (nil, nil) }
    return (Array(least), Array(most))
  }
}
