import ArgumentParser
import Glibc
import SwiftQTL

/// Terms for `swiftqtl trans`.
struct TransInteractionOptions: ParsableArguments {
  @Option(help: ArgumentHelp(StratumOptions.termsHelp, valueName: "file"))
  var interaction: String?

  @OptionGroup var strata: StratumOptions

  func validate() throws {
    if interaction == nil, strata.mafInteraction != nil {
      throw ValidationError("--maf-interaction is for --interaction.")
    }
  }

  /// Refuses what other options ask for in vain.
  func validate(_ resources: RunOptions, _ effect: EffectOptions) throws {
    guard resources.format == .swiftqtl else {
      throw ValidationError(
        "--format \(resources.format.rawValue) has no table of interactions between all variants and phenotypes."
      )
    }
    guard resources.backend != .integer else {
      throw ValidationError(
        "--backend integer is not for --interaction: products with a term are no integers.")
    }
    if effect.effectSizes { throw ValidationError("--effect-sizes is not for --interaction.") }
  }
}

/// One run of `swiftqtl trans --interaction`: files in, tables out.
struct TransInteractionRun {
  let command: TransCommand
  let terms: String
  let progress: Progress
  let study: Study
  let files = OutputTransaction()

  init(_ command: TransCommand, terms: String) throws {
    self.command = command
    self.terms = terms
    progress = Progress(quiet: command.resources.quiet)
    study = try command.input.study(
      phenotypeRegions: false, workers: command.resources.workers, interaction: terms,
      chromosomeRemedy: command.pairs.chromosomeRemedy)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
  }

  func execute() throws {
    let (run, pairs) = (command.resources, command.pairs)
    let threshold = try pairs.threshold(for: study)
    let scan = TransInteractionScan(
      threshold: threshold, exclusion: try pairs.exclusion(anchor: command.test.windowFrom ?? .tss),
      options: command.test.scanOptions(try command.input.selection()),
      minimumStratumFrequency: command.interactions.strata.minimumFrequency)
    let table = InteractionTable(.trans, run.format, study)
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = run.table("trans_interaction")
    let hits = try files.open(path, compression: run.compression)
    let dropsPath = run.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: run.compression))
    let manifestFile = try files.open(run.out + ".manifest.json", compression: .none)
    try drops.append(study.drops)
    let spool = pairs.noQ ? nil : try RowSpool(prefix: run.out, keyCount: study.interactionNames.count)
    let inputs = try Manifest.inputs(
      command.input.files(of: study) + [terms] + [pairs.excludePairs].compactMap(\.self))
    try hits.append(bytes: table.headerLine(best: false, adding: spool == nil ? nil : "q_"))

    let progress = self.progress
    let started = progress.elapsed
    let logThreshold = spool == nil ? nil : scan.logThreshold
    let summary = try scan.run(
      in: study, execution: run.execution,
      render: { RenderedInteractions($0, table, level: run.rowCompressionLevel, logThreshold: logThreshold) },
      emit: { batch in
        if let spool { try spool.append(batch.spooled) } else { try batch.write(to: hits) }
        try drops.append(batch.drops)
        progress.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let scanned = progress.elapsed
    progress.finish()
    try spool?.writeRows(to: hits, testCount: summary.counts.tests)
    try drops.append(summary.drops)
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: run,
      outputs: [path, dropsPath, run.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      threshold: threshold)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    report(summary, path)
  }

  private func report(_ summary: ScanSummary, _ path: String) {
    let c = summary.counts
    for note in summary.allNotes { progress.note(note) }
    if c.untestable > 0 { progress.note("\(c.untestable) pairs have a singular design and no test") }
    progress.note(
      "\(c.rows) pairs among \(c.tests) tests of each term (\(c.variants) variants × \(summary.traits) phenotypes, "
        + "\(c.excluded) pairs excluded) in \(Progress.duration(progress.elapsed)); written to \(path)")
  }
}
