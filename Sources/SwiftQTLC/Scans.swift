// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import SwiftQTL
import Synchronization

final class ResultsHandle: Handle {
  let main: any ResultColumns
  let summary: ScanSummary
  let drops: [Drop]
  let features: [Feature]
  let sampleCount: Int
  let notes: StringPool

  init(_ main: any ResultColumns, _ summary: ScanSummary, drops: [Drop], of study: Study) {
    self.main = main
    self.summary = summary
    self.drops = study.drops + drops + summary.drops
    features = study.features
    sampleCount = study.sampleCount
    notes = StringPool(summary.allNotes)
  }
}

/// What blocks of pairs leave.
final class Collector<Block: Sendable>: Sendable {
  private let state = Mutex((blocks: [Block](), drops: [Drop]()))

  /// - Parameter block: nil where it has no rows.
  func add(_ block: Block?, _ drops: [Drop]) {
    state.withLock {
      if let block { $0.blocks.append(block) }
      $0.drops += drops
    }
  }

  var all: (blocks: [Block], drops: [Drop]) { state.withLock { $0 } }
}

private struct RenderedPairs: Sendable {
  let block: PairColumns.Block
  let drops: [Drop]
  let tests: Int
  let rowCount: Int
  let fractionRead: Double

  init(_ batch: PairBatch) {
    block = PairColumns.Block(batch)
    drops = batch.drops
    (tests, rowCount, fractionRead) = (batch.counts.tests, batch.rows.count, batch.fractionRead)
  }
}

@c @implementation
public func swiftqtl_trans(
  _ study: OpaquePointer!, _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    let execution = try options.execution()
    let scan = TransScan(
      threshold: options.given.pval_threshold,
      exclusion: try options.exclusion(),
      options: try options.scanOptions(of: study, execution), seed: options.given.seed)
    let pairs = Collector<PairColumns.Block>()
    let summary = try scan.run(
      in: study, execution: execution, render: RenderedPairs.init,
      emit: { batch in
        pairs.add(batch.rowCount > 0 ? batch.block : nil, batch.drops)
        try reporter.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let (blocks, drops) = pairs.all
    return ResultsHandle(
      PairColumns(
        .trans, study.features, blocks, exactFits: options.given.lmm_exact != 0,
        testCount: options.given.q != 0 ? summary.counts.tests : nil),
      summary, drops: drops, of: study)
  }
}

@c @implementation
public func swiftqtl_cis_nominal(
  _ study: OpaquePointer!, _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    let execution = try options.execution()
    let scan = CisScan(
      radius: Int(options.given.window), anchor: try options.anchor(.automatic),
      options: try options.scanOptions(of: study, execution))
    let pairs = Collector<PairColumns.Block>()
    let summary = try scan.run(
      in: study, execution: execution, render: RenderedPairs.init,
      emit: { batch in
        pairs.add(batch.rowCount > 0 ? batch.block : nil, batch.drops)
        try reporter.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let (blocks, drops) = pairs.all
    return ResultsHandle(
      PairColumns(
        .cis, study.features, blocks, exactFits: options.given.lmm_exact != 0, testCount: nil),
      summary, drops: drops, of: study)
  }
}

@c @implementation
public func swiftqtl_cis_permute(
  _ study: OpaquePointer!, _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    let own = options.given
    try options.refuseTestsOfPairs("permutations")
    let execution = try options.execution()
    let permutations = CisPermutations(
      CisScan(
        radius: Int(own.window), anchor: try options.anchor(.automatic),
        options: try options.scanOptions(of: study, execution)),
      plan: own.successes > 0
        ? .adaptive(successes: Int(own.successes), maximum: Int(own.permutations))
        : .fixed(Int(own.permutations)),
      seed: own.seed, isGrouped: own.grouped != 0)
    var genes: [CisPermutations.GeneResult] = []
    var drops: [Drop] = []
    var totals = ScanCounts()
    var summary = try permutations.run(
      in: study, execution: execution, drop: { drops += $0 },
      emit: { gene, counts, fraction in
        genes.append(gene)
        totals += counts
        try reporter.advance(tests: counts.integerPairs, rows: 1, fraction: fraction)
      })
    summary.counts += totals
    summary = try permutations.complete(summary, genes)
    let significance = try options.significance(of: genes)
    return ResultsHandle(
      GeneColumns(study, genes, significance, isGrouped: permutations.isGrouped), summary, drops: drops,
      of: study)
  }
}

/// What all scans share.
func scan(
  _ study: OpaquePointer?, _ options: UnsafePointer<swiftqtl_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
  _ body: (Study, Options, Reporter) throws -> ResultsHandle
) -> Int32 {
  status(out, error) {
    let study = try object(study, "study", as: StudyHandle.self).study
    let options = try Options(options)
    let reporter = Reporter(options)
    try reporter.advance(tests: 0, rows: 0, fraction: 0)
    let results = try body(study, options, reporter)
    try reporter.advance(tests: 0, rows: 0, fraction: 1)
    return results
  }
}

@c @implementation
public func swiftqtl_results_counts(
  _ results: OpaquePointer!, _ counts: UnsafeMutablePointer<swiftqtl_counts>!
) {
  guard let results = try? object(results, "results", as: ResultsHandle.self) else { return }
  let (summary, c) = (results.summary, results.summary.counts)
  let own = swiftqtl_counts(
    size: 0, variants: Int64(c.variants), dropped_variants: Int64(c.droppedVariants), tests: Int64(c.tests),
    excluded: Int64(c.excluded), untestable: Int64(c.untestable), phenotypes: Int64(summary.traits),
    degrees_of_freedom: Int64(summary.degreesOfFreedom), samples: Int64(results.sampleCount))
  try? give(own, to: counts, "counts")
}

@c @implementation
public func swiftqtl_results_notes(_ results: OpaquePointer!) -> swiftqtl_strings {
  (try? object(results, "results", as: ResultsHandle.self).notes.list) ?? swiftqtl_strings()
}

@c @implementation
public func swiftqtl_results_free(_ results: OpaquePointer!) { Handle.release(results) }
