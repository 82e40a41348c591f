import Foundation
import StudyData
import StudyIO
import TestSupport
import Testing

struct DosageMatrixTests {
  let fixture: GenotypeFixture
  init() throws { fixture = try GenotypeFixture() }

  private func read(_ text: String, locations: String? = nil) throws -> GenotypeReading {
    let path = try fixture.write("SNP.txt", text)
    let places = try locations.map { try fixture.write("snpsloc.txt", $0) }
    return try GenotypeReading(GenotypeFile.open([path], locations: places))
  }

  private let plain = "snpid\ta\tb\tc\nr1\t0\t1\t2\nr2\t0.25\tNA\t1.5\n"
  private let expected: [[Float]] = [[0, 1, 2], [0.25, -1, 1.5]]

  @Test func layouts() throws {
    let reading = try read(plain)
    #expect(reading.isFractional)
    #expect(reading.dosages == expected)
    #expect(reading.rows[0].variant == Variant(id: "r1", chromosome: "", position: 0, ref: ".", alt: "."))
    let variations = [
      "a\tb\tc\nr1\t0\t1\t2\nr2\t0.25\tNA\t1.5",  // R's write.table: no name for the row names
      "\"a\" \"b\" \"c\"\n\"r1\" 0 1 2\n\"r2\" 0.25 NA 1.5\n",
      plain.replacingOccurrences(of: "\t", with: ","),
      plain.replacingOccurrences(of: "\t", with: "  \t ").replacingOccurrences(of: "\t", with: " "),
      "\u{FEFF}" + plain.replacingOccurrences(of: "\n", with: "\r\n"),
      plain.replacingOccurrences(of: "NA", with: "nan"), plain.replacingOccurrences(of: "NA", with: ""),
      plain.replacingOccurrences(of: "NA", with: " NaN ") + "\n\n",
    ]
    for text in variations { #expect(try read(text) == reading, "\(text)") }
    for gzip in [false, true] {
      let path = try fixture.writeCompressed("SNP.txt.gz", plain, plainGzip: gzip)
      #expect(try GenotypeReading(DosageMatrixSource(path: path)) == reading)
    }
  }

  @Test func bimbamMeanGenotypes() throws {
    let text = "rs1, A, T, 0.02, 2,NA\nrs2,G,C,1,0.5,0\n"
    try fixture.write("geno.txt.samples", "s1\n\"s2\"\r\n\ns3\n")
    for path in [
      try fixture.write("geno.txt", text), try fixture.write("geno.txt", text.replacing(",", with: " ")),
      try fixture.writeCompressed("geno.txt.gz", text),
    ] {
      let source = try GenotypeFile.open([path], locations: fixture.write("places", "rs2 7 99\nrs1 7 5\n"))
      #expect(source.sampleIDs == ["s1", "s2", "s3"])
      #expect(source.paths == [path, fixture.path("geno.txt.samples"), fixture.path("places")])
      #expect(source.notes.count == 1 && source.notes[0].contains("the first allele is taken as ALT"))
      let reading = try GenotypeReading(source)
      #expect(
        reading.rows.map(\.variant) == [
          Variant(id: "rs1", chromosome: "7", position: 5, ref: "T", alt: "A"),
          Variant(id: "rs2", chromosome: "7", position: 99, ref: "C", alt: "G"),
        ])
      #expect(reading.dosages == [[0.02, 2, -1], [1, 0.5, 0]])
    }
    // One row is enough; names of samples that look like it are a header.
    try fixture.write("one.txt.samples", "a\n")
    #expect(
      try GenotypeReading(DosageMatrixSource(path: fixture.write("one.txt", "r A C 1"))).dosages == [[1]])
    #expect(
      try DosageMatrixSource(path: fixture.write("m.txt", "id A C 7\nr 1 1 2\n")).sampleIDs == [
        "A", "C", "7",
      ])
    func cause(_ list: String?) throws -> String {
      let path = try fixture.write("other.txt", text)
      if let list { try fixture.write("other.txt.samples", list) }
      return try #require(genotypeError([path])).cause
    }
    #expect(try cause(nil).contains("3 dosages) without a list of their samples"))
    #expect(try cause("s1\ns2\n").contains("names 2 samples; the rows of"))
    #expect(try cause("s1\ns2\ns1\n").contains("sample s1 occurs twice"))
    let short = try fixture.write("geno.txt", text + "rs3,A\n")
    #expect(try #require(genotypeError([short])).line == 3)
  }

  /// GEMMA's mice, which it gives as PLINK files, too.
  @Test(.disabled(if: SharedFolder.isAbsent, "the shared data are absent"))
  func bimbamOfTheMice() throws {
    func unzipped(_ name: String) throws -> [UInt8] {
      [UInt8](try SharedFolder.unzipped("data/gemma_mouse_hs1940/mouse_hs1940.\(name).gz"))
    }
    for part in ["bed", "fam"] { try fixture.write("mice.\(part)", unzipped(part)) }
    // Where GEMMA knows no position it writes -9.
    let bim = String(decoding: try unzipped("bim"), as: UTF8.self).replacing("\t-9\t", with: "\t0\t")
    try fixture.write("mice.bim", bim)
    let plink = try PlinkSource(prefix: fixture.path("mice"))
    let geno = try fixture.write("geno.txt", unzipped("geno.txt"))
    try fixture.write("geno.txt.samples", plink.sampleIDs.joined(separator: "\n"))
    let (means, calls) = (
      try GenotypeReading(GenotypeFile.open([geno])), try GenotypeReading(plink)
    )
    let byID = Dictionary(uniqueKeysWithValues: calls.rows.map { ($0.variant.id, $0) })
    var compared = 0
    var variants = 0
    for row in means.rows {
      guard let call = byID[row.variant.id] else { continue }
      variants += 1
      let isSame = row.variant.alt == call.variant.alt
      #expect(isSame || row.variant.alt == call.variant.ref)
      for (mean, copies) in zip(row.dosages, call.dosages) where copies >= 0 && mean >= 0 {
        compared += 1
        // A mean that is no whole number was imputed, the call rounded from it.
        let off = abs(mean - (isSame ? copies : 2 - copies))
        if off > (mean == mean.rounded() ? 0 : 0.5) {
          Issue.record("\(row.variant.id): \(mean), \(copies)")
          return
        }
      }
    }
    #expect(variants > 10_000 && compared > 19_000_000)
  }

  @Test func annotationColumns() throws {
    let reading = try read(
      "marker\tChr\tPOS\tref\tALT\ta\tb\nr1\tchr2\t17\tA\tG\t1\t2\n.\tX\t5\tC\tT\t0\tNA\nr3\tNA\tNA\t.\t.\t0\t0\n"
    )
    #expect(reading.dosages == [[1, 2], [0, -1], [0, 0]])
    #expect(
      reading.rows.map(\.variant) == [
        Variant(id: "r1", chromosome: "chr2", position: 17, ref: "A", alt: "G"),
        Variant(id: "X_5_C_T", chromosome: "X", position: 5, ref: "C", alt: "T"),
        Variant(id: "r3", chromosome: "", position: 0, ref: ".", alt: "."),
      ])
    let positions = try read("id\tchr\tpos\ta\nr1\t1\t5.5\t2\nr2\t1\t1e+05\t2\n").rows.map(\.variant.position)
    #expect(positions == [5, 100_000])
  }

  @Test func locationsFile() throws {
    let places = "snpid\tchr\tpos\nr2\tchr5\t70\nr9\t6\t1\nr4\tNA\tNA\n"
    let reading = try read(plain, locations: places)
    #expect(reading.rows.map(\.variant.chromosome) == ["", "chr5"])
    #expect(reading.rows.map(\.variant.position) == [0, 70])
    let source = try DosageMatrixSource(path: fixture.path("SNP.txt"), locations: fixture.path("snpsloc.txt"))
    #expect(try source.chromosomes() == ["5", "6"])
    #expect(source.paths.count == 2)
    let region = VariantSelection(regions: [GenomicRegion(chromosome: "5", start: 70, end: 70)])
    #expect(try GenotypeReading(source, selection: region).ids == ["r2"])
    #expect(try DosageMatrixSource(path: fixture.path("SNP.txt")).chromosomes() == nil)
  }

  @Test func blocksThreadsAndOrder() throws {
    var random = GenotypeRandom(seed: 5)
    let names = (0..<11).map { "s\($0)" }
    let values = (0..<50).map { _ in names.map { _ in Float(Int.random(in: -1...8, using: &random)) / 4 } }
    var text = (["id"] + names).joined(separator: "\t") + "\n"
    for (index, row) in values.enumerated() {
      text += (["r\(index)"] + row.map { $0 < 0 ? "NA" : "\($0)" }).joined(separator: "\t") + "\n"
    }
    let source = try DosageMatrixSource(path: fixture.write("m.txt", text))
    let whole = try GenotypeReading(source)
    #expect(whole.dosages == values.map { $0.map { $0 < 0 ? -1 : $0 } })
    for blockSize in [1, 7, 50, 51] {
      #expect(try GenotypeReading(source, blockSize: blockSize, concurrently: true) == whole)
    }
    let order = [9, 0, 4]
    #expect(
      try GenotypeReading(source, samples: order).dosages
        == whole.dosages.map { row in order.map { row[$0] } })
  }

  @Test func brokenMatrices() throws {
    func expect(
      _ text: String, _ phrase: String, line: Int?, locations: String? = nil,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try fixture.write("SNP.txt", text)
      let places = try locations.map { try fixture.write("snpsloc.txt", $0) }
      let error = try #require(genotypeError([path], locations: places), sourceLocation: sourceLocation)
      #expect(error.cause.contains(phrase), "\(error)", sourceLocation: sourceLocation)
      #expect(error.kind == .malformed && error.line == line, "\(error)", sourceLocation: sourceLocation)
      #expect(
        error.file == (locations == nil ? path : fixture.path("snpsloc.txt")), sourceLocation: sourceLocation)
    }
    try expect("", "empty", line: nil)
    try expect("\n\n", "no rows", line: nil)
    try expect("id\ta\tb\n", "no rows", line: nil)
    try expect("id\na\n", "no samples", line: 1)
    try expect("id\ta\ta\nr\t1\t1\n", "sample a occurs twice", line: 1)
    try expect("id\ta\t\nr\t1\t1\n", "no name", line: 1)
    try expect("id\tchr\ta\nr\t1\t1\n", "chr and pos must be given together", line: 1)
    try expect("id\tchr\tpos\tbp\ta\nr\t1\t1\t1\t1\n", "annotation column occurs twice", line: 1)
    for position in ["-4", "0x10", "inf", "1e400", "nan"] {
      try expect("id\tchr\tpos\ta\nr\t1\t\(position)\t1\n", "position '\(position)'", line: 2)
    }
    try expect(plain + "r3\t0\t1\n", "2 dosages, not 3", line: 4)
    try expect(plain + "r3\n", "fewer cells", line: 4)
    try expect(plain + "r3\t0\t1\t2\t0\n", "more than the header's 3", line: 4)
    try expect(plain + "r3\t0\t1\t2\t\n", "more than the header's 3", line: 4)
    try expect(plain + "\t0\t1\t2\n", "no id", line: 4)
    // Not R's header without a first cell: that would shift every sample's genotypes.
    for first in ["id", "snpid", "SNP", "#x", "unheard_of"] {
      let rows = "r1\t0\t1\t\nr2\t1\t2\t\n"
      try expect("\(first)\ta\tb\n" + rows, "more than the header's 2", line: 2)
      try expect(
        ("\(first)\ta\tb\n" + rows).replacingOccurrences(of: "\t", with: ","), "more than the header's 2",
        line: 2)
    }
    for first in ["snpid", "marker", "#x"] {
      try expect("\(first)\ta\tb\nr1\t0\t1\t2\n", "more than the header's 2", line: 2)
    }
    try expect(plain + "r3\t0\t-9\t2\n", "dosage of b is '-9'", line: 4)
    try expect(plain + "r3\t0\t2.5\t2\n", "outside 0…2: '2.5'", line: 4)
    try expect(plain + "r3\tA\t2\t2\n", "dosage of a is not a number: 'A'", line: 4)
    try expect(plain + "r3\t1\t2\tinf\n", "not a number: 'inf'", line: 4)
    try expect("\u{1}\u{2}\u{3}\n\u{4}", "not a text file", line: 1)
    try expect(plain + "r3\t0\t\0\t2\n", "not a text file", line: 4)
    let start = try fixture.write("m.gz", [0x1F, 0x8B, 8, 4, 0, 0])
    #expect(genotypeError([start])?.cause.contains("truncated") == true)
    // Behind the first quarter of a megabyte that is read.
    let many = String(repeating: "r\t0\t1\t2\n", count: 40_000)
    try expect(plain + many + "r\t0\t\0\t2\n", "not a text file", line: 40_004)
    try expect(plain, "2 cells, not 3", line: 2, locations: "snp chr pos\nr1 1\n")
    try expect(plain, "position '-1'", line: 2, locations: "snp chr pos\nr1 1 -1\n")
    try expect(plain, "r1 has two locations", line: 2, locations: "r1 1 5\nr1 2 5\n")
    try expect(plain, "no variant has a location", line: nil, locations: "snp chr pos\n")
    #expect(
      genotypeError([try fixture.write("SNP.txt", plain + "r3\t0\t-9\t2\n")])?.remedy
        == "write missing genotypes as NA")
  }

  /// Lines of several times what is read at once.
  @Test func longLines() throws {
    let fixture = try GenotypeFixture()
    let count = 400_000
    let header = (0..<count).map { "\ts\($0)" }.joined()
    let rows = (0..<3).map { v in "r\(v)" + (0..<count).map { "\t\(($0 + v) % 3)" }.joined() + "\n" }
    let source = try GenotypeFile.open([fixture.write("m.txt", "id" + header + "\n" + rows.joined())])
    #expect(source.sampleIDs.count == count && source.sampleIDs.last == "s\(count - 1)")
    for blockSize in [1, 3] {
      let dosages = try GenotypeReading(source, blockSize: blockSize).dosages
      #expect(dosages == (0..<3).map { v in (0..<count).map { Float(($0 + v) % 3) } })
    }
  }

  @Test func sharedData() throws {
    guard let toy = GenotypeFixture.shared("matrixeqtl_toy/SNP.txt"),
      let yeast = GenotypeFixture.shared("yeast_brem_trigger/tsv/genotypes_01.3244x112.tsv.gz")
    else {
      print("skipped: the shared data are absent")
      return
    }
    let source = try GenotypeFile.open(
      [toy], locations: GenotypeFixture.shared("matrixeqtl_toy/snpsloc.txt"))
    let reading = try GenotypeReading(source)
    #expect(reading.rows.count == 15 && source.sampleIDs.count == 16)
    #expect(reading.dosages[0] == [2, 0, 2, 0, 2, 1, 2, 1, 1, 1, 2, 2, 1, 2, 2, 1])
    #expect(reading.rows[1].variant.position == 752_565)
    let markers = try GenotypeReading(GenotypeFile.open([yeast]))
    #expect(markers.rows.count == 3_244)
    #expect(markers.rows[0].dosages.count == 112)
    #expect(markers.rows[0].variant.position == 358)
  }
}
