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
/// Of a study with ``StudyData/Study/relatedness`` every regression is that of a mixed model at the h² its trait has without any
/// variant: conditioning does not change it. A variant that others explain among a trait's samples adds nothing to that trait.
///
/// Model, missing data and accuracy as ``TransScan``: a row equals a regression with the other signals' variants as further
/// covariates, its ν included, and depends on the gene alone: not on threads, blocks or other genes. Missing genotypes of those
/// variants are at their means, missing phenotypes leave samples out exactly.
///
/// - Complexity: for each gene with s signals some 2n(2s + 1) flop a variant in the window and phenotype, and
///   O(n·(rank + s)) for the few variants near a lead; with all pairs that for every variant and signal.
///   A mixed model adds 2n² a variant in any window and 8n bytes while a gene needs it, for each pattern of missing phenotypes.
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
  ///   variants are not sorted, or a mixed model is to be scored; what preparing it, readers and the closures throw.
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
    guard study.relatedness == nil || scan.options.mixedModel.test == .wald else {
      throw StudyError(
        .inconsistent, "the score test does not condition on variants", remedy: "use the Wald test")
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
    summary.notes += Self.notes(thresholds: thresholds.count, genes: all.count, analysed: genes.count)
    let (options, maximumSignals, reportsAllPairs) = (scan.options, maximumSignals, reportsAllPairs)
    let windows = WindowScan(
      study: study, prepared: prepared, genes: genes, options: options, execution: execution)
    var counts = ScanCounts()
    let read = try windows.run(
      scratch: {},
      work: { _, window throws -> (ScanCounts, Rendered) in
        var search = SignalSearch(
          window, GeneRegression.all(window, prepared, options.alternative),
          threshold: thresholds[window.gene.id] ?? -.infinity,
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
  private let regressions: [GeneRegression]
  /// One for each regression, as models are.
  private var products: [WindowProducts]

  /// A variant with the row that found it.
  private struct Lead {
    var rank: Int
    var variant: Int
    var row: PairRow
    var forwardLogP: Double
  }

  init(_ window: CisWindow, _ regressions: [GeneRegression], threshold: Double, maximumSignals: Int) {
    self.window = window
    self.threshold = threshold
    self.maximumSignals = maximumSignals
    self.regressions = regressions
    products = regressions.map(WindowProducts.init)
  }

  mutating func run(reportsAllPairs: Bool) -> GeneSignals {
    let (found, full) = forward()
    var result = GeneSignals(
      id: window.gene.id, isGroup: window.gene.traits.count > 1, variantCount: window.count, variants: [],
      signals: [], pairs: [])
    for (signal, models) in joint(backward(found, full)) {
      result.signals.append(signal)
      guard reportsAllPairs else { continue }
      var models = models
      result.pairs.append((0..<window.count).flatMap { statistics($0, signal.row.feature, &models) })
    }
    if reportsAllPairs, !result.signals.isEmpty {
      result.variants = (0..<window.count).map(window.variant)
    } else {
      result.variants = result.signals.map { window.variant($0.row.variant) }
      for j in result.signals.indices { result.signals[j].row.variant = j }
    }
    return result
  }

  /// The best pair of the window given some variants; nil when none reaches the threshold.
  private func lead(_ models: inout [ConditionalModel], _ products: [WindowProducts]) -> PairRow? {
    var best: BestPair?
    for j in regressions.indices {
      for k in products[j].candidates(models[j].evaluator.alternative) {
        for row in models[j].rows(k, of: regressions[j].vectors, logPLimit: threshold) {
          let pair = BestPair(variant: window.variant(k), row: row)
          if best.map(pair.isBetter) ?? true { best = pair }
        }
      }
    }
    return best?.row
  }

  /// The row of variant `k` with a feature, if there is one.
  private func statistics(_ k: Int, _ feature: Int, _ models: inout [ConditionalModel]) -> [PairRow] {
    regressions.indices.flatMap { models[$0].rows(k, of: regressions[$0].vectors, feature: feature) }
  }

  /// - Returns: variants in order of discovery, and the models with all of them.
  private mutating func forward() -> (found: [Lead], full: [ConditionalModel]) {
    var found: [Lead] = []
    var models = regressions.map(\.base)
    while found.count < maximumSignals, let row = lead(&models, products),
      let residualisers = adding(row.variant, to: models.map(\.residualiser))
    {
      found.append(
        Lead(rank: found.count + 1, variant: row.variant, row: row, forwardLogP: row.logP))
      let next = zip(regressions, residualisers).map { $0.model($1) }
      for j in products.indices { products[j].add(row.variant, models[j], next[j]) }
      models = next
    }
    return (found, models)
  }

  private mutating func backward(_ found: [Lead], _ full: [ConditionalModel]) -> [Lead] {
    // Nothing to condition on: the scan would be that of the first step.
    guard found.count > 1 else { return found }
    let others = found.indices.compactMap { j in
      models(given: found.indices.filter { $0 != j }.map { found[$0].variant })
    }
    // A subset of variants that joined one by one: only on the edge of the tolerance is one collinear with others.
    guard others.count == found.count else { return found }
    let without = products.indices.map { i in
      products[i].withoutEach(found.map(\.variant), others.map { $0[i] }, full[i])
    }
    return found.indices.compactMap { j in
      var models = others[j]
      guard let row = lead(&models, without.map { $0[j] }) else { return nil }
      var lead = found[j]
      (lead.variant, lead.row) = (row.variant, row)
      return lead
    }
  }

  /// Each lead's row given all others, with the models of those; leads that are collinear with earlier ones are left out.
  private func joint(_ leads: [Lead]) -> [(GeneSignals.Signal, [ConditionalModel])] {
    var leads = leads
    var residualisers = regressions.map(\.base.residualiser)
    leads.removeAll { lead in
      guard let next = adding(lead.variant, to: residualisers) else { return true }
      residualisers = next
      return false
    }
    while true {
      let rows = leads.indices.map { j -> (GeneSignals.Signal, [ConditionalModel])? in
        let lead = leads[j]
        guard var models = self.models(given: leads.indices.filter { $0 != j }.map { leads[$0].variant }),
          let row = statistics(lead.variant, lead.row.feature, &models).first
        else { return nil }
        return (GeneSignals.Signal(rank: lead.rank, row: row, forwardLogP: lead.forwardLogP), models)
      }
      // The others may leave nothing of a phenotype, or of a variant on the edge of the tolerance.
      guard let last = rows.lastIndex(where: { $0 == nil }) else { return rows.compactMap(\.self) }
      leads.remove(at: last)
    }
  }

  /// Nil when one of the variants is collinear with those before it.
  private func models(given variants: [Int]) -> [ConditionalModel]? {
    guard !variants.isEmpty else { return regressions.map(\.base) }
    var residualisers = regressions.map(\.base.residualiser)
    for k in variants {
      guard let next = adding(k, to: residualisers) else { return nil }
      residualisers = next
    }
    return zip(regressions, residualisers).map { $0.model($1) }
  }

  /// Nil when variant `k` is collinear with what is taken out in all regressions; where it is in some, it adds nothing to those.
  private func adding(_ k: Int, to residualisers: [Residualiser]) -> [Residualiser]? {
    let next = zip(regressions, residualisers).map { $1.adding($0.vectors(k)) }
    guard next.contains(where: { $0 != nil }) else { return nil }
    return zip(next, residualisers).map { $0 ?? $1 }
  }
}
