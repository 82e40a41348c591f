import CFuzzing
import Foundation
import SwiftQTL

/// The committed files that plink2 made.
private func oracle(_ name: String) -> [UInt8] {
  var tests = URL(fileURLWithPath: #filePath)
  for _ in 0..<5 { tests.deleteLastPathComponent() }
  return contents(tests.appendingPathComponent("Oracles/genotypes/\(name)").path)
}

private let regions = [
  GenomicRegion(chromosome: "21", start: 1400, end: 2600), GenomicRegion(chromosome: "22", start: 1),
  GenomicRegion(chromosome: "X", start: 2000, end: 2000),
]

private typealias Reader = (inout CounterRNG) throws(StudyError) -> Void

private func reader(_ path: String, fields: [DosageField?] = [nil], regions: [GenomicRegion] = []) -> Reader {
  { (random) throws(StudyError) in
    try GenotypeReading.read(path, fields: fields, regions: regions, &random)
  }
}

// MARK: - PLINK

func bedVictims(_ folder: Folder) -> [Victim] {
  ["bed", "bim", "fam"].map { part in
    let set = folder.folder(part)
    for other in ["bed", "bim", "fam"] { set.add("calls.\(other)", oracle("calls.\(other)")) }
    return Victim(
      part, set("calls.\(part)"), oracle("calls.\(part)"), headerSize: part == "bed" ? 4 : 60,
      read: reader(set("calls"), regions: regions))
  }
}

func pgenVictims(_ folder: Folder) -> [Victim] {
  var victims: [Victim] = []
  func add(
    _ name: String, _ files: [(String, [UInt8])], damaged: String, _ form: Form = .plain, headerSize: Int
  ) {
    let set = folder.folder(name)
    for (name, bytes) in files { set.add(name, bytes) }
    // A variant list is damaged as text.
    let content = files.first { $0.0 == damaged }!.1
    victims.append(
      Victim(
        name, set(damaged), content, form, headerSize: headerSize,
        read: reader(set(files[0].0), regions: regions)))
  }
  for set in ["calls", "dosages", "alleles"] {
    let variants = set == "calls" ? "pvar.zst" : "pvar"
    let files = ["pgen", variants, "psam"].map { ("\(set).\($0)", oracle("\(set).\($0)")) }
    // The lists of records take some three bytes for each variant.
    add("\(set) records", files, damaged: "\(set).pgen", headerSize: 180)
    add("\(set) variants", files, damaged: "\(set).\(variants)", headerSize: 60)
    add("\(set) samples", files, damaged: "\(set).psam", headerSize: 60)
    if set == "alleles" {
      var packed = files
      packed[1].0 += ".zst"
      add("alleles variants, zstd", packed, damaged: packed[1].0, .zstd, headerSize: 60)
    }
    if set == "calls" {
      // The index apart from the records.
      let whole = files[0].1
      let first = Int(whole.number(at: 12))
      var index = Array(whole[..<first])
      index[2] = 0x30
      index.replace(at: 12, with: little(3, 8))
      let apart =
        [("calls.pgen", [0x6C, 0x1B, 0x20] + whole[first...]), ("calls.pgen.pgi", index)] + files.dropFirst()
      add("records apart", apart, damaged: "calls.pgen", headerSize: 24)
      add("index apart", apart, damaged: "calls.pgen.pgi", headerSize: 180)
      let plink = [
        ("calls.pgen", oracle("calls.bed")), ("calls.bim", oracle("calls.bim")),
        ("calls.fam", oracle("calls.fam")),
      ]
      add("bed as pgen", plink, damaged: "calls.pgen", headerSize: 4)
    }
  }
  // Records of one size.
  let lists = [
    ("set.pvar", Array("#CHROM\tPOS\tID\tREF\tALT\n21\t5\trs1\tA\tG\n22\t9\trs2\tC\t.\n".utf8)),
    ("set.psam", Array("#FID\tIID\nf\ta\nf\tb\nf\tc\nf\td\nf\te\n".utf8)),
  ]
  for (mode, width) in [(2, 2), (3, 2 + 10), (4, 2 + 20)] {
    let body = [UInt8](repeating: 0, count: 2 * width)
    let file = [0x6C, 0x1B, UInt8(mode)] + little(2, 4) + little(5, 4) + [0] + body
    add("mode \(mode)", [("set.pgen", file)] + lists, damaged: "set.pgen", headerSize: 14)
  }
  return victims
}

// MARK: - VCF

private let richVCF =
  "##fileformat=VCFv4.3\n##contig=<ID=21>\n##contig=<ID=22>\n##INFO=<ID=R2,Number=A,Type=Float,Description=\"q\">\n"
  + "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"n\">\n##FILTER=<ID=q10,Description=\"l\">\n"
  + "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"c\">\n##FORMAT=<ID=DS,Number=A,Type=Float,Description=\"d\">\n"
  + "##FORMAT=<ID=GP,Number=G,Type=Float,Description=\"p\">\n"
  + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\n"
  + "21\t1500\trs1\tA\tG\t.\tPASS\tR2=0.9\tGT:DS:GP\t0/1:0.9:0.2,0.7,0.1\t1|1:2:0,0,1\t./.:.:.\n"
  + "21\t1600\t.\tA\tC,TTG\t.\tPASS\tR2=0.2,0.8\tGT:DS:GP\t1/2:1,1:0,0,0,0,1,0\t0/0:0,0:1,0,0,0,0,0\t2/2:0,2:.\n"
  + "21\t1700\trs3\tA\t.\t.\tPASS\t.\tGT\t0/0\t0/0\t0/0\n"
  + "22\t7\trs4\tAC\tA\t3.5\tq10\tR2=.;DP=3\tGT:DS:GP\t0:0.25:0.9,0.1\t1:1.5:.\t.:.:.\n"

private let allFields: [DosageField?] = [nil, nil] + DosageField.allCases

private func vcfReader(_ path: String) -> Reader { reader(path, fields: allFields, regions: regions) }

/// A file, and victims in its index: read by regions.
private func indexVictims(_ set: Folder, _ name: String, isBCF: Bool) -> [Victim] {
  precondition(fuzz_index(set(name), isBCF), set(name))
  let index = set(name) + (isBCF ? ".csi" : ".tbi")
  let packed = contents(index)
  // Later changes of the file itself leave it the older one.
  var times = [timespec(), timespec()]
  times[0].tv_sec = time(nil) + 1_000_000
  times[1] = times[0]
  precondition(utimensat(AT_FDCWD, index, times, 0) == 0)
  // The index is damaged beside a copy.
  let apart = set.folder("index")
  apart.add(name, contents(set(name)))
  let path = apart((index as NSString).lastPathComponent)
  let kind = isBCF ? "csi" : "tbi"
  return [
    Victim(kind, path, inflated(packed), .bgzf, headerSize: 60, read: vcfReader(apart(name))),
    Victim(kind + ", compressed", path, packed, read: vcfReader(apart(name))),
  ]
}

/// Records that a small file keeps: with more each input takes longer and tells no more.
private let recordCount = 12

func vcfVictims(_ folder: Folder) -> [Victim] {
  var victims: [Victim] = []
  for (name, whole) in [
    ("rich", Array(richVCF.utf8)), ("calls", inflated(oracle("calls.vcf.gz"))),
    ("dosages", inflated(oracle("dosages.vcf.gz"))), ("alleles", oracle("alleles.vcf")),
  ] {
    let lines = whole.split(separator: 10)
    let headerCount = lines.count { $0.first == UInt8(ascii: "#") }
    let bytes = Array(lines.prefix(headerCount + recordCount).joined(separator: [10])) + [10]
    let records = lines.prefix(headerCount).reduce(0) { $0 + $1.count + 1 }
    let set = folder.folder(name)
    let forms: [(Form, String)] = [(.bgzf, ".gz"), (.plain, ""), (.gzip, ".member.gz"), (.zstd, ".zst")]
    for (form, suffix) in name == "rich" ? forms : [forms[0]] {
      let path = set("set.vcf" + suffix)
      var victim = Victim(name + suffix, path, bytes, form, read: vcfReader(path))
      victim.parts = [0..<records, records..<bytes.count, records..<bytes.count]
      victims.append(victim)
      if suffix == ".gz" {
        victims.append(victim.asItIs(in: folder.folder(name + " packed"), read: vcfReader))
      }
    }
    if name == "rich" { victims += indexVictims(set, "set.vcf.gz", isBCF: false) }
  }
  return victims
}

func bcfVictims(_ folder: Folder) -> [Victim] {
  let made = folder.folder("made")
  made.add("rich.vcf", richVCF)
  made.add("alleles.vcf", oracle("alleles.vcf"))
  for name in ["rich", "alleles"] {
    precondition(fuzz_bcf_from_vcf(made("\(name).vcf"), made("\(name).bcf")), name)
  }
  var victims: [Victim] = []
  for (name, packed) in [
    ("rich", contents(made("rich.bcf"))), ("alleles", contents(made("alleles.bcf"))),
    ("calls", oracle("calls.bcf")), ("dosages", oracle("dosages.bcf")),
  ] {
    let whole = inflated(packed)
    func number(_ offset: Int) -> Int { Int(whole.number(at: offset) & 0xFFFF_FFFF) }
    let records = 9 + number(5)
    var end = records
    for _ in 0..<recordCount where end < whole.count { end += 8 + number(end) + number(end + 4) }
    for (form, kind) in [(Form.bgzf, "bgzf"), (.plain, "plain")] {
      let set = folder.folder("\(name) \(kind)")
      var victim = Victim(
        "\(name), \(kind)", set("set.bcf"), Array(whole[..<end]), form, read: vcfReader(set("set.bcf")))
      victim.parts = [0..<records, records..<(records + 64), records..<end, records..<end]
      victims.append(victim)
      guard form == .bgzf else { continue }
      victims.append(victim.asItIs(in: folder.folder("\(name) packed"), read: vcfReader))
      if name == "rich" { victims += indexVictims(set, "set.bcf", isBCF: true) }
    }
  }
  return victims
}
