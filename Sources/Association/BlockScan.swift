internal import StudyData
internal import Synchronization

/// The loop that all scans share: blocks of variants are decoded and worked on by the workers, results come out in variant order.
///
/// - Parameter work: gets a decoded block and the share of the input read when it was taken.
func scanBlocks<Output: Sendable, Scratch>(
  of study: Study, _ selection: VariantSelection, _ execution: Execution,
  scratch: @escaping @Sendable () -> Scratch,
  work: @escaping @Sendable (inout Scratch, GenotypeBlock, Double) throws -> Output,
  finish: @escaping @Sendable (inout Scratch) -> Void = { _ in },
  emit: @escaping @Sendable (Output) throws -> Void
) throws {
  let stream = try study.genotypes.stream(
    GenotypeRequest(samples: study.genotypeSamples, selection: selection, blockSize: Execution.blockSize))
  try orderedPipeline(
    workers: execution.workers, window: 2 * execution.workers,
    next: { () throws -> (any GenotypeChunk, Double)? in
      try stream.nextChunk().map { ($0, stream.fractionRead) }
    },
    scratch: scratch,
    work: { scratch, item in try work(&scratch, try item.0.decode(), item.1) },
    finish: finish, emit: emit)
}

/// Every batch of a streaming scan, in memory.
func collected(
  _ run: (_ emit: @escaping @Sendable (PairBatch) -> Void) throws -> ScanSummary
) rethrows -> (batches: [PairBatch], summary: ScanSummary) {
  let batches = Mutex<[PairBatch]>([])
  let summary = try run { batch in batches.withLock { $0.append(batch) } }
  return (batches.withLock { $0 }, summary)
}
