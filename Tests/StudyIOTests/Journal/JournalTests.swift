import Foundation
import StudyData
import Testing

@testable import StudyIO

/// What is left of a journal after a crash is taken; nothing else is.
@Suite struct JournalTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "journal-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func path(_ name: String) -> String { folder.appending(path: name).path }

  private static let records: [(head: [UInt8], body: [UInt8])] = [
    ([1, 2, 3], Array(repeating: 7, count: 40)), ([], [9]), (Array(0...20), []), ([5], [6, 6]),
  ]

  /// A journal of all records, without an end.
  private func written(_ name: String, identity: String = "a run") throws -> Data {
    let journal = try Journal.create(path(name), identity: identity)
    for record in Self.records { try journal.append(head: record.head, body: record.body) }
    return try Data(contentsOf: URL(filePath: path(name)))
  }

  private func records(_ path: String) throws -> [(head: [UInt8], body: [UInt8])] {
    var reader = try JournalRecords(path: path)
    var found: [(head: [UInt8], body: [UInt8])] = []
    while case .record(let record) = try reader.next(), record.kind == .block {
      found.append((record.head, try #require(try reader.body(of: record))))
    }
    return found
  }

  private static func isEqual(_ a: [(head: [UInt8], body: [UInt8])]) -> Bool {
    a.count == records.count && zip(a, records).allSatisfy { $0.head == $1.head && $0.body == $1.body }
  }

  @Test func roundTrip() throws {
    _ = try written("a")
    #expect(Self.isEqual(try records(path("a"))))
    let journal = try Journal.resume(path("a"), identity: "a run", remedy: "")
    #expect(journal.count == Self.records.count)
    try journal.finish([8], publishedAs: path("b"))
    #expect(!FileManager.default.fileExists(atPath: path("a")))
    var reader = try JournalRecords(path: path("b"))
    #expect(reader.identity == "a run")
    for _ in Self.records { _ = try reader.next() }
    guard case .record(let end) = try reader.next() else {
      Issue.record("no end")
      return
    }
    #expect(end.kind == .end && end.head == [8])
    guard case .ended = try reader.next() else {
      Issue.record("something after the end")
      return
    }
  }

  /// Cut off at any byte: whole records stay, and what is appended makes the file that was never cut.
  @Test func truncated() throws {
    let whole = try written("whole")
    var counts: Set<Int> = []
    for length in 0..<whole.count {
      try whole.prefix(length).write(to: URL(filePath: path("cut")))
      let journal = try Journal.resume(path("cut"), identity: "a run", remedy: "")
      counts.insert(journal.count)
      for record in Self.records[journal.count...] {
        try journal.append(head: record.head, body: record.body)
      }
      try #require(try Data(contentsOf: URL(filePath: path("cut"))) == whole, "cut at \(length)")
    }
    #expect(counts == [0, 1, 2, 3])
  }

  /// One bit changed anywhere: records before it stay, the header's makes it another file or an empty one.
  @Test func damaged() throws {
    let whole = try written("whole")
    let empty = try Data(contentsOf: URL(filePath: Journal.create(path("empty"), identity: "a run").path))
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 1 << (index % 8)
      try bytes.write(to: URL(filePath: path("damaged")))
      guard let journal = try? Journal.resume(path("damaged"), identity: "a run", remedy: "") else {
        #expect(index < 16, "refused for byte \(index)")
        continue
      }
      #expect(index < empty.count ? journal.count == 0 : journal.count < Self.records.count, "byte \(index)")
      for record in Self.records[journal.count...] {
        try journal.append(head: record.head, body: record.body)
      }
      try #require(try Data(contentsOf: URL(filePath: path("damaged"))) == whole, "byte \(index)")
    }
  }

  /// Records of another run, and records out of place, are none.
  @Test func foreignRecords() throws {
    let (own, other) = (try written("own"), try written("other", identity: "an run"))
    let start = try Data(contentsOf: URL(filePath: Journal.create(path("empty"), identity: "a run").path))
      .count
    try (own.prefix(start) + other.dropFirst(start + 1)).write(to: URL(filePath: path("x")))
    #expect(try Journal.resume(path("x"), identity: "a run", remedy: "").count == 0)
    // The first record twice.
    let size = 64 + 3 + 40
    let first = own[start..<start + size]
    try (own.prefix(start) + first + first).write(to: URL(filePath: path("x")))
    #expect(try Journal.resume(path("x"), identity: "a run", remedy: "").count == 1)
    // The second before the first.
    let second = own[start + size..<start + size + 65]
    try (own.prefix(start) + second + first).write(to: URL(filePath: path("x")))
    #expect(try Journal.resume(path("x"), identity: "a run", remedy: "").count == 0)
  }

  private func kind(_ body: () throws -> Void) -> StudyError.Kind? {
    do {
      try body()
      return nil
    } catch {
      return (error as? StudyError)?.kind
    }
  }

  @Test func refused() throws {
    _ = try written("a")
    let before = try Data(contentsOf: URL(filePath: path("a")))
    #expect(kind { _ = try Journal.resume(path("a"), identity: "another run", remedy: "") } == .inconsistent)
    #expect(try Data(contentsOf: URL(filePath: path("a"))) == before)
    try Data("no journal, but long enough to be one".utf8).write(to: URL(filePath: path("text")))
    #expect(kind { _ = try Journal.resume(path("text"), identity: "a run", remedy: "") } == .malformed)
    #expect(kind { _ = try JournalRecords(path: path("text")) } == .malformed)
    #expect(kind { _ = try JournalRecords(path: path("absent")) } == .environment)
    var newer = before
    newer[8] = 2
    try newer.write(to: URL(filePath: path("newer")))
    #expect(kind { _ = try Journal.resume(path("newer"), identity: "a run", remedy: "") } == .malformed)
    #expect(kind { _ = try Journal.create(path("no/such/folder"), identity: "") } == .environment)
  }

  /// Two at once would mix their records.
  @Test func oneWriter() throws {
    var journal: Journal? = try Journal.create(path("a"), identity: "a run")
    #expect(Journal.isBeingWritten(path("a")))
    #expect(kind { _ = try Journal.create(path("a"), identity: "a run") } == .environment)
    #expect(kind { _ = try Journal.resume(path("a"), identity: "a run", remedy: "") } == .environment)
    try journal?.append(head: [1], body: [])
    journal = nil
    #expect(!Journal.isBeingWritten(path("a")))
    #expect(try Journal.resume(path("a"), identity: "a run", remedy: "").count == 1)
  }

  @Test func archive() throws {
    let sections = [
      ArchiveSection("a", .bytes(Array(0...99))), ArchiveSection("b", .doubles([1, .nan, -.infinity])),
      ArchiveSection("c", .bytes([])),
    ]
    let writer = try TableWriter(path: path("x"), compression: .none)
    try ArchiveFile.write(sections, to: writer)
    try writer.commit()
    let found = try ArchiveFile.read(path("x"))
    let first = try found.decode("a") { (decoder) throws(ByteDecoder.Failure) in
      let first = try decoder.value(UInt32.self)
      for _ in 4..<100 { _ = try decoder.value(UInt8.self) }
      return first
    }
    #expect(first == 0x0302_0100)
    #expect(
      try found.doubles("b", count: 3).map(\.bitPattern) == [1, Double.nan, -.infinity].map(\.bitPattern))
    #expect(throws: ByteDecoder.Failure.self) { try found.doubles("b", count: 4) }
    #expect(throws: ByteDecoder.Failure.self) {
      try found.decode("d") { (decoder) throws(ByteDecoder.Failure) in try decoder.value(UInt8.self) }
    }
    let part = try ArchiveFile.read(path("x"), sections: ["b"])
    #expect(part.contains("b") && !part.contains("a"))
    // Any byte that means something, and any cut.
    let whole = try Data(contentsOf: URL(filePath: path("x")))
    for length in 0..<whole.count - 64 {
      try whole.prefix(length).write(to: URL(filePath: path("y")))
      #expect(kind { _ = try ArchiveFile.read(path("y")) } == .malformed, "cut at \(length)")
    }
    var refusals = 0
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 1 << (index % 8)
      try bytes.write(to: URL(filePath: path("y")))
      let result = kind { _ = try ArchiveFile.read(path("y")) }
      // Padding means nothing.
      #expect(result == .malformed || (result == nil && whole[index] == 0), "byte \(index)")
      if result != nil { refusals += 1 }
    }
    #expect(refusals >= 100 + 24)
  }

  /// With a checksum that fits.
  @Test func archiveOfFewerThanNoSections() throws {
    let writer = try TableWriter(path: path("x"), compression: .none)
    try ArchiveFile.write([ArchiveSection("a", .bytes([1]))], to: writer)
    try writer.commit()
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: path("x"))))
    let end = 24 + Int(bytes[16])
    bytes.replaceSubrange(24..<32, with: [UInt8](repeating: 0xFF, count: 8))
    let hash = RunningHash.value(of: Array(bytes[..<end]))
    bytes.replaceSubrange(end..<end + 16, with: hash.flatMap { little(Int(bitPattern: UInt($0)), 8) })
    try Data(bytes).write(to: URL(filePath: path("x")))
    #expect(kind { _ = try ArchiveFile.read(path("x")) } == .malformed)
  }
}
