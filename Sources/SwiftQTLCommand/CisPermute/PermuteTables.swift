import SwiftQTL

/// Writes the tables of a permutation scan from the journals of its genes: that of one run, or those of all shards.
struct PermuteTables {
  let job: PermuteJob
  let files: OutputTransaction

  private var run: RunOptions { job.resources }
  var path: String { run.table("cis_permute") }
  var dropsPath: String { run.table("drops") }

  func openDrops() throws -> DropWriter {
    let drops = try DropWriter(files.open(dropsPath, compression: run.compression))
    try drops.append(job.study.drops)
    return drops
  }

  /// - Parameters:
  ///   - journals: complete, in the order of the genes.
  ///   - summary: of any run of the scan, with the counts of the variants.
  ///   - drops: with the variants left out.
  /// - Throws: ``StudyError``: `malformed` when a journal is damaged, `inconsistent` when nothing was tested, `environment` when the disk
  ///   fails.
  func write(_ journals: [String], _ summary: ScanSummary, _ drops: DropWriter) throws -> WrittenScan {
    var summary = summary
    var genes: [CisPermutations.GeneResult] = []
    try forEachUnit(of: journals) { head, _ in
      let (gene, counts) = try GeneRecord.decode(head)
      genes.append(gene)
      summary.counts += counts
    }
    summary = try job.permutations.complete(summary, genes)
    let variances = try VarianceTable.write(summary, job.study, run, to: files)
    try drops.append(summary.drops)
    let options = job.command.permutation
    let significance = GeneSignificance(of: genes, fdr: options.fdr, method: options.method)
    try write(genes, significance)
    let report = GeneReport(genes, significance, options)
    return WrittenScan(
      summary: summary, drops: drops.counts, paths: [path] + variances + [dropsPath], notes: report.notes,
      genes: report,
      finding: "\(significance.significantCount) of \(report.tested) genes have q <= \(options.fdr)")
  }

  private func write(_ genes: [CisPermutations.GeneResult], _ significance: GeneSignificance) throws {
    let table = try files.open(path, compression: run.compression)
    let rows = GeneRows(
      format: run.format, study: job.study, genes: genes, significance: significance,
      isGrouped: job.permutations.isGrouped, effects: job.effects)
    try table.append(bytes: rows.headerLine)
    var buffer = RowBuffer(capacity: 1 << 16)
    for index in genes.indices {
      rows.append(index, to: &buffer)
      if buffer.count >= 1 << 15 {
        try table.append(buffer)
        buffer.removeAll()
      }
    }
    try table.append(buffer)
    _ = try table.finish()
  }
}

/// What the manifest says of the genes.
struct GeneReport: Encodable {
  var permutations: String
  var tested: Int
  var fdr: Double
  var significant: Int
  var pi0: Double
  /// Whether π₀ could be estimated.
  var pi0Status: String
  /// ln of the gene-level p at which q reaches the FDR.
  var logPCut: Double?
  /// Genes by how their beta distribution was fitted.
  var fits: [String: Int]

  init(
    _ genes: [CisPermutations.GeneResult], _ significance: GeneSignificance, _ options: PermutationOptions
  ) {
    permutations = options.permutations.description
    let fitted = genes.compactMap(\.approximation)
    tested = fitted.count
    fdr = options.fdr
    significant = significance.significantCount
    pi0 = significance.nullProportion
    pi0Status = significance.status.rawValue
    logPCut = significance.logCut
    fits = Dictionary(fitted.map { ($0.status.rawValue, 1) }, uniquingKeysWith: +)
  }

  var notes: [String] {
    var notes: [String] = []
    if pi0Status != StoreyQ.Status.ok.rawValue {
      notes.append("pi0 could not be estimated (\(pi0Status)): q is Benjamini-Hochberg's")
    }
    let unfitted = fits.filter { BetaApproximation.Status(rawValue: $0.key)?.hasFit == false }.values.reduce(
      0, +)
    if unfitted > 0 {
      notes.append(
        "\(unfitted) genes have no beta approximation (column status): their q is from the empirical p")
    }
    return notes
  }
}
