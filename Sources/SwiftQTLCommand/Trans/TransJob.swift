import Glibc
import SwiftQTL

/// A trans scan of a study: what a whole run and each of its shards have in common.
struct TransJob {
  let command: TransCommand
  let study: Study
  let scan: TransScan
  let table: ResultTable
  /// Traits that were made ready before.
  var prepared: PreparedScan?

  init(_ command: TransCommand, _ study: Study, effects: EffectColumns?, prepared: PreparedScan? = nil) throws
  {
    self.command = command
    self.study = study
    self.prepared = prepared
    scan = TransScan(
      threshold: try command.pairs.threshold(for: study),
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

  /// Whether rows end with q: the presets have no such column.
  var needsQ: Bool { !command.pairs.noQ && command.resources.format == .swiftqtl }

  var threshold: Double { exp(scan.logThreshold) }

  /// Scans the blocks that the journal lacks, and puts them there.
  ///
  /// - Parameter blocks: of the variants, from the journal's first record on.
  /// - Returns: what there is to say of all runs of the scan; its counts are of no use.
  func scan(
    _ blocks: Range<Int> = 0..<Int.max, into journal: Journal, _ execution: Execution, _ progress: Progress
  ) throws -> ScanSummary {
    let (table, needsQ, level) = (self.table, self.needsQ, command.resources.compressionLevel)
    let done = min(blocks.lowerBound + journal.count, blocks.upperBound)
    if journal.count > 0 { progress.note("going on after \(journal.count) blocks of variants") }
    let pause = BlockPause()
    let leavingOut = command.mixed.leavingOut
    return try scan.run(
      in: study, prepared: prepared, blocks: leavingOut == nil ? done..<blocks.upperBound : nil,
      leavingOut: leavingOut, execution: execution,
      render: { TransRecord($0, table, level: level, needsQ: needsQ) },
      emit: { record in
        try journal.append(head: record.head, body: record.body)
        progress.advance(tests: record.tests, rows: record.rowCount, fraction: record.fractionRead)
        pause()
      })
  }
}

/// Slows a scan down so that tests can end it half-way: SWIFTQTL_TEST_BLOCK_DELAY_MS after each block.
private struct BlockPause: Sendable {
  private let microseconds: UInt32

  init() {
    let value = getenv("SWIFTQTL_TEST_BLOCK_DELAY_MS").flatMap { UInt32(String(cString: $0)) } ?? 0
    microseconds = min(value, 60_000) * 1_000
  }

  func callAsFunction() { if microseconds > 0 { usleep(microseconds) } }
}
