internal import MixedModels
public import StudyData

/// Cores and memory a scan may use.
public struct Execution: Sendable, Equatable {
  public var workers: Int
  /// Bytes; the scan refuses up front when it cannot do with them.
  public var memory: Int
  public var backend: ScanBackend
  /// Of the integer products, among those that are available; nil for the fastest. No result depends on it.
  public var instructions: InstructionSet?

  public init(
    workers: Int = 1, memory: Int = 8 << 30, backend: ScanBackend = .automatic,
    instructions: InstructionSet? = nil
  ) {
    precondition(workers > 0 && memory > 0)
    self.workers = workers
    self.memory = memory
    self.backend = backend
    self.instructions = instructions
  }

  /// Refuses up front what would not fit: the phenotypes as read and as unit traits, the blocks in flight, and `scan` bytes more.
  ///
  /// - Parameter holdsPhenotypes: false where the unit traits were made before.
  func require(_ scan: Int = 0, samples n: Int, traits t: Int, holdsPhenotypes: Bool = true)
    throws(StudyError)
  {
    let needed = needed(scan, samples: n, traits: t, holdsPhenotypes: holdsPhenotypes)
    guard needed > memory else { return }
    throw StudyError(
      .environment,
      "\(n) samples × \(t) traits need about \(needed >> 20) MiB, --memory allows \(memory >> 20)",
      remedy: "raise --memory, use fewer --threads, or split the phenotypes into several runs")
  }

  func needed(_ scan: Int = 0, samples n: Int, traits t: Int, holdsPhenotypes: Bool = true) -> Int {
    (holdsPhenotypes ? 16 : 8) * n * t + 2 * workers * 4 * n * Self.blockSize + scan + (64 << 20)
  }

  /// Variants per block before any selection. Fixed: results do not depend on it, but the order of the drop report follows blocks.
  public static let blockSize = 512
}

/// Which variants and pairs are tested, and how traits are treated: shared by all scans.
public struct ScanOptions: Sendable {
  public var selection: VariantSelection
  public var filter: VariantFilter
  public var transform: TraitTransform
  public var alternative: Alternative
  /// Of studies with ``Study/relatedness``.
  public var mixedModel: MixedModelOptions

  public init(
    selection: VariantSelection = .init(), filter: VariantFilter = .init(),
    transform: TraitTransform = .none, alternative: Alternative = .twoSided,
    mixedModel: MixedModelOptions = .init()
  ) {
    self.mixedModel = mixedModel
    self.selection = selection
    self.filter = filter
    self.transform = transform
    self.alternative = alternative
  }

  /// Rotated traits, where pairs are fitted anew.
  func refitBytes(of study: Study) -> Int {
    study.relatedness != nil && mixedModel.refitsExactly ? 8 * study.sampleCount * study.features.count : 0
  }
}

/// Residualised traits and what led to them: made once per scan.
struct PreparedStudy: Sendable {
  let residualiser: Residualiser
  let traits: TraitPanel

  init(_ study: Study, _ options: ScanOptions, workers: Int) throws(StudyError) {
    try self.init(
      study, options, workers: workers,
      residualiser: Residualiser(covariates: study.covariates, names: study.covariateNames))
  }

  init(_ study: Study, _ options: ScanOptions, workers: Int, residualiser: Residualiser) throws(StudyError) {
    self.residualiser = residualiser
    var traits = try TraitPanel(
      study: study, residualiser: residualiser, transform: options.transform, workers: workers)
    if let relatedness = study.relatedness {
      try traits.decorrelate(
        relatedness, sampleIDs: study.sampleIDs, residualiser: residualiser, options.mixedModel,
        workers: workers)
    }
    self.traits = traits
  }
}

/// Results of one block, in row order.
public struct PairBatch: Sendable {
  /// Variants that have rows.
  public var variants: [TestedVariant] = []
  /// Ordered by (variant, feature).
  public var rows: [PairRow] = []
  /// The most significant pair of each tested variant (`--best`); indices into `bestVariants`.
  public var bestVariants: [TestedVariant] = []
  public var bestRows: [PairRow] = []
  /// Pairs of this block that may be the most significant of their trait: better than those that the same worker saw before.
  public var traitLeads: [BestPair] = []
  /// ln p of tests that were drawn, by variant.
  public var sampled: [SampledVariant] = []
  /// Tests with p in [k/20, (k+1)/20), where all are counted.
  public var histogram: [Int] = []
  /// Variants left out, in file order.
  public var drops: [Drop] = []
  /// Share of the input read so far.
  public var fractionRead = 0.0
  public var counts = ScanCounts()

  /// Leaves the rows whose ln p is at most the limit of their feature, e.g. the gene's nominal threshold. `variants` keep their
  /// indices, and `counts` tell what was tested.
  ///
  /// - Parameter logLimits: by feature of the study.
  public mutating func keepRows(within logLimits: [Double]) {
    rows.removeAll { !($0.logP <= logLimits[$0.feature]) }
  }
}
