import Foundation
import Testing

/// `swiftqtl simulate`, and the scans of what it writes.
@Suite struct SimulateTests {
  let folder: Folder

  init() throws { folder = try Folder() }

  private static let suffixes = [
    ".bed", ".bim", ".fam", ".phenotypes.bed.gz", ".covariates.tsv", ".truth.tsv",
  ]

  private func simulate(_ prefix: String, _ options: String...) throws {
    try Program.run(["simulate", "--quiet", "--out", folder.path(prefix)] + options).expectSuccess()
  }

  @Test func seedDecides() throws {
    let options = [
      "--samples", "60", "--variants", "800", "--genes", "20", "--covariates", "2", "--families", "3",
    ]
    for (prefix, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
      try Program.run(["simulate", "--quiet", "--out", folder.path(prefix), "--seed", seed] + options)
        .expectSuccess()
    }
    for suffix in Self.suffixes {
      #expect(try folder.data("a" + suffix) == folder.data("b" + suffix), "\(suffix)")
      if suffix != ".fam" {
        #expect(try folder.data("a" + suffix) != folder.data("c" + suffix), "\(suffix)")
      }
    }
    #expect(try folder.contents().count == 3 * Self.suffixes.count)
  }

  /// Planted effects come back: estimates spread about the truth by their standard errors.
  @Test func plantedEffectsAreFound() throws {
    try simulate(
      "sim", "--samples", "400", "--variants", "3000", "--genes", "120", "--covariates", "3", "--seed", "3",
      "--cis-share", "0.5", "--cis-variance", "0.2", "--trans-share", "0.3", "--trans-variance", "0.2",
      "--hidden-factors", "0", "--hidden-variance", "0")
    try Program.run([
      "trans", "--genotypes", folder.path("sim"), "--phenotypes", folder.path("sim.phenotypes.bed.gz"),
      "--covariates", folder.path("sim.covariates.tsv"), "--no-exclude-cis", "--pval-threshold", "1e-5",
      "--maf",
      "0", "--out", folder.path("scan"),
    ]).expectSuccess()
    let table = try Table(gzip: folder.path("scan.trans.tsv.gz"))
    let hits = try table.byPair()
    let truth = try Table(folder.text("sim.truth.tsv"))
    #expect(truth.rows.count > 60)
    #expect(Set(try truth.texts("kind")) == ["cis", "trans"])
    let (beta, se) = try (table.column("beta"), table.column("se"))
    var found = 0
    var deviations: [Double] = []
    for row in truth.rows {
      guard let hit = hits["\(row[1]) \(row[0])"] else { continue }
      found += 1
      let (estimate, error) = try (#require(Double(hit[beta])), #require(Double(hit[se])))
      deviations.append((estimate - (try #require(Double(row[3])))) / error)
    }
    // r² about 0.2 of 400: t is about 10 against a threshold of 4.5, less where two effects meet in a gene.
    #expect(found >= truth.rows.count * 19 / 20, "\(found) of \(truth.rows.count)")
    let mean = deviations.reduce(0, +) / Double(deviations.count)
    // Linked effects and chance correlation between causal variants widen the spread; a wrong sign or scale would give 10.
    #expect(abs(mean) < 1 && deviations.allSatisfy { abs($0) < 6 }, "\(deviations)")
  }

  /// Three chromosomes in proportion to the human ones, 300 variants 20 kb apart.
  @Test func chromosomesAndSpacing() throws {
    try simulate(
      "sim", "--samples", "30", "--variants", "300", "--genes", "20", "--chromosomes", "3", "--spacing",
      "20000", "--distal-share", "1", "--distal-from", "500000", "--recombination", "0.1")
    let sites = try folder.text("sim.bim").split(separator: "\n").map { $0.split(separator: "\t") }
    let ends = Dictionary(sites.map { ($0[0], Int($0[3]) ?? 0) }, uniquingKeysWith: max)
    #expect(Set(ends.keys) == ["1", "2", "3"])
    // Exponential gaps: 6 Mb with a standard deviation of 20 kb · √300.
    #expect(abs(Double(ends.values.reduce(0, +)) - 6e6) < 4 * 20_000 * 300.0.squareRoot())
    // A megabase and more on either side of most genes: all have a place for one.
    #expect(try Table(folder.text("sim.truth.tsv")).texts("kind").count { $0 == "distal" } == 20)
    let refusals = [
      (["--chromosomes", "0"], "0 chromosomes"), (["--spacing", "0"], "bases apart"),
      (["--distal-share", "2"], "distal"),
    ]
    for (options, says) in refusals {
      let result = try Program.run(
        ["simulate", "--samples", "30", "--variants", "30", "--genes", "3", "--out", folder.path("x")]
          + options)
      #expect(result.status == 65 && result.errors.contains(says), "\(result.errors)")
    }
  }

  /// No covariates, no file of them: a scan would refuse it.
  @Test func noCovariates() throws {
    try simulate("sim", "--samples", "30", "--variants", "50", "--genes", "3")
    let written = Self.suffixes.filter { $0 != ".covariates.tsv" }.map { "sim" + $0 }
    #expect(try folder.contents() == written.sorted())
  }

  @Test(.enabled(if: Program.tool("plink2") != nil, "plink2 is not installed"))
  func plinkReadsTheFiles() throws {
    try simulate(
      "sim", "--samples", "50", "--variants", "500", "--genes", "5", "--missing-genotypes", "0.02",
      "--families", "2")
    try Program.run(
      #require(Program.tool("plink2")),
      [
        "--bfile", folder.path("sim"), "--freq", "counts", "--nonfounders", "--out", folder.path("plink"),
        "--threads", "1",
      ]
    ).expectSuccess()
    try Program.run([
      "trans", "--genotypes", folder.path("sim"), "--phenotypes", folder.path("sim.phenotypes.bed.gz"),
      "--no-exclude-cis", "--pval-threshold", "1", "--maf", "0", "--max-missing", "1", "--out",
      folder.path("scan"),
    ]).expectSuccess()
    let theirs = try Table(folder.text("plink.acount"))
    let (id, alt, count, total) = try (
      theirs.column("ID"), theirs.column("ALT"), theirs.column("ALT_CTS"), theirs.column("OBS_CT")
    )
    let rows = Dictionary(uniqueKeysWithValues: theirs.rows.map { (String($0[id]), $0) })
    #expect(rows.count == 500)
    let ours = try Table(gzip: folder.path("scan.trans.tsv.gz"))
    let column = try (ours.column("alt"), ours.column("af"))
    #expect(ours.rows.count == 2_500)
    for row in ours.rows {
      let other = try #require(rows[String(row[0])])
      let frequency = try #require(Double(other[count])) / #require(Double(other[total]))
      let mine = try #require(Double(row[column.1]))
      try #require(row[column.0] == other[alt] && abs(mine - frequency) < 1e-9, "\(row)")
    }
  }
}
