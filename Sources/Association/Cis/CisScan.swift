internal import LinearAlgebra
public import StudyData

/// Every variant in a trait's window against that trait, by ordinary least squares.
///
/// Model, missing data and accuracy as ``TransScan``: the two print the same numbers for the same pair.
///
/// - Complexity: O(n·rank) per variant in a window and 2n flop per pair, in fp64.
/// - Source: Ongen et al. 2016, doi:10.1093/bioinformatics/btv722.
public struct CisScan: Sendable {
  /// Bases on either side; the window is closed.
  public var radius: Int
  public var anchor: WindowAnchor
  public var options: ScanOptions

  public init(radius: Int = 1_000_000, anchor: WindowAnchor = .automatic, options: ScanOptions = .init()) {
    precondition(radius >= 0)
    self.radius = radius
    self.anchor = anchor
    self.options = options
  }

  /// Every pair in memory.
  public func pairs(in study: Study, workers: Int = 1) throws -> (batches: [PairBatch], summary: ScanSummary)
  {
    try collected { emit in
      try run(in: study, execution: Execution(workers: workers), render: { $0 }, emit: emit)
    }
  }

  /// Streams the pairs in variant order: `render` runs on the workers, `emit` in order.
  ///
  /// - Parameter parts: what is left out of the relationship matrix; chromosomes without a phenotype are then not looked at.
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype has a location or no pair was found; what readers and `emit` throw.
  public func run<Rendered: Sendable>(
    in study: Study, leavingOut parts: LeaveOneChromosomeOut? = nil, execution: Execution,
    render: @escaping @Sendable (PairBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    guard study.features.contains(where: \.hasLocation) else {
      throw Self.noLocation
    }
    var scan = self
    scan.anchor = anchor.resolved(for: study.features)
    var summary =
      if let parts {
        try parts.run(
          study, options.selection,
          only: Set(study.features.lazy.filter(\.hasLocation).map { Chromosome.normalized($0.chromosome) })
        ) { own, selection, share in
          try scan.scan(chromosomesOf: selection, own, share, execution, render: render, emit: emit)
        } ?? ScanSummary()
      } else { try scan.scan(study, execution, render: render, emit: emit) }
    summary.drops += study.features.filter { !$0.hasLocation }
      .map { Drop(.phenotype, id: $0.id, reason: "no location") }
    guard summary.counts.tests > 0 else {
      throw Self.noVariant(summary.counts.variants, summary.traits)
    }
    return summary
  }

  /// Variants of some chromosomes, with the traits that are there: others would be prepared for nothing.
  private func scan<Rendered: Sendable>(
    chromosomesOf selection: VariantSelection, _ study: Study,
    _ share: @escaping @Sendable (Double) -> Double, _ execution: Execution,
    render: @escaping @Sendable (PairBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    let chromosomes = Set(selection.regions.map(\.chromosome))
    let features = study.features.indices.filter {
      study.features[$0].hasLocation
        && chromosomes.contains(Chromosome.normalized(study.features[$0].chromosome))
    }
    var scan = self
    scan.options.selection = selection
    var summary = try scan.scan(
      study.replacing(
        features: features.map { study.features[$0] },
        phenotypes: study.phenotypes.selectingColumns(features)), execution,
      render: { batch in
        var batch = batch
        for k in batch.rows.indices { batch.rows[k].feature = features[batch.rows[k].feature] }
        batch.fractionRead = share(batch.fractionRead)
        return try render(batch)
      }, emit: emit)
    for k in summary.variances.indices {
      summary.variances[k].feature = features[summary.variances[k].feature]
    }
    return summary
  }

  /// - Precondition: `anchor` has been decided.
  private func scan<Rendered: Sendable>(
    _ study: Study, _ execution: Execution,
    render: @escaping @Sendable (PairBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    BLAS.useSingleThread()
    try execution.require(
      options.refitBytes(of: study), samples: study.sampleCount, traits: study.features.count)
    let prepared = try PreparedStudy(study, options, workers: execution.workers)
    let traits = prepared.traits
    let windows = CisWindows(
      features: traits.ordinals.enumerated().map { ($0.offset, study.features[$0.element]) },
      radius: radius, anchor: anchor)
    let alternative = options.alternative
    let counts = try scanPanels(
      of: study, options, execution,
      scratch: { CisWorker(prepared, windows, alternative, featureCount: study.features.count) },
      process: { $0.process($1, fractionRead: $2) }, render: render, emit: emit)
    var summary = ScanSummary(prepared)
    summary.counts = counts
    summary.backend = "fp64"
    return summary
  }

  static var noLocation: StudyError {
    StudyError(
      .inconsistent, "no phenotype has a location, so there are no cis windows",
      remedy: "give phenotypes as BED, or their positions in a separate file")
  }

  static func noVariant(_ variants: Int, _ phenotypes: Int) -> StudyError {
    StudyError(
      .inconsistent,
      "no variant lies in a cis window: \(variants) variants and \(phenotypes) phenotypes were read",
      remedy: "check chromosome names, positions, --window and the filters")
  }
}

/// One worker of a cis scan.
private struct CisWorker {
  private let windows: CisWindows
  private let traitOfFeature: [Int32]
  private var evaluator: PairEvaluator
  private var chromosome = ChromosomeCache()
  private var nearby: [Int32] = []

  init(
    _ prepared: PreparedStudy, _ windows: CisWindows, _ alternative: Alternative, featureCount: Int
  ) {
    self.windows = windows
    traitOfFeature = prepared.traits.indexOfFeature(featureCount)
    evaluator = PairEvaluator(
      traits: prepared.traits, residualiser: prepared.residualiser, alternative: alternative)
  }

  mutating func process(_ panel: VariantPanel, fractionRead: Double) -> PairBatch {
    var batch = PairBatch()
    batch.fractionRead = fractionRead
    batch.drops = panel.drops
    evaluator.announce(
      panel.variants.indices.filter {
        let variant = panel.variants[$0].variant
        windows.collect(
          normalizedChromosome: chromosome(variant.chromosome), position: variant.position, into: &nearby)
        return !nearby.isEmpty
      })
    for (v, tested) in panel.variants.enumerated() {
      windows.collect(
        normalizedChromosome: chromosome(tested.variant.chromosome), position: tested.variant.position,
        into: &nearby)
      guard !nearby.isEmpty else { continue }
      guard evaluator.load(v, of: panel) else {
        batch.drops.append(Drop(.variant, id: tested.variant.id, reason: "collinear with the covariates"))
        continue
      }
      let before = batch.rows.count
      let untestable = nearby.withUnsafeBufferPointer {
        evaluator.evaluate($0, variant: batch.variants.count, into: &batch.rows)
      }
      for k in before..<batch.rows.count {
        batch.rows[k] = evaluator.refitted(
          batch.rows[k], trait: Int(traitOfFeature[batch.rows[k].feature]))
      }
      batch.counts.tests += nearby.count - untestable
      batch.counts.untestable += untestable
      if batch.rows.count > before { batch.variants.append(tested) }
    }
    batch.counts.variants = panel.count - (batch.drops.count - panel.drops.count)
    batch.counts.droppedVariants = batch.drops.count
    batch.counts.maskedCalls = panel.block.maskedCalls
    batch.counts.rows = batch.rows.count
    batch.counts.perfectFits = batch.rows.lazy.filter(\.isPerfectFit).count
    return batch
  }
}
