import CFuzzing
import Foundation
import SwiftQTL

/// Files that one of our readers takes, of which one is damaged, again and again.
struct Victim {
  /// For the report.
  var name: String
  /// The file that is damaged.
  var path: String
  /// What it holds, before it takes its form.
  var content: [UInt8]
  var form = Form.plain
  /// Where changes fall; each is as likely as the others.
  var parts: [Range<Int>]
  /// Reads the set, with options that are drawn; anything but an error or a result that can be ends the process.
  var read: (inout CounterRNG) throws(StudyError) -> Void

  /// - Parameter headerSize: half of the changes hit the first bytes.
  init(
    _ name: String, _ path: String, _ content: [UInt8], _ form: Form = .plain, headerSize: Int = 24,
    read: @escaping (inout CounterRNG) throws(StudyError) -> Void
  ) {
    self.name = name
    self.path = path
    self.content = content
    self.form = form
    parts = [0..<min(headerSize, content.count), 0..<content.count]
    self.read = read
    restore()
  }

  /// Writes the file without damage.
  func restore() { write(encoded, to: path) }

  private var encoded: [UInt8] {
    var random = CounterRNG(seed: 0)
    return form.encode(content, &random)
  }

  /// The same file, damaged in its compressed bytes.
  func asItIs(
    in folder: Folder, read: (String) -> (inout CounterRNG) throws(StudyError) -> Void
  ) -> Victim {
    let path = folder((self.path as NSString).lastPathComponent)
    return Victim(name + ", compressed", path, encoded, read: read(path))
  }
}

/// What is done to damaged content so that readers get past the file's own checks.
enum Form {
  case plain
  case bgzf
  case gzip
  case zstd
  /// The checksum of a stored decomposition, or of an archive's table, is made to fit.
  case spectral
  case archive

  func encode(_ content: [UInt8], _ random: inout CounterRNG) -> [UInt8] {
    switch self {
    case .plain: content
    // Lines and records lie across blocks.
    case .bgzf:
      pack(content, fuzz_bgzf, piece: random.oneIn(2) ? 0xFF00 : 1 + random.below(max(content.count, 1)))
    case .gzip: pack(content, fuzz_gzip)
    case .zstd: pack(content, fuzz_zstd)
    case .spectral: Self.sealingSpectrum(content)
    case .archive: Self.sealingArchive(content)
    }
  }

  private static func sealingSpectrum(_ content: [UInt8]) -> [UInt8] {
    guard content.count > 104 else { return content }
    var bytes = content
    let listSize = Int(truncatingIfNeeded: bytes.number(at: 64))
    if listSize >= 0, listSize <= bytes.count - 104 {
      bytes.replace(at: 72, with: hash(bytes[88..<(88 + listSize)]))
    }
    bytes.replace(at: bytes.count - 16, with: hash(bytes[..<(bytes.count - 16)]))
    return bytes
  }

  private static func sealingArchive(_ content: [UInt8]) -> [UInt8] {
    guard content.count > 40 else { return content }
    var bytes = content
    let end = Int(truncatingIfNeeded: bytes.number(at: 16)).addingReportingOverflow(24).partialValue
    if end >= 0, end <= bytes.count - 16 { bytes.replace(at: end, with: hash(bytes[..<end])) }
    return bytes
  }

  private static func hash(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var halves: [UInt64] = [0, 0]
    bytes.withUnsafeBufferPointer { fuzz_hash($0.baseAddress, Int64($0.count), &halves) }
    return halves.flatMap { little($0, 8) }
  }
}

func pack(_ content: [UInt8], _ form: fuzz_form, piece: Int = 0xFF00) -> [UInt8] {
  // Blocks of one byte take 31 and more.
  let capacity = 64 * content.count + 4096
  return [UInt8](unsafeUninitializedCapacity: capacity) { out, count in
    count = Int(
      fuzz_pack(form, content, Int64(content.count), Int64(piece), out.baseAddress, Int64(capacity)))
    precondition(count >= 0)
  }
}

extension [UInt8] {
  func number(at offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(self[offset + $1]) << UInt64(8 * $1) }
  }

  mutating func replace(at offset: Int, with bytes: [UInt8]) {
    replaceSubrange(offset..<(offset + bytes.count), with: bytes)
  }
}

/// The lowest `size` bytes of a number, little-endian.
func little(_ value: some BinaryInteger, _ size: Int) -> [UInt8] {
  (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

extension CounterRNG {
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
  mutating func oneIn(_ odds: Int) -> Bool { below(odds) == 0 }
}

/// A finding that is no crash: ends the process as one.
func require(_ holds: Bool, _ what: @autoclosure () -> String) {
  guard !holds else { return }
  FileHandle.standardError.write(Data("fuzz: \(what())\n".utf8))
  abort()
}

func write(_ bytes: [UInt8], to path: String) {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  precondition(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count, path)
  close(descriptor)
}

func contents(_ path: String) -> [UInt8] {
  guard let data = FileManager.default.contents(atPath: path) else { preconditionFailure(path) }
  return [UInt8](data)
}

/// The bytes within BGZF.
func inflated(_ packed: [UInt8]) -> [UInt8] {
  var out = [UInt8](repeating: 0, count: 1 << 17)
  let count = fuzz_unpack(packed, Int64(packed.count), &out, Int64(out.count))
  precondition(count >= 0)
  return Array(out[..<Int(count)])
}

/// A folder for the files, removed at the end unless a finding ends the process.
struct Folder {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/fuzz-readers-\(getpid())"
    mkdir(path, 0o700)
  }

  private init(_ path: String) {
    self.path = path
    mkdir(path, 0o700)
  }

  func folder(_ name: String) -> Folder { Folder("\(path)/\(name)") }
  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  @discardableResult
  func add(_ name: String, _ bytes: [UInt8]) -> String {
    write(bytes, to: self(name))
    return self(name)
  }

  @discardableResult
  func add(_ name: String, _ text: String) -> String { add(name, Array(text.utf8)) }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
