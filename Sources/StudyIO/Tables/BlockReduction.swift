import Dispatch
import StudyData
import Synchronization

extension LineReader {
  /// Parses the lines that are left by blocks on `workers` threads and merges what comes of them in the file's order.
  ///
  /// - Parameters:
  ///   - parse: called by any thread. Which blocks there are does not depend on `workers`.
  ///   - merge: called by one thread at a time, with the share of the file that was read by the end of the block.
  /// - Throws: the first error in the file's order, of reading or of `merge`.
  func reduceBlocks<Sum: Sendable, Part: Sendable>(
    into initial: Sum, workers: Int, parse: @Sendable (TextBlock) -> Part,
    merge: @Sendable (inout Sum, Part, _ fraction: Double?) throws(StudyError) -> Void
  ) throws(StudyError) -> Sum {
    let queue = Mutex(BlockQueue(reader: self))
    let reduction = Mutex(OrderedReduction<Sum, Part>(sum: initial))
    DispatchQueue.concurrentPerform(iterations: workers) { _ in
      while let block = queue.withLock({ $0.next() }) {
        let part = block.text.map(parse)
        let isGood = reduction.withLock {
          $0.deposit(part, at: block.ordinal, fraction: block.fraction, merge: merge)
        }
        // The blocks before it are with their workers: an error of theirs still comes first.
        if !isGood { queue.withLock { $0.stop() } }
      }
    }
    return try reduction.withLock { $0.take() }.get()
  }
}

/// Numbers the blocks of a file.
private struct BlockQueue: @unchecked Sendable {  // The reader is used under the queue's lock alone.
  private let reader: LineReader
  private var count = 0
  private var isDone = false

  init(reader: LineReader) { self.reader = reader }

  mutating func stop() { isDone = true }

  /// The next block, or the error that takes its place; nil behind the last.
  mutating func next() -> (ordinal: Int, text: Result<TextBlock, StudyError>, fraction: Double?)? {
    if isDone { return nil }
    defer { count += 1 }
    do throws(StudyError) {
      guard let block = try reader.nextBlock() else {
        isDone = true
        return nil
      }
      return (count, .success(block), reader.fraction)
    } catch {
      isDone = true
      return (count, .failure(error), nil)
    }
  }
}

/// Takes parts in any order and merges them by their ordinals.
private struct OrderedReduction<Sum: Sendable, Part: Sendable>: Sendable {
  private var sum: Sum?
  private var failure: StudyError?
  private var pending: [Int: (part: Result<Part, StudyError>, fraction: Double?)] = [:]
  private var nextOrdinal = 0

  init(sum: Sum) { self.sum = sum }

  /// Merges what is now in sequence; false after an error.
  mutating func deposit(
    _ part: Result<Part, StudyError>, at ordinal: Int, fraction: Double?,
    merge: (inout Sum, Part, Double?) throws(StudyError) -> Void
  ) -> Bool {
    pending[ordinal] = (part, fraction)
    while failure == nil, let next = pending.removeValue(forKey: nextOrdinal) {
      nextOrdinal += 1
      do throws(StudyError) { try merge(&sum!, next.part.get(), next.fraction) } catch { failure = error }
    }
    return failure == nil
  }

  /// Gives the sum away, so that it is the caller's to change without a copy.
  mutating func take() -> Result<Sum, StudyError> {
    defer { sum = nil }
    if let failure { return .failure(failure) }
    return .success(sum!)
  }
}
