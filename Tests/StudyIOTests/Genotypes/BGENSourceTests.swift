import CSQLite
import CScanKernels
import Foundation
import StudyData
import StudyIO
import Testing

struct BGENSourceTests {
  /// What the decoder in Python makes of a file.
  struct Oracle {
    var variants: [Variant] = []
    /// Bits of each dosage, nil where it is missing.
    var bits: [[UInt32?]] = []

    init(_ path: String) throws {
      let script = GenotypeFixture.oracle("../bgen/decode.py")
      for line in try OtherTool.run("python3", [script, path]).split(separator: "\n") {
        let cells = line.split(separator: "\t").map(String.init)
        variants.append(
          Variant(
            id: cells[0], chromosome: cells[1], position: try #require(Int(cells[2])), ref: cells[3],
            alt: cells[4]))
        bits.append(cells[5...].map { UInt32($0, radix: 16) })
      }
    }
  }

  static func expectBits(_ reading: GenotypeReading, _ oracle: Oracle) {
    #expect(reading.isFractional)
    #expect(reading.rows.map(\.variant) == oracle.variants)
    for (row, expected) in zip(reading.rows, oracle.bits) {
      #expect(row.dosages.map { $0 == -1 ? nil : $0.bitPattern } == expected, "\(row.variant)")
    }
  }

  /// 1 to 32 bits, phased and not, ploidy 0 to 2, two to five alleles.
  static func everything(_ compression: BGENText.Compression, samples: Int = 23) -> BGENText {
    var random = GenotypeRandom(seed: 17)
    var records: [BGENText.Record] = []
    for bits in 1...32 {
      for (alleles, ploidies) in [(2, [2]), (2, [1]), (2, [0, 1, 2]), (3, [2]), (5, [0, 1, 2])] {
        for isPhased in [false, true] {
          records.append(
            BGENText.random(
              "v\(records.count)", samples: samples, bits: bits, isPhased: isPhased, alleles: alleles,
              ploidies: ploidies, &random))
        }
      }
    }
    return BGENText(names: (0..<samples).map { "s\($0)" }, compression: compression, records: records)
  }

  @Test(
    .disabled(if: OtherTool.path("python3") == nil, "python3 is not installed"),
    arguments: BGENText.Compression.allCases)
  func everyPrecision(compression: BGENText.Compression) throws {
    let fixture = try GenotypeFixture()
    let source = try BGENSource(path: fixture.write("a.bgen", Self.everything(compression).bytes))
    #expect(source.sampleIDs == (0..<23).map { "s\($0)" })
    #expect(source.variantCount == nil && source.leastVariantCount == 320)
    #expect(try source.chromosomes() == nil)
    // Python's library has no zstd.
    let readable = try fixture.write(
      "b.bgen", Self.everything(compression == .zstd ? .none : compression).bytes)
    let reading = try GenotypeReading(source, blockSize: 37)
    Self.expectBits(reading, try Oracle(readable))
    #expect(reading.rows.count == 32 * 2 * (3 + 2 + 4))
    #expect(reading.drops.isEmpty)
  }

  /// By the definition, in place of another program.
  @Test func dosagesByHand() throws {
    let fixture = try GenotypeFixture()
    func record(_ name: String, _ alleles: [String], _ isPhased: Bool, _ samples: [BGENText.Sample])
      -> BGENText.Record
    {
      .init(rsName: name, position: 7, alleles: alleles, isPhased: isPhased, samples: samples)
    }
    let file = BGENText(
      names: ["a", "b", "c"],
      records: [
        record(
          "r1", ["A", "G"], false,
          [
            .init(probabilities: [255, 0]), .init(probabilities: [51, 102]),
            .init(isMissing: true, probabilities: [0, 0]),
          ]),
        record(
          "r2", ["A", "G"], true,
          [
            .init(probabilities: [255, 0]), .init(ploidy: 1, probabilities: [51]),
            .init(ploidy: 0, probabilities: []),
          ]),
        // Genotypes 00, 01, 11, 02, 12, (22).
        record(
          "r3", ["A", "G", "T"], false,
          [
            .init(probabilities: [0, 255, 0, 0, 0]), .init(probabilities: [0, 0, 0, 0, 255]),
            .init(probabilities: [0, 0, 0, 0, 0]),
          ]),
      ])
    let reading = try GenotypeReading(BGENSource(path: fixture.write("a.bgen", file.bytes)))
    #expect(reading.ids == ["r1", "r2", "r3_G", "r3_T"])
    #expect(reading.rows.map(\.variant.alt) == ["G", "G", "G", "T"])
    #expect(reading.rows.map(\.ordinal) == [0, 1, 2, 3])
    #expect(reading.dosages == [[0, 1.2, -1], [1, 1.6, -1], [1, 1, 0], [0, 1, 2]])
    // A selection by id is by that of the variant.
    let some = try GenotypeReading(
      BGENSource(path: fixture.path("a.bgen")), samples: [2, 0], selection: .init(ids: ["r3_T", "r1"]))
    #expect(some.ids == ["r1", "r3_T"] && some.dosages == [[-1, 0], [2, 0]])
    #expect(some.rows.map(\.ordinal) == [0, 3])
  }

  @Test func namesOfVariants() throws {
    let fixture = try GenotypeFixture()
    let samples = [BGENText.Sample(probabilities: [0, 255])]
    var file = BGENText(names: ["a"], records: [])
    for (name, rsName, alleles) in [
      ("x", "rs1", ["A", "G"]), ("x", "", ["A", "G"]), ("x", ".", ["A", "G"]), ("", ".", ["A", ""]),
    ] {
      file.records.append(
        .init(name: name, rsName: rsName, chromosome: "07", position: 5, alleles: alleles, samples: samples))
    }
    file.records.append(
      .init(
        rsName: ".", chromosome: "NA", position: 6, alleles: ["A", "C", "G"],
        samples: [.init(probabilities: [0, 0, 0, 0, 0])]))
    file.records.append(
      .init(rsName: "one", position: 6, alleles: ["A"], samples: [.init(probabilities: [])]))
    file.records.append(
      .init(
        rsName: "many", position: 6, alleles: (0..<256).map { "A\($0)" }, samples: [.init(probabilities: [])])
    )
    let reading = try GenotypeReading(BGENSource(path: fixture.write("a.bgen", file.bytes)))
    #expect(reading.ids == ["rs1", "x", "x", "7_5_A_.", "_6_A_C", "_6_A_G"])
    #expect(reading.rows.map(\.variant.chromosome) == ["7", "7", "7", "7", "", ""])
    #expect(reading.drops.map(\.reason) == ["no alternate allele", "multiallelic"])
    #expect(reading.drops.map(\.id) == ["one", "many"] && reading.drops[1].detail == "256 alleles")
  }

  /// Calls, dosages, phased dosages and genotype probabilities, as plink2 writes them.
  @Test(
    .disabled(
      if: OtherTool.path("plink2") == nil || OtherTool.path("python3") == nil,
      "plink2 or python3 is not installed"), arguments: ["GT", "DS", "HDS", "GP"], [8, 16])
  func plink2Exports(field: String, bits: Int) throws {
    let fixture = try GenotypeFixture()
    let vcf = try fixture.write("a.vcf", Self.vcf(field, samples: 41, variants: 60))
    func export(_ format: String, _ name: String, _ more: [String]) throws {
      let dosage = field == "GT" ? [] : ["dosage=\(field)"]
      _ = try OtherTool.run(
        "plink2",
        ["--silent", "--threads", "1", "--vcf", vcf] + dosage + [
          "--update-sex", fixture.path("sex"), "--export",
        ]
          + [format] + more + ["--out", fixture.path(name)])
    }
    try fixture.write(
      "sex", "#IID\tSEX\n" + (0..<41).map { "s\($0)\t\($0 % 2 + 1)\n" }.joined())
    try export("bgen-1.2", "zlib", ["bits=\(bits)", "ref-first"])
    try export("bgen-1.3", "zstd", ["bits=\(bits)", "ref-first"])
    try export("A-transpose", "table", [])
    let source = try GenotypeFile.open([fixture.path("zlib.bgen")])
    #expect(source is BGENSource)
    let reading = try GenotypeReading(source)
    Self.expectBits(reading, try Oracle(fixture.path("zlib.bgen")))
    #expect(try GenotypeReading(BGENSource(path: fixture.path("zstd.bgen"))) == reading)
    let table = try TrawTable(fixture.path("table.traw"))
    #expect(reading.rows.map(\.variant) == table.variants)
    #expect(source.sampleIDs == table.samples)
    #expect(reading.rows.count == 60)
    // A probability is off by 1/(2^bits − 1) at most, a dosage by three of them; plink2 holds and prints dosages to 2^-14 and four digits.
    let tolerance: Double = 3 / Double(1 << bits - 1) + 0x1p-14 + 1e-4
    for (row, expected) in zip(reading.dosages, table.altDosages) {
      for (value, want) in zip(row, expected) { #expect(abs(Double(value) - want) <= tolerance) }
    }
  }

  /// A VCF with calls and `field`, a third of the variants phased, the last chromosome X.
  static func vcf(_ field: String, samples: Int, variants: Int) -> String {
    var random = GenotypeRandom(seed: UInt64(field.utf8.reduce(0) { $0 + Int($1) }))
    var text = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=X>\n"
    let number = ["GT": "1", "DS": "1", "HDS": "2", "GP": "3"]
    for name in Set(["GT", field]).sorted() {
      text +=
        "##FORMAT=<ID=\(name),Number=\(number[name]!),Type=\(name == "GT" ? "String" : "Float"),Description=\"\">\n"
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
    text += (0..<samples).map { "s\($0)" }.joined(separator: "\t") + "\n"
    for variant in 0..<variants {
      // Dosages of males on X are plink2's own affair.
      let isX = field == "GT" && variant >= variants - 10
      let isPhased = field == "HDS" || variant % 3 == 0
      text += "\(isX ? "X" : "1")\t\(3_000_000 + 10 * variant)\trs\(variant)\tA\tG\t.\t.\t.\t"
      text += field == "GT" ? "GT" : "GT:\(field)"
      for sample in 0..<samples {
        let isMale = isX && sample % 2 == 0
        let isMissing = Int.random(in: 0..<12, using: &random) == 0
        let p = (0..<2).map { _ in Double(Int.random(in: 0...1000, using: &random)) / 1000 }
        let alleles = p.map { isMissing ? "." : $0 > 0.5 ? "1" : "0" }
        text += "\t" + (isMale ? alleles[0] : alleles.joined(separator: isPhased ? "|" : "/"))
        switch field {
        case "DS": text += isMissing ? ":." : ":\(p[0] + p[1])"
        case "HDS": text += isMissing ? ":." : ":\(p[0]),\(p[1])"
        case "GP":
          text +=
            isMissing ? ":." : ":\((1 - p[0]) * (1 - p[1])),\(p[0] + p[1] - 2 * p[0] * p[1]),\(p[0] * p[1])"
        default: break
        }
      }
      text += "\n"
    }
    return text
  }

  @Test(arguments: BGENText.Compression.allCases)
  func orderBlocksAndThreadsDoNotMatter(compression: BGENText.Compression) throws {
    let fixture = try GenotypeFixture()
    let source = try BGENSource(path: fixture.write("a.bgen", Self.everything(compression).bytes))
    let whole = try GenotypeReading(source)
    for blockSize in [1, 7, 512] {
      #expect(try GenotypeReading(source, blockSize: blockSize, concurrently: true) == whole)
    }
    let order = [3, 22, 0, 7]
    #expect(
      try GenotypeReading(source, samples: order).dosages
        == whole.dosages.map { row in order.map { row[$0] } })
  }

  /// More than a window of the reader's, and records that are longer.
  @Test func longFilesAndRecords() throws {
    let fixture = try GenotypeFixture()
    var random = GenotypeRandom(seed: 5)
    let samples = 700_000
    let base = (0..<2 * samples).map { _ in UInt64.random(in: 0...127, using: &random) }
    func record(_ name: String, _ shift: Int) -> BGENText.Record {
      var rotated = base
      rotated.withUnsafeMutableBufferPointer { $0[0] = UInt64(shift) }
      return .init(
        rsName: name, position: shift, alleles: ["A", String(repeating: "T", count: shift * 700_000)],
        samples: (0..<samples).map { .init(probabilities: [rotated[2 * $0], rotated[2 * $0 + 1]]) })
    }
    let file = BGENText(compression: .none, records: (1...3).map { record("r\($0)", $0) })
    let path = try fixture.write("a.bgen", file.bytes)
    try fixture.write(
      "a.sample", "ID_1 ID_2 missing\n0 0 0\n" + (0..<samples).map { "0 \($0) 0\n" }.joined())
    let source = try BGENSource(path: path)
    let reading = try GenotypeReading(source, samples: [0, 1, samples - 1], blockSize: 2)
    let last = base.count - 2
    for (k, row) in reading.rows.enumerated() {
      #expect(row.variant.alt.utf8.count == (k + 1) * 700_000)
      let expected = [
        510 - 2 * (k + 1) - Int(base[1]), 510 - 2 * Int(base[2]) - Int(base[3]),
        510 - 2 * Int(base[last]) - Int(base[last + 1]),
      ].map { Float($0) / 255 }
      #expect(row.dosages == expected)
    }
    #expect(try GenotypeReading(source, samples: [1], selection: .init(ids: ["r2"])).rows.count == 1)
    #expect(reading.rows.count == 3)
  }

  @Test func namesOfSamples() throws {
    let fixture = try GenotypeFixture()
    var file = BGENText(
      records: [
        .init(
          rsName: "r", position: 1, samples: [.init(probabilities: [0, 255]), .init(probabilities: [0, 0])])
      ])
    let path = try fixture.write("a.bgen", file.bytes)
    func outcome() -> (ids: [String]?, error: StudyError?) {
      do throws(StudyError) {
        let source = try BGENSource(path: path)
        #expect(source.paths == [path, fixture.path("a.sample")])
        #expect(source.notes.count == 2)
        return (source.sampleIDs, nil)
      } catch {
        return (nil, error)
      }
    }
    let absent = try #require(outcome().error)
    #expect(absent.kind == .inconsistent && absent.cause.contains("there is no \(fixture.path("a.sample"))"))
    for (text, ids) in [
      ("ID_1 ID_2 missing\n0 0 0\nf a 0\nf b 0\n", ["a", "b"]),
      ("ID_1\tID_2\tmissing sex\r\n0 0 0 D\r\nf a 0 1\r\n\r\ng a 0 1\r\n", ["f_a", "g_a"]),
      ("ID missing sex\n0 0 D\na 0 1\nb 0 2\n", ["a", "b"]),
    ] {
      try fixture.write("a.sample", text)
      #expect(outcome().ids == ids, "\(outcome().error?.description ?? "")")
    }
    for (text, phrase) in [
      ("ID_1 ID_2 missing\n0 0 0\nf a 0\n", "it names 1 samples; \(path) has 2"),
      ("ID_1 ID_2 missing\nf a 0\nf b 0\n", "the second line gives no column types"),
      ("ID_1 ID_2 missing\n0 0 0\nf a 0\nf\n", "the line has one field"),
      ("ID_1 ID_2 missing\n0 0 0\nf a 0\nf a\n", "two samples are called f_a"),
      ("ID missing\n0 0\na 0\na 0\n", "two samples are called a"), ("ID_1 ID_2\n0 0\n", "names no samples"),
      ("", "names no samples"),
    ] {
      try fixture.write("a.sample", text)
      let error = try #require(outcome().error)
      #expect(error.cause.contains(phrase) && error.file == fixture.path("a.sample"), "\(error)")
    }
    // The file's own names go first.
    file.names = ["x", "y"]
    let named = try BGENSource(path: fixture.write("a.bgen", file.bytes))
    #expect(named.sampleIDs == ["x", "y"] && named.paths == [path])
    for (names, phrase) in [
      (["x", "x"], "names x twice"), (["x", ""], "has an empty name"), (["x"], "names 1 samples"),
    ] {
      file.names = names
      let error = try #require(genotypeError([try fixture.write("a.bgen", file.bytes)]))
      #expect(error.cause.contains(phrase), "\(error)")
    }
  }

  @Test func refusals() throws {
    let fixture = try GenotypeFixture()
    let good = BGENText.Record(
      rsName: "r1", position: 5,
      samples: [
        .init(probabilities: [0, 255]), .init(probabilities: [10, 20]), .init(probabilities: [1, 2]),
      ])
    func file(_ records: [BGENText.Record]) -> BGENText {
      BGENText(names: ["a", "b", "c"], compression: .none, records: records)
    }
    func expect(
      _ bytes: [UInt8], _ phrase: String, line: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try fixture.write("a.bgen", bytes)
      let error = try #require(genotypeError([path]), sourceLocation: sourceLocation)
      #expect(
        error.kind == .malformed && error.cause.contains(phrase) && error.line == line, "\(error)",
        sourceLocation: sourceLocation)
    }
    #expect(genotypeError([try fixture.write("a.bgen", file([good]).bytes)]) == nil)
    var old = file([good])
    old.layout = 1
    try expect(old.bytes, "layout 1; only layout 2")
    var bytes = file([good, good]).bytes
    bytes[20] |= 3
    try expect(bytes, "compression is of an unknown kind")
    bytes = file([good, good]).bytes
    bytes[8] = 1
    try expect(bytes, "goes on behind the 1 variants")
    bytes[8] = 3
    try expect(bytes, "truncated")
    bytes[9] = 255
    try expect(bytes, "variants do not fit")
    try expect(Array(file([good]).bytes.dropLast()), "the file ends within a variant")
    bytes = file([good]).bytes
    bytes[4] = 19
    try expect(bytes, "the header is damaged")
    try expect(Array("a b c\n1 2 3\n".utf8), "not a BGEN file, though its name says so")

    var record = good
    record.samples[1].ploidy = 3
    try expect(file([good, record]).bytes, "variant r1 (1:5): sample b has more than two alleles", line: 2)
    record = good
    record.samples[2].probabilities = [128, 128]
    try expect(file([record]).bytes, "the probabilities of sample c add up to more than one", line: 1)
    record.bits = 9
    record.samples[2].probabilities = [256, 256]
    try expect(file([record]).bytes, "the probabilities of sample c add up to more than one", line: 1)
    record = good
    record.rsName = "a\tb"
    try expect(file([record]).bytes, "control characters", line: 1)

    // Changes of the block, told apart from those of compressed data.
    for (offset, value, phrase) in [
      (0, UInt8(2), "another number of samples"), (4, 3, "another number of alleles"),
      (11, 2, "the flag is not 0 or 1"), (12, 0, "1 to 32 bits"), (12, 33, "1 to 32 bits"),
      (12, 9, "do not have the length"), (12, 6, "do not have the length"), (9, 1, "do not have the length"),
    ] {
      var block = good.block
      block[offset] = value
      for compression in BGENText.Compression.allCases {
        var whole = file([])
        whole.compression = compression
        var bytes = whole.bytes + BGENText.head(good) + BGENText.packed(block, compression)
        (bytes[8], bytes[12]) = (1, 3)
        try expect(bytes, phrase, line: 1)
      }
    }
    for compression in [BGENText.Compression.zlib, .zstd] {
      var whole = file([good])
      whole.compression = compression
      let head = whole.bytes.count - BGENText.packed(good.block, compression).count
      for size in [0, 1, good.block.count - 1, good.block.count + 1] {
        var bytes = whole.bytes
        bytes.replaceSubrange((head + 4)..<(head + 8), with: little(size, 4))
        try expect(bytes, "cannot be decompressed", line: 1)
      }
      var bytes = whole.bytes
      bytes.replaceSubrange((head + 4)..<(head + 8), with: little(1 << 31, 4))
      try expect(bytes, "more than 3 diploid samples can", line: 1)
      bytes = Array(whole.bytes[..<head]) + little(3, 4) + [0, 0, 0]
      try expect(bytes, "the genotypes are cut short", line: 1)
    }
  }

  @Test func regionsThroughTheIndex() throws {
    let fixture = try GenotypeFixture()
    var file = Self.everything(.zlib, samples: 3)
    // Not in the order of positions, so that the index's order is not the file's.
    for k in file.records.indices {
      file.records[k].chromosome = ["01", "X"][k / 160]
      file.records[k].position = 1_000 + (k * 7) % 160
    }
    let (bytes, starts) = file.encoded
    let (path, index) = (try fixture.write("a.bgen", bytes), fixture.path("a.bgen.bgi"))
    let ends = starts.dropFirst() + [bytes.count]
    let variants = zip(zip(starts, ends), file.records).map {
      (chromosome: $1.chromosome, position: $1.position, offset: $0.0, length: $0.1 - $0.0)
    }
    let scanned = try BGENSource(path: path)
    try writeIndex(index, of: path, variants, alleles: 3)
    let source = try BGENSource(path: path)
    #expect(source.notes == scanned.notes)
    #expect(try source.chromosomes() == ["1", "X"])
    #expect(source.variantCount == 2 * 320)
    for regions in [
      [GenomicRegion(chromosome: "chr1", start: 1_010, end: 1_050)],
      [
        GenomicRegion(chromosome: "X", start: 1_020, end: 1_020),
        GenomicRegion(chromosome: "1", start: 1_100),
        GenomicRegion(chromosome: "1", start: 1_090, end: 1_120),
      ], [GenomicRegion(chromosome: "5")],
    ] {
      let selection = VariantSelection(regions: regions)
      let expected = try GenotypeReading(scanned, selection: selection)
      for blockSize in [1, 512] {
        let found = try GenotypeReading(source, selection: selection, blockSize: blockSize)
        #expect(found.rows.map(\.variant) == expected.rows.map(\.variant))
        #expect(found.dosages == expected.dosages)
        #expect(regions[0].chromosome == "5" ? found.rows.isEmpty : found.rows.first?.ordinal == 0)
      }
    }
    #expect(try GenotypeReading(source) == GenotypeReading(scanned))

    // Places that are none.
    for (offset, length) in [(starts[3] + 1, 50), (starts[3], 50), (-5, 50), (1 << 40, 50)] {
      var wrong = variants
      (wrong[3].offset, wrong[3].length) = (offset, length)
      try FileManager.default.removeItem(atPath: index)
      try writeIndex(index, of: path, wrong)
      let source = try BGENSource(path: path)
      #expect(throws: StudyError.self) {
        try GenotypeReading(source, selection: .init(regions: [GenomicRegion(chromosome: "1")]))
      }
    }
  }

  @Test func anIndexOfAnotherFileIsNotUsed() throws {
    let fixture = try GenotypeFixture()
    let bytes = Self.everything(.zlib, samples: 3).bytes
    let (path, index) = (try fixture.write("a.bgen", bytes), fixture.path("a.bgen.bgi"))
    func note() throws -> String {
      let source = try BGENSource(path: path)
      #expect(try source.chromosomes() == nil && source.variantCount == nil)
      #expect(
        try GenotypeReading(source, selection: .init(regions: [GenomicRegion(chromosome: "1")])).rows.count
          == 32 * 2 * 9)
      return source.notes.count == 2 ? source.notes[1] : ""
    }
    let other = try fixture.write("b.bgen", bytes.dropLast() + [bytes.last! ^ 1, 0])
    try writeIndex(index, of: other, [])
    #expect(try note().hasPrefix("\(index): the index belongs to another file"))
    try fixture.write("a.bgen.bgi", "not a database")
    #expect(try note().contains("the index is no table of variants"))
    try fixture.write("a.bgen.bgi", "")
    #expect(try note().contains("the index is no table of variants"))
    try FileManager.default.removeItem(atPath: index)
    try writeIndex(index, of: path, [])
    var database: OpaquePointer?
    #expect(sqlite3_open(index, &database) == SQLITE_OK)
    #expect(sqlite3_exec(database, "DELETE FROM Metadata", nil, nil, nil) == SQLITE_OK)
    sqlite3_close(database)
    #expect(try note().contains("does not tell which file"))
    // What SQLite says of a damaged table is in the file's words.
    try FileManager.default.removeItem(atPath: index)
    #expect(sqlite3_open(index, &database) == SQLITE_OK)
    let script = """
      CREATE TABLE "a\nb" (x); PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE';
      """
    #expect(sqlite3_exec(database, script, nil, nil, nil) == SQLITE_OK)
    sqlite3_close(database)
    #expect(try note().contains("a b") && !note().contains("\n"))
  }

  /// Whatever is in a file or its index, it is read or refused.
  @Test func mutations() throws {
    let fixture = try GenotypeFixture()
    var random = GenotypeRandom(seed: 23)
    let telling: [UInt8] = [0, 1, 2, 3, 8, 16, 32, 63, 127, 128, 254, 255]
    func mutated(_ bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: bytes.remove(at: at)
        case 1: bytes.insert(telling.randomElement(using: &random)!, at: at)
        case 2: bytes.removeSubrange(at...)
        case 3: bytes[at] = telling.randomElement(using: &random)!
        default: bytes[at] = UInt8.random(in: 0...255, using: &random)
        }
        if bytes.isEmpty { return bytes }
      }
      return bytes
    }
    var refused = 0
    for compression in BGENText.Compression.allCases {
      var whole = Self.everything(compression, samples: 4)
      whole.records = stride(from: 0, to: 320, by: 11).map { whole.records[$0] }
      whole.names = ["a", "b", "c", "d"]
      for _ in 0..<10_000 {
        if genotypeError([try fixture.write("a.bgen", mutated(whole.bytes))]) != nil { refused += 1 }
      }
      let (bytes, starts) = whole.encoded
      let path = try fixture.write("a.bgen", bytes)
      try? FileManager.default.removeItem(atPath: path + ".bgi")
      try writeIndex(
        path + ".bgi", of: path,
        zip(starts, starts.dropFirst() + [bytes.count]).map { ("1", 5, $0, $1 - $0) })
      let index = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".bgi")))
      for _ in 0..<1_000 {
        try fixture.write("a.bgen.bgi", mutated(index))
        _ = try? GenotypeReading(
          BGENSource(path: path), selection: .init(regions: [GenomicRegion(chromosome: "1")]))
      }
      try FileManager.default.removeItem(atPath: path + ".bgi")
    }
    #expect(refused > 20_000)
  }

  /// Blocks of every kind, cut or changed, in memory of just their size.
  @Test func decoderStaysInItsBlock() {
    var random = GenotypeRandom(seed: 29)
    var out = [Float](repeating: 0, count: 4 * 5)
    func status(_ block: [UInt8], _ alleles: Int) -> Int {
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(block.count, 1))
      defer { copy.deallocate() }
      copy.update(from: block, count: block.count)
      return Int(bg_dosages(copy, Int64(block.count), 5, Int32(alleles), &out).status)
    }
    for record in Self.everything(.none, samples: 5).records {
      let (block, alleles) = (record.block, record.alleles.count)
      #expect(status(block, alleles) == bg_ok)
      for length in 0..<block.count { #expect(status(Array(block[..<length]), alleles) == bg_size) }
      #expect(status(block + [0], alleles) == bg_size)
      #expect(status(block, alleles + 1) == bg_alleles)
      for _ in 0..<100 {
        var changed = block
        changed[Int.random(in: 0..<block.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        if status(changed, alleles) == bg_ok {
          #expect(out[..<(5 * (alleles - 1))].allSatisfy { $0.isNaN || (0...2).contains($0) })
        }
      }
    }
  }
}
