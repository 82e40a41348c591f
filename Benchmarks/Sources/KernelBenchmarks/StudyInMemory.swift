import BenchmarkSupport
import SwiftQTL

/// A study without effects or files: what it costs to scan does not depend on what is in it.
struct StudyInMemory {
  let study: Study
  let genotypes: MemoryGenotypes

  init(samples: Int, variants: Int, traits: Int, covariates: Int) throws(StudyError) {
    let ids = numberedIDs("s", samples)
    var random = CounterRandom(seed: 1, stream: 1)
    func matrix(_ columns: Int) -> Matrix {
      Matrix(
        rows: samples, columns: columns, storage: (0..<samples * columns).map { _ in random.normal() })
    }
    let codes = (0..<samples * variants).map { _ in UInt8(random.uniform() * 2.999) }
    genotypes = MemoryGenotypes(
      sampleIDs: ids,
      variants: numberedIDs("v", variants).map {
        Variant(id: $0, chromosome: "1", position: 1_000, ref: "A", alt: "C")
      }, codes: codes)
    let features = numberedIDs("t", traits).map { Feature(id: $0, chromosome: "1", start: 1_000, end: 1_000) }
    study = try Study(
      genotypes: genotypes,
      phenotypes: Phenotypes(path: "memory", sampleIDs: ids, features: features, values: matrix(traits)),
      covariates: Covariates(
        path: "memory", sampleIDs: ids, names: numberedIDs("c", covariates), values: matrix(covariates)))
  }

  /// CPU seconds of a trans scan without hits on one worker, from the first block of genotypes to the end.
  func transLoop(_ backend: ScanBackend, _ instructions: InstructionSet? = nil) throws -> Double {
    let scan = TransScan(threshold: 1e-300, exclusion: .none, options: ScanOptions(filter: .off))
    let summary = try scan.run(
      in: study, execution: Execution(workers: 1, backend: backend, instructions: instructions),
      render: { _ in }, emit: { _ in })
    let seconds = Clock.cpu() - genotypes.passStarted
    guard summary.counts.survivors == 0 else {
      fail("\(summary.counts.survivors) pairs survive at p = 1e-300")
    }
    return seconds
  }

  /// CPU seconds and pairs of a cis scan on one worker in which all pairs are near, from the first block to the end.
  func cisLoop() throws -> (seconds: Double, pairs: Int) {
    let scan = CisScan(options: ScanOptions(filter: .off))
    let summary = try scan.run(in: study, execution: Execution(workers: 1), render: { _ in }, emit: { _ in })
    return (Clock.cpu() - genotypes.passStarted, summary.counts.tests)
  }
}
