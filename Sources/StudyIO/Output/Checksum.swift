import CXXHash
import Glibc
public import StudyData

/// Checksums of inputs, for the manifest.
public enum Checksum {
  /// The XXH3 128-bit hash of a file's bytes in hexadecimal, as `xxhsum -H2` prints it.
  ///
  /// - Throws: ``StudyError`` of kind `environment` when the file cannot be read.
  /// - Complexity: one pass over the file in blocks of 1 MiB.
  public static func xxh3(_ path: String) throws(StudyError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    defer { close(descriptor) }
    guard let state = XXH3_createState() else { throw .unreadable(path, ENOMEM) }
    defer { XXH3_freeState(state) }
    XXH3_128bits_reset(state)
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = read(descriptor, &block, block.count)
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw .unreadable(path, errno)
      }
      XXH3_128bits_update(state, block, count)
    }
    let hash = XXH3_128bits_digest(state)
    return hexadecimal(hash.high64) + hexadecimal(hash.low64)
  }

  /// The same of bytes in memory.
  public static func xxh3(of bytes: [UInt8]) -> String {
    RunningHash.value(of: bytes).map(hexadecimal).joined()
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
