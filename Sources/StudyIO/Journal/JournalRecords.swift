import Glibc
public import StudyData

/// The start of a ``Journal``: whose it is.
struct JournalHeader {
  static let magic = Array("SwQTLjnl".utf8)
  static let version: UInt64 = 1
  /// Identities are short; more is no journal.
  private static let longest = 1 << 20

  let identity: String
  let bytes: [UInt8]
  let hash: [UInt64]

  init(_ identity: String) {
    self.identity = identity
    var text = ByteEncoder()
    for byte in Self.magic { text.put(byte) }
    text.put(Self.version)
    text.put(identity)
    hash = RunningHash.value(of: text.bytes)
    for half in hash { text.put(half) }
    bytes = text.bytes
  }

  /// Nil when the file is empty, or the header is not whole.
  ///
  /// - Throws: `malformed` when it is a file of another kind or version.
  static func read(from descriptor: Int32, _ path: String) throws(StudyError) -> JournalHeader? {
    let fixed = magic.count + 16
    let start = try readBytes(descriptor, at: 0, count: fixed, path)
    guard start.starts(with: magic.prefix(start.count)) else {
      throw StudyError(
        .malformed, file: path, "not a journal of swiftqtl",
        remedy: "move the file away, or give another name")
    }
    guard start.count == fixed else { return nil }
    let numbers = start.dropFirst(magic.count).withUnsafeBytes {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    guard numbers.0 == version else {
      throw StudyError(
        .malformed, file: path,
        "the journal is of version \(numbers.0), this program writes version \(version)",
        remedy: "go on with the program that began it, or remove it")
    }
    guard numbers.1 <= longest else { return nil }
    let text = try readBytes(descriptor, at: fixed, count: Int(numbers.1), path)
    let header = JournalHeader(String(decoding: text, as: UTF8.self))
    let found = try readBytes(descriptor, at: 0, count: header.bytes.count, path)
    return found == header.bytes ? header : nil
  }
}

/// Reads a ``Journal`` from front to end; bodies only where they are asked for.
public struct JournalRecords: ~Copyable {
  public enum Kind: UInt64, Sendable {
    case block = 0
    case end = 1
  }

  public struct Record: Sendable {
    public let kind: Kind
    public let head: [UInt8]
    public let bodySize: Int
    let offset: Int
    let hash: [UInt64]
    let bodyHash: [UInt64]
    var end: Int { offset + JournalRecords.headerSize + head.count + bodySize }
  }

  public enum Next {
    case record(Record)
    /// The file ends after a whole record.
    case ended
    /// What follows is no record.
    case torn
  }

  static let headerSize = 64
  public let path: String
  public let identity: String
  private let descriptor: Int32
  private let isOwner: Bool
  private let hash: [UInt64]
  private let size: Int
  private var offset: Int
  private var number = 0

  /// - Throws: ``StudyError``: `environment` when it cannot be read, `malformed` when it is no journal.
  public init(path: String) throws(StudyError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    do throws(StudyError) {
      guard let header = try JournalHeader.read(from: descriptor, path) else {
        throw StudyError(
          .malformed, file: path, "the journal is damaged in its first bytes", remedy: "make it again")
      }
      self.init(descriptor: descriptor, header: header, path: path, isOwner: true)
    } catch {
      close(descriptor)
      throw error
    }
  }

  init(descriptor: Int32, header: JournalHeader, path: String, isOwner: Bool = false) {
    self.descriptor = descriptor
    self.isOwner = isOwner
    self.path = path
    identity = header.identity
    hash = header.hash
    offset = header.bytes.count
    size = Int(lseek(descriptor, 0, SEEK_END))
  }

  deinit { if isOwner { close(descriptor) } }

  /// The next record with its head, verified; its body is not looked at.
  public mutating func next() throws(StudyError) -> Next {
    guard offset < size else { return .ended }
    let bytes = try readBytes(descriptor, at: offset, count: Self.headerSize, path)
    guard bytes.count == Self.headerSize else { return .torn }
    let words = bytes.withUnsafeBytes { bytes in
      (0..<8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    }
    let left = UInt64(size - offset - Self.headerSize)
    guard words[0] == UInt64(number), let kind = Kind(rawValue: words[1]), words[2] <= left,
      words[3] <= left - words[2]
    else { return .torn }
    let head = try readBytes(descriptor, at: offset + Self.headerSize, count: Int(words[2]), path)
    guard head.count == Int(words[2]), Self.hash(of: Array(words[..<4]), head, hash) == Array(words[4..<6])
    else { return .torn }
    let record = Record(
      kind: kind, head: head, bodySize: Int(words[3]), offset: offset, hash: Array(words[4..<6]),
      bodyHash: Array(words[6...]))
    offset = record.end
    number += 1
    return .record(record)
  }

  /// The body of a record; nil when it is damaged.
  public func body(of record: Record) throws(StudyError) -> [UInt8]? {
    let body = try readBytes(
      descriptor, at: record.offset + Self.headerSize + record.head.count, count: record.bodySize, path)
    return body.count == record.bodySize && Self.hash(ofBody: body, record.hash) == record.bodyHash
      ? body : nil
  }

  static func header(number: Int, _ kind: Kind, head: [UInt8], body: [UInt8], ofJournal hash: [UInt64])
    -> [UInt8]
  {
    let numbers = [UInt64(number), kind.rawValue, UInt64(head.count), UInt64(body.count)]
    let ofHead = Self.hash(of: numbers, head, hash)
    var bytes = ByteEncoder(capacity: headerSize + head.count)
    for word in numbers + ofHead + Self.hash(ofBody: body, ofHead) { bytes.put(word) }
    return bytes.bytes
  }

  private static func hash(of numbers: [UInt64], _ head: [UInt8], _ journal: [UInt64]) -> [UInt64] {
    let hash = RunningHash()
    (journal + numbers).withUnsafeBytes { hash.add($0) }
    head.withUnsafeBytes { hash.add($0) }
    return hash.value
  }

  private static func hash(ofBody body: [UInt8], _ head: [UInt64]) -> [UInt64] {
    let hash = RunningHash()
    head.withUnsafeBytes { hash.add($0) }
    body.withUnsafeBytes { hash.add($0) }
    return hash.value
  }
}

/// Fills `bytes` from a place in a file.
///
/// - Returns: how many there were: fewer where the file ends before.
func fill(_ bytes: UnsafeMutableRawBufferPointer, _ descriptor: Int32, at offset: Int, _ path: String)
  throws(StudyError) -> Int
{
  var done = 0
  while done < bytes.count {
    let count = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
    if count < 0, errno != EINTR { throw .unreadable(path, errno) }
    if count == 0 { break }
    done += max(0, count)
  }
  return done
}

/// `count` bytes, fewer where the file ends before.
func readBytes(_ descriptor: Int32, at offset: Int, count: Int, _ path: String) throws(StudyError) -> [UInt8]
{
  var bytes = [UInt8](repeating: 0, count: count)
  let found = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(StudyError) in
    try fill(UnsafeMutableRawBufferPointer(buffer), descriptor, at: offset, path)
  }
  if found < count { bytes.removeSubrange(found...) }
  return bytes
}

extension RunningHash {
  static func value(of bytes: [UInt8]) -> [UInt64] {
    let hash = RunningHash()
    bytes.withUnsafeBytes { hash.add($0) }
    return hash.value
  }
}
