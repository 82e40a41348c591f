public import StudyData
internal import Synchronization

/// The loop that all scans share: blocks of variants are decoded and worked on by the workers, results come out in variant order.
///
/// - Parameters:
///   - blocks: those to work on, by number from 0: the others are read over, not decoded.
///   - work: gets a decoded block and the share of the input read when it was taken, of that which `blocks` leave.
func scanBlocks<Output: Sendable, Scratch>(
  of study: Study, _ selection: VariantSelection, blocks: Range<Int> = 0..<Int.max, _ execution: Execution,
  scratch: @escaping @Sendable () -> Scratch,
  work: @escaping @Sendable (inout Scratch, GenotypeBlock, Double) throws -> Output,
  finish: @escaping @Sendable (inout Scratch) -> Void = { _ in },
  emit: @escaping @Sendable (Output) throws -> Void
) throws {
  let stream = try study.genotypes.stream(
    GenotypeRequest(
      samples: study.genotypeSamples, selection: selection, blockSize: Execution.blockSize,
      workers: execution.workers))
  for _ in 0..<blocks.lowerBound { guard try stream.nextChunk() != nil else { break } }
  let before = stream.fractionRead
  // Calls of `next` come one at a time.
  let taken = Mutex(0)
  try orderedPipeline(
    workers: execution.workers, window: 2 * execution.workers,
    next: { () throws -> (any GenotypeChunk, Double)? in
      let count = taken.withLock { taken in
        taken += 1
        return taken
      }
      guard count <= blocks.count, let chunk = try stream.nextChunk() else { return nil }
      let share =
        blocks.upperBound < Int.max
        ? Double(count) / Double(blocks.count) : (stream.fractionRead - before) / max(1e-9, 1 - before)
      return (chunk, share)
    },
    scratch: scratch,
    work: { scratch, item in try work(&scratch, try item.0.decode(), item.1) },
    finish: finish, emit: emit)
}

extension Study {
  /// Blocks of variants that a scan with this selection goes through.
  ///
  /// - Throws: ``StudyError`` from the reader.
  /// - Complexity: one pass over the records, undecoded (of PLINK files over the bim file).
  public func blockCount(_ selection: VariantSelection) throws(StudyError) -> Int {
    let stream = try genotypes.stream(
      GenotypeRequest(samples: genotypeSamples, selection: selection, blockSize: Execution.blockSize))
    var count = 0
    while try stream.nextChunk() != nil { count += 1 }
    return count
  }
}

/// The results of one block.
protocol ScanBatch: Sendable {
  var counts: ScanCounts { get }
}

extension PairBatch: ScanBatch {}
extension InteractionBatch: ScanBatch {}

/// ``scanBlocks(of:_:_:scratch:work:finish:emit:)`` for workers that make one batch of a block's admitted variants.
///
/// - Parameter process: gets the variants and the share of the input read when they were taken.
/// - Returns: the sum of the batches' counts.
func scanPanels<Batch: ScanBatch, Rendered: Sendable, Scratch>(
  of study: Study, _ options: ScanOptions, _ execution: Execution,
  scratch: @escaping @Sendable () -> Scratch,
  process: @escaping @Sendable (inout Scratch, VariantPanel, Double) -> Batch,
  finish: @escaping @Sendable (inout Scratch) -> Void = { _ in },
  render: @escaping @Sendable (Batch) throws -> Rendered,
  emit: @escaping @Sendable (Rendered) throws -> Void
) throws -> ScanCounts {
  let totals = Mutex(ScanCounts())
  let filter = options.filter
  try scanBlocks(
    of: study, options.selection, execution, scratch: scratch,
    work: { scratch, block, fractionRead throws -> (ScanCounts, Rendered) in
      let batch = process(&scratch, VariantPanel(block: block, filter: filter), fractionRead)
      return (batch.counts, try render(batch))
    },
    finish: finish,
    emit: { counts, rendered in
      totals.withLock { $0 += counts }
      try emit(rendered)
    })
  return totals.withLock(\.self)
}

/// Every batch of a streaming scan, in memory.
func collected<Batch: Sendable>(
  _ run: (_ emit: @escaping @Sendable (Batch) -> Void) throws -> ScanSummary
) rethrows -> (batches: [Batch], summary: ScanSummary) {
  let batches = Mutex<[Batch]>([])
  let summary = try run { batch in batches.withLock { $0.append(batch) } }
  return (batches.withLock { $0 }, summary)
}
