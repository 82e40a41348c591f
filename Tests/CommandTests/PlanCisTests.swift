import Foundation
import SwiftQTL
import Testing

/// Permutations of genes in journals and shards.
@Suite struct PlanCisTests {
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    var study = SmallStudy(samples: 60, variants: 1_200, genes: 14, covariates: 2, missing: 0.02)
    // The second chromosome comes first, one gene has no variant near it, one lies where there are none at all.
    let half = study.sites.count / 2
    study.sites = Array(study.sites[half...] + study.sites[..<half])
    study.dosages = Array(study.dosages[half...] + study.dosages[..<half])
    study.genes[2].start += 500_000_000
    study.genes[2].end += 500_000_000
    study.genes[9].chromosome = "11"
    try study.write(to: folder)
    try folder.file(study.genes[3..<6].map { "\($0.id)\tcluster\n" }.joined(), "groups.tsv")
    let n = study.samples.count
    let rows = (0..<n).map { (a: Int) -> String in
      let cells: [String] = (0..<n).map { a == $0 ? "1" : a / 3 == $0 / 3 ? "0.5" : "0" }
      return ([study.samples[a]] + cells).joined(separator: "\t") + "\n"
    }
    try folder.file("id\t\(study.samples.joined(separator: "\t"))\n\(rows.joined())", "k.txt")
    inputs = BadInput.inputs(folder) + ["--permutations", "150", "--window", "200000", "--maf", "0.25"]
  }

  private func options(_ options: [String]) -> [String] {
    inputs + options.map { ["K": "k.txt", "GROUPS": "groups.tsv"][$0].map(folder.path) ?? $0 }
  }

  /// A run of all genes, as `OUT/r`.
  private func whole(_ own: [String] = [], in name: String = "whole") throws {
    try Program.run(["cis", "permute", "--out", try folder.subfolder(name) + "/r"] + options(own))
      .expectSuccess()
  }

  private func plan(_ own: [String] = [], shards: Int = 3, in name: String = "parts") throws {
    try Program.run(
      ["plan", "cis-permute", "--shards", "\(shards)", "--out", try folder.subfolder(name) + "/r"]
        + options(own)
    ).expectSuccess()
  }

  private func run(_ shard: Int, in name: String = "parts") throws -> Program.Result {
    try Program.run(
      ["run", "--plan", folder.path(name + "/r.plan.json"), "--shard", "\(shard)", "--threads"]
        + ["\(1 + shard % 3)"])
  }

  private func merge(_ name: String = "parts") throws -> Program.Result {
    try Program.run(["merge", "--plan", folder.path(name + "/r.plan.json")])
  }

  private func json(_ path: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: folder.data(path)) as? [String: Any])
  }

  /// Tables are the same bytes (that of the drops uncompressed), and so are counts.
  private func expectSame(_ a: String, _ b: String, sourceLocation: SourceLocation = #_sourceLocation) throws
  {
    let tables = try folder.contents(a).filter { $0.hasSuffix(".gz") }
    #expect(tables.count >= 2, sourceLocation: sourceLocation)
    for name in tables where name != "r.drops.tsv.gz" {
      let same = try folder.data("\(a)/\(name)") == folder.data("\(b)/\(name)")
      #expect(same, "\(name)", sourceLocation: sourceLocation)
    }
    let drops = try [a, b].map { try Gzip.text(folder.path($0 + "/r.drops.tsv.gz")) }
    #expect(drops[0] == drops[1], sourceLocation: sourceLocation)
    let manifests = try [a, b].map { try json($0 + "/r.manifest.json") }
    for key in ["counts", "drops", "genes", "alignment"] {
      let values = manifests.map { $0[key] as? NSObject }
      #expect(values[0] != nil && values[0] == values[1], "\(key)", sourceLocation: sourceLocation)
    }
  }

  @Test(
    arguments: [
      ([], 1), ([], 3), ([], 7), (["--normal", "--permutations", "20-200"], 3),
      (["--phenotype-groups", "GROUPS", "--format", "tensorqtl"], 7),
      (["--grm", "K", "--max-patterns", "20"], 3), (["--effect-sizes", "--region", "2"], 3),
    ] as [([String], Int)])
  func identity(_ options: [String], _ shards: Int) throws {
    try whole(options)
    try plan(options, shards: shards)
    for index in (0..<shards).reversed() { try run(index).expectSuccess() }
    let merged = try merge()
    try merged.expectSuccess()
    #expect(merged.errors.contains("genes have q <= 0.05"))
    try expectSame("whole", "parts")
    #expect(try Table(gzip: folder.path("whole/r.cis_permute.tsv.gz")).rows.count > 5)
    let status = try Program.run(["status", "--plan", folder.path("parts/r.plan.json")])
    #expect(status.output.contains(#/\ngenes\t(\d+) of \1\n/#), "\(status.output)")
  }

  @Test func parquet() throws {
    let options = ["--out-format", "parquet"]
    try whole(options)
    try plan(options)
    for index in 0..<3 { try run(index).expectSuccess() }
    try merge().expectSuccess()
    let tables = try folder.contents("whole").filter { $0 != "r.manifest.json" }
    #expect(tables == ["r.cis_permute.parquet", "r.drops.parquet"])
    for name in tables { #expect(try folder.data("whole/\(name)") == folder.data("parts/\(name)")) }
    #expect(try json("parts/r.manifest.json")["drops"] as? NSObject != [:] as NSObject)
  }

  /// Shards are runs of genes that test about equally many variants, or at most so many genes.
  @Test func shares() throws {
    try plan(shards: 4)
    let plan = try json("parts/r.plan.json")
    #expect(plan["command"] as? String == "cis-permute" && plan["blocks"] as? Int == 14)
    let shards = try #require(plan["shards"] as? [[String: Int]])
    #expect(shards.count == 4 && shards[0]["first"] == 0 && shards[3]["end"] == 14)
    for (a, b) in zip(shards, shards.dropFirst()) { #expect(a["end"] == b["first"]) }
    try Program.run(
      ["plan", "cis-permute", "--shard-size", "5", "--out", try folder.subfolder("sizes") + "/r"] + inputs
    ).expectSuccess()
    let sizes = try #require(try json("sizes/r.plan.json")["shards"] as? [[String: Int]])
    #expect(sizes.count == 3)
    #expect(try sizes.allSatisfy { try (1...5) ~= #require($0["end"]) - #require($0["first"]) })
  }

  /// Starts the program with a pause after each gene and ends it when the journal has so many.
  private func interrupted(_ arguments: [String], journal: String, genes: Int, by signal: Int32) throws
    -> (process: Process, errors: String)
  {
    let errors = try folder.file("", "stderr")
    let process = Process()
    process.executableURL = URL(filePath: try #require(Program.path))
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFTQTL_TEST_BLOCK_DELAY_MS": "300"]) { $1 }
    process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
    try process.run()
    let deadline = Date.now + Program.timeLimit
    while try count(journal) < genes, process.isRunning, Date.now < deadline { usleep(1_000) }
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return (process, try String(contentsOfFile: errors, encoding: .utf8))
  }

  private func count(_ journal: String) throws -> Int {
    guard FileManager.default.fileExists(atPath: journal), var records = try? JournalRecords(path: journal)
    else { return 0 }
    var count = 0
    while case .record = try records.next() { count += 1 }
    return count
  }

  /// Killed with some genes done, then ended by a signal with more: the rest follows, and the tables are those of one run.
  @Test(arguments: [[], ["--grm", "K", "--max-patterns", "20"]]) func resumes(_ own: [String]) throws {
    try whole(own)
    let out = try folder.subfolder("died") + "/r"
    let journal = out + ".cis_permute.journal"
    let arguments = ["cis", "permute", "--out", out] + options(own)
    let killed = try interrupted(arguments, journal: journal, genes: 2, by: SIGKILL)
    #expect(killed.process.terminationReason == .uncaughtSignal)
    let first = try count(journal)
    #expect(first >= 2 && first < 14)
    let other = try Program.run(arguments + ["--resume", "--maf", "0.3"])
    #expect(other.status == 65 && other.errors.contains("other inputs, options or program"))
    let ended = try interrupted(
      arguments + ["--resume", "--threads", "1"], journal: journal, genes: first + 3, by: SIGTERM)
    #expect(ended.process.terminationStatus == 128 + SIGTERM)
    #expect(ended.errors.contains("\(journal) keeps the finished genes") && ended.errors.contains("--resume"))
    #expect(
      try folder.contents("died").filter { !$0.hasSuffix(".journal") && !$0.hasPrefix(".r.") } == [])
    let second = try count(journal)
    #expect(second >= first + 3 && second < 14)
    let result = try Program.run(arguments + ["--resume"])
    try result.expectSuccess()
    #expect(result.errors.contains("going on after \(second) genes"))
    try expectSame("whole", "died")
    #expect(try !folder.contents("died").contains("r.cis_permute.journal"))
  }

  /// What the user must change leaves no journal behind.
  @Test func dataErrors() throws {
    let out = try folder.subfolder("bad") + "/r"
    try folder.edit("g.bim") { text in
      var lines = text.split(separator: "\n")
      lines.swapAt(700, 900)
      return lines.joined(separator: "\n") + "\n"
    }
    let result = try Program.run(["cis", "permute", "--out", out] + inputs)
    #expect(result.status == 65 && result.errors.contains("not sorted"))
    let planned = try Program.run(["plan", "cis-permute", "--shards", "2", "--out", out] + inputs)
    #expect(planned.status == 65 && planned.errors.contains("not sorted"))
    #expect(try folder.contents("bad") == [])
  }

  /// A shard that was killed goes on.
  @Test func shardResumes() throws {
    try whole()
    try plan(shards: 2)
    let journal = folder.path("parts/r.plan.shard-1.journal")
    let arguments = ["run", "--plan", folder.path("parts/r.plan.json"), "--shard", "1"]
    _ = try interrupted(arguments, journal: journal, genes: 2, by: SIGKILL)
    let done = try count(journal)
    let status = try Program.run(["status", "--plan", folder.path("parts/r.plan.json")])
    #expect(status.output.contains("interrupted\t1\t1\n"))
    #expect(status.output.contains("genes\t\(done) of 14\n"), "\(status.output)")
    let resumed = try run(1)
    try resumed.expectSuccess()
    #expect(resumed.errors.contains("going on after \(done) genes"))
    try run(0).expectSuccess()
    try merge().expectSuccess()
    try expectSame("whole", "parts")
  }

  @Test func refused() throws {
    try plan(shards: 3)
    try run(0).expectSuccess()
    try run(2).expectSuccess()
    let missing = try merge()
    #expect(missing.status == 65 && missing.errors.contains("1 of 3 shards are missing (1)"))
    try FileManager.default.copyItem(
      atPath: folder.path("parts/r.plan.shard-0"), toPath: folder.path("parts/r.plan.shard-1"))
    let moved = try merge()
    #expect(moved.status == 65 && moved.errors.contains("shard 0 of the plan under the name of shard 1"))
    try plan(["--seed", "2"], shards: 3, in: "other")
    try run(1, in: "other").expectSuccess()
    try folder.file(folder.data("other/r.plan.shard-1"), "parts/r.plan.shard-1")
    let foreign = try merge()
    #expect(foreign.status == 65 && foreign.errors.contains("of another plan"))
    try FileManager.default.removeItem(atPath: folder.path("parts/r.plan.shard-1"))
    try folder.editLine(3, of: "e.bed") { $0 + "1" }
    let changed = try run(1)
    #expect(changed.status == 65 && changed.errors.contains("not the one that the plan was made for"))
    #expect(
      try Program.run(["plan", "cis-permute", "--resume", "--shards", "2", "--out", "x"] + inputs).status
        == 64)
  }
}
