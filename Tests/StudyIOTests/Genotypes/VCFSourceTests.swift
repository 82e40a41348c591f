import CHTSlib
import Foundation
import StudyData
import StudyIO
import Testing

struct VCFSourceTests {
  @Test(arguments: ["calls.vcf.gz", "calls.bcf"]) func callsAgreeWithPlink2(name: String) throws {
    let source = try VCFSource(path: GenotypeFixture.oracle(name))
    let oracle = try TrawTable(GenotypeFixture.oracle("calls.traw"))
    let reading = try GenotypeReading(source)
    #expect(source.field == .gt)
    #expect(source.sampleIDs == oracle.samples)
    #expect(try source.chromosomes() == ["21", "22", "X"])
    #expect(!reading.isFractional)
    #expect(reading.dosages == oracle.altDosages.map { $0.map(Float.init) })
    #expect(reading.rows.map(\.variant) == oracle.variants)
  }

  /// plink2 leaves DS out where it equals the call, so this also checks that the call stands in.
  @Test(arguments: ["dosages.vcf.gz", "dosages.bcf"]) func dosagesAgreeWithPlink2(name: String) throws {
    let source = try VCFSource(path: GenotypeFixture.oracle(name))
    let oracle = try TrawTable(GenotypeFixture.oracle("dosages.traw"))
    let reading = try GenotypeReading(source)
    #expect(source.field == .ds)
    #expect(reading.isFractional)
    #expect(reading.rows.map(\.variant) == oracle.variants)
    for (row, expected) in zip(reading.dosages, oracle.altDosages) {
      // plink2 prints both files rounded to 2^-14 or four digits.
      for (value, want) in zip(row, expected) { #expect(abs(Double(value) - want) <= 1e-4) }
    }
    #expect(reading.rows.count == 40)
  }

  @Test func calls() throws {
    let fixture = try GenotypeFixture()
    let cells = ["0/0", "0|1", "1/1", "./.", "./1", "1", "0", ".", "1/0:0.5", "1|1:.:9"]
    let samples = cells.indices.map { "s\($0)" }
    let path = try fixture.write(
      "a.vcf", vcfText(samples: samples, format: "GT:DS:GQ", records: [("G", cells)]))
    let expected: [Float] = [0, 1, 2, -1, -1, 2, 0, -1, 1, 2]
    #expect(try GenotypeReading(VCFSource(path: path, dosageField: .gt)).dosages == [expected])
    // The calls stand in for dosages but where there is one.
    var withDosage = expected
    withDosage[8] = 0.5
    #expect(try GenotypeReading(VCFSource(path: path)).dosages == [withDosage])
  }

  /// Against the standard library's correctly rounded conversion of the same text.
  @Test func decimals() throws {
    let fixture = try GenotypeFixture()
    var random = GenotypeRandom(seed: 3)
    var texts = [
      "0", "1", "2", "0.148", "1.", ".5", "+1", "-0", "2.0000", "1e0", "5E-1", "1.5e-05",
      "0.0000000000000000000000001",
      "1e-400", "2e-30", "0000000000000000000000000001.25", "0.12345678901234567890123456789", "20e-1",
    ]
    for _ in 0..<2_000 {
      let digits = Int.random(in: 1...15, using: &random)
      let value = Double(UInt64.random(in: 0...2_000_000_000, using: &random)) / 1e9
      texts.append(String(format: "%.\(digits)f", value))
      texts.append(String(format: "%.\(digits)e", value))
    }
    let samples = texts.indices.map { "s\($0)" }
    let path = try fixture.write(
      "a.vcf", vcfText(samples: samples, format: "DS", records: [("G", texts)], declared: ["DS"]))
    let row = try GenotypeReading(VCFSource(path: path)).dosages[0]
    for (text, value) in zip(texts, row) {
      let want = try #require(
        Double(text.hasPrefix("+") ? String(text.dropFirst()) : text.hasSuffix(".") ? text + "0" : text))
      #expect(value == Float(want), "\(text)")
    }
  }

  @Test func dosagesAreClampedAndMissing() throws {
    let fixture = try GenotypeFixture()
    let text = vcfText(
      samples: ["a", "b", "c", "d"], format: "GP:DS",
      records: [("G", ["x:2.0009", "x:-0.0009", "x:.", "x:nan"]), ("G", ["1,0:0.25", ".", "x", "x:1:z"])],
      declared: ["DS", "GP"])
    let reading = try GenotypeReading(VCFSource(path: fixture.write("a.vcf", text)))
    #expect(reading.dosages == [[2, 0, -1, -1], [0.25, -1, -1, 1]])
  }

  @Test func recordsThatCannotBeAnalysed() throws {
    let fixture = try GenotypeFixture()
    let text = vcfText(
      samples: ["a", "b"], format: "GT",
      records: [
        ("G", ["0/1", "1/1"]), ("G,T", ["0/1", "1/2"]), (".", ["0/0", "0/0"]), ("G", ["0/2", "0/0"]),
        ("T", ["0/0", "0/1"]),
      ],
      declared: ["GT"])
    let reading = try GenotypeReading(VCFSource(path: fixture.write("a.vcf", text)))
    #expect(reading.ids == ["rs0", "rs1_G", "rs1_T", "rs4"])
    #expect(reading.rows.map(\.ordinal) == [0, 1, 2, 5])
    #expect(reading.dosages == [[1, 2], [1, 1], [0, 1], [0, 1]])
    #expect(reading.drops.map(\.id) == ["rs2", "rs3"])
    #expect(reading.drops.map(\.reason) == ["no alternate allele", "genotypes do not fit the alleles"])
  }

  /// Text and BCF, against copies counted from the alleles that were drawn.
  @Test func eachAlternateAlleleIsAVariant() throws {
    let fixture = try GenotypeFixture()
    var random = GenotypeRandom(seed: 31)
    let (samples, alts) = (
      (0..<29).map { "s\($0)" }, ["C", "G", "TT", "GA", "GT", "GC", "GG", "AC", "AT", "AG"]
    )
    var records: [(alt: String, cells: [String])] = []
    var calls: [[Float]] = []
    var dosages: [[Float]] = []
    var probable: [[Float]] = []
    for count in [1, 2, 3, 10] {
      var cells: [String] = []
      var rows = Array(repeating: (call: [Float](), dosage: [Float](), probable: [Float]()), count: count)
      for _ in samples {
        let ploidy = Int.random(in: 1...2, using: &random)
        let alleles = (0..<ploidy).map { _ in Int.random(in: 0...count, using: &random) }
        let isMissing = Int.random(in: 0..<9, using: &random) == 0
        let hasValues = Int.random(in: 0..<9, using: &random) != 0
        let genotypes = ploidy == 1 ? count + 1 : (count + 1) * (count + 2) / 2
        var hundredths = [Int](repeating: 0, count: genotypes)
        for _ in 0..<100 { hundredths[Int.random(in: 0..<genotypes, using: &random)] += 1 }
        let shares = (0..<count).map { _ in Int.random(in: 0...200, using: &random) }
        var cell = alleles.map { isMissing ? "." : "\($0)" }.joined(separator: "/")
        if hasValues {
          cell += ":" + shares.map { "\(Double($0) / 100)" }.joined(separator: ",")
          cell += ":" + hundredths.map { "\(Double($0) / 100)" }.joined(separator: ",")
        } else {
          cell += [":.:.", ""].randomElement(using: &random)!
        }
        cells.append(cell)
        for alt in 1...count {
          let copies = alleles.count { $0 == alt } * (3 - ploidy)
          let call: Float = isMissing ? -1 : Float(copies)
          var expected = 0
          var index = 0
          for b in 0...count {
            for a in ploidy == 1 ? b...b : 0...b {
              expected += hundredths[index] * ((a == alt ? 1 : 0) + (b == alt ? 1 : 0))
              index += 1
            }
          }
          rows[alt - 1].call.append(call)
          rows[alt - 1].dosage.append(hasValues ? Float(Double(shares[alt - 1]) / 100) : call)
          rows[alt - 1].probable.append(hasValues ? Float(Double(expected) / 100) : call)
        }
      }
      records.append((alts[..<count].joined(separator: ","), cells))
      calls += rows.map(\.call)
      dosages += rows.map(\.dosage)
      probable += rows.map(\.probable)
    }
    let text = vcfText(samples: samples, format: "GT:DS:GP", records: records, declared: ["GT", "DS", "GP"])
      .replacingOccurrences(of: "ID=DS,Number=1", with: "ID=DS,Number=A")
      .replacingOccurrences(of: "ID=GP,Number=1", with: "ID=GP,Number=G")
    let path = try fixture.write("a.vcf", text)
    for path in [path, try fixture.writeBCF("a.bcf", from: path)] {
      let byTwo = try GenotypeReading(VCFSource(path: path, dosageField: .gt), blockSize: 2)
      #expect(byTwo.dosages == calls && byTwo.rows.map(\.ordinal) == Array(0..<16))
      #expect(try GenotypeReading(VCFSource(path: path, dosageField: .ds)).dosages == dosages)
      let reading = try GenotypeReading(VCFSource(path: path, dosageField: .gp))
      #expect(reading.rows.map(\.variant.alt) == ["C", "C", "G", "C", "G", "TT"] + alts)
      #expect(reading.ids.prefix(4) == ["rs0", "rs1_C", "rs1_G", "rs2_C"])
      #expect(reading.rows.map(\.ordinal) == Array(0..<16))
      // Sums of up to 66 numbers of two digits, in fp64 (text) or fp32 (BCF).
      for (row, expected) in zip(reading.dosages, probable) {
        for (value, want) in zip(row, expected) { #expect(abs(value - want) <= 66 * 0x1p-23) }
      }
      let some = try GenotypeReading(VCFSource(path: path), selection: .init(ids: ["rs2_G"]))
      #expect(some.ids == ["rs2_G"] && some.dosages == [dosages[4]] && some.rows[0].ordinal == 4)
    }
  }

  @Test func genotypeProbabilities() throws {
    let fixture = try GenotypeFixture()
    func outcome(_ cell: String, alt: String = "G", number: String = "G") throws -> [String] {
      let text = vcfText(
        samples: ["a", "b"], format: "GP", records: [(alt, [cell, "1,0,0"])], declared: ["GP"]
      ).replacingOccurrences(of: "ID=GP,Number=1", with: "ID=GP,Number=\(number)")
      let path = try fixture.write("a.vcf", text)
      return try [path, fixture.writeBCF("a.bcf", from: path)].map { path in
        do throws(StudyError) {
          let source = try VCFSource(path: path)
          #expect(source.field == .gp)
          let reading = try GenotypeReading(source)
          return reading.drops.first?.reason ?? reading.dosages.first.map { "\($0[0])" } ?? "no record"
        } catch {
          return error.cause.contains("negative or does not add up to one")
            ? "refused" : error.cause
        }
      }
    }
    #expect(try outcome("0.25,0.5,0.25") == ["1.0", "1.0"])
    #expect(try outcome("0.25,0.75") == ["1.5", "1.5"])
    #expect(try outcome(".") == ["-1.0", "-1.0"])
    #expect(try outcome(".,.,.") == ["-1.0", "-1.0"])
    #expect(try outcome("0.95,0,0") == ["0.0", "0.0"])
    #expect(try outcome("0,30,300") == ["refused", "refused"])
    #expect(try outcome("1.2,-0.2,0") == ["refused", "refused"])
    #expect(try outcome("0,0,0") == ["refused", "refused"])
    let mismatch = "genotypes do not fit the alleles"
    #expect(try outcome("1,0,0,0", number: ".") == [mismatch, mismatch])
    #expect(try outcome("1", number: ".") == [mismatch, mismatch])
    #expect(try outcome("0.5,x,0.5")[0].contains("is not a number"))
  }

  @Test func imputationQuality() throws {
    let fixture = try GenotypeFixture()
    let text = vcfText(
      samples: ["a"], format: "DS", records: Array(repeating: ("G", ["1.5"]), count: 5),
      declared: ["DS"], info: ["R2=0.3", "AF=1;R2=0.29", "AR2=1", "R2=.;X", "IMP;R2=1e0"])
    let source = try VCFSource(path: fixture.write("a.vcf", text))
    let selection = VariantSelection(minimumInfo: .init(field: "R2", value: 0.3))
    let reading = try GenotypeReading(source, selection: selection)
    #expect(reading.ids == ["rs0", "rs4"])
    #expect(reading.drops.map(\.reason) == ["low imputation quality", "no INFO value", "no INFO value"])
    #expect(throws: StudyError.self) {
      try GenotypeReading(source, selection: .init(minimumInfo: .init(field: "INFO", value: 0)))
    }
    func outcome(_ value: String) throws -> String? {
      let record = text.replacingOccurrences(of: "IMP;R2=1e0", with: "R2=\(value)")
      let path = try fixture.write("b.vcf", record)
      do throws(StudyError) {
        let source = try VCFSource(path: path)
        return try GenotypeReading(source, selection: selection).drops.last?.reason
      } catch {
        return error.cause
      }
    }
    #expect(try outcome("nan") == "no INFO value")
    for value in ["inf", "0x1", "0.3,0.4", "1e999"] {
      #expect(try outcome(value) == "INFO R2 is '\(value)', not one number")
    }
  }

  @Test(arguments: ["calls.vcf.gz", "calls.bcf"]) func regionsThroughTheIndex(name: String) throws {
    let fixture = try GenotypeFixture()
    let source = try VCFSource(path: GenotypeFixture.oracle(name))
    // The same file where no index stands beside it.
    let copy = fixture.path(name)
    try FileManager.default.copyItem(atPath: source.path, toPath: copy)
    let scanned = try VCFSource(path: copy)
    let positions = try GenotypeReading(source).rows.filter { $0.variant.chromosome == "22" }.map(
      \.variant.position)
    let selection = VariantSelection(regions: [
      GenomicRegion(chromosome: "chrX", start: 2_000, end: 4_000),
      GenomicRegion(chromosome: "X", start: 3_000, end: 3_500),
      GenomicRegion(chromosome: "22", start: positions[3], end: positions[3]),
      GenomicRegion(chromosome: "22", start: positions[3] + 1, end: positions[9]),
      GenomicRegion(chromosome: "5"),
    ])
    for blockSize in [1, 4, 512] {
      let found = try GenotypeReading(source, samples: [3, 1], selection: selection, blockSize: blockSize)
      let expected = try GenotypeReading(scanned, samples: [3, 1], selection: selection)
      #expect(found.rows.map(\.variant) == expected.rows.map(\.variant))
      #expect(found.dosages == expected.dosages)
      #expect(found.rows.map(\.ordinal) == found.rows.map(\.ordinal).sorted())
      #expect(found.rows.count > 10)
    }
    #expect(
      try GenotypeReading(source, selection: .init(regions: [GenomicRegion(chromosome: "7")])).rows.isEmpty)
  }

  @Test(arguments: [("calls.vcf.gz", ".tbi"), ("calls.bcf", ".csi")])
  func anIndexOlderThanTheFileIsNotUsed(name: String, suffix: String) throws {
    let fixture = try GenotypeFixture()
    let (data, index) = (fixture.path(name), fixture.path(name + suffix))
    let written = Date(timeIntervalSince1970: 1_700_000_000)
    for (from, to) in [(name, data), (name + suffix, index)] {
      try FileManager.default.copyItem(atPath: GenotypeFixture.oracle(from), toPath: to)
      try FileManager.default.setAttributes([.modificationDate: written], ofItemAtPath: to)
    }
    let selection = VariantSelection(regions: [GenomicRegion(chromosome: "X")])
    // Ordinals count the records read: from 0 through the index, behind the other chromosomes in a scan.
    let used = try VCFSource(path: data)
    let found = try GenotypeReading(used, selection: selection)
    #expect(used.notes.isEmpty && found.rows.first?.ordinal == 0)

    try FileManager.default.setAttributes(
      [.modificationDate: written.addingTimeInterval(1)], ofItemAtPath: data)
    let stale = try VCFSource(path: data)
    let scanned = try GenotypeReading(stale, selection: selection)
    #expect(stale.notes == ["\(index): the index is older than the file and is not used; make it again"])
    #expect(try #require(scanned.rows.first).ordinal > 0)
    #expect(scanned.rows.map(\.variant) == found.rows.map(\.variant) && scanned.dosages == found.dosages)
  }

  /// htslib 1.16 frees what it has not set where an index ends too early.
  @Test(arguments: [("calls.vcf.gz", ".tbi"), ("calls.vcf.gz", ".csi"), ("calls.bcf", ".csi")])
  func aDamagedIndexIsNotUsed(name: String, suffix: String) throws {
    let fixture = try GenotypeFixture()
    let (data, index) = (fixture.path(name), fixture.path(name + suffix))
    try FileManager.default.copyItem(atPath: GenotypeFixture.oracle(name), toPath: data)
    let shift: Int32 = suffix == ".csi" ? 14 : 0
    if name.hasSuffix(".bcf") {
      #expect(bcf_index_build(data, shift) == 0)
    } else {
      #expect(withUnsafePointer(to: tbx_conf_vcf) { tbx_index_build(data, shift, $0) } == 0)
    }
    let selection = VariantSelection(regions: [GenomicRegion(chromosome: "22")])
    let found = try GenotypeReading(VCFSource(path: data), selection: selection)
    #expect(found.rows.first?.ordinal == 0)

    let whole = try GenotypeFixture.decompressed(index)
    func expectUnused(_ bytes: [UInt8], _ what: String) throws {
      try fixture.writeCompressed(name + suffix, bytes)
      let source = try VCFSource(path: data)
      #expect(
        source.notes == ["\(index): the index is damaged and is not used; make it again"], "\(what)")
      let scanned = try GenotypeReading(source, selection: selection)
      #expect(scanned.rows.map(\.variant) == found.rows.map(\.variant) && scanned.dosages == found.dosages)
    }
    // Behind the bins and offsets of all contigs stand 8 bytes that may be absent: the records without a place.
    for length in 0..<whole.count - 8 { try expectUnused(Array(whole[..<length]), "cut at \(length)") }
    let contigs = suffix == ".tbi" ? 4 : 16 + Int(whole[12])
    for count: UInt8 in [0x7F, 0xFF] {
      var bytes = whole
      bytes[contigs + 3] = count
      try expectUnused(bytes, "contigs")
    }
    try fixture.write(
      name + suffix, Array([UInt8](Data(contentsOf: URL(fileURLWithPath: index))).dropLast(30)))
    #expect(try VCFSource(path: data).notes.count == 1)
    try fixture.writeCompressed(name + suffix, whole)
    #expect(try VCFSource(path: data).notes.isEmpty)
  }

  /// htslib ends the process when it is asked for such values as numbers.
  @Test(arguments: ["GT", "DS"]) func valuesThatAreNoNumbers(field: String) throws {
    let fixture = try GenotypeFixture()
    let text = vcfText(samples: ["a", "b"], format: "GT:DS", records: [("G", ["0/1:0.5", "1/1:."])])
    let packed = try fixture.writeBCF("a.bcf", from: fixture.write("a.vcf", text))
    var bytes = try GenotypeFixture.decompressed(packed)
    // Two alleles of 8 bits, one fraction: as many bytes of text.
    let (numbers, letters): ([UInt8], UInt8) =
      field == "GT" ? ([0x21, 2, 4, 4, 4], 0x27) : ([0x15, 0, 0, 0, 0x3F], 0x47)
    let at = try #require(bytes.indices.last { bytes[$0...].starts(with: numbers) })
    bytes[at] = letters
    let error = genotypeError([try fixture.write("b.bcf", bytes)])
    #expect(error?.kind == .malformed && error?.file == fixture.path("b.bcf") && error?.line == 1)
    #expect(error?.cause.contains("the values of \(field) are not numbers") == true)
    #expect(genotypeError([packed]) == nil)
  }

  @Test(arguments: ["calls.vcf.gz", "calls.bcf", "dosages.vcf.gz", "dosages.bcf"])
  func orderBlocksAndThreadsDoNotMatter(name: String) throws {
    let source = try VCFSource(path: GenotypeFixture.oracle(name))
    let whole = try GenotypeReading(source)
    for blockSize in [1, 7, 40] {
      #expect(try GenotypeReading(source, blockSize: blockSize) == whole)
      #expect(try GenotypeReading(source, blockSize: blockSize, concurrently: true) == whole)
    }
    var random = GenotypeRandom(seed: 11)
    let order = Array(source.sampleIDs.indices).shuffled(using: &random)
    for samples in [order, Array(order.prefix(5))] {
      #expect(
        try GenotypeReading(source, samples: samples).dosages
          == whole.dosages.map { row in samples.map { row[$0] } })
    }
  }

  @Test func containers() throws {
    let fixture = try GenotypeFixture()
    let text = vcfText(
      samples: ["a", "b"], format: "DS", records: [("G", ["0.5", "1"]), ("T", ["2", "."])], declared: ["DS"])
    let plain = try GenotypeReading(GenotypeFile.open([fixture.write("a.vcf", text)]))
    let others = [
      try fixture.writeCompressed("a.vcf.gz", text),
      try fixture.writeCompressed("b.vcf.gz", text, plainGzip: true),
      try fixture.write("named.txt", "\u{FEFF}" + text.replacingOccurrences(of: "\n", with: "\r\n") + "\r\n"),
    ]
    for path in others { #expect(try GenotypeReading(GenotypeFile.open([path])) == plain) }
    #expect(plain.dosages == [[0.5, 1], [2, -1]])
  }

  @Test func brokenHeaders() throws {
    let fixture = try GenotypeFixture()
    let good = vcfText(samples: ["a", "b"], format: "GT:DS", records: [("G", ["0/1:1", "1/1:2"])])
    func expect(
      _ text: String, _ phrase: String, line: Int? = nil, field: DosageField? = nil,
      kind: StudyError.Kind = .malformed,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try fixture.write("a.vcf", text)
      let error = try #require(genotypeError([path], dosageField: field), sourceLocation: sourceLocation)
      #expect(error.cause.contains(phrase), "\(error)", sourceLocation: sourceLocation)
      #expect(
        error.kind == kind && error.line == line && error.file == path, "\(error)",
        sourceLocation: sourceLocation)
    }
    let lines = good.components(separatedBy: "\n")
    let columns = lines[5]
    try expect("", "empty")
    try expect("id a b\nrs1 0 1\n", "not a VCF")
    try expect("##format=X\n" + good, "not a VCF", line: 1)
    try expect(lines[..<5].joined(separator: "\n") + "\n", "no #CHROM line", line: 5)
    try expect((lines[..<5] + lines[6...]).joined(separator: "\n"), "#CHROM line is missing", line: 6)
    try expect(good.replacingOccurrences(of: "\ta\tb\n", with: "\n"), "no samples", line: 6)
    try expect(good.replacingOccurrences(of: "\ta\tb\n", with: "\ta\ta\n"), "sample a occurs twice", line: 6)
    try expect(
      good.replacingOccurrences(of: columns, with: columns.replacingOccurrences(of: "\t", with: " ")),
      "does not name the columns", line: 6)
    let noDS = good.replacingOccurrences(of: "<ID=DS", with: "<ID=DX")
    try expect(noDS, "no FORMAT field DS (it declares DX, GT)", field: .ds, kind: .inconsistent)
    try expect(
      noDS.replacingOccurrences(of: "<ID=GT", with: "<ID=GX"), "no FORMAT field DS, GT or GP",
      kind: .inconsistent
    )
  }

  @Test func brokenRecords() throws {
    let fixture = try GenotypeFixture()
    let good = vcfText(
      samples: ["a", "b"], format: "GT:DS",
      records: [("G", ["0/1:1", "1/1:2"]), ("C", ["0/1:0.75", "1/1:2"])])
    func expect(
      _ old: String, _ new: String, _ phrase: String, field: DosageField? = nil,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      for name in ["a.vcf", "a.vcf.gz"] {
        let text = good.replacingOccurrences(of: old, with: new)
        #expect(text != good, sourceLocation: sourceLocation)
        let path =
          name.hasSuffix("gz") ? try fixture.writeCompressed(name, text) : try fixture.write(name, text)
        let error = try #require(genotypeError([path], dosageField: field), sourceLocation: sourceLocation)
        #expect(error.cause.contains(phrase), "\(error)", sourceLocation: sourceLocation)
        #expect(
          error.kind == .malformed && error.line == 8 && error.file == path, "\(error)",
          sourceLocation: sourceLocation)
      }
    }
    try expect("0/1:0.75\t1/1:2", "0/1:0.75", "fewer sample columns than the header's 2")
    try expect("0/1:0.75", "0/1:0.75\t0/0:0", "more sample columns than the header's 2")
    try expect("0/1:0.75", "0/1:x", "DS of sample column 1 is not a number: '0/1:x'")
    try expect("0/1:0.75", "", "no genotype call: ''")
    try expect("0.75", "", "not a number: '0/1:'")
    try expect("0.75", "2.01", "outside 0…2")
    try expect("0.75", "-0.1", "outside 0…2")
    try expect("0.75", "inf", "not a number")
    try expect("0.75", "1e999", "outside 0…2")
    try expect("0/1:0.75", "0/x:1", "no genotype call", field: .gt)
    try expect("0/1:0.75", "0/1/1:1", "more than two alleles", field: .gt)
    try expect("0/1:0.75", "0/1x:1", "no genotype call", field: .gt)
    try expect("rs1\tA", "rs1\t", "REF or ALT is empty")
    try expect("101\t", "-101\t", "POS is not a whole number")
    try expect("\tGT:DS\t0/1:0.75", "\tGT:GP\t0/1:0.75", "no DS: its FORMAT is 'GT:GP'")
    try expect("1\t101\trs1\tA\tC", "1 101 rs1 A C", "at least 10 columns")
  }

  @Test func truncatedOrDamaged() throws {
    let fixture = try GenotypeFixture()
    for name in ["calls.vcf.gz", "dosages.vcf.gz", "calls.bcf", "dosages.bcf"] {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: GenotypeFixture.oracle(name))))
      // Without the end marker the data are whole, but the file is cut.
      for lost in [1, 28, 100] {
        let error = try #require(genotypeError([fixture.write(name, Array(bytes.dropLast(lost)))]))
        #expect(error.kind == .malformed && error.cause.contains("truncated"), "\(error)")
      }
      var damaged = bytes
      damaged[bytes.count / 2] ^= 0x40
      #expect(genotypeError([try fixture.write(name, damaged)])?.kind == .malformed)
    }
    let plain = try fixture.writeCompressed(
      "p.vcf.gz",
      vcfText(samples: ["a"], format: "DS", records: Array(repeating: ("G", ["0.5"]), count: 999)),
      plainGzip: true)
    #expect(genotypeError([plain]) == nil)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: plain)))
    #expect(genotypeError([try fixture.write("q.vcf.gz", Array(bytes.dropLast(20)))])?.kind == .malformed)
  }

  @Test func geuvadis() throws {
    guard let path = GenotypeFixture.shared("fastqtl_geuvadis_chr22/genotypes.vcf.gz") else {
      print("skipped: the shared data are absent")
      return
    }
    let source = try VCFSource(path: path)
    #expect(source.field == .ds)
    #expect(source.sampleIDs.count == 373)
    #expect(try source.chromosomes() == ["22"])
    let stream = try source.stream(GenotypeRequest(samples: Array(0..<373)))
    var sums: [Double] = []
    while let chunk = try stream.nextChunk() {
      let block = try chunk.decode()
      guard case .fractional(let values) = block.dosages else { throw CancellationError() }
      for j in 0..<block.count {
        sums.append(values[(j * 373)..<((j + 1) * 373)].reduce(0) { $0 + Double($1) })
      }
    }
    #expect(sums.count == 150_357)
    // Decimal sums of the text by Python; each of the dosages is within 2^-24 of its decimal.
    for (sum, exact) in zip(sums, [38.437, 55.342, 34.976]) {
      let bound: Double = 373 * 0x1p-24
      #expect(abs(sum - exact) < bound)
    }
    let total = sums.reduce(0, +)
    let bound: Double = 150_357 * 373 * 0x1p-24
    #expect(abs(total - 23_015_796.160) < bound)
  }
}
