import Glibc
import StudyData

/// The bytes of a file in the address space of the process: read only, shared by all threads, in memory as far as they are used.
///
/// A page of a file that was cut after it was mapped cannot be read: ``checkSize()`` before a use leaves only the moment between.
final class MappedFile: @unchecked Sendable {
  let path: String
  let bytes: UnsafeRawBufferPointer
  private let descriptor: Int32

  /// - Throws: `environment` when it is no regular file or cannot be read, `malformed` when it is empty.
  init(path: String) throws(StudyError) {
    self.path = path
    let size = try LocalFile.size(of: path)
    guard size > 0 else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "make the file set again")
    }
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    guard let start = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      let code = errno
      close(descriptor)
      throw .unreadable(path, code)
    }
    bytes = UnsafeRawBufferPointer(start: start, count: size)
  }

  deinit {
    munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
    close(descriptor)
  }

  /// - Throws: `malformed` when the file is shorter than it was.
  func checkSize() throws(StudyError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, errno) }
    guard Int(status.st_size) >= bytes.count else {
      throw StudyError(
        .malformed, file: path, "truncated while it was read", remedy: "leave the file as it is during a run")
    }
  }

  /// A little-endian number of `width` bytes, at most 8.
  func number(at offset: Int, width: Int) -> UInt64 {
    var value: UInt64 = 0
    for k in 0..<width { value |= UInt64(bytes[offset + k]) << UInt64(8 * k) }
    return value
  }
}
