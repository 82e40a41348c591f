import SwiftQTL

extension VarianceTable {
  /// Writes `OUT.heritability.tsv.gz` beside the table of a scan of mixed models; nothing for others.
  ///
  /// - Returns: what was written.
  static func write(
    _ summary: ScanSummary, _ study: Study, _ run: RunOptions, to files: OutputTransaction
  ) throws -> [String] {
    guard !summary.variances.isEmpty else { return [] }
    let path = run.table("heritability")
    let writer = try files.open(path, compression: run.compression)
    try writer.append(
      text(
        summary.variances, study.features,
        leavesOut: summary.variances.contains { $0.leftOut != nil }))
    _ = try writer.finish()
    return [path]
  }
}
