import CHTSlib
import CText
import Glibc
import StudyData

/// A run of bytes inside a ``LineReader``'s buffer: a line or a cell, valid until the next line is read.
typealias TextBytes = UnsafeBufferPointer<UInt8>

/// The lines of a plain, gzip or BGZF text file, one by one or by the block, in constant memory.
///
/// CR before LF and a UTF-8 byte order mark are stripped. Truncated compression, NUL bytes and (at the start)
/// other control characters are refused, so that a binary or half-copied file is named as such instead of
/// surfacing as a strange cell.
///
/// - Complexity: O(bytes); one buffer of 1 MiB, or the longest line.
final class LineReader {
  let path: String
  /// 1-based number of the line that ``next()`` returned last; 0 before the first.
  private(set) var lineNumber = 0

  private let file: UnsafeMutablePointer<BGZF>
  private let isCompressed: Bool
  /// Bytes of the file; nil where it is none (a pipe).
  private let size: Int?
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity = 1 << 20
  /// Unread bytes are `start ..< end`.
  private var start = 0
  private var end = 0
  private var atEnd = false
  private var bytesRead = 0

  /// - Parameter workers: threads that inflate BGZF; other text is read by the caller's alone.
  /// - Throws: ``StudyError``: `environment` when the file cannot be opened, `malformed` when a BGZF file lacks
  ///   its end marker.
  init(path: String, workers: Int = 1) throws(StudyError) {
    HTSLibrary.silence
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw .unreadable(path, EISDIR)
    }
    guard let file = bgzf_dopen(descriptor, "r") else {
      let code = errno
      close(descriptor)
      throw .unreadable(path, code)
    }
    self.path = path
    self.file = file
    buffer = .allocate(capacity: capacity)
    size = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    isCompressed = bgzf_compression(file) != 0
    if bgzf_compression(file) == 2 {
      // 2: the marker cannot be looked for (a pipe).
      if bgzf_check_EOF(file) < 1 { throw .truncated(path) }
      // Without its threads htslib reads on, only slower.
      if workers > 1 { _ = bgzf_mt(file, Int32(workers), 0) }
    }
  }

  deinit {
    bgzf_close(file)
    buffer.deallocate()
  }

  /// The next line without its line end, nil after the last; valid until the next call.
  ///
  /// - Throws: ``StudyError``: `malformed` when the compression or the text is damaged.
  func next() throws(StudyError) -> TextBytes? {
    var searched = start
    while true {
      let newline = memchr(buffer + searched, 0x0A, end - searched)
      if let newline = newline?.assumingMemoryBound(to: UInt8.self) {
        return line(upTo: newline - buffer, next: newline - buffer + 1)
      }
      if atEnd { return start == end ? nil : line(upTo: end, next: end) }
      let pending = end - start
      try fill()
      searched = start + pending
    }
  }

  /// The whole lines that lie in the buffer, at least one, to be parsed elsewhere; nil after the last.
  ///
  /// - Throws: as ``next()``.
  func nextBlock() throws(StudyError) -> TextBlock? {
    var lineEnds: [Int] = []
    var count = 0
    var searched = 0
    while true {
      while let newline = memchr(buffer + start + searched, 0x0A, end - start - searched) {
        lineEnds.append(UnsafeRawPointer(newline) - UnsafeRawPointer(buffer + start))
        count = lineEnds[lineEnds.count - 1] + 1
        searched = count
      }
      if count > 0 || atEnd { break }
      searched = end - start
      try fill()
    }
    if count == 0 {
      guard start < end else { return nil }
      count = end - start
      lineEnds = [count]
    }
    let block = TextBlock(
      bytes: Array(TextBytes(start: buffer + start, count: count)), lineEnds: lineEnds,
      firstLine: lineNumber + 1)
    start += count
    lineNumber += lineEnds.count
    return block
  }

  /// The share of the file that has been read, about; nil where its size is unknown.
  var fraction: Double? {
    size.map { Double(isCompressed ? Int(bgzf_position(file)) : bytesRead) / Double(max($0, 1)) }
  }

  /// The line that was read last.
  var place: LinePlace { LinePlace(path: path, line: lineNumber) }

  /// An error of the line that was read last.
  func malformed(_ cause: String, remedy: String) -> StudyError { place.malformed(cause, remedy: remedy) }

  private func line(upTo lineEnd: Int, next: Int) -> TextBytes {
    var first = start
    var last = lineEnd
    start = next
    lineNumber += 1
    if lineNumber == 1, last - first >= 3, buffer[first] == 0xEF, buffer[first + 1] == 0xBB,
      buffer[first + 2] == 0xBF
    {
      first += 3
    }
    if last > first, buffer[last - 1] == 0x0D { last -= 1 }
    return TextBytes(start: buffer + first, count: last - first)
  }

  /// Moves the unread bytes to the front and reads more behind them.
  private func fill() throws(StudyError) {
    let isFirst = lineNumber == 0 && end == 0
    memmove(buffer, buffer + start, end - start)
    end -= start
    start = 0
    if end == capacity {
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * capacity)
      larger.update(from: buffer, count: end)
      buffer.deallocate()
      buffer = larger
      capacity *= 2
    }
    errno = 0
    // Plain text needs no copy in htslib's buffer.
    let count =
      isCompressed
      ? bgzf_read(file, buffer + end, capacity - end) : bgzf_raw_read(file, buffer + end, capacity - end)
    guard count >= 0 else {
      throw errno == EIO || errno == EISDIR ? .unreadable(path, errno) : .damaged(path)
    }
    let new = TextBytes(start: buffer + end, count: count)
    if isFirst { try checkStart(new) }
    if let nul = memchr(buffer + end, 0, count)?.assumingMemoryBound(to: UInt8.self) {
      let offset = nul - buffer
      let lines = TextBytes(start: buffer, count: offset).count { $0 == 0x0A }
      throw .notText(path, line: lineNumber + 1 + lines)
    }
    end += count
    bytesRead += count
    atEnd = count == 0
  }

  /// htslib takes a gzip file shorter than a header for plain text; other compressions show as control characters.
  private func checkStart(_ bytes: TextBytes) throws(StudyError) {
    if bytes.starts(with: [0x1F, 0x8B]) { throw .truncated(path) }
    let allowed: [UInt8] = [0x09, 0x0A, 0x0B, 0x0C, 0x0D]
    guard let bad = bytes.prefix(4096).firstIndex(where: { $0 < 0x20 && !allowed.contains($0) })
    else { return }
    throw .notText(path, line: 1 + bytes[..<bad].count { $0 == 0x0A })
  }
}

/// A line of a file, for messages.
struct LinePlace {
  var path: String
  var line: Int

  func malformed(_ cause: String, remedy: String) -> StudyError {
    StudyError(.malformed, file: path, line: line, cause, remedy: remedy)
  }
}

/// How the cells of a table are separated: decided once, from its header line.
enum CellSeparator {
  case tab
  /// Runs of spaces and tabs.
  case blanks

  init(header: TextBytes) {
    self = header.contains(0x09) ? .tab : .blanks
  }

  /// The cells of a line, without blanks at their edges and without the double quotes that R's write.table puts around
  /// words. An empty line has none.
  func cells(_ line: TextBytes) -> Cells {
    Cells(separator: self, rest: line, isDone: Self.isBlank(line))
  }

  static func isBlank(_ line: TextBytes) -> Bool { line.allSatisfy { isBlank($0) } }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  struct Cells: Sequence, IteratorProtocol {
    fileprivate let separator: CellSeparator
    fileprivate var rest: TextBytes
    fileprivate var isDone: Bool

    mutating func next() -> TextBytes? {
      if isDone { return nil }
      guard var cursor = rest.baseAddress else { return nil }
      let end = cursor + rest.count
      while cursor < end, cursor.pointee == 0x20 || (separator == .blanks && cursor.pointee == 0x09) {
        cursor += 1
      }
      let first = cursor
      switch separator {
      case .tab: while cursor < end, cursor.pointee != 0x09 { cursor += 1 }
      case .blanks: while cursor < end, !CellSeparator.isBlank(cursor.pointee) { cursor += 1 }
      }
      var last = cursor
      while last > first, (last - 1).pointee == 0x20 { last -= 1 }
      if separator == .blanks {
        while cursor < end, CellSeparator.isBlank(cursor.pointee) { cursor += 1 }
        isDone = cursor == end
      } else {
        isDone = cursor == end
        if !isDone { cursor += 1 }
      }
      rest = TextBytes(start: cursor, count: end - cursor)
      if last - first >= 2, first.pointee == 0x22, (last - 1).pointee == 0x22 {
        return TextBytes(start: first + 1, count: last - first - 2)
      }
      return TextBytes(start: first, count: last - first)
    }

    /// Parses cells as long as they are plain numbers and fit `out`; what stops them is left to ``next()``.
    ///
    /// - Returns: how many, and the least of them.
    mutating func numbers(into out: UnsafeMutableBufferPointer<Double>) -> (count: Int, least: Double) {
      guard !isDone, let base = UnsafeRawPointer(rest.baseAddress) else { return (0, .infinity) }
      let begin = base.assumingMemoryBound(to: CChar.self)
      let run = ctext_parse_numbers(
        begin, begin + rest.count, separator == .tab ? 0x09 : 0x20, out.baseAddress, Int64(out.count))
      let end = base.assumingMemoryBound(to: UInt8.self) + rest.count
      var cursor = run.next.map { UnsafeRawPointer($0).assumingMemoryBound(to: UInt8.self) } ?? end
      isDone = run.next == nil
      if separator == .blanks {
        while cursor < end, CellSeparator.isBlank(cursor.pointee) { cursor += 1 }
        isDone = cursor == end
      }
      rest = TextBytes(start: cursor, count: end - cursor)
      return (Int(run.count), run.least)
    }
  }
}

extension TextBytes {
  /// The bytes as text; invalid UTF-8 is repaired, so that any cell can be shown in a message.
  var text: String { String(decoding: self, as: UTF8.self) }

  func equals(_ text: StaticString) -> Bool {
    elementsEqual(TextBytes(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}

enum HTSLibrary {
  /// Turns htslib's own messages off, once: ours name file, cause and remedy.
  static let silence: Void = hts_set_log_level(HTS_LOG_OFF)
}

/// What may be wrong with any file that is read here.
extension StudyError {
  static func unreadable(_ path: String, _ code: Int32) -> StudyError {
    let reason = code == 0 ? "unknown reason" : String(cString: strerror(code))
    return StudyError(
      .environment, file: path, "cannot be read: \(reason)", remedy: "check the path and its permissions")
  }

  static func truncated(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "truncated: the compressed file is cut short",
      remedy: "copy or compress it again (gzip -t checks a file)")
  }

  static func damaged(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "truncated: the compressed file is cut short or damaged",
      remedy: "copy or compress it again (gzip -t checks a file)")
  }

  static func notText(_ path: String, line: Int) -> StudyError {
    StudyError(
      .malformed, file: path, line: line, "not a text file",
      remedy: "give plain text, gzip or bgzip (Parquet, spreadsheets and other compressions are not read)")
  }
}
