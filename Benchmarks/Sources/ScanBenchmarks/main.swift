// Whole commands, from files to tables. Prints Markdown.
// Usage: ScanBenchmarks --program swiftqtl --cache DIRECTORY [--geuvadis DIRECTORY] [--all | --study K] [--repetitions 3]
//   [--threads 2]
//   --geuvadis   of Scripts/example-data: also times cis scans
//   --cache      keeps the simulated studies (2 GB, 3 GB with --all) between runs; tables are written there too
//   --all        also the size of GTEx v8, 445 samples × 7,620,376 variants × 19,836 genes, a third as often
//   --study      only the K-th of the trans studies
import BenchmarkSupport
import Glibc

let repetitions = option("--repetitions").flatMap(Int.init) ?? 3
let threads = option("--threads").flatMap(Int.init) ?? 2
guard let program = option("--program"), let cache = option("--cache") else {
  fail("give --program and --cache")
}
let log = cache + "/log"

func seconds(_ costs: [Cost]) -> String { spread(costs.map(\.wall), 2) }

/// Median CPU seconds and the largest peak memory.
func usage(_ costs: [Cost]) -> (cpu: String, memory: String) {
  (
    fixed(median(costs.map(\.cpu)), 2),
    fixed(Double(costs.map(\.peakResident).max() ?? 0) / 0x1p20, 0) + " MiB"
  )
}

/// PLINK files to hits on disk at the program's defaults, each back end in turn, beside the peak of the integer instructions.
func trans(_ studies: [TransStudy]) {
  let backends = ["automatic", "blas"]
  header(
    "swiftqtl trans, \(threads) threads", "back end", "wall s: median (range)", "CPU s", "peak memory",
    "10⁹ operations/s", "% of \(threads) × integer peak", "× blas, median of ratios (range)", "hits",
    "pairs by integers",
    "survivors", "hits among them")
  for study in studies {
    let files = study.files(program: program, cache: cache, log: log)
    let used = study.isCompared ? backends : [backends[0]]
    var costs = [[Cost]](repeating: [], count: used.count)
    var peaks: [Double] = []
    for repetition in 0..<(study.isCompared ? repetitions : max(1, repetitions / 3)) {
      peaks.append(IntegerPeak.measure())
      for k in used.indices {
        let index = (k + repetition) % used.count
        costs[index].append(
          runChild(
            [
              program, "trans", "--genotypes", files, "--phenotypes", files + ".phenotypes.bed.gz",
              "--covariates", files + ".covariates.tsv", "--threads", "\(threads)", "--backend", used[index],
              "--out", "\(cache)/trans-\(used[index])", "--quiet",
            ], log: log))
      }
    }
    for (index, backend) in used.enumerated() {
      let manifest = Manifest("\(cache)/trans-\(backend).manifest.json")
      let pairs = manifest["integerPairs"] + manifest["fp32Pairs"]
      // A product and its addition for every sample of every pair that was tested.
      let rate = 2e-9 * Double(study.samples) * pairs / median(costs[index].map(\.wall))
      let ratios = zip(costs[used.count - 1], costs[index]).map { $0.wall / $1.wall }
      let resources = usage(costs[index])
      row(
        study.name, backend, seconds(costs[index]), resources.cpu, resources.memory, fixed(rate, 1),
        backend == "blas" ? "" : fixed(100 * rate / (Double(threads) * median(peaks)), 1),
        study.isCompared ? spread(ratios, 2) : "", fixed(manifest["rows"], 0),
        fixed(100 * manifest["integerPairs"] / pairs, 1) + " %", fixed(manifest["pairsRecomputed"], 0),
        fixed(100 * manifest["hitsAmongSurvivors"], 1) + " %")
    }
    row("peak loop, one core: " + IntegerPeak.name, "", "", "", "", spread(peaks, 1), "", "", "", "", "", "")
  }
}

/// Cis nominal on GEUVADIS chromosome 22 with FastQTL in turns; both without a frequency filter, so with the same pairs (but FastQTL prints
/// rows for monomorphic variants, we a drop report). Level 1 of compression unless it says otherwise.
func cis(_ geuvadis: String) {
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
if let geuvadis = option("--geuvadis") { cis(geuvadis) }
var studies = [
  TransStudy(samples: 500, variants: 200_000, genes: 20_000),
  TransStudy(samples: 500, variants: 200_000, genes: 20_000, missingGenotypes: 0.02),
  TransStudy(samples: 1_000, variants: 200_000, genes: 20_000),
  TransStudy(samples: 1_000, variants: 200_000, genes: 20_000, missingGenotypes: 0.02),
  TransStudy(samples: 20_000, variants: 40_000, genes: 3_000),
  TransStudy(samples: 50_000, variants: 80_000, genes: 3_000),
]
if CommandLine.arguments.contains("--all") || option("--study") == "7" {
  studies.append(TransStudy(samples: 445, variants: 7_620_376, genes: 19_836, isCompared: false))
}
if let only = option("--study").flatMap(Int.init), studies.indices.contains(only - 1) {
  studies = [studies[only - 1]]
}
trans(studies)
