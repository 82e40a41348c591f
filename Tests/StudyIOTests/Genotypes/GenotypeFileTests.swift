import Foundation
import StudyData
import StudyIO
import Testing

struct GenotypeFileTests {
  @Test func kindsAreSeenFromContent() throws {
    for name in ["calls", "calls.bed", "calls.bim", "calls.fam"] {
      let source = try GenotypeFile.open([GenotypeFixture.oracle(name)])
      #expect(source is PlinkSource)
      #expect(source.paths.count == 3)
    }
    let fixture = try GenotypeFixture()
    for (name, disguise) in [("calls.vcf.gz", "a.bcf"), ("dosages.bcf", "b.txt")] {
      try FileManager.default.copyItem(atPath: GenotypeFixture.oracle(name), toPath: fixture.path(disguise))
      #expect(try GenotypeFile.open([fixture.path(disguise)]) is VCFSource)
    }
    #expect(try GenotypeFile.open([fixture.write("m", "id\ta\nr\t1\n")]) is DosageMatrixSource)
  }

  @Test func refusals() throws {
    let fixture = try GenotypeFixture()
    let matrix = try fixture.write("m", "id\ta\nr\t1\n")
    func expect(
      _ paths: [String], _ kind: StudyError.Kind, _ phrase: String, field: DosageField? = nil,
      locations: String? = nil
    ) {
      let error = genotypeError(paths, dosageField: field, locations: locations)
      #expect(error?.kind == kind && error?.cause.contains(phrase) == true, "\(error?.description ?? "read")")
    }
    expect([fixture.path("absent")], .environment, "cannot be read: No such file or directory")
    expect([fixture.folder.path], .environment, "cannot be read: Is a directory")
    #expect(mkfifo(fixture.path("pipe"), 0o600) == 0)
    expect([fixture.path("pipe")], .environment, "not a regular file")
    expect(
      [try fixture.write("x.vcf", "a b c\n1 2 3\n")], .malformed, "not a VCF or BCF, though its name says so")
    expect([try fixture.write("x.bed", "a b c\n1 2 3\n")], .malformed, "not a PLINK bed file")
    expect([try fixture.write("p", [0x6C, 0x1B, 0x10, 0])], .malformed, "whose name does not end in .pgen")
    expect([try fixture.write("x.pgen", "a b c\n1 2 3\n")], .malformed, "not a PLINK 2 pgen file")
    expect([GenotypeFixture.oracle("calls.pgen")], .inconsistent, "not a VCF or BCF", field: .gt)
    expect([GenotypeFixture.oracle("calls.pgen")], .inconsistent, "locations of its own", locations: matrix)
    expect([fixture.path("x")], .malformed, "not a PLINK bed file")
    expect(
      [try fixture.write("y", [UInt8](repeating: 1, count: 16) + Array("bgen".utf8))], .malformed,
      "the header is damaged")
    let bgen = try fixture.write(
      "b.bgen",
      BGENText(
        names: ["a"], records: [.init(rsName: "r", position: 1, samples: [.init(probabilities: [0, 0])])]
      )
      .bytes)
    expect([bgen], .inconsistent, "not a VCF or BCF", field: .ds)
    expect([bgen], .inconsistent, "locations of its own", locations: matrix)
    expect([try fixture.write("z", "")], .malformed, "empty")
    expect([matrix, matrix], .inconsistent, "given twice")
    expect([matrix], .inconsistent, "not a VCF or BCF", field: .ds)
    expect([GenotypeFixture.oracle("calls")], .inconsistent, "not a VCF or BCF", field: .gt)
    expect([GenotypeFixture.oracle("calls")], .inconsistent, "locations of its own", locations: matrix)
    expect([matrix], .environment, "No such file", locations: fixture.path("absent"))
    expect(["@" + fixture.path("absent.list")], .environment, "No such file")
    expect(["@" + (try fixture.write("e.list", "# none\n\n"))], .malformed, "names no file")
  }

  @Test func severalFilesAreOne() throws {
    let fixture = try GenotypeFixture()
    let first = try fixture.write("c1.txt", "id\ta\tb\tc\nr1\t0\t1\t2\nr2\t1\t1\tNA\n")
    let second = try fixture.write(
      "c2.vcf",
      vcfText(
        samples: ["c", "a", "b"], format: "GT", records: [("G", ["1/1", "0/0", "0/1"])], declared: ["GT"]))
    let list = try fixture.write("files.list", "# both\n\(first)\r\n\n\(second)\n")
    for paths in [[first, second], ["@" + list]] {
      let source = try GenotypeFile.open(paths)
      #expect(source.sampleIDs == ["a", "b", "c"])
      #expect(source.variantCount == nil)
      #expect(source.paths == [first, second])
      let reading = try GenotypeReading(source)
      #expect(reading.ids == ["r1", "r2", "rs0"])
      #expect(reading.dosages == [[0, 1, 2], [1, 1, -1], [0, 1, 2]])
      #expect(reading.rows.map(\.ordinal) == [0, 1, 1 << 40])
      #expect(
        try GenotypeReading(source, samples: [2, 0], concurrently: true).dosages == [
          [2, 0], [-1, 1], [2, 0],
        ])
    }
    let locations = try fixture.write("places.txt", "r1 1 5\nr2 1 6\nr3 2 7\n")
    let split = try fixture.write("c2.txt", "id\ta\tb\tc\nr3\t0\t1\t2\n")
    let located = try GenotypeFile.open([first, split], locations: locations)
    #expect(try GenotypeReading(located).rows.map(\.variant.position) == [5, 6, 7])

    let plink = try GenotypeFile.open(
      try ["p", "q"].map {
        try fixture.writePlink($0, codes: [[0, 1, 2], [3, 0, 0]], chromosomes: [$0, $0])
      })
    #expect(plink.variantCount == 4)
    #expect(try plink.chromosomes() == ["P", "Q"])
    #expect(try GenotypeReading(plink).rows.map(\.ordinal) == [0, 1, 1 << 40, 1 << 40 + 1])

    let third = try fixture.write("c3.txt", "id\ta\tb\td\te\nr1\t0\t1\t2\t1\n")
    let error = try #require(genotypeError([first, third]))
    #expect(error.kind == .inconsistent && error.file == third)
    #expect(error.cause == "its 4 samples are not the 3 of \(first) (lacks c) (adds d, e)")
  }
}
