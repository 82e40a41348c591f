import BenchmarkSupport
import Glibc
import SwiftQTL

/// Every tool reports the pairs with p at most this.
let threshold = 1e-5

/// A simulated study without missing values, in the formats of all tools.
struct PeerStudy {
  let samples: Int
  let variants: Int
  let genes: Int
  let covariates: Int
  let cache: String

  var prefix: String { "\(cache)/study-\(samples)-\(variants)-\(genes)-\(covariates)" }
  var log: String { cache + "/study.log" }
  var title: String { "\(samples) samples × \(variants) variants × \(genes) genes, \(covariates) covariates" }

  /// `simulate` numbers its genes.
  func geneIDs(_ count: Int) -> [String] { (1...count).map { "gene\($0)" } }

  /// PLINK 1 genotypes, phenotypes as BED, covariates in rows: what is there already is kept.
  func simulate(with program: String) {
    guard access(prefix + ".truth.tsv", F_OK) != 0 else { return }
    note("simulating \(title)")
    _ = runChild(
      [
        program, "simulate", "--samples", "\(samples)", "--variants", "\(variants)", "--genes", "\(genes)",
        "--covariates", "\(covariates)", "--seed", "1", "--out", prefix, "--quiet",
      ], log: log)
  }

  /// Our scan of all pairs, without filters.
  func scan(with program: String, threads: Int, threshold: Double, out: String) -> [String] {
    [
      program, "trans", "--genotypes", prefix, "--phenotypes", prefix + ".phenotypes.bed.gz", "--covariates",
      prefix + ".covariates.tsv", "--no-exclude-cis", "--maf", "0", "--max-missing", "1", "--pval-threshold",
      "\(threshold)", "--threads", "\(threads)", "--quiet", "--out", out,
    ]
  }

  /// p by our own scan, a little beyond the threshold, so that what only a peer reports is known too.
  func reference(with program: String, threads: Int) -> [Pair: Double] {
    let out = cache + "/reference"
    _ = runChild(
      scan(with: program, threads: threads, threshold: threshold * (1 + 2 * cutTolerance), out: out), log: log
    )
    return Dictionary(uniqueKeysWithValues: HitTable(ofOurs: out).rows().map { ($0.pair, $0.p) })
  }

  /// PREFIX.pgen, .pvar and .psam, with sample ids alone.
  func writePgen(threads: Int) {
    _ = runChild(
      [
        "plink2", "--bfile", prefix, "--make-pgen", "psam-cols=", "--threads", "\(threads)", "--out", prefix,
      ], log: log)
  }

  /// PREFIX.plink-phenotypes.tsv and .plink-covariates.tsv: samples in rows, of the first genes only.
  func writePlinkTables(geneCount: Int) {
    do {
      let phenotypes = try PhenotypeFile.read(
        prefix + ".phenotypes.bed.gz", features: Set(geneIDs(geneCount)))
      try writeSamplesInRows(
        phenotypes.sampleIDs, phenotypes.features.map(\.id), phenotypes.values,
        to: prefix + ".plink-phenotypes.tsv")
      let covariates = try CovariateFile.read(
        prefix + ".covariates.tsv", sampleIDs: Set(phenotypes.sampleIDs))
      try writeSamplesInRows(
        covariates.sampleIDs, covariates.names, covariates.values, to: prefix + ".plink-covariates.tsv")
    } catch {
      fail("\(error)")
    }
  }

  private func writeSamplesInRows(
    _ samples: [String], _ names: [String], _ values: Matrix, to path: String
  ) throws(StudyError) {
    let file = try TableWriter(path: path, compression: .none)
    var rows = RowBuffer()
    rows.append((["#IID"] + names).joined(separator: "\t") + "\n")
    for (sample, id) in samples.enumerated() {
      rows.append(id)
      for column in 0..<values.columns {
        rows.appendTab()
        rows.append(values[sample, column])
      }
      rows.appendNewline()
    }
    try file.append(rows)
    try file.commit()
  }
}
