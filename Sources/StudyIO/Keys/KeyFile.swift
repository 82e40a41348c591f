import Glibc
import StudyData

/// Ascending doubles within a file, as they lie in memory.
struct KeyRun {
  enum Place {
    case open(KeyFile)
    /// Is opened when it is read: there may be more of them than a process may have open.
    case path(String)
  }

  var place: Place
  /// In bytes.
  var offset: Int
  var count: Int

  func open() throws(StudyError) -> KeyFile {
    switch place {
    case .open(let file): file
    case .path(let path): try KeyFile(reading: path)
    }
  }
}

/// An open file of doubles, read and written at positions; closed when the last reference goes.
final class KeyFile: Sendable {
  /// What errors name: the file, or for a temporary one the prefix of the run's outputs.
  private let path: String
  private let isTemporary: Bool
  private let descriptor: Int32

  init(descriptor: Int32, path: String, isTemporary: Bool) {
    (self.descriptor, self.path, self.isTemporary) = (descriptor, path, isTemporary)
  }

  /// A temporary file in the directory of `prefix`, unlinked at once: nothing is left behind however the process ends.
  convenience init(temporaryAt prefix: String) throws(StudyError) {
    let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/"))
    var template = Array(((slash.map { String(prefix[...$0]) } ?? "") + ".swiftqtl-keys-XXXXXX").utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw .noSpool(prefix, errno) }
    unlink(template)
    self.init(descriptor: descriptor, path: prefix, isTemporary: true)
  }

  convenience init(reading path: String) throws(StudyError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    self.init(descriptor: descriptor, path: path, isTemporary: false)
  }

  deinit { close(descriptor) }

  /// Fills `keys` from the byte `offset` on.
  ///
  /// - Throws: ``StudyError``: `environment` when the disk fails, `malformed` when a file that was given ends before.
  func read(_ keys: UnsafeMutableBufferPointer<Double>, at offset: Int) throws(StudyError) {
    let bytes = UnsafeMutableRawBufferPointer(keys)
    var done = 0
    while done < bytes.count {
      let count = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      if count > 0 {
        done += count
      } else if isTemporary {
        throw .noSpool(path, count < 0 ? errno : EIO)
      } else if count < 0 {
        throw .unreadable(path, errno)
      } else {
        throw StudyError(
          .malformed, file: path, "truncated: the file ends at byte \(offset + done)",
          remedy: "copy or make it again")
      }
    }
  }

  func write(_ keys: UnsafeBufferPointer<Double>, at offset: Int) throws(StudyError) {
    let bytes = UnsafeRawBufferPointer(keys)
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .noSpool(path, count < 0 ? errno : ENOSPC) }
      done += count
    }
  }

  /// - Throws: unless `keys` ascend from `last` on, which NaN does not.
  func requireAscending(_ keys: UnsafeBufferPointer<Double>, from last: Double) throws(StudyError) {
    var last = last
    for key in keys {
      guard last <= key else { throw damaged }
      last = key
    }
  }

  /// What was read is not what was written.
  var damaged: StudyError {
    if isTemporary { return .noSpool(path, EIO) }
    return StudyError(
      .malformed, file: path, "damaged: its p values do not ascend", remedy: "copy or make it again")
  }
}

/// Memory for keys. Pages that are never written to take none.
final class KeyBuffer: @unchecked Sendable {  // Its owners write under a lock or before they share it.
  let keys: UnsafeMutableBufferPointer<Double>

  init(capacity: Int) { keys = .allocate(capacity: capacity) }

  deinit { keys.deallocate() }
}

extension StudyError {
  static func noSpool(_ prefix: String, _ code: Int32) -> StudyError {
    StudyError(
      .environment, file: prefix,
      "cannot hold p values in a temporary file: \(String(cString: strerror(code)))",
      remedy: "free space in the output directory, or choose another with --out")
  }
}
