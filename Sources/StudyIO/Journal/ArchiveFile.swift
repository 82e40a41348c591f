import Glibc
public import StudyData

/// An ``Archive`` on disk.
///
/// Little-endian:
///
/// | bytes | content |
/// |---|---|
/// | 8 | `SwQTLarc` |
/// | 16 | UInt64: version, 1; UInt64 L |
/// | L | number of sections; of each its name, kind (0 bytes, 1 Float64), size in bytes, place and XXH3-128 |
/// | 16 | XXH3-128 of all before, high half first |
/// | | sections, each from a multiple of 64 bytes on |
public enum ArchiveFile {
  private static let magic = Array("SwQTLarc".utf8)
  private static let version: UInt64 = 1
  private static let longestTable: UInt64 = 1 << 24
  private static let alignment = 64

  private struct Entry {
    var name: String
    var isDoubles: Bool
    var size: Int
    /// From the end of the table on.
    var offset: Int
    var hash: [UInt64]
  }

  /// - Complexity: one pass to hash, one to write.
  public static func write(_ sections: [ArchiveSection], to writer: TableWriter) throws(StudyError) {
    var table = ByteEncoder()
    table.put(Int64(sections.count))
    var offset = 0
    for section in sections {
      let hash = RunningHash()
      let size = section.content.withBytes { bytes -> Int in
        hash.add(bytes)
        return bytes.count
      }
      table.put(section.name)
      table.put(Int64(section.content.isDoubles ? 1 : 0))
      table.put(Int64(size))
      table.put(Int64(offset))
      table.put(hash.value)
      offset += padded(size)
    }
    var start = ByteEncoder()
    for byte in magic { start.put(byte) }
    start.put(version)
    start.put(table.bytes)
    for half in RunningHash.value(of: start.bytes) { start.put(half) }
    try writer.append(bytes: start.bytes + padding(start.bytes.count))
    for section in sections {
      switch section.content {
      case .bytes(let values): try writer.append(values: values)
      case .doubles(let values): try writer.append(values: values)
      }
      try writer.append(bytes: padding(section.content.withBytes(\.count)))
    }
  }

  /// - Parameter wanted: the sections to read and verify; nil for all.
  /// - Throws: ``StudyError``: `environment` when it cannot be read, `malformed` when it is no such file, of another version or damaged.
  public static func read(_ path: String, sections wanted: Set<String>? = nil) throws(StudyError) -> Archive {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    defer { close(descriptor) }
    let (entries, start) = try table(descriptor, path)
    var sections: [ArchiveSection] = []
    for entry in entries where wanted?.contains(entry.name) ?? true {
      let count = entry.isDoubles ? entry.size / 8 : entry.size
      let content: ArchiveSection.Content
      let hash = RunningHash()
      if entry.isDoubles {
        let values = try values(Double.self, descriptor, at: start + entry.offset, count: count, path)
        guard let values else { throw damaged(path) }
        values.withUnsafeBytes { hash.add($0) }
        content = .doubles(values)
      } else {
        let values = try values(UInt8.self, descriptor, at: start + entry.offset, count: count, path)
        guard let values else { throw damaged(path) }
        values.withUnsafeBytes { hash.add($0) }
        content = .bytes(values)
      }
      guard hash.value == entry.hash else { throw damaged(path) }
      sections.append(ArchiveSection(entry.name, content))
    }
    return Archive(sections)
  }

  private static func table(_ descriptor: Int32, _ path: String) throws(StudyError) -> ([Entry], Int) {
    let fixed = try readBytes(descriptor, at: 0, count: magic.count + 16, path)
    guard fixed.count == magic.count + 16, fixed.starts(with: magic) else {
      throw StudyError(
        .malformed, file: path, "not a prepared study", remedy: "give the file that swiftqtl plan wrote")
    }
    let (found, length) = fixed.withUnsafeBytes {
      (
        $0.loadUnaligned(fromByteOffset: magic.count, as: UInt64.self),
        $0.loadUnaligned(fromByteOffset: magic.count + 8, as: UInt64.self)
      )
    }
    guard found == version else {
      throw StudyError(
        .malformed, file: path, "the file is of version \(found), this program reads version \(version)",
        remedy: "make it again with this version's swiftqtl plan")
    }
    guard length <= longestTable else { throw damaged(path) }
    let size = fixed.count + Int(length) + 16
    let bytes = try readBytes(descriptor, at: 0, count: size, path)
    guard bytes.count == size else { throw damaged(path) }
    var own = ByteEncoder()
    for half in RunningHash.value(of: Array(bytes.dropLast(16))) { own.put(half) }
    guard bytes.suffix(16).elementsEqual(own.bytes) else { throw damaged(path) }
    let fileSize = Int(lseek(descriptor, 0, SEEK_END))
    let start = padded(size)
    do {
      let entries = try bytes.withUnsafeBufferPointer { (bytes) throws(ByteDecoder.Failure) -> [Entry] in
        let table = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[fixed.count..<size - 16])
        var decoder = ByteDecoder(table)
        var entries: [Entry] = []
        let count = try decoder.value(Int64.self)
        guard count >= 0 else { throw ByteDecoder.Failure() }
        for _ in 0..<count {
          let name = try decoder.text()
          let numbers = [
            Int(try decoder.value(Int64.self)), Int(try decoder.value(Int64.self)),
            Int(try decoder.value(Int64.self)),
          ]
          let hash = try decoder.values(UInt64.self)
          guard numbers[1] >= 0, numbers[2] >= 0, numbers[2] <= fileSize - start,
            numbers[1] <= fileSize - start - numbers[2]
          else { throw ByteDecoder.Failure() }
          entries.append(
            Entry(name: name, isDoubles: numbers[0] == 1, size: numbers[1], offset: numbers[2], hash: hash))
        }
        return entries
      }
      return (entries, start)
    } catch {
      throw damaged(path)
    }
  }

  /// Nil where the file ends before.
  private static func values<Value: BitwiseCopyable>(
    _: Value.Type, _ descriptor: Int32, at offset: Int, count: Int, _ path: String
  ) throws(StudyError) -> [Value]? {
    var result: Result<Int, StudyError> = .success(0)
    let values = [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      result = Result { () throws(StudyError) in try fill(bytes, descriptor, at: offset, path) }
      initialized = (try? result.get()) == bytes.count ? count : 0
    }
    return try result.get() == count * MemoryLayout<Value>.stride ? values : nil
  }

  private static func padded(_ size: Int) -> Int { (size + alignment - 1) / alignment * alignment }

  private static func padding(_ size: Int) -> [UInt8] { [UInt8](repeating: 0, count: padded(size) - size) }

  private static func damaged(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "the file is damaged: its checksum does not fit its content",
      remedy: "copy or make it again")
  }
}

extension ArchiveSection.Content {
  fileprivate var isDoubles: Bool { if case .doubles = self { true } else { false } }

  fileprivate func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    switch self {
    case .bytes(let values): values.withUnsafeBytes(body)
    case .doubles(let values): values.withUnsafeBytes(body)
    }
  }
}
