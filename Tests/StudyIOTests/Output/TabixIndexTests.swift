import CHTSlib
import Foundation
import StudyData
import Testing

@testable import StudyIO

@Suite struct TabixIndexTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  static let index = TabixIndex(chromosomeColumn: 2, positionColumn: 3)

  /// Variants on three chromosomes, every tenth base; `scale` stretches the positions.
  func write(_ path: String, scale: Int = 1, index: TabixIndex? = Self.index) throws {
    let writer = try TableWriter(path: path, compression: .bgzf(level: 1), index: index)
    var rows = RowBuffer()
    rows.append("variant_id\tchromosome\tposition\n")
    for chromosome in ["chr2", "chr10", "X"] {
      for step in 1...5_000 {
        rows.append("v\(step)\t\(chromosome)\t\(step * 10 * scale)\n")
      }
    }
    try writer.append(rows)
    try writer.commit()
  }

  /// The rows of a region by htslib, 1-based and closed.
  func query(_ path: String, _ chromosome: String, _ start: Int, _ end: Int) throws -> [String] {
    let file = try #require(hts_open(path, "r"))
    defer { hts_close(file) }
    let index = try #require(tbx_index_load(path))
    defer { tbx_destroy(index) }
    let found = hts_itr_query(
      index.pointee.idx, tbx_name2id(index, chromosome), hts_pos_t(start - 1), hts_pos_t(end),
      tbx_readrec)
    let iterator = try #require(found)
    defer { hts_itr_destroy(iterator) }
    var line = kstring_t()
    defer { free(line.s) }
    var rows: [String] = []
    while hts_itr_next(hts_get_bgzfp(file), iterator, &line, UnsafeMutableRawPointer(index)) >= 0 {
      rows.append(String(cString: line.s))
    }
    return rows
  }

  @Test func regionsAreFound() throws {
    let path = fixture.path("hits.tsv.gz")
    try write(path)
    #expect(try fixture.contents == ["hits.tsv.gz", "hits.tsv.gz.tbi"])
    #expect(try query(path, "chr10", 500, 520) == ["v50\tchr10\t500", "v51\tchr10\t510", "v52\tchr10\t520"])
    #expect(try query(path, "chr2", 501, 509) == [])
    #expect(try query(path, "X", 1, 1_000_000).count == 5_000)
    #expect(try query(path, "chr2", 1, 10) == ["v1\tchr2\t10"])
  }

  /// Beyond 2²⁹ bases .tbi cannot address: the index becomes .csi, and one left by an earlier run goes.
  @Test func longChromosomes() throws {
    let path = fixture.path("hits.tsv.gz")
    try write(path)
    try write(path, scale: 20_000)
    #expect(try fixture.contents == ["hits.tsv.gz", "hits.tsv.gz.csi"])
    #expect(try query(path, "X", 999_800_000, 999_800_000) == ["v4999\tX\t999800000"])
    try write(path, index: nil)
    #expect(try fixture.contents == ["hits.tsv.gz"])
  }

  @Test(arguments: [
    "chr\tpos\n1\t9\n1\t5\n", "chr\tpos\n1\t5\n2\t5\n1\t9\n",
  ])
  func unindexableRowsAreRefused(text: String) throws {
    let writer = try TableWriter(
      path: fixture.path("out.tsv.gz"), index: TabixIndex(chromosomeColumn: 1, positionColumn: 2))
    try writer.append(bytes: Array(text.utf8))
    let error = try studyError { try writer.commit() }
    #expect(error.kind == .inconsistent && error.file == writer.path)
    #expect(try fixture.contents == [])
  }

  @Test func headerOnly() throws {
    let path = fixture.path("out.tsv.gz")
    let writer = try TableWriter(path: path, index: Self.index)
    try writer.append(bytes: Array("variant_id\tchromosome\tposition\n".utf8))
    try writer.commit()
    #expect(try fixture.contents == ["out.tsv.gz", "out.tsv.gz.tbi"])
  }

  @Test(.disabled(if: access("/usr/bin/tabix", X_OK) != 0, "tabix is not installed"))
  func tabixReadsIt() throws {
    let path = fixture.path("hits.tsv.gz")
    try write(path)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/tabix")
    process.arguments = [path, "chr10:500-520"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(
      String(decoding: output, as: UTF8.self)
        == "v50\tchr10\t500\nv51\tchr10\t510\nv52\tchr10\t520\n")
  }
}
