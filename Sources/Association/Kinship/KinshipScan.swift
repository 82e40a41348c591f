internal import LinearAlgebra
public import StudyData

/// A genomic relationship matrix from genotypes.
///
/// K = Σzz'/m over variants, with z as ``KinshipForm`` says.
///
/// - Missing: see ``KinshipForm``; counts by pair are kept where they differ.
/// - Accuracy: fp64 throughout; no bit depends on the number of workers, the last ones on the order of samples and variants.
/// - Complexity: n² flop a variant for n samples; one n × n matrix (two by chromosome) whatever the number of workers.
/// - Source: Yang et al. 2011, doi:10.1016/j.ajhg.2010.11.011; Zhou & Stephens 2012, doi:10.1038/ng.2310.
public struct KinshipScan: Sendable {
  public var form: KinshipForm
  public var selection: VariantSelection
  public var filter: VariantFilter
  /// Leaves X, Y, XY, the pseudoautosomal regions and MT out, as told by their names.
  public var autosomesOnly: Bool
  /// Variants per block.
  var blockSize = Execution.blockSize

  public init(
    form: KinshipForm = .standardized2pq, selection: VariantSelection = .init(),
    filter: VariantFilter = .init(), autosomesOnly: Bool = true
  ) {
    self.form = form
    self.selection = selection
    self.filter = filter
    self.autosomesOnly = autosomesOnly
  }

  /// What a step of the scan has done.
  public struct Progress: Sendable {
    /// Variants added, and left out by the reader or the filters.
    public var variants = 0
    public var drops: [Drop] = []
    /// Share of the input read so far.
    public var fractionRead = 0.0
  }

  public struct Summary: Sendable {
    public var variants = 0
    public var droppedVariants = 0
    /// Heterozygous calls of males on X that the reader made missing, of variants that count.
    public var maskedCalls = 0
    /// Among the variants left out, those that are not on autosomes.
    public var nonAutosomal = 0
    /// Of `chromosome`, in file order.
    public var chromosomes: [String] = []
  }

  /// - Parameters:
  ///   - samples: indices in `genotypes.sampleIDs`, in the order wanted; nil: all of them.
  ///   - chromosome: gets the matrix of each chromosome (its normalised name) when its last variant is read, in file order. It costs one more
  ///     n × n matrix.
  ///   - progress: called after every few blocks.
  /// - Throws: ``StudyError``: of the reader; `environment` when `execution.memory` does not do; `inconsistent` when no variant is left, or a
  ///   chromosome is in several pieces though matrices by chromosome are asked for; `degenerate` when two samples have no
  ///   variant in common. Whatever the closures throw.
  public func run(
    on genotypes: any GenotypeSource, samples: [Int]? = nil, execution: Execution = Execution(),
    chromosome: ((String, Kinship) throws -> Void)? = nil,
    progress: (Progress) throws -> Void = { _ in }
  ) throws -> (kinship: Kinship, summary: Summary) {
    let samples = samples ?? Array(genotypes.sampleIDs.indices)
    let ids = samples.map { genotypes.sampleIDs[$0] }
    try require(samples.count, byChromosome: chromosome != nil, execution)
    BLAS.useSingleThread()
    let stream = try genotypes.stream(
      GenotypeRequest(
        samples: samples, selection: selection, blockSize: blockSize, workers: execution.workers))
    var summary = Summary()
    var total = KinshipSums(sampleCount: samples.count)
    var current: (name: String, sums: KinshipSums)?
    func finishChromosome() throws {
      // Taken out: a second reference would copy the matrix.
      guard let (name, sums) = current.take() else { return }
      total.add(sums)
      try chromosome?(name, (consume sums).kinship(path: genotypes.path, sampleIDs: ids))
    }
    while true {
      var chunks: [any GenotypeChunk] = []
      while chunks.count < execution.workers, let chunk = try stream.nextChunk() { chunks.append(chunk) }
      guard !chunks.isEmpty else { break }
      let blocks = try parallel(chunks, workers: execution.workers) { [self] chunk in
        StandardizedBlock(
          VariantPanel(block: keepingAutosomes(try chunk.decode()), filter: filter), form: form)
      }
      if chromosome == nil {
        try total.add(blocks.map { ($0, 0..<$0.count) }, workers: execution.workers)
      } else {
        for (name, parts) in try Self.byChromosome(blocks, genotypes.path) {
          if current?.name != name {
            try finishChromosome()
            try Self.enter(name, &summary, genotypes.path)
            current = (name, KinshipSums(sampleCount: samples.count))
          }
          try current?.sums.add(parts, workers: execution.workers)
        }
      }
      let drops = blocks.flatMap(\.panel.drops)
      let added = blocks.reduce(0) { $0 + $1.count }
      summary.variants += added
      summary.droppedVariants += drops.count
      summary.maskedCalls += blocks.reduce(0) { $0 + $1.panel.block.maskedCalls }
      summary.nonAutosomal += drops.count { $0.reason == Self.notAutosomal }
      try progress(Progress(variants: added, drops: drops, fractionRead: stream.fractionRead))
    }
    try finishChromosome()
    guard summary.variants > 0 else {
      throw StudyError(
        .inconsistent, file: genotypes.path,
        "no variant is left for the relationship matrix: \(summary.droppedVariants) were dropped",
        remedy:
          "check the filters and the selection of variants; chromosomes such as X are left out by default")
    }
    var sums = KinshipSums(sampleCount: 0)
    swap(&sums, &total)
    return (try (consume sums).kinship(path: genotypes.path, sampleIDs: ids), summary)
  }

  private func require(_ n: Int, byChromosome: Bool, _ execution: Execution) throws(StudyError) {
    // A block as codes or fp32 dosages, and as fp64.
    let blocks = execution.workers * n * blockSize * (4 + 8)
    let needed = KinshipSums.bytes(samples: n, form: form) * (byChromosome ? 2 : 1) + blocks + (64 << 20)
    guard needed > execution.memory else { return }
    throw StudyError(
      .environment,
      "the relationship matrix of \(n) samples needs about \(needed >> 20) MiB, --memory allows \(execution.memory >> 20)",
      remedy: "raise --memory, use fewer --threads, or fewer samples (--samples)")
  }

  static let notAutosomal = "not on an autosome"

  private func keepingAutosomes(_ block: GenotypeBlock) -> GenotypeBlock {
    guard autosomesOnly else { return block }
    let kept = block.variants.indices.filter {
      Chromosome.isAutosome(Chromosome.normalized(block.variants[$0].chromosome))
    }
    guard kept.count < block.count else { return block }
    let left = Set(block.variants.indices).subtracting(kept).sorted()
    return block.selecting(
      kept,
      dropping: left.map {
        Drop(
          .variant, id: block.variants[$0].id, reason: Self.notAutosomal,
          detail: block.variants[$0].chromosome)
      })
  }

  private typealias Parts = [(block: StandardizedBlock, variants: Range<Int>)]

  /// Runs of variants on one chromosome, in file order.
  private static func byChromosome(_ blocks: [StandardizedBlock], _ path: String) throws(StudyError)
    -> [(name: String, parts: Parts)]
  {
    var runs: [(name: String, parts: Parts)] = []
    for block in blocks {
      let names = block.panel.variants.map { Chromosome.normalized($0.variant.chromosome) }
      guard !names.contains("") else {
        throw StudyError(
          .inconsistent, file: path, "variants have no chromosome, so there are no matrices by chromosome",
          remedy: "give the variants' locations, or leave --by-chromosome out")
      }
      var start = 0
      while start < names.count {
        let end = names[start...].firstIndex { $0 != names[start] } ?? names.count
        if runs.last?.name != names[start] { runs.append((names[start], [])) }
        runs[runs.count - 1].parts.append((block, start..<end))
        start = end
      }
    }
    return runs
  }

  private static func enter(_ name: String, _ summary: inout Summary, _ path: String) throws(StudyError) {
    guard !summary.chromosomes.contains(name) else {
      throw StudyError(
        .inconsistent, file: path,
        "chromosome \(name) is in several pieces: matrices by chromosome are made in one pass",
        remedy: "sort the genotypes by chromosome, or leave --by-chromosome out")
    }
    summary.chromosomes.append(name)
  }
}

extension GenotypeBlock {
  /// Some of its variants; the others are `drops`.
  fileprivate func selecting(_ kept: [Int], dropping drops: [Drop]) -> GenotypeBlock {
    func rows<Value>(_ values: [Value]) -> [Value] {
      kept.flatMap { values[$0 * sampleCount..<($0 + 1) * sampleCount] }
    }
    let dosages: Dosages =
      switch self.dosages {
      case .hardCalls(let codes): .hardCalls(rows(codes))
      case .fractional(let values): .fractional(rows(values))
      }
    return GenotypeBlock(
      sampleCount: sampleCount, ordinals: kept.map { ordinals[$0] }, variants: kept.map { variants[$0] },
      dosages: dosages, drops: self.drops + drops)
  }
}
