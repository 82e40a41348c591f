import Glibc
import SwiftQTL
import Synchronization

/// Writes the tables of a trans scan from the journals of its blocks: that of one run, or those of all shards.
///
/// Two passes, since q takes all p: heads first, then rows, which stream. Memory is that of the p's sort and of one block.
struct TransTables {
  let job: TransJob
  let files: OutputTransaction
  /// Prefix of the files.
  let out: String

  private var run: RunOptions { job.command.resources }
  private var hitsPath: String { run.table("trans", at: out) }
  private var dropsPath: String { run.table("drops", at: out) }
  private var quantilesPath: String { run.smallTable("trans_qq", at: out) }
  private var byVariantPath: String { run.table("trans_best_by_variant", at: out) }
  private var byPhenotypePath: String { run.table("trans_best_by_phenotype", at: out) }

  /// What is written in any case.
  var paths: [String] {
    [hitsPath, dropsPath, quantilesPath]
      + (job.command.pairs.best ? [byVariantPath, byPhenotypePath] : [])
  }

  /// - Parameters:
  ///   - journals: complete, in the order of the variants.
  ///   - summary: of any run of the scan.
  /// - Throws: ``StudyError``: `malformed` when a journal is damaged, `inconsistent` when nothing was tested, `environment` when the disk
  ///   fails.
  func write(_ journals: [String], _ summary: ScanSummary) throws -> WrittenScan {
    let drops = try DropWriter(files.open(dropsPath, compression: run.compression))
    try drops.append(job.study.drops)
    var tally = job.scan.tally(of: job.study)
    let keys = PValueSpool(prefix: out)
    try forEachUnit(of: journals) { bytes, _ in
      let head = try TransRecord.Head(bytes)
      tally.add(counts: head.counts, sampled: head.sampled, histogram: head.histogram)
      if job.needsQ { try keys.append(head.logP) }
      try drops.append(head.drops)
    }
    let summary = try job.scan.complete(summary, with: tally, in: job.study)
    try drops.append(summary.drops)

    let hits = try files.open(hitsPath, compression: run.compression)
    try hits.append(bytes: job.table.headerLine(adding: job.needsQ ? "q" : ""))
    let byVariant =
      job.command.pairs.best ? try files.open(byVariantPath, compression: run.compression) : nil
    try byVariant?.append(bytes: job.table.headerLine())
    let table = try keys.finish().logQ(testCount: summary.counts.tests)
    let leads = Mutex([TraitLead?](repeating: nil, count: job.study.features.count))
    let units = FinishedUnits(journals)
    let level = run.rowCompressionLevel
    try orderedPipeline(
      workers: run.workers, window: 2 * run.workers, next: { try units.next() },
      scratch: { QLookup(table) },
      work: { lookup, unit in
        try unit.decoded { try TransRows(head: $0, body: $1, level: level) { try lookup($0) } }
      },
      emit: { rows in
        try rows.write(to: hits)
        try byVariant?.append(bytes: rows.bests)
        leads.withLock { $0.keep(rows.leads) }
      })
    if job.command.pairs.best { try write(leads.withLock(\.self)) }
    try writeQuantiles(summary)
    let variances = try VarianceTable.write(summary, job.study, run, to: files)
    let counts = summary.counts
    return WrittenScan(
      summary: summary, drops: drops.counts, paths: paths + variances, threshold: job.threshold,
      finding: "\(counts.rows) pairs among \(counts.tests) tests (\(counts.variants) variants × "
        + "\(summary.traits) phenotypes, \(counts.excluded) pairs excluded)")
  }

  private func write(_ leads: [TraitLead?]) throws {
    let writer = try files.open(byPhenotypePath, compression: run.compression)
    try writer.append(bytes: job.table.headerLine())
    for case let lead? in leads { try writer.append(bytes: lead.text + [0x0A]) }
  }

  /// Expected and observed −log10 p of the sampled tests, at most 1,000 points, dense in the tail.
  private func writeQuantiles(_ summary: ScanSummary) throws {
    let sample = summary.sampledLogP
    let writer = try files.open(quantilesPath, compression: run.smallCompression)
    var buffer = RowBuffer()
    buffer.append("rank\texpected_neg_log10_p\tobserved_neg_log10_p\n")
    var rank = 1
    while rank <= sample.count {
      buffer.append(number: rank)
      buffer.append(number: -log10(Double(rank) / Double(sample.count + 1)))
      buffer.append(LogP.negLog10(sample[rank - 1]))
      buffer.appendNewline()
      rank = max(rank + 1, Int(Double(rank) * 1.015))
    }
    try writer.append(buffer)
  }
}

extension [TraitLead?] {
  /// By feature; those of other features than there are come from no record of this scan.
  fileprivate mutating func keep(_ leads: [TraitLead]) {
    for lead in leads where indices.contains(Int(lead.key.feature)) {
      let feature = Int(lead.key.feature)
      if let known = self[feature], !lead.key.isBetter(than: known.key) { continue }
      self[feature] = lead
    }
  }
}
