import BenchmarkSupport
import Glibc

/// A program that tests each variant against each of some traits, and how it has done.
struct Tool {
  let program: ToolProgram
  let geneIDs: [String]
  let tests: Double
  /// What is chosen for speed, and among which values; the choice is put behind `command`.
  let setting: String
  var choices: [Int]
  let command: [String]
  let hits: [HitTable]
  private(set) var runs: [ToolRun] = []

  init(
    _ name: String, _ study: PeerStudy, genes: Int, setting: String = "", choices: [Int] = [],
    command: [String], versionCommand: [String] = [], hits: [HitTable]
  ) {
    program = ToolProgram(name, versionCommand: versionCommand, log: "\(study.cache)/\(name).log")
    geneIDs = study.geneIDs(genes)
    tests = Double(study.variants) * Double(genes)
    self.setting = setting
    self.choices = choices
    self.command = command
    self.hits = hits
  }

  var title: String { choices.isEmpty ? program.name : "\(program.name), \(setting) \(choices[0])" }

  mutating func run() { runs.append(measured()) }

  /// Keeps the fastest choice, by one run each; the files are in memory then for all.
  mutating func tune() {
    guard choices.count > 1 else {
      _ = measured()
      return
    }
    var best = (choice: 0, seconds: Double.infinity)
    for choice in choices {
      choices = [choice]
      let seconds = measured().compute
      if seconds < best.seconds { best = (choice, seconds) }
    }
    choices = [best.choice]
  }

  private func measured() -> ToolRun {
    program.run(command + choices.prefix(1).map { "\($0)" }, title: title)
  }
}

/// Ours, first, and the peers found here, ready to run on the study.
func availableTools(
  _ study: PeerStudy, program: String, drivers: String, threads: Int, plinkGenes: Int
) -> [Tool] {
  let out = study.cache + "/hits"
  var tools = [
    Tool(
      "swiftqtl", study, genes: study.genes,
      command: study.scan(with: program, threads: threads, threshold: threshold, out: out),
      versionCommand: [program, "--version"], hits: [HitTable(ofOurs: out)])
  ]
  let hasPlink = isInstalled("plink2")
  if hasPlink { study.writePgen(threads: threads) } else { note("plink2 skipped: not installed") }
  if let python = option("--tensorqtl-python"), access(python, X_OK) == 0, hasPlink {
    let hits = study.cache + "/hits.tensorqtl.tsv"
    tools.append(
      Tool(
        "tensorQTL", study, genes: study.genes, setting: "batch_size",
        choices: choices("--batch-size", among: [1_000, 2_500, 5_000, 10_000, 20_000], upTo: study.variants),
        command: [
          python, drivers + "/tensorqtl_trans.py", "--study", study.prefix, "--out", hits, "--threshold",
          "\(threshold)", "--threads", "\(threads)", "--batch-size",
        ],
        hits: [HitTable(path: hits, variant: "variant_id", gene: .column("phenotype_id"), p: "pval")]))
  } else {
    note("tensorQTL skipped: it needs Scripts/peers")
  }
  if let engine = option("--matrix-eqtl"), access(engine, R_OK) == 0, isInstalled("Rscript") {
    let hits = study.cache + "/hits.matrix-eqtl.tsv"
    tools.append(
      Tool(
        "Matrix eQTL", study, genes: study.genes, setting: "slices of",
        choices: choices("--slice-size", among: [500, 1_000, 2_000, 5_000], upTo: study.variants),
        command: [
          "env", "OPENBLAS_NUM_THREADS=\(threads)", "Rscript", "--vanilla", drivers + "/matrix_eqtl_trans.R",
          engine, study.prefix, hits, "\(threshold)",
        ], hits: [HitTable(path: hits, variant: "SNP", gene: .column("gene"), p: "p-value")]))
  } else {
    note("Matrix eQTL skipped: it needs R and MATRIX_EQTL_R, the path of Matrix_eQTL_engine.R")
  }
  if hasPlink {
    study.writePlinkTables(geneCount: plinkGenes)
    let hits = study.cache + "/hits.plink2"
    tools.append(
      Tool(
        "plink2 --glm", study, genes: plinkGenes,
        command: [
          "plink2", "--pfile", study.prefix, "--pheno", study.prefix + ".plink-phenotypes.tsv", "--covar",
          study.prefix + ".plink-covariates.tsv", "--glm", "hide-covar", "omit-ref", "cols=p", "--pfilter",
          "\(threshold)", "--threads", "\(threads)", "--out", hits,
        ], versionCommand: ["plink2", "--version"],
        hits: study.geneIDs(plinkGenes).map {
          HitTable(path: "\(hits).\($0).glm.linear", variant: "#ID", gene: .named($0), p: "P")
        }))
  }
  return tools
}

/// The one that is asked for, or those that make a difference to the study.
private func choices(_ name: String, among standard: [Int], upTo largest: Int) -> [Int] {
  guard option(name) == nil else { return [count(name, 0)] }
  let sensible = standard.filter { $0 <= largest }
  return sensible.isEmpty ? [largest] : sensible
}
