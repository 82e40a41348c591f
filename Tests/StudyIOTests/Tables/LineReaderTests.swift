import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

@Suite struct LineReaderTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  func lines(_ path: String) throws -> [String] {
    let reader = try LineReader(path: path)
    var lines: [String] = []
    while let line = try reader.next() {
      lines.append(line.text)
      #expect(reader.lineNumber == lines.count)
    }
    return lines
  }

  @Test(arguments: [
    ("", []),
    ("\n", [""]),
    ("a", ["a"]),
    ("a\nb", ["a", "b"]),
    ("a\n\nb\n", ["a", "", "b"]),
    ("a\r\nb\r\n", ["a", "b"]),
    ("a\r\nb\r", ["a", "b"]),
    ("\u{FEFF}a\tb\n\u{FEFF}c\n", ["a\tb", "\u{FEFF}c"]),
    ("\u{FEFF}\r\na", ["", "a"]),
  ])
  func splitsPlainGzipAndBGZFAlike(text: String, expected: [String]) throws {
    #expect(try lines(fixture.file(text)) == expected)
    for gzip in [true, false] {
      let data = try fixture.compressed(text, gzip: gzip)
      #expect(try lines(fixture.file(data, "t.gz")) == expected)
    }
  }

  /// Lines that straddle the reader's 1 MiB buffer, and one that is larger than it.
  @Test func linesOfAnyLength() throws {
    let expected = [10, 700_000, 3_000_000, 0, 1 << 20, 5].enumerated().map { index, count in
      String(repeating: "\(index)", count: count)
    }
    let text = expected.joined(separator: "\n")
    #expect(try lines(fixture.file(text)) == expected)
    #expect(try lines(fixture.file(fixture.compressed(text, gzip: false), "t.gz")) == expected)
    #expect(try lines(fixture.file(fixture.compressed(text, gzip: true), "t.gz")) == expected)
  }

  @Test func concatenatedGzipMembers() throws {
    let first = try fixture.compressed("a\nb", gzip: true)
    let second = try fixture.compressed("c\nd\n", gzip: true)
    #expect(try lines(fixture.file(first + second, "t.gz")) == ["a", "bc", "d"])
  }

  /// Wherever a small compressed file is cut, reading it fails: at least its last line would be lost.
  @Test(arguments: [true, false]) func truncationAtEveryByte(gzip: Bool) throws {
    let data = try fixture.compressed("#chr\tstart\tend\tid\tS1\n1\t0\t1\tg1\t0.5\n", gzip: gzip)
    for count in 0..<data.count {
      let path = try fixture.file(data.prefix(count), "cut.gz")
      let error = try studyError("cut at \(count)") { try PhenotypeFile.read(path) }
      #expect(error.kind == .malformed && error.file == path)
    }
    #expect(try PhenotypeFile.read(fixture.file(data, "whole.gz")).values.storage == [0.5])
  }

  /// A BGZF file cut between two blocks decompresses without complaint: its end marker is missing.
  @Test(arguments: [true, false]) func truncationOfLargeFiles(gzip: Bool) throws {
    let text = (0..<40_000).map { "row \($0 &* 2_654_435_761 % 1_000_003)\n" }.joined()
    let data = try fixture.compressed(text, gzip: gzip)
    #expect(data.count > 100_000)
    var cuts = Array(stride(from: 1, to: data.count, by: 9_973))
    if !gzip {
      // A block's size less one stands in bytes 16 and 17 of it.
      var offset = 0
      while offset < data.count {
        if offset > 0 { cuts.append(offset) }
        offset += Int(data[offset + 16]) + Int(data[offset + 17]) << 8 + 1
      }
      #expect(offset == data.count)
    }
    for count in cuts {
      let path = try fixture.file(data.prefix(count), "cut.gz")
      let error = try studyError("cut at \(count)") { try lines(path) }
      #expect(error.kind == .malformed)
    }
  }

  @Test func damagedBytesAreNoticed() throws {
    var data = try fixture.compressed(String(repeating: "abc 123\n", count: 50), gzip: false)
    data[30] ^= 0x55
    let error = try studyError { try lines(fixture.file(data, "bad.gz")) }
    #expect(error.cause.contains("cut short or damaged"))
  }

  @Test func binaryIsNotText() throws {
    let late = try studyError { try lines(fixture.file(Data("a\nb\nc\0d\n".utf8), "nul")) }
    #expect(late.line == 3 && late.cause == "not a text file")
    // The first bytes of zip, xz and zstd files.
    for start in [[0x50, 0x4B, 3, 4], [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], [0x28, 0xB5, 0x2F, 0xFD, 4]] {
      let error = try studyError {
        try lines(fixture.file(Data(start.map { UInt8($0) }), "binary"))
      }
      #expect(error.kind == .malformed && error.line == 1)
    }
  }

  @Test func unreadablePaths() throws {
    let missing = try studyError { try lines(fixture.path("missing.txt")) }
    #expect(missing.kind == .environment && missing.cause.contains("No such file or directory"))
    let folder = try studyError { try lines(fixture.folder.path) }
    #expect(folder.kind == .environment && folder.cause.contains("Is a directory"))
    guard geteuid() != 0 else { return }  // root may read anything
    let path = try fixture.file("a\n")
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
    let forbidden = try studyError { try lines(path) }
    #expect(forbidden.cause.contains("Permission denied"))
  }

  @Test(arguments: [
    ("a\tb\tc", ["a", "b", "c"]),
    ("a\t\tc", ["a", "", "c"]),
    ("\ta b \t", ["", "a b", ""]),
    (" a \t b", ["a", "b"]),
    (#""a"\#t"b c"\#t"\#t""\#t"d"#, ["a", "b c", "\"", "", "\"d"]),
    ("a", ["a"]),
    ("", []),
    ("  \t ", []),
  ])
  func cellsBetweenTabs(line: String, expected: [String]) {
    Array(line.utf8).withUnsafeBufferPointer { bytes in
      #expect(CellSeparator.tab.cells(bytes).map(\.text) == expected)
    }
  }

  @Test(arguments: [
    ("a b  c", ["a", "b", "c"]),
    ("  a\t b ", ["a", "b"]),
    ("a", ["a"]),
    ("", []),
    (" \t", []),
  ])
  func cellsBetweenBlanks(line: String, expected: [String]) {
    Array(line.utf8).withUnsafeBufferPointer { bytes in
      #expect(CellSeparator.blanks.cells(bytes).map(\.text) == expected)
    }
  }
}
