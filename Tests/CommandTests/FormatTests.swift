import Foundation
import Testing

/// What the result tables hold.
@Suite struct FormatTests {
  let study = SmallStudy(samples: 40, variants: 120, genes: 8, covariates: 2, missing: 0.03)
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
    inputs =
      BadInput.inputs(folder) + ["--maf", "0", "--max-missing", "1", "--quiet", "--out", folder.path("r")]
  }

  private func trans(_ options: String...) throws -> Table {
    try Program.run(["trans", "--no-exclude-cis"] + inputs + options).expectSuccess()
    return try Table(gzip: folder.path("r.trans.tsv.gz"))
  }

  private func cis(_ options: String...) throws -> Table {
    try Program.run(["cis", "nominal", "--window", "150000"] + inputs + options).expectSuccess()
    return try Table(gzip: folder.path("r.cis_nominal.tsv.gz"))
  }

  // MARK: - Columns

  @Test func ownColumns() throws {
    #expect(
      try trans("--pval-threshold", "1").header.joined(separator: " ")
        == "variant_id chromosome position ref alt phenotype_id beta se t df neg_log10_p p r2 af ma_samples "
        + "ma_count n q")
    #expect(
      try cis().header.joined(separator: " ")
        == "variant_id chromosome position ref alt phenotype_id start_distance beta se t df neg_log10_p p r2 af "
        + "ma_samples ma_count n")
  }

  /// The columns that the tools named write (tensorQTL 1.0.10, FastQTL as in GTEx v8, QTLtools 1.3.1).
  static let presets: [(format: String, columns: String)] = [
    (
      "tensorqtl", "phenotype_id variant_id start_distance af ma_samples ma_count pval_nominal slope slope_se"
    ),
    ("fastqtl", "gene_id variant_id tss_distance ma_samples ma_count maf pval_nominal slope slope_se"),
    (
      "qtltools",
      "phe_id phe_chr phe_from phe_to phe_strd n_var_in_cis dist_phe_var var_id var_chr var_from var_to nom_pval "
        + "r_squared slope slope_se best_hit"
    ),
  ]

  @Test(arguments: presets) func cisPreset(_ preset: (format: String, columns: String)) throws {
    let own = try cis()
    let other = try cis("--format", preset.format)
    #expect(other.header.joined(separator: " ") == preset.columns)
    #expect(other.rows.count == own.rows.count && own.rows.count > 200)
    let names = preset.columns.split(separator: " ").map(String.init)
    let gene = try other.texts(names[0])
    let variant = try other.texts(names.contains("var_id") ? "var_id" : "variant_id")
    #expect(try gene == own.texts("phenotype_id"))
    #expect(try variant == own.texts("variant_id"))
    let p = try zip(own.numbers("p"), other.numbers(names.contains("nom_pval") ? "nom_pval" : "pval_nominal"))
    let slope = try zip(own.numbers("beta"), other.numbers("slope"))
    let error = try zip(own.numbers("se"), other.numbers("slope_se"))
    // FastQTL's has six digits.
    for (a, b) in [p, slope, error].joined() { #expect(relativeDifference(a, b) < 6e-6) }
    if preset.format == "tensorqtl" {
      for name in ["af", "ma_samples", "ma_count", "start_distance"] {
        #expect(try own.texts(name) == other.texts(name), "\(name)")
      }
    }
  }

  @Test func transPresets() throws {
    let own = try trans("--pval-threshold", "0.1")
    let tensor = try trans("--pval-threshold", "0.1", "--format", "tensorqtl")
    #expect(tensor.header.joined(separator: " ") == "variant_id phenotype_id pval b b_se r2 af")
    for (theirs, name) in [("pval", "p"), ("b", "beta"), ("b_se", "se"), ("r2", "r2"), ("af", "af")] {
      #expect(try tensor.texts(theirs) == own.texts(name))
    }
    let tools = try trans("--pval-threshold", "0.1", "--format", "qtltools")
    #expect(tools.header.joined(separator: " ") == "PID PCHR PSTART VID VCHR VPOS NPVAL APVAL CORR SLOPE STD")
    for (theirs, name) in [("NPVAL", "p"), ("SLOPE", "beta"), ("STD", "se"), ("VPOS", "position")] {
      #expect(try tools.texts(theirs) == own.texts(name))
    }
    for (r, r2) in try zip(tools.numbers("CORR"), own.numbers("r2")) { #expect(abs(r * r - r2) < 1e-8) }
  }

  /// Distances run along the strand; a window's size and its best row are known in every row.
  @Test func qtltoolsWindow() throws {
    try folder.file(study.phenotypes(columns: 6), "e.bed")
    let table = try cis("--format", "qtltools")
    let column = Dictionary(uniqueKeysWithValues: table.header.enumerated().map { ($1, $0) })
    for (gene, rows) in Dictionary(grouping: table.rows, by: { $0[0] }) {
      let k = try #require(study.genes.firstIndex { $0.id == gene })
      let least = try rows.map { try #require(Double($0[column["nom_pval"]!])) }.min()
      for row in rows {
        let site = try #require(study.sites.first { $0.id == row[column["var_id"]!] })
        let place = study.genes[k]
        let distance = k % 2 == 0 ? site.position - place.start : place.end - site.position
        #expect(row[column["phe_strd"]!] == (k % 2 == 0 ? "+" : "-"))
        #expect(row[column["dist_phe_var"]!] == "\(distance)")
        #expect(row[column["n_var_in_cis"]!] == "\(rows.count)")
        #expect(row[column["phe_from"]!] == "\(place.start)" && row[column["phe_to"]!] == "\(place.end)")
        #expect((row[column["best_hit"]!] == "1") == (Double(row[column["nom_pval"]!]) == least))
      }
    }
  }

  /// Every variant's counts, from the genotypes; every pair in the closed window and no other.
  @Test func countsAndWindows() throws {
    let table = try cis()
    let rows = try table.byPair()
    let column = Dictionary(uniqueKeysWithValues: table.header.enumerated().map { ($1, $0) })
    var expected = 0
    for (site, dosages) in zip(study.sites, study.dosages) {
      let observed = dosages.compactMap(\.self)
      let alt = observed.reduce(0, +)
      let altIsMinor = alt <= observed.count
      for (gene, values) in zip(study.genes, study.values) {
        let isNear =
          gene.chromosome == site.chromosome && site.position >= gene.start - 150_000
          && site.position <= gene.end + 150_000
        let row = rows["\(site.id) \(gene.id)"]
        #expect((row != nil) == isNear, "\(site.id) \(gene.id)")
        guard let row else { continue }
        expected += 1
        #expect(row[column["start_distance"]!] == "\(site.position - gene.start)")
        #expect(row[column["ma_count"]!] == "\(altIsMinor ? alt : 2 * observed.count - alt)")
        #expect(row[column["ma_samples"]!] == "\(observed.count { altIsMinor ? $0 > 0 : $0 < 2 })")
        #expect(row[column["n"]!] == "\(values.count { $0 != nil })")
        let af = try #require(Double(row[column["af"]!]))
        #expect(abs(af - Double(alt) / Double(2 * observed.count)) < 1e-9)
      }
    }
    #expect(table.rows.count == expected && expected > 200)
  }

  // MARK: - q, best pairs, histograms

  @Test func benjaminiHochberg() throws {
    let table = try trans("--pval-threshold", "1")
    let tests = try OracleTests.tests(folder.path("r.manifest.json"))
    #expect(tests == 120 * 8 && table.rows.count == tests)
    try expectBH(table, tests: tests)
    // Below a threshold the adjustment still counts all tests.
    let few = try trans("--pval-threshold", "0.01")
    #expect(few.rows.count > 8 && few.rows.count < tests / 5)
    #expect(try OracleTests.tests(folder.path("r.manifest.json")) == tests)
    try expectBH(few, tests: tests)
    #expect(try !trans("--pval-threshold", "0.01", "--no-q").header.contains("q"))
  }

  private func expectBH(_ table: Table, tests: Int) throws {
    let p = try table.numbers("neg_log10_p").map { pow(10, -$0) }
    let q = try table.numbers("q")
    var least = 1.0
    for (rank, k) in p.indices.sorted(by: { p[$0] < p[$1] }).enumerated().reversed() {
      least = min(least, p[k] * Double(tests) / Double(rank + 1))
      // p is printed with 9 digits.
      #expect(relativeDifference(q[k], least) < 1e-7)
    }
  }

  @Test func bestPairs() throws {
    let all = try trans("--pval-threshold", "1", "--no-q")
    let best = try trans("--pval-threshold", "1e-3", "--best", "--no-q")
    #expect(best.rows.count < all.rows.count / 4)
    let column = Dictionary(uniqueKeysWithValues: all.header.enumerated().map { ($1, $0) })
    for (file, key) in [("by_variant", "variant_id"), ("by_phenotype", "phenotype_id")] {
      let table = try Table(gzip: folder.path("r.trans_best_\(file).tsv.gz"))
      let groups = Dictionary(grouping: all.rows) { $0[column[key]!] }
      #expect(table.rows.count == groups.count)
      for row in table.rows {
        let group = try #require(groups[row[column[key]!]])
        #expect(group.contains(row))
        let most = try group.map { try #require(Double($0[column["neg_log10_p"]!])) }.max()
        #expect(Double(row[column["neg_log10_p"]!]) == most)
      }
    }
  }

  @Test func fullHistogram() throws {
    let p = try trans("--pval-threshold", "1").numbers("p")
    _ = try trans("--pval-threshold", "1e-4", "--histogram", "full")
    let manifest = try Manifest.read(folder.path("r.manifest.json"))
    let histogram = try #require(manifest["histogram"] as? [Int])
    var expected = [Int](repeating: 0, count: 20)
    for p in p { expected[min(19, Int(p * 20))] += 1 }
    #expect(histogram == expected)
  }

  @Test func bonferroni() throws {
    let all = try trans("--pval-threshold", "1", "--no-q")
    let few = try trans("--bonferroni", "--no-q")
    let p = try all.column("p")
    #expect(few.rows == all.rows.filter { Double($0[p])! <= 0.05 / (120 * 8) } && few.rows.count > 1)
    #expect(try Manifest.read(folder.path("r.manifest.json"))["threshold"] as? Double == 0.05 / (120 * 8))
    // The number of records in a VCF is known at its end only.
    try folder.file(study.vcf(), "g.vcf")
    let refused = try Program.run(
      ["trans", "--bonferroni", "--out", folder.path("v")] + BadInput.inputs(folder, genotypes: ["g.vcf"]))
    #expect(refused.status == 64 && refused.errors.contains("--bonferroni"))
  }

  /// One side's p is half of both sides' where the slope has that sign, and the rest of 1 where it has not.
  @Test(arguments: [("greater", 1.0), ("less", -1)]) func alternative(_ side: String, sign: Double) throws {
    let both = try trans("--pval-threshold", "1", "--no-q")
    let one = try trans("--pval-threshold", "1", "--no-q", "--alternative", side)
    #expect(try both.texts("t") == one.texts("t") && both.texts("beta") == one.texts("beta"))
    let (p, q, t) = try (both.numbers("p"), one.numbers("p"), both.numbers("t"))
    for k in p.indices {
      // Nine digits of p.
      #expect(abs(q[k] - (t[k] * sign > 0 ? p[k] / 2 : 1 - p[k] / 2)) < 1e-8)
    }
  }

  // MARK: - Small p

  /// A gene that is its variant but for a millionth: p far below the range of doubles.
  @Test func smallestP() throws {
    var study = SmallStudy(samples: 400, variants: 4, genes: 1, covariates: 1)
    study.values[0] = study.dosages[0].enumerated().map { Double($1!) + 1e-6 * Double(($0 * 7) % 5) }
    study.values.append(study.dosages[1].map { Double($0!) })
    study.genes.append(.init(id: "exact", chromosome: "1", start: 10, end: 20))
    try study.write(to: folder)
    for format in ["swiftqtl", "tensorqtl", "qtltools"] {
      let table = try trans("--pval-threshold", "1e-300", "--format", format)
      #expect(table.rows.count == 2)
      let name = ["swiftqtl": "p", "tensorqtl": "pval", "qtltools": "NPVAL"][format]!
      for p in try table.texts(name) {
        let parts = p.split(separator: "e-")
        #expect(parts.count == 2 && Double(parts[0]).map { $0 >= 1 && $0 < 10 } == true, "\(p)")
        #expect(Int(parts[1]).map { $0 > 1_500 } == true, "\(p)")
      }
      guard format == "swiftqtl" else { continue }
      for (p, x) in try zip(table.texts("p"), table.numbers("neg_log10_p")) {
        let parts = p.split(separator: "e-")
        let log = try #require(Double(parts[1])) - log10(#require(Double(parts[0])))
        // Nine digits of 10³.
        #expect(abs(log - x) < 1e-4)
      }
      for q in try table.texts("q") { #expect(q.contains("e-")) }
    }
  }

  // MARK: - The files around the table

  @Test(.enabled(if: Program.tool("tabix") != nil, "tabix is not installed"))
  func tabixFindsRows() throws {
    let table = try cis()
    let found = try Program.run(
      #require(Program.tool("tabix")), [folder.path("r.cis_nominal.tsv.gz"), "2:100000-200000"])
    try found.expectSuccess()
    let (c, p) = try (table.column("chromosome"), table.column("position"))
    let expected = table.rows.filter { $0[c] == "2" && (100_000...200_000).contains(Int($0[p])!) }
    #expect(expected.count > 20)
    #expect(found.output.split(separator: "\n") == expected.map { Substring($0.joined(separator: "\t")) })
  }

  /// Rows of unsorted genotypes are worth having without an index.
  @Test func unsortedGenotypes() throws {
    let sorted = try cis()
    var other = study
    other.sites.swapAt(3, 4)
    other.dosages.swapAt(3, 4)
    try other.writePlink(to: folder)
    let table = try cis()
    #expect(try Set(sorted.byPair().keys) == Set(table.byPair().keys))
    #expect(
      try !folder.contents().contains("r.cis_nominal.tsv.gz.tbi"), "the earlier run's index is out of date")
    let manifest = try Manifest.read(folder.path("r.manifest.json"))
    #expect((manifest["alignment"] as? [String])?.last?.contains("has no index") == true)
    #expect((manifest["outputs"] as? [String])?.contains { $0.hasSuffix(".tbi") } == false)
  }

  /// An index of type .csi is needed beyond 2²⁹ bases; the manifest names what is there.
  @Test func farPositions() throws {
    var other = study
    for k in other.sites.indices { other.sites[k].position += 1 << 29 }
    for k in other.genes.indices {
      other.genes[k].start += 1 << 29
      other.genes[k].end += 1 << 29
    }
    try other.write(to: folder)
    _ = try cis()
    let outputs = try #require(try Manifest.read(folder.path("r.manifest.json"))["outputs"] as? [String])
    #expect(outputs.contains(folder.path("r.cis_nominal.tsv.gz.csi")))
    for path in outputs { #expect(FileManager.default.fileExists(atPath: path), "\(path)") }
  }

  /// A window wider than any chromosome: all pairs of one chromosome, in a region or not.
  @Test func widestWindow() throws {
    let widest = try cis("--window", "9223372036854775807")
    let pairs = study.genes.map { gene in study.sites.count { $0.chromosome == gene.chromosome } }
    #expect(widest.rows.count == pairs.reduce(0, +))
    let region = try cis("--window", "9223372036854775807", "--region", "2:1-9223372036854775807")
    #expect(try region.rows == widest.rows.filter { $0[try widest.column("chromosome")] == "2" })
  }

  /// Samples left out on purpose are not confused with those that a file lacks.
  @Test func samplesAskedFor() throws {
    let list = try folder.file(
      (study.samples.dropFirst(2) + ["nobody"]).joined(separator: "\n"), "samples.txt")
    _ = try cis("--samples", list)
    let drops = try Table(gzip: folder.path("r.drops.tsv.gz")).rows.filter { $0[0] == "sample" }
    #expect(Set(drops.map { $0[1] }) == ["S000", "S001"] && drops.allSatisfy { $0[2] == "not asked for" })
    let lines = try Manifest.read(folder.path("r.manifest.json"))["alignment"] as? [String]
    #expect(lines?.contains("1 of the samples asked for are in no file (nobody)") == true)
  }

  /// Every file that decided the run is listed once; a pipe, which is gone once read, without its checksum.
  @Test func manifestInputs() throws {
    let locations = try folder.file(
      study.sites.map { "\($0.id) \($0.chromosome) \($0.position)\n" }.joined(), "places.txt")
    let plain = study.matrix().split(separator: "\n").map { line in
      let cells = line.split(separator: "\t")
      return ([cells[0]] + cells[5...]).joined(separator: "\t")
    }
    try folder.file(plain.joined(separator: "\n") + "\n", "g.txt")
    let list = try folder.file(folder.path("g.txt") + "\n", "list.txt")
    let script = "\"$0\" \"$@\" --samples <(printf '%s\\n' \(study.samples.joined(separator: " ")))"
    try Program.run(
      #require(Program.tool("bash")),
      [
        "-c", script, #require(Program.path), "trans", "--genotype-list", list, "--variant-locations",
        locations,
      ]
        + inputs.dropFirst(2)
    ).expectSuccess()
    let manifest = try Manifest.read(folder.path("r.manifest.json"))
    let files = try #require(manifest["inputs"] as? [[String: Any]])
    let names = files.dropLast().map { URL(filePath: $0["path"] as? String ?? "").lastPathComponent }
    #expect(names == ["g.txt", "places.txt", "list.txt", "e.bed", "c.tsv"])
    #expect(files.dropLast().allSatisfy { ($0["xxh3"] as? String)?.count == 32 })
    let pipe = try #require(files.last)
    #expect(pipe["bytes"] as? Int == 0 && pipe["xxh3"] as? String == "")
  }

  /// The manifest repeats the run and accounts for every pair.
  @Test func manifest() throws {
    try Program.run(["trans", "--exclude-cis", "100000", "--pval-threshold", "0.05"] + inputs).expectSuccess()
    let manifest = try Manifest.read(folder.path("r.manifest.json"))
    let counts = try Manifest.counts(folder.path("r.manifest.json"))
    #expect(counts["samples"] == 40 && counts["variantsTested"] == 120 && counts["phenotypes"] == 8)
    #expect(counts["covariateRank"] == 3 && counts["degreesOfFreedom"] == 36)
    #expect(counts["tests"]! + counts["pairsExcluded"]! + counts["pairsUntestable"]! == 120 * 8)
    #expect(counts["pairsExcluded"]! > 50)
    #expect(counts["rows"] == (try Table(gzip: folder.path("r.trans.tsv.gz")).rows.count))
    #expect((manifest["command"] as? [String])?.dropFirst().prefix(2) == ["trans", "--exclude-cis"])
    let files = try #require(manifest["inputs"] as? [[String: Any]])
    let names = files.compactMap { ($0["path"] as? String).map { URL(filePath: $0).lastPathComponent } }
    #expect(names == ["g.bed", "g.bim", "g.fam", "e.bed", "c.tsv"])
    #expect(files[0]["bytes"] as? Int == study.bed().count)
    for path in try #require(manifest["outputs"] as? [String]) {
      #expect(FileManager.default.fileExists(atPath: path), "\(path)")
    }
  }
}
