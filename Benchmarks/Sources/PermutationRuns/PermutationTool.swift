import BenchmarkSupport
import Glibc

/// What a tool says of a gene.
struct GeneRow {
  /// Variants tested, as the tool counts them.
  var pairs: Int
  /// The best variant and its p.
  var variant: String
  var nominal: Double
  /// NaN where the tool gives none.
  var empirical: Double
  var beta: Double
}

/// By gene.
typealias GeneTable = [String: GeneRow]

/// Where a tool writes its table of genes, perhaps in parts, and how.
struct GeneFiles {
  var paths: [String]
  /// Names of gene, pairs, variant, nominal, empirical and beta p.
  var columns: [String]
  /// Of tables without a header.
  var header: [String]?
  var separator: Character = "\t"

  private static let names = ["gene", "num_var", "variant", "p_nominal", "p_perm", "p_beta"]

  static func ours(_ out: String) -> GeneFiles {
    GeneFiles(
      paths: [out + ".cis_permute.tsv.gz"],
      columns: ["phenotype_id", "num_var", "variant_id", "p", "pval_perm", "pval_beta"])
  }

  static func fastQTL(_ paths: [String]) -> GeneFiles {
    GeneFiles(
      paths: paths, columns: names,
      header: [
        "gene", "num_var", "shape1", "shape2", "true_df", "p_true_df", "variant", "distance", "ma_samples",
        "ma_count", "maf", "ref_factor", "p_nominal", "slope", "se", "p_perm", "p_beta",
      ])
  }

  static func qtlTools(_ paths: [String]) -> GeneFiles {
    GeneFiles(
      paths: paths, columns: names,
      header: [
        "gene", "chromosome", "start", "end", "strand", "num_var", "distance", "variant",
        "variant_chromosome",
        "variant_start", "variant_end", "df", "true_df", "shape1", "shape2", "p_nominal", "r2", "slope",
        "p_perm", "p_beta",
      ], separator: " ")
  }

  static func tensorQTL(_ path: String) -> GeneFiles {
    GeneFiles(
      paths: [path],
      columns: ["phenotype_id", "num_var", "variant_id", "pval_nominal", "pval_perm", "pval_beta"])
  }

  func read() -> GeneTable {
    var genes: GeneTable = [:]
    for path in paths {
      forEachRow(of: path, columns: columns, header: header, separator: separator) { cells in
        guard let pairs = Int(cells[1]), let nominal = Double(cells[3]) else {
          fail("\(path): the row of \(cells[0]) is malformed")
        }
        let row = GeneRow(
          pairs: pairs, variant: String(cells[2]), nominal: nominal, empirical: Double(cells[4]) ?? .nan,
          beta: Double(cells[5]) ?? .nan)
        guard genes.updateValue(row, forKey: String(cells[0])) == nil else {
          fail("\(path): \(cells[0]) occurs twice")
        }
      }
    }
    return genes
  }
}

/// Few permutations: what a run of them takes is reading and the like.
let few = 50

/// A program that permutes all genes, and how fast it has done.
struct PermutationTool {
  let program: ToolProgram
  let permutations: Int
  let command: (_ permutations: Int, _ seed: Int) -> [String]
  let files: GeneFiles
  /// With `permutations` and with `few`, in turns.
  private(set) var runs: [(many: ToolRun, few: ToolRun)] = []
  /// Of the last run.
  private(set) var pairs = 0.0
  private(set) var genes = 0

  init(
    _ name: String, permutations: Int, cache: String, versionCommand: [String] = [], files: GeneFiles,
    command: @escaping (_ permutations: Int, _ seed: Int) -> [String]
  ) {
    guard permutations > few else { fail("\(name): more than \(few) permutations, please") }
    program = ToolProgram(name, versionCommand: versionCommand, log: "\(cache)/\(name).log")
    self.permutations = permutations
    self.command = command
    self.files = files
  }

  func map(permutations: Int, seed: Int) -> (run: ToolRun, table: GeneTable) {
    let title = "\(program.name), \(permutations) permutations, seed \(seed)"
    let run = program.run(command(permutations, seed), title: title)
    return (run, files.read())
  }

  /// Brings the files into memory.
  func warmUp() { _ = map(permutations: few, seed: 1) }

  mutating func run() {
    let few = map(permutations: few, seed: 1).run
    let (many, table) = map(permutations: permutations, seed: 1)
    runs.append((many, few))
    pairs = Double(table.values.reduce(0) { $0 + $1.pairs })
    genes = table.count
  }

  /// Pairs × permutations per second of whole runs.
  var wholeRates: [Double] { runs.map { pairs * Double(permutations) / $0.many.compute } }

  /// The same of the permutations that a longer run has more than a short one; infinite where they took no time that could be seen.
  var marginalRates: [Double] {
    runs.map { run in
      let seconds = run.many.compute - run.few.compute
      return seconds > 0 ? pairs * Double(permutations - few) / seconds : .infinity
    }
  }

  var betterRates: [Double] { median(marginalRates) > median(wholeRates) ? marginalRates : wholeRates }

  /// Of a run of as many permutations, at the rate of the further ones.
  func seconds(permutations: Int) -> Double {
    median(runs.map(\.few.compute)) + pairs * Double(permutations - few) / median(marginalRates)
  }
}

/// The study in the formats of all tools.
struct PermutationStudy {
  var genotypes: String
  /// With 4 leading columns, and with 6; tab-indexed.
  var phenotypes: String
  var phenotypes6: String
  var covariates: String
  var cache: String
  var threads: Int

  func ours(_ program: String, permutations: Int) -> PermutationTool {
    let out = cache + "/ours"
    return PermutationTool(
      "swiftqtl", permutations: permutations, cache: cache, versionCommand: [program, "--version"],
      files: .ours(out)
    ) { permutations, seed in
      [
        program, "cis", "permute", "--genotypes", genotypes, "--dosage-field", "DS", "--phenotypes",
        phenotypes, "--covariates", covariates, "--maf", "0", "--max-missing", "1", "--permutations",
        "\(permutations)", "--seed", "\(seed)", "--threads", "\(threads)", "--quiet", "--out", out,
      ]
    }
  }

  func fastQTL(permutations: Int, chunks: Int) -> PermutationTool? {
    guard isInstalled("fastQTL") else { return nil }
    let out = cache + "/fastqtl"
    return PermutationTool(
      "FastQTL", permutations: permutations, cache: cache, versionCommand: versionCommand("fastQTL --help"),
      files: .fastQTL((1...chunks).map { "\(out).\($0)" })
    ) { permutations, seed in
      inChunks(
        chunks,
        "fastQTL --silent --vcf '\(genotypes)' --bed '\(phenotypes)' --cov '\(covariates)' --window 1e6 "
          + "--permute \(permutations) --seed \(seed) --chunk {} \(chunks) --log '\(out).{}.log' --out '\(out).{}'"
      )
    }
  }

  func qtlTools(permutations: Int, chunks: Int) -> PermutationTool? {
    guard isInstalled("QTLtools") else { return nil }
    let out = cache + "/qtltools"
    return PermutationTool(
      "QTLtools", permutations: permutations, cache: cache,
      versionCommand: versionCommand("QTLtools cis --help"),
      files: .qtlTools((1...chunks).map { "\(out).\($0)" })
    ) { permutations, seed in
      inChunks(
        chunks,
        "QTLtools cis --silent --vcf '\(genotypes)' --bed '\(phenotypes6)' --cov '\(covariates)' "
          + "--window 1000000 --permute \(permutations) --seed \(seed) --chunk {} \(chunks) --out '\(out).{}'"
      )
    }
  }

  func tensorQTL(permutations: Int, drivers: String) -> PermutationTool? {
    guard let python = option("--tensorqtl-python"), access(python, X_OK) == 0 else { return nil }
    let out = cache + "/tensorqtl.tsv"
    return PermutationTool(
      "tensorQTL", permutations: permutations, cache: cache, files: .tensorQTL(out)
    ) { permutations, seed in
      [
        python, drivers + "/tensorqtl_cis.py", "--genotypes", genotypes, "--phenotypes", phenotypes,
        "--covariates", covariates, "--matrix", cache + "/genotypes", "--out", out, "--permutations",
        "\(permutations)", "--seed", "\(seed)", "--threads", "\(threads)",
      ]
    }
  }

  /// As many processes at once as there are threads: the tools have none of their own.
  private func inChunks(_ chunks: Int, _ command: String) -> [String] {
    [
      "env", "OPENBLAS_NUM_THREADS=1", "bash", "-c", "seq 1 \(chunks) | xargs -P \(threads) -I{} \(command)",
    ]
  }

  private func versionCommand(_ help: String) -> [String] {
    ["bash", "-c", "\(help) 2>&1 | sed -n 's/.*Version : //p'"]
  }
}
