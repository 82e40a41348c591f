internal import Distributions
internal import Glibc
internal import LinearAlgebra
public import StudyData

/// All variants against all traits with the model of ``InteractionScan``, reporting pairs in which g·i of some term has p ≤ threshold.
///
/// Terms, missing values, degrees of freedom and numbers are those of ``InteractionScan``; the two print the same for the same pair.
///
/// - Singular designs are counted as untestable and have no row.
/// - Accuracy: rows are computed in fp64 and depend on their pair alone; fp32 products with a bound of their error only decide which pairs
///   are computed.
/// - Complexity: O(n·rank·k) per variant in fp64 and 2n(1 + k) flop per pair in fp32: g does not factor out of g·i, so a pair costs 1 + k
///   products rather than the one of ``TransScan``. Memory: 4·n·traits bytes for fp32 traits, and some MB a worker.
public struct TransInteractionScan: Sendable {
  /// ln p*.
  public var logThreshold: Double
  public var exclusion: CisExclusion
  /// The alternative concerns each coefficient.
  public var options: ScanOptions
  /// As ``InteractionScan/minimumStratumFrequency``.
  public var minimumStratumFrequency: Double

  public init(
    threshold: Double = 1e-5, exclusion: CisExclusion = .init(), options: ScanOptions = .init(),
    minimumStratumFrequency: Double = 0.05
  ) {
    precondition(threshold > 0 && threshold <= 1)
    logThreshold = threshold == 1 ? 0 : log(threshold)
    self.exclusion = exclusion
    self.options = options
    self.minimumStratumFrequency = minimumStratumFrequency
  }

  /// All hits in memory.
  public func hits(in study: Study, workers: Int = 1) throws -> (
    batches: [InteractionBatch], summary: ScanSummary
  ) {
    try collected { emit in
      try run(in: study, execution: Execution(workers: workers), render: { $0 }, emit: emit)
    }
  }

  /// Streams the hits in variant order: `render` runs on the workers, `emit` in order.
  ///
  /// - Throws: ``StudyError``: `inconsistent` when the study has no term or nothing was tested; `degenerate` when a term is constant or
  ///   collinear; `environment` when `execution.memory` is too small; what readers and `emit` throw.
  public func run<Rendered: Sendable>(
    in study: Study, execution: Execution,
    render: @escaping @Sendable (InteractionBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    BLAS.useSingleThread()
    let (n, t) = (study.sampleCount, study.features.count)
    try execution.require(
      InteractionScreen.bytes(
        samples: n, traits: t, terms: study.interactionNames.count, workers: execution.workers),
      samples: n, traits: t)
    try exclusion.check(study)
    let model = try InteractionModel(study, options, workers: execution.workers)
    let plan = TransInteractionPlan(self, study, model)
    let counts = try scanPanels(
      of: study, options, execution,
      scratch: { TransInteractionWorker(plan) },
      process: { $0.process($1, fractionRead: $2) }, render: render, emit: emit)
    try TransScan.checkAnyTested(counts, study)
    var summary = ScanSummary(model.prepared)
    summary.drops += model.drops
    summary.counts = counts
    summary.backend = "blas (fp32 by OpenBLAS, \(BLAS.coreName))"
    summary.notes = exclusion.notes(study, counts)
    return summary
  }
}

/// What all workers of a scan read.
private struct TransInteractionPlan: Sendable {
  let scan: TransInteractionScan
  let model: InteractionModel
  let screen: InteractionScreen
  let exclusion: Exclusion
  /// Index into the trait panel; -1 where a feature is not analysed.
  let traitOfFeature: [Int32]
  /// By pattern, the least score of a hit, a little lowered: it saves the p of others.
  let criticalScores: [Double]

  init(_ scan: TransInteractionScan, _ study: Study, _ model: InteractionModel) {
    self.scan = scan
    self.model = model
    let (traits, alternative) = (model.prepared.traits, scan.options.alternative)
    screen = InteractionScreen(model, logThreshold: scan.logThreshold, alternative: alternative)
    exclusion = Exclusion(scan.exclusion, features: study.features)
    traitOfFeature = traits.indexOfFeature(study.features.count)
    criticalScores = traits.distributions.map { distribution in
      let t = distribution.quantile(logTwoSidedP: scan.logThreshold + (alternative == .twoSided ? 0 : log(2)))
      // At 0 a score of either sign may do.
      return t > 0 ? t * (1 - 1e-9) : -.infinity
    }
  }
}

/// One worker of a scan.
private struct TransInteractionWorker {
  private let plan: TransInteractionPlan
  private var evaluator: InteractionEvaluator
  private var cursor = Exclusion.Cursor()
  /// Traits excluded for the current variant, ascending.
  private var excluded: [Int32] = []
  private var screened = InteractionScreen.Panel()
  /// Of the variants in `screened`: indices into the block's panel.
  private var places: [Int] = []

  init(_ plan: TransInteractionPlan) {
    self.plan = plan
    evaluator = InteractionEvaluator(plan.model, plan.scan.options.alternative)
  }

  mutating func process(_ panel: VariantPanel, fractionRead: Double) -> InteractionBatch {
    var batch = InteractionBatch()
    batch.fractionRead = fractionRead
    batch.drops = panel.drops
    for v in 0..<panel.count {
      if let reason = evaluator.admit(v, of: panel, plan.scan.minimumStratumFrequency) {
        batch.drops.append(Drop(.variant, id: panel.variants[v].variant.id, reason: reason))
        continue
      }
      if evaluator.isSingular {
        findExcluded(panel.variants[v].variant)
        batch.counts.excluded += excluded.count
        batch.counts.untestable += plan.model.prepared.traits.count - excluded.count
        continue
      }
      plan.screen.append(evaluator, to: &screened)
      places.append(v)
      if screened.count == plan.screen.capacity { finish(panel, &batch) }
    }
    finish(panel, &batch)
    batch.counts.variants = panel.count - (batch.drops.count - panel.drops.count)
    batch.counts.unplacedVariants = panel.variants.lazy.filter { $0.variant.position <= 0 }.count
    batch.counts.droppedVariants = batch.drops.count
    batch.counts.maskedCalls = panel.block.maskedCalls
    batch.counts.rows = batch.rows.count
    return batch
  }

  /// Screens the variants gathered so far and computes what is left.
  private mutating func finish(_ panel: VariantPanel, _ batch: inout InteractionBatch) {
    let traitCount = plan.model.prepared.traits.count
    plan.screen.screen(&screened)
    batch.counts.floatPairs += places.count * traitCount
    for (lane, v) in places.enumerated() {
      let tested = panel.variants[v]
      findExcluded(tested.variant)
      batch.counts.excluded += excluded.count
      batch.counts.tests += traitCount - excluded.count
      var candidates = screened.survivors[lane]
      remove(excluded, from: &candidates)
      batch.counts.survivors += candidates.count
      guard !candidates.isEmpty else { continue }
      // Loaded for the second time: survivors are rare, and columns of all variants would take more memory than their products.
      _ = evaluator.admit(v, of: panel, 0)
      evaluator.prepare(candidates)
      let before = batch.rows.count
      for position in candidates.indices { evaluate(position, of: candidates, &batch) }
      if batch.rows.count > before { batch.variants.append(tested) }
    }
    places.removeAll(keepingCapacity: true)
    screened.removeAll()
  }

  private mutating func evaluate(
    _ position: Int, of candidates: [Int32], _ batch: inout InteractionBatch
  ) {
    let trait = Int(candidates[position])
    guard evaluator.fit(position, of: candidates) else {
      batch.counts.tests -= 1
      batch.counts.untestable += 1
      return
    }
    let critical = plan.criticalScores[Int(plan.model.prepared.traits.patternOf[trait])]
    let products = (0..<plan.model.termCount).lazy.map(InteractionRow.product)
    guard products.contains(where: { evaluator.score($0, trait: trait) >= critical }) else { return }
    let row = evaluator.row(trait: trait, variant: batch.variants.count)
    guard products.contains(where: { row.coefficients[$0].logP <= plan.scan.logThreshold }) else { return }
    batch.counts.perfectFits += row.status == .perfect ? 1 : 0
    batch.rows.append(row)
  }

  private mutating func findExcluded(_ variant: Variant) {
    guard cursor.move(to: variant, plan.exclusion) else { return }
    excluded.removeAll(keepingCapacity: true)
    for feature in cursor.features where plan.traitOfFeature[Int(feature)] >= 0 {
      excluded.append(plan.traitOfFeature[Int(feature)])
    }
  }
}
