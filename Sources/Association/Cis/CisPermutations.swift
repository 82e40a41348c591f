internal import CScanKernels
internal import Distributions
internal import Glibc
internal import LinearAlgebra
public import MultipleTesting
public import StudyData
internal import Synchronization

/// The most significant variant of each gene, and how often permuted copies of the gene have one as significant.
///
/// The raw trait is permuted among its observed samples, then transformed, residualised and scaled as the trait itself; its tests are
/// those of ``CisScan``. The largest |r| of every copy is exact. Copies of all genes follow the same orders of the samples, which depend
/// on the seed and on the analysed samples alone, so a gene's row does not depend on the other genes. A group's statistic is that of
/// its most significant phenotype and variant, for the group itself as for its copies.
///
/// Of a study with ``Study/relatedness`` what is permuted are the residuals of the mixed model without a variant, whitened at the
/// phenotype's own h²: e = D^(−½)U'y, independent and of one variance under the null, m = observed samples − rank of them. h² is that
/// of the phenotype for its copies too. Their order is that in which the first m samples appear in that of all. Eigenvectors of
/// repeated eigenvalues (families) are not unique, so copies, not their distribution, depend on the decomposition: above 2,048
/// samples on the number of threads that made it, unless it is a stored one.
///
/// - Missing: as in ``CisScan``; a copy is missing where the trait is.
/// - Complexity: 2n integer operations a variant and copy (see `sieve`), O(n·rank) fp64 a copy and gene; genes are shared out to the
///   workers. Memory: 4n bytes a copy. A mixed model takes 2n² flop a copy, gene and phenotype, and 2n² a variant; 8n² bytes for each
///   pattern of missing phenotypes, and 8n bytes for each variant that a gene waits for.
/// - Source: Ongen et al. 2016, doi:10.1093/bioinformatics/btv722.
public struct CisPermutations: Sendable {
  /// How many copies a gene gets.
  public enum Plan: Sendable, Equatable {
    case fixed(Int)
    /// Until `successes` copies are as significant as the gene, at most `maximum` (FastQTL's rule).
    case adaptive(successes: Int, maximum: Int)

    public var maximum: Int {
      switch self {
      case .fixed(let count): count
      case .adaptive(_, let maximum): maximum
      }
    }
  }

  public var scan: CisScan
  public var plan: Plan
  public var seed: UInt64
  /// Whether phenotypes with the same ``StudyData/Feature/group`` are mapped as one.
  public var isGrouped: Bool

  public init(
    _ scan: CisScan, plan: Plan = .fixed(10_000), seed: UInt64 = 20_190_304, isGrouped: Bool = false
  ) {
    precondition(plan.maximum > 0)
    self.scan = scan
    self.plan = plan
    self.seed = seed
    self.isGrouped = isGrouped
  }

  /// All genes.
  ///
  /// - Parameters:
  ///   - drop: gets the variants that are left out, in file order.
  ///   - progress: called with the share of the input read and the pairs × copies newly decided, in order.
  /// - Returns: results in the order of the genes along the genome, as the variants' file has it.
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype has a location, variants are not sorted, no variant lies in a
  ///   window, or the score test of mixed models is asked for; what readers throw.
  public func run(
    in study: Study, execution: Execution, drop: ([Drop]) throws -> Void = { _ in },
    progress: (Double, Int) -> Void = { _, _ in }
  ) throws -> (genes: [GeneResult], summary: ScanSummary) {
    try run(in: study, execution: execution, drop: drop, progress: progress, keep: { _ in })
  }

  /// The same; `keep` gets all that workers made.
  func run(
    in study: Study, execution: Execution, drop: ([Drop]) throws -> Void, progress: (Double, Int) -> Void,
    keep: (GeneOutput) -> Void
  ) throws -> (genes: [GeneResult], summary: ScanSummary) {
    var results: [GeneResult] = []
    var totals = ScanCounts()
    var summary = try run(in: study, execution: execution, drop: drop) { output, share in
      totals += output.counts
      progress(share, output.counts.integerPairs)
      results.append(output.result)
      keep(output)
    }
    summary.counts += totals
    return (results, try complete(summary, results))
  }

  /// Some genes, or all, one by one.
  ///
  /// - Parameters:
  ///   - prepared: the traits of this study for this scan, where they were made before.
  ///   - genes: by number in the order in which results come; nil for all.
  ///   - order: of all genes, where it is known: then only variants between the first and the last base of the windows of `genes` are
  ///     decoded. Without it all are.
  ///   - drop: gets those of the decoded variants that are left out, in file order.
  ///   - emit: gets each gene's result, its counts and the share of the work that is done, in order. A result depends on no other gene.
  /// - Returns: what there is to say of all runs of the scan; its counts are of the variants alone. What all genes add up to is for
  ///   ``complete(_:_:)`` to say.
  /// - Throws: as ``run(in:execution:drop:progress:)``, but for windows without a variant; whatever `emit` throws.
  public func run(
    in study: Study, prepared: PreparedScan? = nil, genes: Range<Int>? = nil, of order: GeneOrder? = nil,
    execution: Execution, drop: ([Drop]) throws -> Void = { _ in },
    emit: (GeneResult, ScanCounts, Double) throws -> Void
  ) throws -> ScanSummary {
    try run(in: study, prepared: prepared, genes: genes, of: order, execution: execution, drop: drop) {
      try emit($0.result, $0.counts, $1)
    }
  }

  /// The order in which the genes come, and what they are tested with: a scan without tests.
  ///
  /// - Parameter drop: gets the variants that are left out, in file order.
  /// - Throws: as ``run(in:execution:drop:progress:)``.
  /// - Complexity: one pass over the variants, O(n·rank) each.
  public func order(
    in study: Study, prepared: PreparedScan? = nil, execution: Execution, drop: ([Drop]) throws -> Void
  ) throws -> GeneOrder {
    BLAS.useSingleThread()
    let prepared = try prepared?.study ?? PreparedStudy(study, scan.options, workers: execution.workers)
    let (genes, _) = try CisGene.located(
      of: prepared.traits, in: study, radius: scan.radius, anchor: scan.anchor, isGrouped: isGrouped)
    var windows = WindowScan(
      study: study, prepared: prepared, genes: genes, options: scan.options, execution: execution)
    windows.isRotated = false
    var order = GeneOrder()
    order.counts = try windows.run(
      scratch: {}, work: { _, window in (window.gene, window.count) }, drop: drop,
      emit: { window, _ in order.append(window.0, variants: window.1) })
    guard order.variants.contains(where: { $0 > 0 }) else {
      throw CisScan.noVariant(order.counts.variants, genes.count)
    }
    return order
  }

  /// The summary of a whole scan.
  ///
  /// - Parameters:
  ///   - summary: of any run of it, with the counts of all variants and genes.
  ///   - genes: all results.
  /// - Throws: ``StudyError`` `inconsistent` when nothing was tested.
  public func complete(_ summary: ScanSummary, _ genes: [GeneResult]) throws(StudyError) -> ScanSummary {
    guard summary.counts.tests > 0 else { throw CisScan.noVariant(summary.counts.variants, genes.count) }
    var summary = summary
    summary.drops += genes.filter { $0.lead == nil }.map {
      Drop(
        .phenotype, id: $0.id, reason: $0.variantCount == 0 ? "no variant in the window" : "no variant varies"
      )
    }
    return summary
  }

  private func run(
    in study: Study, prepared: PreparedScan? = nil, genes numbers: Range<Int>? = nil,
    of order: GeneOrder? = nil, execution: Execution, drop: ([Drop]) throws -> Void,
    emit: (GeneOutput, Double) throws -> Void
  ) throws -> ScanSummary {
    BLAS.useSingleThread()
    let n = study.sampleCount
    var bytes = 4 * n * plan.maximum
    if study.relatedness != nil || prepared?.study.traits.mixed != nil {
      guard scan.options.mixedModel.test == .wald else {
        throw StudyError(
          .inconsistent, "permutations of mixed models have no score test",
          remedy: "take the Wald test")
      }
      // Eigenvectors of one pattern, and each worker's panels of variants and copies.
      bytes += 8 * n * n + execution.workers * 8 * n * (3 * Spectrum.width + WhitenedTrait.width)
    }
    try execution.require(
      bytes, samples: n, traits: study.features.count, holdsPhenotypes: study.phenotypes.columns > 0)
    let prepared = try prepared?.study ?? PreparedStudy(study, scan.options, workers: execution.workers)
    let (genes, drops) = try CisGene.located(
      of: prepared.traits, in: study, radius: scan.radius, anchor: scan.anchor, isGrouped: isGrouped)
    var summary = ScanSummary(prepared)
    summary.drops += drops
    summary.backend = "integer (8-bit integers, \((execution.instructions ?? .fastest).rawValue))"
    var windows = WindowScan(
      study: study, prepared: prepared, genes: genes, options: scan.options, execution: execution,
      codes: execution.instructions ?? .fastest)
    if let numbers, let order {
      windows.genes = Array(order.sorted(genes)[numbers.clamped(to: genes.indices)])
      guard let selection = scan.options.selection.narrowed(to: windows.genes) else { return summary }
      windows.options.selection = selection
      windows.chromosomes = order.chromosomes
    } else if let numbers {
      windows.numbers = numbers
    }
    let orders = try PermutationMaxima.Orders(
      seed: seed, sampleIDs: study.sampleIDs, count: plan.maximum, workers: execution.workers)
    summary.counts = try windows.run(
      scratch: { GenePermuter(self, study, prepared, orders, execution) },
      work: { permuter, window in permuter.process(window) }, drop: drop, emit: emit)
    return summary
  }

  /// What permutations say of one gene.
  public struct GeneResult: Sendable {
    /// The phenotype's id or the group's name.
    public var id: String
    /// Phenotypes of the group; 1 for a gene of its own.
    public var phenotypeCount: Int
    /// Variants of the window, repeated ones included.
    public var variantCount: Int
    /// The most significant pair; its `variant` is 0. Nil where nothing could be tested.
    public var lead: (row: PairRow, variant: TestedVariant)?
    /// Copies that were analysed.
    public var permutations = 0
    /// Of them, those as significant as the lead or more.
    public var asSignificant = 0
    /// The beta distribution of the copies' best p; nil where nothing could be tested.
    public var approximation: BetaApproximation?
    /// ln p of the lead on the fitted ν, and its ln p by the beta approximation; NaN without a fit.
    public var logTrueP = Double.nan
    public var logBetaP = Double.nan

    /// ln of (1 + copies as significant)/(1 + copies).
    public var logEmpiricalP: Double { log(Double(1 + asSignificant) / Double(1 + permutations)) }
    /// The gene's ln p: by the beta approximation, the empirical one where that could not be fitted; NaN where nothing was tested.
    public var logP: Double { lead == nil ? .nan : logBetaP.isNaN ? logEmpiricalP : logBetaP }
  }
}

/// What a worker makes of a gene.
struct GeneOutput: Sendable {
  var result: CisPermutations.GeneResult
  var counts: ScanCounts
  /// r of the best pair of each copy, in the direction that is tested.
  var maxima: [Double]
}

/// One worker of a permutation scan.
private struct GenePermuter {
  private let plan: CisPermutations.Plan
  private let study: Study
  private let prepared: PreparedStudy
  private let options: ScanOptions
  private var evaluator: PairEvaluator
  private var engine: PermutationMaxima
  private var genotype: [Double]

  init(
    _ permutations: CisPermutations, _ study: Study, _ prepared: PreparedStudy,
    _ orders: PermutationMaxima.Orders,
    _ execution: Execution
  ) {
    plan = permutations.plan
    self.study = study
    self.prepared = prepared
    options = permutations.scan.options
    evaluator = PairEvaluator(
      traits: prepared.traits, residualiser: prepared.residualiser, alternative: options.alternative)
    engine = PermutationMaxima(
      orders: orders, residualiser: prepared.residualiser, instructions: execution.instructions ?? .fastest,
      alternative: options.alternative)
    genotype = [Double](repeating: 0, count: study.sampleCount)
  }

  mutating func process(_ window: CisWindow) -> GeneOutput {
    var result = CisPermutations.GeneResult(
      id: window.gene.id, phenotypeCount: window.gene.traits.count, variantCount: window.count)
    var counts = ScanCounts()
    var lead: BestPair?
    var lengths: [[Double]] = []
    for trait in window.gene.traits {
      let own = evaluator.lengths(of: window, trait: trait)
      counts.tests += own.count { $0 > 0 }
      counts.untestable += own.count { $0 == 0 }
      if let best = evaluator.lead(of: window, trait: trait, lengths: own, &genotype),
        lead.map({ best.isBetter(than: $0) }) ?? true
      {
        lead = best
      }
      lengths.append(own)
    }
    guard let lead else { return GeneOutput(result: result, counts: counts, maxima: []) }
    result.lead = (lead.row, lead.variant)
    let reached = permute(window, lengths, lead, &result)
    counts.integerPairs = engine.pairs
    counts.survivors = engine.recomputed
    engine.resetCounts()
    let nu = lead.row.degreesOfFreedom
    let approximation = BetaApproximation(
      maxima: reached, degreesOfFreedom: nu, tail: options.alternative == .twoSided ? .twoSided : .oneSided)
    // 1 − r² from t keeps its digits.
    let rest = Double(nu) / (Double(nu) + lead.row.t * lead.row.t)
    (result.logTrueP, result.logBetaP) = approximation.logP(
      r: lead.reached(options.alternative), oneMinusRSquared: rest)
    result.approximation = approximation
    return GeneOutput(result: result, counts: counts, maxima: reached)
  }

  /// The largest r of each copy; counts in `result`.
  private mutating func permute(
    _ window: CisWindow, _ lengths: [[Double]], _ lead: BestPair, _ result: inout CisPermutations.GeneResult
  ) -> [Double] {
    let subjects = zip(window.gene.traits, lengths).filter { $0.1.contains { $0 > 0 } }.map {
      trait, lengths in
      (
        PermutationMaxima.Subject(
          trait, of: prepared, in: study, options.transform, window: window, lengths: lengths,
          instructions: engine.instructions),
        CorrelationScale(prepared.traits, trait, options.alternative)
      )
    }
    // Members of a group that miss other samples have another ν: compared at that of the lead.
    let scale = CorrelationScale(nu: lead.row.degreesOfFreedom, options.alternative)
    let observed = lead.reached(options.alternative)
    var maxima: [Double] = []
    var first = 0
    while first < plan.maximum {
      let range = first..<min(first + engine.batch, plan.maximum)
      var best = [Double](repeating: .nan, count: range.count)
      for (k, (subject, own)) in subjects.enumerated() {
        if k == 0 && first == 0 || subjects.count > 1 { engine.load(subject) }
        for (b, r) in engine.maxima(subject, copies: range).enumerated() {
          let r = own.convert(r, to: scale)
          // False for NaN.
          if !(best[b] >= r) { best[b] = r.isNaN ? best[b] : r }
        }
      }
      for r in best where !r.isNaN {
        maxima.append(r)
        // A copy that repeats the gene's own order reaches the same r up to rounding.
        if r >= observed * (1 - 1e-12) { result.asSignificant += 1 }
        if case .adaptive(let successes, _) = plan, result.asSignificant >= successes { break }
      }
      if case .adaptive(let successes, _) = plan, result.asSignificant >= successes { break }
      first = range.upperBound
    }
    result.permutations = maxima.count
    return maxima
  }
}

/// Correlations with ν degrees of freedom, to be compared with those of another ν by their p.
private struct CorrelationScale {
  let nu: Double
  let alternative: Alternative
  private let distribution: StudentT

  init(_ traits: TraitPanel, _ trait: Int, _ alternative: Alternative) {
    self.init(nu: traits.patterns[Int(traits.patternOf[trait])].degreesOfFreedom, alternative)
  }

  init(nu: Int, _ alternative: Alternative) {
    self.nu = Double(nu)
    self.alternative = alternative
    distribution = StudentT(degreesOfFreedom: Double(nu))
  }

  /// The r with the same p at the ν of `other`.
  func convert(_ r: Double, to other: Self) -> Double {
    guard nu != other.nu, !r.isNaN else { return r }
    let rest = max(1e-300, 1 - r * r)
    let logP = distribution.logTwoSidedP(oneMinusRSquared: rest, rSquared: r * r)
    let magnitude = StudentT.criticalCorrelation(logP: logP, degreesOfFreedom: other.nu, oneSided: false)
    return r < 0 ? -magnitude : magnitude
  }
}

extension BestPair {
  /// |r|, or r in the direction that is tested.
  func reached(_ alternative: Alternative) -> Double {
    let r = row.t < 0 ? -row.r2.squareRoot() : row.r2.squareRoot()
    return switch alternative {
    case .twoSided: abs(r)
    case .greater: r
    case .less: -r
    }
  }
}

extension PairEvaluator {
  /// ‖M_p g‖ of each variant of a window, ρ·√(g'Pg) in a mixed model; 0 for those that do not vary among the trait's samples.
  mutating func lengths(of window: CisWindow, trait: Int) -> [Double] {
    let pattern = Int(traits.patternOf[trait])
    if let mixed = traits.mixed {
      return (0..<window.count).map { k in
        let squared = mixed.squaredLength(trait, pattern: pattern) {
          window.withRotated(k, pattern: pattern, $0)
        }
        return squared > Self.collinearity * window.squaredNorm(k) ? squared.squareRoot() : 0
      }
    }
    guard pattern > 0 else { return (0..<window.count).map { window.squaredNorm($0).squareRoot() } }
    let missing = traits.patterns[pattern]
    return (0..<window.count).map { k in
      let (panel, index) = window.place(k)
      guard load(index, of: panel) else { return 0 }
      let left = squaredNorm(among: missing)
      return left > Self.collinearity * squaredNorm ? left.squareRoot() : 0
    }
  }

  /// The most significant variant of a window; its row's `variant` is 0.
  ///
  /// All are compared by g_c'ỹ over their lengths; those within rounding of the largest are computed as every printed row is.
  mutating func lead(
    of window: CisWindow, trait: Int, lengths: [Double], _ genotype: inout [Double]
  ) -> BestPair? {
    let n = traits.sampleCount
    var reached = [Double](repeating: -.infinity, count: window.count)
    for k in 0..<window.count where lengths[k] > 0 {
      let (panel, index) = window.place(k)
      var product = 0.0
      genotype.withUnsafeMutableBufferPointer { panel.writeCentered(index, to: $0.baseAddress!) }
      sk_products(genotype, traits.unit, [Int32(trait)], 1, Int64(n), &product)
      let r = product / lengths[k]
      reached[k] =
        switch alternative {
        case .twoSided: abs(r)
        case .greater: r
        case .less: -r
        }
    }
    guard let most = reached.max(), most > -.infinity else { return nil }
    var best: BestPair?
    var rows: [PairRow] = []
    let leading = (0..<window.count).filter { reached[$0] >= most - 1e-9 }
    for (position, k) in leading.enumerated() {
      let (panel, index) = window.place(k)
      if position == 0 || !window.sharesPanel(k, leading[position - 1]) {
        announce(leading.filter { window.sharesPanel($0, k) }.map { window.place($0).index })
      }
      guard load(index, of: panel) else { continue }
      rows.removeAll(keepingCapacity: true)
      let indices = [Int32(trait)]
      _ = indices.withUnsafeBufferPointer { evaluate($0, variant: 0, into: &rows) }
      for row in rows {
        let pair = BestPair(variant: window.variant(k), row: row)
        if best.map({ pair.isBetter(than: $0) }) ?? true { best = pair }
      }
    }
    return best
  }
}
