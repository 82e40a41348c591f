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
    /// BGZF at zlib `level` 0…9.
    case bgzf(level: Int = 6)
    /// A Parquet file instead of text, its pages at zstd's `level` 1…19. Lines are appended as text all the same, the header first; numbers
    /// keep the digits that they have there, and `NA` is null.
    case parquet(level: Int = 3)
  }

  public let path: String
  let temporaryPath: String
  private let state: Mutex<State>

  private struct State {
    var sink: ByteSink
    /// What makes bytes of lines, where the file is no text.
    var parquet: ParquetTable?
    var index: TabixIndex?
    var phase = Phase.writing

    /// - Parameter path: for the message.
    mutating func put(_ path: String, _ body: (inout ByteSink) throws(SystemFailure) -> Void)
      throws(StudyError)
    {
      do throws(SystemFailure) {
        try body(&sink)
      } catch {
        throw .unwritable(path, error.code)
      }
    }
  }

  private enum Phase {
    case writing
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
    let level: Int? = if case .bgzf(let level) = compression { level } else { nil }
    precondition(index == nil || level != nil, "only a BGZF file can be indexed")
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw .unwritable(path, EISDIR)
    }
    let descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .unwritable(path, errno) }
    let parquet: ParquetTable? =
      if case .parquet(let level) = compression { ParquetTable(path: path, level: level) } else { nil }
    self.path = path
    self.temporaryPath = temporaryPath
    state = Mutex(State(sink: ByteSink(descriptor: descriptor, level: level), parquet: parquet, index: index))
  }

  deinit { abort() }

  /// Tells at once what would keep a table from being put at `path` in the end.
  ///
  /// - Throws: ``StudyError`` `environment`.
  public static func requireWritable(_ path: String) throws(StudyError) {
    try TableWriter(path: path).abort()
  }

  /// - Parameter bytes: whole lines.
  /// - Throws: ``StudyError`` of kind `environment` when the disk is full or fails; then every later call throws it too.
  public func append(bytes: UnsafeRawBufferPointer) throws(StudyError) {
    try write { (state) throws(StudyError) in
      guard state.parquet != nil else {
        try state.put(path) { (sink) throws(SystemFailure) in try sink.append(bytes) }
        return
      }
      let encoded = try state.parquet?.append(bytes) ?? []
      try state.put(path) { (sink) throws(SystemFailure) in try sink.append(encoded) }
    }
  }

  public func append(bytes: [UInt8]) throws(StudyError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(StudyError) in
      try append(bytes: UnsafeRawBufferPointer(bytes))
    }
  }

  public func append(_ rows: borrowing RowBuffer) throws(StudyError) {
    try rows.withUnsafeBytes { (bytes) throws(StudyError) in try append(bytes: bytes) }
  }

  /// Appends rows that a worker has compressed already.
  ///
  /// - Precondition: the writer compresses.
  public func append(_ rows: BGZFBlocks) throws(StudyError) {
    try write { (state) throws(StudyError) in
      try state.put(path) { (sink) throws(SystemFailure) in try sink.append(rows) }
    }
  }

  /// The file goes without the index asked for: its rows turned out not to be sorted.
  public func dropIndex() { state.withLock { $0.index = nil } }

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
      switch state.phase {
      case .failed, .published: break
      case .writing, .finished:
        _ = fail(
          &state, StudyError(.environment, file: path, "the output was given up", remedy: "run again"))
      }
    }
  }

  /// Everything of ``commit()`` that is likely to fail: the first half of a transaction. May be called twice.
  ///
  /// - Returns: the suffix of the index, nil where there is none.
  @discardableResult
  public func finish() throws(StudyError) -> String? {
    if case .finished(let indexSuffix) = state.withLock(\.phase) { return indexSuffix }
    try write { (state) throws(StudyError) in
      let rest = state.parquet?.finish() ?? []
      try state.put(path) { (sink) throws(SystemFailure) in
        try sink.append(rest)
        try sink.finish()
        try sink.close()
      }
    }
    return try state.withLock { (state: inout State) throws(StudyError) in
      do throws(StudyError) {
        let indexSuffix = try state.index?.build(temporaryPath, shownAs: path)
        state.phase = .finished(indexSuffix: indexSuffix)
        return indexSuffix
      } catch {
        throw fail(&state, error)
      }
    }
  }

  /// Renames what ``finish()`` closed; an index left by an older file of this name would lie, so it goes.
  func publish() throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      guard case .finished(let indexSuffix) = state.phase else { preconditionFailure("not finished") }
      guard rename(temporaryPath, path) == 0 else { throw fail(&state, .unwritable(path, errno)) }
      for suffix in TabixIndex.suffixes where suffix != indexSuffix { unlink(path + suffix) }
      if let indexSuffix, rename(temporaryPath + indexSuffix, path + indexSuffix) != 0 {
        let code = errno
        unlink(path)
        throw fail(&state, .unwritable(path + indexSuffix, code))
      }
      state.phase = .published
    }
  }

  /// Undoes ``publish()`` when another file of the transaction cannot be published.
  func retract() {
    unlink(path)
    for suffix in TabixIndex.suffixes { unlink(path + suffix) }
  }

  private func write(_ body: (inout State) throws(StudyError) -> Void) throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      switch state.phase {
      case .writing:
        do throws(StudyError) {
          try body(&state)
        } catch {
          throw fail(&state, error)
        }
      case .failed(let error): throw error
      case .finished, .published: preconditionFailure("the file is closed")
      }
    }
  }

  /// Closes and removes the file; every later call throws `error`, too.
  private func fail(_ state: inout State, _ error: StudyError) -> StudyError {
    try? state.sink.close()
    state.phase = .failed(error)
    unlink(temporaryPath)
    if state.index != nil { for suffix in TabixIndex.suffixes { unlink(temporaryPath + suffix) } }
    return error
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
