import ArgumentParser
import FoundationEssentials
import Glibc
import SwiftQTL

struct RehearseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rehearse",
    abstract: "Play a planned run on a cluster through, to choose the number of shards and retries.",
    discussion: """
      Simulates jobs, queue, nodes and failures, and prints for each number of shards what to expect (times in hours; NA where no run was complete): median and 95th percentile of the time from submission to the last shard, of complete runs; mean node-hours that jobs used, and what of it was wasted (work that was lost, preparations of starts that died, shards that were given up); the retries that no shard exceeded in 95 % of complete runs; the share of runs in which every shard finished.

      EXAMPLES
        swiftqtl rehearse --plan study.plan.json --nodes 50 --queue 20 \\
          --time-limit 4 --node-failure 0.001

        The same without journals, of a scan that takes 2000 hours on one node:
          swiftqtl rehearse --seconds 7.2e6 --preparation 60 --nodes 50 \\
            --queue 20 --time-limit 4 --node-failure 0.001 --no-checkpoint
      """)

  @OptionGroup(title: "The run") var work: WorkOptions
  @OptionGroup(title: "The cluster") var cluster: ClusterOptions

  @Option(help: ArgumentHelp("Starts of a shard after its first.", valueName: "n")) var retries = 3
  @Flag(help: "A shard that died begins anew: without its journal, what checkpoints save.")
  var noCheckpoint = false
  @Option(help: ArgumentHelp("Simulated runs of each number of shards.", valueName: "n")) var repeats = 500
  @Option(help: ArgumentHelp("Seed of everything random.", valueName: "n")) var seed: UInt64 = 1

  func validate() throws {
    guard (0...100).contains(retries) else { throw ValidationError("--retries must lie between 0 and 100.") }
    guard (1...100_000).contains(repeats) else {
      throw ValidationError("--repeats must lie between 1 and 100000.")
    }
  }

  func run() throws {
    let (seconds, preparation) = try work.estimate()
    var rehearsal = ClusterRehearsal(workSeconds: seconds)
    rehearsal.preparationSeconds = preparation
    cluster.describe(&rehearsal)
    rehearsal.retries = retries
    rehearsal.journalSeconds =
      noCheckpoint ? nil : seconds * min(1, Double(WorkOptions.journalBlock) / Double(work.variants))
    rehearsal.seed = seed

    print(
      """
      # \(Self.hours(seconds)) h of work, \(Int(preparation.rounded())) s to prepare each start, \
      \(cluster.nodes) nodes, \(retries) retries, \(repeats) runs, seed \(seed)
      # assumed: shards of equal work, submitted at once; a job has a node of its own; queue waits and failures are \
      independent, idle nodes do not fail; a shard that died waits in the queue again and \
      \(noCheckpoint ? "begins anew" : "goes on from the last \(WorkOptions.journalBlock) variants in its journal")
      shards\thours_median\thours_95\tnode_hours\tnode_hours_wasted\tretries_95\tcomplete
      """)
    let summaries = Set(work.shards).sorted().map { shards in
      let summary = rehearsal.summary(shards: shards, repeats: repeats)
      print(Self.row(summary))
      return summary
    }
    print("# " + Self.advice(summaries))
  }

  private static func row(_ summary: ClusterRehearsal.Summary) -> String {
    [
      "\(summary.shards)", hours(summary.medianMakespan), hours(summary.upperMakespan),
      hours(summary.usedNodeSeconds), hours(summary.wastedNodeSeconds),
      summary.upperRetries.map { "\($0)" } ?? "NA", decimal(summary.completeShare),
    ].joined(separator: "\t")
  }

  private static func advice(_ summaries: [ClusterRehearsal.Summary]) -> String {
    guard let best = ClusterRehearsal.best(of: summaries) else {
      return "best: none; no number of shards completes 95 % of runs: try more shards or more --retries"
    }
    return
      "best: \(best.shards) shards: 95 % of complete runs within \(hours(best.upperMakespan)) h, "
      + "\(hours(best.usedNodeSeconds)) node-hours (the least within 2 % of the soonest; 95 % of runs complete)"
  }

  private static func hours(_ seconds: Double) -> String { decimal(seconds / 3600) }

  /// With three decimals.
  private static func decimal(_ x: Double) -> String {
    guard !x.isNaN else { return "NA" }
    guard x < 1e15 else { return "\(x)" }
    let thousandths = Int((x * 1000).rounded())
    return "\(thousandths / 1000)." + String(thousandths % 1000 + 1000).dropFirst()
  }
}

/// How much is to be done.
struct WorkOptions: ParsableArguments {
  /// Variants between two entries of a journal.
  static let journalBlock = 512

  @Option(help: ArgumentHelp("Work of the whole run on one node.", valueName: "seconds"))
  var seconds: Double?

  @Option(
    help: ArgumentHelp(
      "JSON with estimate.secondsTotal and estimate.secondsPreparing, in place of --seconds and --preparation.",
      valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("What each start takes before it works (default: 0).", valueName: "seconds"))
  var preparation: Double?

  @Option(help: ArgumentHelp("Variants of the run: a journal has an entry for 512.", valueName: "n"))
  var variants = 10_000_000

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Numbers of shards to compare.", valueName: "n"))
  var shards = [10, 30, 100, 300, 1000, 3000]

  func validate() throws {
    guard (seconds == nil) != (plan == nil) else { throw ValidationError("Give either --seconds or --plan.") }
    if let seconds, !(seconds > 0 && seconds <= 1e12) {
      throw ValidationError("--seconds must be above 0 and at most 1e12.")
    }
    if let preparation, !(0...1e9).contains(preparation) {
      throw ValidationError("--preparation must lie between 0 and 1e9 seconds.")
    }
    guard variants > 0 else { throw ValidationError("--variants must be at least 1.") }
    guard !shards.isEmpty, shards.allSatisfy((1...1_000_000).contains) else {
      throw ValidationError("--shards must lie between 1 and 1000000.")
    }
  }

  /// Of the work and of a preparation.
  func estimate() throws(StudyError) -> (Double, Double) {
    guard let plan else { return (seconds ?? .nan, preparation ?? 0) }
    guard let text = FileManager.default.contents(atPath: plan) else {
      // What may be read but cannot is a directory.
      let code = access(plan, R_OK) == 0 ? EISDIR : errno
      throw StudyError(
        .environment, file: plan, "cannot be read: \(String(cString: strerror(code)))",
        remedy: "check the path and its permissions")
    }
    guard let estimate = try? JSONDecoder().decode(Plan.self, from: text).estimate,
      estimate.secondsTotal > 0, estimate.secondsTotal <= 1e12,
      (0...1e9).contains(estimate.secondsPreparing ?? 0)
    else {
      throw StudyError(
        .malformed, file: plan, "has no estimate.secondsTotal above 0",
        remedy: "make the plan again, or give --seconds and --preparation")
    }
    return (estimate.secondsTotal, preparation ?? estimate.secondsPreparing ?? 0)
  }

  /// What is read of a plan.
  private struct Plan: Decodable {
    struct Estimate: Decodable {
      var secondsTotal: Double
      var secondsPreparing: Double?
    }
    var estimate: Estimate
  }
}

/// What it is to be done on.
struct ClusterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Nodes: jobs that run at the same time.", valueName: "n")) var nodes: Int
  @Option(help: ArgumentHelp("Mean wait of a job in the queue.", valueName: "minutes")) var queue = 0.0
  @Option(help: ArgumentHelp("When a job is killed (default: never).", valueName: "hours"))
  var timeLimit: Double?
  @Option(help: ArgumentHelp("Failures of a node per hour that it runs.", valueName: "rate"))
  var nodeFailure = 0.0
  @Option(help: ArgumentHelp("How long a failed node is out.", valueName: "minutes")) var repair = 60.0
  @Option(help: ArgumentHelp("Share of starts that die by themselves.", valueName: "share"))
  var jobFailure = 0.0
  @Option(help: ArgumentHelp("Share of starts that run slowly.", valueName: "share")) var stragglers = 0.0
  @Option(help: ArgumentHelp("How many times longer a slow start takes.", valueName: "factor"))
  var stragglerFactor = 3.0
  @Option(
    help: ArgumentHelp("Standard deviation of the logarithm of a start's duration.", valueName: "sigma"))
  var noise = 0.1

  func validate() throws {
    guard (1...1_000_000).contains(nodes) else {
      throw ValidationError("--nodes must lie between 1 and 1000000.")
    }
    for (name, minutes) in [("queue", queue), ("repair", repair)] where !(0...1e7).contains(minutes) {
      throw ValidationError("--\(name) must lie between 0 and 1e7 minutes.")
    }
    if let timeLimit, !(timeLimit > 0) { throw ValidationError("--time-limit must be above 0.") }
    guard (0...1e6).contains(nodeFailure) else {
      throw ValidationError("--node-failure must lie between 0 and 1e6 per hour.")
    }
    for (name, share) in [("job-failure", jobFailure), ("stragglers", stragglers)]
    where !(0...1).contains(share) {
      throw ValidationError("--\(name) must lie between 0 and 1.")
    }
    guard (1...1000).contains(stragglerFactor) else {
      throw ValidationError("--straggler-factor must lie between 1 and 1000.")
    }
    guard (0...2).contains(noise) else { throw ValidationError("--noise must lie between 0 and 2.") }
  }

  func describe(_ rehearsal: inout ClusterRehearsal) {
    rehearsal.nodes = nodes
    rehearsal.queueSeconds = 60 * queue
    rehearsal.timeLimit = timeLimit.map { 3600 * $0 } ?? .infinity
    rehearsal.nodeFailureRate = nodeFailure / 3600
    rehearsal.repairSeconds = 60 * repair
    rehearsal.jobFailure = jobFailure
    rehearsal.stragglerShare = stragglers
    rehearsal.stragglerFactor = stragglerFactor
    rehearsal.noise = noise
  }
}
