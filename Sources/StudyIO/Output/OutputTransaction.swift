public import StudyData
import Synchronization

/// Several result files that appear together or not at all.
///
/// Files are created with ``open(_:compression:index:)``; ``commit()`` closes and indexes all of them before it renames
/// the first. A run that throws lets go of the transaction (or calls ``abort()``): nothing is left behind and results
/// of an earlier run stay as they were.
public final class OutputTransaction: Sendable {
  private let writers = Mutex<[TableWriter]>([])
  /// Set under the lock of `writers`.
  private let isAborted = Atomic(false)

  public init() {}

  deinit { abort() }

  /// - Precondition: no other file of the transaction has this path.
  /// - Throws: ``StudyError`` of kind `environment` when the file cannot be created, or after ``abort()``.
  public func open(
    _ path: String, compression: TableWriter.Compression = .bgzf(), index: TabixIndex? = nil
  ) throws(StudyError) -> TableWriter {
    // Under the lock: an abort from another thread either removes the file or keeps it from being made.
    try writers.withLock { (writers: inout [TableWriter]) throws(StudyError) -> TableWriter in
      guard !isAborted.load(ordering: .relaxed) else {
        throw StudyError(.environment, file: path, "the run was ended", remedy: "run it again")
      }
      precondition(!writers.contains { $0.path == path }, "\(path) is opened twice")
      let writer = try TableWriter(path: path, compression: compression, index: index)
      writers.append(writer)
      return writer
    }
  }

  /// Puts all files in place. After a failure none of this run's is left.
  ///
  /// An ``abort()`` from another thread waits until all are there or none is.
  public func commit() throws(StudyError) {
    try writers.withLock { (writers: inout [TableWriter]) throws(StudyError) in
      defer { writers = [] }
      try Self.commit(writers)
    }
  }

  private static func commit(_ writers: [TableWriter]) throws(StudyError) {
    do {
      for writer in writers { try writer.finish() }
    } catch {
      for writer in writers { writer.abort() }
      throw error
    }
    for (count, writer) in writers.enumerated() {
      do {
        try writer.publish()
      } catch {
        for published in writers[..<count] { published.retract() }
        for rest in writers[count...] { rest.abort() }
        throw error
      }
    }
  }

  /// Removes everything that is not committed.
  public func abort() {
    writers.withLock { writers in
      isAborted.store(true, ordering: .relaxed)
      for writer in writers { writer.abort() }
      writers = []
    }
  }
}
