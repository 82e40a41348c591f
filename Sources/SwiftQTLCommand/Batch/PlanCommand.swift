import ArgumentParser
import Glibc
import SwiftQTL

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Divide a scan into shards that a cluster runs (swiftqtl run, merge, status).",
    subcommands: [PlanTransCommand.self, PlanCisPermuteCommand.self])
}

/// How a scan is divided.
struct ShardOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Number of shards.", valueName: "n"))
  var shards: Int?

  @Option(
    help: ArgumentHelp(
      "At most so many to a shard instead: variants, rounded up to whole blocks, or genes.", valueName: "n"))
  var shardSize: Int?

  @Option(
    help: ArgumentHelp("The plan's file (default: OUT.plan.json); shards go beside it.", valueName: "file"))
  var plan: String?

  func validate() throws {
    guard (shards == nil) != (shardSize == nil) else {
      throw ValidationError("Give either --shards or --shard-size.")
    }
    guard shards ?? 1 > 0 else { throw ValidationError("--shards must be at least 1.") }
    guard shardSize ?? 1 > 0 else { throw ValidationError("--shard-size must be at least 1.") }
  }

  func shares(of divided: DividedScan) -> [Plan.Shard] {
    let (scan, units) = (divided.scan, divided.units)
    if let shardSize {
      return Plan.shards(min(units, (units * divided.unitSize - 1) / shardSize + 1), blocks: units) { _ in 1 }
    }
    return Plan.shards(min(units, shards ?? 1), blocks: units) { scan.cost(of: $0..<$0 + 1) }
  }

  static let names = ["--shards", "--shard-size", "--plan"]
}

struct PlanTransCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trans",
    abstract: "Plan a scan of all variants against all phenotypes.",
    discussion: """
      Takes the options of swiftqtl trans. Writes OUT.plan.json (options, inputs with checksums, the shards, and the time, memory and \
      disk space they take, measured here by a few blocks of variants) and OUT.plan.study (samples, residualised phenotypes and, with \
      --grm, the decomposition), which the shards read.

      Then, in any order and on any machine that sees these files, for each shard from 0 on:
        swiftqtl run --plan OUT.plan.json --shard 0
      and when all are done:
        swiftqtl merge --plan OUT.plan.json
      which writes the same bytes as swiftqtl trans without a plan. A shard that dies goes on where it stopped when it is run again.

      EXAMPLES
        swiftqtl plan trans --genotypes study --phenotypes expression.bed.gz \\
          --covariates pcs.tsv --shards 100 --out study
      """)

  @OptionGroup var scan: TransCommand
  @OptionGroup(title: "Shards") var shards: ShardOptions

  func validate() throws {
    let refused = [
      (scan.resume, "--resume"), (scan.mixed.loco, "--loco"), (scan.mixed.lmmExact, "--lmm-exact"),
      (scan.pairs.permutations != nil, "--permutations"),
      (scan.interactions.interaction != nil, "--interaction"),
    ]
    if let name = refused.first(where: \.0)?.1 { throw ValidationError("\(name) is not for plans.") }
  }

  func run() throws { try PlanMaker(command: scan, shards: shards).run() }
}

struct PlanCisPermuteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cis-permute",
    abstract: "Plan permutations of each gene.",
    discussion: """
      Takes the options of swiftqtl cis permute. Shards are runs of genes along the genome that test about equally many variants; each \
      reads those between the first and the last base of its genes' windows. The plan reads all variants once, to count those of each \
      window and to list those that are left out. Otherwise as swiftqtl plan trans: run each shard with swiftqtl run, then put them \
      together with swiftqtl merge, which writes the same bytes as swiftqtl cis permute without a plan.

      EXAMPLES
        swiftqtl plan cis-permute --genotypes chr1-22 \\
          --phenotypes expression.bed.gz --covariates covariates.tsv \\
          --shards 100 --out study
      """)

  @OptionGroup var scan: CisPermuteCommand
  @OptionGroup(title: "Shards") var shards: ShardOptions

  func validate() throws {
    if scan.resume { throw ValidationError("--resume is not for plans.") }
  }

  func run() throws { try PlanMaker(command: scan, shards: shards).run() }
}

/// Makes a plan and what lies beside it.
private struct PlanMaker {
  let command: any PlannedCommand
  let shards: ShardOptions

  func run() throws {
    let run = command.resources
    let progress = Progress(quiet: run.quiet)
    let path = PlanFile.absolute(shards.plan ?? run.out + ".plan.json")
    let study = try command.study(progress)
    let inputs = try Self.inputs(command.files(of: study))
    let options = try command.scanOptions(of: study)
    let prepared = try PreparedScan(study, options, workers: run.workers)
    let effects = try command.effect.columns(of: study, options, workers: run.workers)
    let divided = try command.divide(study, effects: effects, prepared, progress)
    let base = try divided.scan.run(0..<0, run.execution) { _ in }

    var plan = Plan(
      command: type(of: command).planName,
      arguments: Arguments(CommandLine.arguments.dropFirst(3)).without(options: ShardOptions.names),
      directory: PlanFile.workingDirectory, blasCore: BLAS.coreName, backend: base.backend, inputs: inputs,
      sampleList: Checksum.xxh3(of: Array(study.sampleIDs.map { $0 + "\n" }.joined().utf8)),
      samples: study.sampleCount, variants: study.genotypes.variantCount, phenotypes: study.features.count,
      blockSize: divided.unitSize, blocks: divided.units, shards: shards.shares(of: divided),
      study: Plan.Input(path: "", bytes: 0, modified: 0, xxh3: ""))
    let file = PlanFile(path: path, plan: plan)
    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let studyFile = try files.open(file.studyPath, compression: .none)
    try ArchiveFile.write(
      PlannedStudy.sections(study, prepared, effects, base, divided.sections), to: studyFile)
    try files.commit()
    plan.study = try Self.inputs([file.studyPath])[0]
    plan.id = try plan.computedID()
    try Self.write(plan, to: path)
    progress.note(
      "\(plan.shards.count) shards of \(plan.blocks) \(type(of: divided.scan).units) planned; measuring a few"
    )
    plan.estimate = try Pilot.measure(
      planPath: path, plan, multiplications: divided.multiplications, machine: run.machine)
    try Self.write(plan, to: path)
    if let estimate = plan.estimate {
      progress.note(
        "about \(Progress.duration(estimate.secondsPerShard)) and \(estimate.memoryBytes >> 20) MiB a shard with "
          + "\(estimate.threads) threads like these, \(Progress.duration(estimate.secondsTotal)) in all; "
          + "\(max(1, estimate.outputBytes >> 20)) MiB of shards")
    }
    progress.note("written to \(path)")
  }

  private static func write(_ plan: Plan, to path: String) throws {
    let writer = try TableWriter(path: path, compression: .none)
    try writer.append(bytes: Manifest.json(plan))
    try writer.commit()
  }

  /// - Throws: ``StudyError`` `inconsistent` for what cannot be read twice.
  private static func inputs(_ paths: [String]) throws -> [Plan.Input] {
    try Manifest.inputs(paths).map { input in
      guard !input.xxh3.isEmpty else {
        throw StudyError(
          .inconsistent, file: input.path, "a plan takes files that can be read again",
          remedy: "give a regular file")
      }
      let (bytes, modified) = try LocalFile.state(of: input.path)
      return Plan.Input(path: input.path, bytes: bytes, modified: modified, xxh3: input.xxh3)
    }
  }
}
