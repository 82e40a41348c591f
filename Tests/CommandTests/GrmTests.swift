import Foundation
import SwiftQTL
import Testing

/// `swiftqtl grm`, from genotypes to matrix, components and decomposition.
@Suite struct GrmTests {
  let folder: Folder
  let study = SmallStudy(samples: 40, variants: 60, missing: 0.05)

  init() throws {
    folder = try Folder()
    try study.write(to: folder)
  }

  private func grm(_ options: [String], out: String = "r") throws -> Program.Result {
    try Program.run(["grm", "--quiet", "--out", folder.path(out)] + options)
  }

  private var genotypes: [String] { ["--genotypes", folder.path("g"), "--max-missing", "1"] }

  private func outputs(_ prefix: String) throws -> [String] {
    try folder.contents().filter { $0.hasPrefix(prefix + ".") }
  }

  @Test func matrixComponentsAndParts() throws {
    try grm(genotypes + ["--pcs", "3", "--by-chromosome", "--threads", "2"]).expectSuccess()
    let gcta = ["grm.N.bin", "grm.bin", "grm.id"]
    #expect(
      try outputs("r")
        == ["chr1." + gcta[0], "chr1." + gcta[1], "chr1." + gcta[2], "chr2." + gcta[0], "chr2." + gcta[1]].map
      { "r." + $0 }
        + ["r.chr2." + gcta[2], "r.drops.tsv.gz", "r.eigenvalues.tsv"] + gcta.map { "r." + $0 }
        + ["r.manifest.json", "r.pcs.tsv"])
    let whole = try KinshipFile.read(folder.path("r"))
    #expect(whole.sampleIDs == study.samples)
    let parts = try ["1", "2"].map { try KinshipFile.read(folder.path("r.chr\($0)")) }
    guard case .pairwise(let all) = whole.variantCounts, case .pairwise(let one) = parts[0].variantCounts,
      case .pairwise(let two) = parts[1].variantCounts
    else { throw Missing() }
    #expect(all == zip(one, two).map { $0 + $1 })
    for i in 0..<40 {
      for j in 0...i {
        let k = i * (i + 1) / 2 + j
        let sum = parts[0].matrix[i, j] * Double(one[k]) + parts[1].matrix[i, j] * Double(two[k])
        // Three roundings to fp32 of entries of about 1.
        #expect(abs(sum / Double(all[k]) - whole.matrix[i, j]) < 3e-7)
      }
    }

    // The command's table is what any scan takes for covariates.
    let pcs = try CovariateFile.read(folder.path("r.pcs.tsv"), sampleIDs: Set(study.samples))
    #expect(pcs.names == ["PC1", "PC2", "PC3"] && pcs.sampleIDs == study.samples)
    let values = try Table(folder.text("r.eigenvalues.tsv")).numbers("eigenvalue")
    for a in 0..<3 {
      let x = pcs.values.column(a)
      #expect(x.max { abs($0) < abs($1) }! > 0)
      for b in 0..<3 {
        let product = zip(x, pcs.values.column(b)).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(product - (a == b ? 1 : 0)) < 1e-13)
      }
      // An eigenvector of the fp32 copy, too, up to its rounding.
      for i in 0..<40 {
        let product = (0..<40).reduce(0) { $0 + whole.matrix[i, $1] * x[$1] }
        #expect(abs(product - values[a] * x[i]) < 1e-6)
      }
    }
    #expect(values == values.sorted(by: >))

    let manifest = try Manifest.read(folder.path("r.manifest.json"))
    #expect(manifest["samples"] as? Int == 40 && manifest["variants"] as? Int == 60)
    #expect(manifest["form"] as? String == "standardized-2pq")
    #expect((manifest["inputs"] as? [Any])?.count == 3)
  }

  struct Missing: Error {}

  @Test(arguments: ["--centered", "--standardized-sample", "--standardized"])
  func formsAndThreads(_ form: String) throws {
    try grm(genotypes + [form, "--format", "gemma", "--threads", "1"], out: "a").expectSuccess()
    try grm(genotypes + [form, "--format", "gemma", "--threads", "3"], out: "b").expectSuccess()
    #expect(try outputs("a") == ["a.drops.tsv.gz", "a.grm.id", "a.grm.txt", "a.manifest.json"])
    #expect(try folder.text("a.grm.txt") == folder.text("b.grm.txt"))
    // Of VCF the same.
    try folder.file(study.vcf(), "g.vcf")
    try grm(
      ["--genotypes", folder.path("g.vcf"), "--max-missing", "1", form, "--format", "gemma"], out: "c"
    ).expectSuccess()
    #expect(try folder.text("a.grm.txt") == folder.text("c.grm.txt"))
    let trace = try KinshipFile.read(folder.path("a")).trace
    // Each standardised variant adds 1 on average; heterozygotes of fewer samples less under 2pq.
    if form == "--standardized-sample" { #expect(abs(trace - 40) < 1e-9) }
  }

  @Test func decomposition() throws {
    try folder.file(study.samples.dropFirst(4).map { $0 + "\n" }.joined(), "keep")
    try grm(genotypes + ["--format", "gemma"]).expectSuccess()
    try grm(
      [
        "--grm", folder.path("r"), "--eigen", "--covariates", folder.path("c.tsv"), "--samples",
        folder.path("keep"),
      ],
      out: "d"
    ).expectSuccess()
    #expect(try outputs("d") == ["d.eigen", "d.manifest.json"])
    let stored = try SpectralFile.read(folder.path("d.eigen"))
    #expect(stored.sampleIDs == study.samples.dropFirst(4).sorted() && stored.covariateRank == 3)
    #expect(stored.kinshipValues.count == 36)
    let manifest = try Manifest.read(folder.path("d.manifest.json"))
    let said = try #require(manifest["decomposition"] as? [String: Any])
    #expect(said["samples"] as? Int == 36 && said["covariateRank"] as? Int == 3)
    #expect(said["algorithm"] as? String == "divide and conquer")
    #expect(said["neededBytes"] as? Int == 64 << 20 + 24 * 36 * 36)
    // MKM = s·UΛU', and U is orthogonal to the covariates.
    let n = 36
    let kinship = try KinshipFile.read(folder.path("r")).restricted(to: stored.sampleIDs).matrix
    let (u, q) = (stored.vectors, stored.covariateBasis)
    for a in 0..<n - 3 {
      let column = u.column(a)
      let product = (0..<n).map { i in (0..<n).reduce(0) { $0 + kinship[i, $1] * column[$1] } }
      for b in 0..<n - 3 {
        let form = zip(u.column(b), product).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(
          abs(form - (a == b ? stored.scale * stored.values[a] : 0)) < 1e-12 + stored.scale
            * abs(stored.lowestValue))
      }
      for c in 0..<3 { #expect(abs(zip(q.column(c), column).reduce(0) { $0 + $1.0 * $1.1 }) < 1e-13) }
    }
    try grm(["--grm", folder.path("r"), "--eigen", "--reml-only"], out: "e").expectSuccess()
    #expect(try SpectralFile.read(folder.path("e.eigen")).kinshipValues.isEmpty)
    // Converted to GCTA's form.
    try grm(["--grm", folder.path("r"), "--format", "gcta"], out: "f").expectSuccess()
    #expect(
      try KinshipFile.read(folder.path("f")).matrix.storage
        == KinshipFile.read(folder.path("r")).matrix.storage.map { Double(Float($0)) })
  }

  @Test func refused() throws {
    try folder.file("nobody\n", "nobody")
    try folder.file("id a b\na 1 0\nb 1 1\n", "odd.txt")
    let cases: [(options: [String], status: Int32, says: String)] = [
      ([], 64, "either --genotypes or --grm"),
      (genotypes + ["--grm", "k"], 64, "either --genotypes or --grm"),
      (["--grm", "k"], 64, "give --pcs, --eigen or the --format"),
      (["--grm", "k", "--pcs", "2", "--centered"], 64, "nothing is computed from genotypes"),
      (genotypes + ["--pcs", "0"], 64, "--pcs"),
      (genotypes + ["--covariates", "c"], 64, "goes with --eigen"),
      (genotypes + ["--reml-only"], 64, "goes with --eigen"),
      (genotypes + ["--eigen", "--memory", "64M"], 74, "decomposing the relationship matrix of 40 samples"),
      (genotypes + ["--by-chromosome", "--format", "gemma"], 64, "--by-chromosome"),
      (genotypes + ["--centered", "--standardized"], 64, "--standardized"),
      (genotypes + ["--pcs", "41"], 65, "41 principal components are asked for of 40 samples"),
      (genotypes + ["--samples", folder.path("nobody")], 65, "none of the 1 samples asked for"),
      (genotypes + ["--maf", "0.5", "--mac", "1000"], 65, "no variant is left"),
      (genotypes + ["--memory", "1M"], 74, "--memory allows 1"),
      (["--grm", folder.path("absent"), "--pcs", "2"], 74, "No such file"),
      (["--grm", folder.path("odd.txt"), "--pcs", "2"], 65, "odd.txt:3: the matrix is not symmetric"),
    ]
    for (options, status, says) in cases {
      let result = try grm(options)
      #expect(result.status == status && result.errors.contains(says), "\(options): \(result.errors)")
      #expect(try outputs("r") == [], "\(options)")
    }
  }
}

/// The heterogeneous stock mice of GEMMA's example: 1,940 samples, 12,226 variants.
@Suite(.enabled(if: SharedData.isPresent, "no folder of reference data (SWIFTQTL_SHARED)"))
struct GrmOracleTests {
  /// GEMMA 0.98.5, `-gk 1`: the first 60 samples. It filters variants among the 1,410 samples that have its first trait:
  /// the 10,768 that are left are those of its association run.
  @Test func gemmaCentered() throws {
    let folder = try Folder()
    let data = try SharedData.path("data/gemma_mouse_hs1940/mouse_hs1940")
    let ids = try Gzip.text(data + ".fam.gz").split(separator: "\n").map { $0.split(separator: "\t")[1] }
    let dosages = try Gzip.text(data + ".geno.txt.gz").replacing(", ", with: ",")
    try folder.file("id,alt,ref," + ids.joined(separator: ",") + "\n" + dosages, "geno.txt")
    let tested = try Table(
      Gzip.text(SharedData.path("oracles/gemma_mouse/mouse_hs1940_CD8_lm4.assoc.txt.gz")))
    try folder.file(tested.texts("rs").joined(separator: "\n") + "\n", "variants")
    try Program.run([
      "grm", "--genotypes", folder.path("geno.txt"), "--extract", folder.path("variants"), "--maf", "0",
      "--max-missing", "1", "--centered", "--format", "gemma", "--quiet", "--out", folder.path("k"),
    ]).expectSuccess()
    let ours = try KinshipFile.read(folder.path("k"))
    #expect(ours.sampleCount == 1940)
    let rows = try Gzip.text(SharedData.path("oracles/gemma_mouse/mouse_hs1940.cXX.first60.txt.gz"))
      .split(separator: "\n").map { try $0.split(separator: "\t").map { try #require(Double($0)) } }
    #expect(rows.count == 60 && rows.allSatisfy { $0.count == 60 })
    #expect(abs(ours.matrix[0, 0] - 0.335_058_958_8) < 1e-9)
    for (i, row) in rows.enumerated() {
      // Dosages such as 0.429 are held in fp32 here: 3e-8 each, at random over 10,768 variants; and half a unit of the tenth digit.
      for (j, value) in row.enumerated() { #expect(abs(ours.matrix[i, j] - value) < 1e-9) }
    }
  }
}

extension Kinship {
  fileprivate var trace: Double { (0..<sampleCount).reduce(0) { $0 + matrix[$1, $1] } }
}
