import Glibc
import SwiftQTL
import Synchronization

/// Rows held on disk until a second pass can complete them (q needs all p; QTLtools' table needs each window's size).
///
/// The files are unlinked as soon as they are open: nothing is left behind however the process ends. p values are sorted in a
/// mapped file, whose pages the kernel may write out; the standard library's sort merges in memory of its own, 4 bytes a row at
/// most while it runs.
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
    /// ln p by place among a row's, and how many, where q is wanted.
    var keys: [(file: UnsafeMutablePointer<FILE>, count: Int)]
    var count = 0
  }
  private let files: Mutex<Files>
  private let prefix: String

  /// Temporary files in the directory of `prefix`.
  ///
  /// - Parameter keyCount: p of a row that ``logQ(_:testCount:)`` will be asked for.
  init(prefix: String, keyCount: Int) throws(StudyError) {
    self.prefix = prefix
    let rows = try Self.openUnlinked(prefix)
    var keys: [(file: UnsafeMutablePointer<FILE>, count: Int)] = []
    for _ in 0..<keyCount { keys.append((try Self.openUnlinked(prefix), 0)) }
    files = Mutex(Files(rows: rows, keys: keys))
  }

  deinit {
    files.withLock {
      fclose($0.rows)
      for key in $0.keys { fclose(key.file) }
    }
  }

  func append(_ batch: borrowing Batch) throws(StudyError) {
    guard batch.count > 0 else { return }
    let isWritten = files.withLock { files in
      files.count += batch.count
      var isWritten = batch.records.withUnsafeBytes { fwrite($0.baseAddress, $0.count, 1, files.rows) == 1 }
      for place in files.keys.indices where !batch.keys[place].isEmpty {
        files.keys[place].count += batch.keys[place].count
        isWritten =
          batch.keys[place].withUnsafeBytes {
            fwrite($0.baseAddress, $0.count, 1, files.keys[place].file) == 1
          } && isWritten
      }
      return isWritten
    }
    guard isWritten else { throw Self.failure(prefix) }
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
    let adjusted = try files.withLock(\.keys.indices).map { try logQ($0, testCount: testCount) }
    var buffer = RowBuffer(capacity: 1 << 17)
    try readRows { row in
      buffer.append(bytes: row.text)
      for place in adjusted.indices {
        let value = adjusted[place](row.logP(place))
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

  /// q by ln p, in mapped files.
  private final class LogQ {
    private let sorted: UnsafeMutableBufferPointer<Double>
    private let values: UnsafeMutableBufferPointer<Double>

    fileprivate init(
      sorted: UnsafeMutableBufferPointer<Double>, values: UnsafeMutableBufferPointer<Double>
    ) {
      self.sorted = sorted
      self.values = values
    }

    deinit {
      for buffer in [sorted, values] where buffer.count > 0 {
        munmap(buffer.baseAddress, buffer.count * MemoryLayout<Double>.stride)
      }
    }

    /// ln q of a row's ln p; NaN of NaN.
    func callAsFunction(_ logP: Double) -> Double {
      guard !logP.isNaN else { return .nan }
      var (low, high) = (0, sorted.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if sorted[middle] < logP { low = middle + 1 } else { high = middle }
      }
      return values[low]
    }
  }

  /// q from BH over `testCount` tests of the p at one place of the rows.
  ///
  /// - Precondition: the spool keeps them.
  private func logQ(_ place: Int, testCount: Int) throws -> LogQ {
    let (file, count, isFlushed) = files.withLock {
      ($0.keys[place].file, $0.keys[place].count, fflush($0.keys[place].file) == 0)
    }
    let empty = UnsafeMutableBufferPointer<Double>(start: nil, count: 0)
    guard count > 0 else { return LogQ(sorted: empty, values: empty) }
    guard isFlushed else { throw Self.failure(prefix) }
    let scratch = try Self.openUnlinked(prefix)
    defer { fclose(scratch) }
    let bytes = count * MemoryLayout<Double>.stride
    // A write to a hole of a mapped file on a full disk would be a SIGBUS.
    let code = posix_fallocate(fileno(scratch), 0, bytes)
    guard code == 0 else { throw Self.failure(prefix, code) }
    guard let keys = Self.map(file, bytes) else { throw Self.failure(prefix) }
    guard let values = Self.map(scratch, bytes) else {
      munmap(keys.baseAddress, bytes)
      throw Self.failure(prefix)
    }
    var sorting = keys
    sorting.sort()
    BenjaminiHochberg.adjust(sorted: UnsafeBufferPointer(keys), testCount: testCount, into: values)
    return LogQ(sorted: keys, values: values)
  }

  private static func map(_ file: UnsafeMutablePointer<FILE>, _ bytes: Int)
    -> UnsafeMutableBufferPointer<Double>?
  {
    let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0)
    guard let address, address != MAP_FAILED else { return nil }
    return UnsafeMutableBufferPointer(
      start: address.assumingMemoryBound(to: Double.self), count: bytes / MemoryLayout<Double>.stride)
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
