import Foundation
import Testing

/// `--sex`: what it makes missing, and what is said of it.
@Suite struct SexTests {
  let folder: Folder
  /// Heterozygous calls of males on X.
  let masked: Int

  /// The second chromosome is X, outside the pseudoautosomal regions; `e.bed` and `c.tsv` go with both sets of genotypes.
  init() throws {
    folder = try Folder()
    var study = SmallStudy(samples: 40, variants: 60, covariates: 1, missing: 0.02)
    for k in study.sites.indices where study.sites[k].chromosome == "2" {
      study.sites[k].chromosome = "X"
      study.sites[k].position += 5_000_000
    }
    for k in study.genes.indices where study.genes[k].chromosome == "2" {
      study.genes[k].chromosome = "X"
      study.genes[k].start += 5_000_000
      study.genes[k].end += 5_000_000
    }
    try study.write(to: folder)
    // Of the first the sex is not known.
    let sexes = study.samples.indices.map { $0 == 0 ? "0" : $0 % 3 == 0 ? "M" : "F" }
    try folder.file(zip(study.samples, sexes).map { "\($0)\t\($1)\n" }.joined(), "sex.tsv")
    var count = 0
    for (k, site) in study.sites.enumerated() where site.chromosome == "X" {
      for (s, sex) in sexes.enumerated() where sex == "M" && study.dosages[k][s] == 1 {
        study.dosages[k][s] = nil
        count += 1
      }
    }
    masked = count
    try study.writePlink(to: folder, "masked")
  }

  private var note: String { "\(masked) heterozygous calls of males on X are missing" }

  private func inputs(_ genotypes: String, _ options: [String] = []) -> [String] {
    BadInput.inputs(folder, genotypes: [genotypes]) + ["--max-missing", "1"] + options
  }

  private var sex: [String] { ["--sex", folder.path("sex.tsv")] }

  /// The table is that of genotypes in which the calls are missing.
  @Test(
    arguments: [
      (["trans"], "trans", ["--pval-threshold", "1"]), (["cis", "nominal"], "cis_nominal", []),
      (["cis", "permute"], "cis_permute", ["--permutations", "20"]),
      (["cis", "interaction"], "cis_interaction", ["INTERACTION"]),
      (["trans"], "trans_interaction", ["INTERACTION", "--pval-threshold", "1"]),
    ] as [([String], String, [String])])
  func scans(_ command: [String], _ table: String, _ options: [String]) throws {
    #expect(masked > 50)
    let term = try folder.file(
      "id\tage\n" + (0..<40).map { String(format: "S%03d\t%d\n", $0, $0 * 7 % 13) }.joined(), "term.tsv")
    let options = options.flatMap { $0 == "INTERACTION" ? ["--interaction", term] : [$0] }
    let result = try Program.run(command + inputs("g", options + sex) + ["--out", folder.path("sex")])
    try result.expectSuccess()
    #expect(result.errors.contains(note))
    try Program.run(command + inputs("masked", options) + ["--quiet", "--out", folder.path("plain")])
      .expectSuccess()
    let (found, expected) = try (
      Gzip.text(folder.path("sex.\(table).tsv.gz")), Gzip.text(folder.path("plain.\(table).tsv.gz"))
    )
    #expect(found == expected && found.contains("\tX\t"))
    let manifests = try ["sex", "plain"].map { try Manifest.read(folder.path($0 + ".manifest.json")) }
    let counts = manifests.map { ($0["counts"] as? [String: Int])?["callsMasked"] }
    #expect(counts == [masked, 0])
    let said = manifests.map { ($0["alignment"] as? [String])?.contains(note) }
    #expect(said == [true, false])
  }

  @Test(arguments: ["trans", "cis-permute"]) func shards(_ command: String) throws {
    let options = command == "trans" ? ["--shard-size", "1"] : ["--permutations", "20", "--shards", "2"]
    try Program.run(["plan", command, "--out", folder.path("r")] + inputs("g", options + sex)).expectSuccess()
    let plan = ["--plan", folder.path("r.plan.json")]
    for shard in 0..<(command == "trans" ? 1 : 2) {
      try Program.run(["run", "--shard", "\(shard)"] + plan).expectSuccess()
    }
    try Program.run(["merge"] + plan).expectSuccess()
    #expect(try Manifest.counts(folder.path("r.manifest.json"))["callsMasked"] == masked)
  }

  @Test(arguments: [true, false]) func relationshipMatrix(_ isOfX: Bool) throws {
    try Program.run(
      ["grm", "--genotypes", folder.path("g"), "--max-missing", "1", "--out", folder.path("k")] + sex
        + (isOfX ? ["--all-chromosomes"] : [])
    ).expectSuccess()
    let manifest = try Manifest.read(folder.path("k.manifest.json"))
    #expect(manifest["callsMasked"] as? Int == (isOfX ? masked : 0))
    #expect((manifest["notes"] as? [String])?.contains(note) == isOfX)
  }
}
