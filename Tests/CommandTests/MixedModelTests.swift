import Foundation
import SwiftQTL
import Testing

/// `--grm` of the scans, as a user gives it.
@Suite struct MixedModelTests {
  let folder: Folder
  let study = SmallStudy(samples: 60, variants: 120, seed: 5)

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    try Program.run(
      [
        "grm", "--quiet", "--genotypes", folder.path("g"), "--by-chromosome", "--out", folder.path("k"),
      ]
    ).expectSuccess()
  }

  private func run(_ command: [String], _ options: [String], out: String = "r") throws -> Program.Result {
    try Program.run(
      command + [
        "--quiet", "--genotypes", folder.path("g"), "--phenotypes", folder.path("e.bed"), "--covariates",
        folder.path("c.tsv"), "--grm", folder.path("k"), "--out", folder.path(out),
      ] + options)
  }

  private static let all = ["--pval-threshold", "1", "--no-exclude-cis"]

  @Test func exact() throws {
    try run(["trans"], Self.all + ["--lmm-exact"]).expectSuccess()
    try run(["trans"], Self.all, out: "null").expectSuccess()
    try run(["cis", "nominal"], ["--lmm-exact"], out: "cis").expectSuccess()
    let (exact, null) = try (
      Table(gzip: folder.path("r.trans.tsv.gz")), Table(gzip: folder.path("null.trans.tsv.gz"))
    )
    #expect(exact.header == null.header.dropLast() + ["h2", "pval_lrt", "q"])
    #expect(exact.rows.count == null.rows.count && exact.rows.count == 120 * 6)
    let h2 = try exact.numbers("h2")
    #expect(h2.allSatisfy { (0...1).contains($0) } && Set(h2).count > 6)
    let (p, ratio) = try (exact.numbers("p"), exact.numbers("pval_lrt"))
    #expect(ratio.allSatisfy { $0 > 0 && $0 <= 1 } && ratio != p)
    #expect(try p != null.numbers("p"))
    let cis = try Table(gzip: folder.path("cis.cis_nominal.tsv.gz"))
    #expect(cis.header.suffix(3) == ["n", "h2", "pval_lrt"])
    let pairs = try exact.byPair()
    #expect(!cis.rows.isEmpty)
    for (row, (b, h)) in zip(cis.rows, zip(try cis.texts("beta"), try cis.texts("h2"))) {
      let same = try #require(pairs["\(row[0]) \(row[5])"])
      #expect(try same[exact.column("beta")] == b && same[exact.column("h2")] == h)
    }
  }

  @Test func leaveOneChromosomeOut() throws {
    try run(["trans"], Self.all + ["--loco", "--threads", "1"]).expectSuccess()
    try run(["trans"], Self.all + ["--loco", "--threads", "3"], out: "s").expectSuccess()
    try run(["cis", "nominal"], ["--loco"], out: "cis").expectSuccess()
    let text = try Gzip.text(folder.path("r.trans.tsv.gz"))
    #expect(try Gzip.text(folder.path("s.trans.tsv.gz")) == text)
    let table = try Table(text)
    // The variants of chromosome 1 with the matrix of chromosome 2, and the other way round.
    for (own, other) in [("1", "2"), ("2", "1")] {
      let out = "only\(own)"
      try run(
        ["trans"], Self.all + ["--region", own, "--grm", folder.path("k.chr\(other)")], out: out
      ).expectSuccess()
      let expected = try Table(gzip: folder.path("\(out).trans.tsv.gz")).byPair()
      let (p, beta) = try (table.column("p"), table.column("beta"))
      let rows = try table.byPair().filter { $0.value[1] == own }
      #expect(rows.count == expected.count && rows.count == 60 * 6)
      for (pair, row) in rows {
        let same = try #require(expected[pair])
        for column in [p, beta] {
          // Entries of fp32: 6e-8 of K each, and as much of each of the sums.
          let (a, b) = (Double(row[column])!, Double(same[column])!)
          #expect(abs(a - b) < 1e-4 * abs(b) + 1e-6, "\(pair)")
        }
      }
    }
    let cis = try Table(gzip: folder.path("cis.cis_nominal.tsv.gz"))
    let pairs = try table.byPair()
    for (row, beta) in zip(cis.rows, try cis.texts("beta")) {
      #expect(try pairs["\(row[0]) \(row[5])"]?[table.column("beta")] == beta)
    }
    let variances = try Table(gzip: folder.path("r.heritability.tsv.gz"))
    #expect(try variances.texts("left_out").map(String.init) == (0..<12).map { $0 < 6 ? "1" : "2" })
    #expect(try Table(gzip: folder.path("cis.heritability.tsv.gz")).texts("left_out").count == 6)
    #expect(try folder.text("r.manifest.json").contains("k.chr2.grm.bin"))
  }

  @Test func refused() throws {
    try FileManager.default.removeItem(atPath: folder.path("k.chr2.grm.bin"))
    let trans = ["trans"]
    let cases: [(command: [String], options: [String], status: Int32, says: String)] = [
      (trans, ["--lmm-exact", "--lmm-test", "score"], 64, "--lmm-exact is not for --lmm-test score"),
      (trans, ["--lmm-exact", "--best"], 64, "--best is not for --lmm-exact"),
      (trans, ["--lmm-exact", "--format", "tensorqtl"], 64, "--format"),
      (["cis", "nominal"], ["--lmm-exact", "--format", "qtltools"], 64, "--format"),
      (trans, ["--loco", "--best"], 64, "--best is not for --loco"),
      (trans, ["--loco"], 74, "k.chr2.grm.bin"),
      (["cis", "nominal"], ["--loco"], 74, "k.chr2.grm.bin"),
    ]
    for (command, options, status, says) in cases {
      let result = try run(command, options, out: "refused")
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
    }
    for name in ["k", "k.chr1"] {
      try FileManager.default.removeItem(atPath: folder.path("\(name).grm.N.bin"))
    }
    let result = try run(trans, ["--loco", "--region", "1"], out: "refused")
    #expect(result.status == 65 && result.errors.contains(".grm.N.bin"), "\(result.errors)")
    #expect(try folder.contents().allSatisfy { !$0.hasPrefix("refused") })
  }
}
