import CXXHash
import Glibc
import StudyData

/// A binary file that is read from front to end, straight into arrays, and hashed as it goes.
///
/// Numbers are little-endian in the files and on every machine that this builds for.
final class BinaryReader {
  let path: String
  let size: Int
  private(set) var offset = 0
  private let descriptor: Int32
  private var hash = RunningHash()

  /// - Throws: ``StudyError`` `environment` when it is no regular file or cannot be opened.
  init(path: String) throws(StudyError) {
    self.path = path
    size = try LocalFile.size(of: path)
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
  }

  deinit { close(descriptor) }

  /// The next `count` values of a type without padding, whose every bit pattern is a value.
  ///
  /// - Throws: ``StudyError``: `malformed` when the file ends before, `environment` when it cannot be read.
  func values<Value: BitwiseCopyable>(_ count: Int, of zero: Value) throws(StudyError) -> [Value] {
    var values = [Value](repeating: zero, count: count)
    let code = values.withUnsafeMutableBytes { fill($0) }
    switch code {
    case 0: return values
    case Self.ended:
      throw StudyError(
        .malformed, file: path, "truncated: the file ends at byte \(size)", remedy: "copy or make it again")
    default: throw .unreadable(path, code)
    }
  }

  func value<Value: BitwiseCopyable>(_ zero: Value) throws(StudyError) -> Value { try values(1, of: zero)[0] }

  /// The hash of what was read so far.
  var checksum: [UInt64] { hash.value }

  private static let ended: Int32 = -1

  /// - Returns: 0, or what went wrong.
  private func fill(_ bytes: UnsafeMutableRawBufferPointer) -> Int32 {
    // Pieces that the cache holds from reading to hashing, and that one call reads.
    var done = 0
    while done < bytes.count {
      let piece = min(1 << 20, bytes.count - done)
      let count = read(descriptor, bytes.baseAddress! + done, piece)
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      if count == 0 { return Self.ended }
      hash.add(UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
      done += count
    }
    offset += done
    return 0
  }
}

/// XXH3, 128 bits, of bytes that come in pieces.
final class RunningHash {
  private let state: OpaquePointer

  init() {
    guard let state = XXH3_createState() else { preconditionFailure("no memory for the state of a hash") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  func add(_ bytes: UnsafeRawBufferPointer) { XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }

  /// High and low half.
  var value: [UInt64] {
    let hash = XXH3_128bits_digest(state)
    return [hash.high64, hash.low64]
  }
}

extension TableWriter {
  /// Appends numbers as they lie in memory, in pieces, and adds them to `hash`.
  func append<Value: BitwiseCopyable>(values: [Value], hashing hash: RunningHash? = nil) throws(StudyError) {
    try values.withUnsafeBufferPointer { (values) throws(StudyError) in
      let bytes = UnsafeRawBufferPointer(values)
      for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 1 << 20, bytes.count)])
        hash?.add(piece)
        try append(bytes: piece)
      }
    }
  }
}
