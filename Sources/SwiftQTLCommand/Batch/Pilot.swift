import FoundationEssentials
import Glibc
import SwiftQTL

/// Measures what a plan's shards will take: a process of its own does what a shard does with some blocks or genes from the middle.
struct Pilot {
  let scan: any JournalledScan
  let plan: Plan
  let execution: Execution
  let progress: Progress

  private struct Result: Codable {
    var secondsPreparing: Double
    var secondsPerBlock: Double
    var bytesPerBlock: Double
    var memoryBytes: Int
  }

  /// Seconds that the measured blocks should take at least.
  private static let enough = 2.0

  func run(writingTo path: String) throws {
    let loaded = progress.elapsed
    let workers = execution.workers
    var count = min(workers, plan.blocks)
    let (first, _) = try run(count)
    var (seconds, bytes, more) = (0.0, 0, 0)
    // The second scan has `more` blocks more than the first.
    while count + more < plan.blocks, seconds < Self.enough {
      more = min(plan.blocks - count, max(4 * workers, 4 * more))
      let (total, written) = try run(count + more)
      (seconds, bytes) = (total - first, written)
    }
    let (cost, all) = (scan.cost(of: middle(count)), scan.cost(of: middle(count + more)))
    var perCost = more > 0 ? max(seconds, 1e-6) / (all - cost) : first / cost
    perCost = min(perCost, first / cost)
    count += more
    let result = Result(
      secondsPreparing: loaded + max(0, first - perCost * cost),
      secondsPerBlock: perCost * scan.cost(of: 0..<plan.blocks) / Double(plan.blocks),
      bytesPerBlock: Double(bytes) / Double(count), memoryBytes: Machine.peakResident())
    let writer = try TableWriter(path: path, compression: .none)
    try writer.append(bytes: Manifest.json(result))
    try writer.commit()
  }

  /// - Returns: seconds, and the bytes that a shard would write.
  private func run(_ count: Int) throws -> (Double, Int) {
    let written = ByteCount()
    let before = progress.elapsed
    _ = try scan.run(middle(count), execution) { written.add($0.head.count + $0.body.count) }
    return (progress.elapsed - before, written.value)
  }

  private func middle(_ count: Int) -> Range<Int> {
    let start = (plan.blocks - count) / 2
    return start..<start + count
  }

  static func measure(
    planPath: String, _ plan: Plan, multiplications: Double, machine: MachineOptions
  ) throws -> Plan.Estimate {
    let path = planPath + ".pilot"
    defer { unlink(path) }
    var words = ["swiftqtl", "run", "--plan", planPath, "--pilot", path, "--quiet"]
    words += ["--threads", "\(machine.workers)"]
    if let memory = machine.memory { words += ["--memory", "\(memory.bytes)"] }
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process = pid_t()
    var status: Int32 = 0
    let code = posix_spawn(&process, "/proc/self/exe", nil, nil, &arguments, environ)
    guard code == 0, waitpid(process, &status, 0) == process, status == 0,
      let result = try? JSONDecoder().decode(Result.self, from: Data(try LocalFile.contents(path)))
    else {
      throw StudyError(
        .environment, file: planPath, "what was to be measured could not be scanned",
        remedy: "see the message above; the plan is complete but for its estimate")
    }
    let shards = Double(plan.shards.count)
    let blocks = Double(plan.blocks)
    return Plan.Estimate(
      threads: machine.workers,
      multiplications: multiplications,
      secondsPreparing: result.secondsPreparing, secondsPerBlock: result.secondsPerBlock,
      secondsPerShard: result.secondsPreparing + result.secondsPerBlock * (blocks / shards).rounded(.up),
      secondsTotal: result.secondsPreparing * shards + result.secondsPerBlock * blocks,
      memoryBytes: result.memoryBytes, outputBytes: Int(result.bytesPerBlock * blocks))
  }
}

/// Calls come one at a time.
private final class ByteCount: @unchecked Sendable {
  private(set) var value = 0
  func add(_ count: Int) { value += count }
}
