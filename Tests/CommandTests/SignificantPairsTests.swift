import Foundation
import Testing

/// `cis nominal --significant-from`, and columns of effect sizes, as a user runs them.
@Suite struct SignificantPairsTests {
  let study = SmallStudy(samples: 80, variants: 200, genes: 8, covariates: 2, missing: 0.02)
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    inputs = BadInput.inputs(folder)
  }

  /// Rows of (gene, q, threshold).
  @discardableResult
  private func table(_ rows: [String], _ name: String = "permute.tsv", group: Bool = false) throws -> String {
    let header = (group ? "group_id " : "") + "phenotype_id qval pval_nominal_threshold"
    let text = ([header] + rows).joined(separator: "\n").replacing(" ", with: "\t") + "\n"
    return try folder.file(text, name)
  }

  private func run(_ options: [String], command: String = "nominal", in out: Folder) throws
    -> Program.Result
  {
    try Program.run(["cis", command] + inputs + ["--out", out.path("r")] + options)
  }

  /// Those of all pairs whose gene is significant and whose p reaches the gene's threshold, as text.
  @Test(arguments: ["swiftqtl", "tensorqtl", "fastqtl", "qtltools"], ["two-sided", "greater", "less"])
  func rowsAreThoseOfAllPairs(format: String, alternative: String) throws {
    let path = try table([
      "gene1 0.01 1e-2", "gene2 0.2 0.5", "gene3 0.001 NA", "gene4 0.04 0.2", "gene5 0.05 1e-4",
      "ENSG1 0 0.1",
    ])
    let limits = ["gene1": 1e-2, "gene4": 0.2, "gene5": 1e-4]
    let options = ["--format", format, "--alternative", alternative, "--window", "200000", "--quiet"]
    let (all, some) = (try Folder(), try Folder())
    try run(options, in: all).expectSuccess()
    try run(options + ["--significant-from", path], in: some).expectSuccess()
    #expect(
      try some.contents().filter { !$0.hasSuffix("tbi") }
        == ["r.cis_significant.tsv.gz", "r.drops.tsv.gz", "r.manifest.json"])
    let whole = try Table(gzip: all.path("r.cis_nominal.tsv.gz"))
    let kept = try Table(gzip: some.path("r.cis_significant.tsv.gz"))
    let isOwn = format == "swiftqtl"
    #expect(kept.header == whole.header + (isOwn ? ["pval_nominal_threshold"] : []))
    let names = whole.header
    let gene = try whole.column(
      try #require(names.first { ["phenotype_id", "gene_id", "phe_id"].contains($0) }))
    let p = try whole.column(try #require(names.first { ["p", "pval_nominal", "nom_pval"].contains($0) }))
    let expected = try whole.rows.filter { row in
      guard let limit = limits[String(row[gene])] else { return false }
      return try #require(Double(row[p])) <= limit
    }
    #expect(!expected.isEmpty && expected.count < whole.rows.count)
    #expect(kept.rows.map { isOwn ? Array($0.dropLast()) : $0 } == expected)
    if isOwn {
      #expect(kept.rows.allSatisfy { Double($0.last ?? "") == limits[String($0[gene])] })
    }
  }

  /// The lead of every significant gene is among its significant pairs, and the table does not depend on threads.
  @Test func fromOurPermutations() throws {
    let out = try Folder()
    try run(["--permutations", "200", "--quiet", "--fdr", "0.3"], command: "permute", in: out).expectSuccess()
    let genes = try Table(gzip: out.path("r.cis_permute.tsv.gz"))
    let (q, id, lead) = try (genes.column("qval"), genes.column("phenotype_id"), genes.column("variant_id"))
    let threshold = try genes.column("pval_nominal_threshold")
    let significant = genes.rows.filter { Double($0[q]) ?? 1 <= 0.3 && $0[threshold] != "NA" }
    #expect(!significant.isEmpty)
    var texts: Set<String> = []
    for threads in ["1", "3"] {
      let result = try run(
        ["--significant-from", out.path("r.cis_permute.tsv.gz"), "--fdr", "0.3", "--threads", threads],
        in: out)
      try result.expectSuccess()
      #expect(result.errors.contains("significant of"))
      texts.insert(try Gzip.text(out.path("r.cis_significant.tsv.gz")))
    }
    #expect(texts.count == 1)
    let pairs = try Table(gzip: out.path("r.cis_significant.tsv.gz"))
    let found = Set(try pairs.byPair().keys)
    for row in significant { #expect(found.contains("\(row[lead]) \(row[id])")) }
    #expect(Set(try pairs.texts("phenotype_id")) == Set(significant.map { $0[id] }))
    #expect(try out.contents().contains("r.cis_significant.tsv.gz.tbi"))
    let manifest = try out.text("r.manifest.json")
    #expect(manifest.contains("r.cis_permute.tsv.gz") && manifest.contains("\"rows\" : \(pairs.rows.count)"))
  }

  /// Phenotypes of a group have its threshold, and the window of the group: genes 1 and 2 are 250 kb apart.
  @Test func groups() throws {
    try folder.file("gene1 A\ngene2 A\n", "groups.txt")
    let path = try table(["A gene2 0.01 1", "gene3 gene3 0.5 1"], group: true)
    let options = ["--window", "50000", "--max-missing", "1", "--quiet"]
    let (all, some) = (try Folder(), try Folder())
    try run(options, in: all).expectSuccess()
    try run(
      options + ["--significant-from", path, "--phenotype-groups", folder.path("groups.txt")], in: some
    ).expectSuccess()
    let whole = try Table(gzip: all.path("r.cis_nominal.tsv.gz"))
    let kept = try Table(gzip: some.path("r.cis_significant.tsv.gz"))
    let (gene, position) = try (kept.column("phenotype_id"), kept.column("position"))
    let (first, last) = (study.genes[0], study.genes[1])
    #expect(first.chromosome == last.chromosome && last.start - first.end > 100_000)
    for id in ["gene1", "gene2"] {
      let rows = kept.rows.filter { $0[gene] == id }
      let positions = rows.compactMap { Int($0[position]) }
      let expected = study.sites.filter {
        $0.chromosome == first.chromosome && (first.start - 50_000...last.end + 50_000).contains($0.position)
      }.map(\.position)
      #expect(positions == expected)
      // Within the phenotype's own window, and with its own distances, the rows of all pairs.
      let own = whole.rows.filter { $0[gene] == id }
      let texts = Set(rows.map { Array($0.dropLast()) })
      #expect(!own.isEmpty && own.count < rows.count && own.allSatisfy { texts.contains($0) })
    }
    #expect(Set(try kept.texts("phenotype_id")) == ["gene1", "gene2"])
  }

  @Test func refused() throws {
    try table(["gene1 0.01 1e-2"])
    try table(["gene1 0.5 1e-3"], "high.tsv")
    try table(["ENSG1 0.01 1e-3", "ENSG2 0.01 1e-3"], "unknown.tsv")
    try table(["A gene1 0 1e-2"], "grouped.tsv", group: true)
    try folder.file("phenotype_id\tqval\ngene1\t0.1\n", "short.tsv")
    try folder.file("gene1 A\n", "groups.txt")
    let groups = ["--phenotype-groups", folder.path("groups.txt")]
    let cases: [(table: String?, options: [String], status: Int32, says: String)] = [
      ("absent.tsv", [], 74, "No such file"),
      ("short.tsv", [], 65, "no column pval_nominal_threshold"),
      ("high.tsv", [], 65, "none of its 1 genes has q <= 0.05"),
      ("unknown.tsv", [], 65, "none of its 2 significant genes is among the 8 phenotypes (ENSG1, ENSG2)"),
      ("grouped.tsv", [], 65, "groups of phenotypes"),
      ("permute.tsv", groups, 65, "but --phenotype-groups is given"),
      ("permute.tsv", ["--fdr", "0"], 64, "--fdr"),
      (nil, ["--fdr", "0.1"], 64, "--fdr is for --significant-from"),
      (nil, groups, 64, "--phenotype-groups is for --significant-from"),
      (nil, ["--afc", "ln"], 64, "--afc is for --effect-sizes"),
      (nil, ["--effect-sizes", "--format", "tensorqtl"], 64, "--effect-sizes is for --format swiftqtl"),
      (nil, ["--effect-sizes", "--afc", "ln", "--normal"], 64, "--normal"),
    ]
    for (table, options, status, says) in cases {
      let out = try Folder()
      let from = table.map { ["--significant-from", folder.path($0)] } ?? []
      let result = try run(from + options, in: out)
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
      #expect(try out.contents() == [])
    }
  }

  /// The same sizes beside a pair in all tables; they follow from its other columns and the phenotypes.
  @Test func effectSizes() throws {
    let out = try Folder()
    let options = ["--effect-sizes", "--afc", "log2", "--quiet"]
    try run(options, in: out).expectSuccess()
    try run(options + ["--permutations", "20"], command: "permute", in: out).expectSuccess()
    try Program.run(
      ["trans"] + inputs + options
        + ["--no-exclude-cis", "--pval-threshold", "1", "--best", "--out", out.path("r")]
    ).expectSuccess()
    let columns = [
      "beta_standardized", "variance_explained_hwe", "variance_explained", "log2_afc", "log2_afc_se",
    ]
    let pairs = try Table(gzip: out.path("r.cis_nominal.tsv.gz"))
    #expect(pairs.header.suffix(5) == columns[...])
    func sizes(_ name: String) throws -> [String: [Substring]] {
      let table = try Table(gzip: out.path(name))
      let wanted = try columns.map(table.column)
      return try table.byPair().mapValues { row in wanted.map { row[$0] } }
    }
    let nominal = try sizes("r.cis_nominal.tsv.gz")
    let trans = try sizes("r.trans.tsv.gz")
    #expect(!nominal.isEmpty && nominal.allSatisfy { trans[$0.key] == $0.value })
    for name in [
      "r.cis_permute.tsv.gz", "r.trans_best_by_variant.tsv.gz", "r.trans_best_by_phenotype.tsv.gz",
    ] {
      let some = try sizes(name)
      #expect(!some.isEmpty && some.allSatisfy { trans[$0.key] == $0.value }, "\(name)")
    }
    #expect(try Table(gzip: out.path("r.trans.tsv.gz")).header.suffix(2) == ["log2_afc_se", "q"])

    let spread = Dictionary(
      uniqueKeysWithValues: zip(study.genes, study.values).map { gene, values in
        let y = values.compactMap(\.self)
        let mean = y.reduce(0, +) / Double(y.count)
        return (gene.id, (y.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(y.count - 1)).squareRoot())
      })
    let (af, beta) = try (pairs.numbers("af"), pairs.numbers("beta"))
    let (standardized, explained) = try (
      pairs.numbers("beta_standardized"), pairs.numbers("variance_explained")
    )
    let expected = try pairs.numbers("variance_explained_hwe")
    for (k, gene) in try pairs.texts("phenotype_id").enumerated() {
      // Nine digits are printed; the product of four such numbers.
      #expect(relativeDifference(expected[k], 2 * af[k] * (1 - af[k]) * beta[k] * beta[k]) < 3e-8)
      let standard = try #require(spread[String(gene)])
      #expect(
        relativeDifference(abs(standardized[k]) * standard, explained[k].squareRoot()) < 1e-8
          && standardized[k].sign == beta[k].sign)
    }
  }
}
