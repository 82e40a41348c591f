internal import Distributions
internal import LinearAlgebra
internal import MultipleTesting
public import StudyData

/// Every variant in a trait's window against that trait, with the terms of ``Study/interactions`` and their products with the genotype in
/// the model: y ~ W + i₁ … i_k + g + g·i₁ + … + g·i_k.
///
/// Coefficients of g, of each i and of each g·i are those of R's `lm(y ~ W + g * i)`: the terms enter as given, so β of g is the effect of an
/// allele at i = 0 and β of i that of the term at g = 0. Centre a term to have g's effect at its mean; g·i does not depend on that.
///
/// - Missing: genotypes are the mean of the observed ones, before the product is formed; a trait is analysed on the samples that have it.
/// - Singular designs give a row without numbers (``InteractionStatus/singular``): g·i, or g among the samples of the trait, is within
///   1e-10 of its squared length of what the other columns span. A variant within the span of covariates and terms is left out.
/// - ν = n − rank(W, i) − 1 − k.
/// - Complexity: O(n·rank·k) per variant in a window and 2n(1 + k) flop per pair, in fp64.
/// - Source: Kim-Hellmuth et al. 2020, doi:10.1126/science.aaz8528.
public struct InteractionScan: Sendable {
  /// Bases on either side; the window is closed.
  public var radius: Int
  public var anchor: WindowAnchor
  /// The alternative concerns each coefficient.
  public var options: ScanOptions
  /// Minimum minor allele frequency, inclusive, among the samples below and above each term's median. Samples at the median are below, unless
  /// none is above; then they are. A term of two values so gives its two groups.
  public var minimumStratumFrequency: Double

  public init(
    radius: Int = 1_000_000, anchor: WindowAnchor = .automatic, options: ScanOptions = .init(),
    minimumStratumFrequency: Double = 0.05
  ) {
    precondition(radius >= 0)
    self.radius = radius
    self.anchor = anchor
    self.options = options
    self.minimumStratumFrequency = minimumStratumFrequency
  }

  /// Streams all pairs in variant order: `render` runs on the workers, `emit` in order.
  ///
  /// - Throws: ``StudyError``: `inconsistent` when the study has no term, no phenotype has a location or no pair was found; `degenerate`
  ///   when a term is constant or collinear; what readers and `emit` throw.
  public func run<Rendered: Sendable>(
    in study: Study, execution: Execution,
    render: @escaping @Sendable (InteractionBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    let model = try prepare(study, execution)
    return try scan(study, model, execution, render: render, emit: emit)
  }

  /// Every pair in memory.
  public func pairs(in study: Study, workers: Int = 1) throws -> (
    batches: [InteractionBatch], summary: ScanSummary
  ) {
    try collected { emit in
      try run(in: study, execution: Execution(workers: workers), render: { $0 }, emit: emit)
    }
  }

  /// For each trait and term the variant with the least p of g·i (ties: the first in the file), corrected for the effective number of tests in
  /// its window, and q values over the traits. Traits without a test are among the drops.
  ///
  /// Genotypes are read twice: for the tests, and for the correlation of each window's variants.
  ///
  /// - Parameter emit: gets drops, counts and progress of both passes, in order; no rows.
  /// - Returns: leads by trait, then term, in the order of the study.
  /// - Throws: as ``run(in:execution:render:emit:)``; `inconsistent` when variants are not sorted.
  /// - Complexity: beside the tests, the eigenvalues of a 200 × 200 matrix for every 200 variants in a window, for each window anew.
  public func leads(
    in study: Study, execution: Execution, emit: @escaping @Sendable (InteractionBatch) throws -> Void
  ) throws -> (leads: [InteractionLead], summary: ScanSummary) {
    let model = try prepare(study, execution)
    let traits = model.prepared.traits
    let collector = LeadCollector(traits: traits.count, terms: model.termCount)
    var summary = try scan(
      study, model, execution, into: collector,
      render: { batch in
        var batch = batch
        batch.fractionRead /= 2
        return batch
      }, emit: emit)
    let leads = collector.leads
    let untested = leads.counts.indices.filter { leads.counts[$0] == 0 }
    summary.drops += untested.map { study.features[traits.ordinals[$0]] }.filter(\.hasLocation)
      .map { Drop(.phenotype, id: $0.id, reason: "no variant could be tested") }
    let effectiveTests = try effectiveTests(study, model, execution, of: leads.counts, emit: emit)
    return (leads.corrected(effectiveTests), summary)
  }

  private func prepare(_ study: Study, _ execution: Execution) throws -> InteractionModel {
    BLAS.useSingleThread()
    guard study.features.contains(where: \.hasLocation) else {
      throw CisScan.noLocation
    }
    try execution.require(samples: study.sampleCount, traits: study.features.count)
    return try InteractionModel(study, options, workers: execution.workers)
  }

  /// - Parameter collector: gets the leads, in place of rows in the batches.
  private func scan<Rendered: Sendable>(
    _ study: Study, _ model: InteractionModel, _ execution: Execution, into collector: LeadCollector? = nil,
    render: @escaping @Sendable (InteractionBatch) throws -> Rendered,
    emit: @escaping @Sendable (Rendered) throws -> Void
  ) throws -> ScanSummary {
    let traits = model.prepared.traits
    let windows = CisWindows(
      features: traits.ordinals.enumerated().map { ($0.offset, study.features[$0.element]) },
      radius: radius, anchor: anchor.resolved(for: study.features))
    let (least, alternative) = (minimumStratumFrequency, options.alternative)
    let counts = try scanPanels(
      of: study, options, execution,
      scratch: {
        InteractionWorker(
          model, windows, alternative, minimumStratumFrequency: least,
          leads: collector.map { _ in Leads(traits: traits.count, terms: model.termCount) })
      },
      process: { $0.process($1, fractionRead: $2) },
      finish: { worker in if let leads = worker.leads { collector?.merge(leads) } },
      render: render, emit: emit)
    var summary = ScanSummary(model.prepared)
    summary.drops += model.drops
    summary.drops += study.features.filter { !$0.hasLocation }
      .map { Drop(.phenotype, id: $0.id, reason: "no location") }
    summary.counts = counts
    summary.backend = "fp64"
    guard counts.tests + counts.untestable > 0 else {
      throw StudyError(
        .inconsistent,
        "no variant lies in a cis window: \(counts.variants) variants and \(traits.count) phenotypes were read",
        remedy: "check chromosome names, positions, --window, --maf-interaction and the other filters")
    }
    return summary
  }

  /// Effective tests in the window of each trait that has tests, by trait.
  private func effectiveTests(
    _ study: Study, _ model: InteractionModel, _ execution: Execution, of testCounts: [Int],
    emit: @escaping @Sendable (InteractionBatch) throws -> Void
  ) throws -> [Int] {
    let n = study.sampleCount
    let genes = CisGene.all(
      of: model.prepared.traits, in: study, radius: radius, anchor: anchor, isGrouped: false
    ).genes.filter { testCounts[$0.traits[0]] > 0 }
    var out = [Int](repeating: 0, count: testCounts.count)
    let least = minimumStratumFrequency
    _ = try WindowScan(
      study: study, prepared: model.prepared, genes: genes, options: options, execution: execution
    ).run(
      scratch: { () },
      work: { _, window in
        let admitted = (0..<window.count).filter { k in
          let (panel, index) = window.place(k)
          return model.isCommonInStrata(index, of: panel, least)
        }
        var count = 0
        for first in stride(from: 0, to: admitted.count, by: EffectiveTests.blockSize) {
          let block = admitted[first..<min(first + EffectiveTests.blockSize, admitted.count)]
          var genotypes = Matrix(rows: n, columns: block.count)
          genotypes.storage.withUnsafeMutableBufferPointer { values in
            for (column, k) in block.enumerated() {
              let (panel, index) = window.place(k)
              panel.writeCentered(index, to: values.baseAddress! + column * n)
            }
          }
          count += EffectiveTests.countInBlock(genotypes)
        }
        return (trait: window.gene.traits[0], count: count)
      },
      drop: { _ in },
      emit: { result, fractionRead in
        out[result.trait] = result.count
        var batch = InteractionBatch()
        batch.fractionRead = 0.5 + fractionRead / 2
        try emit(batch)
      })
    return out
  }
}

/// One worker of a scan.
private struct InteractionWorker {
  private let windows: CisWindows
  private let minimumStratumFrequency: Double
  private var evaluator: InteractionEvaluator
  private var chromosome = ChromosomeCache()
  private var nearby: [Int32] = []
  /// Where only the best are wanted.
  private(set) var leads: Leads?

  init(
    _ model: InteractionModel, _ windows: CisWindows, _ alternative: Alternative,
    minimumStratumFrequency: Double, leads: Leads?
  ) {
    self.windows = windows
    self.minimumStratumFrequency = minimumStratumFrequency
    self.leads = leads
    evaluator = InteractionEvaluator(model, alternative)
  }

  mutating func process(_ panel: VariantPanel, fractionRead: Double) -> InteractionBatch {
    var batch = InteractionBatch()
    batch.fractionRead = fractionRead
    batch.drops = panel.drops
    for (v, tested) in panel.variants.enumerated() {
      windows.collect(
        normalizedChromosome: chromosome(tested.variant.chromosome), position: tested.variant.position,
        into: &nearby)
      guard !nearby.isEmpty else { continue }
      if let reason = evaluator.admit(v, of: panel, minimumStratumFrequency) {
        batch.drops.append(Drop(.variant, id: tested.variant.id, reason: reason))
        continue
      }
      evaluator.prepare(nearby)
      for position in nearby.indices {
        evaluate(position, tested, into: &batch)
      }
      if leads == nil { batch.variants.append(tested) }
    }
    batch.counts.variants = panel.count - (batch.drops.count - panel.drops.count)
    batch.counts.droppedVariants = batch.drops.count
    batch.counts.maskedCalls = panel.block.maskedCalls
    batch.counts.rows = batch.rows.count
    return batch
  }

  private mutating func evaluate(_ position: Int, _ tested: TestedVariant, into batch: inout InteractionBatch)
  {
    let trait = Int(nearby[position])
    let isTested = evaluator.fit(position, of: nearby)
    batch.counts.tests += isTested ? 1 : 0
    batch.counts.untestable += isTested ? 0 : 1
    guard leads == nil else {
      if isTested { leads?.consider(evaluator, trait: trait, tested) }
      return
    }
    let variant = batch.variants.count
    let row =
      isTested
      ? evaluator.row(trait: trait, variant: variant) : evaluator.singularRow(trait: trait, variant: variant)
    batch.counts.perfectFits += row.status == .perfect ? 1 : 0
    batch.rows.append(row)
  }
}
