import Foundation
import Testing

/// `cis permute` as a user runs it.
@Suite struct PermuteTests {
  let study = SmallStudy(samples: 90, variants: 300, genes: 8, covariates: 2, missing: 0.02)
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    inputs = BadInput.inputs(folder)
  }

  private func run(_ options: [String], in out: Folder) throws -> Program.Result {
    try Program.run(
      ["cis", "permute"] + inputs + ["--quiet", "--permutations", "200", "--out", out.path("r")] + options)
  }

  /// The best pair is that of `cis nominal`, as text; gene-level columns are as they are defined.
  @Test func table() throws {
    let (out, nominal) = (try Folder(), try Folder())
    try run([], in: out).expectSuccess()
    #expect(try out.contents() == ["r.cis_permute.tsv.gz", "r.drops.tsv.gz", "r.manifest.json"])
    let genes = try Table(gzip: out.path("r.cis_permute.tsv.gz"))
    #expect(genes.rows.count > 5)
    try Program.run(["cis", "nominal"] + inputs + ["--quiet", "--out", nominal.path("r")]).expectSuccess()
    let pairs = try Table(gzip: nominal.path("r.cis_nominal.tsv.gz"))
    let byPair = try pairs.byPair()
    let shared = [
      "variant_id", "chromosome", "position", "ref", "alt", "start_distance", "beta", "se", "t", "df",
      "neg_log10_p", "p", "r2", "af", "ma_samples", "ma_count", "n",
    ]
    let (ours, theirs) = (try shared.map(genes.column), try shared.map(pairs.column))
    let (variant, gene, count) = (
      try genes.column("variant_id"), try genes.column("phenotype_id"), try genes.column("num_var")
    )
    for row in genes.rows {
      let pair = try #require(byPair["\(row[variant]) \(row[gene])"])
      #expect(ours.map { row[$0] } == theirs.map { pair[$0] })
      #expect(try pairs.texts("phenotype_id").count { $0 == row[gene] } == Int(row[count]))
    }
    for (best, id) in try zip(genes.numbers("neg_log10_p"), genes.texts("phenotype_id")) {
      let all = try zip(pairs.texts("phenotype_id"), pairs.numbers("neg_log10_p")).filter { $0.0 == id }.map(
        \.1)
      #expect(best == all.max())
    }
    #expect(try genes.numbers("n_permutations").allSatisfy { $0 == 200 })
    #expect(try genes.numbers("pval_perm").allSatisfy { $0 >= 1 / 201.0 && $0 <= 1 })
    #expect(Set(try genes.texts("status")) == ["ok"])
    // A gene is significant just where its best p is at or below its threshold.
    for ((q, p), threshold) in try zip(
      zip(genes.numbers("qval"), genes.numbers("p")), genes.texts("pval_nominal_threshold"))
    {
      #expect((q <= 0.05) == (Double(threshold).map { p <= $0 } ?? false))
    }
  }

  @Test func identity() throws {
    let whole = try Folder()
    try run(["--threads", "1"], in: whole).expectSuccess()
    let again = try Folder()
    try run(["--threads", "3"], in: again).expectSuccess()
    #expect(
      try Gzip.text(whole.path("r.cis_permute.tsv.gz")) == Gzip.text(again.path("r.cis_permute.tsv.gz")))
    // Alone, a gene has the same numbers; q and threshold depend on all genes.
    let table = try Table(gzip: whole.path("r.cis_permute.tsv.gz"))
    let (q, id) = (try table.column("qval"), try table.column("phenotype_id"))
    let gene = String(table.rows[2][id])
    try folder.file(gene + "\n", "one.txt")
    let alone = try Folder()
    try run(["--genes", folder.path("one.txt"), "--window-from", "tss"], in: alone).expectSuccess()
    let tss = try Folder()
    try run(["--window-from", "tss"], in: tss).expectSuccess()
    let rows = try Table(gzip: tss.path("r.cis_permute.tsv.gz")).rows.filter { $0[id] == gene }
    let single = try Table(gzip: alone.path("r.cis_permute.tsv.gz")).rows
    #expect(single.map { $0[..<q] } == rows.map { $0[..<q] })
  }

  @Test(arguments: ["tensorqtl", "fastqtl", "qtltools"]) func formats(_ format: String) throws {
    let out = try Folder()
    try run(["--format", format], in: out).expectSuccess()
    let table = try Table(gzip: out.path("r.cis_permute.tsv.gz"))
    let first = [
      "tensorqtl": "phenotype_id num_var", "fastqtl": "gene_id num_var", "qtltools": "phe_id phe_chr",
    ]
    #expect(table.header.prefix(2).joined(separator: " ") == first[format])
    #expect(table.rows.allSatisfy { $0.count == table.header.count && !$0.contains("") })
  }

  @Test func groups() throws {
    let out = try Folder()
    let ids = study.genes.map(\.id)
    try folder.file(ids.prefix(3).map { "\($0)\tcluster\n" }.joined(), "groups.tsv")
    let result = try run(["--phenotype-groups", folder.path("groups.tsv")], in: out)
    // Members of a group that lie on another chromosome are drops, with the reason.
    try result.expectSuccess()
    let table = try Table(gzip: out.path("r.cis_permute.tsv.gz"))
    #expect(table.header.prefix(3) == ["group_id", "group_size", "phenotype_id"])
    #expect(try table.texts("group_id").count { $0 == "cluster" } <= 1)
  }

  /// With relatedness the lead is the best row of `cis nominal --grm`, as text, whatever the threads.
  @Test func mixedModels() throws {
    let (out, nominal, refused) = (try Folder(), try Folder(), try Folder())
    let n = study.samples.count
    func kinship(_ a: Int, _ b: Int) -> String { a == b ? "1" : a / 3 == b / 3 ? "0.5" : "0" }
    let rows = (0..<n).map { (a: Int) -> String in
      let cells: [String] = [study.samples[a]] + (0..<n).map { kinship(a, $0) }
      return cells.joined(separator: "\t") + "\n"
    }
    try folder.file("id\t\(study.samples.joined(separator: "\t"))\n\(rows.joined())", "k.txt")
    let grm = ["--grm", folder.path("k.txt")]
    try run(grm, in: out).expectSuccess()
    #expect(
      try out.contents() == [
        "r.cis_permute.tsv.gz", "r.drops.tsv.gz", "r.heritability.tsv.gz", "r.manifest.json",
      ])
    try Program.run(["cis", "nominal"] + inputs + grm + ["--quiet", "--out", nominal.path("r")])
      .expectSuccess()
    #expect(
      try Gzip.text(out.path("r.heritability.tsv.gz")) == Gzip.text(nominal.path("r.heritability.tsv.gz")))
    let genes = try Table(gzip: out.path("r.cis_permute.tsv.gz"))
    let pairs = try Table(gzip: nominal.path("r.cis_nominal.tsv.gz"))
    let byPair = try pairs.byPair()
    let shared = ["beta", "se", "t", "df", "neg_log10_p", "p", "r2", "n"]
    let (ours, theirs) = (try shared.map(genes.column), try shared.map(pairs.column))
    let (variant, gene) = (try genes.column("variant_id"), try genes.column("phenotype_id"))
    #expect(genes.rows.count > 5)
    for row in genes.rows {
      let pair = try #require(byPair["\(row[variant]) \(row[gene])"])
      #expect(ours.map { row[$0] } == theirs.map { pair[$0] })
    }
    let plain = try Folder()
    try run([], in: plain).expectSuccess()
    #expect(
      try Table(gzip: plain.path("r.cis_permute.tsv.gz")).texts("pval_beta") != genes.texts("pval_beta"))
    let threads = try Folder()
    try run(grm + ["--threads", "3"], in: threads).expectSuccess()
    #expect(
      try Gzip.text(threads.path("r.cis_permute.tsv.gz")) == Gzip.text(out.path("r.cis_permute.tsv.gz")))
    for options in [["--effect-sizes"], ["--lmm-test", "score"]] {
      let result = try run(grm + options, in: refused)
      #expect(result.status == 64 && result.errors.contains(options[0]), "\(result.errors)")
    }
    #expect(try refused.contents().isEmpty)
  }

  @Test func badOptions() throws {
    let out = try Folder()
    for options in [
      ["--permutations", "0"], ["--permutations", "10-5"], ["--permutations", "x"], ["--fdr", "0"],
      ["--qvalue-lambda", "1"], ["--qvalue-lambda", "0.5", "--qvalue-method", "bh"], ["--window", "-1"],
    ] {
      let result = try run(options, in: out)
      #expect(result.status == 64, "\(options)")
      #expect(!result.errors.isEmpty)
    }
    #expect(try out.contents().isEmpty)
  }
}
