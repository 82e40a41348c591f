import SwiftQTL

/// One run of `swiftqtl trans`: files in, a journal, tables out.
struct TransRun {
  let command: TransCommand
  let progress: Progress
  let job: TransJob
  let files = OutputTransaction()

  private var out: String { command.resources.out }
  private var journalPath: String { out + ".trans.journal" }
  private var resumeHint: String {
    "\(journalPath) keeps the finished blocks: the same command with --resume goes on there"
  }

  init(_ command: TransCommand) throws {
    self.command = command
    progress = Progress(quiet: command.resources.quiet)
    job = try TransJob(command, study: try command.study(progress))
  }

  func execute() throws {
    let (run, study) = (command.resources, job.study)
    if let permutations = command.pairs.permutations {
      // Refused now rather than after the scan.
      _ = try TransPermutations(job.scan, permutations: permutations).copiesPerPass(of: study, run.execution)
    }
    let tables = TransTables(job: job, files: files, out: out)
    for path in tables.paths { try TableWriter.requireWritable(path) }
    let inputs = try Manifest.inputs(command.files(of: study))
    let identity = RunIdentity(command: "trans", arguments: CommandLine.arguments, inputs)
    let journal =
      command.resume
      ? try Journal.resume(
        journalPath, identity: identity.text,
        remedy: "run without --resume to start anew, or with the options and inputs it was begun with")
      : try Journal.create(journalPath, identity: identity.text)
    let interruption = Interruption(givingUp: files, hint: command.mixed.loco ? nil : resumeHint)
    defer { withExtendedLifetime(interruption) {} }
    do {
      try execute(journal, tables, inputs)
    } catch {
      // What the user must change would make it another run; a full disk or a signal does not.
      if (error as? StudyError)?.kind == .environment, journal.count > 0, !command.mixed.loco {
        progress.note(resumeHint)
      } else {
        journal.remove()
      }
      throw error
    }
  }

  private func execute(_ journal: Journal, _ tables: TransTables, _ inputs: [Manifest.Input]) throws {
    let (run, study) = (command.resources, job.study)
    let started = progress.elapsed
    let base = try job.scan(into: journal, run.execution, progress)
    let scanned = progress.elapsed
    progress.finish()
    let (summary, drops) = try tables.write([journalPath], base)
    let permuted = try command.pairs.permutations.map {
      try permute(TransPermutations(job.scan, permutations: $0))
    }
    let variances = try VarianceTable.write(summary, study, run, to: files)
    let manifestFile = try files.open(out + ".manifest.json", compression: .none)
    let outputs =
      tables.paths + [out + ".manifest.json"]
      + (command.pairs.permutations == nil ? [] : [out + ".trans_permutations.tsv.gz"]) + variances
    let manifest = Manifest(
      study: study, summary: summary, drops: drops, run: run, outputs: outputs,
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      threshold: job.threshold, permutations: permuted)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    journal.remove()
    for note in summary.notes { progress.note(note) }
    progress.note(summary.report(progress.elapsed, writtenTo: tables.paths[0]))
  }

  /// The lead pair of each phenotype, and what permutations make of it.
  private func permute(_ permutations: TransPermutations) throws -> Manifest.Permutations {
    let writer = try files.open(
      out + ".trans_permutations.tsv.gz", compression: command.resources.compression)
    let (level, table) = (command.pairs.permutationLevel, job.table)
    let started = progress.elapsed
    progress.note("\(permutations.permutations) permutations of every phenotype")
    progress.beginPhase()
    let (results, counts) = try permutations.run(in: job.study, execution: command.resources.execution) {
      [progress] share, pairs in progress.advance(tests: pairs, rows: 0, fraction: share)
    }
    progress.finish()
    try writer.append(bytes: table.headerLine(adding: "n_permutations pval_permutation pval_threshold"))
    var buffer = RowBuffer()
    for result in results {
      table.append(result.row, table.text(of: result.variant), to: &buffer)
      buffer.appendTab()
      buffer.append(number: result.minimalLogP.count)
      buffer.append(number: result.empiricalP)
      if let threshold = result.logThreshold(level) {
        buffer.append(logP: threshold)
      } else {
        buffer.append("NA")
      }
      buffer.appendNewline()
    }
    try writer.append(buffer)
    return Manifest.Permutations(
      permutations: permutations.permutations, level: level, screen: Manifest.Screen(counts, rows: nil),
      seconds: progress.elapsed - started)
  }
}

extension TransCommand {
  /// The study as its files have it.
  func study(_ progress: Progress) throws -> Study {
    let study = try input.study(
      phenotypeRegions: false, workers: resources.workers, mixed: mixed,
      chromosomeRemedy: pairs.chromosomeRemedy)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    return study
  }

  /// Every file a scan reads.
  func files(of study: Study) throws -> [String] {
    try input.files(of: study) + mixed.files(of: study) + [pairs.excludePairs].compactMap(\.self)
  }
}

extension TransJob {
  init(_ command: TransCommand, study: Study) throws {
    try self.init(
      command, study,
      effects: try command.effect.columns(
        of: study, command.test.scanOptions(.init()), workers: command.resources.workers))
  }
}

extension ScanSummary {
  func report(_ seconds: Double, writtenTo path: String) -> String {
    "\(counts.rows) pairs among \(counts.tests) tests (\(counts.variants) variants × \(traits) phenotypes, "
      + "\(counts.excluded) pairs excluded) in \(Progress.duration(seconds)); written to \(path)"
  }
}
