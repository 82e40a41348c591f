import CScanKernels
import Foundation
import StudyData
import Testing

@testable import StudyIO

struct PgenSourceTests {
  // MARK: against plink2's exports

  @Test func hardCallsAgreeWithPlink2() throws {
    let source = try GenotypeFile.open([GenotypeFixture.oracle("calls.pgen")])
    let oracle = try TrawTable(GenotypeFixture.oracle("calls.traw"))
    #expect(source is PgenSource)
    #expect(
      source.paths == ["calls.pgen", "calls.pvar.zst", "calls.psam"].map { GenotypeFixture.oracle($0) })
    let reading = try GenotypeReading(source)
    #expect(source.sampleIDs == oracle.samples)
    #expect(source.variantCount == 60)
    #expect(try source.chromosomes() == ["21", "22", "X"])
    #expect(!reading.isFractional)
    #expect(reading.dosages == oracle.altDosages.map { $0.map(Float.init) })
    #expect(reading.rows.map(\.variant) == oracle.variants)
    #expect(reading.rows.map(\.ordinal) == Array(0..<60))
  }

  @Test func dosagesAgreeWithPlink2() throws {
    let source = try PgenSource(prefix: GenotypeFixture.oracle("dosages"))
    let oracle = try TrawTable(GenotypeFixture.oracle("dosages.traw"))
    let reading = try GenotypeReading(source)
    #expect(reading.isFractional && source.sampleIDs == oracle.samples)
    // The table has as few decimals as tell one multiple of 2^-14 from the next.
    let expected = oracle.altDosages.map { $0.map { $0 < 0 ? -1 : Float(($0 * 16_384).rounded() / 16_384) } }
    #expect(reading.dosages == expected)
    #expect(reading.rows.map(\.variant) == oracle.variants)
  }

  @Test func allelesAgreeWithPlink2() throws {
    let source = try PgenSource(prefix: GenotypeFixture.oracle("alleles"))
    let oracle = try ExportedVCF(GenotypeFixture.oracle("alleles.vcf"))
    #expect(source.variantCount == 60)
    #expect(source.notes.contains { $0.contains("20 variants have several ALT alleles") })
    let whole = try GenotypeReading(source)
    #expect(whole.rows.map(\.ordinal) == Array(0..<60))
    #expect(whole.rows.prefix(3).map(\.variant.alt) == ["C", "G", "AT"])
    #expect(whole.ids.prefix(3) == ["rs1_C", "rs1_G", "rs1_AT"])
    // `.` gets the id that the allele alone would have.
    #expect(whole.ids[18] == "21_\(whole.rows[18].variant.position)_A_C")
    #expect(whole.dosages == oracle.variants.map(\.dosages))
    for blockSize in [1, 2, 3, 4, 7, 59] {
      #expect(try GenotypeReading(source, blockSize: blockSize, concurrently: true) == whole)
    }
    // The row's own id stands for all its alleles.
    let picked = try GenotypeReading(source, selection: .init(ids: ["rs2", "rs5_G"]), blockSize: 4)
    #expect(picked.ids == ["rs2_C", "rs2_G", "rs2_AT", "rs5_G"])
    #expect(picked.rows.map(\.ordinal) == [3, 4, 5, 13])
    #expect(picked.rows[3] == whole.rows[13])
  }

  @Test func samplesInAnyOrder() throws {
    var random = GenotypeRandom(seed: 3)
    for name in ["calls", "dosages", "alleles"] {
      let source = try PgenSource(prefix: GenotypeFixture.oracle(name))
      let whole = try GenotypeReading(source)
      let order = Array(source.sampleIDs.indices.shuffled(using: &random))
      for samples in [order, Array(order.prefix(9))] {
        #expect(
          try GenotypeReading(source, samples: samples, blockSize: 7).dosages
            == whole.dosages.map { row in samples.map { row[$0] } })
      }
      let region = GenomicRegion(chromosome: "21", start: 2_000, end: 4_000)
      let expected = whole.rows.filter {
        $0.variant.chromosome == "21" && 2_000...4_000 ~= $0.variant.position
      }
      for blockSize in [1, 7, 512] {
        #expect(
          try GenotypeReading(source, selection: .init(regions: [region]), blockSize: blockSize).rows
            == expected)
      }
    }
    let source = try PgenSource(prefix: GenotypeFixture.oracle("calls"))
    #expect(throws: StudyError.self) {
      try source.stream(
        GenotypeRequest(samples: [0], selection: .init(minimumInfo: .init(field: "R2", value: 0.3))))
    }
  }

  @Test func imputationQuality() throws {
    let fixture = try GenotypeFixture()
    try PgenDraft(samples: 1, records: [(0, [1]), (0, [2])]).write(fixture, "set")
    let selection = VariantSelection(minimumInfo: .init(field: "R2", value: 0.3))
    func read(_ pvar: String) throws(StudyError) -> GenotypeReading {
      try! fixture.write("set.pvar", pvar)
      return try GenotypeReading(try PgenSource(prefix: fixture.path("set")), selection: selection)
    }
    let header = "##INFO=<ID=R2,Number=1,Type=Float,Description=\"\">\n#CHROM POS ID REF ALT FILTER INFO CM\n"
    let reading = try read(header + "1 7 a G T . AF=1;R2=0.29 0\n1 8 b C A . R2=0.3 0\n")
    #expect(reading.ids == ["b"] && reading.dosages == [[2]] && reading.rows[0].ordinal == 1)
    #expect(reading.drops == [Drop(.variant, id: "a", reason: "low imputation quality", detail: "R2 0.29")])
    for (pvar, line, phrase) in [
      (header + "1 7 a G T . R2=1 0\n1 8 b C A . R2=x 0\n", 4, "INFO R2 is 'x', not one number"),
      (header + "1 7 a G T . R2=1\n1 8 b C A .\n", 4, "needs 7 fields, this one has 6"),
      ("#CHROM POS ID REF ALT\n1 7 a G T\n1 8 b C A\n", nil, "there is no INFO column"),
      ("1 a 7 T G\n1 b 8 A C\n", nil, "there is no INFO column"),
      ("#CHROM POS ID REF ALT INFO\n1 7 a G T R2=1\n1 8 b C A R2=1\n", nil, "(it declares none)"),
    ] as [(String, Int?, String)] {
      let error = try #require(throws: StudyError.self) { try read(pvar) }
      #expect(error.file == fixture.path("set.pvar") && error.line == line, "\(error)")
      #expect(error.cause.contains(phrase), "\(error.cause)")
    }
  }

  // MARK: bytes made by hand from the specification

  /// The list of the specification's example: 488377 samples, every 5000th of them.
  @Test func exampleOfAList() throws {
    let ids = (1...79).map { $0 * 5_000 }
    var bytes: [UInt8] = [0x4F, 0x88, 0x13, 0x00, 0x88, 0xF5, 0x04, 0x3F]
    bytes += [UInt8](repeating: 0b11_10_01_11, count: 19) + [0b10_01_11]
    for _ in 0..<77 { bytes += [0x88, 0x27] }
    #expect(
      bytes == PgenDraft.list(ids, values: ids.indices.map { [3, 1, 2, 3][$0 % 4] }, of: 488_377))
    var calls = [UInt8](repeating: 9, count: 488_377)
    var used: Int64 = 0
    bytes.withUnsafeBufferPointer {
      var record = pg_record(bytes: $0.baseAddress, length: Int64($0.count), samples: 488_377, type: 4)
      #expect(pg_calls(&record, nil, &calls, &used) == Int32(pg_ok))
    }
    #expect(used == Int64(bytes.count))
    #expect(calls.indices.filter { calls[$0] != 0 } == ids)
    #expect(ids.enumerated().allSatisfy { calls[$1] == [3, 1, 2, 3][$0 % 4] })
  }

  /// 0.75 for every even sample but 1.5 for sample 10000.
  @Test func exampleOfDosages() throws {
    let samples = 488_377
    var bytes = [UInt8](repeating: 0x55, count: 61_047) + [0x01]
    for s in stride(from: 0, to: samples, by: 2) { bytes += s == 10_000 ? [0x00, 0x60] : [0x00, 0x30] }
    var dosages = [Float](repeating: -1, count: samples)
    let calls = (0..<samples).map { [1, 0, 1, 3][$0 % 4] as UInt8 }
    bytes.withUnsafeBufferPointer {
      var record = pg_record(
        bytes: $0.baseAddress, length: Int64($0.count), samples: Int64(samples), type: 0x60)
      #expect(pg_dosages(&record, 0, calls, &dosages) == Int32(pg_ok))
    }
    for s in 0..<samples {
      let isRight: Bool
      switch s % 4 {
      case 0, 2: isRight = dosages[s] == (s == 10_000 ? 1.5 : 0.75)
      case 1: isRight = dosages[s] == 0
      default: isRight = dosages[s].isNaN
      }
      #expect(isRight, "sample \(s)")
      if !isRight { return }
    }
  }

  /// Five samples: 0 1 2 missing 1, and the same with dosages.
  @Test(arguments: [1, 2, 3, 4] as [UInt8]) func fixedWidths(mode: UInt8) throws {
    let fixture = try GenotypeFixture()
    // PLINK 1: 3 = none, 2 = one, 0 = two, 1 = missing.
    let packed: [UInt8] = mode == 1 ? [0b01_00_10_11, 0b10] : [0b11_10_01_00, 0b01]
    let dosages: [UInt8] = [0, 0, 0x66, 0x46, 0xFF, 0x7F, 0xFF, 0xFF, 0x00, 0x30]
    let phases: [UInt8] = [0, 0, 0, 0x10, 0, 0, 0, 0x80, 0, 0]
    let record = packed + (mode > 2 ? dosages : []) + (mode > 3 ? phases : [])
    let expected: [Float] =
      mode < 3
      ? [0, 1, 2, -1, 1] : [0, Float(0x4666) / 16_384, Float(0x7FFF) / 16_384, -1, 0.75]
    // With and without flags of provisional REF alleles.
    for flags in mode == 1 ? [0x00] : [0x40, 0xC0] as [UInt8] {
      var bytes: [UInt8] = [0x6C, 0x1B, mode]
      if mode > 1 { bytes += [3, 0, 0, 0, 5, 0, 0, 0, flags] + (flags == 0xC0 ? [0b101] : []) }
      try fixture.write("set.pgen", bytes + record + record + record)
      try fixture.writeLists("set", samples: 5, alts: ["C", "C", "C"])
      let reading = try GenotypeReading(try GenotypeFile.open([fixture.path("set.psam")]))
      #expect(reading.isFractional == (mode > 2))
      #expect(reading.dosages == [expected, expected, expected])
      for count in 0..<(bytes.count + 3 * record.count) {
        try fixture.write("set.pgen", Array((bytes + record + record + record)[..<count]))
        #expect(genotypeError([fixture.path("set.pgen")]) != nil, "\(count) bytes")
      }
    }
  }

  /// Dosages of every kind of track behind phase of either kind.
  @Test func dosageTracks() throws {
    let fixture = try GenotypeFixture()
    let packed: [UInt8] = [0b01_10_01_00, 0b01_11]  // 0 1 2 1 missing 1
    let dosage: [UInt8] = [0x00, 0x30]
    // Three heterozygous calls: all phased, or the first and the last.
    for phase: [UInt8]? in [nil, [0b1010], [0b1011, 0b10]] {
      let flag: UInt8 = phase == nil ? 0 : 0x10
      let draft = PgenDraft(
        samples: 6,
        records: [
          (flag, packed + (phase ?? [])),
          (0x20 | flag, packed + (phase ?? []) + PgenDraft.list([1, 4], of: 6) + dosage + [0, 0x10]),
          (0x60 | flag, packed + (phase ?? []) + [0b10010] + dosage + [0, 0x10]),
          // One of the two is phased: two tracks that are not read.
          (0xE0 | flag, packed + (phase ?? []) + [0b10010] + dosage + [0, 0x10] + [0b01, 0, 0x10]),
          (
            0x40 | flag,
            packed + (phase ?? []) + dosage + dosage + [0, 0x80] + dosage + [0xFF, 0xFF] + [0, 0]
          ),
        ])
      try draft.write(fixture, "set")
      let reading = try GenotypeReading(try PgenSource(prefix: fixture.path("set")))
      let listed: [Float] = [0, 0.75, 2, 1, 0.25, 1]
      #expect(
        reading.dosages == [[0, 1, 2, 1, -1, 1], listed, listed, listed, [0.75, 0.75, 2, 0.75, -1, 0]])
      // A block without dosages has hard calls.
      let alone = try GenotypeReading(
        try PgenSource(prefix: fixture.path("set")), selection: .init(ids: ["v0"]))
      #expect(!alone.isFractional && alone.dosages == [[0, 1, 2, 1, -1, 1]])
    }
  }

  @Test func severalAlternates() throws {
    let fixture = try GenotypeFixture()
    let packed: [UInt8] = [0b10_10_01_01, 0b11_00_10_01]  // 1 1 2 2 1 2 0 missing
    let draft = PgenDraft(
      samples: 8,
      records: [
        // No patch: only the first ALT.
        (0, packed), (8, packed + [0xFF]),
        // Two ALTs. REF-ALT2 for the second heterozygote; ALT2-ALT2 and ALT1-ALT2 for the first two others: bits, then lists.
        (8, packed + [0x00, 0b010, 0b011, 0b01]),
        (8, packed + [0x11] + PgenDraft.list([1], of: 8) + PgenDraft.list([2, 3], of: 8) + [0b01]),
        // Four ALTs: 2 bits each. REF-ALT4, REF-ALT2; ALT1-ALT3 (the specification's 8), ALT4-ALT4.
        (8, packed + [0x00, 0b101, 0b00_10, 0b110, 0xF8]),
      ],
      alts: ["C,G", "C,G", "C,G", "C,G", "C,G,T,*"])
    let expected: [[Float]] = [
      [1, 1, 2, 2, 1, 2, 0, -1], [0, 0, 0, 0, 0, 0, 0, -1],
      [1, 1, 2, 2, 1, 2, 0, -1], [0, 0, 0, 0, 0, 0, 0, -1],
      [1, 0, 0, 1, 1, 2, 0, -1], [0, 1, 2, 1, 0, 0, 0, -1],
      [1, 0, 0, 1, 1, 2, 0, -1], [0, 1, 2, 1, 0, 0, 0, -1],
      [0, 1, 2, 1, 0, 0, 0, -1], [0, 0, 0, 0, 1, 0, 0, -1], [0, 0, 0, 1, 0, 0, 0, -1],
      [1, 0, 0, 0, 0, 2, 0, -1],
    ]
    for countsAlleles in [false, true] {
      var draft = draft
      draft.storesAlleleCounts = countsAlleles
      try draft.write(fixture, "set")
      let source = try PgenSource(prefix: fixture.path("set"))
      #expect(source.variantCount == 12)
      #expect(try GenotypeReading(source).dosages == expected)
      #expect(try GenotypeReading(source, blockSize: 3).dosages == expected)
    }
    // With a dosage elsewhere in the block.
    var mixed = draft
    mixed.records.append((0x40, packed + [UInt8](repeating: 0x20, count: 16)))
    mixed.alts.append("C")
    try mixed.write(fixture, "set")
    let reading = try GenotypeReading(try PgenSource(prefix: fixture.path("set")))
    #expect(
      reading.isFractional && reading.dosages == expected + [[Float](repeating: 0x2020 * 0x1p-14, count: 8)])
  }

  /// More variants than a block of the header has; relative records; every way to write the header's lists.
  @Test func randomAccess() throws {
    let fixture = try GenotypeFixture()
    let (samples, count) = (3, 70_000)
    var random = GenotypeRandom(seed: 8)
    var draft = PgenDraft(samples: samples, records: [])
    var expected: [[Float]] = []
    var anchor: [UInt8] = []
    for v in 0..<count {
      let isRelative = v % 65_536 > 0 && Int.random(in: 0..<4, using: &random) > 0
      if isRelative {
        let sample = Int.random(in: 0..<samples, using: &random)
        var calls = anchor
        calls[sample] = UInt8.random(in: 0...3, using: &random)
        let isInverted = Bool.random(using: &random)
        let type: UInt8 = isInverted ? 3 : 2
        draft.records.append((type, PgenDraft.list([sample], values: [calls[sample]], of: samples)))
        if isInverted { calls = calls.map { $0 % 2 == 0 ? 2 - $0 : $0 } }
        expected.append(calls.map { $0 == 3 ? -1 : Float($0) })
      } else {
        anchor = (0..<samples).map { _ in UInt8.random(in: 0...3, using: &random) }
        draft.records.append((0, [anchor[0] | anchor[1] << 2 | anchor[2] << 4]))
        expected.append(anchor.map { $0 == 3 ? -1 : Float($0) })
      }
    }
    draft.alts = Array(repeating: "C", count: count)
    for format in 0..<8 {
      (draft.typeBits, draft.lengthWidth) = (format < 4 ? 4 : 8, format % 4 + 1)
      draft.hasReferenceFlags = format % 3 == 0
      draft.mode = [0x10, 0x11, 0x20, 0x21][format % 4]
      try draft.write(fixture, "set")
      let source = try PgenSource(prefix: fixture.path("set"))
      #expect(source.paths.count == (draft.mode < 0x20 ? 3 : 4))
      if format < 4 {
        #expect(try GenotypeReading(source).dosages == expected)
        let some = Set([0, 1, 65_535, 65_536, 65_537, count - 1].map { "v\($0)" })
        #expect(
          try GenotypeReading(source, selection: .init(ids: some), blockSize: 1_000).dosages
            == expected.indices.filter { some.contains("v\($0)") }.map { expected[$0] })
      }
      let file = try PgenFile(path: source.path, samples: samples, variants: count)
      var cursor = try PgenCursor(file)
      var records: [(start: Int, anchor: Int?)] = []
      for _ in 0..<count {
        let record = try cursor.advance()
        records.append((record.start, cursor.anchor?.number))
      }
      for number in [0, 1, 2, 511, 65_535, 65_536, 65_600, count - 1] {
        var cursor = try PgenCursor(file, at: number)
        let record = try cursor.advance()
        #expect(record.number == number && record.start == records[number].start)
        #expect(cursor.anchor?.number == records[number].anchor)
      }
    }
  }

  // MARK: lists of samples and variants

  @Test func sampleNames() throws {
    let fixture = try GenotypeFixture()
    func ids(_ psam: String) throws -> [String] {
      try PsamSamples(path: fixture.write("x.psam", psam)).ids
    }
    #expect(try ids("#IID\na\nb\n") == ["a", "b"])
    #expect(try ids("##about\n#FID IID SEX P\nf a 1 2\r\n\nf\tb  NA 1 more\n") == ["a", "b"])
    #expect(try ids("#FID\tIID\nf\t1\ng\t1\n") == ["f_1", "g_1"])
    #expect(try ids("#IID SID SEX\na 1 1\na 2 1\nb 0 2\n") == ["a_1", "a_2", "b"])
    #expect(try ids("#FID IID SID\nf a 1\nf a 0\n") == ["a_1", "a"])
    #expect(try ids("f a 0 0 1\nf b 0 0 2 -9 more\n") == ["a", "b"])
    for (psam, phrase) in [
      ("", "no sample"), ("#IID\n", "no sample"), ("f a 0 0\n", "5 fields, this one has 4"),
      ("#FID SEX\nf 1\n", "no column IID"), ("#FID IID\nf\n", "2 fields, this one has 1"),
      ("#IID\na\na\n", "two samples are called a"), ("#FID IID\nf a\nf a\n", "two samples are called f_a"),
    ] {
      #expect { try ids(psam) } throws: { ($0 as? StudyError)?.cause.contains(phrase) == true }
    }
  }

  @Test func variantLists() throws {
    let fixture = try GenotypeFixture()
    try PgenDraft(samples: 1, records: [(0, [1]), (0, [2])]).write(fixture, "set")
    let expected = [
      Variant(id: "a", chromosome: "chr1", position: 7, ref: "G", alt: "T"),
      Variant(id: "X_8_C_A", chromosome: "X", position: 8, ref: "C", alt: "A"),
    ]
    func read(_ pvar: String) throws -> GenotypeReading {
      try fixture.write("set.pvar", pvar)
      return try GenotypeReading(try PgenSource(prefix: fixture.path("set")))
    }
    for pvar in [
      "#CHROM\tPOS\tID\tREF\tALT\nchr1\t7\ta\tG\tT\nX\t8\t.\tC\tA\n",
      "\u{FEFF}##x\n##y\n#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT S1\r\nchr1 7 a G T . . . GT 0/1\r\nX  8\t. C A\r\n",
      "#CHROM ALT REF CM ID POS\nchr1 T G 0 a 7\nX A C 0 . 8",
      "chr1 a 0 7 T G\n23 . 0 8 A C\n", "chr1 a 7 T G\nX . 8 A C\n",
    ] {
      #expect(try read(pvar).rows.map(\.variant) == expected, "\(pvar)")
    }
    let without = try read("chr1 a 7 . G\nX . 8 A C\n")
    #expect(without.rows.map(\.ordinal) == [1])
    #expect(without.drops == [Drop(.variant, id: "a", reason: "no alternate allele")])
    for (pvar, line, phrase) in [
      ("", nil, "empty"), ("##x\n", 1, "#CHROM line is missing"),
      ("#CHROM POS ID REF\n1 2 3 4\n", 1, "no column ALT"),
      ("##x\n1 7 a G T\n", 1, "#CHROM line is missing"), ("#CHROM POS ID REF ALT\n", nil, "no variant"),
      ("#CHROM POS ID REF ALT\n1 7 a G\n", 2, "needs 5 fields, this one has 4"),
      ("chr1 a 0 7 T G\n\nX . 0 8 A C\n", 2, "blank line"), ("chr1 a 0 -7 T G\n", 1, "position '-7'"),
      ("1 a 7 T G\n", nil, "the psam file has 1 and the pvar file 1"),
    ] as [(String, Int?, String)] {
      #expect {
        try read(pvar)
      } throws: { error in
        let error = error as? StudyError
        return error?.cause.contains(phrase) == true && (line == nil || error?.line == line)
      }
    }
  }

  @Test func filesBesideEachOther() throws {
    let fixture = try GenotypeFixture()
    try PgenDraft(samples: 2, records: [(0, [0b0110])]).write(fixture, "set")
    try fixture.write("set.bim", "1 a 0 7 T G\n")
    try fixture.write("set.fam", "f x 0 0 0 -9\nf y 0 0 0 -9\n")
    for name in ["set", "set.pgen", "set.pvar", "set.psam"] {
      #expect(try GenotypeReading(try GenotypeFile.open([fixture.path(name)])).ids == ["v0"])
    }
    for name in ["set.pvar", "set.psam"] { try FileManager.default.removeItem(atPath: fixture.path(name)) }
    for name in ["set", "set.pgen", "set.bim", "set.fam"] {
      let source = try GenotypeFile.open([fixture.path(name)])
      #expect(source.sampleIDs == ["x", "y"])
      #expect(
        source.notes == [fixture.path("set.bim") + ": A1 (column 5) is taken as ALT, the counted allele"])
      #expect(try GenotypeReading(source).rows.map(\.variant.alt) == ["T"])
    }
  }

  // MARK: refusals

  @Test func brokenSets() throws {
    let fixture = try GenotypeFixture()
    let good = PgenDraft(
      samples: 5, records: [(0, [0, 0]), (2, PgenDraft.list([1], values: [1], of: 5)), (0x20, [0, 0, 0])])
    func expect(
      _ kind: StudyError.Kind, _ phrase: String, file: String = "set.pgen", line: Int? = nil,
      sourceLocation: SourceLocation = #_sourceLocation, change: (inout PgenDraft) throws -> Void
    ) throws {
      for name in ["set.pgen", "set.pgen.pgi"] {
        try? FileManager.default.removeItem(atPath: fixture.path(name))
      }
      var draft = good
      try change(&draft)
      if !FileManager.default.fileExists(atPath: fixture.path("set.pgen")) { try draft.write(fixture, "set") }
      let error = try #require(genotypeError([fixture.path("set.pgen")]), sourceLocation: sourceLocation)
      #expect(error.kind == kind && error.cause.contains(phrase), "\(error)", sourceLocation: sourceLocation)
      #expect(
        error.file == fixture.path(file) && error.line == line, "\(error)", sourceLocation: sourceLocation)
    }
    func write(_ bytes: [UInt8]) throws {
      try good.write(fixture, "set")
      try fixture.write("set.pgen", bytes)
    }
    try expect(.malformed, "not a PLINK 2 pgen") { _ in try write([1, 2, 3]) }
    try expect(.malformed, "empty") { _ in try write([]) }
    try expect(.malformed, "sample-major") { _ in try write([0x6C, 0x1B, 0]) }
    try expect(.malformed, "storage mode 5") { $0.mode = 5 }
    try expect(.malformed, "storage mode 48") { $0.mode = 0x30 }
    try expect(.malformed, "truncated in its header") { _ in try write([0x6C, 0x1B, 0x10, 3, 0, 0, 0]) }
    try expect(.environment, "No such file", file: "set.pgen.pgi") { _ in try write([0x6C, 0x1B, 0x20]) }
    try expect(.malformed, "not the index", file: "set.pgen.pgi") { _ in
      try write([0x6C, 0x1B, 0x20])
      try fixture.write("set.pgen.pgi", [0x6C, 0x1B, 0x31, 0])
    }
    try expect(.inconsistent, "it has 5 samples × 3 variants, but the psam file has 4") { _ in
      try good.write(fixture, "set")
      try fixture.writeLists("set", samples: 4, alts: good.alts)
    }
    try expect(.inconsistent, "the pvar file 2") { _ in
      try good.write(fixture, "set")
      try fixture.writeLists("set", samples: 5, alts: ["C", "C"])
    }
    try expect(.inconsistent, "has another number of alleles", line: 1) { $0.records[0] = (8, [0, 0, 0xFF]) }
    try expect(.inconsistent, "has another number of alleles", line: 1) { _ in
      var counted = good
      counted.storesAlleleCounts = true
      try counted.write(fixture, "set")
      try fixture.writeLists("set", samples: 5, alts: ["C,G", "C", "C"])
    }
    try expect(.malformed, "variant v2_C has dosages and several ALT alleles", line: 3) { $0.alts[2] = "C,G" }
    try expect(.malformed, "refers to one before its block", line: 1) { $0.records[0].type = 3 }
    let cases: [(UInt8, [UInt8], String)] = [
      (0, [0], "variant v2 ends before its data"), (5, [0, 0, 0], "leaves undefined"),
      (1, [4, 0, 0], "leaves undefined"), (1, [11, 0, 0], "leaves undefined"),
      (1, [1, 0], "ends before its data"), (4, [1], "ends before its data"),
      (4, [0x80], "ends before its data"),
      (4, [6, 0, 0, 0, 1, 1, 1, 1, 1], "out of order"), (4, [1, 5, 0], "out of order"),
      (4, [2, 1, 0, 0], "out of order"), (4, [2, 1, 0, 4], "out of order"),
      (4, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "ends before its data"),
      (0x40, [0, 0] + [UInt8](repeating: 0, count: 9), "ends before its data"),
      (0x40, [0, 0, 1, 0x80] + [UInt8](repeating: 0, count: 8), "dosage above 2"),
      (0x20, [0, 0, 1, 4, 0xFF, 0xFF], "dosage above 2"), (0x60, [0, 0, 1, 1, 0x80], "dosage above 2"),
      (0x60, [0, 0, 3, 1, 0], "ends before its data"), (0x30, [0, 1], "ends before its data"),
    ]
    for (type, bytes, phrase) in cases {
      try expect(.malformed, phrase, line: 3) { $0.records[2] = (type, bytes) }
    }
    let alleles: [([UInt8], String)] = [
      ([0x02], "leaves undefined"), ([0x2F], "leaves undefined"), ([0xF0], "ends before its data"),
      ([0xF0, 1, 3], "allele that the variant does not have"), ([0x0F, 1, 0b0001], "allele that"),
      ([0xF1, 1, 0], "out of order"),
    ]
    for (bytes, phrase) in alleles {
      try expect(.malformed, phrase, line: 3) {
        $0.records[2] = (8, [0b10_01_00, 0] + bytes)
        $0.alts[2] = "C,G,T,A"
      }
    }
    try expect(.malformed, "truncated: records 1…3 end behind the file's last byte") { draft in
      try draft.write(fixture, "set")
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.path("set.pgen"))))
      try fixture.write("set.pgen", Array(bytes.dropLast()))
    }
    try expect(.malformed, "truncated: records 1…3 end") { draft in
      try draft.write(fixture, "set")
      var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.path("set.pgen"))))
      bytes[19] = 0xFF
      try fixture.write("set.pgen", bytes)
    }
  }
}

/// A PGEN to be written.
struct PgenDraft {
  var samples: Int
  var records: [(type: UInt8, bytes: [UInt8])]
  var alts: [String]
  var mode: UInt8 = 0x10
  var typeBits = 8
  var lengthWidth = 2
  var storesAlleleCounts = false
  var hasReferenceFlags = false

  init(samples: Int, records: [(UInt8, [UInt8])], alts: [String]? = nil) {
    self.samples = samples
    self.records = records.map { (type: $0.0, bytes: $0.1) }
    self.alts = alts ?? Array(repeating: "C", count: records.count)
  }

  /// PREFIX.pgen, .pvar and .psam, and the index where the mode has it apart.
  func write(_ fixture: GenotypeFixture, _ name: String) throws {
    let isApart = mode & 0x20 != 0
    let header = header(apart: isApart)
    let body = records.flatMap(\.bytes)
    try fixture.write(name + ".pgen", (isApart ? [0x6C, 0x1B, mode] : header) + body)
    if isApart { try fixture.write(name + ".pgen.pgi", header) }
    try fixture.writeLists(name, samples: samples, alts: alts)
  }

  private func header(apart: Bool) -> [UInt8] {
    func little(_ value: Int, _ width: Int) -> [UInt8] {
      (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let blocks = stride(from: 0, to: records.count, by: 65_536).map { $0..<min($0 + 65_536, records.count) }
    var lists: [UInt8] = []
    for block in blocks {
      if typeBits == 8 {
        lists += records[block].map(\.type)
      } else {
        for v in stride(from: block.lowerBound, to: block.upperBound, by: 2) {
          lists.append(records[v].type | (v + 1 < block.upperBound ? records[v + 1].type << 4 : 0))
        }
      }
      for record in records[block] { lists += little(record.bytes.count, lengthWidth) }
      if storesAlleleCounts { lists += alts[block].map { UInt8(2 + $0.count { $0 == "," }) } }
      if hasReferenceFlags { lists += [UInt8](repeating: 0xFF, count: (block.count + 7) / 8) }
    }
    // Flags of the header's and the footer's extensions, one length, the program's name.
    if mode & 1 != 0 { lists += [2, 0, 4] + Array("test".utf8) }
    var bytes = [0x6C, 0x1B, apart ? mode + 0x10 : mode] + little(records.count, 4) + little(samples, 4)
    bytes.append(
      UInt8((typeBits == 8 ? 4 : 0) + lengthWidth - 1) | (storesAlleleCounts ? 0x10 : 0)
        | (hasReferenceFlags ? 0xC0 : 0x40))
    var offset = apart ? 3 : bytes.count + 8 * blocks.count + lists.count
    for block in blocks {
      bytes += little(offset, 8)
      offset += records[block].reduce(0) { $0 + $1.bytes.count }
    }
    return bytes + lists
  }

  /// A difference list.
  static func list(_ ids: [Int], values: [UInt8]? = nil, of samples: Int) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] {
      value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + number(value >> 7)
    }
    var bytes = number(ids.count)
    if ids.isEmpty { return bytes }
    let width = samples < 1 << 8 ? 1 : samples < 1 << 16 ? 2 : samples < 1 << 24 ? 3 : 4
    let groups = stride(from: 0, to: ids.count, by: 64).map { ids[$0..<min($0 + 64, ids.count)] }
    let distances = groups.map { group in zip(group, group.dropFirst()).flatMap { number($1 - $0) } }
    for group in groups { bytes += (0..<width).map { UInt8(truncatingIfNeeded: group.first! >> (8 * $0)) } }
    bytes += distances.dropLast().map { UInt8($0.count - 63) }
    if let values {
      for k in stride(from: 0, to: ids.count, by: 4) {
        bytes.append((k..<min(k + 4, ids.count)).reduce(0) { $0 | values[$1] << UInt8(2 * ($1 - k)) })
      }
    }
    return bytes + distances.joined()
  }
}

extension GenotypeFixture {
  /// PREFIX.pvar with variants v0, v1, … and PREFIX.psam.
  func writeLists(_ name: String, samples: Int, alts: [String]) throws {
    let rows = alts.enumerated().map { "1\t\($0 + 1)\tv\($0)\tA\t\($1)\n" }
    try write(name + ".pvar", "#CHROM\tPOS\tID\tREF\tALT\n" + rows.joined())
    try write(name + ".psam", "#IID\n" + (0..<samples).map { "S\($0)\n" }.joined())
  }
}
