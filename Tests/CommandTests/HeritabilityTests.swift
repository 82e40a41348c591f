import Foundation
import SwiftQTL
import Testing

/// `heritability` as a user runs it.
@Suite struct HeritabilityTests {
  let folder: Folder
  let study: SmallStudy
  /// By pair of samples.
  let kinship: [[Double]]

  /// Samples `k.txt` has in another order, one of them without phenotypes, one of the phenotypes' samples missing; gene 2 misses one
  /// sample, gene 3 two others.
  init() throws {
    folder = try Folder()
    var study = SmallStudy(samples: 40, seed: 12)
    study.values[1][7] = nil
    for s in [5, 30] { study.values[2][s] = nil }
    try study.write(to: folder)
    let n = study.samples.count
    let dosages: [[Double]] = study.dosages.map { row in row.map { Double($0 ?? 0) - 1 } }
    var kinship = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
    for i in 0..<n {
      for j in 0..<n {
        for row in dosages { kinship[i][j] += row[i] * row[j] / Double(dosages.count) }
      }
    }
    let order = Array((1..<n).reversed())
    let ids = order.map { study.samples[$0] } + ["other"]
    var text = "id\t" + ids.joined(separator: "\t") + "\n"
    for (row, i) in order.enumerated() {
      text += "\(ids[row])\t" + order.map { "\(kinship[i][$0])\t" }.joined() + "0.25\n"
    }
    text += "other\t" + order.map { _ in "0.25\t" }.joined() + "1\n"
    try folder.file(text, "k.txt")
    (self.study, self.kinship) = (study, kinship)
  }

  private func run(_ options: [String] = [], grm: String = "k.txt", out: String = "r") throws
    -> Program.Result
  {
    try Program.run(
      [
        "heritability", "--phenotypes", folder.path("e.bed"), "--covariates", folder.path("c.tsv"), "--grm",
        folder.path(grm), "--out", folder.path(out),
      ] + options)
  }

  /// The estimate of one gene from what the library says of its samples.
  private func expected(
    _ gene: Int, _ likelihood: Likelihood, isConstrained: Bool = true
  ) throws -> (n: Int, estimate: VarianceEstimate) {
    let kept = study.samples.indices.filter { $0 > 0 && study.values[gene][$0] != nil }
    let n = kept.count
    let k = Kinship(
      path: "k", sampleIDs: kept.map { study.samples[$0] },
      matrix: Matrix(rows: n, columns: n, storage: kept.flatMap { j in kept.map { kinship[$0][j] } }))
    let covariates = Matrix(
      rows: n, columns: study.covariates.count + 1,
      storage: [Double](repeating: 1, count: n) + study.covariates.flatMap { c in kept.map { c.values[$0] } })
    let components = VarianceComponents(
      try SpectralDecomposition(
        of: k, covariateBasis: OrthonormalBasis(of: covariates).basis, forMaximumLikelihood: likelihood == .ml
      ),
      likelihood: likelihood, isConstrained: isConstrained)
    let y = Matrix(rows: n, columns: 1, storage: kept.compactMap { study.values[gene][$0] })
    return (n, try #require(components.estimates(of: y)[0]))
  }

  @Test(arguments: [Likelihood.reml, .ml], [true, false])
  func rows(_ likelihood: Likelihood, isConstrained: Bool) throws {
    try run((likelihood == .ml ? ["--ml"] : []) + (isConstrained ? [] : ["--reml-no-constrain"]))
      .expectSuccess()
    let table = try Table(gzip: folder.path("r.heritability.tsv.gz"))
    #expect(
      table.header == [
        "phenotype_id", "n", "h2", "h2_se", "variance", "log_likelihood", "log_likelihood_null", "lrt",
        "pval_lrt", "status",
      ])
    #expect(try table.texts("phenotype_id").map(String.init) == study.genes.map(\.id))
    for (gene, row) in table.rows.enumerated() {
      let (n, estimate) = try expected(gene, likelihood, isConstrained: isConstrained)
      #expect(Int(row[1]) == n)
      let numbers = [
        estimate.heritability, estimate.standardError, estimate.variance, estimate.logLikelihood,
        estimate.nullLogLikelihood,
      ]
      for (text, number) in zip(row[2...], numbers) {
        // Nine digits, and the rounding of another way of scaling.
        let difference: Double = abs((Double(text) ?? .nan) - number)
        #expect(number.isNaN ? text == "NA" : difference < 1e-7 * max(1, abs(number)), "\(gene)")
      }
      #expect(abs((Double(row[8]) ?? .nan) - exp(estimate.logP)) < 1e-6)
      #expect(row[9] == estimate.status.rawValue)
    }
    #expect(table.rows.contains { (Double($0[2]) ?? 0) < 0 } != isConstrained)
    let drops = try Gzip.text(folder.path("r.drops.tsv.gz"))
    #expect(drops.contains("sample\tS000\tnot in every file") && drops.contains("sample\tother"))
    let manifest = try folder.text("r.manifest.json")
    #expect(manifest.contains("\"samples\" : 39") && manifest.contains("\"missingPatterns\" : 3"))
    #expect(manifest.contains("k.txt") && manifest.contains("c.tsv"))
  }

  @Test func sameBytes() throws {
    try run(["--normal", "--threads", "1"]).expectSuccess()
    try run(["--normal", "--threads", "3"], out: "s").expectSuccess()
    let text = try Gzip.text(folder.path("r.heritability.tsv.gz"))
    #expect(try Gzip.text(folder.path("s.heritability.tsv.gz")) == text)
    // A gene alone.
    try folder.file("gene3\n", "genes.txt")
    try run(["--normal", "--genes", folder.path("genes.txt")], out: "t").expectSuccess()
    let alone = try Gzip.text(folder.path("t.heritability.tsv.gz")).split(separator: "\n")
    #expect(alone.count == 2 && text.split(separator: "\n").contains(alone[1]))
  }

  @Test func refused() throws {
    let cases: [(options: [String], grm: String, status: Int32, says: String)] = [
      (["--max-patterns", "2"], "k.txt", 65, "3 different patterns"),
      (["--max-patterns", "0"], "k.txt", 64, "--max-patterns"),
      (["--format", "tensorqtl"], "k.txt", 64, "--format"),
      ([], "absent.txt", 74, "No such file"),
    ]
    for (options, grm, status, says) in cases {
      let result = try run(options, grm: grm, out: "refused")
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
    }
    #expect(try folder.contents().allSatisfy { !$0.hasPrefix("refused") })
  }
}
