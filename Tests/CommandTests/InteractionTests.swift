import Foundation
import Testing

/// `cis interaction` as a user runs it.
@Suite struct InteractionTests {
  /// A study with a table `i.tsv` of two terms: `sex`, of two values, and `share`.
  private static func folder(missing: Double = 0) throws -> (folder: Folder, study: SmallStudy) {
    let folder = try Folder()
    let study = SmallStudy(samples: 60, missing: missing, seed: 4)
    try study.write(to: folder)
    try folder.file(
      "id\tsex\tshare\n" + study.samples.enumerated().map { "\($1)\t\($0 % 2)\t\(share($0))\n" }.joined(),
      "i.tsv")
    try folder.file(study.samples.enumerated().map { "\($1)\t\(share($0))\n" }.joined(), "share.txt")
    return (folder, study)
  }

  private static func share(_ sample: Int) -> Double { Double(sample * 37 % 60) / 64 }

  private static func arguments(_ folder: Folder, _ terms: String = "share.txt", _ out: String = "r")
    -> [String]
  {
    [
      "cis", "interaction", "--genotypes", folder.path("g"), "--phenotypes", folder.path("e.bed"),
      "--covariates",
    ]
      + [
        folder.path("c.tsv"), "--interaction", folder.path(terms), "--max-missing", "1", "--out",
        folder.path(out),
      ]
  }

  private static let numbers = ["beta", "se", "t", "neg_log10_p", "p"]

  @Test func columnsAndPairs() throws {
    let (folder, _) = try Self.folder(missing: 0.05)
    try Program.run(Self.arguments(folder)).expectSuccess()
    let table = try Table(gzip: folder.path("r.cis_interaction.tsv.gz"))
    let place = ["variant_id", "chromosome", "position", "ref", "alt", "phenotype_id", "start_distance"]
    let counts = ["df", "af", "ma_samples", "ma_count", "n", "status"]
    #expect(
      table.header == place + ["g", "i", "gi"].flatMap { c in Self.numbers.map { "\($0)_\(c)" } } + counts)
    try Program.run(
      ["cis", "nominal"]
        + Self.arguments(folder, "share.txt", "n").dropFirst(2).filter {
          !$0.hasSuffix("share.txt") && $0 != "--interaction"
        }
    ).expectSuccess()
    let nominal = try Table(gzip: folder.path("n.cis_nominal.tsv.gz"))
    let dropped = Set(
      try Table(gzip: folder.path("r.drops.tsv.gz")).rows.filter { $0[0] == "variant" }.map { $0[1] })
    let expected = nominal.rows.filter { !dropped.contains($0[0]) }.map { [$0[0], $0[5], $0[6]] }
    #expect(table.rows.map { [$0[0], $0[5], $0[6]] } == expected && expected.count > 50)
    // One degree of freedom for i and one for g·i; samples and allele counts are the same.
    #expect(try table.numbers("df").min() == nominal.numbers("df").min().map { $0 - 2 })
    let files = try folder.contents().filter { $0.hasPrefix("r.") }
    #expect(
      files == [
        "r.cis_interaction.tsv.gz", "r.cis_interaction.tsv.gz.tbi", "r.drops.tsv.gz", "r.manifest.json",
      ])
    let manifest = try folder.text("r.manifest.json")
    #expect(manifest.contains("share.txt") && manifest.contains("\"tests\" : \(expected.count)"))
    for (t, p) in try zip(table.numbers("t_gi"), table.numbers("p_gi")) {
      #expect((abs(t) > 2) == (p < 0.0503))
    }
  }

  @Test func orientationOfTheTableOfTerms() throws {
    let (folder, study) = try Self.folder()
    try folder.file("id\tcell\n" + folder.text("share.txt"), "rows.tsv")
    let shares = study.samples.indices.map { "\(Self.share($0))" }
    try folder.file(
      (["id"] + study.samples).joined(separator: "\t") + "\n" + (["cell"] + shares).joined(separator: "\t")
        + "\n", "columns.tsv")
    var texts: [String] = []
    for file in ["share.txt", "rows.tsv", "columns.tsv"] {
      try Program.run(Self.arguments(folder, file)).expectSuccess()
      texts.append(try Gzip.text(folder.path("r.cis_interaction.tsv.gz")))
    }
    #expect(Set(texts).count == 1)
  }

  @Test func bytesDependOnNeitherThreadsNorSampleOrder() throws {
    let (folder, study) = try Self.folder(missing: 0.05)
    let (other, _) = try Self.folder()
    var order = Array(study.samples.indices)
    var random = SplitMix64(state: 3)
    order.shuffle(using: &random)
    try study.reordered(order).write(to: other)
    for flags in [[], ["--best"]] {
      let name = flags.isEmpty ? "r.cis_interaction.tsv.gz" : "r.cis_interaction_best.tsv.gz"
      var texts: [Data] = []
      for (where_, threads) in [(folder, "1"), (folder, "3"), (other, "2")] {
        try Program.run(Self.arguments(where_, "i.tsv") + flags + ["--threads", threads]).expectSuccess()
        texts.append(try where_.data(name))
      }
      #expect(Set(texts).count == 1, "\(name)")
    }
  }

  @Test func best() throws {
    let (folder, _) = try Self.folder()
    try Program.run(Self.arguments(folder, "i.tsv")).expectSuccess()
    let all = try Table(gzip: folder.path("r.cis_interaction.tsv.gz"))
    try Program.run(Self.arguments(folder, "i.tsv", "b") + ["--best"]).expectSuccess()
    #expect(
      try folder.contents().filter { $0.hasPrefix("b.") } == [
        "b.cis_interaction_best.tsv.gz", "b.drops.tsv.gz", "b.manifest.json",
      ])
    let best = try Table(gzip: folder.path("b.cis_interaction_best.tsv.gz"))
    #expect(best.header == ["term"] + all.header + ["num_var", "tests_emt", "pval_emt", "pval_adj_bh"])
    #expect(best.rows.count == 12)
    for (index, term) in ["sex", "share"].enumerated() {
      let p = try all.column("p_g-" + term)
      let rows = best.rows.filter { $0[0] == term }
      var corrected: [Double] = []
      for row in rows {
        let own = all.rows.filter { $0[5] == row[6] }
        let least = try #require(own.min { Double($0[p])! < Double($1[p])! })
        // The row is that of the other table.
        #expect(Array(row[1...].prefix(least.count)) == least)
        #expect(try row[best.column("num_var")] == "\(own.count)")
        let tests = try #require(Double(row[best.column("tests_emt")]))
        #expect(tests >= 1 && tests <= Double(own.count))
        let pEMT = try #require(Double(row[best.column("pval_emt")]))
        // Printed with nine digits.
        #expect(relativeDifference(pEMT, min(1, tests * Double(least[p])!)) < 1e-8)
        corrected.append(pEMT)
      }
      let q = try rows.map { try #require(Double($0[best.column("pval_adj_bh")])) }
      for (p, q) in zip(corrected, q) {
        let candidates = corrected.filter { $0 >= p }.map { value in
          min(1, value * Double(corrected.count) / Double(corrected.count { $0 <= value }))
        }
        #expect(relativeDifference(q, candidates.min() ?? 1) < 1e-8)
      }
      #expect(rows.count == 6, "\(index)")
    }
  }

  @Test func tensorQTLsColumns() throws {
    let (folder, _) = try Self.folder()
    let head = ["phenotype_id", "variant_id", "start_distance", "af", "ma_samples", "ma_count"]
    func columns(_ names: [String]) -> [String] {
      head + names.flatMap { ["pval_\($0)", "b_\($0)", "b_\($0)_se"] }
    }
    try Program.run(Self.arguments(folder) + ["--format", "tensorqtl"]).expectSuccess()
    let one = try Table(gzip: folder.path("r.cis_interaction.tsv.gz"))
    #expect(one.header == columns(["g", "i", "gi"]) && one.rows.allSatisfy { $0.count == 15 })
    try Program.run(Self.arguments(folder, "share.txt", "own")).expectSuccess()
    let own = try Table(gzip: folder.path("own.cis_interaction.tsv.gz"))
    #expect(try one.texts("b_gi_se") == own.texts("se_gi") && one.texts("pval_i") == own.texts("p_i"))
    try Program.run(Self.arguments(folder, "i.tsv") + ["--format", "tensorqtl"]).expectSuccess()
    let two = try Table(gzip: folder.path("r.cis_interaction.tsv.gz"))
    #expect(two.header == columns(["g", "sex", "g-sex", "share", "g-share"]))
    try Program.run(Self.arguments(folder) + ["--format", "tensorqtl", "--best"]).expectSuccess()
    let best = try Table(gzip: folder.path("r.cis_interaction_best.tsv.gz"))
    #expect(best.header == columns(["g", "i", "gi"]) + ["tests_emt", "pval_emt", "pval_adj_bh"])
    #expect(best.rows.allSatisfy { $0.count == best.header.count })
  }

  @Test func singularRowsAndDrops() throws {
    let (folder, study) = try Self.folder()
    var changed = study
    // No variation where sex is 1; none at all but in one sample of sex 0.
    for s in study.samples.indices where s % 2 == 1 { changed.dosages[0][s] = 1 }
    try changed.write(to: folder)
    try folder.file(study.samples.enumerated().map { "\($1) \($0 % 2)\n" }.joined(), "sex.txt")
    try Program.run(Self.arguments(folder, "sex.txt")).expectSuccess()
    let table = try Table(gzip: folder.path("r.cis_interaction.tsv.gz"))
    let status = try table.column("status")
    for row in table.rows {
      let isSingular = row[0] == "rs1"
      #expect(row[status] == (isSingular ? "singular" : "ok"))
      #expect(row.count { $0 == "NA" } == (isSingular ? 15 : 0))
    }
    for s in study.samples.indices where s % 2 == 1 { changed.dosages[0][s] = s == 1 ? 1 : 0 }
    try changed.write(to: folder)
    try Program.run(Self.arguments(folder, "sex.txt")).expectSuccess()
    let drops = try Table(gzip: folder.path("r.drops.tsv.gz"))
    #expect(
      drops.rows.contains { $0[1] == "rs1" && $0[2] == "minor allele frequency within interaction strata" })
    try Program.run(Self.arguments(folder, "sex.txt") + ["--maf-interaction", "0"]).expectSuccess()
    #expect(try Table(gzip: folder.path("r.cis_interaction.tsv.gz")).texts("variant_id").contains("rs1"))
  }

  private static func table(_ cells: [String]) -> String {
    cells.enumerated().map { "S00\($0) \($1)\n" }.joined()
  }

  @Test(arguments: [
    (table((0..<9).map { _ in "1" }), "V1 is constant", Int32(65)),
    (
      "id a b\n" + table((0..<9).map { "\($0) \(5 - 2 * $0)" }), "b is collinear with the terms before it", 65
    ),
    ("id a\nS000 NA\nS001 2\nS002 3\n", "interaction term a is missing for sample S000", 65),
    ("id a\nx 1\ny 2\n", "neither side holds sample ids", 65),
    ("id a\nS000 1\nS000 2\n", "sample S000 occurs twice", 65),
  ])
  func badTerms(_ text: String, _ cause: String, _ status: Int32) throws {
    let folder = try Folder()
    try SmallStudy(covariates: 0).write(to: folder)
    try folder.file(text, "bad.txt")
    try folder.file("a b\n", "c.tsv")
    let arguments = Self.arguments(folder, "bad.txt").filter {
      $0 != "--covariates" && !$0.hasSuffix("c.tsv")
    }
    let result = try Program.run(arguments)
    #expect(result.status == status && result.errors.contains(cause), "\(result.errors)")
    #expect(try folder.contents().allSatisfy { !$0.hasPrefix("r.") && !$0.hasPrefix(".") })
  }

  @Test(arguments: [
    (["--format", "fastqtl"], "no table of interactions", Int32(64)),
    (["--maf-interaction", "0.7"], "between 0 and 0.5", 64),
    (["--interaction", "absent"], "No such file", 74),
  ])
  func badOptions(_ options: [String], _ cause: String, _ status: Int32) throws {
    let (folder, _) = try Self.folder()
    let result = try Program.run(Self.arguments(folder) + options)
    #expect(result.status == status && result.errors.contains(cause), "\(result.errors)")
  }
}
