/// A table as the bytes of a Parquet file, made row by row.
///
/// Text is encoded by a dictionary where that is shorter, numbers as they are; pages are compressed by zstd; each row group says least, most and
/// nulls of its columns, so that readers can skip. The file holds no more than that: no page index, no nesting.
///
/// - Complexity: O(1) a cell; memory is that of one row group of ``rowsInGroup`` rows.
/// - Source: Apache Parquet format 2.10. Arrow's C++ library, its usual writer, is neither in Debian 12 nor made to be linked from
///   the wheels that carry it.
public struct ParquetEncoder: Sendable {
  /// As DuckDB cuts its own: numbers of a column fill a page of 1 MB.
  public static let rowsInGroup = 122_880

  public let columns: [ParquetColumn]
  private let level: Int32
  private var chunks: [ColumnChunk]
  private var groups: [Group] = []
  /// Bytes of the file before `pending`.
  private var offset = 0
  private var pending: [UInt8] = Self.magic
  private var column = 0

  private struct Group {
    var rows: Int
    var columns: [ColumnChunk.Summary]
  }

  private static let magic = Array("PAR1".utf8)

  /// - Parameter level: zstd's, 1…19.
  public init(_ columns: [ParquetColumn], level: Int = 3) {
    precondition(!columns.isEmpty)
    self.columns = columns
    self.level = Int32(level)
    chunks = columns.map { ColumnChunk($0.kind) }
  }

  /// The next cell of the row, of its column's kind.
  public mutating func append(text: UnsafeRawBufferPointer) {
    chunks[column].append(text: text)
    advance()
  }

  public mutating func append(_ value: Int64?) {
    chunks[column].append(value)
    advance()
  }

  /// - Parameter value: nil and NaN are null.
  public mutating func append(_ value: Double?) {
    chunks[column].append(value)
    advance()
  }

  /// The bytes of the file that are complete and were not taken before.
  public mutating func takeBytes() -> [UInt8] {
    defer {
      offset += pending.count
      pending = []
    }
    return pending
  }

  /// Completes the file: what ``takeBytes()`` gives then is its rest.
  ///
  /// - Precondition: the last row is complete.
  public mutating func finish() {
    precondition(column == 0, "a row is incomplete")
    flush()
    let footer = footer()
    pending += footer
    withUnsafeBytes(of: UInt32(footer.count).littleEndian) { pending.append(contentsOf: $0) }
    pending += Self.magic
  }

  private mutating func advance() {
    column += 1
    guard column == columns.count else { return }
    column = 0
    if chunks[0].count == Self.rowsInGroup { flush() }
  }

  private mutating func flush() {
    let rows = chunks[0].count
    guard rows > 0 else { return }
    var summaries: [ColumnChunk.Summary] = []
    for index in chunks.indices {
      summaries.append(chunks[index].write(to: &pending, offset: offset + pending.count, level: level))
      chunks[index].removeAll()
    }
    groups.append(Group(rows: rows, columns: summaries))
  }

  private func footer() -> [UInt8] {
    var out = CompactEncoder()
    out.put(1, Code.version)
    out.put(2, list: -1..<columns.count) { element, index in
      guard index >= 0 else {
        element.put(4, "schema")
        element.put(5, Int32(columns.count))
        return
      }
      let column = columns[index]
      element.put(1, column.kind.code)
      element.put(3, column.kind == .text ? Code.required : Code.optional)
      element.put(4, column.name)
      if column.kind == .text {
        element.put(6, Code.utf8)
        // The logical type STRING.
        element.put(10) { $0.put(1) { _ in } }
      }
    }
    out.put(3, groups.reduce(0) { $0 + $1.rows })
    out.put(4, list: groups) { element, group in
      element.put(1, list: columns.indices) { chunk, index in
        let summary = group.columns[index]
        chunk.put(2, summary.dictionaryOffset ?? summary.dataOffset)
        chunk.put(3) { describe(columns[index], summary, to: &$0) }
      }
      element.put(2, group.columns.reduce(0) { $0 + $1.uncompressedSize })
      element.put(3, group.rows)
    }
    out.put(6, "swiftqtl")
    // Least and most are by each type's own order.
    out.put(7, list: columns) { order, _ in order.put(1) { _ in } }
    out.finish()
    return out.bytes
  }

  private func describe(_ column: ParquetColumn, _ summary: ColumnChunk.Summary, to out: inout CompactEncoder)
  {
    out.put(1, column.kind.code)
    out.put(2, list: summary.encodings)
    out.put(3, list: [column.name])
    out.put(4, Code.zstd)
    out.put(5, summary.valueCount)
    out.put(6, summary.uncompressedSize)
    out.put(7, summary.compressedSize)
    out.put(9, summary.dataOffset)
    if let offset = summary.dictionaryOffset { out.put(11, offset) }
    out.put(12) {
      $0.put(3, summary.nullCount)
      if let most = summary.most { $0.put(5, most) }
      if let least = summary.least { $0.put(6, least) }
    }
  }
}

extension ParquetColumn.Kind {
  fileprivate var code: Int32 {
    switch self {
    case .text: Code.byteArray
    case .integer: Code.int64
    case .real: Code.double
    }
  }
}
