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
        state.buffer.append(drop)
        state.counts[drop.item.rawValue, default: [:]][drop.reason, default: 0] += 1
      }
      try writer.append(state.buffer)
    }
  }

  /// Appends rows that were made before.
  ///
  /// - Precondition: where they are compressed, so is the writer's text.
  public func append(_ rows: DropRows) throws(StudyError) {
    try state.withLock { (state) throws(StudyError) in
      for (kind, counts) in rows.counts {
        state.counts[kind, default: [:]].merge(counts, uniquingKeysWith: +)
      }
      let bytes = rows.allBytes
      if rows.level == nil {
        try writer.append(bytes: bytes)
      } else {
        try writer.append(BGZFBlocks(compressed: bytes))
      }
    }
  }

  /// The number of drops by kind (`variant`, `sample`, …) and reason.
  public var counts: [String: [String: Int]] { state.withLock { $0.counts } }
}

/// Rows of the table of everything that was left out, to be kept until the table is written.
public struct DropRows: Sendable {
  private var bytes: [UInt8] = []
  private var waiting: [Drop] = []
  /// As ``DropWriter/counts``.
  private(set) var counts: [String: [String: Int]] = [:]
  fileprivate let level: Int?

  /// Drops that are compressed together.
  private static let batch = 4096

  /// - Parameter level: zlib's, 0…9; nil for rows that stay text, as whoever writes the file wants them.
  public init(level: Int?) { self.level = level }

  public mutating func append(_ drops: [Drop]) {
    for drop in drops { counts[drop.item.rawValue, default: [:]][drop.reason, default: 0] += 1 }
    waiting += drops
    if waiting.count >= Self.batch {
      bytes += rendered(waiting)
      waiting.removeAll(keepingCapacity: true)
    }
  }

  fileprivate var allBytes: [UInt8] { bytes + rendered(waiting) }

  private func rendered(_ drops: [Drop]) -> [UInt8] {
    var rows = RowBuffer()
    for drop in drops { rows.append(drop) }
    return level.map { BGZFBlocks(rows, level: $0).bytes } ?? rows.withUnsafeBytes { Array($0) }
  }

  package func encode(to encoder: inout ByteEncoder) {
    let flat = counts.flatMap { kind, counts in counts.map { (kind, $0.key, $0.value) } }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    encoder.put(flat.map(\.0))
    encoder.put(flat.map(\.1))
    encoder.put(flat.map(\.2))
    encoder.put(allBytes)
  }

  /// - Parameter level: that of the rows encoded.
  package init(_ decoder: inout ByteDecoder, level: Int?) throws(ByteDecoder.Failure) {
    self.init(level: level)
    let (kinds, reasons) = (try decoder.texts(), try decoder.texts())
    let numbers: [Int] = try decoder.values()
    guard kinds.count == numbers.count, reasons.count == numbers.count else { throw ByteDecoder.Failure() }
    for k in kinds.indices { counts[kinds[k], default: [:]][reasons[k]] = numbers[k] }
    bytes = try decoder.values()
  }
}

extension RowBuffer {
  fileprivate mutating func append(_ drop: Drop) {
    append(drop.item.rawValue)
    for cell in [drop.id, drop.reason, drop.detail] {
      appendTab()
      append(cell)
    }
    appendNewline()
  }
}
