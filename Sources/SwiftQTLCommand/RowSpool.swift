import Glibc
import SwiftQTL
import Synchronization

/// Rows held on disk until a second pass can complete them (q needs all p; QTLtools' table needs each window's size).
///
/// The files are unlinked as soon as they are open: nothing is left behind however the process ends.
final class RowSpool: Sendable {
  /// Rows of one batch in the making: texts without newlines, each after its p.
  struct Batch: Sendable {
    fileprivate(set) var records = RowBuffer(capacity: 1 << 12)
    fileprivate(set) var count = 0
    /// By place among a row's p.
    fileprivate(set) var keys: [[Double]] = []
    fileprivate var text = RowBuffer(capacity: 512)

    /// `write` appends the row's text.
    ///
    /// - Parameter logP: of the row's tests; as many in each row. NaN for one that is no hit of its own: it gets no q.
    mutating func add(logP: some Collection<Double>, feature: Int, _ write: (inout RowBuffer) -> Void) {
      text.removeAll()
      write(&text)
      var header = Header(
        feature: Int32(feature), pCount: Int32(logP.count), length: Int32(text.count))
      withUnsafeBytes(of: &header) { records.append(bytes: $0) }
      while keys.count < logP.count { keys.append([]) }
      for (place, value) in logP.enumerated() {
        withUnsafeBytes(of: value) { records.append(bytes: $0) }
        if !value.isNaN { keys[place].append(value) }
      }
      text.withUnsafeBytes { records.append(bytes: $0) }
      count += 1
    }
  }

  private struct Header {
    var feature: Int32
    var pCount: Int32
    /// Of the text.
    var length: Int32
  }

  /// A row as it is read back.
  struct Row {
    fileprivate let bytes: UnsafeRawBufferPointer
    fileprivate let pCount: Int
    let feature: Int

    /// ln p of the row's test number `place`.
    func logP(_ place: Int = 0) -> Double {
      bytes.loadUnaligned(fromByteOffset: place * MemoryLayout<Double>.size, as: Double.self)
    }

    var text: UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: bytes[(pCount * MemoryLayout<Double>.size)...])
    }
  }

  private struct Files {
    var rows: UnsafeMutablePointer<FILE>
    var count = 0
  }
  private let files: Mutex<Files>
  /// ln p by place among a row's, where q is wanted.
  private let keys: [PValueSpool]
  private let prefix: String

  /// Temporary files in the directory of `prefix`.
  ///
  /// - Parameter keyCount: p of a row that are to get a q.
  init(prefix: String, keyCount: Int) throws(StudyError) {
    self.prefix = prefix
    keys = (0..<keyCount).map { _ in PValueSpool(prefix: prefix) }
    files = Mutex(Files(rows: try Self.openUnlinked(prefix)))
  }

  deinit { files.withLock { _ = fclose($0.rows) } }

  func append(_ batch: borrowing Batch) throws(StudyError) {
    guard batch.count > 0 else { return }
    let isWritten = files.withLock { files in
      files.count += batch.count
      return batch.records.withUnsafeBytes { fwrite($0.baseAddress, $0.count, 1, files.rows) == 1 }
    }
    guard isWritten else { throw Self.failure(prefix) }
    for (spool, values) in zip(keys, batch.keys) { try spool.append(values) }
  }

  /// Calls `body` with every row in the order in which they came.
  func readRows(_ body: (Row) throws -> Void) throws {
    try files.withLock { files in
      rewind(files.rows)
      var bytes: [UInt8] = []
      for _ in 0..<files.count {
        var header = Header(feature: 0, pCount: 0, length: 0)
        guard fread(&header, MemoryLayout<Header>.size, 1, files.rows) == 1 else {
          throw Self.failure(prefix)
        }
        let length = Int(header.length) + Int(header.pCount) * MemoryLayout<Double>.size
        if bytes.count < length { bytes = [UInt8](repeating: 0, count: 2 * length) }
        guard length == 0 || fread(&bytes, length, 1, files.rows) == 1 else { throw Self.failure(prefix) }
        try bytes.withUnsafeBytes {
          try body(
            Row(
              bytes: UnsafeRawBufferPointer(rebasing: $0[..<length]), pCount: Int(header.pCount),
              feature: Int(header.feature)))
        }
      }
    }
  }

  /// The second pass: every row with a cell for q of each p that is kept, NA where it has none.
  ///
  /// - Parameter testCount: tests that each p is one of.
  func writeRows(to table: TableWriter, testCount: Int) throws {
    let lookups = try keys.map { QLookup(try $0.finish().logQ(testCount: testCount)) }
    var buffer = RowBuffer(capacity: 1 << 17)
    try readRows { row in
      buffer.append(bytes: row.text)
      for place in lookups.indices {
        let value = try lookups[place](row.logP(place))
        buffer.appendTab()
        if value.isNaN { buffer.append("NA") } else { buffer.append(logP: value) }
      }
      buffer.appendNewline()
      if buffer.count >= 1 << 16 {
        try table.append(buffer)
        buffer.removeAll()
      }
    }
    try table.append(buffer)
  }

  private static func openUnlinked(_ prefix: String) throws(StudyError) -> UnsafeMutablePointer<FILE> {
    let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/"))
    var template = Array(((slash.map { String(prefix[...$0]) } ?? "") + ".swiftqtl-spool-XXXXXX").utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw failure(prefix) }
    unlink(template)
    guard let file = fdopen(descriptor, "w+") else { throw failure(prefix) }
    return file
  }

  private static func failure(_ prefix: String, _ code: Int32 = errno) -> StudyError {
    StudyError(
      .environment, file: prefix, "cannot hold rows in a temporary file: \(String(cString: strerror(code)))",
      remedy: "free space in the output directory, or choose another with --out")
  }
}

/// Looks q up; a class, as neither an array nor a worker's scratch holds what cannot be copied.
final class QLookup {
  private var table: LogQTable.Lookup

  init(_ table: LogQTable) { self.table = table.lookup() }

  func callAsFunction(_ logP: Double) throws(StudyError) -> Double { try table(logP) }
}
