import Foundation
import StudyData
import StudyIO
import Testing

/// Every damaged file is either refused with an error or read; no process dies.
struct DamagedGenotypesTests {
  struct Victim: CustomTestStringConvertible {
    var testDescription: String
    /// Name and content of the file that is damaged.
    var name: String
    var bytes: [UInt8]
    /// What is opened.
    var opened: String
    var fixture: GenotypeFixture
    /// Whether a cut at any byte must be noticed.
    var isSealed: Bool
  }

  static func victims() throws -> [Victim] {
    var victims: [Victim] = []
    func add(
      _ name: String, _ bytes: [UInt8], opened: String? = nil, isSealed: Bool = false,
      fixture: GenotypeFixture
    ) {
      victims.append(
        Victim(
          testDescription: name, name: name, bytes: bytes, opened: fixture.path(opened ?? name),
          fixture: fixture, isSealed: isSealed))
    }
    for part in ["bed", "bim", "fam"] {
      let fixture = try GenotypeFixture()
      let prefix = try fixture.writePlink(
        "set", codes: (0..<9).map { v in (0..<7).map { UInt8((v * $0) % 4) } })
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(prefix).\(part)")))
      add("set.\(part)", bytes, opened: "set", isSealed: part == "bed", fixture: fixture)
    }
    let fixture = try GenotypeFixture()
    for (name, sealed) in [("calls.vcf.gz", true), ("dosages.bcf", true)] {
      add(
        name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: GenotypeFixture.oracle(name)))),
        isSealed: sealed, fixture: fixture)
    }
    // Small sets of PLINK 2: hard calls, dosages, several ALT alleles; one part damaged, the others whole.
    for (set, parts) in [
      ("calls", ["pgen", "pvar.zst"]), ("dosages", ["pgen"]), ("alleles", ["pgen", "pvar", "psam"]),
    ] {
      for damaged in parts {
        let fixture = try GenotypeFixture()
        for part in ["pgen", "psam", set == "calls" ? "pvar.zst" : "pvar"] {
          try FileManager.default.copyItem(
            atPath: GenotypeFixture.oracle("\(set).\(part)"), toPath: fixture.path("\(set).\(part)"))
        }
        let name = "\(set).\(damaged)"
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture.path(name))))
        add(name, bytes, opened: set + ".pgen", isSealed: damaged == "pgen", fixture: fixture)
      }
    }
    for name in ["calls", "dosages"] {
      let bytes = try GenotypeFixture.decompressed(GenotypeFixture.oracle(name + ".bcf"))
      add("plain-\(name).bcf", bytes, fixture: fixture)
    }
    for compression in BGENText.Compression.allCases {
      let file = BGENText(
        names: ["a", "b"], compression: compression,
        records: (0..<3).map {
          .init(
            rsName: "r\($0)", position: $0, samples: Array(repeating: .init(probabilities: [9, 8]), count: 2))
        })
      add("\(compression).bgen", file.bytes, isSealed: true, fixture: fixture)
    }
    let text = vcfText(
      samples: ["a", "b", "c"], format: "GT:DS",
      records: [("G", ["0/1:0.9", "1|1:2", "./.:."]), ("T,C", ["0/2:0.25", "1:1.5", "0/0"])])
    add("plain.vcf", Array(text.utf8), fixture: fixture)
    let gzip = try fixture.writeCompressed("member.vcf.gz", text, plainGzip: true)
    add(
      "member.vcf.gz", [UInt8](try Data(contentsOf: URL(fileURLWithPath: gzip))), isSealed: true,
      fixture: fixture)
    add(
      "matrix.txt", Array("id\tchr\tpos\ta\tb\nr1\t1\t5\t0.25\tNA\nr2\t2\t7\t1\t2\n".utf8), fixture: fixture)
    add("blanks.txt", Array("a b c\n\"r1\" 0.5  1e-1 NA\n\"r2\" 2 0 1\n".utf8), fixture: fixture)
    return victims
  }

  @Test(arguments: try victims()) func cutAtEveryByte(victim: Victim) throws {
    #expect(genotypeError([victim.opened]) == nil || !FileManager.default.fileExists(atPath: victim.opened))
    for length in 0..<victim.bytes.count {
      try victim.fixture.write(victim.name, Array(victim.bytes[..<length]))
      let error = genotypeError([victim.opened])
      if victim.isSealed { #expect(error != nil, "\(length) of \(victim.bytes.count) bytes") }
    }
    try victim.fixture.write(victim.name, victim.bytes)
    #expect(genotypeError([victim.opened]) == nil)
  }

  @Test(arguments: try victims()) func randomBytes(victim: Victim) throws {
    var random = GenotypeRandom(seed: UInt64(victim.bytes.count))
    let telling = Array("\t\n\r :/|.,;=-+e0129NA\"#".utf8) + [0, 255]
    var refused = 0
    for _ in 0..<2_500 {
      var bytes = victim.bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[at] = telling.randomElement(using: &random)!
        case 2: bytes.insert(telling.randomElement(using: &random)!, at: at)
        default: bytes.remove(at: at)
        }
      }
      try victim.fixture.write(victim.name, bytes)
      if genotypeError([victim.opened]) != nil { refused += 1 }
    }
    // A changed genotype may be a good one; most other changes are not.
    #expect(refused > 100)
  }
}
