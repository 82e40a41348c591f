import Foundation
import StudyData
import StudyIO
import Testing

struct HemizygousSourceTests {
  private let fixture: GenotypeFixture
  private let source: any GenotypeSource

  /// An autosomal variant, PAR1 of GRCh38 and of GRCh37, X, PAR2, XY.
  init() throws {
    fixture = try GenotypeFixture()
    let places = [
      ("1", 5_000_000), ("X", 2_781_479), ("chrX", 2_781_480), ("X", 154_931_043), ("X", 154_931_044),
      ("X", 156_030_896), ("XY", 5_000_000),
    ]
    var text = vcfText(samples: ["a", "b", "c", "d"], format: "GT", records: [], declared: ["GT"])
    for (chromosome, position) in places {
      text += "\(chromosome)\t\(position)\t.\tA\tG\t.\t.\t.\tGT\t0/1\t0|1\t0/1\t1\n"
    }
    source = try VCFSource(path: fixture.write("a.vcf", text))
  }

  private func table(_ text: String) throws -> SexTable { try SexTable(path: fixture.write("sex", text)) }

  @Test func malesHaveOneX() throws {
    let sexes = try table("IID SEX\na 1\nb F\nd\tmale\ne 2\n\nc 0\n")
    let hemizygous = try HemizygousSource(source, sexes: sexes)
    #expect(hemizygous.sampleIDs == source.sampleIDs && hemizygous.paths == source.paths)
    #expect(
      hemizygous.notes == [
        "\(fixture.path("sex")): heterozygous calls of 2 males on X outside the pseudoautosomal regions are missing; "
          + "1 samples have no sex there"
      ])
    let (both, male): ([Float], [Float]) = ([1, 1, 1, 2], [-1, 1, 1, 2])
    let expected = [both, both, male, male, both, male, both]
    for blockSize in [1, 512] {
      let reading = try GenotypeReading(hemizygous, blockSize: blockSize, concurrently: true)
      #expect(reading.dosages == expected && reading.maskedCalls == 3)
      let plain = try GenotypeReading(source)
      #expect(reading.rows.map(\.variant) == plain.rows.map(\.variant) && plain.maskedCalls == 0)
    }
    #expect(
      try GenotypeReading(hemizygous, samples: [2, 0]).dosages == expected.map { [$0[2], $0[0]] })
    #expect(try GenotypeReading(hemizygous, samples: [2, 1]).maskedCalls == 0)
  }

  @Test func refusals() throws {
    func cause(_ text: String) throws -> String? {
      let path = try fixture.write("sex", text)
      do throws(StudyError) {
        _ = try HemizygousSource(source, sexes: SexTable(path: path))
        return nil
      } catch {
        return error.cause
      }
    }
    #expect(try cause("x 1\ny 2\n")?.contains("knows none of the 4 samples") == true)
    #expect(try cause("a 1\nb 3\n") == "the sex of b is '3'")
    #expect(try cause("a 1\na 2\n") == "a has two sexes")
    #expect(try cause("a 1\nb\n") == "the row has one field, not two")
    #expect(try cause("id sex\n") == "no sample has a sex")
    #expect(try cause("") == "no sample has a sex")
    #expect(try cause("a 1\na M\n") == nil)
  }
}
