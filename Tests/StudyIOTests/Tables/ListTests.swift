import StudyData
import Testing

@testable import StudyIO

@Suite struct ListTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  @Test func idsAreTheFirstColumn() throws {
    let path = try fixture.file("\u{FEFF}# a comment\r\nS1\r\n\r\n S2 x\nS3\ty z\nS1\n#S4\n")
    #expect(try IDListFile.read(path) == ["S1", "S2", "S3"])
  }

  @Test(arguments: ["", "\n\n", "# only this\n"])
  func emptyListsAreRefused(text: String) throws {
    let error = try studyError { try IDListFile.read(fixture.file(text)) }
    #expect(error.kind == .malformed && error.cause.contains("no id"))
  }

  @Test func anEmptyIDIsRefused() throws {
    let error = try studyError { try IDListFile.read(fixture.file("S1\n\tx\n")) }
    #expect(error.line == 2 && error.cause.contains("empty"))
  }

  @Test func pairsAreTheFirstTwoColumns() throws {
    let path = try fixture.file("#gene1 gene2 score\ng1\tg2\t3.5\n\ng2 g1\n")
    let pairs = try GenePairFile.read(path)
    #expect(pairs.map(\.0) == ["g1", "g2"] && pairs.map(\.1) == ["g2", "g1"])
    #expect(try GenePairFile.read(fixture.file("")).isEmpty)
  }

  @Test(arguments: ["g1\tg2\ng3\n", "g1 g2\ng3\t\n"])
  func halfAPairIsRefused(text: String) throws {
    let error = try studyError { try GenePairFile.read(fixture.file(text)) }
    #expect(error.line == 2 && error.cause.contains("'g3'"))
  }

  @Test(arguments: [
    ("22", GenomicRegion(chromosome: "22")),
    ("chrX", GenomicRegion(chromosome: "X")),
    ("chr22:17,000,000-18000000", GenomicRegion(chromosome: "22", start: 17_000_000, end: 18_000_000)),
    ("22:100-", GenomicRegion(chromosome: "22", start: 100)),
    ("22:5-5", GenomicRegion(chromosome: "22", start: 5, end: 5)),
    ("HLA:A:1-2", GenomicRegion(chromosome: "HLA:A", start: 1, end: 2)),
  ])
  func regions(text: String, expected: GenomicRegion) throws {
    #expect(try Regions.parse(text) == expected)
  }

  @Test(arguments: [
    "", ":", ":1-2", "22:", "22:100", "22:-100", "22:0-5", "22:9-5", "22:1-2-3", "22:a-b", "22:1.5-2",
    "22:+1-2", "22:1-99999999999999999999", "22:,-5", "22: 1-2",
  ])
  func badRegions(text: String) throws {
    let error = try studyError { try Regions.parse(text) }
    #expect(error.kind == .malformed && error.cause.contains("'\(text)'"))
  }
}
