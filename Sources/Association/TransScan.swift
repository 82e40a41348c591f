internal import Glibc
internal import LinearAlgebra
public import StudyData
internal import Synchronization

/// All variants against all traits by ordinary least squares, reporting pairs with p ≤ threshold.
///
/// Model: y = Wα + gβ + ε, y and g residualised on the covariates W (Frisch–Waugh–Lovell); t on ν = n − rank(W) − 1.
///
/// - Missing: genotypes are imputed to the variant's mean over the analysed samples; a trait is analysed on its observed samples
///   exactly (its row has its own n and ν).
/// - Accuracy: rows are computed in fp64 in canonical sample order and depend on the pair alone, whatever the threads, blocks and
///   file orders; the screen only decides which pairs are computed (see ``ScanBackend``).
/// - Complexity: 2·n·variants·traits operations on 8-bit integers or in fp32, and O(n·rank) fp64 per variant with a hit.
/// - Source: Shabalin 2012, doi:10.1093/bioinformatics/bts163.
public struct TransScan: Sendable {
  /// ln p*.
  public var logThreshold: Double
  public var exclusion: CisExclusion
  public var options: ScanOptions
  /// Also report the most significant pair of every variant and every trait, over all pairs.
  public var reportsBest: Bool
  /// Also count all p in 20 bins.
  public var countsAllP: Bool
  /// Of the draw of tests for ``ScanSummary/sampledLogP``.
  public var seed: UInt64

  public init(
    threshold: Double = 1e-5, exclusion: CisExclusion = .init(), options: ScanOptions = .init(),
    reportsBest: Bool = false, countsAllP: Bool = false, seed: UInt64 = 1
  ) {
    precondition(threshold > 0 && threshold <= 1)
    logThreshold = threshold == 1 ? 0 : log(threshold)
    self.exclusion = exclusion
    self.options = options
    self.reportsBest = reportsBest
    self.countsAllP = countsAllP
    self.seed = seed
  }

  /// ln p from which a pair is looked at: where its own h² decides, ten times the threshold by the model without the variant. A pair
  /// that only its own h² makes a hit, by more than that, is missed.
  var screenLogThreshold: Double {
    options.mixedModel.refitsExactly ? min(0, logThreshold + log(10)) : logThreshold
  }

  /// What the screen is asked for.
  var demand: Sieve.Demand { countsAllP ? .allPairs : reportsBest ? .bests : .hits }

  /// All hits in memory.
  public func hits(in study: Study, workers: Int = 1) throws -> (batches: [PairBatch], summary: ScanSummary) {
    try collected { emit in
      try run(in: study, execution: Execution(workers: workers), render: { $0 }, emit: emit)
    }
  }

  /// Streams the hits: `render` turns a batch into what `emit` writes, on the workers; `emit` is called in variant order.
  ///
  /// - Parameters:
  ///   - prepared: the traits of this study for this scan, where they were made before.
  ///   - blocks: of the variants, to be scanned now, by number from 0; the summary is of these. What the blocks of several runs add up to
  ///     is for ``complete(_:with:in:)`` to say.
  ///   - parts: what is left out of the relationship matrix; not with bests, all p or some blocks.
  /// - Throws: ``StudyError`` from the readers, of the study, or when `execution.memory` is too small; whatever `emit` throws.
  public func run<Rendered: Sendable>(
    in study: Study, prepared: PreparedScan? = nil, blocks: Range<Int>? = nil,
    leavingOut parts: LeaveOneChromosomeOut? = nil, execution: Execution,
    render: @escaping @Sendable (PairBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    precondition(!(reportsBest && options.mixedModel.refitsExactly))
    precondition(parts == nil || (demand == .hits && blocks == nil && prepared == nil))
    let run = TransRun(
      sample: TestSample(
        seed: seed, variantCount: options.selection.isEverything ? study.genotypes.leastVariantCount : nil,
        sampleCount: study.sampleCount),
      tally: Mutex(tally(of: study)), execution: execution)
    let summary =
      if let parts {
        try parts.run(study, options.selection) { own, selection, share in
          var scan = self
          scan.options.selection = selection
          return try scan.scan(
            own, nil, blocks: 0..<Int.max, run,
            render: { batch in
              var batch = batch
              batch.fractionRead = share(batch.fractionRead)
              return try render(batch)
            }, emit: emit)
        } ?? ScanSummary()
      } else {
        try scan(study, prepared, blocks: blocks ?? 0..<Int.max, run, render: render, emit: emit)
      }
    let tally = run.tally.withLock(\.self)
    return try blocks == nil ? complete(summary, with: tally, in: study) : tally.added(to: summary)
  }

  /// An empty sum, for the blocks of runs of this scan.
  public func tally(of study: Study) -> ScanTally {
    ScanTally(seed: seed, sampleCount: study.sampleCount)
  }

  /// The summary of a whole scan.
  ///
  /// - Parameters:
  ///   - summary: of any run of it.
  ///   - tally: of all its blocks.
  /// - Throws: ``StudyError`` `inconsistent` when nothing was tested.
  public func complete(_ summary: ScanSummary, with tally: ScanTally, in study: Study) throws(StudyError)
    -> ScanSummary
  {
    var summary = tally.added(to: summary)
    try Self.checkAnyTested(summary.counts, study)
    let known = summary.notes
    summary.notes += exclusion.notes(study, summary.counts).filter { !known.contains($0) }
    return summary
  }

  private func scan<Rendered: Sendable>(
    _ study: Study, _ prepared: PreparedScan?, blocks: Range<Int>, _ run: TransRun,
    render: @escaping @Sendable (PairBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    BLAS.useSingleThread()
    if countsAllP { try study.requireUnrelated("histograms of all p") }
    let execution = run.execution
    let holdsPhenotypes = prepared == nil
    try execution.require(
      options.refitBytes(of: study), samples: study.sampleCount, traits: study.features.count,
      holdsPhenotypes: holdsPhenotypes)
    let prepared = try prepared?.study ?? PreparedStudy(study, options, workers: execution.workers)
    try checkMemory(prepared, execution, holdsPhenotypes: holdsPhenotypes)
    try exclusion.check(study)
    let plan = TransPlan(self, study, prepared, run.sample, execution)
    try scanBlocks(
      of: study, options.selection, blocks: blocks, execution,
      scratch: { TransWorker(plan) },
      work: { worker, block, fractionRead throws -> (PairBatch, Rendered) in
        var batch = worker.process(block, fractionRead: fractionRead)
        let rendered = try render(batch)
        // Only what is added up is waited with.
        batch.rows = []
        batch.bestRows = []
        return (batch, rendered)
      },
      emit: { batch, rendered in
        run.tally.withLock { $0.add(batch) }
        plan.sample.add(batch.sampled)
        try emit(rendered)
      })
    var summary = ScanSummary(prepared)
    summary.backend = plan.sieve.description(blasCore: BLAS.coreName)
    summary.notes += notes(prepared.traits)
    if execution.backend == .integer, plan.sieve.integer == nil {
      summary.notes.append(
        "integers cannot tell all that this scan asks for (every p, one-sided bests, or bests of traits with missing values): pairs were screened in fp32"
      )
    }
    return summary
  }

  /// An empty table must mean that nothing is significant, never that nothing was tested.
  static func checkAnyTested(_ counts: ScanCounts, _ study: Study) throws(StudyError) {
    guard counts.tests == 0 else { return }
    throw StudyError(
      .inconsistent, file: study.genotypes.path,
      "nothing was tested: \(counts.variants) variants were admitted, \(counts.droppedVariants) dropped, "
        + "\(counts.excluded) pairs excluded",
      remedy: "check --region, --extract, the filters and the cis exclusion")
  }

  private func notes(_ traits: TraitPanel) -> [String] {
    let incomplete = traits.patternOf.filter { $0 > 0 }
    let patterns = (traits: incomplete.count, patterns: Set(incomplete).count)
    guard patterns.patterns > 0 else { return [] }
    return [
      "\(patterns.traits) phenotypes have missing values, in \(patterns.patterns) patterns: each pattern adds the work of one phenotype to the screen"
    ]
  }

  private func checkMemory(
    _ prepared: PreparedStudy, _ execution: Execution, holdsPhenotypes: Bool
  ) throws(StudyError) {
    let traits = prepared.traits
    let rank = prepared.residualiser.rank
    let screen = Sieve.bytes(
      traits, rank: rank, alternative: options.alternative, execution: execution, demand: demand)
    // Each pattern of missing phenotypes holds a rank × rank inverse.
    let patterns = traits.patterns.count * 8 * rank * rank
    let refit = traits.mixed?.refit == nil ? 0 : 8 * traits.sampleCount * traits.count
    try execution.require(
      screen + patterns + refit, samples: traits.sampleCount, traits: traits.count,
      holdsPhenotypes: holdsPhenotypes)
  }
}

/// What the blocks of a scan share.
private final class TransRun: Sendable {
  let sample: TestSample
  let tally: Mutex<ScanTally>
  let execution: Execution

  init(sample: TestSample, tally: consuming Mutex<ScanTally>, execution: Execution) {
    self.sample = sample
    self.tally = tally
    self.execution = execution
  }
}
