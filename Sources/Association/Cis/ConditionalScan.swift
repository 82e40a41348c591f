internal import LinearAlgebra
public import StudyData

/// Independent signals of each gene by forward-backward stepwise regression at the gene's own threshold of nominal p.
///
/// *Forward*: the lead variant of y on the covariates and the variants found so far joins them, as long as its p is at most the
/// threshold. The lead is the most significant variant, ties by |t|, then by order in the file; variants collinear with the model
/// (relative 1e-10) do not compete. *Backward*, one pass: for each variant found, the window is scanned again given all others of
/// the forward stage. Its lead becomes the signal; if that misses the threshold there is no signal. Leads that are the same
/// variant as, or collinear with, those of signals found earlier are dropped.
///
/// What is reported of a signal is its variant's row in the joint regression on the covariates and the variants of all final
/// signals. That is the row which was compared with the threshold, unless the backward pass changed the set: such a row is
/// reported whatever its p.
///
/// Of a group of phenotypes, the lead is the best pair of a variant with any of them (by ln p), and its variant is conditioned on
/// for all of them. A signal's row is that of its phenotype.
///
/// Model, missing data and accuracy as ``TransScan``: a row equals a regression with the other signals' variants as further
/// covariates, its ν included, and depends on the gene alone: not on threads, blocks or other genes. Missing genotypes of those
/// variants are at their means, missing phenotypes leave samples out exactly.
///
/// - Complexity: for each gene with s signals some 2n(2s + 1) flop a variant in the window and phenotype, and
///   O(n·(rank + s)) for the few variants near a lead; with all pairs that for every variant and signal.
/// - Source: GTEx Consortium 2020, doi:10.1126/science.aaz1776; Delaneau et al. 2017, doi:10.1038/ncomms15452.
public struct ConditionalScan: Sendable {
  /// Windows, and which variants are tested and how.
  public var scan: CisScan
  /// Whether phenotypes with the same ``StudyData/Feature/group`` are one gene.
  public var isGrouped: Bool
  /// At most so many variants join a gene's model; nil: as many as leave a degree of freedom.
  public var maximumSignals: Int?
  /// Whether to make the conditional statistics of all variants for every signal.
  public var reportsAllPairs: Bool

  public init(
    _ scan: CisScan = .init(), isGrouped: Bool = false, maximumSignals: Int? = nil,
    reportsAllPairs: Bool = false
  ) {
    precondition(maximumSignals.map { $0 > 0 } ?? true)
    self.scan = scan
    self.isGrouped = isGrouped
    self.maximumSignals = maximumSignals
    self.reportsAllPairs = reportsAllPairs
  }

  /// Streams genes with their signals in order of the last base of their windows, genes without a signal too: `render` runs on
  /// the workers; `emit`, which also gets the share of the input read, and `drop`, for variants left out, are called in order.
  ///
  /// - Parameter thresholds: ln p by gene (the name of a group, else the phenotype's id); genes without one are not analysed.
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype has a location, no gene a threshold, no window a variant, or
  ///   variants are not sorted; what readers and the closures throw.
  public func run<Rendered: Sendable>(
    in study: Study, thresholds: [String: Double], execution: Execution,
    render: @Sendable (GeneSignals) throws -> Rendered,
    drop: ([Drop]) throws -> Void,
    emit: (Rendered, Double) throws -> Void
  ) throws -> ScanSummary {
    BLAS.useSingleThread()
    guard study.features.contains(where: \.hasLocation) else {
      throw StudyError(
        .inconsistent, "no phenotype has a location, so there are no cis windows",
        remedy: "give phenotypes as BED, or their positions in a separate file")
    }
    try execution.require(samples: study.sampleCount, traits: study.features.count)
    let prepared = try PreparedStudy(study, scan.options, workers: execution.workers)
    let (all, geneDrops) = CisGene.all(
      of: prepared.traits, in: study, radius: scan.radius, anchor: scan.anchor, isGrouped: isGrouped)
    let genes = all.filter { thresholds[$0.id] != nil }
    guard !genes.isEmpty else {
      throw StudyError(
        .inconsistent,
        "none of the \(thresholds.count) genes with a threshold is among the \(all.count) genes of the study",
        remedy: "use the same ids in both\(thresholds.keys.min().map { " (such as \($0))" } ?? "")")
    }
    var summary = ScanSummary(prepared)
    summary.drops += geneDrops
    summary.backend = "fp64"
    summary.notes = Self.notes(thresholds: thresholds.count, genes: all.count, analysed: genes.count)
    let (options, maximumSignals, reportsAllPairs) = (scan.options, maximumSignals, reportsAllPairs)
    let windows = WindowScan(
      study: study, prepared: prepared, genes: genes, options: options, execution: execution)
    var counts = ScanCounts()
    let read = try windows.run(
      scratch: {
        PairEvaluator(
          traits: prepared.traits, residualiser: prepared.residualiser, alternative: options.alternative)
      },
      work: { evaluator, window throws -> (ScanCounts, Rendered) in
        var search = SignalSearch(
          window, &evaluator, threshold: thresholds[window.gene.id] ?? -.infinity,
          maximumSignals: maximumSignals ?? .max)
        let signals = search.run(reportsAllPairs: reportsAllPairs)
        var counts = ScanCounts()
        counts.tests = window.count * window.gene.traits.count
        counts.rows = signals.signals.count
        counts.perfectFits = signals.signals.count(where: \.row.isPerfectFit)
        return (counts, try render(signals))
      },
      drop: drop,
      emit: { output, fraction in
        counts += output.0
        try emit(output.1, fraction)
      })
    counts += read
    summary.counts = counts
    guard counts.tests > 0 else {
      throw StudyError(
        .inconsistent,
        "no variant lies in a cis window: \(counts.variants) variants were read for \(genes.count) genes",
        remedy: "check chromosome names, positions, --window and the filters")
    }
    return summary
  }

  private static func notes(thresholds: Int, genes: Int, analysed: Int) -> [String] {
    var notes: [String] = []
    if analysed < thresholds {
      notes.append(
        "\(thresholds - analysed) of \(thresholds) genes with a threshold are not among those that can be analysed"
      )
    }
    if analysed < genes {
      notes.append("\(genes - analysed) of \(genes) genes have no threshold and were not analysed")
    }
    return notes
  }
}

/// The independent signals of one gene.
public struct GeneSignals: Sendable {
  public struct Signal: Sendable {
    /// Place in the forward stage, from 1; a number is missing where the backward stage dropped a signal.
    public var rank: Int
    /// Given the variants of all other final signals.
    public var row: PairRow
    /// ln p of the variant that the forward stage found, given those found before it.
    public var forwardLogP: Double
  }

  /// The phenotype's id or the group's name.
  public var id: String
  public var isGroup: Bool
  /// Variants in the window.
  public var variantCount: Int
  /// What `variant` of the rows refers to: the signals' variants, or with all pairs those of the window, in file order.
  public var variants: [TestedVariant]
  public var signals: [Signal]
  /// For each signal its phenotype's rows with all variants given the other signals' ones, in file order; variants collinear
  /// with those are left out. Empty unless asked for.
  public var pairs: [[PairRow]]
}

/// The stepwise regression of one gene.
private struct SignalSearch {
  private let window: CisWindow
  /// ln p.
  private let threshold: Double
  private let maximumSignals: Int
  private let patterns: GenePatterns
  private let base: ConditionalModel
  private var products: WindowProducts

  /// A variant with the row that found it.
  private struct Lead {
    var rank: Int
    var variant: Int
    var row: PairRow
    var forwardLogP: Double
  }

  /// - Parameter evaluator: of the study's panel; its scratch is borrowed.
  init(_ window: CisWindow, _ evaluator: inout PairEvaluator, threshold: Double, maximumSignals: Int) {
    self.window = window
    self.threshold = threshold
    self.maximumSignals = maximumSignals
    patterns = GenePatterns(window.gene, in: evaluator.traits)
    products = WindowProducts(window, patterns, &evaluator)
    base = ConditionalModel(evaluator, window.gene, patterns)
  }

  mutating func run(reportsAllPairs: Bool) -> GeneSignals {
    let (found, full) = forward()
    var result = GeneSignals(
      id: window.gene.id, isGroup: window.gene.traits.count > 1, variantCount: window.count, variants: [],
      signals: [], pairs: [])
    for (signal, model) in joint(backward(found, full)) {
      result.signals.append(signal)
      guard reportsAllPairs else { continue }
      var model = model
      result.pairs.append(
        (0..<window.count).flatMap { model.rows($0, of: window, feature: signal.row.feature) })
    }
    if reportsAllPairs, !result.signals.isEmpty {
      result.variants = (0..<window.count).map(window.variant)
    } else {
      result.variants = result.signals.map { window.variant($0.row.variant) }
      for j in result.signals.indices { result.signals[j].row.variant = j }
    }
    return result
  }

  /// The best pair of the window under a model; nil when none reaches the threshold.
  private func lead(_ model: inout ConditionalModel, _ products: WindowProducts) -> PairRow? {
    var best: BestPair?
    for k in products.candidates(model.evaluator.alternative) {
      for row in model.rows(k, of: window, logPLimit: threshold) {
        let pair = BestPair(variant: window.variant(k), row: row)
        if best.map(pair.isBetter) ?? true { best = pair }
      }
    }
    return best?.row
  }

  /// - Returns: variants in order of discovery, and the model with all of them.
  private mutating func forward() -> (found: [Lead], full: ConditionalModel) {
    var found: [Lead] = []
    var model = base
    while found.count < maximumSignals, let row = lead(&model, products),
      let residualiser = model.residualiser.adding(window.centered(row.variant))
    {
      found.append(
        Lead(rank: found.count + 1, variant: row.variant, row: row, forwardLogP: row.logP))
      let next = ConditionalModel(base, residualiser: residualiser, patterns)
      products.add(row.variant, model, next)
      model = next
    }
    return (found, model)
  }

  private mutating func backward(_ found: [Lead], _ full: ConditionalModel) -> [Lead] {
    // Nothing to condition on: the scan would be that of the first step.
    guard found.count > 1 else { return found }
    let others = found.indices.compactMap { j in
      model(given: found.indices.filter { $0 != j }.map { found[$0].variant })
    }
    // A subset of variants that joined one by one: only on the edge of the tolerance is one collinear with others.
    guard others.count == found.count else { return found }
    let without = products.withoutEach(found.map(\.variant), others, full)
    return found.indices.compactMap { j in
      var model = others[j]
      guard let row = lead(&model, without[j]) else { return nil }
      var lead = found[j]
      (lead.variant, lead.row) = (row.variant, row)
      return lead
    }
  }

  /// Each lead's row given all others, with the model of those; leads that are collinear with earlier ones are left out.
  private func joint(_ leads: [Lead]) -> [(GeneSignals.Signal, ConditionalModel)] {
    var leads = leads
    var residualiser = base.residualiser
    leads.removeAll { lead in
      guard let next = residualiser.adding(window.centered(lead.variant)) else { return true }
      residualiser = next
      return false
    }
    while true {
      let rows = leads.indices.map { j -> (GeneSignals.Signal, ConditionalModel)? in
        let lead = leads[j]
        guard var model = model(given: leads.indices.filter { $0 != j }.map { leads[$0].variant }),
          let row = model.rows(lead.variant, of: window, feature: lead.row.feature).first
        else { return nil }
        return (GeneSignals.Signal(rank: lead.rank, row: row, forwardLogP: lead.forwardLogP), model)
      }
      // The others may leave nothing of a phenotype, or of a variant on the edge of the tolerance.
      guard let last = rows.lastIndex(where: { $0 == nil }) else { return rows.compactMap(\.self) }
      leads.remove(at: last)
    }
  }

  /// Nil when one of the variants is collinear with those before it.
  private func model(given variants: [Int]) -> ConditionalModel? {
    guard !variants.isEmpty else { return base }
    var residualiser = base.residualiser
    for k in variants {
      guard let next = residualiser.adding(window.centered(k)) else { return nil }
      residualiser = next
    }
    return ConditionalModel(base, residualiser: residualiser, patterns)
  }
}
