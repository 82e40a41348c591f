import Foundation
import StudyData
import Testing

@testable import StudyIO

@Suite struct GeneTableTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  private static let header = "phenotype_id\tnum_var\tqval\tpval_nominal_threshold"

  /// ln of a probability to the rounding of its text and of the logarithm.
  private func isClose(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) <= 1e-14 * abs(b) } ?? false }

  @Test func columnsAreFoundByName() throws {
    let path = try fixture.file(
      "qval\tphenotype_id\tslope\tpval_nominal_threshold\n0.01\tg1\t-3\t1e-5\n0.5\tg2\tx\t0.25\n")
    let table = try GeneTable.read(path)
    #expect(table.path == path && !table.isGrouped && table.genes.keys.sorted() == ["g1", "g2"])
    #expect(isClose(table.genes["g1"]?.lnQ, log(0.01)))
    #expect(isClose(table.genes["g1"]?.lnThreshold, log(1e-5)))
    #expect(table.significant(fdr: 0.05).keys.sorted() == ["g1"])
    #expect(table.significant(fdr: 0.01).keys.sorted() == ["g1"])
    #expect(table.significant(fdr: 1).count == 2)
  }

  @Test(arguments: [true, false]) func compressed(gzip: Bool) throws {
    let data = try fixture.compressed("## a comment\n" + Self.header + "\r\ng1\t5\t0\t1\r\n", gzip: gzip)
    let table = try GeneTable.read(fixture.file(data, "t.tsv.gz"))
    #expect(table.genes == ["g1": GeneTable.Gene(lnQ: -.infinity, lnThreshold: 0)])
  }

  /// Below double's range, and in its subnormal part.
  @Test(arguments: [
    ("3e-400", -400.0, 3.0), ("4.5E-320", -320, 4.5), ("1.25e-100000", -100_000, 1.25), ("2e-308", -308, 2),
  ])
  func tinyThresholds(text: String, exponent: Double, mantissa: Double) throws {
    let table = try GeneTable.read(fixture.file(Self.header + "\ng1\t5\t\(text)\t\(text)\n"))
    #expect(isClose(table.genes["g1"]?.lnThreshold, log(mantissa) + exponent * log(10)))
    #expect(isClose(table.genes["g1"]?.lnQ, log(mantissa) + exponent * log(10)))
  }

  @Test(arguments: ["NA", "nan", "NaN", ".", ""]) func missing(cell: String) throws {
    let table = try GeneTable.read(
      fixture.file(Self.header + "\ng1\t5\t\(cell)\t1e-4\ng2\t5\t0.001\t\(cell)\ng3\t5\t0.001\t1e-4\n"))
    #expect(table.genes["g1"]?.lnQ == nil && table.genes["g2"]?.lnThreshold == nil)
    #expect(table.significant(fdr: 0.05).keys.sorted() == ["g3"])
  }

  @Test func groups() throws {
    let table = try GeneTable.read(
      fixture.file("group_id\tphenotype_id\tqval\tpval_nominal_threshold\nA\tg1\t0\t1e-3\nNA\tg2\t0\t1e-3\n"))
    #expect(table.isGrouped && table.genes.keys.sorted() == ["A", "g2"])
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var text: String
    var line: Int?
    var says: String
    var testDescription: String { says }
  }

  @Test(arguments: [
    Case(text: "", line: nil, says: "empty"),
    Case(text: header + "\n", line: 1, says: "ends after its header"),
    Case(
      text: "phenotype_id\tqval\tpval_beta\ng1\t0.1\t0.1\n", line: 1,
      says: "no column pval_nominal_threshold; the columns are phenotype_id, qval, pval_beta"),
    Case(text: "gene_id\tqval\ng1\t0.1\n", line: 1, says: "no column phenotype_id"),
    Case(text: header + "\tqval\ng1\t5\t1\t1\t1\n", line: 1, says: "column qval occurs twice"),
    Case(text: header + "\ng1\t5\t0.1\t1e-4\ng1\t5\t0.1\t1e-4\n", line: 3, says: "g1 occurs twice"),
    Case(text: header + "\ng1\t5\t0.1\n", line: 2, says: "3 cells, the header 4"),
    Case(text: header + "\ng1\t5\tlow\t1e-4\n", line: 2, says: "the q-value of g1 is 'low'"),
    Case(text: header + "\ng1\t5\t1.5\t1e-4\n", line: 2, says: "the q-value of g1 is '1.5'"),
    Case(text: header + "\ng1\t5\t0.5\t-1e-4\n", line: 2, says: "the threshold of g1 is '-1e-4'"),
    Case(text: header + "\ng1\t5\t0.5\t-1e-400\n", line: 2, says: "the threshold of g1 is '-1e-400'"),
  ])
  func refused(_ example: Case) throws {
    let path = try fixture.file(example.text)
    let error = try studyError { try GeneTable.read(path) }
    #expect(error.kind == .malformed && error.file == path && error.line == example.line)
    #expect(error.cause.contains(example.says), "\(error.cause)")
  }

  @Test func phenotypeGroups() throws {
    let path = try fixture.file("# phenotype group\ni1\tA\r\n\ni2 A extra\ni3\tB\n")
    #expect(try PhenotypeGroups.read(path) == ["i1": "A", "i2": "A", "i3": "B"])
    var error = try studyError { try PhenotypeGroups.read(fixture.file("i1\tA\ni1\tB\n")) }
    #expect(error.line == 2 && error.cause.contains("i1 occurs twice"))
    error = try studyError { try PhenotypeGroups.read(fixture.file("i1\tA\ni2\n")) }
    #expect(error.line == 2 && error.cause.contains("'i2'"))
    error = try studyError { try PhenotypeGroups.read(fixture.file("\n# x\n")) }
    #expect(error.kind == .malformed && error.cause.contains("no group"))
  }
}
