import Foundation
import Testing

/// `trans --interaction` as a user runs it.
@Suite struct TransInteractionTests {
  /// A study with a table `i.tsv` of two terms: `sex`, of two values, and `share`, which gene 2 interacts with through variant 3.
  private static func folder() throws -> (folder: Folder, study: SmallStudy) {
    let folder = try Folder()
    var study = SmallStudy(samples: 60, missing: 0.03, seed: 4)
    let share = study.samples.indices.map { Double($0 * 37 % 60) / 64 }
    for s in study.samples.indices {
      study.values[1][s] = study.values[1][s].map { $0 + 9 * share[s] * Double(study.dosages[2][s] ?? 1) }
    }
    try study.write(to: folder)
    try folder.file(
      "id\tsex\tshare\n"
        + study.samples.enumerated().map { "\($1)\t\($0 % 2)\t\(share[$0])\n" }.joined(), "i.tsv")
    try folder.file(study.samples.enumerated().map { "\($1)\t\(share[$0])\n" }.joined(), "share.txt")
    return (folder, study)
  }

  private static func run(_ folder: Folder, _ options: [String], _ terms: String = "i.tsv", out: String = "r")
    throws
  {
    try Program.run(
      ["trans"] + BadInput.inputs(folder) + [
        "--interaction", folder.path(terms), "--max-missing", "1", "--out", folder.path(out),
      ] + options
    ).expectSuccess()
  }

  /// The same rows as those of `cis interaction` but for the distance, and q by term over all tests.
  @Test func hitsOfTwoTerms() throws {
    let (folder, _) = try Self.folder()
    try Program.run(
      ["cis", "interaction"] + BadInput.inputs(folder) + [
        "--interaction", folder.path("i.tsv"), "--max-missing", "1", "--out", folder.path("c"),
      ]
    ).expectSuccess()
    let all = try Table(gzip: folder.path("c.cis_interaction.tsv.gz"))
    // Windows of 1 Mb hold all pairs on one chromosome, and no other.
    let distance = try all.column("start_distance")
    let terms = ["sex", "share"]
    let p = try terms.map { try all.column("p_g-\($0)") }
    try Self.run(folder, ["--no-exclude-cis", "--pval-threshold", "1"], out: "all")
    let every = try Table(gzip: folder.path("all.trans_interaction.tsv.gz"))
    #expect(every.header == all.header.filter { $0 != "start_distance" } + ["q_g-sex", "q_g-share"])
    let onOne = try every.byPair()
    for row in all.rows {
      var expected = row
      expected.remove(at: distance)
      #expect(onOne["\(row[0]) \(row[5])"]?.dropLast(2).elementsEqual(expected) == true)
    }
    let values = try terms.map { try every.numbers("p_g-\($0)") }
    try Self.run(folder, ["--no-exclude-cis", "--pval-threshold", "0.02"])
    let hits = try Table(gzip: folder.path("r.trans_interaction.tsv.gz"))
    let kept = every.rows.indices.filter { values[0][$0] <= 0.02 || values[1][$0] <= 0.02 }
    #expect(hits.rows.map { $0.dropLast(2) } == kept.map { every.rows[$0].dropLast(2) } && kept.count > 5)
    for (term, name) in terms.enumerated() {
      for (row, q) in zip(kept, try hits.texts("q_g-\(name)")) {
        guard values[term][row] <= 0.02 else {
          #expect(q == "NA")
          continue
        }
        let m = Double(every.rows.count)
        let expected = values[term].filter { $0 >= values[term][row] && $0 <= 0.02 }
          .map { limit in min(1, limit * m / Double(values[term].count { $0 <= limit })) }.min()
        #expect(relativeDifference(try #require(Double(q)), try #require(expected)) < 1e-7)
      }
    }
    #expect(p.count == 2 && hits.rows.contains { $0[0] == "rs3" && $0[5] == "gene2" })
    let manifest = try folder.text("r.manifest.json")
    #expect(manifest.contains("i.tsv") && manifest.contains("\"tests\" : \(every.rows.count)"))
    #expect(manifest.contains("\"threshold\" : 0.02"))
    #expect(
      try folder.contents().filter { $0.hasPrefix("r.") || $0.hasPrefix(".") } == [
        "r.drops.tsv.gz", "r.manifest.json", "r.trans_interaction.tsv.gz",
      ])
  }

  @Test func exclusionAndDefaults() throws {
    let (folder, study) = try Self.folder()
    try Self.run(folder, ["--pval-threshold", "1", "--no-q"], "share.txt")
    let far = try Table(gzip: folder.path("r.trans_interaction.tsv.gz"))
    #expect(Array(far.header.suffix(2)) == ["n", "status"] && far.header.contains("p_gi"))
    let chromosomeOf = Dictionary(uniqueKeysWithValues: study.genes.map { ($0.id, $0.chromosome) })
    #expect(far.rows.allSatisfy { chromosomeOf[String($0[5])] != String($0[1]) } && far.rows.count > 20)
    try Self.run(folder, ["--pval-threshold", "1", "--no-q", "--no-exclude-cis"], "share.txt")
    let all = try Table(gzip: folder.path("r.trans_interaction.tsv.gz"))
    #expect(all.rows.filter { chromosomeOf[String($0[5])] != String($0[1]) } == far.rows)
    try Self.run(folder, ["--no-exclude-cis"], "share.txt")
    let hits = try Table(gzip: folder.path("r.trans_interaction.tsv.gz"))
    let significant = try zip(all.rows, all.numbers("p_gi")).filter { $0.1 <= 1e-5 }.map { Array($0.0) }
    #expect(hits.rows.map { Array($0.dropLast()) } == significant)
    #expect(hits.rows.contains { $0[0] == "rs3" && $0[5] == "gene2" })
  }

  @Test func bytesDependOnNeitherThreadsNorSampleOrder() throws {
    let (folder, study) = try Self.folder()
    let (other, _) = try Self.folder()
    var order = Array(study.samples.indices)
    var random = SplitMix64(state: 3)
    order.shuffle(using: &random)
    try study.reordered(order).write(to: other)
    var texts: [Data] = []
    for (place, threads) in [(folder, "1"), (folder, "3"), (other, "2")] {
      try Self.run(place, ["--no-exclude-cis", "--pval-threshold", "0.1", "--threads", threads])
      texts.append(try place.data("r.trans_interaction.tsv.gz"))
    }
    #expect(Set(texts).count == 1)
  }

  @Test(arguments: [
    ("--best", "--best is not for --interaction"),
    ("--permutations 100", "--permutations is not for --interaction"),
    ("--histogram full", "--histogram full is not for --interaction"),
    ("--effect-sizes", "--effect-sizes is not for --interaction"),
    ("--backend integer", "--backend integer is not for --interaction"),
    ("--format tensorqtl", "--format tensorqtl has no table of interactions"),
    ("--format qtltools", "--format qtltools has no table of interactions"),
    ("--maf-interaction 0.6", "--maf-interaction must lie between 0 and 0.5"),
  ])
  func badOptions(_ options: String, _ cause: String) throws {
    let (folder, _) = try Self.folder()
    let result = try Program.run(
      ["trans"] + BadInput.inputs(folder) + [
        "--interaction", folder.path("i.tsv"), "--out", folder.path("r"),
      ] + options.split(separator: " ").map(String.init))
    #expect(result.status == 64 && result.errors.contains(cause), "\(result.errors)")
  }

  @Test func termsThatAreMissing() throws {
    let (folder, _) = try Self.folder()
    let arguments = ["trans"] + BadInput.inputs(folder) + ["--out", folder.path("r")]
    var result = try Program.run(arguments + ["--maf-interaction", "0.1"])
    #expect(result.status == 64 && result.errors.contains("--maf-interaction is for --interaction"))
    result = try Program.run(arguments + ["--interaction", folder.path("absent")])
    #expect(result.status == 74 && result.errors.contains("No such file"))
    #expect(try folder.contents().allSatisfy { !$0.hasPrefix("r.") && !$0.hasPrefix(".") })
  }
}
