import BenchmarkSupport
import Glibc

/// One measured scan.
struct Run {
  var cost: Cost
  /// Seconds of the scan alone where the tool's driver tells them (`compute_seconds=` in its log), else of the whole command.
  var compute: Double
}

/// A program that tests each variant against each of some traits, and how it has done.
struct Tool {
  let name: String
  let geneIDs: [String]
  let tests: Double
  /// What is chosen for speed, and among which values; the choice is put behind `command`.
  let setting: String
  var choices: [Int]
  let command: [String]
  /// Prints the version; empty where the driver logs it (`version=`).
  let versionCommand: [String]
  let hits: [HitTable]
  let log: String
  private(set) var runs: [Run] = []

  init(
    _ name: String, _ study: PeerStudy, genes: Int, setting: String = "", choices: [Int] = [],
    command: [String], versionCommand: [String] = [], hits: [HitTable]
  ) {
    self.name = name
    geneIDs = study.geneIDs(genes)
    tests = Double(study.variants) * Double(genes)
    self.setting = setting
    self.choices = choices
    self.command = command
    self.versionCommand = versionCommand
    self.hits = hits
    log = "\(study.cache)/\(name).log"
  }

  var title: String { choices.isEmpty ? name : "\(name), \(setting) \(choices[0])" }

  var version: String {
    guard versionCommand.isEmpty else {
      let log = self.log + ".version"
      _ = runChild(versionCommand, log: log)
      var line = ""
      forEachLine(of: log) { if line.isEmpty { line = $0 } }
      return line
    }
    return logged("version") ?? "unknown"
  }

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

  private func measured() -> Run {
    let cost = runChild(command + choices.prefix(1).map { "\($0)" }, log: log)
    let run = Run(cost: cost, compute: logged("compute_seconds").flatMap(Double.init) ?? cost.wall)
    note("\(title): \(fixed(run.compute, 2)) s, whole command \(fixed(cost.wall, 2)) s")
    return run
  }

  private func logged(_ key: String) -> String? {
    var value: String?
    forEachLine(of: log) { if $0.hasPrefix(key + "=") { value = String($0.dropFirst(key.count + 1)) } }
    return value
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
  let hasPlink = access("/usr/bin/plink2", X_OK) == 0
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
  if let engine = option("--matrix-eqtl"), access(engine, R_OK) == 0, access("/usr/bin/Rscript", X_OK) == 0 {
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
