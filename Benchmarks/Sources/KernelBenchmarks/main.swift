// What the inner loops reach on one core, by CPU time. Prints Markdown.
// Usage: KernelBenchmarks [--repetitions 7] [--plink PREFIX] [--pgen FILE] [--vcf FILE] | KernelBenchmarks --bgen FILE
import BenchmarkSupport
import Glibc
import SwiftQTL

let repetitions = option("--repetitions").flatMap(Int.init) ?? 7
let samples = 1_000

/// sgemm over shapes; returns the fastest.
func products() -> Gemm.Shape {
  header("sgemm, \(samples) samples: traits", "variants", "GFLOP/s")
  let edges = [256, 512, 1_000, 2_000, 5_000]
  return Gemm.best(inner: samples, traits: edges, variants: edges) { shape, rate in
    row("\(shape.traits)", "\(shape.variants)", fixed(rate, 1))
  }
}

/// The trans scan's loop by each back end, in turns with sgemm at its best.
///
/// Two scans differ in nothing but the number of traits: the difference of their times is that of the tiles and their comparison alone.
/// What a block costs whatever the traits (packing, Q'g, the sample of tests) is in "whole loop" only.
func tileLoop(_ best: Gemm.Shape, peak: Double) throws {
  let (variants, few, many) = (8_192, 1_024, 5_120)
  let small = try StudyInMemory(samples: samples, variants: variants, traits: few, covariates: 20)
  let large = try StudyInMemory(samples: samples, variants: variants, traits: many, covariates: 20)
  let sgemm = Gemm.probe(best)
  let work = { (traits: Int) in 2e-9 * Double(samples) * Double(variants) * Double(traits) }
  header(
    "one core, \(samples) samples × \(variants) variants",
    "tiles with comparison, 10⁹ operations/s: median (range)",
    "whole loop, \(many) traits", "tiles, % of sgemm's best", "tiles, % of the integer peak")
  var yardstick: [Double] = []
  for backend in [ScanBackend.blas, .integer] {
    _ = (sgemm(), try small.transLoop(backend), try large.transLoop(backend))
    var (tiles, whole, shares) = ([Double](), [Double](), [Double]())
    for _ in 0..<repetitions {
      let rate = sgemm()
      let (a, b) = (try small.transLoop(backend), try large.transLoop(backend))
      yardstick.append(rate)
      tiles.append(work(many - few) / (b - a))
      whole.append(work(many) / b)
      shares.append(100 * tiles[tiles.count - 1] / rate)
    }
    row(
      backend == .blas ? "fp32" : "integers, \(InstructionSet.fastest.rawValue)", spread(tiles, 1),
      spread(whole, 1), spread(shares, 1),
      backend == .blas || peak == 0 ? "" : fixed(100 * median(tiles) / peak, 1))
  }
  row("sgemm, \(best.traits) × \(best.variants)", spread(yardstick, 1), "", "100", "")
}

/// Rows in fp64: residual of the variant, product, t, p.
func exactRows() throws {
  header("fp64 rows, one core: samples", "traits for each variant", "10⁶ pairs/s: median (range)", "GFLOP/s")
  for (n, traits) in [(373, 20), (373, 500), (1_000, 500)] {
    let study = try StudyInMemory(samples: n, variants: 400_000 / traits, traits: traits, covariates: 5)
    _ = try study.cisLoop()
    let rates = try (0..<repetitions).map { _ in
      let (seconds, pairs) = try study.cisLoop()
      return 1e-6 * Double(pairs) / seconds
    }
    row("\(n)", "\(traits)", spread(rates, 2), fixed(2e-3 * Double(n) * median(rates), 2))
  }
}

/// Reading and decoding a whole file from one thread.
func decoding(_ name: String, _ path: String, _ field: DosageField? = nil) throws {
  let source = try GenotypeFile.open([path], dosageField: field)
  var (count, cores, rates, work) = (0, [Double](), [Double](), [Double]())
  for _ in 0..<max(3, repetitions / 2) {
    count = 0
    let cost = try Cost.of {
      let stream = try source.stream(GenotypeRequest(samples: Array(source.sampleIDs.indices)))
      while let chunk = try stream.nextChunk() { count += try chunk.decode().count }
    }
    rates.append(1e-3 * Double(count) / cost.wall)
    cores.append(cost.cpu / cost.wall)
    work.append(1e-9 * Double(count) * Double(source.sampleIDs.count) / cost.cpu)
  }
  let n = source.sampleIDs.count
  row(
    name, "\(n)", "\(count)", spread(rates, 1),
    fixed(1e-3 * Double(n) * median(rates), 1), fixed(median(cores), 2), spread(work, 2))
}

do {
  if let path = option("--bgen") {
    try inflation(path, repetitions: repetitions)
    exit(0)
  }
  print("OpenBLAS: \(Gemm.configuration); core \(Gemm.core)")
  let shape = products()
  let kernels = IntegerKernels(repetitions: repetitions, sgemm: Gemm.probe(shape, seconds: 1)())
  let peak = kernels.run()
  kernels.packing(samples: samples)
  try tileLoop(shape, peak: peak)
  try exactRows()
  header(
    "decoding", "samples", "variants", "10³ variants/s: median (range)", "10⁶ genotypes/s", "cores busy",
    "10⁹ genotypes per s of CPU")
  if let path = option("--plink") { try decoding("PLINK 1", path) }
  if let path = option("--pgen") { try decoding("PLINK 2", path) }
  if let path = option("--vcf") { try decoding("VCF, DS", path, .ds) }
} catch {
  fail("\(error)")
}
