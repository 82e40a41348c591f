import Foundation
import SwiftQTL
import Testing

/// Runs that end before their time.
@Suite struct InterruptionTests {
  /// Ended by a batch system in the middle of a long run: only the journal is left, the status tells the signal.
  @Test func terminated() throws {
    let folder = try Folder()
    // Two million rows at the slowest compression: far from done when the signal comes.
    try SmallStudy(samples: 40, variants: 8_000, genes: 250).write(to: folder)
    let out = try folder.subfolder("out")
    let process = Process()
    process.executableURL = URL(filePath: try #require(Program.path))
    process.arguments =
      ["trans", "--quiet", "--no-exclude-cis", "--pval-threshold", "1", "--compression-level", "9"]
      + ["--threads", "1", "--out", out + "/r"] + BadInput.inputs(folder)
    try process.run()
    let deadline = Date.now + Program.timeLimit
    while try !folder.contents("out").contains("r.trans.journal"), process.isRunning, Date.now < deadline {
      usleep(1_000)
    }
    #expect(
      try folder.contents("out").allSatisfy { $0.hasPrefix(".") || $0.hasSuffix(".journal") },
      "results before the end")
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + SIGTERM)
    #expect(try folder.contents("out") == ["r.trans.journal"])
  }

  /// A simulation leaves nothing behind either, unless it was told to ignore the signal (nohup).
  @Test(arguments: [false, true]) func simulation(ignoresHangup: Bool) throws {
    let folder = try Folder()
    let out = try folder.subfolder("out")
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    // The shell's `exec` hands down what it ignores; the size makes a run of some seconds.
    let trap = ignoresHangup ? "trap '' HUP; " : ""
    process.arguments = [
      "-c", trap + "exec \"$0\" \"$@\"", try #require(Program.path), "simulate", "--quiet", "--samples",
      "500",
      "--variants", ignoresHangup ? "3000" : "300000", "--genes", "20", "--out", out + "/s",
    ]
    try process.run()
    let deadline = Date.now + Program.timeLimit
    while try folder.contents("out").isEmpty, process.isRunning, Date.now < deadline { usleep(1_000) }
    // The handlers are there before the first file is.
    kill(process.processIdentifier, SIGHUP)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == (ignoresHangup ? 0 : 128 + SIGHUP))
    #expect(try folder.contents("out").isEmpty == !ignoresHangup)
  }

  /// A signal that comes while results are put in place: all of them are there, or none.
  @Test func abortDuringCommit() async throws {
    for round in 0..<40 {
      let folder = try Folder()
      let files = OutputTransaction()
      for k in 0..<40 { try files.open(folder.path("\(k).tsv")).append(bytes: [65, 10]) }
      let abort = Task.detached {
        // From before the commit to after it.
        usleep(UInt32(round * 25))
        files.abort()
      }
      try files.commit()
      await abort.value
      let count = try folder.contents().count
      #expect(count == 0 || count == 40, "\(count) of 40")
    }
  }

  /// A run that fails leaves the results of an earlier one as they were.
  @Test func earlierResultsStay() throws {
    let folder = try Folder()
    try SmallStudy().write(to: folder)
    let out = try folder.subfolder("out") + "/r"
    try Program.run(["trans"] + BadInput.inputs(folder) + ["--out", out]).expectSuccess()
    let files = try folder.contents("out")
    let before = try files.map { try folder.data("out/" + $0) }
    try folder.editLine(4, of: "e.bed") { $0 + "\t1" }
    #expect(try Program.run(["trans"] + BadInput.inputs(folder) + ["--out", out]).status == 65)
    #expect(try folder.contents("out") == files)
    #expect(try files.map { try folder.data("out/" + $0) } == before)
  }

  private static func mount(_ disk: String, kilobytes: Int = 64, options: String = "") throws -> Bool {
    guard let mount = Program.tool("mount") else { return false }
    return try Program.run(mount, ["-t", "tmpfs", "-o", "\(options)size=\(kilobytes)k", "tmpfs", disk]).status
      == 0
  }

  private static func unmount(_ disk: String) {
    _ = try? Program.run(Program.tool("umount") ?? "umount", [disk])
  }

  /// Only a privileged test can mount; /dev/full cannot hold a file that is renamed into place.
  private static func canMount() throws -> Bool {
    let folder = try Folder()
    let disk = try folder.subfolder("disk")
    defer { unmount(disk) }
    return try mount(disk)
  }

  /// Disks that fill up a little later each: only the journal is left, from which a larger disk's run goes on to the same results.
  @Test(.enabled("not permitted to mount a small disk") { try canMount() })
  func diskFullAtAnyTime() throws {
    let folder = try Folder()
    let disk = try folder.subfolder("disk")
    try SmallStudy(variants: 2_000, genes: 20).write(to: folder)
    var causes: Set<Substring> = []
    var table: Data?
    let arguments =
      ["trans", "--no-exclude-cis", "--pval-threshold", "1", "--quiet", "--out", disk + "/r"]
      + BadInput.inputs(folder)
    for kilobytes in stride(from: 3_000, through: 9_000, by: 250) {
      try #require(try Self.mount(disk, kilobytes: kilobytes))
      defer { Self.unmount(disk) }
      let result = try Program.run(arguments)
      #expect(!result.isSignal && [0, 74].contains(result.status), "\(kilobytes) kB: \(result.errors)")
      causes.insert(result.status == 0 ? "" : result.errors.split(separator: ":")[2])
      if result.status == 74 {
        #expect(Set(["r.trans.journal"]).isSuperset(of: try folder.contents("disk")))
        try #require(try Self.mount(disk, kilobytes: 20_000, options: "remount,"))
        try Program.run(arguments + ["--resume"]).expectSuccess()
      }
      let found = try folder.data("disk/r.trans.tsv.gz")
      if table == nil { table = found }
      #expect(found == table)
    }
    #expect(causes == ["", " cannot be written"])
  }

  /// A shard on a disk that is full, or cannot be written, says so and goes on where it was when there is room.
  @Test(.enabled("not permitted to mount a small disk") { try canMount() })
  func shardOnBadDisk() throws {
    let folder = try Folder()
    let disk = try folder.subfolder("disk")
    try SmallStudy(variants: 2_000, genes: 20).write(to: folder)
    let options = ["--no-exclude-cis", "--pval-threshold", "1", "--quiet"] + BadInput.inputs(folder)
    try Program.run(["trans", "--out", folder.path("w")] + options).expectSuccess()
    let plan = ["plan", "trans", "--shards", "1", "--out", folder.path("r"), "--plan", disk + "/p.json"]
    let shard = ["run", "--plan", disk + "/p.json", "--shard", "0", "--quiet"]
    for kilobytes in [200, 700, 2_000, 4_000] {
      try #require(try Self.mount(disk, kilobytes: 20_000))
      defer { Self.unmount(disk) }
      try Program.run(plan + options).expectSuccess()
      try #require(try Self.mount(disk, kilobytes: kilobytes, options: "remount,"))
      let full = try Program.run(shard)
      #expect(full.status == 74 && full.errors.contains("No space left on device"), "\(full.errors)")
      #expect(try folder.contents("disk") == ["p.json", "p.shard-0.journal", "p.study"])
      try #require(try Self.mount(disk, kilobytes: kilobytes, options: "remount,ro,"))
      let fixed = try Program.run(shard)
      #expect(fixed.status == 74 && fixed.errors.contains("Read-only file system"), "\(fixed.errors)")
      try #require(try Self.mount(disk, kilobytes: 20_000, options: "remount,rw,"))
      try Program.run(shard).expectSuccess()
      try Program.run(["merge", "--plan", disk + "/p.json", "--quiet"]).expectSuccess()
      #expect(try folder.data("r.trans.tsv.gz") == folder.data("w.trans.tsv.gz"))
    }
  }

  /// A disk that fills up in the middle of a run.
  @Test(.enabled("not permitted to mount a small disk") { try canMount() })
  func diskFull() throws {
    let folder = try Folder()
    let disk = try folder.subfolder("disk")
    try #require(try Self.mount(disk))
    defer { Self.unmount(disk) }
    try SmallStudy(variants: 2_000, genes: 20).write(to: folder)
    for command in [["trans", "--no-exclude-cis", "--pval-threshold", "1"], ["cis", "nominal"]] {
      for options in [[], ["--no-q"], ["--format", "qtltools"]]
      where command[0] == "trans" || options != ["--no-q"] {
        let result = try Program.run(
          command + options + ["--quiet", "--out", disk + "/r"] + BadInput.inputs(folder))
        #expect(result.status == 74 && !result.isSignal, "\(result.errors)")
        #expect(result.errors.contains("No space left on device"), "\(result.errors)")
        #expect(result.errors.contains("\n  remedy: free"), "\(result.errors)")
        #expect(Set(["r.trans.journal"]).isSuperset(of: try folder.contents("disk")))
      }
    }
    unlink(disk + "/r.trans.journal")
    let simulated = try Program.run(
      [
        "simulate", "--samples", "200", "--variants", "3000", "--genes", "10", "--quiet", "--out",
        disk + "/s",
      ])
    #expect(simulated.status == 74 && simulated.errors.contains("No space left on device"))
    #expect(try folder.contents("disk") == [])
  }
}
