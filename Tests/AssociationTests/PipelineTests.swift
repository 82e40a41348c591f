import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Association

@Suite struct PipelineTests {
  private struct Failure: Error, Equatable {
    var at: Int
  }

  /// Runs `count` items through a pipeline that doubles them; returns what was emitted.
  private func run(
    workers: Int, window: Int, count: Int, next failingNext: Int? = nil,
    work: @escaping @Sendable (Int) throws -> Void = { _ in },
    emit: @escaping @Sendable (Int) throws -> Void = { _ in }
  ) -> (emitted: [Int], error: (any Error)?) {
    let source = Mutex(0)
    let emitted = Mutex<[Int]>([])
    do {
      try orderedPipeline(
        workers: workers, window: window,
        next: { () throws -> Int? in
          try source.withLock { position in
            if position == failingNext { throw Failure(at: position) }
            guard position < count else { return nil }
            defer { position += 1 }
            return position
          }
        },
        scratch: { 0 },
        work: { (_: inout Int, item) throws -> Int in
          try work(item)
          return 2 * item
        },
        emit: { value in
          try emit(value / 2)
          emitted.withLock { $0.append(value) }
        })
      return (emitted.withLock { $0 }, nil)
    } catch {
      return (emitted.withLock { $0 }, error)
    }
  }

  private static func spin(_ seed: Int) {
    var generator = SplitMix64(UInt64(seed))
    var sum = 0.0
    for _ in 0..<Int.random(in: 0...3000, using: &generator) { sum += generator.uniform() }
    #expect(sum >= 0)
  }

  @Test(arguments: [1, 2, 3, 8], [0, 1, 5, 200])
  func everythingIsEmittedInOrder(workers: Int, count: Int) {
    for window in [1, workers, 2 * workers] {
      let (emitted, error) = run(workers: workers, window: window, count: count, work: { Self.spin($0) })
      #expect(emitted == (0..<count).map { 2 * $0 })
      #expect(error == nil)
    }
  }

  @Test(arguments: [1, 2, 3, 8]) func errorsOfTheReaderPropagate(workers: Int) {
    for position in [0, 1, 17] {
      let (emitted, error) = run(workers: workers, window: 4, count: 100, next: position)
      #expect(error as? Failure == Failure(at: position))
      #expect(emitted == Array((0..<position).map { 2 * $0 }.prefix(emitted.count)))
    }
  }

  @Test(arguments: [1, 2, 3, 8]) func errorsOfTheWorkPropagate(workers: Int) {
    for position in [0, 1, 17, 99] {
      let (emitted, error) = run(
        workers: workers, window: 4, count: 100,
        work: { if $0 == position { throw Failure(at: $0) } })
      #expect(error as? Failure == Failure(at: position))
      // Nothing behind the failure is emitted, and what is emitted has no gap.
      #expect(emitted.count <= position)
      #expect(emitted == Array((0..<100).map { 2 * $0 }.prefix(emitted.count)))
    }
  }

  @Test(arguments: [1, 2, 3, 8]) func errorsOfTheSinkPropagate(workers: Int) {
    let (emitted, error) = run(
      workers: workers, window: 4, count: 100,
      work: { Self.spin($0) }, emit: { if $0 == 13 { throw Failure(at: $0) } })
    #expect(error as? Failure == Failure(at: 13))
    #expect(emitted == (0..<13).map { 2 * $0 })
  }

  /// Chunk 1 fails at once, chunk 0 later: the caller hears of chunk 0, as with one worker.
  @Test func theFirstFailureInChunkOrderWins() {
    let second = DispatchSemaphore(value: 0)
    let (emitted, error) = run(
      workers: 2, window: 4, count: 10,
      work: { item in
        if item == 0 {
          // Not forever: where one thread serves both workers, chunk 1 is never started before chunk 0 ends.
          _ = second.wait(timeout: .now() + .seconds(5))
          throw Failure(at: 0)
        }
        if item == 1 {
          second.signal()
          throw Failure(at: 1)
        }
      })
    #expect(error as? Failure == Failure(at: 0))
    #expect(emitted.isEmpty)
  }

  /// Chunk 0 fails while the output of chunk 1 waits for it and nobody else is at work: what it held must not trap on the way out.
  @Test func outputsBehindAFailureAreLetGo() {
    for _ in 0..<5 {
      let second = DispatchSemaphore(value: 0)
      let (emitted, error) = run(
        workers: 2, window: 2, count: 10,
        work: { item in
          if item == 1 { second.signal() }
          guard item == 0 else { return }
          _ = second.wait(timeout: .now() + .seconds(5))
          // Until chunk 1 is handed in.
          usleep(20_000)
          throw Failure(at: 0)
        })
      #expect(error as? Failure == Failure(at: 0))
      #expect(emitted.isEmpty)
    }
  }

  @Test(arguments: [1, 3, 6]) func noMoreThanTheWindowIsInFlight(window: Int) {
    let state = Mutex((started: 0, emitted: 0, most: 0))
    let (emitted, _) = run(
      workers: 3, window: window, count: 300,
      work: { item in
        state.withLock { state in
          state.started += 1
          state.most = max(state.most, state.started - state.emitted)
        }
        Self.spin(item)
      }, emit: { _ in state.withLock { $0.emitted += 1 } })
    #expect(emitted.count == 300)
    #expect(state.withLock { $0.most } <= max(window, 3))
  }

  @Test func everyWorkerFinishesOnce() throws {
    let finished = Mutex(0)
    let total = Mutex(0)
    let source = Mutex(0)
    try orderedPipeline(
      workers: 5, window: 10,
      next: { () throws -> Int? in
        source.withLock { position in
          defer { position += 1 }
          return position < 50 ? position : nil
        }
      },
      scratch: { 0 },
      work: { (own: inout Int, item) throws -> Int in
        own += item
        return item
      },
      finish: { own in
        finished.withLock { $0 += 1 }
        total.withLock { $0 += own }
      }, emit: { _ in })
    #expect(finished.withLock { $0 } == 5)
    #expect(total.withLock { $0 } == 49 * 50 / 2)
  }
}
