import Testing

/// `swiftqtl rehearse`; what it simulates is tested with ClusterRehearsal.
@Suite struct RehearseTests {
  let folder: Folder

  init() throws { folder = try Folder() }

  private func rehearse(_ options: [String]) throws -> Program.Result {
    try Program.run(["rehearse", "--repeats", "20"] + options)
  }

  /// Four waves of 900 s and a preparation of 36 s each, or one of 3600 s.
  @Test func table() throws {
    let result = try rehearse([
      "--seconds", "36000", "--preparation", "36", "--nodes", "10", "--noise", "0", "--shards", "40", "10",
    ])
    try result.expectSuccess()
    let lines = result.output.split(separator: "\n")
    #expect(result.errors == "" && lines.count == 6)
    #expect(lines[0].hasPrefix("# 10.000 h of work, 36 s to prepare each start, 10 nodes, 3 retries"))
    #expect(lines[1].contains("goes on from the last 512 variants in its journal"))
    #expect(
      lines[2...4] == [
        "shards\thours_median\thours_95\tnode_hours\tnode_hours_wasted\tretries_95\tcomplete",
        "10\t1.010\t1.010\t10.100\t0.000\t0\t1.000",
        "40\t1.040\t1.040\t10.400\t0.000\t0\t1.000",
      ])
    #expect(lines[5].hasPrefix("# best: 10 shards"))
  }

  @Test func plan() throws {
    try folder.file(
      #"{"version": 3, "estimate": {"bytes": 5, "secondsPreparing": 36, "secondsTotal": 36000}, "shards": []}"#,
      "plan.json")
    let common = ["--nodes", "3", "--queue", "5", "--job-failure", "0.1"]
    let planned = try rehearse(common + ["--plan", folder.path("plan.json")])
    try planned.expectSuccess()
    let given = ["--seconds", "36000", "--preparation", "36"]
    #expect(try rehearse(common + given).output == planned.output)
    #expect(try rehearse(common + given + ["--seed", "2"]).output != planned.output)
  }

  @Test func nothingIsComplete() throws {
    let result = try rehearse(["--seconds", "100", "--nodes", "1", "--job-failure", "1", "--shards", "5"])
    try result.expectSuccess()
    #expect(result.output.contains("\n5\tNA\tNA\t") && result.output.contains("\tNA\t0.000\n# best: none"))
  }

  @Test func refused() throws {
    try folder.file("{\"estimate\": {}}", "empty.json")
    try folder.file("{\"estimate\": {\"secondsTotal\": -1}}", "negative.json")
    let given = ["--seconds", "100", "--nodes", "2"]
    let cases: [(options: [String], status: Int32, says: String)] = [
      (["--seconds", "100"], 64, "--nodes"),
      (["--nodes", "2"], 64, "either --seconds or --plan"),
      (given + ["--plan", "p"], 64, "either --seconds or --plan"),
      (["--nodes", "2", "--seconds", "nan"], 64, "--seconds must be above 0"),
      (["--seconds", "100", "--nodes", "0"], 64, "--nodes must lie"),
      (given + ["--preparation=-1"], 64, "--preparation"),
      (given + ["--variants", "0"], 64, "--variants"),
      (given + ["--shards", "10", "0"], 64, "--shards must lie"),
      (given + ["--queue=-1"], 64, "--queue must lie"),
      (given + ["--repair", "inf"], 64, "--repair must lie"),
      (given + ["--time-limit", "0"], 64, "--time-limit must be above 0"),
      (given + ["--node-failure=-1"], 64, "--node-failure"),
      (given + ["--job-failure", "1.5"], 64, "--job-failure must lie between 0 and 1."),
      (given + ["--stragglers", "2"], 64, "--stragglers must lie between 0 and 1."),
      (given + ["--straggler-factor", "0.5"], 64, "--straggler-factor"),
      (given + ["--noise=-1"], 64, "--noise"),
      (given + ["--retries=-1"], 64, "--retries must lie"),
      (given + ["--repeats", "0"], 64, "--repeats must lie"),
      (["--nodes", "2", "--plan", folder.path("absent")], 74, "No such file"),
      (["--nodes", "2", "--plan", folder.path("")], 74, "cannot be read: Is a directory"),
      (["--nodes", "2", "--plan", folder.path("empty.json")], 65, "no estimate.secondsTotal"),
      (["--nodes", "2", "--plan", folder.path("negative.json")], 65, "no estimate.secondsTotal"),
    ]
    for (options, status, says) in cases {
      let result = try rehearse(options)
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
      #expect(result.output == "", "\(options)")
    }
  }
}
