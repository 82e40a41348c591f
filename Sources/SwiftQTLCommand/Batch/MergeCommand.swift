import ArgumentParser
import SwiftQTL

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put the shards of a plan together.",
    discussion: """
      Writes what the planned command writes, the same bytes; q is over the tests of all shards. Refuses when a shard is missing, damaged \
      or of another plan, and names it. The shards stay.

      EXAMPLES
        swiftqtl merge --plan study.plan.json
      """)

  @OptionGroup var file: PlanOption

  @Option(help: ArgumentHelp("Prefix of all output files (default: that of the plan).", valueName: "prefix"))
  var out: String?

  @Flag(help: "No messages on standard error.")
  var quiet = false

  func validate() throws { if let out { try RunOptions.validate(prefix: out) } }

  func run() throws {
    let progress = Progress(quiet: quiet)
    let out = out.map(PlanFile.absolute)
    let file = try PlanFile(path: file.plan)
    let plan = file.plan
    let missing = plan.shards.indices.filter { !LocalFile.exists(file.shardPath($0)) }
    guard missing.isEmpty else {
      throw StudyError(
        .inconsistent, file: file.path,
        "\(missing.count) of \(plan.shards.count) shards are missing (\(Self.list(missing)))",
        remedy: "run them with swiftqtl run --shard; swiftqtl status tells which are running")
    }
    for index in plan.shards.indices { try file.verify(index) }
    var command = try file.command()
    if let out { command.resources.out = out }
    let (scan, base) = try PlannedStudy.outline(file, command)
    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let started = progress.elapsed
    let written = try scan.write(plan.shards.indices.map(file.shardPath), base, to: files)
    var manifest = Manifest(
      scan, written, seconds: ["merge": progress.elapsed - started, "total": progress.elapsed],
      inputs: plan.inputs.map { Manifest.Input(path: $0.path, bytes: $0.bytes, xxh3: $0.xxh3) })
    manifest.plan = Manifest.PlanReport(id: plan.id, shards: plan.shards.count, arguments: plan.arguments)
    try manifest.write(to: files, command.resources.out)
    try files.commit()
    progress.report(written)
  }

  /// The first few.
  static func list(_ numbers: [Int]) -> String {
    numbers.prefix(8).map(String.init).joined(separator: ", ") + (numbers.count > 8 ? ", …" : "")
  }
}
