import Foundation
import Testing

/// `cis independent` as a user runs it.
@Suite struct IndependentTests {
  let study = SmallStudy(samples: 120, variants: 300, genes: 8, covariates: 2, missing: 0.02)
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    try folder.file(Self.table(study.genes.map { "\($0.id)\t0.01\t1e-3" }), "permute.tsv")
    inputs = BadInput.inputs(folder)
  }

  private static func table(_ rows: [String]) -> String {
    (["phenotype_id\tqval\tpval_nominal_threshold"] + rows).joined(separator: "\n") + "\n"
  }

  private func run(_ options: [String], table: String = "permute.tsv", in out: Folder) throws
    -> Program.Result
  {
    try Program.run(
      ["cis", "independent"] + inputs + ["--significant-from", folder.path(table), "--out", out.path("r")]
        + options)
  }

  @Test func tables() throws {
    let out = try Folder()
    try run(["--all-pairs", "--threads", "1"], in: out).expectSuccess()
    #expect(
      try out.contents() == [
        "r.cis_conditional.tsv.gz", "r.cis_independent.tsv.gz", "r.drops.tsv.gz", "r.manifest.json",
      ])
    let signals = try Table(gzip: out.path("r.cis_independent.tsv.gz"))
    #expect(
      signals.header == [
        "phenotype_id", "rank", "variant_id", "chromosome", "position", "ref", "alt", "start_distance",
        "beta",
        "se", "t", "df", "neg_log10_p", "p", "p_forward", "af", "ma_samples", "ma_count", "n", "num_var",
      ])
    #expect(signals.rows.count > 5)
    #expect(try signals.numbers("p_forward").allSatisfy { $0 <= 1e-3 })
    let pairs = try Table(gzip: out.path("r.cis_conditional.tsv.gz"))
    let nominal = try Folder()
    try Program.run(["cis", "nominal"] + inputs + ["--quiet", "--out", nominal.path("r")]).expectSuccess()
    let all = try Table(gzip: nominal.path("r.cis_nominal.tsv.gz"))
    #expect(pairs.header == all.header + ["rank"])
    // Every signal's row is among the conditional ones, as text.
    let columns = ["phenotype_id", "rank", "variant_id", "beta", "se", "t", "df", "p", "af", "n"]
    func keys(_ table: Table) throws -> [String] {
      let wanted = try columns.map(table.column)
      return table.rows.map { row in wanted.map { String(row[$0]) }.joined(separator: " ") }
    }
    #expect(try Set(keys(signals)).isSubset(of: keys(pairs)))
    // A gene with one signal has the nominal rows.
    let byGene = Dictionary(grouping: try signals.texts("phenotype_id"), by: \.self).mapValues(\.count)
    let gene = try #require(byGene.filter { $0.value == 1 }.keys.min())
    let column = try all.column("phenotype_id")
    #expect(
      pairs.rows.filter { $0[column] == gene }.map { $0.dropLast() }
        == all.rows.filter { $0[column] == gene }.map { $0[...] })
    #expect(byGene.values.contains { $0 > 1 })
    let manifest = try out.text("r.manifest.json")
    #expect(manifest.contains("permute.tsv") && manifest.contains("8 of 8 genes"))

    let again = try Folder()
    try run(["--all-pairs", "--threads", "3", "--quiet"], in: again).expectSuccess()
    for name in ["cis_independent", "cis_conditional"] {
      #expect(try Gzip.text(again.path("r.\(name).tsv.gz")) == Gzip.text(out.path("r.\(name).tsv.gz")))
    }
  }

  @Test func onlySignificantGenes() throws {
    try folder.file(
      Self.table(["gene3\t0.04\t1e-2", "gene1\t0.06\t1e-2", "gene2\t0.01\tNA", "x\t0\t1e-2"]), "few.tsv")
    let out = try Folder()
    let result = try run(["--max-signals", "1"], table: "few.tsv", in: out)
    try result.expectSuccess()
    #expect(try out.contents() == ["r.cis_independent.tsv.gz", "r.drops.tsv.gz", "r.manifest.json"])
    #expect(try Table(gzip: out.path("r.cis_independent.tsv.gz")).texts("phenotype_id") == ["gene3"])
    #expect(result.errors.contains("2 of 4 genes in"))
    #expect(result.errors.contains("1 of 2 genes with a threshold are not among"))
    #expect(result.errors.contains("7 of 8 genes have no threshold"))
  }

  @Test func groups() throws {
    try folder.file("gene1 A\ngene2 A\ngene3 A\n", "groups.txt")
    try folder.file(
      "group_id\tphenotype_id\tqval\tpval_nominal_threshold\nA\tgene3\t0\t1e-2\nNA\tgene6\t0\t1e-2\n",
      "grouped.tsv")
    let out = try Folder()
    try run(
      ["--phenotype-groups", folder.path("groups.txt"), "--window", "5000000"], table: "grouped.tsv", in: out
    )
    .expectSuccess()
    let signals = try Table(gzip: out.path("r.cis_independent.tsv.gz"))
    #expect(signals.header.prefix(3) == ["phenotype_id", "group_id", "rank"])
    for (gene, group) in zip(try signals.texts("phenotype_id"), try signals.texts("group_id")) {
      #expect(group == (gene == "gene6" ? "gene6" : "A"))
    }
    #expect(try Set(signals.texts("group_id")) == ["A", "gene6"])
  }

  /// With --grm a gene's only signal has the row of a nominal scan with it.
  @Test func relatedSamples() throws {
    let ids = study.samples
    let rows = ids.indices.map { a in
      ids[a] + ids.indices.map { a == $0 ? "\t1" : a / 4 == $0 / 4 ? "\t0.5" : "\t0" }.joined()
    }
    try folder.file(
      "id\t" + ids.joined(separator: "\t") + "\n" + rows.joined(separator: "\n") + "\n", "k.txt")
    let related = ["--grm", folder.path("k.txt"), "--max-patterns", "20", "--quiet"]
    let (out, nominal) = (try Folder(), try Folder())
    try run(related, in: out).expectSuccess()
    #expect(
      try out.contents() == [
        "r.cis_independent.tsv.gz", "r.drops.tsv.gz", "r.heritability.tsv.gz", "r.manifest.json",
      ])
    try Program.run(["cis", "nominal"] + inputs + related + ["--out", nominal.path("r")]).expectSuccess()
    #expect(
      try Gzip.text(out.path("r.heritability.tsv.gz")) == Gzip.text(nominal.path("r.heritability.tsv.gz")))
    let signals = try Table(gzip: out.path("r.cis_independent.tsv.gz"))
    let all = try Table(gzip: nominal.path("r.cis_nominal.tsv.gz"))
    func values(_ table: Table) throws -> [[String]: [Double]] {
      let keys = try ["phenotype_id", "variant_id"].map(table.column)
      let numbers = try ["beta", "se", "t", "neg_log10_p"].map(table.numbers)
      return Dictionary(
        uniqueKeysWithValues: table.rows.indices.map { row in
          (keys.map { String(table.rows[row][$0]) }, numbers.map { $0[row] })
        })
    }
    let (rowsOfAll, found) = (try values(all), try values(signals))
    let genes = Dictionary(grouping: found.keys, by: { $0[0] }).values.filter { $0.count == 1 }
    #expect(!genes.isEmpty)
    for key in genes.joined() {
      let (a, b) = (try #require(found[key]), try #require(rowsOfAll[key]))
      // Two ways to the same statistics, printed with six digits or more.
      for (a, b) in zip(a, b) { #expect(abs(a - b) <= 2e-5 * abs(b), "\(key)") }
    }
    #expect(try out.text("r.manifest.json").contains("k.txt"))
  }

  @Test func refused() throws {
    try folder.file("gene1 A\n", "groups.txt")
    try folder.file("other A\n", "others.txt")
    try folder.file("phenotype_id\tqval\ngene1\t0.1\n", "short.tsv")
    try folder.file(Self.table(["gene1\t0.5\t1e-3"]), "high.tsv")
    try folder.file(Self.table(["ENSG1\t0.01\t1e-3"]), "unknown.tsv")
    try folder.file(
      "group_id\tphenotype_id\tqval\tpval_nominal_threshold\nA\tgene1\t0\t1e-2\n", "grouped.tsv")
    let groups = ["--phenotype-groups", folder.path("groups.txt")]
    let cases: [(table: String, options: [String], status: Int32, says: String)] = [
      ("absent.tsv", [], 74, "No such file"),
      ("short.tsv", [], 65, "no column pval_nominal_threshold"),
      ("high.tsv", [], 65, "none of its 1 genes has q <= 0.05"),
      ("unknown.tsv", [], 65, "none of the 1 genes with a threshold"),
      ("grouped.tsv", [], 65, "groups of phenotypes"),
      ("permute.tsv", groups, 65, "but --phenotype-groups is given"),
      ("grouped.tsv", ["--phenotype-groups", folder.path("others.txt")], 65, "none of its 1 phenotypes"),
      ("permute.tsv", ["--fdr", "0"], 64, "--fdr"),
      ("permute.tsv", ["--max-signals", "0"], 64, "--max-signals"),
      ("permute.tsv", ["--grm", "k", "--lmm-test", "score"], 64, "--lmm-test score is for trans"),
      ("permute.tsv", ["--grm", "k", "--grm-eigen", "e"], 64, "exclude each other"),
      ("permute.tsv", ["--format", "fastqtl"], 64, "--format"),
    ]
    for (table, options, status, says) in cases {
      let out = try Folder()
      let result = try run(options, table: table, in: out)
      #expect(
        result.status == status && result.errors.contains(says), "\(table) \(options): \(result.errors)")
      #expect(try out.contents() == [])
    }
  }
}
