// LOD scores of all pairs of a panel of inbred lines, from data in memory to a matrix in memory. Prints Markdown.
// Usage: DenseRuns [--samples 79] [--variants 7321] [--traits 35554] [--threads 2] [--repetitions 5]
//
// Standard size: that of BXD mice by which BulkLMM was published (Kim et al. 2024). Markers of 20 chromosomes and linkage as lines of two
// parents have it; of traits' variance up to 90 % is shared by relatives. Each mixed model has its own h², by REML.
import BenchmarkSupport
import Glibc
import SwiftQTL

let (samples, variants, traits) = (
  count("--samples", 79), count("--variants", 7_321), count("--traits", 35_554)
)
let (threads, repetitions) = (count("--threads", 2), count("--repetitions", 5))

let ids = numberedIDs("s", samples)
var random = CounterRandom(seed: 1, stream: 1)
var codes = [UInt8](repeating: 0, count: samples * variants)
for line in 0..<samples {
  var parent = UInt8(0)
  for v in 0..<variants {
    // A new chromosome, or some three crossovers on each.
    let isNew = v * 20 / variants != (v - 1) * 20 / variants || v == 0
    if isNew ? random.uniform() < 0.5 : random.uniform() < 60 / Double(variants) { parent = 2 - parent }
    codes[v * samples + line] = parent
  }
}
let genotypes = MemoryGenotypes(
  sampleIDs: ids,
  variants: numberedIDs("v", variants).map {
    Variant(id: $0, chromosome: "1", position: 1_000, ref: "A", alt: "C")
  }, codes: codes)
let kinship = try KinshipScan(form: .centered, filter: .off).run(on: genotypes).kinship

var values = Matrix(rows: samples, columns: traits)
for t in 0..<traits {
  let share = 0.9 * random.uniform()
  // Of so many markers that relatives are alike.
  let markers = (0..<40).map { _ in (Int(random.uniform() * Double(variants)), random.normal()) }
  for i in 0..<samples {
    let shared = markers.reduce(0) { $0 + $1.1 * (Double(codes[$1.0 * samples + i]) - 1) } / 40.0.squareRoot()
    values[i, t] = share.squareRoot() * shared + (1 - share).squareRoot() * random.normal()
  }
}
let features = numberedIDs("t", traits).map { Feature(id: $0, chromosome: "1", start: 1_000, end: 1_000) }
let phenotypes = Phenotypes(path: "memory", sampleIDs: ids, features: features, values: values)
let unrelated = try Study(genotypes: genotypes, phenotypes: phenotypes)
let related = try Study(genotypes: genotypes, phenotypes: phenotypes, relatedness: .kinship(kinship))

let options = ScanOptions(filter: .off)
let execution = Execution(workers: threads)
let runs: [(name: String, body: () throws -> Void)] = [
  (
    "mixed models: LOD of all pairs, all included",
    { _ = try DenseScan(options: options).run(in: related, execution: execution) }
  ),
  ("of it decomposition and REML", { _ = try HeritabilityScan().run(in: related, execution: execution) }),
  (
    "least squares: LOD of all pairs",
    { _ = try DenseScan(options: options).run(in: unrelated, execution: execution) }
  ),
]
var costs = runs.map { _ in [Cost]() }
for _ in 0...repetitions { for (k, run) in runs.enumerated() { costs[k].append(try Cost.of(run.body)) } }
print("OpenBLAS core \(Gemm.core)")
header(
  "\(samples) samples × \(variants) markers × \(traits) traits, \(threads) threads",
  "clock, s: median (range)",
  "CPU, s")
for (run, cost) in zip(runs, costs) {
  // The first run of each warms up.
  row(run.name, spread(cost.dropFirst().map(\.wall), 2), spread(cost.dropFirst().map(\.cpu), 2))
}
