// One simulated study scanned by SwiftQTL and by its peers, in turns; then their hits against ours. Prints Markdown; ends with status 1
// when hits differ. Benchmarks/run-peers says what is compared and how.
// Usage: PeerRuns --program swiftqtl --drivers DIRECTORY --cache DIRECTORY [--tensorqtl-python FILE] [--matrix-eqtl FILE]
//   [--samples 1000] [--variants 100000] [--genes 10000] [--covariates 20] [--plink-genes 500] [--repetitions 5] [--threads 2]
//   [--batch-size N] [--slice-size N]
import BenchmarkSupport
import Glibc

let repetitions = count("--repetitions", 5)
let threads = count("--threads", 2)
guard let program = option("--program"), let drivers = option("--drivers"), let cache = option("--cache")
else { fail("give --program, --drivers and --cache") }

let study = PeerStudy(
  samples: count("--samples", 1_000), variants: count("--variants", 100_000),
  genes: count("--genes", 10_000), covariates: count("--covariates", 20), cache: cache)
study.simulate(with: program)
var tools = availableTools(
  study, program: program, drivers: drivers, threads: threads,
  plinkGenes: min(count("--plink-genes", 500), study.genes))

for index in tools.indices { tools[index].tune() }
for repetition in 0..<repetitions {
  // The order turns, so that none always follows the same other.
  for k in tools.indices { tools[(k + repetition) % tools.count].run() }
}

header(
  study.title, "version", "genes", "compute s (ours, plink2: whole command): median (range)", "wall s",
  "CPU s", "peak memory",
  "10⁶ tests/s", "our rate ÷ its: median (range)")
let ours = tools[0]
for tool in tools {
  let ratios = zip(tool.runs, ours.runs).map { $0.compute / tool.tests * (ours.tests / $1.compute) }
  row(
    tool.title, tool.program.version, "\(tool.geneIDs.count)", spread(tool.runs.map(\.compute), 2),
    fixed(median(tool.runs.map(\.cost.wall)), 2), fixed(median(tool.runs.map(\.cost.cpu)), 2),
    fixed(Double(tool.runs.map(\.cost.peakResident).max()!) / 0x1p20, 0) + " MiB",
    fixed(1e-6 * tool.tests / median(tool.runs.map(\.compute)), 1), spread(ratios, 2))
}

let reference = study.reference(with: program, threads: threads)
header(
  "p ≤ \(threshold)", "hits", "missing", "extra", "within \(cutTolerance) of the cut, decided otherwise",
  "largest relative difference of log p")
var differing: [String] = []
for tool in tools {
  let agreement = Agreement(of: tool, with: reference)
  row(
    tool.program.name, "\(agreement.hits)", "\(agreement.missing)", "\(agreement.extra)",
    "\(agreement.atCut)",
    scientific(agreement.largestDifference))
  if agreement.missing + agreement.extra > 0 { differing.append(tool.program.name) }
}
if !differing.isEmpty { fail("hits differ from ours: " + differing.joined(separator: ", ")) }
