import StudyData

/// One ascending sequence out of several, in pieces: a tournament whose inner nodes keep the loser (the larger key), so that
/// each key costs one comparison a level.
///
/// - Source: Knuth 1998, The Art of Computer Programming 3, section 5.4.1.
enum KeyMerge {
  private struct Entrant {
    var key: Double
    var run: Int
  }

  /// Calls `emit` with all keys of `runs`, piece by piece.
  ///
  /// - Parameter room: is divided among the runs and the piece; at least one key more than runs.
  /// - Throws: ``StudyError``: what a file throws; `malformed` when a run does not ascend.
  /// - Complexity: log₂ of the number of runs comparisons per key; as many files open as runs have paths.
  static func merge(
    _ runs: [KeyRun], in room: UnsafeMutableBufferPointer<Double>,
    _ emit: (UnsafeBufferPointer<Double>) throws(StudyError) -> Void
  ) throws(StudyError) {
    let size = room.count / (runs.count + 1)
    func slice(_ index: Int) -> UnsafeMutableBufferPointer<Double> {
      .init(rebasing: room[index * size..<(index + 1) * size])
    }
    precondition(size > 0)
    let readers = UnsafeMutableBufferPointer<RunReader>.allocate(capacity: runs.count)
    var opened = 0
    defer {
      readers[..<opened].deinitialize()
      readers.deallocate()
    }
    for run in runs {
      readers.initializeElement(at: opened, to: try RunReader(run, slice(opened)))
      opened += 1
    }
    let tree = UnsafeMutableBufferPointer<Entrant>.allocate(capacity: max(1, runs.count))
    defer { tree.deallocate() }
    var winner = try start(tree, readers)

    let piece = slice(runs.count)
    var left = runs.reduce(0) { $0 + $1.count }
    while left > 0 {
      let count = min(left, piece.count)
      for place in 0..<count {
        piece[place] = winner.key
        winner.key = try readers[winner.run].next()
        var node = (winner.run + runs.count) / 2
        while node > 0 {
          let loser = tree[node]
          if loser.key < winner.key {
            tree[node] = winner
            winner = loser
          }
          node /= 2
        }
      }
      try emit(UnsafeBufferPointer(rebasing: piece[..<count]))
      left -= count
    }
  }

  /// The first round: node i plays out its children 2i and 2i + 1, run r being the leaf `runs.count` + r.
  private static func start(
    _ tree: UnsafeMutableBufferPointer<Entrant>, _ readers: UnsafeMutableBufferPointer<RunReader>
  ) throws(StudyError) -> Entrant {
    var winners = [Entrant](repeating: Entrant(key: .infinity, run: 0), count: 2 * max(1, readers.count))
    for run in readers.indices {
      winners[readers.count + run] = Entrant(key: try readers[run].next(), run: run)
    }
    for node in stride(from: readers.count - 1, to: 0, by: -1) {
      let (a, b) = (winners[2 * node], winners[2 * node + 1])
      (winners[node], tree[node]) = a.key < b.key ? (a, b) : (b, a)
    }
    return winners[1]
  }
}

/// A run, read in blocks.
private struct RunReader {
  private let file: KeyFile
  private var offset: Int
  /// Keys that are not in memory yet.
  private var remaining: Int
  private let block: UnsafeMutableBufferPointer<Double>
  private var place = 0
  private var count = 0
  private var last = -Double.infinity

  init(_ run: KeyRun, _ block: UnsafeMutableBufferPointer<Double>) throws(StudyError) {
    file = try run.open()
    (offset, remaining, self.block) = (run.offset, run.count, block)
  }

  /// The next key; infinity after the last, which no key of another run can lose to unless it is infinite itself.
  @inline(__always) mutating func next() throws(StudyError) -> Double {
    if place == count {
      guard remaining > 0 else { return .infinity }
      try refill()
    }
    defer { place += 1 }
    return block[place]
  }

  private mutating func refill() throws(StudyError) {
    (place, count) = (0, min(remaining, block.count))
    let keys = UnsafeMutableBufferPointer(rebasing: block[..<count])
    try file.read(keys, at: offset)
    try file.requireAscending(UnsafeBufferPointer(keys), from: last)
    last = keys[count - 1]
    offset += count * MemoryLayout<Double>.stride
    remaining -= count
  }
}
