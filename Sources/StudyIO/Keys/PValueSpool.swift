public import StudyData
import Synchronization

/// Ascending ln p that lie in a finished file: doubles of this machine's byte order.
public struct PValueSection: Sendable, Equatable {
  public var path: String
  /// Of the first, in bytes.
  public var offset: Int
  public var count: Int

  public init(path: String, offset: Int, count: Int) {
    precondition(offset >= 0 && count >= 0)
    (self.path, self.offset, self.count) = (path, offset, count)
  }
}

/// Sorts ln p of any number in bounded memory: what does not fit is held as sorted runs in an unlinked temporary file, which are
/// merged at the end.
///
/// Calls may come from any thread. As long as all keys fit the memory there is no file.
///
/// - Complexity: memory for `capacity` keys and half as much while a full buffer is sorted. On disk the keys once while they
///   come and twice while they are merged, plus the sections; a pass over them for each factor of `fanIn` in the number of runs,
///   which is one up to 5 × 10⁸ keys with the defaults.
public final class PValueSpool: Sendable {
  private struct State {
    var filled = 0
    /// Of `runs`.
    var held = 0
    var runs: [KeyRun] = []
    var file: KeyFile?
    var end = 0
    var isFinished = false
  }

  private let prefix: String
  private let capacity: Int
  private let fanIn: Int
  /// Collects, and is what runs are merged in.
  private let buffer: KeyBuffer
  private let state = Mutex(State())

  /// - Parameters:
  ///   - prefix: temporary files are made in its directory.
  ///   - capacity: keys held in memory; the default is 32 MiB.
  ///   - fanIn: runs merged at a time, and sections open at a time.
  public init(prefix: String, capacity: Int = 1 << 22, fanIn: Int = 128) {
    precondition(capacity > 0 && (2...256).contains(fanIn))
    (self.prefix, self.capacity, self.fanIn) = (prefix, capacity, fanIn)
    buffer = KeyBuffer(capacity: max(capacity, fanIn + 1))
  }

  /// All ln p so far.
  public var count: Int { state.withLock { $0.held + $0.filled } }

  /// - Precondition: none is NaN; the spool is not finished.
  /// - Throws: ``StudyError`` `environment` when the disk is full or fails.
  public func append(_ logP: [Double]) throws(StudyError) {
    try state.withLock { (state: inout State) throws(StudyError) in
      precondition(!state.isFinished)
      for value in logP {
        precondition(!value.isNaN)
        if state.filled == capacity { try spill(&state) }
        buffer.keys[state.filled] = value
        state.filled += 1
      }
    }
  }

  /// ln p that were sorted elsewhere; their file must stay as it is until ``finish()`` returns, which reads it.
  public func append(_ section: PValueSection) {
    guard section.count > 0 else { return }
    state.withLock { state in
      precondition(!state.isFinished)
      state.runs.append(
        KeyRun(place: .path(section.path), offset: section.offset, count: section.count))
      state.held += section.count
    }
  }

  /// All ln p in ascending order. The spool cannot be used after.
  ///
  /// - Throws: ``StudyError``: `environment` when the disk is full or fails or a section's file cannot be read; `malformed` when
  ///   that ends too early or does not ascend.
  public func finish() throws(StudyError) -> SortedPValues {
    try state.withLock { (state: inout State) throws(StudyError) in
      precondition(!state.isFinished)
      state.isFinished = true
      if state.held + state.filled <= capacity {
        for run in state.runs { try load(run, &state) }
        sort(state)
        return SortedPValues(.memory(buffer), count: state.filled)
      }
      if state.filled > 0 { try spill(&state) }
      var runs = state.runs
      // Only their runs keep files open from here on.
      state = State(isFinished: true)
      repeat { runs = try merge(runs) } while runs.count > 1
      guard case .open(let file) = runs[0].place else { preconditionFailure("a section remains") }
      return SortedPValues(.file(file), count: runs[0].count)
    }
  }

  private func sort(_ state: State) {
    var filled = UnsafeMutableBufferPointer(rebasing: buffer.keys[..<state.filled])
    filled.sort()
  }

  private func spill(_ state: inout State) throws(StudyError) {
    let file = if let file = state.file { file } else { try KeyFile(temporaryAt: prefix) }
    state.file = file
    sort(state)
    let run = KeyRun(place: .open(file), offset: state.end, count: state.filled)
    try file.write(UnsafeBufferPointer(rebasing: buffer.keys[..<run.count]), at: run.offset)
    state.runs.append(run)
    state.end += run.count * MemoryLayout<Double>.stride
    state.held += run.count
    state.filled = 0
  }

  /// Appends a section to the buffer, where it fits.
  private func load(_ run: KeyRun, _ state: inout State) throws(StudyError) {
    let keys = UnsafeMutableBufferPointer(rebasing: buffer.keys[state.filled..<state.filled + run.count])
    let file = try run.open()
    try file.read(keys, at: run.offset)
    try file.requireAscending(UnsafeBufferPointer(keys), from: -.infinity)
    state.filled += run.count
  }

  /// One pass: a file of runs that are up to `fanIn` times as long.
  private func merge(_ runs: [KeyRun]) throws(StudyError) -> [KeyRun] {
    let file = try KeyFile(temporaryAt: prefix)
    var end = 0
    var merged: [KeyRun] = []
    for start in stride(from: 0, to: runs.count, by: fanIn) {
      let offset = end
      let group = Array(runs[start..<min(start + fanIn, runs.count)])
      try KeyMerge.merge(group, in: buffer.keys) { (piece) throws(StudyError) in
        try file.write(piece, at: end)
        end += piece.count * MemoryLayout<Double>.stride
      }
      merged.append(
        KeyRun(
          place: .open(file), offset: offset, count: (end - offset) / MemoryLayout<Double>.stride))
    }
    return merged
  }
}
