import Foundation
import Testing

/// What must not change results does not change a byte of them.
@Suite struct IdentityTests {
  let study = SmallStudy(samples: 50, variants: 1_500, genes: 24, covariates: 3, missing: 0.02)
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    inputs = BadInput.inputs(folder)
  }

  /// All tables of a trans and a cis scan, decompressed.
  private func tables(_ inputs: [String], _ options: [String] = [], trans: [String] = []) throws -> [String:
    String]
  {
    let out = try Folder()
    let shared = inputs + options + ["--quiet", "--out", out.path("r")]
    try Program.run(
      ["trans", "--exclude-cis", "200000", "--pval-threshold", "0.2", "--best"] + shared + trans
    ).expectSuccess()
    var tables: [String: String] = [:]
    for name in ["trans", "trans_best_by_variant", "trans_best_by_phenotype", "drops"] {
      tables[name] = try Gzip.text(out.path("r.\(name).tsv.gz"))
    }
    tables["qq"] = try out.text("r.trans_qq.tsv")
    try Program.run(["cis", "nominal", "--window", "1500000"] + shared).expectSuccess()
    tables["cis"] = try Gzip.text(out.path("r.cis_nominal.tsv.gz"))
    tables["cis drops"] = try Gzip.text(out.path("r.drops.tsv.gz"))
    return tables
  }

  private func expectSame(_ a: [String: String], _ b: [String: String], except: Set<String> = []) throws {
    for (name, text) in a where !except.contains(name) {
      let other = try #require(b[name])
      let differing = zip(text.split(separator: "\n"), other.split(separator: "\n")).first { $0 != $1 }
      #expect(text == other, "\(name): \(differing.map { "\($0)\n\($1)" } ?? "one ends earlier")")
    }
  }

  @Test func threadsAndMemory() throws {
    let one = try tables(inputs, ["--threads", "1"])
    #expect(one.values.allSatisfy { $0.count > 50 })
    #expect(one["trans"]!.split(separator: "\n").count > 5_000)
    try expectSame(one, tables(inputs, ["--threads", "2"]))
    try expectSame(one, tables(inputs, ["--threads", "5", "--memory", "4G"]))
    try expectSame(one, tables(inputs, ["--threads", "2", "--memory", "300M", "--compression-level", "1"]))
  }

  /// The screens decide what is recomputed, never what is printed; permutations neither.
  @Test func backEnds() throws {
    func permuted(_ options: [String], format: String = "swiftqtl") throws -> (text: String, manifest: String)
    {
      let out = try Folder()
      try Program.run(
        ["trans", "--permutations", "19", "--format", format, "--exclude-cis", "200000"] + inputs + options
          + ["--quiet", "--out", out.path("r")]
      ).expectSuccess()
      return try (Gzip.text(out.path("r.trans_permutations.tsv.gz")), out.text("r.manifest.json"))
    }
    let expected = try tables(inputs, ["--backend", "blas"])
    let integers = try tables(inputs, ["--backend", "integer"])
    try expectSame(expected, integers)
    try expectSame(expected, tables(inputs, ["--backend", "automatic", "--threads", "3"]))
    let one = try permuted(["--backend", "blas", "--threads", "1"])
    #expect(one.text.split(separator: "\n").count == 25)
    #expect(try permuted(["--backend", "integer", "--threads", "3"]).text == one.text)
    #expect(one.manifest.contains("\"fp32Pairs\" : "))
    #expect(one.manifest.contains("\"permutations\" : 19"))
    for format in ["tensorqtl", "qtltools"] {
      let lines = try permuted([], format: format).text.split(separator: "\n")
      let widths = Set(lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).count })
      #expect(widths.count == 1, "\(format): \(widths)")
      #expect(lines[0].hasSuffix("n_permutations\tpval_permutation\tpval_threshold"))
    }
  }

  @Test func sampleOrder() throws {
    let other = try Folder()
    var random = SplitMix64(state: 5)
    func shuffled() -> SmallStudy { study.reordered(Array(study.samples.indices).shuffled(using: &random)) }
    try shuffled().writePlink(to: other)
    try other.file(shuffled().phenotypes(), "e.bed")
    try other.file(shuffled().covariateTable(), "c.tsv")
    try other.file(shuffled().covariateTable(samplesInRows: true), "rows.tsv")
    try other.file(shuffled().vcf(), "g.vcf")
    let expected = try tables(inputs)
    try expectSame(expected, tables(BadInput.inputs(other)))
    try expectSame(expected, tables(BadInput.inputs(other, genotypes: ["g.vcf"], covariates: "rows.tsv")))
  }

  /// PLINK 1 and 2, VCF with hard calls and with dosages, text dosages, compressed or not, whole or by chromosome.
  @Test func genotypeFormats() throws {
    try folder.file(study.vcf(), "gt.vcf")
    try folder.file(Gzip.compressed(Data(study.vcf(field: "DS").utf8)), "ds.vcf.gz")
    try folder.file(study.matrix(), "g.txt")
    for chromosome in ["1", "2"] {
      try study.sites(on: chromosome).writePlink(to: folder, "chr" + chromosome)
    }
    for (name, data) in [("p", study.pgen()), ("d", study.pgen(dosages: true))] {
      try folder.file(data, name + ".pgen")
      try folder.file(study.bim(), name + ".bim")
      try folder.file(study.fam(), name + ".fam")
    }
    try folder.file("\(folder.path("chr1"))\n\n\(folder.path("chr2"))\n", "list.txt")
    let expected = try tables(inputs)
    for genotypes in [["gt.vcf"], ["ds.vcf.gz"], ["g.txt"], ["chr1", "chr2"], ["p"], ["d.pgen"]] {
      try expectSame(expected, tables(BadInput.inputs(folder, genotypes: genotypes)))
    }
    let listed = ["--genotype-list", folder.path("list.txt")] + inputs.dropFirst(2)
    try expectSame(expected, tables(listed))
  }

  /// Records with several ALT alleles, with none and with some that nobody carries: the same tests are sampled for π₀ from every format.
  @Test(.enabled(if: Program.tool("plink2") != nil, "plink2 is not installed"))
  func severalAlleles() throws {
    // More genes than are drawn for a variant, which depend on its ordinal.
    let study = SmallStudy(samples: 40, variants: 400, genes: 100, covariates: 2)
    try study.write(to: folder)
    var random = SplitMix64(state: 17)
    let alts = [["."], ["G"], ["C", "T"], ["C", "G", "T"]]
    var text = "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=2>\n"
    text +=
      "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
    text += study.samples.joined(separator: "\t") + "\n"
    for site in study.sites {
      let alt = alts.randomElement(using: &random) ?? []
      // The last of them has no carrier.
      let most = alt == ["."] ? 0 : alt.count == 3 ? 2 : alt.count
      let calls = study.samples.map { _ in
        "\(Int.random(in: 0...most, using: &random))/\(Int.random(in: 0...most, using: &random))"
      }
      let fixed = [
        site.chromosome, "\(site.position)", site.id, "A", alt.joined(separator: ","), ".", ".", ".", "GT",
      ]
      text += (fixed + calls).joined(separator: "\t") + "\n"
    }
    try folder.file(text, "several.vcf")
    let plink = try #require(Program.tool("plink2"))
    for arguments in [
      ["--vcf", folder.path("several.vcf"), "--make-pgen"],
      ["--pfile", folder.path("several"), "--export", "bcf"],
    ] {
      try Program.run(plink, arguments + ["--out", folder.path("several"), "--threads", "1"]).expectSuccess()
    }
    let expected = try tables(BadInput.inputs(folder, genotypes: ["several.vcf"]))
    #expect(expected["drops"]!.contains("no alternate allele") && expected["drops"]!.contains("monomorphic"))
    for genotypes in ["several.bcf", "several.pgen"] {
      let found = try tables(BadInput.inputs(folder, genotypes: [genotypes]))
      // Drops come by blocks, what the reader refuses first, and a block of a PGEN has fewer records.
      let drops: Set = ["drops", "cis drops"]
      try expectSame(expected, found, except: drops)
      for name in drops {
        let lines = [expected, found].map { $0[name]!.split(separator: "\n").sorted() }
        #expect(lines[0] == lines[1])
      }
    }
  }

  /// Carriage returns, byte order marks, a `chr` prefix and gzip change nothing.
  @Test func textVariants() throws {
    let other = try Folder()
    func windows(_ text: String) -> Data {
      Data([0xEF, 0xBB, 0xBF]) + Data(text.replacing("\n", with: "\r\n").utf8)
    }
    try study.writePlink(to: other)
    for name in ["g.bim", "g.fam"] { try other.file(windows(other.text(name)), name) }
    try other.file(windows(study.vcf()), "g.vcf")
    try other.file(windows(study.matrix()), "g.txt")
    try other.file(windows(study.phenotypes()), "e.bed")
    try other.file(windows(study.covariateTable()), "c.tsv")
    let prefixed = study.phenotypes().replacing("\n1\t", with: "\nchr1\t").replacing(
      "\n2\t", with: "\nchr2\t")
    try other.file(Gzip.compressed(Data(prefixed.utf8)), "e.bed.gz")
    let expected = try tables(inputs)
    try expectSame(expected, tables(BadInput.inputs(other)))
    try expectSame(expected, tables(BadInput.inputs(other, genotypes: ["g.vcf"], phenotypes: "e.bed.gz")))
    try expectSame(expected, tables(BadInput.inputs(other, genotypes: ["g.txt"])))
  }

  /// All the ways to write a missing value.
  @Test(arguments: [".", "NaN", "nan", ""]) func missingCodes(_ code: String) throws {
    let expected = try tables(inputs)
    let other = try Folder()
    let text = study.phenotypes()
    #expect(text.contains("\tNA"))
    try other.file(study.matrix().replacing("\tNA", with: "\t" + code), "g.txt")
    try other.file(text.replacing("\tNA", with: "\t" + code), "e.bed")
    try other.file(study.covariateTable(), "c.tsv")
    try expectSame(expected, tables(BadInput.inputs(other, genotypes: ["g.txt"])))
    // A VCF has no empty cells.
    let cell = code.isEmpty ? "." : code
    try other.file(study.vcf(field: "DS").replacing("\t.\t", with: "\t\(cell)\t"), "g.vcf")
    try expectSame(expected, tables(BadInput.inputs(other, genotypes: ["g.vcf"])))
  }

  /// A gene's rows are the same alone and among all.
  @Test func geneAlone() throws {
    let all = try tables(inputs, trans: ["--no-q"])
    for gene in ["gene1", "gene12", "gene24"] {
      try folder.file(gene + "\n", "genes.txt")
      let alone = try tables(inputs, ["--genes", folder.path("genes.txt")], trans: ["--no-q"])
      for name in ["trans", "trans_best_by_phenotype", "cis"] {
        let mine = all[name]!.split(separator: "\n").filter {
          $0.split(separator: "\t").contains { $0 == gene }
        }
        #expect(!mine.isEmpty)
        #expect(Array(alone[name]!.split(separator: "\n").dropFirst()) == mine, "\(name) of \(gene)")
      }
    }
  }

  /// An intercept and covariates given twice span what was there before: numbers change by rounding alone.
  @Test func superfluousCovariates() throws {
    var other = study
    other.covariates.insert(("intercept", study.samples.map { _ in 1 }), at: 0)
    other.covariates.append(("again", study.covariates[1].values))
    other.covariates.append(("sum", study.samples.indices.map { s in study.covariates[0].values[s] + 3 }))
    try folder.file(other.covariateTable(), "more.tsv")
    let plain = try tables(inputs)
    let more = try tables(BadInput.inputs(folder, covariates: "more.tsv"))
    for name in ["intercept", "again", "sum"] { #expect(more["drops"]!.contains("covariate\t\(name)\t")) }
    let (a, b) = (plain["cis"]!.split(separator: "\n"), more["cis"]!.split(separator: "\n"))
    #expect(a.count == b.count && a.count > 5_000)
    var changed = 0
    for (a, b) in zip(a, b) where a != b {
      for (x, y) in zip(a.split(separator: "\t"), b.split(separator: "\t")) where x != y {
        changed += 1
        // One unit in the last of 9 digits.
        let (x, y) = try (#require(Double(x)), #require(Double(y)))
        #expect(relativeDifference(x, y) <= 1.01e-8)
      }
    }
    // A change of 1e-12 moves the ninth digit of one number in a few hundred: rows have 7 computed ones.
    #expect(changed < a.count * 7 / 200, "\(changed) numbers of \(a.count) rows")
  }

  /// Counting the other allele turns the signs of beta and t; af becomes 1 − af.
  @Test func swappedAlleles() throws {
    let other = try Folder()
    try study.withAllelesSwapped().write(to: other)
    let (plain, swapped) = try (
      Table(tables(inputs)["cis"]!), Table(tables(BadInput.inputs(other))["cis"]!)
    )
    #expect(plain.rows.count == swapped.rows.count && plain.rows.count > 5_000)
    let column = Dictionary(uniqueKeysWithValues: plain.header.enumerated().map { ($1, $0) })
    func negated(_ text: Substring) -> Substring { text.hasPrefix("-") ? text.dropFirst() : "-" + text }
    for (a, b) in zip(plain.rows, swapped.rows) {
      for name in ["beta", "t"] { #expect(a[column[name]!] == negated(b[column[name]!]), "\(a)\n\(b)") }
      for name in ["variant_id", "position", "phenotype_id", "se", "neg_log10_p", "p", "r2", "df", "n"] {
        #expect(a[column[name]!] == b[column[name]!], "\(a)\n\(b)")
      }
      #expect(a[column["ref"]!] == b[column["alt"]!] && a[column["alt"]!] == b[column["ref"]!])
      let (x, y) = try (#require(Double(a[column["af"]!])), #require(Double(b[column["af"]!])))
      #expect(abs(x + y - 1) < 2e-9)
      // At one half each allele is the minor one.
      if x != 0.5 {
        for name in ["ma_count", "ma_samples"] { #expect(a[column[name]!] == b[column[name]!], "\(a)\n\(b)") }
      }
    }
  }
}
