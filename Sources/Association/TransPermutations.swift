internal import CScanKernels
internal import Distributions
internal import Glibc
internal import LinearAlgebra
public import StudyData
internal import Synchronization

/// Thresholds of each trait over all its tests, from the most significant p of permuted copies of it.
///
/// The raw trait is permuted among its observed samples, then transformed, residualised and scaled as the trait itself; its tests are
/// those of ``TransScan`` with the same exclusion. All copies go through the screen as further right-hand sides with their running
/// maxima as floors, so that few pairs are recomputed, and the maxima are exact.
///
/// - Missing: as in ``TransScan``; a copy is missing where the trait is.
/// - Complexity: the work of `permutations + 1` scans, in passes over the genotypes of as many copies as memory holds.
/// - Source: Churchill & Doerge 1994, doi:10.1093/genetics/138.3.963.
public struct TransPermutations: Sendable {
  /// Exclusion, filters, transform and alternative; its threshold is not used.
  public var scan: TransScan
  public var permutations: Int

  public init(_ scan: TransScan, permutations: Int) {
    precondition(permutations > 0)
    self.scan = scan
    self.permutations = permutations
  }

  /// What permutations say of one trait.
  public struct TraitResult: Sendable {
    /// The most significant pair of the trait itself; its `variant` is 0.
    public var row: PairRow
    public var variant: TestedVariant
    /// ln of the smallest p of each permuted copy, ascending. Fewer than asked for where copies could not be analysed.
    public var minimalLogP: [Double]

    /// (1 + copies as significant or more) / (1 + copies).
    public var empiricalP: Double {
      let least = minimalLogP.count { $0 <= row.logP }
      return Double(1 + least) / Double(1 + minimalLogP.count)
    }

    /// ln of the nominal p at which a share `level` of permuted copies has a more significant test; nil where there are too few.
    public func logThreshold(_ level: Double) -> Double? {
      // 0.29 × 100 is 29, rounding or not.
      let rank = Int(level * Double(minimalLogP.count + 1) + 1e-9)
      return rank >= 1 && rank <= minimalLogP.count ? minimalLogP[rank - 1] : nil
    }
  }

  /// Copies that a pass over the genotypes takes.
  ///
  /// - Throws: ``StudyError`` when `execution.memory` does not hold one. Worth asking before anything else is computed.
  public func copiesPerPass(of study: Study, _ execution: Execution) throws(StudyError) -> Int {
    let (n, t) = (study.sampleCount, study.features.count)
    // A copy is held as given, as unit trait, and as codes or fp32 columns. Each worker holds the best pair of each, and all pairs
    // of the first panel of variants, which no floor discards yet.
    let width = Int((execution.instructions ?? .fastest).shape.width)
    let pair = MemoryLayout<BestPair?>.stride
    let copy = t * (26 * n + (execution.workers + 1) * pair + execution.workers * (16 * width + 2 * pair))
    let workspaces = execution.workers * (9 * n * Execution.blockSize + (4 << 20))
    try execution.require(workspaces + copy, samples: n, traits: t)
    let rest = execution.memory - execution.needed(workspaces, samples: n, traits: t)
    return min(permutations + 1, rest / copy)
  }

  /// - Parameter progress: called with the share of the work done and the pairs newly decided, in order.
  /// - Returns: results in the order of the features, and what the screens did.
  /// - Throws: ``StudyError`` as ``TransScan/run(in:execution:render:emit:)``.
  public func run(
    in study: Study, execution: Execution, progress: @escaping @Sendable (Double, Int) -> Void = { _, _ in }
  ) throws -> (traits: [TraitResult], counts: ScanCounts) {
    let shuffles = Permutations(seed: scan.seed, sampleIDs: study.sampleIDs)
    let t = study.features.count
    let copies = try copiesPerPass(of: study, execution)
    var lead = [BestPair?](repeating: nil, count: t)
    var minima = [[Double]](repeating: [], count: t)
    var counts = ScanCounts()
    for first in stride(from: 0, through: permutations, by: copies) {
      let indices = first..<min(first + copies, permutations + 1)
      let (best, done) = try bests(of: study, shuffles, indices, execution) { share, pairs in
        progress((Double(first) + share * Double(indices.count)) / Double(permutations + 1), pairs)
      }
      counts += done
      for (k, pair) in best.enumerated() {
        guard let pair else { continue }
        let (feature, index) = (k / indices.count, indices.lowerBound + k % indices.count)
        if index == 0 { lead[feature] = pair } else { minima[feature].append(pair.row.logP) }
      }
    }
    let results = (0..<t).compactMap { feature -> TraitResult? in
      guard var row = lead[feature]?.row, let variant = lead[feature]?.variant else { return nil }
      row.variant = 0
      row.feature = feature
      return TraitResult(row: row, variant: variant, minimalLogP: minima[feature].sorted())
    }
    return (results, counts)
  }

  /// The best pair of every copy, feature by feature.
  private func bests(
    of study: Study, _ shuffles: Permutations, _ indices: Range<Int>, _ execution: Execution,
    progress: @escaping @Sendable (Double, Int) -> Void
  ) throws -> ([BestPair?], ScanCounts) {
    BLAS.useSingleThread()
    try study.requireUnrelated("permutations of a trans scan")
    let (n, copies) = (study.sampleCount, indices.count)
    let orders = indices.map(shuffles.order)
    var values = [Double](repeating: 0, count: n * study.features.count * copies)
    values.withUnsafeMutableBufferPointer { values in
      study.phenotypes.storage.withUnsafeBufferPointer { y in
        for feature in study.features.indices {
          for (k, order) in orders.enumerated() {
            Permutations.apply(
              order, UnsafeBufferPointer(rebasing: y[feature * n..<(feature + 1) * n]),
              to: values.baseAddress! + (feature * copies + k) * n)
          }
        }
      }
    }
    let permuted = study.replacing(
      features: study.features.flatMap { Array(repeating: $0, count: copies) },
      phenotypes: Matrix(rows: n, columns: study.features.count * copies, storage: values))
    values = []
    let prepared = try PreparedStudy(permuted, scan.options, workers: execution.workers)
    let plan = TraitBestPlan(
      prepared, scan, Exclusion(scan.exclusion, features: study.features), copies: copies, execution)
    let best = Mutex((TraitBests(count: prepared.traits.count), ScanCounts()))
    try scanBlocks(
      of: study, scan.options.selection, execution,
      scratch: { TraitBestWorker(plan) },
      work: { worker, block, fractionRead in
        let before = worker.counts
        worker.process(block)
        let (a, b) = (before, worker.counts)
        return (fractionRead, b.integerPairs + b.floatPairs - a.integerPairs - a.floatPairs)
      },
      finish: { worker in
        best.withLock {
          $0.0.merge(worker.bests)
          $0.1 += worker.counts
        }
      },
      emit: { progress($0.0, $0.1) })
    let (bests, counts) = best.withLock { $0 }
    var found = [BestPair?](repeating: nil, count: permuted.features.count)
    for (trait, pair) in bests.best.enumerated() { found[prepared.traits.ordinals[trait]] = pair }
    return (found, counts)
  }
}

/// What all workers of a scan for the best pair of each trait read.
private struct TraitBestPlan: Sendable {
  let prepared: PreparedStudy
  let scan: TransScan
  let sieve: Sieve
  let exclusion: Exclusion
  /// Traits (panel indices) of each feature.
  let traitsOfFeature: [[Int32]]

  init(
    _ prepared: PreparedStudy, _ scan: TransScan, _ exclusion: Exclusion, copies: Int, _ execution: Execution
  ) {
    self.prepared = prepared
    self.scan = scan
    self.exclusion = exclusion
    // Floors are multiples of r*; with this one, traits are coded for p near where their best will lie.
    sieve = Sieve(
      traits: prepared.traits, residualiser: prepared.residualiser, logThreshold: log(1e-5),
      alternative: scan.options.alternative, backend: execution.backend, instructions: execution.instructions,
      workers: execution.workers)
    var traitsOfFeature: [[Int32]] = []
    for (trait, copy) in prepared.traits.ordinals.enumerated() {
      while traitsOfFeature.count <= copy / copies { traitsOfFeature.append([]) }
      traitsOfFeature[copy / copies].append(Int32(trait))
    }
    self.traitsOfFeature = traitsOfFeature
  }
}

private final class TraitBestWorker {
  private let plan: TraitBestPlan
  private var evaluator: PairEvaluator
  private var workspace = Sieve.Workspace()
  private var cursor = Exclusion.Cursor()
  private var excluded: [Int32] = []
  private var survivors: [UInt64] = []
  private var candidates: [Int32] = []
  private var rows: [PairRow] = []
  private(set) var bests: TraitBests
  private(set) var counts = ScanCounts()
  private var seen = 0

  init(_ plan: TraitBestPlan) {
    self.plan = plan
    evaluator = PairEvaluator(
      traits: plan.prepared.traits, residualiser: plan.prepared.residualiser,
      alternative: plan.scan.options.alternative)
    bests = TraitBests(count: plan.prepared.traits.count)
  }

  func process(_ block: GenotypeBlock) {
    let panel = VariantPanel(block: block, filter: plan.scan.options.filter)
    let collinear = Set(
      plan.sieve.prepare(panel, &workspace) { v in
        self.evaluator.load(v, of: panel) ? self.evaluator.squaredNorm.squareRoot() : nil
      })
    plan.sieve.encode(panel, &workspace)
    var start = 0
    while start < panel.count {
      let variants = start..<min(panel.count, start + plan.sieve.group(after: seen))
      plan.sieve.survivors(
        variants, of: panel, skip: collinear, floors: bests.floors, &workspace, counts: &counts,
        into: &survivors)
      var position = 0
      while position < survivors.count {
        let v = Int(survivors[position] >> 32)
        candidates.removeAll(keepingCapacity: true)
        while position < survivors.count, survivors[position] >> 32 == UInt64(v) {
          candidates.append(Int32(truncatingIfNeeded: survivors[position] & 0xFFFF_FFFF))
          position += 1
        }
        evaluate(v, panel)
      }
      seen += variants.count
      start = variants.upperBound
    }
  }

  private func evaluate(_ v: Int, _ panel: VariantPanel) {
    if cursor.move(to: panel.variants[v].variant, plan.exclusion) {
      excluded = cursor.features.flatMap {
        Int($0) < plan.traitsOfFeature.count ? plan.traitsOfFeature[Int($0)] : []
      }
    }
    remove(excluded, from: &candidates)
    counts.survivors += candidates.count
    guard !candidates.isEmpty, evaluator.load(v, of: panel) else { return }
    rows.removeAll(keepingCapacity: true)
    // Rows name the feature; candidates that could not be tested have none.
    let traits = plan.prepared.traits
    _ = candidates.withUnsafeBufferPointer { evaluator.evaluate($0, variant: 0, into: &rows) }
    var position = 0
    for row in rows {
      while traits.ordinals[Int(candidates[position])] != row.feature { position += 1 }
      let trait = Int(candidates[position])
      bests.offer(
        BestPair(variant: panel.variants[v], row: row), trait: trait,
        criticalR: plan.sieve.criticalR[Int(traits.patternOf[trait])],
        alternative: plan.scan.options.alternative)
    }
  }
}
