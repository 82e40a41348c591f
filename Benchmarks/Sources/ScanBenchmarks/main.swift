// Whole commands, from files to tables. Prints Markdown.
// Usage: ScanBenchmarks --program swiftqtl --geuvadis DIRECTORY --cache DIRECTORY [--repetitions 3] [--threads 2]
//   --geuvadis   of Scripts/example-data
//   --cache      keeps the simulated study (60 MB) between runs; tables are written there too
import BenchmarkSupport
import Glibc

let repetitions = option("--repetitions").flatMap(Int.init) ?? 3
let threads = option("--threads").flatMap(Int.init) ?? 2
guard let program = option("--program"), let geuvadis = option("--geuvadis"), let cache = option("--cache")
else { fail("give --program, --geuvadis and --cache") }
let log = cache + "/log"

func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

func seconds(_ costs: [Cost]) -> String { spread(costs.map(\.wall), 2) }

/// Median CPU seconds and the largest peak memory.
func usage(_ costs: [Cost]) -> (cpu: String, memory: String) {
  (
    fixed(median(costs.map(\.cpu)), 2),
    fixed(Double(costs.map(\.peakResident).max() ?? 0) / 0x1p20, 0) + " MiB"
  )
}

/// The main job: 1,000 samples × 200,000 variants × 5,000 genes, in turns with sgemm on one core.
func trans() {
  let (samples, variants, genes, covariates) = (1_000, 200_000, 5_000, 20)
  let study = "\(cache)/study-\(samples)-\(variants)-\(genes)-\(covariates)"
  if !exists(study + ".truth.tsv") {
    _ = runChild(
      [
        program, "simulate", "--samples", "\(samples)", "--variants", "\(variants)", "--genes", "\(genes)",
        "--covariates", "\(covariates)", "--seed", "1", "--out", study, "--quiet",
      ], log: log)
  }
  let command = [
    program, "trans", "--genotypes", study, "--phenotypes", study + ".phenotypes.bed.gz", "--covariates",
    study + ".covariates.tsv", "--threads", "\(threads)", "--out", cache + "/trans", "--quiet",
  ]
  let shape = Gemm.best(inner: samples, traits: [2_000, 5_000], variants: [1_000, 2_000])
  _ = runChild(command, log: log)
  var (costs, peaks) = ([Cost](), [Double]())
  for _ in 0..<repetitions {
    peaks.append(Gemm.probe(shape, seconds: 1)())
    costs.append(runChild(command, log: log))
  }
  let flops = 2e-9 * Double(samples) * Double(variants) * Double(genes)
  let rate = flops / median(costs.map(\.wall))
  let used = usage(costs)
  header(
    "\(samples) × \(variants) × \(genes), \(threads) threads", "wall s: median (range)", "CPU s",
    "peak memory",
    "GFLOP/s", "% of \(threads) × sgemm", "% of sgemm by CPU time")
  row(
    "swiftqtl trans, PLINK files", seconds(costs), used.cpu, used.memory, fixed(rate, 1),
    fixed(100 * rate / (Double(threads) * median(peaks)), 1),
    fixed(100 * flops / median(costs.map(\.cpu)) / median(peaks), 1))
  row("sgemm, one core, \(shape.traits) × \(shape.variants)", "", "", "", spread(peaks, 1), "", "")
}

/// Cis nominal on GEUVADIS chromosome 22 with FastQTL in turns; both without a frequency filter, so with the same pairs (but FastQTL prints
/// rows for monomorphic variants, we a drop report). Level 1 of compression unless it says otherwise.
func cis() {
  let files = [
    "--vcf", geuvadis + "/genotypes.vcf.gz", "--bed", geuvadis + "/phenotypes.bed.gz", "--cov",
    geuvadis + "/covariates.txt.gz",
  ]
  let fastqtl =
    ["fastQTL"] + files + [
      "--region", "22:1-52000000", "--window", "1e6", "--out", cache + "/fastqtl.txt.gz", "--log",
      cache + "/fastqtl.log",
    ]
  let ours = [
    program, "cis", "nominal", "--genotypes", files[1], "--dosage-field", "DS", "--phenotypes", files[3],
    "--covariates", files[5], "--window", "1000000", "--maf", "0", "--max-missing", "1", "--threads",
    "\(threads)", "--out", cache + "/cis", "--quiet",
  ]
  var runs: [(name: String, command: [String], costs: [Cost])] = [
    (
      "swiftqtl --format fastqtl",
      ours + ["--format", "fastqtl", "--compression-level", "1"], []
    ),
    ("swiftqtl, own columns", ours + ["--compression-level", "1"], []),
    ("swiftqtl, own columns, --compression-level 6", ours + ["--compression-level", "6"], []),
  ]
  let hasPeer = exists("/usr/bin/fastQTL")
  if hasPeer { runs.insert(("FastQTL (no threads)", fastqtl, []), at: 0) }
  for repetition in 0..<repetitions {
    // The order turns, so that none always follows the same other.
    for k in runs.indices {
      let index = (k + repetition) % runs.count
      runs[index].costs.append(runChild(runs[index].command, log: log))
    }
  }
  header(
    "GEUVADIS chr22, cis, \(threads) threads", "wall s: median (range)", "CPU s", "peak memory",
    "× FastQTL, median of ratios (range)")
  for run in runs {
    let used = usage(run.costs)
    let ratios = zip(runs[0].costs, run.costs).map { $0.wall / $1.wall }
    row(run.name, seconds(run.costs), used.cpu, used.memory, hasPeer ? spread(ratios, 2) : "not installed")
  }
}

print("OpenBLAS core \(Gemm.core)")
// First, while this process is small: see runChild.
cis()
trans()
