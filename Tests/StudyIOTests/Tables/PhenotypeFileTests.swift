import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

@Suite struct PhenotypeFileTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  @Test func fastQTLBed() throws {
    let path = try fixture.file(
      """
      #Chr\tstart\tend\tTargetID\tS1\tS2
      chr2\t99\t200\tg2\t1.5\tNA
      chr1\t0\t1\tg1\t-2e-3\t+4

      """)
    let read = try PhenotypeFile.read(path)
    #expect(read.sampleIDs == ["S1", "S2"])
    #expect(
      read.features == [
        Feature(id: "g2", chromosome: "chr2", start: 100, end: 200),
        Feature(id: "g1", chromosome: "chr1", start: 1, end: 1),
      ])
    #expect(read.values.rows == 2 && read.values.columns == 2)
    #expect(read.values[0, 0] == 1.5 && read.values[1, 0].isNaN)
    #expect(read.values.column(1) == [-0.002, 4])
    #expect(read.drops.isEmpty)
  }

  @Test(arguments: ["#chr start end pid gid strand", "#chr start end phe grp what"])
  func qtltoolsBed(header: String) throws {
    let path = try fixture.file("\(header) S1 S2\n1 10 20 g1 cluster - 1 2\n1 30 40 g2 . + 3 4\n")
    let read = try PhenotypeFile.read(path)
    #expect(read.sampleIDs == ["S1", "S2"])
    #expect(
      read.features == [
        Feature(id: "g1", chromosome: "1", start: 11, end: 20, strand: "-", group: "cluster"),
        Feature(id: "g2", chromosome: "1", start: 31, end: 40, strand: "+", group: "."),
      ])
    #expect(read.values.storage == [1, 2, 3, 4])
  }

  @Test(arguments: ["geneid\tS1\tS2\n", "\tS1\tS2\n", "S1\tS2\n", "S1 S2\n", "\"S1\" \"S2\"\n"])
  func matrixWithAndWithoutFirstHeaderCell(header: String) throws {
    let gap = header.contains("\t") ? "\t" : " "
    let path = try fixture.file(header + "g1\(gap)1\(gap)2\r\n" + "g2\(gap)3\(gap).\n")
    let read = try PhenotypeFile.read(path)
    #expect(read.sampleIDs == ["S1", "S2"])
    #expect(read.features == [Feature(id: "g1"), Feature(id: "g2")])
    #expect(Array(read.values.storage.prefix(3)) == [1, 2, 3] && read.values.storage[3].isNaN)
  }

  @Test func matrixWithPlaces() throws {
    let path = try fixture.file(
      """
      \u{FEFF}gene\tChromosome\tright\tLEFT\tS1\r
      g1\tchr1\t649\t335\t1\r
      g2\t1\t1807\t2169\t2\r
      g3\tNA\tNA\tNA\t3\r
      g4\tX\t2e+05\t1e+05\t4\r
      """)
    let read = try PhenotypeFile.read(path)
    #expect(
      read.features == [
        Feature(id: "g1", chromosome: "chr1", start: 335, end: 649),
        Feature(id: "g2", chromosome: "1", start: 1807, end: 2169),
        Feature(id: "g3"),
        Feature(id: "g4", chromosome: "X", start: 100_000, end: 200_000),
      ])
    #expect(read.values.storage == [1, 2, 3, 4])
  }

  @Test func separateLocations() throws {
    let path = try fixture.file("geneid\tS1\ng1\t1\ng2\t2\ng3\t3\n")
    for header in ["geneid\tchr\ts1\ts2\n", ""] {
      let locations = try fixture.file(header + "g3\tchr3\t30\t20\ng1\tchr1\t5\t9\n", "loc.txt")
      let read = try PhenotypeFile.read(path, locations: locations)
      #expect(
        read.features == [
          Feature(id: "g1", chromosome: "chr1", start: 5, end: 9), Feature(id: "g2"),
          Feature(id: "g3", chromosome: "chr3", start: 20, end: 30),
        ])
      let region = try PhenotypeFile.read(
        path, regions: [GenomicRegion(chromosome: "3", start: 20, end: 20)], locations: locations)
      #expect(region.features.map(\.id) == ["g3"] && region.values.storage == [3])
      #expect(region.drops.map(\.id) == ["g2"] && region.drops[0].reason == "no location")
    }
  }

  @Test func missingCells() throws {
    let path = try fixture.file("id\tA\tB\tC\tD\tE\tF\ng\tNA\tNaN\tnan\t.\t\t 1 \n")
    let read = try PhenotypeFile.read(path)
    #expect(read.values.storage.map(\.isNaN) == [true, true, true, true, true, false])
  }

  @Test func minusNineAmongOthersIsANumber() throws {
    let path = try fixture.file("id\tA\tB\ng1\t-9\t-8.5\n")
    #expect(try PhenotypeFile.read(path).values.storage == [-9, -8.5])
  }

  /// A BED's start + 1 is the transcription start site: the region is closed at both ends.
  @Test func featuresAndRegions() throws {
    let path = try fixture.file(
      "#chr\tstart\tend\tid\tS1\n1\t99\t500\ta\t1\n1\t199\t500\tb\t2\n2\t99\t500\tc\t3\n")
    let region = GenomicRegion(chromosome: "chr1", start: 100, end: 199)
    #expect(try PhenotypeFile.read(path, regions: [region]).features.map(\.id) == ["a"])
    let wider = GenomicRegion(chromosome: "1", start: 100, end: 200)
    #expect(try PhenotypeFile.read(path, regions: [wider]).features.map(\.id) == ["a", "b"])
    let named = try PhenotypeFile.read(path, features: ["c", "zz", "b"])
    #expect(named.features.map(\.id) == ["b", "c"] && named.values.storage == [2, 3])
    #expect(named.drops == [Drop(.phenotype, id: "zz", reason: "not in the phenotype file")])
    let both = try PhenotypeFile.read(path, features: ["a", "c"], regions: [wider])
    #expect(both.features.map(\.id) == ["a"])
  }

  /// Against the C library's strtod, on the bytes of random doubles at several precisions.
  @Test func numbersRoundTrip() throws {
    var generator = SplitMix64(state: 7)
    var text = "id\tS1\n"
    var expected: [Double] = []
    while expected.count < 20_000 {
      let value = Double(bitPattern: generator.next())
      guard value.isNormal else { continue }
      let printed = String(format: "%.\(expected.count % 17 + 1)g", value)
      guard let read = Double(printed), read.isFinite else { continue }
      text += "g\(expected.count)\t\(printed)\n"
      expected.append(strtod(printed, nil))
    }
    #expect(try PhenotypeFile.read(fixture.file(text)).values.storage == expected)
  }

  /// A table of several blocks of the reader: 4 MB, with blank lines and missing values, and with rows left out.
  @Test func sameForAnyNumberOfWorkers() throws {
    var random = SplitMix64(state: 3)
    let samples = (0..<50).map { "S\($0)" }
    var lines = ["#chr\tstart\tend\tid\t" + samples.joined(separator: "\t")]
    var expected: [Double] = []
    for gene in 0..<6000 {
      let values = samples.map { _ in Double(Int64(bitPattern: random.next()) >> 24) * 1e-9 }
      var cells = values.map { String($0) }
      if gene % 7 == 3 { cells[gene % 50] = ["NA", "", ".", "\"1\""][gene / 7 % 4] }
      if gene % 100 == 0 { lines.append("") }
      lines.append("\(gene % 22 + 1)\t\(gene)\t\(gene + 1)\tg\(gene)\t" + cells.joined(separator: "\t"))
      guard gene % 22 == 4 || gene % 22 == 9 else { continue }
      expected += cells.map { $0 == "\"1\"" ? 1 : Double($0) ?? .nan }
    }
    let text = lines.joined(separator: "\n")
    #expect(text.utf8.count > 3 << 20)
    let regions = [GenomicRegion(chromosome: "5"), GenomicRegion(chromosome: "10")]
    let paths = [
      try fixture.file(text), try fixture.file(fixture.compressed(text, gzip: true), "t.gz"),
      try fixture.file(fixture.compressed(text, gzip: false), "t.bgz"),
    ]
    for path in paths {
      for workers in [1, 2, 3, 8] {
        let read = try PhenotypeFile.read(path, regions: regions, workers: workers)
        #expect(read.features.map(\.start) == (0..<6000).filter { [4, 9].contains($0 % 22) }.map { $0 + 1 })
        #expect(read.values.storage.map(\.bitPattern) == expected.map(\.bitPattern))
        #expect(try PhenotypeFile.read(path, workers: workers).features.count == 6000)
      }
    }
  }

  @Test(.disabled(if: SharedData.isAbsent, "the folder of real data is absent"))
  func matrixEQTLToy() throws {
    let read = try PhenotypeFile.read(
      SharedData.path("matrixeqtl_toy/GE.txt"),
      locations: SharedData.path("matrixeqtl_toy/geneloc.txt"))
    #expect(read.features.count == 10 && read.sampleIDs.count == 16)
    #expect(
      read.features[0] == Feature(id: "Gene_01", chromosome: "chr1", start: 721_289, end: 731_289))
    expectWeightedSum(read.values, 16838.97)
  }

  @Test(.disabled(if: SharedData.isAbsent, "the folder of real data is absent"))
  func yeast() throws {
    let read = try PhenotypeFile.read(
      SharedData.path("yeast_brem_trigger/tsv/expression.6216x112.tsv.gz"))
    #expect(read.features.count == 6216 && read.sampleIDs.count == 112)
    #expect(
      read.features[1] == Feature(id: "YAL068C", chromosome: "1", start: 1807, end: 2169))
    #expect(read.sampleIDs.first == "X1" && read.sampleIDs.last == "X112")
    expectWeightedSum(read.values, 75701.73913000003)
  }

  @Test(.disabled(if: SharedData.isAbsent, "the folder of real data is absent"))
  func geuvadis() throws {
    let path = try SharedData.path("fastqtl_geuvadis_chr22/phenotypes.bed.gz")
    let read = try PhenotypeFile.read(path)
    #expect(read.features.count == 364 && read.sampleIDs.count == 373)
    #expect(
      read.features[0]
        == Feature(
          id: "ENSG00000237438.1", chromosome: "22", start: 17_517_460, end: 17_517_460))
    expectWeightedSum(read.values, -6988.347189629207)
  }

  /// Σ value × (1-based sample number), as NumPy computed it from the same file; the order of summation differs, so
  /// the bound is some thousand roundings of the largest partial sum.
  private func expectWeightedSum(_ values: Matrix, _ expected: Double) {
    var sum = 0.0
    var magnitude = 0.0
    for column in 0..<values.columns {
      for row in 0..<values.rows {
        sum += values[row, column] * Double(row + 1)
        magnitude += abs(values[row, column]) * Double(row + 1)
      }
    }
    #expect(abs(sum - expected) <= 1e-12 * magnitude)
  }
}

/// Every way a phenotype file can be wrong.
@Suite struct PhenotypeFileErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var line: Int?
    var says: String
    var kind = StudyError.Kind.malformed
    var testDescription: String { name }
  }

  static let bed = "#chr\tstart\tend\tid\tS1\tS2\n"
  static let cases: [Case] = [
    Case(name: "empty", text: "", line: nil, says: "empty"),
    Case(name: "blank lines only", text: "\n \n", line: nil, says: "empty"),
    Case(name: "header only", text: bed, line: 1, says: "ends after its header"),
    Case(name: "header and blank lines", text: bed + "\n\n", line: 3, says: "ends after its header"),
    Case(
      name: "no samples in a BED", text: "#chr\tstart\tend\tid\n1\t0\t1\tg\n", line: 1,
      says: "no samples"),
    Case(name: "no samples in a matrix", text: "geneid\ng1\n", line: 1, says: "no samples"),
    Case(
      name: "duplicate sample", text: "id\tS1\tS1\ng\t1\t2\n", line: 1,
      says: "sample S1 twice"),
    Case(name: "empty sample id", text: "id\tS1\t\ng\t1\t2\n", line: 1, says: "empty sample id"),
    Case(
      name: "duplicate feature", text: bed + "1\t0\t1\tg\t1\t2\n1\t5\t6\tg\t1\t2\n", line: 3,
      says: "g occurs twice"),
    Case(name: "empty feature id", text: "id\tS1\n\t1\n", line: 2, says: "id is empty"),
    Case(
      name: "row too short", text: bed + "1\t0\t1\tg\t1\t2\n1\t5\t6\th\t1\n", line: 3,
      says: "5 cells, the header 6"),
    Case(
      name: "row too long", text: bed + "1\t0\t1\tg\t1\t2\t3\t4\n", line: 2,
      says: "8 cells, the header 6"),
    Case(
      name: "row ends before the samples", text: bed + "1\t0\t1\n", line: 2,
      says: "3 cells, the header 6"),
    Case(
      name: "superfluous tab", text: "S1\tS2\ng\t1\t\n", line: 2, says: "3 cells, the header 2"),
    Case(
      name: "header lost a sample", text: "geneid\tS1\ng\t1\t2\n", line: 2,
      says: "3 cells, the header 2"),
    Case(
      name: "spaces under a header of tabs", text: "id\tS1\tS2\ng 1 2\n", line: 2,
      says: "1 cells, the header 3"),
    Case(
      name: "word", text: bed + "1\t0\t1\tg\t1\tabc\n", line: 2, says: "'abc' in column S2"),
    Case(name: "half a number", text: bed + "1\t0\t1\tg\t1.5x\t2\n", line: 2, says: "'1.5x'"),
    Case(name: "decimal comma", text: bed + "1\t0\t1\tg\t1,5\t2\n", line: 2, says: "'1,5'"),
    Case(name: "hexadecimal", text: bed + "1\t0\t1\tg\t0x10\t2\n", line: 2, says: "'0x10'"),
    Case(name: "two signs", text: bed + "1\t0\t1\tg\t+-1\t2\n", line: 2, says: "'+-1'"),
    Case(name: "doubled plus", text: bed + "1\t0\t1\tg\t++1\t2\n", line: 2, says: "'++1'"),
    Case(name: "sign only", text: bed + "1\t0\t1\tg\t+\t2\n", line: 2, says: "'+'"),
    Case(name: "Inf", text: bed + "1\t0\t1\tg\tInf\t2\n", line: 2, says: "'Inf' in column S1"),
    Case(name: "-inf", text: bed + "1\t0\t1\tg\t1\t-inf\n", line: 2, says: "'-inf' in column S2"),
    Case(name: "overflow", text: bed + "1\t0\t1\tg\t1e999\t2\n", line: 2, says: "'1e999'"),
    Case(name: "invalid UTF-8 digit", text: bed + "1\t0\t1\tg\t\u{FF11}\t2\n", line: 2, says: "S1"),
    Case(
      name: "-9 as missing", text: bed + "1\t0\t1\tg\t1\t2\n1\t0\t1\th\t-7.9\t-9\n", line: 3,
      says: "sample S2 is -9"),
    Case(name: "nothing but -9", text: "id\tS1\ng\t-9\n", line: 2, says: "-9"),
    Case(
      name: "negative start", text: bed + "1\t-1\t1\tg\t1\t2\n", line: 2, says: "start of g is '-1'"),
    Case(name: "start is a word", text: bed + "1\tx\t1\tg\t1\t2\n", line: 2, says: "is 'x'"),
    Case(name: "start missing", text: bed + "1\tNA\t1\tg\t1\t2\n", line: 2, says: "is 'NA'"),
    Case(name: "fractional end", text: bed + "1\t0\t1.5\tg\t1\t2\n", line: 2, says: "end of g is '1.5'"),
    Case(
      name: "end overflows", text: bed + "1\t0\t99999999999999999999\tg\t1\t2\n", line: 2,
      says: "end of g"),
    Case(name: "end before start", text: bed + "1\t9\t5\tg\t1\t2\n", line: 2, says: "ends at 5"),
    Case(name: "no chromosome", text: bed + ".\t0\t1\tg\t1\t2\n", line: 2, says: "no chromosome"),
    Case(
      name: "matrix starting at 0", text: "id\tchr\tstart\tend\tS1\ng\t1\t0\t5\t1\n", line: 2,
      says: "start of g is '0'"),
    Case(
      name: "QTLtools group taken for a value",
      text: "#chr\tstart\tend\tid\tgene\twhat\tS1\n1\t0\t1\tg\tENSG1\t.\t1\n", line: 2,
      says: "'ENSG1' in column gene"),
    Case(
      name: "QTLtools rows under a short header", text: "#chr start end id S1\n1 0 1 g 7 + 1\n", line: 2,
      says: "the row has 7 cells, the header 5"),
  ]

  @Test(arguments: cases) func refused(_ example: Case) throws {
    let fixture = try TextFixture()
    for gzip in [false, true] {
      let path = try fixture.file(
        gzip ? fixture.compressed(example.text, gzip: true) : Data(example.text.utf8), "p.bed.gz")
      let error = try studyError { try PhenotypeFile.read(path) }
      #expect(error.kind == example.kind && error.file == path)
      #expect(error.line == example.line)
      #expect(error.cause.contains(example.says), "\(error.cause)")
    }
  }

  /// Of faults in different blocks, and of two in one line, the first is reported, whoever finds it first.
  @Test(
    arguments: [
      ([2500: "word", 2501: "twice", 9000: "short"], 2500, "'word' in column S2"),
      ([9000: "word", 2500: "twice"], 2500, "g0 occurs twice"),
      ([9000: "place", 2500: "short"], 2500, "the row has 5 cells"),
      ([9999: "twice", 9998: "place"], 9998, "start of g"),
      ([40: "nine", 9000: "word"], 9000, "'word'"),
      ([40: "nine", 9000: "nine"], 40, "sample S2 is -9"),
      ([7000: "word twice"], 7000, "g0 occurs twice"),
      ([7000: "nul", 2500: "word"], 2500, "'word'"),
      ([7000: "word", 2500: "nul"], 2500, "not a text file"),
    ] as [([Int: String], Int, String)])
  func firstFaultWins(faults: [Int: String], line: Int, says: String) throws {
    let fixture = try TextFixture()
    // 5 MB: five blocks.
    let digits = String(repeating: "3", count: 500)
    var lines = (0..<10_000).map { "1\t5\t9\tg\($0)\t0.\(digits)\t1" }
    for (line, fault) in faults {
      let index = line - 2
      lines[index] =
        switch fault {
        case "word": "1\t5\t9\tg\(index)\t1\tword"
        case "twice": "1\t5\t9\tg0\t1\t1"
        case "word twice": "1\t5\t9\tg0\t1\tword"
        case "short": "1\t5\t9\tg\(index)\t1"
        case "place": "1\t-5\t9\tg\(index)\t1\t1"
        case "nine": "1\t5\t9\tg\(index)\t1\t-9"
        default: "1\t5\t9\tg\(index)\t1\t\0"
        }
    }
    let text = Self.bed + lines.joined(separator: "\n")
    let paths = [
      try fixture.file(text), try fixture.file(fixture.compressed(text, gzip: false), "t.gz"),
    ]
    for path in paths {
      for workers in [1, 2, 7] {
        let error = try studyError { try PhenotypeFile.read(path, workers: workers) }
        #expect(error.kind == .malformed && error.file == path && error.line == line)
        #expect(error.cause.contains(says), "\(error.cause)")
      }
    }
  }

  @Test func selectionsThatLeaveNothing() throws {
    let fixture = try TextFixture()
    let path = try fixture.file(Self.bed + "1\t0\t1\tg\t1\t2\n")
    let names = try studyError { try PhenotypeFile.read(path, features: ["x", "y"]) }
    #expect(names.kind == .inconsistent && names.cause.contains("x, y"))
    let region = try studyError {
      try PhenotypeFile.read(path, regions: [GenomicRegion(chromosome: "2")])
    }
    #expect(region.kind == .inconsistent && region.cause.contains("regions"))
    let matrix = try fixture.file("id\tS1\ng\t1\n", "matrix.txt")
    let unplaced = try studyError {
      try PhenotypeFile.read(matrix, regions: [GenomicRegion(chromosome: "2")])
    }
    #expect(unplaced.kind == .inconsistent && unplaced.cause.contains("no location"))
  }

  @Test(arguments: [
    ("g1\tchr1\t5\n", 1, "3 cells, not 4"),
    ("id\tchr\tleft\tright\ng1\t1\t5\t9\ng1\t1\t5\t9\n", 3, "g1 occurs twice"),
    ("id\tchr\tleft\tright\ng1\t1\t-5\t9\n", 2, "start of g1 is '-5'"),
    ("id\tchr\tleft\tright\ng1\t1\t5\tx\n", 2, "end of g1 is 'x'"),
    ("id\tchr\tleft\tright\n", nil, "no location"),
    ("", nil, "no location"),
  ])
  func badLocations(text: String, line: Int?, says: String) throws {
    let fixture = try TextFixture()
    let path = try fixture.file("id\tS1\ng1\t1\n")
    let locations = try fixture.file(text, "loc.txt")
    let error = try studyError { try PhenotypeFile.read(path, locations: locations) }
    #expect(error.kind == .malformed && error.file == locations && error.line == line)
    #expect(error.cause.contains(says), "\(error.cause)")
  }
}
