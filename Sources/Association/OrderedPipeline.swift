internal import Dispatch
internal import StudyData
internal import Synchronization

/// Chunks in, results out in the order of the chunks, with `workers` of them worked on at once.
///
/// `next` is called under a lock (file reading), `work` by any worker, `emit` under another lock in chunk order. At most
/// `window` chunks are between `next` and `emit`, so memory is bounded however uneven the work is. The first error, in chunk
/// order, stops everything and is thrown.
package func orderedPipeline<Item: Sendable, Output: Sendable, Scratch>(
  workers: Int, window: Int,
  next: @escaping @Sendable () throws -> Item?,
  scratch: @escaping @Sendable () -> Scratch,
  work: @escaping @Sendable (inout Scratch, Item) throws -> Output,
  finish: @escaping @Sendable (inout Scratch) -> Void = { _ in },
  emit: @escaping @Sendable (Output) throws -> Void
) throws {
  let state = Mutex(PipelineState<Output>())
  let reader = Mutex(0)
  // Taken before a chunk is read, given back when it is emitted. No deadlock: chunks are read in order, so the earliest
  // one outstanding is always with a running worker.
  // Created empty: libdispatch traps when a semaphore goes with less than it was created with, as after a failure that leaves
  // outputs behind.
  let slots = DispatchSemaphore(value: 0)
  for _ in 0..<max(window, workers) { slots.signal() }

  DispatchQueue.concurrentPerform(iterations: max(1, workers)) { _ in
    var own = scratch()
    while true {
      slots.wait()
      var failure: (any Error)?
      let item: (ordinal: Int, value: Item)? = reader.withLock { ordinal in
        guard !state.withLock({ $0.isStopped }) else { return nil }
        do {
          guard let value = try next() else { return nil }
          defer { ordinal += 1 }
          return (ordinal, value)
        } catch {
          failure = error
          defer { ordinal += 1 }
          state.withLock { $0.fail(error, at: ordinal) }
          return nil
        }
      }
      guard let item, failure == nil else {
        slots.signal()
        break
      }
      do {
        let output = try work(&own, item.value)
        let emitted = state.withLock { $0.deposit(output, at: item.ordinal, emit: emit) }
        for _ in 0..<emitted { slots.signal() }
      } catch {
        state.withLock { $0.fail(error, at: item.ordinal) }
        slots.signal()
        break
      }
    }
    finish(&own)
  }
  if let error = state.withLock({ $0.error }) { throw error }
}

private struct PipelineState<Output: Sendable> {
  private var pending: [Int: Output] = [:]
  private var nextOrdinal = 0
  private var failedAt = Int.max
  private(set) var error: (any Error)?

  /// No new chunk is started after a failure; chunks before the failed one still report theirs.
  var isStopped: Bool { error != nil }

  mutating func fail(_ error: any Error, at ordinal: Int) {
    guard ordinal < failedAt else { return }
    failedAt = ordinal
    self.error = error
  }

  /// Emits what is now in sequence; returns how many slots came free.
  mutating func deposit(_ output: Output, at ordinal: Int, emit: (Output) throws -> Void) -> Int {
    pending[ordinal] = output
    var emitted = 0
    while nextOrdinal < failedAt, let output = pending.removeValue(forKey: nextOrdinal) {
      do { try emit(output) } catch { fail(error, at: nextOrdinal) }
      nextOrdinal += 1
      emitted += 1
    }
    // After a failure nothing later will ever be emitted: let the workers run out.
    if error != nil {
      emitted += pending.count
      pending.removeAll()
    }
    return emitted
  }
}
