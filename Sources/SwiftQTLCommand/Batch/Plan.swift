import ArgumentParser
import FoundationEssentials
import Glibc
import SwiftQTL

/// A scan that is divided into shards, as `swiftqtl plan` writes it: JSON.
struct Plan: Codable {
  struct Input: Codable {
    var path: String
    var bytes: Int
    /// Nanoseconds since 1970: a file that keeps size and time is not read again to see whether it changed.
    var modified: Int
    /// XXH3-128, as `xxhsum -H2` prints it.
    var xxh3: String
  }

  /// Blocks of variants or genes, from 0.
  struct Shard: Codable {
    var first: Int
    var end: Int
  }

  /// What the scan takes on a machine like that of the plan: measured by a few blocks in a process of its own.
  struct Estimate: Codable {
    var threads: Int
    /// Pairs × samples, and × permutations.
    var multiplications: Double
    /// Until a shard's first block or gene.
    var secondsPreparing: Double
    var secondsPerBlock: Double
    var secondsPerShard: Double
    /// Of all shards, one after the other.
    var secondsTotal: Double
    /// Of a shard, resident at its peak.
    var memoryBytes: Int
    /// Of all shards.
    var outputBytes: Int
  }

  var schema = 1
  var id = ""
  var version = swiftQTLVersion
  /// ``PlannedCommand/planName``.
  var command: String
  /// Of the command.
  var arguments: [String]
  /// Where relative paths start.
  var directory: String
  /// Results are the same bytes for one set of BLAS kernels.
  var blasCore: String
  /// How pairs are screened on the machine of the plan; no result depends on it.
  var backend: String
  var inputs: [Input]
  /// Checksum of the analysed samples' list.
  var sampleList: String
  var samples: Int
  /// Nil where they are not counted before they are read.
  var variants: Int?
  var phenotypes: Int
  /// Variants of a block before any selection; 1 where blocks are genes.
  var blockSize: Int
  var blocks: Int
  var shards: [Shard]
  /// The prepared study, beside the plan.
  var study: Input
  var estimate: Estimate?

  /// Of everything that decides on results and shards.
  func computedID() throws -> String {
    var plan = self
    plan.id = ""
    plan.estimate = nil
    plan.backend = ""
    // The same plan made twice is the same plan.
    plan.study.modified = 0
    for k in plan.inputs.indices { plan.inputs[k].modified = 0 }
    return Checksum.xxh3(of: try Manifest.json(plan))
  }

  /// Blocks shared out by what they cost, at least one to a shard.
  static func shards(_ count: Int, blocks: Int, cost: (Int) -> Double) -> [Shard] {
    let total = (0..<blocks).reduce(0) { $0 + cost($1) }
    var shards: [Shard] = []
    var (end, sum) = (0, 0.0)
    for k in 1...count {
      let first = end
      let (least, most) = (first + 1, blocks - (count - k))
      while end < most, end < least || k == count || sum + cost(end) <= total * Double(k) / Double(count) {
        sum += cost(end)
        end += 1
      }
      shards.append(Shard(first: first, end: end))
    }
    return shards
  }
}

/// A plan and the files beside it.
struct PlanFile {
  /// Absolute.
  let path: String
  private(set) var plan: Plan

  init(path: String, plan: Plan) {
    self.path = path
    self.plan = plan
  }

  /// Reads a plan and goes to the directory it was made in.
  ///
  /// - Throws: ``StudyError``: `environment`, `malformed` when it is no plan or was changed, `inconsistent` when another version made it.
  init(path: String) throws {
    let absolute = Self.absolute(path)
    self.path = absolute
    let text = try LocalFile.contents(path)
    let decoder = JSONDecoder()
    // The version first: other versions may have other keys.
    struct Start: Codable { var schema: Int, version: String }
    guard let start = try? decoder.decode(Start.self, from: Data(text)) else {
      throw StudyError(
        .malformed, file: path, "not a plan", remedy: "give the file that swiftqtl plan wrote")
    }
    guard start.version == swiftQTLVersion else {
      throw StudyError(
        .inconsistent, file: path,
        "the plan was made by swiftqtl \(start.version), this is \(swiftQTLVersion): shards of both would not fit together",
        remedy: "run that version, or make the plan anew")
    }
    guard let plan = try? decoder.decode(Plan.self, from: Data(text)), try plan.computedID() == plan.id else {
      throw StudyError(
        .malformed, file: path, "the plan was changed after it was made", remedy: "make the plan anew")
    }
    self.plan = plan
    guard chdir(plan.directory) == 0 else {
      throw StudyError(
        .environment, file: plan.directory,
        "the directory of the plan cannot be entered: \(String(cString: strerror(errno)))",
        remedy: "make it reachable under this name on every machine, or make the plan anew")
    }
  }

  static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : workingDirectory + "/" + path
  }

  static var workingDirectory: String {
    guard let name = getcwd(nil, 0) else { return "." }
    defer { free(name) }
    return String(cString: name)
  }

  private var stem: String { path.hasSuffix(".json") ? String(path.dropLast(5)) : path }
  var studyPath: String { stem + ".study" }
  func shardPath(_ index: Int) -> String { "\(stem).shard-\(index)" }
  func journalPath(_ index: Int) -> String { shardPath(index) + ".journal" }
  func identity(_ index: Int) -> String { "plan \(plan.id) shard \(index)" }

  func requireShard(_ index: Int) throws {
    guard plan.shards.indices.contains(index) else {
      throw StudyError(
        .inconsistent, file: path, "there is no shard \(index): the plan has 0 to \(plan.shards.count - 1)",
        remedy: "number shards from 0")
    }
  }

  /// Refuses inputs that are not those of the plan.
  ///
  /// - Parameter inputs: each of the plan's, or some.
  func requireUnchanged(_ inputs: [Plan.Input]) throws {
    for input in inputs {
      let (bytes, modified) = try LocalFile.state(of: input.path)
      if bytes == input.bytes, modified == input.modified { continue }
      guard bytes == input.bytes, try Checksum.xxh3(input.path) == input.xxh3 else {
        throw StudyError(
          .inconsistent, file: input.path, "the file is not the one that the plan was made for",
          remedy: "put that one back, or make the plan anew")
      }
    }
  }

  /// The command that was planned.
  func command() throws -> any PlannedCommand {
    let known: [any PlannedCommand.Type] = [TransCommand.self, CisPermuteCommand.self]
    do {
      guard let type = known.first(where: { $0.planName == plan.command }) else { throw ExitCode.failure }
      return try type.parse(plan.arguments)
    } catch {
      throw StudyError(
        .malformed, file: path, "its arguments are not those of swiftqtl \(plan.command)",
        remedy: "make the plan anew")
    }
  }

  /// Blocks that a finished shard holds, after a look at all its heads.
  ///
  /// - Throws: ``StudyError``: `inconsistent` when it is of another plan or place, `malformed` when it is damaged or ends early.
  func verify(_ index: Int) throws {
    let path = shardPath(index)
    var records = try JournalRecords(path: path)
    guard records.identity == identity(index) else {
      let isOwn = records.identity.hasPrefix("plan \(plan.id) ")
      let name = records.identity.split(separator: " ").last ?? ""
      throw StudyError(
        .inconsistent, file: path,
        isOwn
          ? "this is shard \(name) of the plan under the name of shard \(index)"
          : "the shard is of another plan",
        remedy: "remove it and run shard \(index) of this plan")
    }
    var count = 0
    while case .record(let record) = try records.next() {
      if record.kind == .end {
        guard count == plan.shards[index].end - plan.shards[index].first else { break }
        return
      }
      count += 1
    }
    throw StudyError.damagedJournal(path)
  }
}
