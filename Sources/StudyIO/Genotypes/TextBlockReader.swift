import Glibc
import StudyData
import Synchronization

/// Whole lines of a text file, to be parsed elsewhere.
struct TextBlock: Sendable {
  let bytes: [UInt8]
  /// For each line the offset of its newline, or of the end of the text.
  let lineEnds: [Int]
  /// 1-based number of the first line.
  let firstLine: Int

  var count: Int { lineEnds.count }

  init(bytes: [UInt8], lineEnds: [Int], firstLine: Int) {
    self.bytes = bytes
    self.lineEnds = lineEnds
    self.firstLine = firstLine
  }

  /// A single line.
  init(line: UnsafeBufferPointer<UInt8>, number: Int) {
    self.init(bytes: Array(line), lineEnds: [line.count], firstLine: number)
  }

  /// Line `index` without its line end.
  func line(_ index: Int, in text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    let start = index == 0 ? 0 : lineEnds[index - 1] + 1
    var end = lineEnds[index]
    if end > start, text[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    return UnsafeBufferPointer(rebasing: text[start..<end])
  }
}

/// How much of a file has been read; may be asked from another thread.
final class ReadProgress: Sendable {
  private let total: Double
  private let position = Atomic<Int>(0)

  init(total: Int) { self.total = Double(max(total, 1)) }

  func reach(_ offset: Int) { position.store(offset, ordering: .relaxed) }
  var fraction: Double { min(Double(position.load(ordering: .relaxed)) / total, 1) }
}

/// Reads plain, gzip, BGZF or zstd text by blocks of lines: the serial half of every text format.
///
/// A byte order mark is skipped, NUL bytes are refused. Truncation of a compressed file is an error, also where it falls
/// between two blocks.
/// - Complexity: O(bytes); holds one block and a quarter of a megabyte.
final class TextBlockReader {
  let path: String
  let progress: ReadProgress
  private let file: DecompressedFile
  private var buffer: [UInt8]
  /// The unread bytes are `start..<end`.
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  private var nextLine = 1

  private static let readSize = 1 << 18
  /// Longer lines are taken for another kind of file.
  private static let longestLine = 1 << 28

  /// - Parameter workers: threads that inflate BGZF.
  /// - Throws: `environment` if the file cannot be opened, `malformed` if its end is missing.
  init(path: String, workers: Int = 1) throws(StudyError) {
    let size = try LocalFile.size(of: path)
    file = try DecompressedFile(path: path, workers: workers)
    self.path = path
    progress = ReadProgress(total: size)
    // Cleared, a small file's would cost more than all its reading.
    buffer = Array(unsafeUninitializedCapacity: Self.readSize) { $1 = $0.count }
    try fill()
    if end >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { start = 3 }
  }

  /// Whether the file has no byte at all (a byte order mark aside).
  var isEmpty: Bool { nextLine == 1 && start == end && isAtEnd }

  /// The next lines, at most `lines` of them; nil at the end.
  func nextBlock(lines: Int) throws(StudyError) -> TextBlock? {
    var ends: [Int] = []
    var scanned = start
    while ends.count < lines {
      let newline = buffer.withUnsafeBytes { bytes -> Int? in
        guard let base = bytes.baseAddress, let hit = memchr(base + scanned, 10, end - scanned) else {
          return nil
        }
        return UnsafeRawPointer(hit) - base
      }
      if let newline {
        ends.append(newline - start)
        scanned = newline + 1
        continue
      }
      if isAtEnd {
        let lineStart = (ends.last ?? -1) + 1 + start
        if lineStart < end { ends.append(end - start) }
        scanned = end
        break
      }
      let pending = end - start
      try fill()
      scanned = start + pending
      guard end - start - ((ends.last ?? -1) + 1) <= Self.longestLine else {
        throw StudyError(
          .malformed, file: path, line: nextLine + ends.count, "the line is longer than 256 MiB",
          remedy: "check that this is a text file")
      }
    }
    guard !ends.isEmpty else { return nil }
    let block = TextBlock(bytes: Array(buffer[start..<scanned]), lineEnds: ends, firstLine: nextLine)
    start = scanned
    nextLine += ends.count
    return block
  }

  /// Passes over lines that were read before.
  func skip(lines: Int) throws(StudyError) {
    var left = lines
    while left > 0, let block = try nextBlock(lines: min(left, 512)) { left -= block.count }
  }

  /// Moves the unread bytes to the front and reads more behind them.
  private func fill() throws(StudyError) {
    let unread = end - start
    // Room for as much again at least.
    if unread > buffer.count / 2 { buffer += Array(repeating: 0, count: buffer.count) }
    let count = try buffer.withUnsafeMutableBufferPointer { (bytes) throws(StudyError) -> Int in
      memmove(bytes.baseAddress!, bytes.baseAddress! + start, unread)
      let free = UnsafeMutableBufferPointer(rebasing: bytes[unread...])
      return try file.read(into: UnsafeMutableRawBufferPointer(free))
    }
    // A gzip file shorter than its header passes for text.
    if nextLine == 1, buffer.prefix(unread + count).starts(with: [0x1F, 0x8B]) { throw .truncated(path) }
    if let line = nul(in: unread..<(unread + count)) { throw .notText(path, line: line) }
    start = 0
    end = unread + count
    isAtEnd = count == 0
    progress.reach(file.position)
  }

  /// The line of the first NUL in `new`, where the buffer starts with the unread line `nextLine`.
  private func nul(in new: Range<Int>) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard let hit = memchr(bytes.baseAddress! + new.lowerBound, 0, new.count) else { return nil }
      let offset = UnsafeRawPointer(hit) - bytes.baseAddress!
      return nextLine + bytes[..<offset].count { $0 == 10 }
    }
  }
}
