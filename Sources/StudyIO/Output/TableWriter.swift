import CHTSlib
import Glibc
public import StudyData
import Synchronization

/// A result file that appears under its name only when it is complete.
///
/// Bytes go to a temporary file in the same directory; ``commit()`` closes it, builds the tabix index where one is
/// asked for, and renames both into place. ``abort()``, or letting go of the writer, leaves nothing behind and an
/// older file of that name untouched. Nothing is forced to the disk: the protocol guards against runs that fail, not
/// against power cuts.
///
/// Calls may come from any thread, one line or many to a call; the caller orders them.
public final class TableWriter: Sendable {
  public enum Compression: Sendable, Equatable {
    case none
    /// BGZF at zlib `level` 0…9, compressed by `threads` threads beside the caller's (0: by the caller).
    case bgzf(level: Int = 6, threads: Int = 0)
  }

  public let path: String
  let temporaryPath: String
  private let index: TabixIndex?
  private let state: Mutex<State>

  private enum State {
    /// `descriptor` is a second handle on the file, which outlives htslib's.
    case writing(UnsafeMutablePointer<BGZF>, descriptor: Int32)
    case finished(indexSuffix: String?)
    case failed(StudyError)
    case published
  }

  /// - Precondition: an index needs `.bgzf`.
  /// - Throws: ``StudyError`` of kind `environment` when the temporary file cannot be created.
  public convenience init(
    path: String, compression: Compression = .bgzf(), index: TabixIndex? = nil
  ) throws(StudyError) {
    let serial = Self.serial.add(1, ordering: .relaxed).newValue
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let nameStart = slash.map { path.utf8.index(after: $0) } ?? path.startIndex
    try self.init(
      path: path,
      temporaryPath: path[..<nameStart] + ".\(path[nameStart...]).partial-\(getpid())-\(serial)",
      compression: compression, index: index)
  }

  /// Tells apart the temporary files of one process.
  private static let serial = Atomic<Int>(0)

  init(path: String, temporaryPath: String, compression: Compression, index: TabixIndex?)
    throws(StudyError)
  {
    precondition(index == nil || compression != .none, "only a BGZF file can be indexed")
    HTSLibrary.silence
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw .unwritable(path, EISDIR)
    }
    let descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .unwritable(path, errno) }
    let second = dup(descriptor)
    let mode =
      switch compression {
      case .none: "wu"
      case .bgzf(let level, _): "w\(min(max(level, 0), 9))"
      }
    guard second >= 0, let file = bgzf_dopen(descriptor, mode) else {
      let code = errno
      close(descriptor)
      if second >= 0 { close(second) }
      unlink(temporaryPath)
      throw .unwritable(path, code)
    }
    if case .bgzf(_, let threads) = compression, threads > 0 {
      bgzf_mt(file, Int32(clamping: threads), 64)
    }
    self.path = path
    self.temporaryPath = temporaryPath
    self.index = index
    state = Mutex(.writing(file, descriptor: second))
  }

  deinit { abort() }

  /// - Throws: ``StudyError`` of kind `environment` when the disk is full or fails; then every later call throws it too.
  public func append(bytes: UnsafeRawBufferPointer) throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      switch state {
      case .writing(let file, let descriptor):
        if bytes.isEmpty { return }
        errno = 0
        if bgzf_write(file, bytes.baseAddress, bytes.count) == bytes.count { return }
        throw fail(&state, file, descriptor)
      case .failed(let error): throw error
      case .finished, .published: preconditionFailure("the file is closed")
      }
    }
  }

  public func append(bytes: [UInt8]) throws(StudyError) {
    let result = bytes.withUnsafeBytes { raw in
      Result { () throws(StudyError) in try append(bytes: raw) }
    }
    try result.get()
  }

  public func append(_ rows: borrowing RowBuffer) throws(StudyError) {
    try rows.withUnsafeBytes { (raw) throws(StudyError) in try append(bytes: raw) }
  }

  /// Closes the file, indexes it and puts it in its place.
  ///
  /// - Throws: ``StudyError``: `environment` when the disk fails, `inconsistent` when the rows cannot be indexed.
  public func commit() throws(StudyError) {
    try finish()
    try publish()
  }

  /// Removes what was written, unless it is committed.
  public func abort() {
    state.withLock { state in
      switch state {
      case .published: return
      case .writing(let file, let descriptor):
        bgzf_close(file)
        close(descriptor)
      case .finished, .failed: break
      }
      removeTemporaries()
      state = .failed(
        StudyError(.environment, file: path, "the output was given up", remedy: "run again"))
    }
  }

  /// Everything of ``commit()`` that is likely to fail: the first half of a transaction. May be called twice.
  func finish() throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      switch state {
      case .finished: return
      case .published: preconditionFailure("the file is committed")
      case .failed(let error): throw error
      case .writing(let file, let descriptor):
        errno = 0
        guard bgzf_flush(file) == 0 else { throw fail(&state, file, descriptor) }
        guard bgzf_close(file) == 0 else { throw fail(&state, nil, descriptor) }
        close(descriptor)
        do throws(StudyError) {
          state = .finished(indexSuffix: try index?.build(temporaryPath, shownAs: path))
        } catch {
          removeTemporaries()
          state = .failed(error)
          throw error
        }
      }
    }
  }

  /// Renames what ``finish()`` closed; an index left by an older file of this name would lie, so it goes.
  func publish() throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      guard case .finished(let indexSuffix) = state else { preconditionFailure("not finished") }
      guard rename(temporaryPath, path) == 0 else {
        let error = StudyError.unwritable(path, errno)
        removeTemporaries()
        state = .failed(error)
        throw error
      }
      for suffix in TabixIndex.suffixes where suffix != indexSuffix { unlink(path + suffix) }
      if let indexSuffix, rename(temporaryPath + indexSuffix, path + indexSuffix) != 0 {
        let error = StudyError.unwritable(path + indexSuffix, errno)
        unlink(path)
        removeTemporaries()
        state = .failed(error)
        throw error
      }
      state = .published
    }
  }

  /// Undoes ``publish()`` when another file of the transaction cannot be published.
  func retract() {
    unlink(path)
    for suffix in TabixIndex.suffixes { unlink(path + suffix) }
  }

  /// Closes and removes the file, and says why it could not be written.
  private func fail(
    _ state: inout State, _ file: UnsafeMutablePointer<BGZF>?, _ descriptor: Int32
  ) -> StudyError {
    var code = errno
    if let file { bgzf_close(file) }
    if code == 0 {
      // The write failed on a thread of htslib's, whose errno is lost: a write of our own meets the same fate.
      var block = [UInt8](repeating: 0, count: 1 << 16)
      code = write(descriptor, &block, block.count) < block.count ? errno : EIO
    }
    close(descriptor)
    removeTemporaries()
    let error = StudyError.unwritable(path, code == 0 ? ENOSPC : code)
    state = .failed(error)
    return error
  }

  private func removeTemporaries() {
    unlink(temporaryPath)
    if index != nil { for suffix in TabixIndex.suffixes { unlink(temporaryPath + suffix) } }
  }
}

extension StudyError {
  static func unwritable(_ path: String, _ code: Int32) -> StudyError {
    StudyError(
      .environment, file: path, "cannot be written: \(String(cString: strerror(code)))",
      remedy: code == ENOSPC || code == EDQUOT
        ? "free some space or write to another disk" : "check the directory and its permissions")
  }
}
