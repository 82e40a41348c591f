import SwiftQTL

/// One run of `swiftqtl cis permute`: files in, a journal, tables out.
struct PermuteRun {
  let command: CisPermuteCommand
  let progress: Progress
  let job: PermuteJob
  let files = OutputTransaction()

  private var out: String { command.resources.out }
  private var journalPath: String { out + ".cis_permute.journal" }

  init(_ command: CisPermuteCommand) throws {
    self.command = command
    progress = Progress(quiet: command.resources.quiet)
    let study = try command.study(progress)
    job = try PermuteJob(
      command, study,
      effects: command.effect.columns(
        of: study, command.scanOptions(of: study), workers: command.resources.workers))
  }

  func execute() throws {
    let tables = PermuteTables(job: job, files: files)
    let run = JournalledRun(
      path: journalPath, units: PermuteJob.units, name: "cis permute",
      decomposition: command.mixed.decomposition(
        samples: job.study.sampleCount, command.resources.execution))
    try run.execute(
      resuming: command.resume, writing: [tables.path, tables.dropsPath],
      reading: command.files(of: job.study),
      files, progress
    ) { journal, inputs in
      let drops = try tables.openDrops()
      var job = job
      job.drop = { try drops.append($0) }
      let started = progress.elapsed
      let base = try job.run(into: journal, command.resources.execution, progress)
      let scanned = progress.elapsed
      progress.finish()
      let written = try tables.write([journalPath], base, drops)
      let manifest = Manifest(
        job, written,
        seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs)
      try manifest.write(to: files, out)
      try files.commit()
      progress.report(written)
    }
  }
}
