import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

@Suite struct CovariateFileTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  /// The same table in every layout that is read.
  @Test(arguments: [
    "id\tS1\tS2\tS3\nage\t40\t50\t60\nPC1\t0.1\t-0.2\t3e-1\n",
    "S1\tS2\tS3\nage\t40\t50\t60\nPC1\t0.1\t-0.2\t3e-1\n",
    "\tS1\tS2\tS3\r\nage\t40\t50\t60\r\nPC1\t0.1\t-0.2\t3e-1\r\n",
    "id S1 S2 S3\nage 40 50 60\nPC1 0.1 -0.2 3e-1",
    "sample\tage\tPC1\nS1\t40\t0.1\nS2\t50\t-0.2\nS3\t60\t3e-1\n",
    "age\tPC1\nS1\t40\t0.1\nS2\t50\t-0.2\nS3\t60\t3e-1\n",
    "#FID IID age PC1\nF S1 40 0.1\nF S2 50 -0.2\nF S3 60 0.3\n",
    "FID\tIID\tage\tPC1\n0\tS1\t40\t0.1\n0\tS2\t50\t-0.2\n0\tS3\t60\t0.3\n",
    "#IID\tage\tPC1\nS1\t40\t0.1\nS2\t50\t-0.2\nS3\t60\t0.3\n",
  ])
  func bothOrientations(text: String) throws {
    let path = try fixture.file(text)
    let read = try CovariateFile.read(path, sampleIDs: ["S3", "S1", "other"])
    #expect(read.path == path)
    #expect(read.sampleIDs == ["S1", "S2", "S3"])
    #expect(read.names == ["age", "PC1"])
    #expect(read.values == Matrix(rows: 3, columns: 2, storage: [40, 50, 60, 0.1, -0.2, 0.3]))
  }

  /// Samples in rows from the first line on; columns are numbered.
  @Test(arguments: [
    "S1\t40\t0.1\nS2\t50\t-0.2\nS3\t60\t3e-1\n",
    "S1 40 0.1\r\nS2 50 -0.2\r\n\r\nS3 60 0.3",
    "## made by hand\nS1\t40\t0.1\nS2\t50\t-0.2\nS3\t60\t0.3\n",
  ])
  func withoutHeader(text: String) throws {
    let read = try CovariateFile.read(fixture.file(text), sampleIDs: ["S3", "S1", "other"])
    #expect(read.sampleIDs == ["S1", "S2", "S3"])
    #expect(read.names == ["V1", "V2"])
    #expect(read.values == Matrix(rows: 3, columns: 2, storage: [40, 50, 60, 0.1, -0.2, 0.3]))
  }

  @Test func withoutHeaderFactorsAndMissingValues() throws {
    let read = try CovariateFile.read(
      fixture.file("S1\tcase\tNA\nS2\tcontrol\t2\nS3\t.\t3\n"), sampleIDs: ["S1", "S2"])
    #expect(read.names == ["V1=control", "V2"])
    #expect(Array(read.values.column(0).prefix(2)) == [0, 1] && read.values[2, 0].isNaN)
    #expect(read.values[0, 1].isNaN && Array(read.values.column(1).suffix(2)) == [2, 3])
  }

  /// A first line of a sample that the study does not have is taken for a header: its samples keep their values.
  @Test func withoutHeaderFirstSampleUnknown() throws {
    let read = try CovariateFile.read(fixture.file("X\t40\nS1\t50\nS2\t60\n"), sampleIDs: ["S1", "S2"])
    #expect(read.sampleIDs == ["S1", "S2"] && read.values.storage == [50, 60])
  }

  /// Levels are sorted by bytes (upper case first) and the first is the reference.
  @Test func factorsBecomeDummies() throws {
    for text in [
      "id\tS1\tS2\tS3\tS4\nlab\tb\tA\tNA\tc\nsex\tF\tF\tM\tM\none\tx\tx\tx\tx\n",
      "id\tlab\tsex\tone\nS1\tb\tF\tx\nS2\tA\tF\tx\nS3\t\tM\tx\nS4\tc\tM\tx\n",
    ] {
      let read = try CovariateFile.read(fixture.file(text), sampleIDs: ["S1"])
      #expect(read.names == ["lab=b", "lab=c", "sex=M"])
      for column in 0..<2 { #expect(read.values[2, column].isNaN) }
      #expect([0, 1, 3].map { read.values[$0, 0] } == [1, 0, 0])
      #expect([0, 1, 3].map { read.values[$0, 1] } == [0, 0, 1])
      #expect(read.values.column(2) == [0, 0, 1, 1])
    }
  }

  @Test func missingValues() throws {
    let path = try fixture.file("id\tS1\tS2\tS3\na\tNA\t1\t.\nb\tNA\tNaN\t\n")
    let read = try CovariateFile.read(path, sampleIDs: ["S1"])
    #expect(read.names == ["a", "b"])
    #expect(read.values.storage.map(\.isNaN) == [true, false, true, true, true, true])
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var line: Int?
    var says: String
    var kind = StudyError.Kind.malformed
    var testDescription: String { name }
  }

  @Test(arguments: [
    Case(name: "empty", text: "", line: nil, says: "empty"),
    Case(name: "header only", text: "id\tS1\n", line: 1, says: "ends after its header"),
    Case(name: "one column", text: "id\nS1\n", line: 1, says: "no column of values"),
    Case(
      name: "no side matches", text: "id\tX1\tX2\nage\t1\t2\n", line: nil,
      says:
        "neither side holds sample ids: the header has X1, X2, the first column age, the samples are S1, S2",
      kind: .inconsistent),
    Case(
      name: "both sides match", text: "id\tS1\tS2\nS1\t1\t2\nS2\t1\t2\n", line: nil,
      says: "both sides", kind: .inconsistent),
    Case(
      name: "ragged", text: "id\tS1\tS2\nage\t1\t2\nsex\t1\n", line: 3, says: "2 cells, the header 3"),
    Case(name: "duplicate sample", text: "id\tS1\tS1\na\t1\t2\n", line: 1, says: "sample S1 occurs twice"),
    Case(
      name: "duplicate sample below", text: "id\ta\nS1\t1\nS1\t2\n", line: 3,
      says: "sample S1 occurs twice"),
    Case(
      name: "duplicate covariate", text: "id\tS1\na\t1\na\t2\n", line: 3,
      says: "covariate a occurs twice"),
    Case(
      name: "duplicate covariate across", text: "id\ta\ta\nS1\t1\t2\n", line: 1,
      says: "covariate a occurs twice"),
    Case(name: "nameless covariate", text: "id\tS1\n\t1\n", line: 2, says: "covariate has no name"),
    Case(
      name: "numbers and words", text: "id\tS1\tS2\tS3\na\t1\tx\ty\n", line: 2,
      says: "covariate a mixes numbers and words: 'x' for sample S2"),
    Case(
      name: "numbers and words below", text: "id\ta\nS1\t1\nS2\t2\nS3\tthree\n", line: 4,
      says: "'three' for sample S3"),
    Case(name: "infinite", text: "id\ta\nS1\t1\nS2\tInf\n", line: 3, says: "'Inf' for sample S2"),
    Case(name: "no header, one line", text: "S1\t1\n", line: 1, says: "ends after its header"),
    Case(name: "no header, no values", text: "S1\nS2\n", line: 1, says: "no column of values"),
    Case(
      name: "no header, ragged", text: "S1\t1\t2\nS2\t1\t2\nS3\t1\n", line: 3, says: "2 cells, the header 3"),
    Case(
      name: "no header, first line short", text: "S1\t1\nS2\t1\t2\n", line: nil, says: "both sides",
      kind: .inconsistent),
    Case(
      name: "no header, duplicate of the first", text: "S1\t1\nS2\t2\nS1\t3\n", line: 3,
      says: "sample S1 occurs twice"),
    Case(
      name: "no header, word in the first line", text: "S1\tx\nS2\t1\n", line: 1,
      says: "covariate V1 mixes numbers and words: 'x' for sample S1"),
    Case(name: "no header, -9", text: "S1\t-9\nS2\t1\n", line: 1, says: "covariate V1 is -9"),
    Case(
      name: "no header, family and individual", text: "S1\tS1\t1\nS2\tS2\t2\n", line: nil,
      says: "both sides", kind: .inconsistent),
    Case(
      name: "no header, individual second", text: "F\tS1\t1\nF\tS2\t2\nF\tS3\t3\n", line: 3,
      says: "covariate F occurs twice"),
    Case(name: "-9", text: "id\ta\nS1\t1\nS2\t-9\n", line: 3, says: "is -9"),
  ])
  func refused(_ example: Case) throws {
    let path = try fixture.file(example.text)
    let error = try studyError { try CovariateFile.read(path, sampleIDs: ["S1", "S2"]) }
    #expect(error.kind == example.kind && error.file == path && error.line == example.line)
    #expect(error.cause.contains(example.says), "\(error.cause)")
  }

  @Test(.disabled(if: SharedData.isAbsent, "the folder of real data is absent"))
  func geuvadis() throws {
    let read = try CovariateFile.read(
      SharedData.path("fastqtl_geuvadis_chr22/covariates.txt.gz"), sampleIDs: ["NA20828"])
    #expect(read.names == ["PC1", "PC2", "PC3", "PHASE1"])
    #expect(read.sampleIDs.count == 373)
    // Σ value × (1-based sample number) by NumPy; four decimals in the file make the sum exact to 1e-9.
    let sum = (0..<4).reduce(0.0) { sum, column in
      (0..<373).reduce(sum) { $0 + read.values[$1, column] * Double($1 + 1) }
    }
    #expect(abs(sum - 63413.136099999996) < 1e-8)
  }

  @Test(.disabled(if: SharedData.isAbsent, "the folder of real data is absent"))
  func matrixEQTLToy() throws {
    let read = try CovariateFile.read(
      SharedData.path("matrixeqtl_toy/Covariates.txt"), sampleIDs: ["Sam_01"])
    #expect(read.names == ["gender", "age"])
    #expect(Array(read.values.column(1).prefix(3)) == [36, 40, 46])
  }
}
