import ArgumentParser
import FoundationEssentials
import Glibc
import SwiftQTL

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "What is done of a plan, what is running, and how long it will take.",
    discussion: """
      EXAMPLES
        swiftqtl status --plan study.plan.json
      """)

  @OptionGroup var file: PlanOption

  @Flag(help: "As JSON, with the numbers of all shards.")
  var json = false

  /// Numbers of shards.
  private struct Report: Encodable {
    var shards: Int
    var done: [Int] = []
    /// A process has the journal open.
    var running: [Int] = []
    /// There is a journal, but no process.
    var interrupted: [Int] = []
    var missing: [Int] = []
    /// Or genes.
    var blocks: Int
    var blocksDone = 0
    /// By the plan's estimate, if as many run on as are running now (one, if none is).
    var secondsLeft: Double?
  }

  func run() throws {
    let file = try PlanFile(path: file.plan)
    let plan = file.plan
    var report = Report(shards: plan.shards.count, blocks: plan.blocks)
    for (index, shard) in plan.shards.enumerated() {
      if LocalFile.exists(file.shardPath(index)) {
        report.done.append(index)
        report.blocksDone += shard.end - shard.first
        continue
      }
      guard LocalFile.exists(file.journalPath(index)) else {
        report.missing.append(index)
        continue
      }
      if Journal.isBeingWritten(file.journalPath(index)) {
        report.running.append(index)
      } else {
        report.interrupted.append(index)
      }
      report.blocksDone += (try? Self.blocks(in: file.journalPath(index))) ?? 0
    }
    if let estimate = plan.estimate {
      let starts = report.missing.count + report.interrupted.count
      let work =
        Double(plan.blocks - report.blocksDone) * estimate.secondsPerBlock
        + Double(starts) * estimate.secondsPreparing
      report.secondsLeft = work / Double(max(1, report.running.count))
    }
    let unit = plan.command == CisPermuteCommand.planName ? "genes" : "blocks"
    print(json ? String(decoding: try Manifest.json(report), as: UTF8.self) : Self.text(report, unit))
  }

  private static func blocks(in path: String) throws -> Int {
    var records = try JournalRecords(path: path)
    var count = 0
    while case .record = try records.next() { count += 1 }
    return count
  }

  private static func text(_ report: Report, _ unit: String) -> String {
    var lines: [String] = []
    for (name, shards) in [
      ("done", report.done), ("running", report.running), ("interrupted", report.interrupted),
      ("missing", report.missing),
    ] {
      let which = name == "done" || shards.isEmpty ? "" : "\t\(MergeCommand.list(shards))"
      lines.append("\(name)\t\(shards.count)\(which)")
    }
    lines.append("\(unit)\t\(report.blocksDone) of \(report.blocks)")
    if let left = report.secondsLeft {
      lines.append("left\t\(Progress.duration(left)) with \(max(1, report.running.count)) running")
    }
    return lines.joined(separator: "\n")
  }
}
