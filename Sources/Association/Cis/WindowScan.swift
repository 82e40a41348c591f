internal import Dispatch
internal import StudyData
internal import Synchronization

/// The loop that scans by gene share: variants are read once, in file order, and kept while a gene needs them; genes whose window
/// has been read are worked on by all workers, and come out in order of the last base of their windows.
///
/// Genes without a variant have an empty window.
struct WindowScan {
  let study: Study
  let prepared: PreparedStudy
  let genes: [CisGene]
  let options: ScanOptions
  let execution: Execution
  /// What variants are to be coded for, if at all.
  var codes: InstructionSet?

  /// - Parameters:
  ///   - drop: gets the variants that are left out, in file order.
  ///   - work: called by any worker.
  ///   - emit: gets results in order, and the share of the input that was read for them.
  /// - Returns: variants admitted and left out.
  /// - Throws: ``StudyError`` `inconsistent` when variants are not sorted; what readers and the closures throw.
  func run<Output: Sendable, Scratch>(
    scratch: () -> Scratch,
    work: @Sendable (inout Scratch, CisWindow) throws -> Output,
    drop: ([Drop]) throws -> Void,
    emit: (Output, Double) throws -> Void
  ) throws -> ScanCounts {
    let stream = try study.genotypes.stream(
      GenotypeRequest(
        samples: study.genotypeSamples, selection: options.selection, blockSize: Execution.blockSize))
    var scratches = (0..<execution.workers).map { _ in scratch() }
    var front = WindowFront(path: study.genotypes.path, genes: genes)
    var counts = ScanCounts()
    var atEnd = false
    let rotation = prepared.traits.mixed.map { BlockRotation($0, prepared.traits, genes) }
    while !atEnd {
      var chunks: [any GenotypeChunk] = []
      while chunks.count < 2 * execution.workers, let chunk = try stream.nextChunk() { chunks.append(chunk) }
      atEnd = chunks.count < 2 * execution.workers
      for (panel, squaredNorms, coded, rotated) in try decode(chunks, rotation) {
        try drop(panel.drops + front.append(panel, squaredNorms, coded, rotated))
        counts.variants += squaredNorms.count { $0 > 0 }
        counts.droppedVariants += panel.drops.count + squaredNorms.count { $0 == 0 }
      }
      let ready = front.ready(atEnd: atEnd, atLeast: 16 * execution.workers)
      for output in try parallel(ready, &scratches, work) {
        try emit(output, atEnd ? 1 : stream.fractionRead)
      }
      front.forgetPassed()
    }
    counts.unplacedVariants = front.unplaced
    return counts
  }

  /// Decodes, filters and measures blocks, one to a worker.
  private func decode(_ chunks: [any GenotypeChunk], _ rotation: BlockRotation?) throws
    -> [(VariantPanel, [Double], CodedVariants?, RotatedVariants?)]
  {
    var evaluators = (0..<execution.workers).map { _ in
      PairEvaluator(
        traits: prepared.traits, residualiser: prepared.residualiser, alternative: options.alternative)
    }
    let (filter, codes) = (options.filter, codes)
    return try parallel(chunks, &evaluators) { evaluator, chunk in
      let panel = VariantPanel(block: try chunk.decode(), filter: filter)
      let squaredNorms = panel.variants.indices.map { v in
        evaluator.load(v, of: panel) ? evaluator.squaredNorm : 0
      }
      let coded = codes.map { CodedVariants(panel, squaredNorms: squaredNorms, instructions: $0) }
      return (panel, squaredNorms, coded, rotation?.rotated(panel))
    }
  }
}

/// Blocks of variants that have been read and are still needed, and the genes that wait for more.
private struct WindowFront {
  let path: String
  private var live: [WindowBlock] = []
  /// By normalised chromosome, descending by (end of window, start, id): the next one is the last.
  private var waiting: [String: [CisGene]]
  private var rankOf: [String: Int] = [:]
  private var names: [String] = []
  private var normalized = ChromosomeCache()
  private var lastPosition = 0
  private(set) var unplaced = 0

  init(path: String, genes: [CisGene]) {
    self.path = path
    waiting = Dictionary(grouping: genes, by: \.chromosome).mapValues { genes in
      genes.sorted { ($0.high, $0.low, $0.id) > ($1.high, $1.low, $1.id) }
    }
  }

  /// - Returns: variants in the span of the covariates.
  mutating func append(
    _ panel: VariantPanel, _ squaredNorms: [Double], _ coded: CodedVariants?, _ rotated: RotatedVariants?
  ) throws(StudyError) -> [Drop] {
    var ranks: [Int] = []
    var drops: [Drop] = []
    for (v, tested) in panel.variants.enumerated() {
      if squaredNorms[v] == 0 {
        drops.append(Drop(.variant, id: tested.variant.id, reason: "collinear with the covariates"))
      }
      ranks.append(try advance(to: tested.variant))
    }
    live.append(
      WindowBlock(
        panel: panel, squaredNorms: squaredNorms, coded: coded, rotated: rotated, chromosomeRanks: ranks))
    return drops
  }

  private mutating func advance(to variant: Variant) throws(StudyError) -> Int {
    let chromosome = normalized(variant.chromosome)
    if chromosome == names.last, variant.position >= lastPosition {
      lastPosition = variant.position
    } else if rankOf[chromosome] == nil {
      rankOf[chromosome] = names.count
      names.append(chromosome)
      lastPosition = variant.position
    } else {
      throw StudyError(
        .inconsistent, file: path,
        "variants are not sorted: \(variant.id) at \(variant.chromosome):\(variant.position) comes after "
          + "\(names.last ?? ""):\(lastPosition)",
        remedy: "sort them by chromosome and position, e.g. with bcftools sort or plink2 --sort-vars")
    }
    if variant.position <= 0 { unplaced += 1 }
    return names.count - 1
  }

  /// Windows that have been read to their end, in order; none while there are fewer than `atLeast`.
  mutating func ready(atEnd: Bool, atLeast: Int) -> [CisWindow] {
    var count = 0
    for (rank, name) in names.enumerated() {
      let isPassed = atEnd || rank < names.count - 1
      count += waiting[name]?.reversed().prefix { isPassed || $0.high < lastPosition }.count ?? 0
    }
    guard atEnd || count >= atLeast else { return [] }
    var windows: [CisWindow] = []
    for (rank, name) in names.enumerated() {
      let isPassed = atEnd || rank < names.count - 1
      while let gene = waiting[name]?.last, isPassed || gene.high < lastPosition {
        waiting[name]?.removeLast()
        windows.append(CisWindow(gene, rank: rank, in: live))
      }
    }
    guard atEnd else { return windows }
    // Chromosomes that have no variant.
    for name in waiting.keys.sorted() where rankOf[name] == nil {
      windows += waiting[name, default: []].reversed().map { CisWindow($0, rank: nil, in: []) }
    }
    return windows
  }

  /// Lets go of blocks that no waiting gene reaches back to.
  mutating func forgetPassed() {
    guard let chromosome = names.last else { return }
    let current = names.count - 1
    let isAwaited = names.dropLast().contains { !(waiting[$0] ?? []).isEmpty }
    guard !isAwaited else { return }
    let least = waiting[chromosome]?.map(\.low).min() ?? .max
    live.removeAll { block in
      guard let rank = block.chromosomeRanks.last, let last = block.panel.variants.last else { return true }
      return rank < current || last.variant.position < least
    }
  }
}

/// Results in the order of the items, which the workers take one by one. The first error, in that order, is thrown.
func parallel<Item: Sendable, Output: Sendable, Scratch>(
  _ items: [Item], _ scratches: inout [Scratch], _ work: @Sendable (inout Scratch, Item) throws -> Output
) throws -> [Output] {
  let lanes = min(scratches.count, items.count)
  guard lanes > 0 else { return [] }
  let state = Mutex((next: 0, results: [Result<Output, any Error>?](repeating: nil, count: items.count)))
  scratches.withUnsafeMutableBufferPointer { scratches in
    let own = Scratches(base: scratches.baseAddress!)
    DispatchQueue.concurrentPerform(iterations: lanes) { lane in
      while true {
        let index = state.withLock { state in
          defer { state.next += 1 }
          return state.next
        }
        guard index < items.count else { return }
        let result = Result { try work(&own.base[lane], items[index]) }
        state.withLock { state in
          state.results[index] = result
          if case .failure = result { state.next = items.count }
        }
      }
    }
  }
  return try state.withLock(\.results).compactMap { try $0?.get() }
}

/// The same without scratch.
func parallel<Item: Sendable, Output: Sendable>(
  _ items: [Item], workers: Int, _ work: @Sendable (Item) throws -> Output
) throws -> [Output] {
  var none = [Int](repeating: 0, count: workers)
  return try parallel(items, &none) { _, item in try work(item) }
}

/// Each lane touches its own.
private struct Scratches<Scratch>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Scratch>
}
