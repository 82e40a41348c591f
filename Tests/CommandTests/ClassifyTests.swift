import Foundation
import Testing

/// `swiftqtl classify` on what `simulate` and `trans` write.
@Suite struct ClassifyTests {
  let folder: Folder

  init() throws {
    folder = try Folder()
    try Program.run([
      "simulate", "--quiet", "--samples", "300", "--variants", "3000", "--genes", "60", "--cis-variance",
      "0.2",
      "--trans-share", "0.4", "--trans-variance", "0.2", "--seed", "5", "--out", folder.path("sim"),
    ]).expectSuccess()
    try Program.run(
      ["trans"] + inputs + [
        "--no-exclude-cis", "--quiet", "--pval-threshold", "1e-6", "--out", folder.path("sim"),
      ]
    ).expectSuccess()
  }

  private var inputs: [String] {
    ["--genotypes", folder.path("sim"), "--phenotypes", folder.path("sim.phenotypes.bed.gz")]
  }

  private func classify(_ options: [String], hits: String = "sim.trans.tsv.gz", in out: Folder) throws
    -> Program.Result
  {
    try Program.run(
      ["classify"] + inputs + ["--hits", folder.path(hits), "--out", out.path("r")] + options)
  }

  @Test func classesAndGrid() throws {
    let out = try Folder()
    let rule = ["--distance", "30000", "--r2", "0.4"]
    let result = try classify(rule + ["--truth", folder.path("sim.truth.tsv"), "--threads", "1"], in: out)
    try result.expectSuccess()
    #expect(
      try out.contents() == ["r.classify.tsv.gz", "r.classify_grid.tsv", "r.drops.tsv.gz", "r.manifest.json"])
    let hits = try Table(gzip: folder.path("sim.trans.tsv.gz"))
    let classified = try Table(gzip: out.path("r.classify.tsv.gz"))
    #expect(classified.header == hits.header + ["class", "ld_r2"])
    #expect(classified.rows.map { $0.dropLast(2) } == hits.rows.map { $0[...] })

    let places = Dictionary(
      uniqueKeysWithValues: try Gzip.text(folder.path("sim.phenotypes.bed.gz")).split(separator: "\n")
        .dropFirst()
        .map { line in
          let cells = line.split(separator: "\t")
          return (cells[3], (chromosome: cells[0], start: (Int(cells[1]) ?? 0) + 1))
        })
    let (id, chromosome, position) = try (
      hits.column("phenotype_id"), hits.column("chromosome"), hits.column("position")
    )
    var counts: [Substring: Int] = [:]
    for (row, (call, r2)) in zip(
      classified.rows, zip(try classified.texts("class"), try classified.texts("ld_r2")))
    {
      counts[call, default: 0] += 1
      let gene = try #require(places[row[id]])
      let distance = abs(try #require(Int(row[position])) - gene.start)
      if row[chromosome] != gene.chromosome {
        #expect(call == "trans" && r2 == "NA")
      } else if distance <= 30_000 {
        #expect(call == "cis" && r2 == "1")
      } else {
        let linkage = Double(r2) ?? 0
        #expect(call == (linkage >= 0.4 ? "cis_by_ld" : "trans"))
      }
    }
    #expect((counts["cis"] ?? 0) > 9 && (counts["cis_by_ld"] ?? 0) > 4 && (counts["trans"] ?? 0) > 20)
    for (call, count) in counts { #expect(result.errors.contains("\(count) \(call)")) }

    let manifest = try Manifest.read(out.path("r.manifest.json"))
    #expect(manifest["outputs"] as? [String] == (try out.contents().map(out.path)))
    #expect(manifest["classes"] as? [String: Int] == Dictionary(counts.map { (String($0), $1) }) { $1 })
    let read = try #require(manifest["inputs"] as? [[String: Any]]).compactMap { $0["path"] as? String }
    #expect(read.suffix(2) == [folder.path("sim.trans.tsv.gz"), folder.path("sim.truth.tsv")])
    #expect(manifest["counts"] == nil && (manifest["drops"] as? [String: Any])?.isEmpty == true)

    let grid = try Table(out.text("r.classify_grid.tsv"))
    #expect(grid.rows.count == 25)
    #expect(try grid.texts("distance").prefix(5).allSatisfy { $0 == "100000" })
    #expect(try grid.texts("r2").prefix(5) == ["0.2", "0.4", "0.6", "0.8", "1"])
    let (sensitivity, wrong) = try (grid.numbers("sensitivity"), grid.numbers("false_cis_rate"))
    for k in grid.rows.indices {
      // A stricter r² and a smaller distance call fewer hits cis.
      if k % 5 > 0 { #expect(sensitivity[k] <= sensitivity[k - 1] && wrong[k] <= wrong[k - 1]) }
      if k >= 5 { #expect(sensitivity[k] >= sensitivity[k - 5] && wrong[k] >= wrong[k - 5]) }
    }
    // Causal variants lie within 100 kb or on another chromosome: the textbook rule tells nearly all hits.
    #expect(sensitivity[12] > 0.95 && wrong[12] < 0.05)
    for name in ["cis_hits", "trans_hits"] { #expect(Set(try grid.texts(name)).count == 1) }

    let again = try Folder()
    try classify(rule + ["--threads", "3", "--quiet"], in: again).expectSuccess()
    #expect(try again.contents() == ["r.classify.tsv.gz", "r.drops.tsv.gz", "r.manifest.json"])
    #expect(try Gzip.text(again.path("r.classify.tsv.gz")) == Gzip.text(out.path("r.classify.tsv.gz")))
  }

  /// Causes on the gene's own chromosome, a megabase away and more: near ones are called cis where the rule reaches them.
  @Test func distalCauses() throws {
    try Program.run([
      "simulate", "--quiet", "--samples", "300", "--variants", "6000", "--genes", "80", "--chromosomes", "2",
      "--cis-variance", "0.2", "--distal-share", "0.6", "--distal-variance", "0.2", "--trans-share", "0",
      "--seed", "6", "--out", folder.path("sim"),
    ]).expectSuccess()
    try Program.run(
      ["trans"] + inputs + [
        "--no-exclude-cis", "--quiet", "--pval-threshold", "1e-6", "--out", folder.path("sim"),
      ]
    ).expectSuccess()
    let out = try Folder()
    try classify(["--quiet", "--truth", folder.path("sim.truth.tsv")], in: out).expectSuccess()
    let classified = try Table(gzip: out.path("r.classify.tsv.gz"))
    // A number: the largest r² with a near variant is known on the gene's own chromosome only.
    let own = zip(try classified.texts("class"), try classified.texts("ld_r2")).filter { $1 != "NA" }
    #expect(own.count { $0.0 == "trans" } > 20 && own.count { $0.0 == "cis" } > 20)

    let grid = try Table(out.text("r.classify_grid.tsv"))
    let (sensitivity, wrong) = try (grid.numbers("sensitivity"), grid.numbers("false_cis_rate"))
    #expect(try grid.numbers("trans_hits").allSatisfy { $0 > 20 })
    // 500 kb and 0.6 keep them apart; within 2 Mb lies a third of what is log-uniform from 1 to 9 Mb.
    #expect(sensitivity[12] > 0.95 && wrong[12] < 0.05 && wrong[24] > 0.1 && wrong[24] < 0.9)
  }

  @Test func unknownNamesAndNoRows() throws {
    try folder.file("variant_id\tphenotype_id\tnote\nv\tg\tkept\n", "unknown.tsv")
    try folder.file("variant_id\tphenotype_id\n", "none.tsv")
    let out = try Folder()
    try classify([], hits: "unknown.tsv", in: out).expectSuccess()
    #expect(
      try Gzip.text(out.path("r.classify.tsv.gz"))
        == "variant_id\tphenotype_id\tnote\tclass\tld_r2\nv\tg\tkept\tNA\tNA\n")
    try classify([], hits: "none.tsv", in: out).expectSuccess()
    #expect(
      try Gzip.text(out.path("r.classify.tsv.gz")) == "variant_id\tphenotype_id\tclass\tld_r2\n")
  }

  @Test func refused() throws {
    try folder.file("snp\tphenotype_id\nv\tg\n", "column.tsv")
    try folder.file("variant_id\tphenotype_id\nv\n", "short.tsv")
    try folder.file("", "empty.tsv")
    let cases: [(hits: String, options: [String], status: Int32, says: String)] = [
      ("absent.tsv", [], 74, "No such file"),
      ("empty.tsv", [], 65, "the file is empty"),
      ("column.tsv", [], 65, "no column variant_id; the columns are snp, phenotype_id"),
      ("short.tsv", [], 65, "short.tsv:2: the row has 1 cells, the header 2"),
      ("sim.trans.tsv.gz", ["--truth", folder.path("column.tsv")], 65, "no column variant_id"),
      ("sim.trans.tsv.gz", ["--r2", "0"], 64, "--r2"),
      ("sim.trans.tsv.gz", ["--distance", "-1"], 64, "--distance"),
      ("sim.trans.tsv.gz", ["--region", "1"], 64, "--region"),
      ("sim.trans.tsv.gz", ["--format", "tensorqtl"], 64, "--format"),
    ]
    for (hits, options, status, says) in cases {
      let out = try Folder()
      let result = try classify(options, hits: hits, in: out)
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
      #expect(try out.contents() == [])
    }
  }
}
