import SwiftQTL

/// One run of `swiftqtl trans`: files in, a journal, tables out.
struct TransRun {
  let command: TransCommand
  let progress: Progress
  let job: TransJob
  let files = OutputTransaction()

  private var out: String { command.resources.out }
  private var journalPath: String { out + ".trans.journal" }
  private var permutationsPath: String { command.resources.table("trans_permutations", at: out) }

  init(_ command: TransCommand) throws {
    self.command = command
    progress = Progress(quiet: command.resources.quiet)
    job = try TransJob(command, study: try command.study(progress))
  }

  func execute() throws {
    let study = job.study
    if let permutations = command.pairs.permutations {
      // Refused now rather than after the scan.
      _ = try TransPermutations(job.scan, permutations: permutations).copiesPerPass(
        of: study, command.resources.execution)
    }
    let tables = TransTables(job: job, files: files, out: out)
    let run = JournalledRun(
      path: journalPath, units: TransJob.units, name: "trans",
      decomposition: command.mixed.decomposition(samples: study.sampleCount, command.resources.execution),
      isResumable: !command.mixed.loco)
    try run.execute(
      resuming: command.resume, writing: tables.paths, reading: command.files(of: study), files, progress
    ) { try execute($0, $1) }
  }

  private func execute(_ journal: Journal, _ inputs: [Manifest.Input]) throws {
    let run = command.resources
    let started = progress.elapsed
    let base = try job.run(into: journal, run.execution, progress)
    let scanned = progress.elapsed
    progress.finish()
    let written = try job.write([journalPath], base, to: files)
    let permuted = try command.pairs.permutations.map {
      try permute(TransPermutations(job.scan, permutations: $0))
    }
    var manifest = Manifest(
      job, written,
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs)
    if let permuted {
      manifest.permutations = permuted
      manifest.outputs.append(permutationsPath)
    }
    try manifest.write(to: files, out)
    try files.commit()
    progress.report(written)
  }

  /// The lead pair of each phenotype, and what permutations make of it.
  private func permute(_ permutations: TransPermutations) throws -> Manifest.Permutations {
    let writer = try files.open(permutationsPath, compression: command.resources.compression)
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
