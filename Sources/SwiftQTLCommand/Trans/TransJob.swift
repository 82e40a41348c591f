import SwiftQTL

/// A trans scan of a study.
struct TransJob: JournalledScan {
  static let units = "blocks of variants"

  let command: TransCommand
  let study: Study
  let scan: TransScan
  let table: ResultTable
  /// p of the pairs reported.
  let threshold: Double
  /// Traits that were made ready before.
  var prepared: PreparedScan?

  init(_ command: TransCommand, _ study: Study, effects: EffectColumns?, prepared: PreparedScan? = nil) throws
  {
    self.command = command
    self.study = study
    self.prepared = prepared
    threshold = try command.pairs.threshold(for: study)
    scan = TransScan(
      threshold: threshold,
      exclusion: try command.pairs.exclusion(anchor: command.test.windowFrom ?? .tss),
      options: try Self.options(of: command), reportsBest: command.pairs.best,
      countsAllP: command.pairs.histogram == .full, seed: command.resources.seed)
    table = ResultTable(
      .trans, command.resources.format, study.features, effects: effects, exactFits: command.mixed.lmmExact)
  }

  static func options(of command: TransCommand) throws -> ScanOptions {
    command.test.scanOptions(
      try command.input.selection(), mixedModel: command.mixed.modelOptions(command.resources.execution))
  }

  var resources: RunOptions { command.resources }

  /// Whether rows end with q: the presets have no such column.
  var needsQ: Bool { !command.pairs.noQ && command.resources.format == .swiftqtl }

  func run(
    _ blocks: Range<Int>, _ execution: Execution,
    emit: @escaping @Sendable (any JournalEntry) throws -> Void
  ) throws -> ScanSummary {
    let (table, needsQ, level) = (self.table, self.needsQ, command.resources.rowCompressionLevel)
    let leavingOut = command.mixed.leavingOut
    return try scan.run(
      in: study, prepared: prepared, blocks: leavingOut == nil ? blocks : nil, leavingOut: leavingOut,
      execution: execution, render: { TransRecord($0, table, level: level, needsQ: needsQ) }, emit: emit)
  }

  func cost(of blocks: Range<Int>) -> Double { Double(blocks.count) }

  func write(_ journals: [String], _ summary: ScanSummary, to files: OutputTransaction) throws -> WrittenScan
  {
    try TransTables(job: self, files: files, out: resources.out).write(journals, summary)
  }
}
