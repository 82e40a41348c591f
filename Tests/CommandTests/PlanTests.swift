import Foundation
import Testing

/// Scans in shards.
@Suite struct PlanTests {
  /// A study, planned.
  private struct Planned {
    let folder: Folder
    let shards: Int

    init(_ options: [String] = [], shards: Int, genotypes: [String]? = nil) throws {
      folder = try Folder()
      self.shards = shards
      // 12 blocks of variants.
      try SmallStudy(samples: 40, variants: 6_000, genes: 30, missing: 0.01).write(to: folder)
      for name in ["whole", "parts"] { _ = try folder.subfolder(name) }
      if options.contains("--grm") {
        try Program.run(["grm", "--genotypes", folder.path("g"), "--out", folder.path("k")]).expectSuccess()
      }
      let options = options.map { $0 == "K" ? folder.path("k") : $0 }
      try Program.run(["trans", "--out", folder.path("whole/r")] + inputs + options).expectSuccess()
      try Program.run(
        ["plan", "trans", "--shards", "\(shards)", "--out", folder.path("parts/r")] + inputs + options
      ).expectSuccess()
    }

    var inputs: [String] {
      BadInput.inputs(folder) + ["--pval-threshold", "0.01", "--exclude-cis", "100000"]
    }
    var plan: String { folder.path("parts/r.plan.json") }
    func shard(_ index: Int) -> String { "parts/r.plan.shard-\(index)" }

    func run(_ index: Int, _ options: [String] = []) throws -> Program.Result {
      try Program.run(["run", "--plan", plan, "--shard", "\(index)"] + options)
    }
    func runAll() throws {
      for index in (0..<shards).reversed() { try run(index).expectSuccess() }
    }
    func merge() throws -> Program.Result { try Program.run(["merge", "--plan", plan]) }
  }

  /// The same bytes as of one run, whatever is asked for and however many shards there are.
  @Test(
    arguments: [
      ([], 1), (["--best"], 5), (["--best", "--histogram", "full"], 12), (["--no-q", "--effect-sizes"], 3),
      (["--format", "tensorqtl", "--normal"], 4),
      (["--grm", "K", "--best", "--reml-no-constrain", "--max-patterns", "40"], 3),
      (["--grm", "K", "--lmm-test", "score", "--max-patterns", "40"], 2), (["--region", "2"], 4),
    ] as [([String], Int)])
  func identity(_ options: [String], _ shards: Int) throws {
    let planned = try Planned(options, shards: shards)
    try planned.runAll()
    try planned.merge().expectSuccess()
    let whole = try ResumeTests.tables(planned.folder, "whole")
    #expect(try ResumeTests.tables(planned.folder, "parts") == whole)
    #expect(whole.count >= 3)
    #expect(try Table(gzip: planned.folder.path("whole/r.trans.tsv.gz")).rows.count > 100)
  }

  /// Threads of a shard, a second run of it, and one that was killed do not matter.
  @Test func runs() throws {
    let planned = try Planned(["--best"], shards: 3)
    let again = ["run", "--plan", planned.plan, "--shard", "1"]
    _ = try ResumeTests.interrupted(again, after: 200_000, pause: 60)
    #expect(try planned.folder.contents("parts").contains("r.plan.shard-1.journal"))
    let status = try Program.run(["status", "--plan", planned.plan, "--json"])
    try status.expectSuccess()
    #expect(status.output.contains(#/"interrupted" : \[\s*1\s*\]/#))
    #expect(status.output.contains(#/"missing" : \[\s*0,\s*2\s*\]/#))
    let resumed = try planned.run(1, ["--threads", "1"])
    try resumed.expectSuccess()
    #expect(resumed.errors.contains("going on after"))
    #expect(try !planned.folder.contents("parts").contains("r.plan.shard-1.journal"))
    let bytes = try planned.folder.data(planned.shard(1))
    #expect(try planned.run(1).errors.contains("is done already"))
    #expect(try planned.folder.data(planned.shard(1)) == bytes)
    try planned.runAll()
    try planned.merge().expectSuccess()
    let whole = try ResumeTests.tables(planned.folder, "whole")
    #expect(try ResumeTests.tables(planned.folder, "parts") == whole)
    let done = try Program.run(["status", "--plan", planned.plan])
    #expect(done.output.hasPrefix("done\t3\nrunning\t0\ninterrupted\t0\nmissing\t0\nblocks\t12 of 12\n"))
  }

  /// Two processes on one shard: the second refuses.
  @Test func twice() throws {
    let planned = try Planned(shards: 2)
    let process = Process()
    process.executableURL = URL(filePath: try #require(Program.path))
    process.arguments = ["run", "--plan", planned.plan, "--shard", "0", "--quiet"]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFTQTL_TEST_BLOCK_DELAY_MS": "1000"]) { $1 }
    try process.run()
    let deadline = Date.now + Program.timeLimit
    while try !planned.folder.contents("parts").contains("r.plan.shard-0.journal"), Date.now < deadline {
      usleep(1_000)
    }
    let second = try planned.run(0)
    #expect(second.status == 74 && second.errors.contains("another process is writing the journal"))
    let status = try Program.run(["status", "--plan", planned.plan, "--json"])
    #expect(status.output.contains(#/"running" : \[\s*0\s*\]/#))
    process.terminate()
    process.waitUntilExit()
    try planned.run(0).expectSuccess()
  }

  private func expectRefused(
    _ result: Program.Result, _ file: String, _ cause: String, status: Int32 = 65,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      result.status == status && result.errors.contains(file) && result.errors.contains(cause)
        && result.errors.contains("\n  remedy: "), "\(result.status): \(result.errors)",
      sourceLocation: sourceLocation)
  }

  /// Gaps, duplicates, foreign and damaged shards, by name.
  @Test func merging() throws {
    let planned = try Planned(shards: 4)
    expectRefused(try planned.merge(), "r.plan.json", "4 of 4 shards are missing (0, 1, 2, 3)")
    try planned.runAll()
    let folder = planned.folder
    let good = try (0..<4).map { try folder.data(planned.shard($0)) }
    try FileManager.default.removeItem(atPath: folder.path(planned.shard(2)))
    expectRefused(try planned.merge(), "r.plan.json", "1 of 4 shards are missing (2)")
    try folder.file(good[1], planned.shard(2))
    expectRefused(
      try planned.merge(), "r.plan.shard-2", "this is shard 1 of the plan under the name of shard 2")
    let other = try Planned(["--maf", "0.2"], shards: 4)
    try other.run(2).expectSuccess()
    try folder.file(other.folder.data(other.shard(2)), planned.shard(2))
    expectRefused(try planned.merge(), "r.plan.shard-2", "of another plan")
    var random = SplitMix64(state: 5)
    for round in 0..<12 {
      var bytes = good[2]
      if round % 2 == 0 {
        bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))
      } else {
        bytes[Int.random(in: 200..<bytes.count, using: &random)] ^= 0x10
      }
      try folder.file(Data(bytes), planned.shard(2))
      expectRefused(try planned.merge(), "r.plan.shard-2", "damaged")
      #expect(try folder.contents("parts").filter { $0.hasSuffix(".gz") } == [])
    }
    try folder.file(good[2], planned.shard(2))
    try planned.merge().expectSuccess()
  }

  /// Changed inputs, plans and prepared studies are refused by name; a file that was only touched is not.
  @Test func changes() throws {
    let planned = try Planned(shards: 2)
    let folder = planned.folder
    let now = [FileAttributeKey.modificationDate: Date.now + 10]
    try FileManager.default.setAttributes(now, ofItemAtPath: folder.path("g.bed"))
    try planned.run(0).expectSuccess()
    var bytes = try folder.data("g.bed")
    bytes[1_000] ^= 1
    try folder.file(bytes, "g.bed")
    expectRefused(try planned.run(1), "g.bed", "not the one that the plan was made for")
    bytes[1_000] ^= 1
    try folder.file(bytes, "g.bed")
    try planned.run(1).expectSuccess()

    let study = try folder.data("parts/r.plan.study")
    var damaged = study
    damaged[study.count / 2] ^= 1
    try FileManager.default.removeItem(atPath: folder.path(planned.shard(1)))
    try folder.file(damaged, "parts/r.plan.study")
    expectRefused(try planned.run(1), "r.plan.study", "not the one that the plan was made for")
    try folder.file(study, "parts/r.plan.study")
    try planned.run(1).expectSuccess()

    let plan = try folder.text("parts/r.plan.json")
    try folder.file(plan.replacing("\"0.01\"", with: "\"0.02\""), "parts/r.plan.json")
    expectRefused(try planned.merge(), "r.plan.json", "changed after it was made")
    try folder.file(
      plan.replacing(#/"version" : "[^"]*"/#, with: "\"version\" : \"0.0.1\""), "parts/r.plan.json")
    expectRefused(try planned.run(0), "r.plan.json", "made by swiftqtl 0.0.1")
    try folder.file("{}", "parts/r.plan.json")
    expectRefused(try planned.merge(), "r.plan.json", "not a plan")
    try folder.file(plan, "parts/r.plan.json")
    expectRefused(try planned.run(2), "r.plan.json", "there is no shard 2")
    try planned.merge().expectSuccess()
  }

  /// Sizes of shards, and where the plan goes.
  @Test func sizes() throws {
    let folder = try Folder()
    try SmallStudy(samples: 40, variants: 6_000, genes: 30).write(to: folder)
    let inputs = ["plan", "trans", "--quiet"] + BadInput.inputs(folder)
    for (options, count) in [
      (["--shards", "1000"], 12), (["--shard-size", "1"], 12), (["--shard-size", "513"], 12),
      (["--shard-size", "1024"], 6), (["--shard-size", "1000000"], 1),
    ] {
      let out = folder.path("x")
      try Program.run(inputs + options + ["--out", out, "--plan", folder.path("p.json")]).expectSuccess()
      let plan = try folder.text("p.json")
      #expect(plan.matches(of: #/"first" : /#).count == count, "\(options)")
      #expect(plan.contains("\"secondsPerShard\""))
      #expect(try folder.contents().contains("p.study"))
    }
    for (options, cause) in [
      ([], "Give either --shards or --shard-size"), (["--shards", "2", "--shard-size", "2"], "Give either"),
      (["--shards", "0"], "--shards must be at least 1"),
      (["--shards", "2", "--permutations", "100"], "--permutations is not for plans"),
    ] {
      let result = try Program.run(inputs + options + ["--out", folder.path("x")])
      #expect(result.status == 64 && result.errors.contains(cause), "\(result.errors)")
    }
  }
}
