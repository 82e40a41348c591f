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
  var genes: [CisGene]
  var options: ScanOptions
  let execution: Execution
  /// What variants are to be coded for, if at all.
  var codes: InstructionSet?
  /// Whether a mixed model is wanted of the variants.
  var isRotated = true
  /// Chromosomes in the order in which their genes come, where that is known: also those that the variants read lack.
  var chromosomes: [String] = []
  /// Genes to work on, by number in order; the others are passed over.
  var numbers = 0..<Int.max

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
        samples: study.genotypeSamples, selection: options.selection, blockSize: Execution.blockSize,
        workers: execution.workers))
    var scratches = (0..<execution.workers).map { _ in scratch() }
    var front = WindowFront(path: study.genotypes.path, genes: genes, chromosomes: chromosomes)
    var number = 0
    var counts = ScanCounts()
    var atEnd = false
    let rotation = isRotated ? prepared.traits.mixed.map { BlockRotation($0, prepared.traits, genes) } : nil
    while !atEnd {
      var chunks: [any GenotypeChunk] = []
      while chunks.count < 2 * execution.workers, let chunk = try stream.nextChunk() { chunks.append(chunk) }
      atEnd = chunks.count < 2 * execution.workers
      for (panel, squaredNorms, coded, rotated) in try decode(chunks, rotation) {
        try drop(panel.drops + front.append(panel, squaredNorms, coded, rotated))
        counts.variants += squaredNorms.count { $0 > 0 }
        counts.droppedVariants += panel.drops.count + squaredNorms.count { $0 == 0 }
        counts.maskedCalls += panel.block.maskedCalls
      }
      let batch = 16 * execution.workers
      let ready = front.ready(atEnd: atEnd, atLeast: batch)
      let wanted = zip(number..., ready).filter { numbers.contains($0.0) }.map(\.1)
      number += ready.count
      // A few at a time, so that results do not wait for all that are ready.
      for first in stride(from: 0, to: wanted.count, by: batch) {
        let end = min(first + batch, wanted.count)
        let share = !atEnd ? stream.fractionRead : Double(end) / Double(wanted.count)
        for output in try parallel(Array(wanted[first..<end]), &scratches, work) { try emit(output, share) }
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
  private var names: [String]
  /// Rank of the chromosome that is being read.
  private var current = -1
  private var normalized = ChromosomeCache()
  private var lastPosition = 0
  private(set) var unplaced = 0

  /// - Parameter chromosomes: as far as their order is known.
  init(path: String, genes: [CisGene], chromosomes: [String]) {
    self.path = path
    waiting = Dictionary(grouping: genes, by: \.chromosome).mapValues { genes in
      genes.sorted { $1.isBefore($0) }
    }
    names = chromosomes
    for (rank, name) in names.enumerated() { rankOf[name] = rank }
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
    if rankOf[chromosome] == nil {
      rankOf[chromosome] = names.count
      names.append(chromosome)
    }
    let rank = rankOf[chromosome] ?? current
    guard rank > current || rank == current && variant.position >= lastPosition else {
      throw StudyError(
        .inconsistent, file: path,
        "variants are not sorted: \(variant.id) at \(variant.chromosome):\(variant.position) comes after "
          + "\(names[current]):\(lastPosition)",
        remedy: "sort them by chromosome and position, e.g. with bcftools sort or plink2 --sort-vars")
    }
    current = rank
    lastPosition = variant.position
    if variant.position <= 0 { unplaced += 1 }
    return rank
  }

  /// Whether no variant of a gene is still to come.
  private func isPassed(_ gene: CisGene, _ rank: Int, atEnd: Bool) -> Bool {
    atEnd || rank < current || rank == current && gene.high < lastPosition
  }

  /// Windows that have been read to their end, in order; none while there are fewer than `atLeast`.
  mutating func ready(atEnd: Bool, atLeast: Int) -> [CisWindow] {
    var count = 0
    for (rank, name) in names.enumerated() {
      count += waiting[name]?.reversed().prefix { isPassed($0, rank, atEnd: atEnd) }.count ?? 0
    }
    guard atEnd || count >= atLeast else { return [] }
    var windows: [CisWindow] = []
    for (rank, name) in names.enumerated() {
      while let gene = waiting[name]?.last, isPassed(gene, rank, atEnd: atEnd) {
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
    guard current >= 0 else { return }
    let isAwaited = names[..<current].contains { !(waiting[$0] ?? []).isEmpty }
    guard !isAwaited else { return }
    let least = waiting[names[current]]?.map(\.low).min() ?? .max
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
