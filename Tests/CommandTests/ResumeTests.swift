import Foundation
import Testing

/// Runs that are ended and go on.
@Suite struct ResumeTests {
  private static let pause = "SWIFTQTL_TEST_BLOCK_DELAY_MS"

  /// 24 blocks of variants, some hundred hits.
  private static func study(in folder: Folder) throws {
    try SmallStudy(samples: 30, variants: 12_000, genes: 20).write(to: folder)
  }

  private static func arguments(_ folder: Folder, _ out: String) -> [String] {
    ["trans", "--best", "--pval-threshold", "1e-3", "--exclude-cis", "100000", "--out", out]
      + BadInput.inputs(folder)
  }

  /// Starts the program, does as told after some time, waits.
  static func interrupted(
    _ arguments: [String], after microseconds: UInt32, pause milliseconds: Int = 5, by signal: Int32 = SIGKILL
  ) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: try #require(Program.path))
    process.arguments = arguments + ["--quiet"]
    process.environment = ProcessInfo.processInfo.environment.merging([pause: "\(milliseconds)"]) { $1 }
    try process.run()
    usleep(microseconds)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process
  }

  /// Names and contents of a run's tables.
  static func tables(_ folder: Folder, _ name: String) throws -> [String: Data] {
    var tables: [String: Data] = [:]
    for file in try folder.contents(name) where file.hasSuffix(".gz") || file.hasSuffix(".tsv") {
      tables[file] = try folder.data(name + "/" + file)
    }
    return tables
  }

  /// Killed at any time, once or twice; 200 times where SWIFTQTL_TEST_KILLS says so.
  @Test func killed() throws {
    let folder = try Folder()
    try Self.study(in: folder)
    try Program.run(Self.arguments(folder, try folder.subfolder("whole") + "/r")).expectSuccess()
    let whole = try Self.tables(folder, "whole")
    #expect(whole.count == 5)
    var random = SplitMix64(state: 11)
    let rounds = ProcessInfo.processInfo.environment["SWIFTQTL_TEST_KILLS"].flatMap(Int.init) ?? 20
    var midway = 0
    for round in 0..<rounds {
      let out = try folder.subfolder("r\(round)")
      let arguments = Self.arguments(folder, out + "/r") + ["--resume"]
      for _ in 0...round % 2 {
        _ = try Self.interrupted(
          arguments + ["--threads", "\(1 + round % 3)"],
          after: UInt32.random(in: 0..<300_000, using: &random))
      }
      let size = try? folder.data("r\(round)/r.trans.journal").count
      if let size, size > 200 { midway += 1 }
      try Program.run(arguments).expectSuccess()
      try #require(try Self.tables(folder, "r\(round)") == whole, "round \(round)")
      #expect(try !folder.contents("r\(round)").contains("r.trans.journal"))
      try FileManager.default.removeItem(atPath: out)
    }
    #expect(midway > rounds / 4, "killed too early or too late")
  }

  /// A journal cut anywhere, as by a power cut, or with its last part overwritten.
  @Test func torn() throws {
    let folder = try Folder()
    try Self.study(in: folder)
    try Program.run(Self.arguments(folder, try folder.subfolder("whole") + "/r")).expectSuccess()
    let whole = try Self.tables(folder, "whole")
    let out = try folder.subfolder("out") + "/r"
    let arguments = Self.arguments(folder, out) + ["--resume"]
    _ = try Self.interrupted(arguments, after: 150_000)
    let journal = try folder.data("out/r.trans.journal")
    var random = SplitMix64(state: 3)
    for round in 0..<12 {
      var left = journal.prefix(Int.random(in: 0...journal.count, using: &random))
      if round % 3 == 0 {
        for index in left.indices.suffix(300) { left[index] = UInt8.random(in: 0...255, using: &random) }
      }
      try folder.file(Data(left), "out/r.trans.journal")
      try Program.run(arguments).expectSuccess()
      try #require(try Self.tables(folder, "out") == whole, "round \(round)")
    }
  }

  /// A batch system's signal: the journal stays and the message says what to do; without --resume all starts anew.
  @Test func signal() throws {
    let folder = try Folder()
    try Self.study(in: folder)
    let out = try folder.subfolder("out") + "/r"
    let ended = try Self.interrupted(Self.arguments(folder, out), after: 400_000, pause: 200, by: SIGTERM)
    #expect(ended.terminationReason == .exit && ended.terminationStatus == 128 + SIGTERM)
    #expect(try folder.contents("out") == ["r.trans.journal"])
    // Threads and messages may differ, results' options may not.
    let other = try Program.run(Self.arguments(folder, out) + ["--resume", "--maf", "0.1"])
    #expect(
      other.status == 65 && other.errors.contains("r.trans.journal: the journal is of a run with other"))
    #expect(try folder.contents("out") == ["r.trans.journal"])
    let same = try Program.run(Self.arguments(folder, out) + ["--threads=1", "--resume", "--memory", "1G"])
    try same.expectSuccess()
    #expect(same.errors.contains("going on after "))
    let tables = try Self.tables(folder, "out")
    _ = try Self.interrupted(Self.arguments(folder, out), after: 400_000, pause: 200)
    let anew = try Program.run(Self.arguments(folder, out))
    try anew.expectSuccess()
    #expect(!anew.errors.contains("going on"))
    #expect(try Self.tables(folder, "out") == tables)
  }

  /// A changed input makes another run; so does its repair, which goes on.
  @Test func changedInput() throws {
    let folder = try Folder()
    try Self.study(in: folder)
    let out = try folder.subfolder("out") + "/r"
    _ = try Self.interrupted(Self.arguments(folder, out), after: 400_000, pause: 200)
    let phenotypes = try folder.data("e.bed")
    try folder.editLine(3, of: "e.bed") { $0.replacingOccurrences(of: "1", with: "2") }
    let refused = try Program.run(Self.arguments(folder, out) + ["--resume"])
    #expect(refused.status == 65 && refused.errors.contains("other inputs"))
    try folder.file(phenotypes, "e.bed")
    let resumed = try Program.run(Self.arguments(folder, out) + ["--resume"])
    try resumed.expectSuccess()
    #expect(resumed.errors.contains("going on"))
  }

  /// Wrong data leave no journal: what must be changed makes another run.
  @Test func wrongData() throws {
    let folder = try Folder()
    try Self.study(in: folder)
    let out = try folder.subfolder("out") + "/r"
    // The last variant's line is found to be broken only when it comes.
    try folder.editLine(12_000, of: "g.bim") { $0.replacingOccurrences(of: "\t", with: " \t x ") }
    let result = try Program.run(Self.arguments(folder, out))
    #expect(result.status == 65, "\(result.errors)")
    #expect(try folder.contents("out") == [])
  }
}
