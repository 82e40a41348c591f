import Foundation
import MultipleTesting
import StudyData
import TestSupport
import Testing

@testable import StudyIO

@Suite struct PValueSpoolTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  enum Shape: CaseIterable {
    case uniform, tied, extreme, signal

    /// ln p in no order.
    func logP(_ count: Int) -> [Double] {
      var random = TestSupport.SplitMix64(UInt64(count))
      return (0..<count).map { _ in
        switch self {
        case .uniform: log(1 - random.uniform())
        case .tied: -Double(random.next() % 7)
        // p = 0 and p = 1, and beyond double's range.
        case .extreme: [-.infinity, 0, -0.0, -1e5, -1e-300, -700][Int(random.next() % 6)]
        // As of a study with hits: q differ nearly everywhere.
        case .signal: 5 * log(1 - random.uniform())
        }
      }
    }
  }

  /// q of every p, in their order, against the adjustment in memory: to the bit.
  private func expectQ(
    of logP: [Double], testCount: Int, _ spool: PValueSpool, cachedBlocks: Int = 3,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(spool.count == logP.count, sourceLocation: sourceLocation)
    let sorted = try spool.finish()
    #expect(sorted.count == logP.count, sourceLocation: sourceLocation)
    var lookup = try sorted.logQ(testCount: testCount).lookup(cachedBlocks: cachedBlocks)
    let found = try logP.map { value in try lookup(value).bitPattern }
    let expected = BenjaminiHochberg.logQ(logP, testCount: testCount).map(\.bitPattern)
    #expect(found == expected, sourceLocation: sourceLocation)
  }

  @Test(arguments: Shape.allCases, [0, 1, 2, 63, 64, 65, 1000, 5000])
  func equalsTheAdjustmentInMemory(shape: Shape, count: Int) throws {
    let logP = shape.logP(count)
    for capacity in [1, 2, 7, 64, 999, 1000, 1 << 20] where count <= 1000 || capacity >= 7 {
      for testCount in [count, 50 * count + 3] {
        let spool = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
        for start in stride(from: 0, to: count, by: 300) {
          try spool.append(Array(logP[start..<min(start + 300, count)]))
        }
        try expectQ(of: logP, testCount: testCount, spool)
      }
    }
    #expect(try fixture.contents == [])
  }

  /// 5,000 runs of a key, two at a time: thirteen passes.
  @Test(arguments: [2, 3, 17, 256]) func manyPasses(fanIn: Int) throws {
    let logP = Shape.signal.logP(5000)
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: 1, fanIn: fanIn)
    try spool.append(logP)
    try expectQ(of: logP, testCount: 5000, spool)
  }

  /// In the middle of files, sorted elsewhere, beside keys that were appended; whether there is room for all or not.
  @Test(arguments: [1, 50, 10_000]) func sections(capacity: Int) throws {
    let logP = Shape.signal.logP(3000)
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: capacity, fanIn: 7)
    for (index, start) in stride(from: 0, to: 2500, by: 125).enumerated() {
      var data = Data(repeating: 7, count: index)
      for value in logP[start..<start + 125].sorted() {
        withUnsafeBytes(of: value) { data.append(contentsOf: $0) }
      }
      data.append(9)
      let path = try fixture.file(data, "shard\(index)")
      spool.append(PValueSection(path: path, offset: index, count: 125))
      spool.append(PValueSection(path: path, offset: 0, count: 0))
    }
    try spool.append(Array(logP[2500...]))
    try expectQ(of: logP, testCount: 1_000_000, spool)
  }

  @Test(arguments: [10, 1 << 20]) func whatIsWrittenIsASection(capacity: Int) throws {
    let logP = Shape.uniform.logP(2000)
    let first = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
    try first.append(logP)
    let path = fixture.path("shard")
    let writer = try TableWriter(path: path, compression: .none)
    try writer.append(bytes: Array("head".utf8))
    try first.finish().write(to: writer)
    try writer.commit()
    let bytes = try Data(contentsOf: URL(filePath: path)).dropFirst(4)
    #expect(bytes == logP.sorted().withUnsafeBytes { Data($0) })

    let second = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
    second.append(PValueSection(path: path, offset: 4, count: 2000))
    try expectQ(of: logP, testCount: 2000, second)
  }

  @Test(arguments: [1, 1 << 20]) func otherPTakeTheNextLargerOnes(capacity: Int) throws {
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
    let logP = (0..<300).map { -2 * Double($0) - 10 }
    try spool.append(logP)
    var lookup = try spool.finish().logQ(testCount: 1000).lookup()
    for value in logP { #expect(try lookup(value - 1) == lookup(value)) }
    #expect(try lookup(-9) == 0)
    #expect(try lookup(.nan).isNaN)
  }

  /// The same table from several threads, each with a lookup of its own.
  @Test func lookupsInParallel() async throws {
    let logP = Shape.signal.logP(20_000)
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: 1000)
    try spool.append(logP)
    let table = try spool.finish().logQ(testCount: 20_000)
    let expected = BenjaminiHochberg.logQ(logP, testCount: 20_000)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          var lookup = table.lookup(cachedBlocks: 2)
          return try logP.map { value in try lookup(value) } == expected
        }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
  }

  /// Files are open only while they are needed, and no more than are merged at a time. Other tests open files meanwhile: those
  /// of this test's folder are counted.
  @Test func openFiles() throws {
    func open() throws -> Int {
      let path = "/proc/self/fd"
      return try FileManager.default.contentsOfDirectory(atPath: path).count {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/\($0)"))?
          .contains(fixture.folder.lastPathComponent) == true
      }
    }
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: 1, fanIn: 8)
    for index in 0..<40 {
      let data = [-Double(index)].withUnsafeBytes { Data($0) }
      spool.append(PValueSection(path: try fixture.file(data, "shard\(index)"), offset: 0, count: 1))
    }
    #expect(try open() == 0)
    try spool.append(Shape.uniform.logP(1000))
    #expect(try open() == 1)

    // In the middle of a merge of as many sections as it may take.
    let runs = (0..<8).map { KeyRun(place: .path(fixture.path("shard\($0)")), offset: 0, count: 1) }
    let room = KeyBuffer(capacity: 9)
    var counts: [Int] = []
    try KeyMerge.merge(runs, in: room.keys) { (_) throws(StudyError) in counts.append((try? open()) ?? -1) }
    #expect(counts == [Int](repeating: 9, count: 8))
    #expect(try open() == 1)

    let sorted = try spool.finish()
    #expect(try open() == 1, "the sorted keys alone")
    #expect(sorted.count == 1040)
  }

  @Test func inMemoryThereIsNoFile() throws {
    let spool = PValueSpool(prefix: "/nonexistent/folder/out", capacity: 100)
    let logP = Shape.uniform.logP(100)
    try spool.append(logP)
    try expectQ(of: logP, testCount: 100, spool)
  }

  // MARK: - Failures

  private func expectFailure(
    _ kind: StudyError.Kind, _ cause: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
  ) {
    let error = #expect(throws: StudyError.self, sourceLocation: sourceLocation, performing: body)
    #expect(error?.kind == kind && error?.cause.contains(cause) == true, sourceLocation: sourceLocation)
  }

  @Test func noPlaceForFiles() {
    let spool = PValueSpool(prefix: "/nonexistent/folder/out", capacity: 10)
    expectFailure(.environment, "cannot hold p values") { try spool.append(Shape.uniform.logP(11)) }
  }

  /// A write to this device fails as on a full disk.
  @Test func fullDisk() {
    let keys = [-1.0, -0.5]
    let file = KeyFile(descriptor: open("/dev/full", O_RDWR), path: "out", isTemporary: true)
    keys.withUnsafeBufferPointer { keys in
      expectFailure(.environment, "No space left") { try file.write(keys, at: 0) }
    }
  }

  @Test(arguments: [1, 100]) func damagedSections(capacity: Int) throws {
    func finish(_ values: [Double], count: Int) throws {
      let path = try fixture.file(values.withUnsafeBytes { Data($0) }, "shard")
      let spool = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
      spool.append(PValueSection(path: path, offset: 0, count: count))
      _ = try spool.finish()
    }
    try finish([-3, -2, -2], count: 3)
    expectFailure(.malformed, "ends at byte 24") { try finish([-3, -2, -2], count: 4) }
    expectFailure(.malformed, "do not ascend") { try finish([-3, -2, -2.5], count: 3) }
    expectFailure(.malformed, "do not ascend") { try finish([-3, .nan, -1], count: 3) }
    expectFailure(.malformed, "do not ascend") { try finish([.nan, -2, -1], count: 3) }
    let spool = PValueSpool(prefix: fixture.path("out"), capacity: capacity)
    spool.append(PValueSection(path: fixture.path("absent"), offset: 0, count: 3))
    expectFailure(.environment, "cannot be read") { _ = try spool.finish() }
  }
}
