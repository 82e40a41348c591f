public import StudyData
import Synchronization

/// The table of everything that was left out: `kind id reason detail`, one row per ``Drop``.
///
/// Rows stream to disk; only the counts by reason are kept. Calls may come from any thread, the caller orders them.
public final class DropWriter: Sendable {
  private let writer: TableWriter
  private let state: Mutex<(buffer: RowBuffer, counts: [String: [String: Int]])>

  /// Writes the header; `writer` stays the caller's to commit.
  public init(_ writer: TableWriter) throws(StudyError) {
    self.writer = writer
    state = Mutex((RowBuffer(), [:]))
    try writer.append(bytes: Array("kind\tid\treason\tdetail\n".utf8))
  }

  public func append(_ drops: some Sequence<Drop>) throws(StudyError) {
    try state.withLock { (state) throws(StudyError) in
      state.buffer.removeAll()
      for drop in drops {
        state.buffer.append(drop.item.rawValue)
        for cell in [drop.id, drop.reason, drop.detail] {
          state.buffer.appendTab()
          state.buffer.append(cell)
        }
        state.buffer.appendNewline()
        state.counts[drop.item.rawValue, default: [:]][drop.reason, default: 0] += 1
      }
      try writer.append(state.buffer)
    }
  }

  /// The number of drops by kind (`variant`, `sample`, …) and reason.
  public var counts: [String: [String: Int]] { state.withLock { $0.counts } }
}
