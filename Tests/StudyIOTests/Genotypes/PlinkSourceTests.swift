import Foundation
import StudyData
import StudyIO
import Testing

struct PlinkSourceTests {
  /// plink2's own export of the same file set: COUNTED is REF there.
  @Test func agreesWithPlink2() throws {
    let source = try PlinkSource(prefix: GenotypeFixture.oracle("calls"))
    let oracle = try TrawTable(GenotypeFixture.oracle("calls.traw"))
    let reading = try GenotypeReading(source)
    #expect(source.sampleIDs == oracle.samples)
    #expect(source.variantCount == 60)
    #expect(try source.chromosomes() == ["21", "22", "X"])
    #expect(!reading.isFractional)
    #expect(reading.dosages == oracle.altDosages.map { $0.map(Float.init) })
    #expect(reading.rows.map(\.variant) == oracle.variants)
    #expect(reading.rows.map(\.ordinal) == Array(0..<60))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8, 31, 64, 129]) func roundTrip(sampleCount: Int) throws {
    let fixture = try GenotypeFixture()
    var random = GenotypeRandom(seed: UInt64(sampleCount))
    let codes = (0..<37).map { _ in (0..<sampleCount).map { _ in UInt8.random(in: 0...3, using: &random) } }
    let source = try PlinkSource(prefix: try fixture.writePlink("set", codes: codes))
    let expected = codes.map { $0.map { $0 == 3 ? Float(-1) : Float($0) } }
    #expect(try GenotypeReading(source).dosages == expected)

    let order = Array((0..<sampleCount).shuffled(using: &random))
    for samples in [order, Array(order.prefix((sampleCount + 1) / 2))] {
      #expect(
        try GenotypeReading(source, samples: samples).dosages
          == expected.map { row in samples.map { row[$0] } })
    }
  }

  @Test func blockSizeAndThreadsDoNotMatter() throws {
    let source = try PlinkSource(prefix: GenotypeFixture.oracle("calls"))
    let whole = try GenotypeReading(source)
    for blockSize in [1, 7, 59, 60, 61] {
      #expect(try GenotypeReading(source, blockSize: blockSize) == whole)
      #expect(try GenotypeReading(source, blockSize: blockSize, concurrently: true) == whole)
    }
  }

  @Test func selections() throws {
    let fixture = try GenotypeFixture()
    let codes: [[UInt8]] = [[0, 1], [2, 3], [1, 1], [2, 0]]
    let source = try PlinkSource(
      prefix: try fixture.writePlink("set", codes: codes, chromosomes: ["1", "chr1", "23", "26"]))
    #expect(try source.chromosomes() == ["1", "X", "MT"])
    let byRegion = VariantSelection(regions: [
      GenomicRegion(chromosome: "chrX"), GenomicRegion(chromosome: "1", start: 200, end: 200),
    ])
    let reading = try GenotypeReading(source, selection: byRegion)
    #expect(reading.ids == ["rs1", "rs2"])
    #expect(reading.rows.map(\.ordinal) == [1, 2])
    #expect(reading.dosages == [[2, -1], [1, 1]])
    #expect(reading.rows[1].variant.chromosome == "X")
    #expect(try GenotypeReading(source, selection: .init(ids: ["rs3", "absent"])).dosages == [[2, 0]])
    #expect(try GenotypeReading(source, selection: .init(ids: [])).rows.isEmpty)
    #expect(throws: StudyError.self) {
      try source.stream(
        GenotypeRequest(samples: [0], selection: .init(minimumInfo: .init(field: "R2", value: 0.3))))
    }
  }

  @Test func numbersOfHumanChromosomes() throws {
    let fixture = try GenotypeFixture()
    func open(_ chromosomes: [String]) throws -> PlinkSource {
      let codes = [[UInt8]](repeating: [0, 1], count: chromosomes.count)
      return try PlinkSource(
        prefix: fixture.writePlink("set", codes: codes, chromosomes: chromosomes))
    }
    func names(_ source: PlinkSource, region: String? = nil) throws -> [String] {
      let regions = region.map { [GenomicRegion(chromosome: $0)] } ?? []
      return try GenotypeReading(source, selection: .init(regions: regions)).rows.map(\.variant.chromosome)
    }
    let human = try open(["0", "1", "chr22", "23", "chr23", "24", "25", "26", "PAR1"])
    #expect(try names(human) == ["0", "1", "chr22", "X", "X", "Y", "XY", "MT", "PAR1"])
    #expect(try human.chromosomes() == ["0", "1", "22", "X", "Y", "XY", "MT", "PAR1"])
    for region in ["X", "chrX"] { #expect(try names(human, region: region) == ["X", "X"]) }
    #expect(try names(human, region: "23").isEmpty)
    #expect(
      human.notes.last
        == fixture.path("set.bim") + ": chromosome codes 23, 24, 25, 26 are read as X, Y, XY, MT")

    // Cattle have 29 autosomes.
    let cattle = try open(["1", "23", "26", "29", "X"])
    #expect(try names(cattle) == ["1", "23", "26", "29", "X"])
    #expect(try cattle.chromosomes() == ["1", "23", "26", "29", "X"])
    #expect(try names(cattle, region: "X") == ["X"])
    #expect(try names(cattle, region: "chr23") == ["23"])
    for source in [cattle, try open(["1", "22", "X"])] { #expect(source.notes.count == 1) }
  }

  @Test func textVariations() throws {
    let fixture = try GenotypeFixture()
    let prefix = try fixture.writePlink("set", codes: [[0, 1], [2, 3]])
    try fixture.write("set.bim", "\u{FEFF} 1  .  0 \t5 A   G\r\nchr2\trs7\t0\t6\tT\tC\textra")
    try fixture.write("set.fam", "\u{FEFF}f a 0 0 1 -9\r\nf\tb\t0\t0\t2\t1.5\tmore\r\n\r\n")
    let source = try PlinkSource(prefix: prefix)
    #expect(source.sampleIDs == ["a", "b"])
    #expect(try source.chromosomes() == ["1", "2"])
    let variants = try GenotypeReading(source).rows.map(\.variant)
    #expect(variants[0] == Variant(id: "1_5_G_A", chromosome: "1", position: 5, ref: "G", alt: "A"))
    #expect(variants[1] == Variant(id: "rs7", chromosome: "chr2", position: 6, ref: "C", alt: "T"))
  }

  @Test func repeatedIndividualsAreNamedWithTheirFamily() throws {
    let fixture = try GenotypeFixture()
    let prefix = try fixture.writePlink("set", codes: [[0, 1]])
    #expect(try PlinkSource(prefix: prefix).notes.count == 1)
    try fixture.write("set.fam", "f1 1 0 0 0 -9\nf2 1 0 0 0 -9\n")
    let source = try PlinkSource(prefix: prefix)
    #expect(source.sampleIDs == ["f1_1", "f2_1"])
    #expect(source.notes.contains { $0.contains("FID_IID") })
  }

  @Test func brokenSets() throws {
    let fixture = try GenotypeFixture()
    let prefix = fixture.path("set")
    let codes: [[UInt8]] = Array(repeating: [0, 1, 2, 3, 0, 1, 2, 0, 1], count: 7)
    func expect(
      _ kind: StudyError.Kind, _ phrase: String, file: String, line: Int? = nil,
      sourceLocation: SourceLocation = #_sourceLocation, change: () throws -> Void
    ) throws {
      try fixture.writePlink("set", codes: codes)
      try change()
      let error = try #require(genotypeError([prefix]), sourceLocation: sourceLocation)
      #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
      #expect(error.cause.contains(phrase), "\(error)", sourceLocation: sourceLocation)
      #expect(
        error.file == fixture.path(file) && error.line == line, "\(error)", sourceLocation: sourceLocation)
    }
    let bed = [0x6C, 0x1B, 1] + [UInt8](repeating: 0, count: 21)
    let bim = (0..<7).map { "1\trs\($0)\t0\t\($0 + 1)\tA\tG\n" }
    let fam = (0..<9).map { "f s\($0) 0 0 0 -9\n" }

    try expect(.malformed, "6c 1b", file: "set.bed") { try fixture.write("set.bed", [0, 1] + bed) }
    try expect(.malformed, "sample-major", file: "set.bed") {
      try fixture.write("set.bed", [0x6C, 0x1B, 0] + bed.dropFirst(3))
    }
    try expect(.malformed, "pgen", file: "set.bed") {
      try fixture.write("set.bed", [0x6C, 0x1B, 0x10] + bed.dropFirst(3))
    }
    try expect(.malformed, "empty", file: "set.bed") { try fixture.write("set.bed", "") }
    try expect(.malformed, "truncated: 9 samples × 7 variants need 24 bytes, found 19", file: "set.bed") {
      try fixture.write("set.bed", Array(bed.dropLast(5)))
    }
    try expect(.inconsistent, "bed file has 6 variants", file: "set.bed") {
      try fixture.write("set.bed", Array(bed.dropLast(3)))
    }
    try expect(
      .inconsistent, "fam file belongs to another set (the bed file has 9…12 samples)", file: "set.bed"
    ) {
      try fixture.write("set.fam", fam.dropLast().joined())
    }
    try expect(.inconsistent, "bim file belongs to another set", file: "set.bed") {
      try fixture.write("set.bim", bim.dropLast().joined())
    }
    try expect(.malformed, "6 fields, this one has 5", file: "set.bim", line: 2) {
      try fixture.write("set.bim", bim[0] + "1 rs 0 5 A\n" + bim[2...].joined())
    }
    try expect(.malformed, "position '-3'", file: "set.bim", line: 7) {
      try fixture.write("set.bim", bim.dropLast().joined() + "1 rs 0 -3 A G\n")
    }
    try expect(.malformed, "position '1e5'", file: "set.bim", line: 1) {
      try fixture.write("set.bim", "1 rs 0 1e5 A G\n" + bim.dropFirst().joined())
    }
    try expect(.malformed, "blank line", file: "set.bim", line: 2) {
      try fixture.write("set.bim", bim[0] + "\n" + bim[1...].joined())
    }
    try expect(.malformed, "empty", file: "set.bim") { try fixture.write("set.bim", "") }
    try expect(.malformed, "empty", file: "set.fam") { try fixture.write("set.fam", "") }
    try expect(.malformed, "6 fields, this one has 2", file: "set.fam", line: 9) {
      try fixture.write("set.fam", fam.dropLast().joined() + "f s9\n")
    }
    try expect(.malformed, "two samples are called f_s1", file: "set.fam") {
      try fixture.write("set.fam", fam.dropLast().joined() + fam[1])
    }
    for part in ["bim", "fam"] {
      try expect(.environment, "cannot be read: No such file or directory", file: "set.\(part)") {
        try FileManager.default.removeItem(atPath: prefix + "." + part)
      }
    }
    try expect(.environment, "No such file", file: "set") {
      try FileManager.default.removeItem(atPath: prefix + ".bed")
    }
  }
}

/// plink2's `--export A-transpose`.
struct TrawTable {
  var samples: [String]
  var variants: [Variant] = []
  /// Of ALT; missing is -1.
  var altDosages: [[Double]] = []

  init(_ path: String) throws {
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: "\t")
    }
    samples = lines[0].dropFirst(6).map { String($0.dropFirst(2)) }
    for cells in lines.dropFirst() {
      // COUNTED is REF in these files.
      let (ref, alt, position) = (String(cells[4]), String(cells[5]), Int(cells[3])!)
      let id = cells[1] == "." ? "\(cells[0])_\(position)_\(ref)_\(alt)" : String(cells[1])
      variants.append(Variant(id: id, chromosome: String(cells[0]), position: position, ref: ref, alt: alt))
      altDosages.append(cells.dropFirst(6).map { $0 == "NA" ? -1 : 2 - Double($0)! })
    }
  }
}
