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
/// Only ln p is stored. Of each block of 64 the first ln p and the ln q of what follows are in memory (a quarter of a byte for
/// each p); with them a q follows from the p of its block, to the bit as ``BenjaminiHochberg`` gives it for the whole list.
public struct LogQTable: Sendable {
  static let blockSize = 64

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

  /// - Parameter cachedBlocks: memory for so many blocks of 512 bytes, 16 MiB by default.
  public func lookup(cachedBlocks: Int = 1 << 15) -> Lookup { Lookup(self, cachedBlocks: cachedBlocks) }

  /// Looks q up, in any order of p. Each thread has its own.
  public struct Lookup: ~Copyable {
    private let table: LogQTable
    /// The block in each slot; a block has one slot.
    private var cached: [Int]
    /// By slot.
    private let blocks: KeyBuffer
    private let scratch = KeyBuffer(capacity: blockSize)

    fileprivate init(_ table: LogQTable, cachedBlocks: Int) {
      precondition(cachedBlocks > 0)
      self.table = table
      cached = [Int](repeating: -1, count: min(cachedBlocks, max(1, table.firstLogP.count)))
      blocks = KeyBuffer(capacity: cached.count * blockSize)
    }

    /// ln q of one of the list's ln p; NaN of NaN. Of another ln p: that of the next larger in the list, 0 above all of them.
    ///
    /// - Throws: ``StudyError`` `environment` when the disk fails.
    /// - Complexity: a binary search in memory, 512 bytes from the file for a block that is not cached, and up to 64 logarithms.
    public mutating func callAsFunction(_ logP: Double) throws(StudyError) -> Double {
      guard !logP.isNaN else { return .nan }
      // The first of equal p lies in the last block that begins below it, or begins the next.
      let below = table.firstLogP.withUnsafeBufferPointer { Self.place(of: logP, in: $0) }
      guard below > 0 else { return table.firstLogP.isEmpty ? 0 : table.least }
      let index = below - 1
      let block = try block(index)
      let rest = block[Self.place(of: logP, in: block)...]
      var pass = BenjaminiHochberg.Pass(
        count: index * blockSize + block.count, testCount: table.testCount, logQ: table.logQAbove[index])
      pass.adjust(
        sorted: UnsafeBufferPointer(rebasing: rest), into: .init(rebasing: scratch.keys[..<rest.count]))
      return pass.logQ
    }

    private mutating func block(_ index: Int) throws(StudyError) -> UnsafeBufferPointer<Double> {
      let slot = index % cached.count
      let first = index * blockSize
      let start = slot * blockSize
      let keys = UnsafeMutableBufferPointer(
        rebasing: blocks.keys[start..<start + min(blockSize, table.keys.count - first)])
      let block = UnsafeBufferPointer(keys)
      if cached[slot] != index {
        cached[slot] = -1
        try table.keys.read(keys, at: first)
        try table.keys.require(table.firstLogP[index], beginning: block)
        cached[slot] = index
      }
      return block
    }

    /// The index of the first of the ascending `keys` that is not below `key`; their number where there is none.
    private static func place(of key: Double, in keys: UnsafeBufferPointer<Double>) -> Int {
      var (low, high) = (0, keys.count)
      while low < high {
        let middle = (low + high) / 2
        if keys[middle] < key { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }
}
