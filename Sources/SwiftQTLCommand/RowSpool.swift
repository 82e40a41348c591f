import Glibc
import SwiftQTL
import Synchronization

/// Rows held on disk until a second pass can complete them (q needs all p; QTLtools' table needs each window's size).
///
/// The files are unlinked as soon as they are open: nothing is left behind however the process ends. p values are sorted in a
/// mapped file, whose pages the kernel may write out; the standard library's sort merges in memory of its own, 4 bytes a row at
/// most while it runs.
final class RowSpool: Sendable {
  /// Rows of one batch in the making: texts without newlines, each after its key.
  struct Batch: Sendable {
    fileprivate(set) var records = RowBuffer(capacity: 1 << 12)
    fileprivate(set) var logP: [Double] = []
    fileprivate var text = RowBuffer(capacity: 512)

    /// `write` appends the row's text.
    mutating func add(logP: Double, feature: Int, _ write: (inout RowBuffer) -> Void) {
      text.removeAll()
      write(&text)
      var header = Header(logP: logP, feature: Int32(feature), length: Int32(text.count))
      withUnsafeBytes(of: &header) { records.append(bytes: $0) }
      text.withUnsafeBytes { records.append(bytes: $0) }
      self.logP.append(logP)
    }
  }

  private struct Header {
    var logP: Double
    var feature: Int32
    var length: Int32
  }

  private struct Files {
    var rows: UnsafeMutablePointer<FILE>
    /// ln p of every row, where q is wanted.
    var keys: UnsafeMutablePointer<FILE>?
    var count = 0
  }
  private let files: Mutex<Files>
  private let prefix: String

  var count: Int { files.withLock { $0.count } }

  /// Temporary files in the directory of `prefix`.
  ///
  /// - Parameter keepsP: whether ``withLogQ(testCount:_:)`` will be called.
  init(prefix: String, keepsP: Bool) throws(StudyError) {
    self.prefix = prefix
    let rows = try Self.openUnlinked(prefix)
    let keys = keepsP ? try Self.openUnlinked(prefix) : nil
    files = Mutex(Files(rows: rows, keys: keys))
  }

  deinit {
    files.withLock {
      fclose($0.rows)
      if let keys = $0.keys { fclose(keys) }
    }
  }

  func append(_ batch: borrowing Batch) throws(StudyError) {
    guard !batch.logP.isEmpty else { return }
    let isWritten = files.withLock { files in
      files.count += batch.logP.count
      guard batch.records.withUnsafeBytes({ fwrite($0.baseAddress, $0.count, 1, files.rows) == 1 }) else {
        return false
      }
      guard let keys = files.keys else { return true }
      return batch.logP.withUnsafeBytes { fwrite($0.baseAddress, $0.count, 1, keys) == 1 }
    }
    guard isWritten else { throw Self.failure(prefix) }
  }

  /// Calls `body` with every row in the order in which they came.
  func readRows(_ body: (_ logP: Double, _ feature: Int, UnsafeRawBufferPointer) throws -> Void) throws {
    try files.withLock { files in
      rewind(files.rows)
      var text: [UInt8] = []
      for _ in 0..<files.count {
        var header = Header(logP: 0, feature: 0, length: 0)
        guard fread(&header, MemoryLayout<Header>.size, 1, files.rows) == 1 else {
          throw Self.failure(prefix)
        }
        let length = Int(header.length)
        if text.count < length { text = [UInt8](repeating: 0, count: 2 * length) }
        guard length == 0 || fread(&text, length, 1, files.rows) == 1 else { throw Self.failure(prefix) }
        try text.withUnsafeBytes {
          try body(header.logP, Int(header.feature), UnsafeRawBufferPointer(rebasing: $0[..<length]))
        }
      }
    }
  }

  /// Calls `body` with a function that gives ln q of a row's ln p, from BH over `testCount` tests.
  ///
  /// - Precondition: the spool keeps p.
  func withLogQ(testCount: Int, _ body: ((Double) -> Double) throws -> Void) throws {
    let count = self.count
    guard count > 0 else { return try body { _ in 0 } }
    let isFlushed = files.withLock { fflush($0.keys) == 0 }
    guard isFlushed else { throw Self.failure(prefix) }
    let scratch = try Self.openUnlinked(prefix)
    defer { fclose(scratch) }
    let bytes = count * MemoryLayout<Double>.stride
    // A write to a hole of a mapped file on a full disk would be a SIGBUS.
    let code = posix_fallocate(fileno(scratch), 0, bytes)
    guard code == 0 else { throw Self.failure(prefix, code) }
    guard let keys = files.withLock({ Self.map($0.keys, bytes) }), let values = Self.map(scratch, bytes)
    else { throw Self.failure(prefix) }
    defer {
      munmap(keys.baseAddress, bytes)
      munmap(values.baseAddress, bytes)
    }
    var sorting = keys
    sorting.sort()
    let sorted = UnsafeBufferPointer(keys)
    BenjaminiHochberg.adjust(sorted: sorted, testCount: testCount, into: values)
    try body { logP in
      var (low, high) = (0, count - 1)
      while low < high {
        let middle = (low + high) / 2
        if sorted[middle] < logP { low = middle + 1 } else { high = middle }
      }
      return values[low]
    }
  }

  private static func map(_ file: UnsafeMutablePointer<FILE>?, _ bytes: Int)
    -> UnsafeMutableBufferPointer<Double>?
  {
    guard let file else { preconditionFailure("the spool keeps no p") }
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
