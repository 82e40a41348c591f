import ArgumentParser
import FoundationEssentials
import Glibc
import SwiftQTL

/// The plan that a command is about.
struct PlanOption: ParsableArguments {
  @Option(help: ArgumentHelp("What swiftqtl plan wrote.", valueName: "file"))
  var plan: String
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run one shard of a plan.",
    discussion: """
      Writes PLAN.shard-i beside the plan when the shard is complete; PLAN.shard-i.journal holds its finished blocks or genes until then. A shard \
      that was ended goes on where it stopped; one that is done stays as it is.

      Exits with 65 when the inputs are not those of the plan, with 74 when the machine is at fault (disk, memory): only then does it make sense to \
      try again.

      EXAMPLES
        swiftqtl run --plan study.plan.json --shard 0
      """)

  @OptionGroup var file: PlanOption

  @Option(help: ArgumentHelp("Number of the shard, from 0.", valueName: "i"))
  var shard: Int?

  @OptionGroup(title: "Resources") var machine: MachineOptions

  @Option(help: .hidden)
  var pilot: String?

  func validate() throws {
    guard (shard == nil) != (pilot == nil) else { throw ValidationError("--shard is required.") }
    if let shard, shard < 0 { throw ValidationError("--shard must not be negative.") }
  }

  func run() throws {
    let progress = Progress(quiet: machine.quiet)
    let file = try PlanFile(path: file.plan)
    try Self.pinCore(file.plan)
    let plan = file.plan
    try shard.map(file.requireShard)
    if let shard, LocalFile.exists(file.shardPath(shard)) {
      try file.verify(shard)
      progress.note("shard \(shard) is done already: \(file.shardPath(shard))")
      return
    }
    var study = plan.study
    study.path = file.studyPath
    try file.requireUnchanged(plan.inputs + [study])
    let command = try file.command()
    let execution = machine.execution(backend: command.resources.backend)
    let scan = try PlannedStudy.scan(file, command)
    guard let shard else {
      try Pilot(scan: scan, plan: plan, execution: execution, progress: progress).run(writingTo: pilot ?? "")
      return
    }
    let journal = try Journal.resume(
      file.journalPath(shard), identity: file.identity(shard),
      remedy: "remove it, or run the plan that it belongs to")
    let own = plan.shards[shard]
    _ = try scan.run(own.first..<own.end, into: journal, execution, progress)
    progress.finish()
    try journal.finish(publishedAs: file.shardPath(shard))
    progress.note("shard \(shard) done in \(Progress.duration(progress.elapsed)): \(file.shardPath(shard))")
  }

  /// Starts the program anew with the BLAS kernels of the plan where this machine would choose others: bits depend on them.
  private static func pinCore(_ plan: Plan) throws {
    guard BLAS.coreName != plan.blasCore else { return }
    let marker = "SWIFTQTL_PINNED_CORE"
    guard getenv(marker) == nil, Machine.canRun(blasCore: plan.blasCore) else {
      throw StudyError(
        .inconsistent,
        "the plan was made with BLAS kernels for \(plan.blasCore), this machine has those for \(BLAS.coreName) only",
        remedy: "make the plan with OPENBLAS_CORETYPE set to a core that all machines have, such as Haswell")
    }
    setenv("OPENBLAS_CORETYPE", plan.blasCore, 1)
    setenv(marker, "1", 1)
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
    throw StudyError(
      .environment, "the program cannot start itself anew: \(String(cString: strerror(errno)))",
      remedy: "set OPENBLAS_CORETYPE=\(plan.blasCore)")
  }
}
