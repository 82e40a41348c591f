import SwiftQTL

/// Variance components, a row per phenotype.
enum VarianceTable {
  /// - Parameter leavesOut: whether a column names the chromosome left out of the relationship matrix.
  static func text(_ rows: [TraitVariance], _ features: [Feature], leavesOut: Bool = false) -> RowBuffer {
    var out = RowBuffer()
    out.append(
      "phenotype_id\tn\th2\th2_se\tvariance\tlog_likelihood\tlog_likelihood_null\tlrt\tpval_lrt\tstatus")
    out.append(leavesOut ? "\tleft_out\n" : "\n")
    for row in rows {
      let estimate = row.estimate
      out.append(cells: features[row.feature].id)
      out.append(number: row.n)
      out.append(number: estimate.heritability)
      out.append(number: estimate.standardError)
      out.append(number: estimate.variance)
      out.append(number: estimate.logLikelihood)
      out.append(number: estimate.nullLogLikelihood)
      out.append(number: estimate.likelihoodRatio)
      out.append(logP: estimate.logP)
      out.appendTab()
      out.append(estimate.status.rawValue)
      if leavesOut {
        out.appendTab()
        out.append(row.leftOut ?? "none")
      }
      out.appendNewline()
    }
    return out
  }

  /// Writes `OUT.heritability.tsv.gz` beside the table of a scan of mixed models; nothing for others.
  ///
  /// - Returns: what was written.
  static func write(
    _ summary: ScanSummary, _ study: Study, _ run: RunOptions, to files: OutputTransaction
  ) throws -> [String] {
    guard !summary.variances.isEmpty else { return [] }
    let path = run.out + ".heritability.tsv.gz"
    let writer = try files.open(path, compression: run.compression)
    try writer.append(
      text(
        summary.variances, study.features,
        leavesOut: summary.variances.contains { $0.leftOut != nil }))
    _ = try writer.finish()
    return [path]
  }
}
