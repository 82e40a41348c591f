import Glibc
public import StudyData
import Synchronization

/// What a run has finished so far, block by block, on disk: a run that died goes on after the last whole record.
///
/// Little-endian:
///
/// | bytes | content |
/// |---|---|
/// | 8 | `SwQTLjnl` |
/// | 16 | UInt64: version, 1; UInt64 L |
/// | L | identity: what is computed from what |
/// | 16 | XXH3-128 of all before, high half first |
/// | | records: |
/// | 32 | UInt64 × 4: number from 0, kind (0 a block, 1 the end), bytes of the head, bytes of the body |
/// | 16 | XXH3-128 of the header's hash, these numbers and the head |
/// | 16 | XXH3-128 of that hash and the body |
/// | | head, body |
///
/// Every checksum holds the identity and the record's number, so no record of another run or place is taken for one's own. Records go to
/// the kernel one by one, without waiting for the disk: after a power cut those from the first damaged one on are done again.
/// With an end record the file is complete.
///
/// One process at a time writes a journal: it holds a lock, which goes with the process.
public final class Journal: Sendable {
  public let path: String
  private let state: Mutex<State>

  private struct State {
    var descriptor: Int32
    /// Of the header.
    var hash: [UInt64]
    var count = 0
    /// Where the next record goes.
    var end: Int
  }

  private init(path: String, _ state: State) {
    self.path = path
    self.state = Mutex(state)
  }

  deinit { state.withLock { Self.close($0.descriptor) } }

  /// Blocks that are there.
  public var count: Int { state.withLock(\.count) }

  /// A new journal; one that was there is overwritten.
  ///
  /// - Throws: ``StudyError`` `environment` when it cannot be written, or another process writes it.
  public static func create(_ path: String, identity: String) throws(StudyError) -> Journal {
    let descriptor = try openLocked(path)
    do throws(StudyError) {
      return Journal(path: path, try start(descriptor, JournalHeader(identity), path))
    } catch {
      Self.close(descriptor)
      throw error
    }
  }

  /// Goes on with a journal; starts one where there is none, or where not even its header is whole.
  ///
  /// Records from the first that is not whole on are cut off.
  ///
  /// - Parameter remedy: what to do about a journal of another run.
  /// - Throws: ``StudyError``: `inconsistent` when it is of another run, `environment` as ``create(_:identity:)``.
  public static func resume(_ path: String, identity: String, remedy: String) throws(StudyError) -> Journal {
    let descriptor = try openLocked(path)
    do throws(StudyError) {
      let own = JournalHeader(identity)
      guard let found = try JournalHeader.read(from: descriptor, path) else {
        return Journal(path: path, try start(descriptor, own, path))
      }
      guard found.identity == identity else {
        throw StudyError(
          .inconsistent, file: path, "the journal is of a run with other inputs, options or program",
          remedy: remedy)
      }
      var state = State(descriptor: descriptor, hash: own.hash, end: own.bytes.count)
      var records = JournalRecords(descriptor: descriptor, header: own, path: path)
      while case .record(let record) = try records.next(), record.kind == .block,
        try records.body(of: record) != nil
      {
        state.count += 1
        state.end = record.end
      }
      guard ftruncate(descriptor, off_t(state.end)) == 0 else { throw .unwritable(path, errno) }
      return Journal(path: path, state)
    } catch {
      Self.close(descriptor)
      throw error
    }
  }

  /// Appends a finished block.
  ///
  /// - Throws: ``StudyError`` `environment` when the disk is full or fails; the journal can be resumed all the same.
  public func append(head: [UInt8], body: [UInt8]) throws(StudyError) {
    try put(.block, head, body)
  }

  /// Appends the end, and puts the file in its place when it is on the disk for certain.
  public func finish(_ head: [UInt8] = [], publishedAs final: String) throws(StudyError) {
    try put(.end, head, [])
    try state.withLock { (state: inout State) throws(StudyError) in
      guard fsync(state.descriptor) == 0, rename(path, final) == 0 else { throw .unwritable(final, errno) }
    }
  }

  public func remove() { unlink(path) }

  /// Whether a process has the journal open.
  public static func isBeingWritten(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0
  }

  private func put(_ kind: JournalRecords.Kind, _ head: [UInt8], _ body: [UInt8]) throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      let record = JournalRecords.header(
        number: state.count, kind, head: head, body: body, ofJournal: state.hash)
      var end = state.end
      for bytes in [record + head, body] where !bytes.isEmpty {
        try Self.write(bytes, to: state.descriptor, at: end, path)
        end += bytes.count
      }
      state.end = end
      if kind == .block { state.count += 1 }
    }
  }

  private static func start(_ descriptor: Int32, _ header: JournalHeader, _ path: String) throws(StudyError)
    -> State
  {
    guard ftruncate(descriptor, 0) == 0 else { throw .unwritable(path, errno) }
    try write(header.bytes, to: descriptor, at: 0, path)
    return State(descriptor: descriptor, hash: header.hash, end: header.bytes.count)
  }

  private static func openLocked(_ path: String) throws(StudyError) -> Int32 {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .unwritable(path, errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      Glibc.close(descriptor)
      throw StudyError(
        .environment, file: path, "another process is writing the journal",
        remedy: "wait for it, or end it first")
    }
    return descriptor
  }

  /// The lock goes first: a process that another thread is just starting has the descriptor, too, until it runs its program.
  private static func close(_ descriptor: Int32) {
    _ = flock(descriptor, LOCK_UN)
    Glibc.close(descriptor)
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int, _ path: String)
    throws(StudyError)
  {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress! + done, bytes.count - done, off_t(offset + done))
      }
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw .unwritable(path, errno)
      }
    }
  }
}
