import MultipleTesting
public import StudyData

/// ln p in ascending order, in memory or in an unlinked temporary file.
public struct SortedPValues: Sendable {
  enum Storage {
    case memory(KeyBuffer)
    case file(KeyFile)
  }

  private let storage: Storage
  public let count: Int
  /// Keys that are read at once: a multiple of the table's blocks.
  private static let pieceSize = 1 << 16

  init(_ storage: Storage, count: Int) { (self.storage, self.count) = (storage, count) }

  /// Appends them to `writer`, so that they are a ``PValueSection`` of its file if that is not compressed.
  ///
  /// - Throws: ``StudyError`` `environment` when a disk fails.
  public func write(to writer: TableWriter) throws(StudyError) {
    let piece = KeyBuffer(capacity: min(count, Self.pieceSize))
    for start in stride(from: 0, to: count, by: Self.pieceSize) {
      let keys = UnsafeMutableBufferPointer(rebasing: piece.keys[..<min(Self.pieceSize, count - start)])
      try read(keys, at: start)
      try writer.append(bytes: UnsafeRawBufferPointer(keys))
    }
  }

  /// q of Benjamini & Hochberg among `testCount` tests: one pass from the largest p down.
  ///
  /// - Precondition: `testCount` is at least the number of p.
  /// - Throws: ``StudyError`` `environment` when the disk fails.
  public func logQ(testCount: Int) throws(StudyError) -> LogQTable {
    let size = LogQTable.blockSize
    var pass = BenjaminiHochberg.Pass(count: count, testCount: testCount)
    var firstLogP = [Double](repeating: 0, count: (count + size - 1) / size)
    var logQAbove = firstLogP
    let piece = KeyBuffer(capacity: min(count, Self.pieceSize))
    let scratch = KeyBuffer(capacity: size)
    for start in stride(from: 0, to: count, by: Self.pieceSize).reversed() {
      let keys = UnsafeMutableBufferPointer(rebasing: piece.keys[..<min(Self.pieceSize, count - start)])
      try read(keys, at: start)
      for offset in stride(from: 0, to: keys.count, by: size).reversed() {
        let block = UnsafeBufferPointer(rebasing: keys[offset..<min(offset + size, keys.count)])
        let index = (start + offset) / size
        firstLogP[index] = block[0]
        logQAbove[index] = pass.logQ
        pass.adjust(sorted: block, into: .init(rebasing: scratch.keys[..<block.count]))
      }
    }
    return LogQTable(
      keys: self, testCount: testCount, firstLogP: firstLogP, logQAbove: logQAbove, least: pass.logQ)
  }

  /// Fills `keys` with those from `index` on.
  func read(_ keys: UnsafeMutableBufferPointer<Double>, at index: Int) throws(StudyError) {
    switch storage {
    case .memory(let buffer): _ = keys.update(fromContentsOf: buffer.keys[index..<index + keys.count])
    case .file(let file): try file.read(keys, at: index * MemoryLayout<Double>.stride)
    }
  }

  /// - Throws: unless `block` begins with `first`: the file system lost what was written (a disk that was full only when it
  ///   came to write).
  func require(_ first: Double, beginning block: UnsafeBufferPointer<Double>) throws(StudyError) {
    if case .file(let file) = storage, block[0] != first { throw file.damaged }
  }
}

/// ln q by ln p, of a sorted list too long for memory.
///
/// Only ln p is stored. Of each block of 128 the first ln p and the ln q of what follows are in memory (16 bytes a block); with
/// them the q of a block are those of its p alone, to the bit as ``BenjaminiHochberg`` gives them for the whole list.
public struct LogQTable: Sendable {
  static let blockSize = 128

  fileprivate let keys: SortedPValues
  fileprivate let testCount: Int
  /// By block.
  fileprivate let firstLogP: [Double]
  /// By block: of the first key of the next, 0 for the last block.
  fileprivate let logQAbove: [Double]
  /// Of the smallest p.
  fileprivate let least: Double

  init(keys: SortedPValues, testCount: Int, firstLogP: [Double], logQAbove: [Double], least: Double) {
    (self.keys, self.testCount, self.least) = (keys, testCount, least)
    (self.firstLogP, self.logQAbove) = (firstLogP, logQAbove)
  }

  /// - Parameter cachedBlocks: memory for so many blocks of 2 KiB, 16 MiB by default.
  public func lookup(cachedBlocks: Int = 1 << 13) -> Lookup { Lookup(self, cachedBlocks: cachedBlocks) }

  /// Looks q up, in any order of p. Each thread has its own.
  public struct Lookup: ~Copyable {
    private let table: LogQTable
    /// The block in each slot; a block has one slot.
    private var cached: [Int]
    /// By slot.
    private let logP: KeyBuffer
    private let logQ: KeyBuffer

    fileprivate init(_ table: LogQTable, cachedBlocks: Int) {
      precondition(cachedBlocks > 0)
      self.table = table
      let slots = min(cachedBlocks, max(1, table.firstLogP.count))
      cached = [Int](repeating: -1, count: slots)
      logP = KeyBuffer(capacity: slots * blockSize)
      logQ = KeyBuffer(capacity: slots * blockSize)
    }

    /// ln q of one of the list's ln p; NaN of NaN. Of another ln p: that of the next larger in the list, 0 above all of them.
    ///
    /// - Throws: ``StudyError`` `environment` when the disk fails.
    /// - Complexity: a binary search in memory; 1 KiB from the file and 128 logarithms for a block that is not cached.
    public mutating func callAsFunction(_ value: Double) throws(StudyError) -> Double {
      guard !value.isNaN else { return .nan }
      // The first of equal p lies in the last block that begins below it, or begins the next.
      let below = Self.first(table.firstLogP.count) { table.firstLogP[$0] >= value }
      guard below > 0 else { return table.firstLogP.isEmpty ? 0 : table.least }
      let block = below - 1
      let slot = block % cached.count
      if cached[slot] != block { try load(block, slot) }
      let start = slot * blockSize
      let count = min(blockSize, table.keys.count - block * blockSize)
      let place = Self.first(count) { logP.keys[start + $0] >= value }
      return place < count ? logQ.keys[start + place] : table.logQAbove[block]
    }

    private mutating func load(_ block: Int, _ slot: Int) throws(StudyError) {
      let first = block * blockSize
      let places = slot * blockSize..<slot * blockSize + min(blockSize, table.keys.count - first)
      cached[slot] = -1
      let keys = UnsafeMutableBufferPointer(rebasing: logP.keys[places])
      try table.keys.read(keys, at: first)
      let sorted = UnsafeBufferPointer(keys)
      try table.keys.require(table.firstLogP[block], beginning: sorted)
      var pass = BenjaminiHochberg.Pass(
        count: first + keys.count, testCount: table.testCount, logQ: table.logQAbove[block])
      pass.adjust(sorted: sorted, into: .init(rebasing: logQ.keys[places]))
      cached[slot] = block
    }

    /// The first index of 0 ..< count where `isReached`, which then stays so; `count` where there is none.
    @inline(__always) private static func first(_ count: Int, where isReached: (Int) -> Bool) -> Int {
      var (low, high) = (0, count)
      while low < high {
        let middle = (low + high) / 2
        if isReached(middle) { high = middle } else { low = middle + 1 }
      }
      return low
    }
  }
}
