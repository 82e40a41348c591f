import Foundation

extension BadInput {
  /// A VCF, a text matrix or another file in place of the PLINK set.
  private static func replacing(
    _ name: String, at location: String?, _ cause: String, status: Int32 = 65, options: [String] = [],
    _ file: String, _ contents: @escaping @Sendable (SmallStudy) throws -> Data
  ) -> BadInput {
    BadInput(name, at: location, cause, status: status) { folder in
      try folder.file(contents(SmallStudy()), file)
      return inputs(folder, genotypes: [file]) + options
    }
  }

  private static func vcf(
    _ name: String, line: Int? = nil, _ cause: String, field: String = "GT", options: [String] = [],
    _ change: @escaping @Sendable (inout [String]) -> Void
  ) -> BadInput {
    replacing(
      name, at: "g.vcf" + (line.map { ":\($0)" } ?? ""), cause, options: options, "g.vcf"
    ) { study in
      var lines = study.vcf(field: field).components(separatedBy: "\n")
      change(&lines)
      return Data(lines.joined(separator: "\n").utf8)
    }
  }

  private static func matrix(
    _ name: String, line: Int? = nil, _ cause: String, _ change: @escaping @Sendable (inout [String]) -> Void
  ) -> BadInput {
    replacing(name, at: "g.txt" + (line.map { ":\($0)" } ?? ""), cause, "g.txt") { study in
      var lines = study.matrix().components(separatedBy: "\n")
      change(&lines)
      return Data(lines.joined(separator: "\n").utf8)
    }
  }

  /// Lines of the small VCF's first record and of its #CHROM.
  private static let (firstRecord, columnLine) = (6, 5)

  static let genotypes: [BadInput] = plink + vcfs + matrices

  private static let plink: [BadInput] = [
    BadInput("bed cut short", at: "g.bed", "truncated") {
      try $0.file($0.data("g.bed").dropLast(2), "g.bed")
    },
    BadInput("bed that lacks whole variants", at: "g.bed", "belongs to another set") {
      try $0.file($0.data("g.bed").dropLast(12), "g.bed")
    },
    BadInput("bed with a wrong magic", at: "g.bed", "6c 1b") {
      try $0.file(Data([0x6C, 0x1C]) + $0.data("g.bed").dropFirst(2), "g.bed")
    },
    BadInput("sample-major bed", at: "g.bed", "sample-major") {
      try $0.file(Data([0x6C, 0x1B, 0]) + $0.data("g.bed").dropFirst(3), "g.bed")
    },
    BadInput("pgen named bed", at: "g.bed", "PLINK 2") {
      try $0.file(Data([0x6C, 0x1B, 2]) + $0.data("g.bed").dropFirst(3), "g.bed")
    },
    BadInput("bed of no byte", at: "g.bed", "empty") { try $0.file("", "g.bed") },
    BadInput("fam of another set", at: "g.bed", "fam file belongs to another set") {
      try $0.edit("g.fam") { $0 + (1...8).map { "X\($0) X\($0) 0 0 0 -9\n" }.joined() }
    },
    BadInput("bim of another set", at: "g.bed", "bim file belongs to another set") {
      try $0.edit("g.bim") { $0 + "2 more 0 999999 A C\n" }
    },
    BadInput("bim without a column", at: "g.bim:4", "6 fields, this one has 5") {
      try $0.editLine(4, of: "g.bim") { $0.replacing("\t0\t", with: "\t") }
    },
    BadInput("bim with a negative position", at: "g.bim:2", "-20000") {
      try $0.editLine(2, of: "g.bim") { $0.replacing("20000", with: "-20000") }
    },
    BadInput("bim with a position that is a word", at: "g.bim:3", "3e4") {
      try $0.editLine(3, of: "g.bim") { $0.replacing("30000", with: "3e4") }
    },
    BadInput("bim of no byte", at: "g.bim", "empty") { try $0.file("", "g.bim") },
    BadInput("fam of no byte", at: "g.fam", "empty") { try $0.file("", "g.fam") },
    BadInput("a sample twice in the fam", at: "g.fam", "S000") {
      try $0.editLine(2, of: "g.fam") { $0.replacing("S001", with: "S000") }
    },
    BadInput("fam with a short row", at: "g.fam:5", "6 fields, this one has 5") {
      try $0.editLine(5, of: "g.fam") { $0.replacing("\t-9", with: "") }
    },
    BadInput("no bim", at: "g.bim", "No such file", status: 74) {
      try FileManager.default.removeItem(atPath: $0.path("g.bim"))
    },
    BadInput("no genotypes", at: "absent", "No such file", status: 74) {
      inputs($0, genotypes: ["absent"])
    },
    BadInput("a directory as genotypes", at: "out", "directory", status: 74) {
      inputs($0, genotypes: ["out"])
    },
    BadInput("a file given twice", at: "g", "given twice") { inputs($0, genotypes: ["g", "g"]) },
    BadInput("files of different samples", at: "h.bed", "samples are not") { folder in
      try SmallStudy(samples: 20).writePlink(to: folder, "h")
      return inputs(folder, genotypes: ["g", "h"])
    },
    BadInput("--dosage-field for PLINK files", at: "g.bed", "not a VCF") {
      inputs($0) + ["--dosage-field", "DS"]
    },
  ]

  private static let vcfs: [BadInput] = [
    replacing("VCF of no byte", at: "g.vcf", "empty", "g.vcf") { _ in Data() },
    vcf("VCF with a header only", "nothing was tested") { $0.removeSubrange((firstRecord - 1)...) },
    vcf("VCF without #CHROM", line: columnLine, "#CHROM") { $0.remove(at: columnLine - 1) },
    vcf("a sample twice in the VCF", line: columnLine, "S000 occurs twice") {
      $0[columnLine - 1].replace("S001", with: "S000")
    },
    vcf("VCF without the field asked for", "no FORMAT field DS", options: ["--dosage-field", "DS"]) { _ in },
    vcf("VCF record without the field", line: firstRecord + 2, "has no GT") {
      $0[firstRecord + 1].replace("\tGT\t", with: "\tGQ\t")
    },
    vcf("VCF record cut short", line: firstRecord + 3, "fewer sample columns") {
      $0[firstRecord + 2] = $0[firstRecord + 2].split(separator: "\t").dropLast().joined(separator: "\t")
    },
    vcf("VCF record with too many cells", line: firstRecord, "more sample columns") {
      $0[firstRecord - 1] += "\t0/0"
    },
    vcf("a word in GT", line: firstRecord, "no genotype call") {
      $0[firstRecord - 1].replace("\t1|1", with: "\tA|B", maxReplacements: 1)
    },
    vcf("a word in DS", line: firstRecord, "is not a number", field: "DS") {
      $0[firstRecord - 1].replace("\t2.0", with: "\ttwo", maxReplacements: 1)
    },
    vcf("infinity in DS", line: firstRecord, "inf", field: "DS") {
      $0[firstRecord - 1].replace("\t2.0", with: "\tinf", maxReplacements: 1)
    },
    vcf("DS beyond 2", line: firstRecord, "outside 0…2", field: "DS") {
      $0[firstRecord - 1].replace("\t2.0", with: "\t2.5", maxReplacements: 1)
    },
    vcf("VCF with a negative position", line: firstRecord, "-10000") {
      $0[firstRecord - 1].replace("\t10000\t", with: "\t-10000\t")
    },
    vcf(
      "--info-field that the header lacks", "no INFO field R2",
      options: ["--min-info", "0.5", "--info-field", "R2"]
    ) { _ in },
    replacing("gzipped VCF cut short", at: "g.vcf.gz", "truncated", "g.vcf.gz") {
      try Gzip.compressed(Data($0.vcf().utf8)).dropLast(20)
    },
    replacing("gzipped VCF with damaged bytes", at: "g.vcf.gz", "damaged", "g.vcf.gz") {
      var data = try Gzip.compressed(Data($0.vcf().utf8))
      for k in data.count / 2..<data.count / 2 + 20 { data[k] ^= 0x55 }
      return data
    },
    replacing("binary junk named VCF", at: "g.vcf", "not a VCF", "g.vcf") { _ in junk },
  ]

  private static let matrices: [BadInput] = [
    replacing("dosages of no byte", at: "g.txt", "empty", "g.txt") { _ in Data() },
    matrix("dosages with a header only", "no rows") { $0.removeSubrange(1...) },
    matrix("a word as dosage", line: 3, "'x'") {
      $0[2] = $0[2].replacing(#/\t[012]$/#, with: "\tx")
    },
    matrix("-9 as dosage", line: 3, "-9") {
      $0[2] = $0[2].replacing(#/\t[012]$/#, with: "\t-9")
    },
    matrix("infinite dosage", line: 3, "inf") {
      $0[2] = $0[2].replacing(#/\t[012]$/#, with: "\tinf")
    },
    matrix("dosages with a short row", line: 4, "23 dosages, not 24") {
      $0[3] = $0[3].split(separator: "\t").dropLast().joined(separator: "\t")
    },
    matrix("dosages with a long row", line: 5, "more than the header's 24 dosages") { $0[4] += "\t1" },
    matrix("a sample twice in the dosages", line: 1, "S000 occurs twice") {
      $0[0].replace("S001", with: "S000")
    },
    replacing("gzipped dosages cut short", at: "g.txt.gz", "truncated", "g.txt.gz") {
      try Gzip.compressed(Data($0.matrix().utf8)).dropLast(20)
    },
    replacing("binary junk as genotypes", at: "junk:1", "not a text file", "junk") { _ in junk },
  ]

  /// Bytes that no format begins with.
  static let junk = Data((0..<5000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7 | 1) })
}
