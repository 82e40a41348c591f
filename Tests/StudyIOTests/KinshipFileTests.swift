import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

@Suite struct KinshipFileTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  private static func kinship(_ n: Int = 7, pairwise: Bool = true) -> Kinship {
    var random = SplitMix64(state: 5)
    var matrix = Matrix(rows: n, columns: n)
    for j in 0..<n { for i in j..<n { matrix[i, j] = Double.random(in: -1...1, using: &random) } }
    matrix.mirrorLowerTriangle()
    let counts = (0..<n * (n + 1) / 2).map { Float(1000 - $0) }
    return Kinship(
      path: "made", sampleIDs: (0..<n).map { "s\(n - $0)" }, matrix: matrix,
      variantCounts: pairwise ? .pairwise(counts) : .uniform(4321))
  }

  private func writeGCTA(_ kinship: Kinship) throws {
    let output = OutputTransaction()
    let paths = try KinshipFile.writeGCTA(kinship, prefix: fixture.path("k"), to: output)
    #expect(paths == ["k.grm.bin", "k.grm.N.bin", "k.grm.id"].map(fixture.path))
    try output.commit()
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: fixture.path(name), encoding: .utf8)
  }

  // MARK: - GCTA

  @Test(arguments: [true, false]) func gcta(pairwise: Bool) throws {
    let kinship = Self.kinship(pairwise: pairwise)
    try writeGCTA(kinship)
    #expect(try text("k.grm.id").hasPrefix("0\ts7\n0\ts6\n"))
    for name in ["k", "k.grm.bin"] {
      let read = try KinshipFile.read(fixture.path(name))
      #expect(read.path == fixture.path("k.grm.bin") && read.sampleIDs == kinship.sampleIDs)
      #expect(read.variantCounts == kinship.variantCounts)
      #expect(read.matrix.storage == kinship.matrix.storage.map { Double(Float($0)) })
      #expect(KinshipFile.files(fixture.path(name)).count == 3)
    }
    try FileManager.default.removeItem(atPath: fixture.path("k.grm.N.bin"))
    #expect(try KinshipFile.read(fixture.path("k")).variantCounts == .uniform(0))
  }

  /// GCTA's layout, byte by byte: rows of the lower triangle.
  @Test func layout() throws {
    var bytes = Data()
    for value: Float in [1, 0.25, 2, -0.5, 0.125, 3] {
      withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
    _ = try fixture.file(bytes, "k.grm.bin")
    _ = try fixture.file("F1 a\nF1 b\nF2 c\n", "k.grm.id")
    let read = try KinshipFile.read(fixture.path("k"))
    #expect(read.sampleIDs == ["a", "b", "c"])
    #expect(read.matrix.storage == [1, 0.25, -0.5, 0.25, 2, 0.125, -0.5, 0.125, 3])
  }

  @Test(arguments: [
    ("F1\ta\nF1\tb\n", ["a", "b"]), ("F1 a\nF2 a\n", ["F1_a", "F2_a"]), ("#IID\na\nb\n", ["a", "b"]),
    ("#FID\tIID\nf\ta\nf\tb\n", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]),
  ]) func sampleLists(_ text: String, _ ids: [String]) throws {
    try writeGCTA(Self.kinship(2))
    _ = try fixture.file(text, "k.grm.id")
    #expect(try KinshipFile.read(fixture.path("k")).sampleIDs == ids)
  }

  @Test func gctaRefused() throws {
    try writeGCTA(Self.kinship())
    let (bin, counts, ids) = (
      fixture.path("k.grm.bin"), fixture.path("k.grm.N.bin"), fixture.path("k.grm.id")
    )
    func refuse(
      _ kind: StudyError.Kind, _ file: String, line: Int? = nil, _ cause: String, _ name: String,
      _ change: (inout Data) -> Void
    ) throws {
      let good = try Data(contentsOf: URL(filePath: fixture.path(name)))
      var bad = good
      change(&bad)
      _ = try fixture.file(bad, name)
      let error = try studyError { try KinshipFile.read(fixture.path("k")) }
      #expect(error.kind == kind && error.file == file && error.line == line, "\(error)")
      #expect(error.cause.contains(cause), "\(error)")
      _ = try fixture.file(good, name)
    }
    try refuse(.inconsistent, bin, "7 samples (\(ids)) need 112 bytes, found 108", "k.grm.bin") {
      $0.removeLast(4)
    }
    try refuse(.inconsistent, bin, "need 112 bytes, found 113", "k.grm.bin") { $0.append(0) }
    try refuse(.inconsistent, counts, "need 112 bytes, found 108", "k.grm.N.bin") { $0.removeLast(4) }
    try refuse(.inconsistent, bin, "8 samples", "k.grm.id") { $0 += Data("0 new\n".utf8) }
    try refuse(.malformed, ids, "two samples are called 0_s7", "k.grm.id") {
      $0 = Data(String(decoding: $0, as: UTF8.self).replacing("s6", with: "s7").utf8)
    }
    try refuse(.malformed, ids, "names no sample", "k.grm.id") { $0 = Data() }
    let nan = withUnsafeBytes(of: Float.nan) { Data($0) }
    try refuse(.malformed, bin, line: 5, "the entry of samples s5 and s6 is nan", "k.grm.bin") {
      $0.replaceSubrange(16..<20, with: nan)
    }
    try refuse(.malformed, counts, line: 1, "a number of variants is nan", "k.grm.N.bin") {
      $0.replaceSubrange(0..<4, with: nan)
    }
    try FileManager.default.removeItem(atPath: ids)
    #expect(try studyError { try KinshipFile.read(fixture.path("k")) }.kind == .environment)
    let absent = try studyError { try KinshipFile.read(fixture.path("absent")) }
    #expect(absent.kind == .environment && absent.cause.contains("No such file"))
  }

  // MARK: - Text

  /// All bits come back.
  @Test func roundTripOfText() throws {
    let kinship = Self.kinship()
    let output = OutputTransaction()
    let paths = try KinshipFile.writeText(kinship, prefix: fixture.path("k"), to: output)
    #expect(paths == ["k.grm.txt", "k.grm.id"].map(fixture.path))
    try output.commit()
    for name in ["k", "k.grm.txt"] {
      let read = try KinshipFile.read(fixture.path(name))
      #expect(read.sampleIDs == kinship.sampleIDs && read.matrix == kinship.matrix)
      #expect(KinshipFile.files(fixture.path(name)) == paths)
    }
    _ = try fixture.file(try fixture.compressed(try text("k.grm.txt"), gzip: true), "z.cXX.txt.gz")
    _ = try fixture.file(try text("k.grm.id"), "z.cXX.id")
    #expect(try KinshipFile.read(fixture.path("z.cXX.txt.gz")).matrix == kinship.matrix)
    try FileManager.default.removeItem(atPath: fixture.path("z.cXX.id"))
    let named = try KinshipFile.read(fixture.path("z.cXX.txt.gz"), ids: kinship.sampleIDs.reversed())
    #expect(named.sampleIDs == kinship.sampleIDs.reversed() && named.matrix == kinship.matrix)
  }

  /// With names: with and without a word in the corner, also names that are numbers.
  @Test(arguments: [
    "id\ta\tb\na\t1\t0.5\nb\t0.5\t2\n", "a b\na 1 0.5\nb 0.5 2\n",
    "\"a\" \"b\"\n\"a\" 1 0.5\n\"b\" 0.5000001 2\n",
    "\ta\tb\r\na\t1\t.5\r\nb\t5e-1\t2\r\n",
  ]) func named(_ text: String) throws {
    let read = try KinshipFile.read(fixture.file(text))
    #expect(read.sampleIDs == ["a", "b"])
    #expect(read.matrix[0, 0] == 1 && read.matrix[1, 1] == 2 && read.matrix[0, 1] == read.matrix[1, 0])
    #expect(abs(read.matrix[0, 1] - 0.5) < 1e-7)
  }

  @Test func numbersAsNames() throws {
    let read = try KinshipFile.read(fixture.file("7 8\n7 1 0.5\n8 0.5 2\n"))
    #expect(read.sampleIDs == ["7", "8"] && read.matrix.storage == [1, 0.5, 0.5, 2])
  }

  @Test(
    arguments: [
      ("", nil, "the file is empty"), ("id a a\na 1 2\na 2 1\n", 1, "sample a twice"),
      ("id a b\na 1 0.5\n", 2, "2 columns, 1 rows"), ("id a b\na 1 0\nb 0 1\nc 0 0\n", 4, "but more rows"),
      ("id a b\na 1 0\nc 0 1\n", 3, "the row is of sample c, the column of that number of b"),
      ("id a b\na 1\nb 0 1\n", 2, "the row has 1 numbers"),
      ("id a b\na 1 0\nb 0 1 5\n", 3, "the row has 3 numbers"),
      ("id a b\na 1 NA\nb NA 1\n", 2, "'NA' (number 2 of the line) is not a finite number"),
      ("id a b\na 1 0\nb inf 1\n", 3, "'inf' (number 1 of the line) is not"),
      ("id a b\na 1 0.5\nb 0.6 1\n", 3, "samples b and a have 0.6 here and 0.5 in line 2"),
      ("1 0\n0 1\n", nil, "does not name its samples"), ("id\n", 1, "the header names no sample"),
    ] as [(String, Int?, String)]) func textRefused(_ text: String, _ line: Int?, _ cause: String) throws
  {
    let path = try fixture.file(text)
    let error = try studyError { try KinshipFile.read(path) }
    #expect(error.file == path && error.line == line && error.cause.contains(cause), "\(error)")
  }

  @Test func listOfAnotherLength() throws {
    let path = try fixture.file("1 0\n0 1\n", "k.txt")
    #expect(
      try studyError { try KinshipFile.read(path, ids: ["a"]) }.cause.contains("the genotypes have 1 samples")
    )
    _ = try fixture.file("0 a\n0 b\n0 c\n", "k.id")
    #expect(try studyError { try KinshipFile.read(path) }.cause.contains("k.id names 3 samples"))
    _ = try fixture.file("0 a\n0 b\n", "k.id")
    #expect(try KinshipFile.read(path, ids: ["x", "y"]).sampleIDs == ["a", "b"])
  }
}
