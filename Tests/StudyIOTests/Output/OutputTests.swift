import CHTSlib
import Foundation
import StudyData
import Testing

@testable import StudyIO

@Suite struct OutputTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  static let compressions: [TableWriter.Compression] = [
    .none, .bgzf(), .bgzf(level: 1), .bgzf(level: 0), .bgzf(level: 9),
  ]

  func text(_ path: String) throws -> String {
    let reader = try LineReader(path: path)
    var text = ""
    while let line = try reader.next() { text += line.text + "\n" }
    return text
  }

  @Test(arguments: compressions)
  func whatIsWrittenIsRead(compression: TableWriter.Compression) throws {
    let path = fixture.path("out.tsv.gz")
    let writer = try TableWriter(path: path, compression: compression)
    let rows = (0..<30_000).map { "row \($0)\n" }
    for row in rows { try writer.append(bytes: Array(row.utf8)) }
    try writer.append(bytes: [])
    #expect(try fixture.contents.count == 1, "only the temporary file exists before the commit")
    #expect(access(path, F_OK) != 0)
    try writer.commit()
    #expect(try fixture.contents == ["out.tsv.gz"])
    #expect(try text(path) == rows.joined())
    let plain = try Data(contentsOf: URL(filePath: path)) == Data(rows.joined().utf8)
    #expect(plain == (compression == .none))
  }

  /// Rows compressed by workers between rows compressed by the writer, short and long.
  @Test func compressedRowsKeepTheirPlace() throws {
    let path = fixture.path("out.gz")
    let writer = try TableWriter(path: path)
    var expected = ""
    for (index, count) in [0, 1, 5, 20_000, 2, 60_000].enumerated() {
      var rows = RowBuffer()
      for row in 0..<count { rows.append("\(index) \(row)\n") }
      expected += rows.text + rows.text
      try writer.append(rows)
      try writer.append(BGZFBlocks(rows, level: index))
    }
    try writer.commit()
    #expect(try text(path) == expected)
  }

  @Test func anEmptyFileIsComplete() throws {
    for compression in Self.compressions {
      let path = fixture.path("empty.gz")
      try TableWriter(path: path, compression: compression).commit()
      #expect(try text(path) == "")
    }
  }

  @Test func abandonedFilesVanishAndOlderOnesStay() throws {
    let path = try fixture.file("older\n", "out.tsv")
    do {
      let writer = try TableWriter(path: path, compression: .none)
      try writer.append(bytes: Array("newer\n".utf8))
      #expect(try fixture.contents.count == 2)
    }
    #expect(try fixture.contents == ["out.tsv"])
    let writer = try TableWriter(path: path, compression: .bgzf())
    writer.abort()
    writer.abort()
    #expect(throws: StudyError.self) { try writer.append(bytes: [1]) }
    #expect(throws: StudyError.self) { try writer.commit() }
    #expect(try fixture.contents == ["out.tsv"])
    #expect(try text(path) == "older\n")
  }

  @Test func transactionsAppearTogether() throws {
    let older = try fixture.file("older\n", "a.tsv")
    let transaction = OutputTransaction()
    let a = try transaction.open(older, compression: .none)
    let b = try transaction.open(fixture.path("b.tsv.gz"))
    try a.append(bytes: Array("a\n".utf8))
    try b.append(bytes: Array("b\n".utf8))
    #expect(try text(older) == "older\n")
    try transaction.commit()
    #expect(try fixture.contents == ["a.tsv", "b.tsv.gz"])
    #expect(try text(older) == "a\n" && text(fixture.path("b.tsv.gz")) == "b\n")
    transaction.abort()
    #expect(try fixture.contents == ["a.tsv", "b.tsv.gz"])
  }

  @Test func aTransactionThatIsLetGoLeavesNothing() throws {
    do {
      let transaction = OutputTransaction()
      for name in ["a", "b", "c"] {
        try transaction.open(fixture.path(name)).append(bytes: [65])
      }
      #expect(try fixture.contents.count == 3)
      _ = transaction
    }
    #expect(try fixture.contents == [])
  }

  /// The second file cannot be indexed: the first, complete as it is, does not appear either.
  @Test func oneFailureKeepsAllAway() throws {
    let transaction = OutputTransaction()
    let a = try transaction.open(fixture.path("a.tsv.gz"))
    let index = TabixIndex(chromosomeColumn: 1, positionColumn: 2)
    let b = try transaction.open(fixture.path("b.tsv.gz"), index: index)
    try a.append(bytes: Array("a\n".utf8))
    try b.append(bytes: Array("chr\tpos\n1\t9\n1\t5\n".utf8))
    let error = try studyError { try transaction.commit() }
    #expect(error.kind == .inconsistent && error.file == fixture.path("b.tsv.gz"))
    #expect(error.cause.contains("not sorted"))
    #expect(try fixture.contents == [])
  }

  /// A directory takes the name of the second file while the run goes on: the rename fails, and the first is undone.
  @Test func aFailedRenameKeepsAllAway() throws {
    let transaction = OutputTransaction()
    _ = try transaction.open(fixture.path("a.tsv.gz"))
    _ = try transaction.open(fixture.path("b.tsv.gz"))
    try FileManager.default.createDirectory(
      atPath: fixture.path("b.tsv.gz/inside"), withIntermediateDirectories: true)
    let error = try studyError { try transaction.commit() }
    #expect(error.kind == .environment && error.file == fixture.path("b.tsv.gz"))
    #expect(try fixture.contents == ["b.tsv.gz"])
  }

  @Test func unwritablePaths() throws {
    let missing = try studyError { try TableWriter(path: fixture.path("no/such/out")) }
    #expect(missing.kind == .environment && missing.file == fixture.path("no/such/out"))
    #expect(missing.cause.contains("No such file or directory"))
    let folder = try studyError { try TableWriter(path: fixture.folder.path) }
    #expect(folder.cause.contains("Is a directory"))
    let proc = try studyError { try TableWriter(path: "/proc/out.tsv") }
    #expect(proc.kind == .environment)
    #expect(try fixture.contents == [])
  }

  /// The temporary file is a link to a device on which every write fails for lack of space.
  @Test(.timeLimit(.minutes(1)), arguments: compressions)
  func diskFull(compression: TableWriter.Compression) throws {
    let path = fixture.path("out.tsv.gz")
    let temporary = fixture.path(".partial")
    // Enough to pass through every buffer, then too little to leave any before the end.
    for count in [40 << 20, 10] {
      try FileManager.default.createSymbolicLink(
        atPath: temporary, withDestinationPath: "/dev/full")
      let writer = try TableWriter(
        path: path, temporaryPath: temporary, compression: compression, index: nil)
      var generator = SplitMix64(state: 1)
      let block = (0..<1 << 16).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let error = try studyError {
        for _ in 0...count / block.count {
          try writer.append(bytes: Array(block.prefix(count)))
        }
        try writer.commit()
      }
      #expect(error.kind == .environment && error.file == path)
      #expect(error.cause.contains("No space left on device"))
      #expect(error.remedy.contains("free some space"))
      #expect(throws: error) { try writer.append(bytes: [1]) }
      #expect(throws: error) { try writer.commit() }
      #expect(try fixture.contents == [])
    }
    var status = stat()
    #expect(stat("/dev/full", &status) == 0, "the device itself is not removed")
  }

  @Test func dropsAreListedAndCounted() throws {
    let path = fixture.path("drops.tsv.gz")
    let writer = try TableWriter(path: path)
    let drops = try DropWriter(writer)
    try drops.append([
      Drop(.variant, id: "v1", reason: "monomorphic"),
      Drop(.sample, id: "S1", reason: "not in every file", detail: "found in x"),
    ])
    try drops.append([])
    try drops.append([Drop(.variant, id: "v2", reason: "monomorphic", detail: "af 0")])
    try writer.commit()
    #expect(
      try text(path)
        == "kind\tid\treason\tdetail\nvariant\tv1\tmonomorphic\t\nsample\tS1\tnot in every file\tfound in x\n"
        + "variant\tv2\tmonomorphic\taf 0\n")
    #expect(
      drops.counts == ["variant": ["monomorphic": 2], "sample": ["not in every file": 1]])
  }

  /// Rows that were kept, and encoded in between, make the file that rows written at once make: of Parquet the bytes, else the text.
  @Test(
    arguments: [(1, .bgzf(level: 1)), (nil, .bgzf()), (nil, .parquet())]
      as [(Int?, TableWriter.Compression)])
  func keptDrops(level: Int?, compression: TableWriter.Compression) throws {
    let drops = (0..<5_000).map {
      Drop(
        .variant, id: "v\($0)", reason: $0 % 3 == 0 ? "monomorphic" : "low", detail: $0 % 2 == 0 ? "" : "x")
    }
    var kept = DropRows(level: level)
    for start in stride(from: 0, to: drops.count, by: 700) {
      kept.append(Array(drops[start..<min(start + 700, drops.count)]))
    }
    var encoder = ByteEncoder()
    kept.encode(to: &encoder)
    let decoded = try encoder.bytes.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      return try DropRows(&decoder, level: level)
    }
    let path = fixture.path("drops")
    var contents: [Data] = []
    for rows in [nil, kept, decoded] {
      let writer = try TableWriter(path: path, compression: compression)
      let table = try DropWriter(writer)
      if let rows { try table.append(rows) } else { try table.append(drops) }
      try writer.commit()
      #expect(table.counts == ["variant": ["monomorphic": 1_667, "low": 3_333]])
      let isParquet = if case .parquet = compression { true } else { false }
      contents.append(
        isParquet ? try Data(contentsOf: URL(filePath: path)) : Data(try text(path).utf8))
    }
    #expect(contents[0].count > 1_000)
    #expect(contents[1] == contents[0] && contents[2] == contents[0])
  }

  /// Printed by Debian's xxhsum 0.8.1 with `-H2`; the last input is longer than the reader's block of 1 MiB.
  @Test func checksums() throws {
    let long = Data((0..<3_000_001).map { (i: Int) -> UInt8 in UInt8((i * i + 7 * i) % 251) })
    let known: [(Data, String)] = [
      (Data(), "99aa06d3014798d86001c324468d497f"),
      (Data("SwiftQTL\n".utf8), "09f899004a8b90c0a5cf8cbb8ef713ed"),
      (long, "1e9d3861a5fad5821b96913c7f231515"),
    ]
    for (data, expected) in known {
      #expect(try Checksum.xxh3(fixture.file(data, "input")) == expected)
    }
    let error = try studyError { try Checksum.xxh3(fixture.path("missing")) }
    #expect(error.kind == .environment)
    let folder = try studyError { try Checksum.xxh3(fixture.folder.path) }
    #expect(folder.kind == .environment && folder.cause.contains("directory"))
  }
}
