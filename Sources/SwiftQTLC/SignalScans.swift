// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import Glibc
import SwiftQTL

@c @implementation
public func swiftqtl_cis_independent(
  _ study: OpaquePointer!, _ genes: UnsafePointer<swiftqtl_genes>!,
  _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    try options.refuseTestsOfPairs("independent signals")
    let own = options.given
    let thresholds = try logThresholds(genes)
    let execution = try options.execution()
    let scan = ConditionalScan(
      CisScan(
        radius: Int(own.window), anchor: try options.anchor(.automatic),
        options: try options.scanOptions(of: study, execution)),
      isGrouped: own.grouped != 0, maximumSignals: own.max_signals > 0 ? Int(own.max_signals) : nil)
    var genes: [GeneSignals] = []
    var drops: [Drop] = []
    let summary = try scan.run(
      in: study, thresholds: thresholds, execution: execution, render: { $0 }, drop: { drops += $0 },
      emit: { gene, fraction in
        genes.append(gene)
        try reporter.advance(tests: gene.variantCount, rows: gene.signals.count, fraction: fraction)
      })
    return ResultsHandle(
      SignalColumns(study.features, genes, isGrouped: scan.isGrouped), summary, drops: drops, of: study)
  }
}

/// ln p by gene.
///
/// - Throws: `Refusal` when a threshold is no probability or a gene occurs twice.
private func logThresholds(_ genes: UnsafePointer<swiftqtl_genes>?) throws -> [String: Double] {
  var own = swiftqtl_genes()
  try take(genes, "genes", over: &own)
  let ids = try StringList(own.ids, "genes.ids")
  guard ids.count == 0 || own.thresholds != nil else { throw Refusal("genes.thresholds is NULL") }
  var thresholds: [String: Double] = [:]
  for k in 0..<ids.count where !own.thresholds[k].isNaN {
    let (id, threshold) = (ids[k], own.thresholds[k])
    guard (0...1).contains(threshold) else {
      throw Refusal("genes.thresholds: that of \(id) is \(threshold)")
    }
    guard thresholds.updateValue(log(threshold), forKey: id) == nil else {
      throw Refusal("genes.ids: \(id) occurs twice")
    }
  }
  return thresholds
}

@c @implementation
public func swiftqtl_cis_interaction(
  _ study: OpaquePointer!, _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    let execution = try options.execution()
    let scan = InteractionScan(
      radius: Int(options.given.window), anchor: try options.anchor(.automatic),
      options: try options.scanOptions(of: study, execution),
      minimumStratumFrequency: options.given.maf_interaction)
    let pairs = Collector<InteractionBatch>()
    let emit = collecting(pairs, reporter)
    if options.given.best != 0 {
      let (leads, summary) = try scan.leads(in: study, execution: execution, emit: emit)
      return ResultsHandle(InteractionColumns(study, leads), summary, drops: pairs.all.drops, of: study)
    }
    let summary = try scan.run(in: study, execution: execution, render: { $0 }, emit: emit)
    let (batches, drops) = pairs.all
    return ResultsHandle(InteractionColumns(.cis, study, batches), summary, drops: drops, of: study)
  }
}

@c @implementation
public func swiftqtl_trans_interaction(
  _ study: OpaquePointer!, _ options: UnsafePointer<swiftqtl_options>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  scan(study, options, out, error) { study, options, reporter in
    let execution = try options.execution()
    let scan = TransInteractionScan(
      threshold: options.given.pval_threshold, exclusion: try options.exclusion(),
      options: try options.scanOptions(of: study, execution),
      minimumStratumFrequency: options.given.maf_interaction)
    let pairs = Collector<InteractionBatch>()
    let summary = try scan.run(
      in: study, execution: execution, render: { $0 }, emit: collecting(pairs, reporter))
    let (batches, drops) = pairs.all
    return ResultsHandle(
      InteractionColumns(
        .trans, study, batches,
        hits: options.given.q != 0 ? (scan.logThreshold, summary.counts.tests) : nil),
      summary, drops: drops, of: study)
  }
}

private func collecting(_ pairs: Collector<InteractionBatch>, _ reporter: Reporter)
  -> @Sendable (InteractionBatch) throws -> Void
{
  { batch in
    pairs.add(batch.rows.isEmpty ? nil : batch, batch.drops)
    try reporter.advance(
      tests: batch.counts.tests, rows: batch.rows.count, fraction: batch.fractionRead)
  }
}
