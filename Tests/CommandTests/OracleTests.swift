import Foundation
import Testing

/// Whole runs against what other programs printed for the same files.
@Suite(.enabled(if: SharedData.isPresent, "no folder of reference data (SWIFTQTL_SHARED)"))
struct OracleTests {
  static let unfiltered = ["--maf", "0", "--max-missing", "1"]

  // MARK: - Matrix eQTL 2.3

  /// Its toy files: 15 SNPs × 10 genes × 16 samples, 2 covariates; all pairs.
  @Test func matrixEQTLToy() throws {
    let folder = try Folder()
    let data = try SharedData.path("data/matrixeqtl_toy")
    try Program.run(
      ["trans", "--genotypes", data + "/SNP.txt", "--phenotypes", data + "/GE.txt", "--covariates"]
        + [
          data + "/Covariates.txt", "--no-exclude-cis", "--pval-threshold", "1", "--out", folder.path("toy"),
        ]
        + Self.unfiltered
    ).expectSuccess()
    let ours = try Table(gzip: folder.path("toy.trans.tsv.gz"))
    let rows = try ours.byPair()
    let theirs = try Table(
      String(
        contentsOfFile: SharedData.path("oracles/matrixeqtl/toy.modelLINEAR.all_pairs.tsv"), encoding: .utf8))
    #expect(rows.count == 150 && theirs.rows.count == 150)
    for row in theirs.rows {
      let cells = row.map { $0.trimmingCharacters(in: .whitespaces) }
      let mine = try #require(rows["\(cells[0]) \(cells[1])"])
      // 9 digits are printed; both compute in double precision.
      for (column, index) in [("t", 2), ("p", 3), ("q", 4), ("beta", 5)] {
        let (a, b) = try (#require(Double(mine[ours.column(column)])), #require(Double(cells[index])))
        #expect(relativeDifference(a, b) < 1e-8, "\(column) of \(cells[0]), \(cells[1])")
      }
    }
    let known = try #require(rows["Snp_05 Gene_03"])
    let (t, p, beta) = try (ours.column("t"), ours.column("p"), ours.column("beta"))
    #expect(known[t].hasPrefix("38.81215") && known[p].hasPrefix("5.515519") && known[p].hasSuffix("e-14"))
    #expect(known[beta].hasPrefix("0.4101317"))
  }

  /// 112 yeast segregants (Brem and Kruglyak), 3,244 markers × 6,216 genes, no covariates.
  @Test func matrixEQTLYeast() throws {
    let folder = try Folder()
    let data = try SharedData.path("data/yeast_brem_trigger/tsv")
    try Program.run(
      [
        "trans", "--genotypes", data + "/genotypes_01.3244x112.tsv.gz", "--phenotypes",
        data + "/expression.6216x112.tsv.gz", "--no-exclude-cis", "--pval-threshold", "1e-6", "--out",
        folder.path("yeast"),
      ] + Self.unfiltered
    ).expectSuccess()
    let ours = try Table(gzip: folder.path("yeast.trans.tsv.gz"))
    let p = try ours.numbers("p")
    #expect(p.count == 31_275)
    #expect(p.count { $0 <= 1e-8 } == 17_559)
    #expect(try Self.tests(folder.path("yeast.manifest.json")) == 3_244 * 6_216)

    let rows = try ours.byPair()
    let theirs = try Table(
      Gzip.text(SharedData.path("oracles/matrixeqtl/yeast_trigger.MatrixEQTL.p1e-8.tsv.gz")))
    #expect(theirs.rows.count == 17_559)
    let columns = try (ours.column("t"), ours.column("p"), ours.column("beta"))
    var worst = 0.0
    for row in theirs.rows {
      // Their markers are named m0392_3_81832, ours m0392; their genes' repeated names are made unique.
      let mine = try #require(rows["\(row[0].prefix(5)) \(row[1])"], "\(row[0]) \(row[1])")
      for (a, b) in [(columns.0, 2), (columns.1, 3), (columns.2, 5)] {
        worst = max(
          worst,
          try relativeDifference(
            #require(Double(mine[a])), #require(Double(row[b].trimmingCharacters(in: .whitespaces)))))
      }
    }
    #expect(worst < 1e-6)
    let leu2 = try #require(rows["m0392 LEU2"])
    #expect(relativeDifference(try #require(Double(leu2[columns.1])), 4.185e-75) < 1e-3)
  }

  // MARK: - FastQTL 2.184

  private static func geuvadis(covariates: Bool) throws -> [String] {
    let data = try SharedData.path("data/fastqtl_geuvadis_chr22")
    return ["--genotypes", data + "/genotypes.vcf.gz", "--dosage-field", "DS", "--phenotypes"]
      + [data + "/phenotypes.bed.gz", "--window", "1000000"] + unfiltered
      + (covariates ? ["--covariates", data + "/covariates.txt.gz"] : [])
  }

  /// Genes of 22:17–19 Mb, 1,000 permutations each: FastQTL's shuffles and ours are different draws.
  @Test func fastQTLPermutations() throws {
    let folder = try Folder()
    try Program.run(
      [
        "cis", "permute", "--region", "22:17000000-19000000", "--permutations", "1000", "--format", "fastqtl",
        "--out", folder.path("r"),
      ] + Self.geuvadis(covariates: true)
    ).expectSuccess()
    let ours = try Table(gzip: folder.path("r.cis_permute.tsv.gz"))
    let theirs = Dictionary(
      uniqueKeysWithValues: try Gzip.text(SharedData.path("oracles/fastqtl/permute1000.all364.txt.gz"))
        .split(separator: "\n").map { line in
          let cells = line.split(whereSeparator: \.isWhitespace)
          return (cells[0], cells)
        })
    #expect(ours.rows.count > 10)
    var differences: [Double] = []
    for row in ours.rows {
      let other = try #require(theirs[row[0]])
      let (p, expected) = try (#require(Double(row[12])), #require(Double(other[12])))
      #expect(relativeDifference(p, expected) < 1e-4)
      // Variants may tie.
      #expect(row[6] == other[6] || relativeDifference(p, expected) < 2e-5)
      let (a, b) = try (#require(Double(row[16])), #require(Double(other[16])))
      // The shapes of 1,000 maxima are off by some 5 %, which moves ln p in proportion to its size.
      differences.append(abs(log(a / b)) / (0.1 - 0.06 * log(b)))
    }
    #expect(differences.allSatisfy { $0 < 5 })
    #expect(differences.sorted()[differences.count / 2] < 1)
  }

  private struct NominalRow {
    var counts: [Substring]
    var p: Double
    var beta: Double
    var se: Double
  }

  /// Every printed pair of 22:17–18 Mb. FastQTL prints `0 0 0 1 0 -nan` where a variant does not vary; those are our drops.
  @Test(arguments: [
    (file: "nominal.22_17-18Mb", covariates: true), (file: "nominal.nocov.22_17-18Mb", covariates: false),
  ])
  func fastQTL(_ run: (file: String, covariates: Bool)) throws {
    let folder = try Folder()
    try Program.run(
      [
        "cis", "nominal", "--region", "22:17000000-18000000", "--format", "fastqtl", "--out",
        folder.path("r"),
      ]
        + Self.geuvadis(covariates: run.covariates)
    ).expectSuccess()
    let text = try Gzip.text(folder.path("r.cis_nominal.tsv.gz"))
    var ours: [String: NominalRow] = [:]
    for line in text.split(separator: "\n").dropFirst() {
      let (key, row) = try Self.nominal(line)
      #expect(ours.updateValue(row, forKey: key) == nil, "\(key) twice")
    }
    let drops = try Table(gzip: folder.path("r.drops.tsv.gz"))
    let monomorphic = Set(drops.rows.filter { $0[2] == "monomorphic" }.map { $0[1] })

    var (finite, flat) = (0, 0)
    for line in try Gzip.text(SharedData.path("oracles/fastqtl/\(run.file).txt.gz")).split(separator: "\n") {
      let (key, theirs) = try Self.nominal(line)
      if !theirs.se.isFinite {
        flat += 1
        #expect(monomorphic.contains(key.split(separator: " ")[1]) && ours[key] == nil, "\(key)")
        continue
      }
      finite += 1
      let mine = try #require(ours[key], "\(key) is missing")
      // They print 6 digits: half a unit of the last is up to 5e-6.
      #expect(abs(mine.beta - theirs.beta) <= 1e-5 * abs(theirs.beta) + 1e-6 * theirs.se, "slope of \(key)")
      #expect(relativeDifference(mine.p, theirs.p) <= 1e-5, "p of \(key)")
      #expect(relativeDifference(mine.se, theirs.se) <= 1e-5, "standard error of \(key)")
      // Distance, ma_samples, ma_count, maf.
      #expect(mine.counts == theirs.counts, "\(key)")
    }
    #expect(finite == 40_165 && flat == 1_242 && ours.count == finite)
  }

  /// A line `gene variant distance ma_samples ma_count maf p slope se`.
  private static func nominal(_ line: Substring) throws -> (String, NominalRow) {
    let cells = line.split(separator: "\t")
    try #require(cells.count == 9, "\(line)")
    func number(_ text: Substring) throws -> Double {
      text == "-nan" ? .nan : try #require(Double(text), "\(text)")
    }
    let row = NominalRow(
      counts: Array(cells[2...5]), p: try number(cells[6]), beta: try number(cells[7]),
      se: try number(cells[8]))
    return ("\(cells[0]) \(cells[1])", row)
  }

  /// The best variant of each of the 364 genes, over 2.9 million pairs.
  @Test func fastQTLBest() throws {
    let folder = try Folder()
    try Program.run(
      ["cis", "nominal", "--format", "tensorqtl", "--compression-level", "1", "--out", folder.path("r")]
        + Self.geuvadis(covariates: true)
    ).expectSuccess()
    let best = try Self.bestRows(Gzip.data(folder.path("r.cis_nominal.tsv.gz")))
    #expect(best.count == 364)
    let path = try SharedData.path("oracles/fastqtl/nominal.best.all364.txt.gz")
    let theirs = try Gzip.text(path).split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(theirs.count == 364)
    for row in theirs {
      let mine = try #require(best[String(row[0])], "\(row[0])")
      let (p, slope, se) = try (
        #require(Double(row[3])), #require(Double(row[4])), #require(Double(row[5]))
      )
      #expect(relativeDifference(mine.p, p) <= 1e-5, "\(row[0])")
      // Linked variants tie: any of them may be the one they print.
      let twin = mine.tied.first { $0.variant == row[1] }
      let tied = try #require(twin, "\(row[1]) is not among the best of \(row[0])")
      #expect(relativeDifference(tied.slope, slope) <= 1e-5 && relativeDifference(tied.se, se) <= 1e-5)
    }
  }

  private struct Best {
    var p = Double.infinity
    var tied: [(variant: String, slope: Double, se: Double)] = []
  }

  /// The rows of least p of each gene, from a table in tensorQTL's format, too long for strings.
  private static func bestRows(_ table: Data) throws -> [String: Best] {
    var best: [String: Best] = [:]
    try table.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      for line in bytes.split(separator: 10).dropFirst() {
        let cells = line.split(separator: 9)
        func text(_ k: Int) -> String { String(decoding: cells[k], as: UTF8.self) }
        let p = try #require(Double(text(6)))
        let gene = text(0)
        // Six digits are all that decides in what they printed.
        guard p <= best[gene, default: Best()].p * (1 + 2e-6) else { continue }
        let row = (text(1), try #require(Double(text(7))), try #require(Double(text(8))))
        if p < best[gene, default: Best()].p * (1 - 2e-6) { best[gene] = Best(p: p) }
        best[gene]!.tied.append(row)
      }
    }
    return best
  }

  static func tests(_ manifest: String) throws -> Int { try Manifest.counts(manifest)["tests"] ?? -1 }
}

/// What a run wrote of itself.
enum Manifest {
  static func read(_ path: String) throws -> [String: Any] {
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    return try #require(json as? [String: Any])
  }

  static func counts(_ path: String) throws -> [String: Int] {
    try #require(read(path)["counts"] as? [String: Int])
  }
}
