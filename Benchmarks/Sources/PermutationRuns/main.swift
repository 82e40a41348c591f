// Cis permutations of one study by SwiftQTL and its peers, in turns; or, with --validate, how far their p agree. Prints Markdown; ends
// with status 1 when leads differ from FastQTL's. Benchmarks/run-permutations says what is compared and how.
// Usage: PermutationRuns --program swiftqtl --drivers DIRECTORY --cache DIRECTORY --genotypes VCF --phenotypes BED --phenotypes6 BED
//   --covariates FILE [--tensorqtl-python FILE] [--permutations 10000] [--fastqtl-permutations 100] [--qtltools-permutations 100]
//   [--tensorqtl-permutations 1000] [--chunks 8] [--repetitions 3] [--threads 2] [--validate yes] [--oracle FILE]
//   [--fastqtl-seeds 2]
import BenchmarkSupport
import Glibc

func required(_ name: String) -> String {
  guard let value = option(name) else { fail("give \(name)") }
  return value
}

let study = PermutationStudy(
  genotypes: required("--genotypes"), phenotypes: required("--phenotypes"),
  phenotypes6: required("--phenotypes6"), covariates: required("--covariates"), cache: required("--cache"),
  threads: count("--threads", 2))
let chunks = count("--chunks", 8)
let ours = study.ours(required("--program"), permutations: count("--permutations", 10_000))
let fastQTL = study.fastQTL(permutations: count("--fastqtl-permutations", 100), chunks: chunks)
let qtlTools = study.qtlTools(permutations: count("--qtltools-permutations", 100), chunks: chunks)
let tensorQTL = study.tensorQTL(
  permutations: count("--tensorqtl-permutations", 1_000), drivers: required("--drivers"))
for (name, isHere) in [
  ("FastQTL", fastQTL != nil), ("QTLtools", qtlTools != nil), ("tensorQTL", tensorQTL != nil),
] where !isHere {
  note("\(name) skipped: it needs Scripts/peers")
}

if option("--validate") == nil {
  compareSpeed(
    [ours, fastQTL, qtlTools, tensorQTL].compactMap { $0 }, repetitions: count("--repetitions", 3))
} else {
  let permutations = Validation.permutations
  var peers: [(name: String, table: GeneTable)] = []
  if let oracle = option("--oracle") { peers.append(("FastQTL's table", GeneFiles.fastQTL([oracle]).read())) }
  if let fastQTL, option("--oracle") == nil || option("--fastqtl-seeds") != nil {
    for seed in 1...count("--fastqtl-seeds", 2) {
      peers.append(("FastQTL, seed \(seed)", fastQTL.map(permutations: permutations, seed: seed).table))
    }
  }
  if let tensorQTL {
    peers.append(("tensorQTL", tensorQTL.map(permutations: permutations, seed: 1).table))
  }
  guard Validation(ours: ours, peers: peers).report() else { fail("leads differ from ours") }
}

/// Runs the tools in turns; the order turns too, so that none always follows the same other.
func compareSpeed(_ tools: [PermutationTool], repetitions: Int) {
  var tools = tools
  for tool in tools { tool.warmUp() }
  for repetition in 0..<repetitions {
    for k in tools.indices { tools[(k + repetition) % tools.count].run() }
  }
  let ours = tools[0]
  header(
    "tool", "version", "genes", "10⁶ pairs", "permutations",
    "compute s (all but tensorQTL: whole command): median (range)", "with \(few)", "wall s", "CPU s",
    "peak memory of a process", "10⁶ pairs × permutations/s", "of further permutations",
    "our whole rate ÷ its better: median (range)", "s for \(ours.permutations)")
  for tool in tools {
    let many = tool.runs.map(\.many)
    row(
      tool.program.name, tool.program.version, "\(tool.genes)", fixed(1e-6 * tool.pairs, 3),
      "\(tool.permutations)", spread(many.map(\.compute), 2), fixed(median(tool.runs.map(\.few.compute)), 2),
      fixed(median(many.map(\.cost.wall)), 2), fixed(median(many.map(\.cost.cpu)), 2),
      fixed(Double(many.map(\.cost.peakResident).max()!) / 0x1p20, 0) + " MiB",
      fixed(1e-6 * median(tool.wholeRates), 1), fixed(1e-6 * median(tool.marginalRates), 1),
      tool.program.name == ours.program.name
        ? "1" : spread(zip(ours.wholeRates, tool.betterRates).map { $0 / $1 }, 1),
      fixed(tool.seconds(permutations: ours.permutations), 1))
  }
}
