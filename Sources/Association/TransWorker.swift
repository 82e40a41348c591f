internal import CScanKernels
internal import Distributions
internal import StudyData

/// What all workers of a trans scan read.
struct TransPlan: Sendable {
  let scan: TransScan
  let prepared: PreparedStudy
  let sieve: Sieve
  let exclusion: Exclusion
  let floors: BestFloors
  let bins: PValueBins?
  /// fp32 screen column of each trait; -1 where it has none.
  let columnOf: [Int32]
  /// Integer slot of each trait; -1 where it has none.
  let slotOf: [Int32]
  /// Trait (panel index) of each feature of the study; -1 where it is not analysed.
  let traitOfFeature: [Int32]
  let sample: TestSample

  var traits: TraitPanel { prepared.traits }

  init(
    _ scan: TransScan, _ study: Study, _ prepared: PreparedStudy, _ sample: TestSample,
    _ execution: Execution
  ) {
    self.scan = scan
    self.prepared = prepared
    self.sample = sample
    let traits = prepared.traits
    let alternative = scan.options.alternative
    sieve = Sieve(
      traits: traits, residualiser: prepared.residualiser, logThreshold: scan.screenLogThreshold,
      alternative: alternative, demand: scan.demand, backend: execution.backend,
      instructions: execution.instructions, workers: execution.workers)
    floors = BestFloors(criticalR: sieve.criticalR, traits: traits, alternative: alternative)
    bins =
      scan.countsAllP
      ? PValueBins(
        distribution: traits.distributions[0], degreesOfFreedom: traits.patterns[0].degreesOfFreedom,
        alternative: alternative, tolerance: 2 * sieve.float.relativeError) : nil
    var columnOf = [Int32](repeating: -1, count: traits.count)
    for (column, trait) in sieve.float.order.enumerated() { columnOf[Int(trait)] = Int32(column) }
    self.columnOf = columnOf
    var slotOf = [Int32](repeating: -1, count: traits.count)
    for (slot, trait) in (sieve.integer?.traits.order ?? []).enumerated() where trait >= 0 {
      slotOf[Int(trait)] = Int32(slot)
    }
    self.slotOf = slotOf
    traitOfFeature = traits.indexOfFeature(study.features.count)
    exclusion = Exclusion(scan.exclusion, features: study.features)
  }
}

/// One worker of a trans scan: its scratch and its running bests. A class so that its parts can be lent separately.
final class TransWorker {
  private let plan: TransPlan
  private var evaluator: PairEvaluator
  private var workspace = Sieve.Workspace()
  private var cursor = Exclusion.Cursor()
  /// Traits excluded for the current variant, ascending.
  private var excluded: [Int32] = []
  private var candidates: [Int32] = []
  /// (variant, trait) packed so that one sort puts rows in order.
  private var survivors: [UInt64] = []
  private var bestCandidates: [IntegerScreen.Candidate] = []
  private var rows: [PairRow] = []
  private var loaded: Int?
  private var histogram: [Int] = []
  private var bests: TraitBests
  /// Place of each trait in the block's leads; -1 for none.
  private var leadOf: [Int32]
  /// The least share of r* that is of interest in one row, by fp32 column; at most 1, so that every hit passes.
  private var rowFloors: [Float]
  /// Variants seen so far: floors of few variants are low.
  private var seen = 0

  /// Variants whose whole rows of products are held at once when every pair is looked at: 64 MB of them.
  private var fullRowVariants: Int { max(32, min(Execution.blockSize, (1 << 24) / plan.traits.count)) }

  init(_ plan: TransPlan) {
    self.plan = plan
    evaluator = PairEvaluator(
      traits: plan.traits, residualiser: plan.prepared.residualiser,
      alternative: plan.scan.options.alternative)
    let count = plan.scan.reportsBest ? plan.traits.count : 0
    bests = TraitBests(count: count)
    leadOf = [Int32](repeating: -1, count: count)
    rowFloors = [Float](repeating: 1, count: count)
  }

  func process(_ block: GenotypeBlock, fractionRead: Double) -> PairBatch {
    let panel = VariantPanel(block: block, filter: plan.scan.options.filter)
    var out = PairBatch()
    out.drops = panel.drops
    out.fractionRead = fractionRead
    loaded = nil
    histogram = plan.bins == nil ? [] : [Int](repeating: 0, count: PValueBins.count)
    for k in leadOf.indices { leadOf[k] = -1 }
    let collinear = Set(
      plan.sieve.prepare(panel, &workspace) { v in
        self.load(v, panel) ? self.evaluator.squaredNorm.squareRoot() : nil
      })
    for v in collinear.sorted() {
      out.drops.append(
        Drop(.variant, id: panel.variants[v].variant.id, reason: "collinear with the covariates"))
    }
    if plan.scan.demand == .hits {
      scanHits(panel, collinear, &out)
    } else if plan.sieve.integer != nil {
      scanBests(panel, collinear, &out)
    } else {
      scanWholeRows(panel, collinear, &out)
    }
    out.counts.variants = panel.count - collinear.count
    out.counts.unplacedVariants = panel.variants.lazy.filter { $0.variant.position <= 0 }.count
    out.counts.droppedVariants = out.drops.count
    out.counts.maskedCalls = panel.block.maskedCalls
    out.counts.rows = out.rows.count
    out.histogram = histogram
    return out
  }

  /// The common path: survivors of all pairs first, then variant by variant in fp64.
  private func scanHits(_ panel: VariantPanel, _ collinear: Set<Int>, _ out: inout PairBatch) {
    plan.sieve.encode(panel, &workspace)
    plan.sieve.survivors(
      0..<panel.count, of: panel, skip: collinear, &workspace, counts: &out.counts, into: &survivors)
    if plan.traits.mixed != nil { announce(panel, collinear, &out.counts) }
    var position = 0
    for v in 0..<panel.count where !collinear.contains(v) {
      candidates.removeAll(keepingCapacity: true)
      while position < survivors.count, survivors[position] >> 32 == UInt64(v) {
        candidates.append(Int32(truncatingIfNeeded: survivors[position] & 0xFFFF_FFFF))
        position += 1
      }
      findExcluded(panel.variants[v].variant)
      removeExcluded()
      finish(v, panel, &out)
    }
  }

  /// A mixed model rotates the variants it looks at, many at a time: near misses are thinned out before.
  private func announce(_ panel: VariantPanel, _ collinear: Set<Int>, _ counts: inout ScanCounts) {
    var wanted: [Int] = []
    var kept: [UInt64] = []
    var position = 0
    for v in 0..<panel.count where !collinear.contains(v) {
      candidates.removeAll(keepingCapacity: true)
      while position < survivors.count, survivors[position] >> 32 == UInt64(v) {
        candidates.append(Int32(truncatingIfNeeded: survivors[position] & 0xFFFF_FFFF))
        position += 1
      }
      let found = candidates.count
      narrow(v, panel)
      counts.survivors += found - candidates.count
      kept += candidates.map { UInt64(v) << 32 | UInt64($0) }
      if !candidates.isEmpty || plan.sample.admits(panel.variants[v].ordinal) { wanted.append(v) }
    }
    survivors = kept
    loaded = nil
    evaluator.announce(wanted)
  }

  /// `--best` by integers: running maxima of variants in the screen, of traits between groups of variants.
  private func scanBests(_ panel: VariantPanel, _ collinear: Set<Int>, _ out: inout PairBatch) {
    guard let integer = plan.sieve.integer else { return }
    out.counts.integerPairs += (panel.count - collinear.count) * plan.traits.count
    plan.sieve.encode(panel, &workspace)
    var start = 0
    while start < panel.count {
      let variants = start..<min(panel.count, start + plan.sieve.group(after: seen))
      bestCandidates.removeAll(keepingCapacity: true)
      integer.collectBest(
        variants: variants, skip: collinear,
        reach: integer.traits.reach(floors: bests.floors.map { min(1, $0) }),
        excluded: { lanes in self.excludedSlots(lanes.clamped(to: variants), lanes.lowerBound, panel) },
        &workspace.integer, into: &bestCandidates)
      bestCandidates.sort { ($0.variant, $0.trait) < ($1.variant, $1.trait) }
      var position = 0
      for v in variants where !collinear.contains(v) {
        candidates.removeAll(keepingCapacity: true)
        while position < bestCandidates.count, Int(bestCandidates[position].variant) == v {
          candidates.append(bestCandidates[position].trait)
          position += 1
        }
        findExcluded(panel.variants[v].variant)
        removeExcluded()
        finish(v, panel, &out)
      }
      seen += variants.count
      start = variants.upperBound
    }
  }

  /// Pairs (slot << 32 | lane) of a panel that are not tested.
  private func excludedSlots(_ variants: Range<Int>, _ first: Int, _ panel: VariantPanel) -> [UInt64] {
    var pairs: [UInt64] = []
    for v in variants {
      findExcluded(panel.variants[v].variant)
      for trait in excluded { pairs.append(UInt64(plan.slotOf[Int(trait)]) << 32 | UInt64(v - first)) }
    }
    return pairs.sorted()
  }

  /// `--best` and `--histogram full` by fp32: every product of a variant is looked at before the next variant.
  private func scanWholeRows(_ panel: VariantPanel, _ collinear: Set<Int>, _ out: inout PairBatch) {
    let float = plan.sieve.float
    // A reference of its own: the workspace is lent to the loop.
    let block = workspace.block
    out.counts.floatPairs += (panel.count - collinear.count) * plan.traits.count
    if plan.scan.reportsBest {
      loaded = nil
      evaluator.announce(panel.variants.indices.filter { !collinear.contains($0) })
    }
    for start in stride(from: 0, to: panel.count, by: fullRowVariants) {
      let variants = start..<min(start + fullRowVariants, panel.count)
      float.forEachRow(
        variants: variants, tileTraits: float.count, block, &workspace.float
      ) { v, columns, c, w in
        guard !collinear.contains(v) else { return }
        self.findExcluded(panel.variants[v].variant)
        // An excluded pair must not raise a floor.
        for trait in self.excluded { c[Int(self.plan.columnOf[Int(trait)])] = 0 }
        let length = block.lengths[v]
        if self.plan.scan.countsAllP { self.countRow(v, panel, c, centered: length.centered) }
        var found = 0
        if self.plan.scan.reportsBest, self.load(v, panel) {
          if self.plan.traits.mixed == nil {
            self.setRowFloors(reached: self.reachedByLargest(c, float.slack(length)))
          } else {
            self.setRowFloors(reached: self.reachedByLikeliest(v, c, block))
          }
          found = float.collect(
            variant: v, columns: columns, c, floors: self.rowFloors, block, &w)
        } else {
          found = float.collect(variant: v, columns: columns, c, floors: nil, block, &w)
        }
        self.candidates.removeAll(keepingCapacity: true)
        for k in 0..<found { self.candidates.append(float.order[Int(w.found[k])]) }
        self.candidates.sort()
        self.removeExcluded()
        self.finish(v, panel, &out)
      }
    }
  }

  /// Evaluates the candidates of variant `v`, keeps hits and bests, counts tests and draws the sample.
  private func finish(_ v: Int, _ panel: VariantPanel, _ out: inout PairBatch) {
    let tested = panel.variants[v]
    let scan = plan.scan
    out.counts.excluded += excluded.count
    out.counts.tests += plan.traits.count - excluded.count
    out.counts.survivors += candidates.count
    if plan.scan.demand == .hits, plan.traits.mixed == nil { narrow(v, panel) }
    if !candidates.isEmpty, load(v, panel) {
      rows.removeAll(keepingCapacity: true)
      let untestable = candidates.withUnsafeBufferPointer {
        evaluator.evaluate(
          $0, variant: out.variants.count,
          logPLimit: scan.reportsBest ? .infinity : scan.screenLogThreshold, into: &rows)
      }
      out.counts.untestable += untestable
      out.counts.tests -= untestable
      let before = out.rows.count
      for row in rows {
        let row = evaluator.refitted(row, trait: Int(plan.traitOfFeature[row.feature]))
        guard row.logP <= scan.logThreshold else { continue }
        out.rows.append(row)
        if row.isPerfectFit { out.counts.perfectFits += 1 }
      }
      if out.rows.count > before { out.variants.append(tested) }
      if scan.reportsBest { keepBest(tested, &out) }
    }
    if plan.sample.admits(tested.ordinal) { draw(v, panel, &out) }
  }

  /// Drops candidates that the product of the unresidualised variant shows to be no hits, when that may spare its residual:
  /// most survivors of an integer screen are near misses.
  private func narrow(_ v: Int, _ panel: VariantPanel) {
    guard loaded != v, !candidates.isEmpty, candidates.count <= 64 else { return }
    let (sieve, traits, block) = (plan.sieve, plan.traits, workspace.block)
    evaluator.discardMisses(&candidates, variant: v, of: panel) { trait in
      let pattern = Int(traits.patternOf[trait])
      guard pattern == 0 || traits.mixed != nil else { return -.infinity }
      return sieve.criticalR[pattern] * sieve.lengths.lower(v, trait: trait, block)
    }
  }

  private func load(_ v: Int, _ panel: VariantPanel) -> Bool {
    if loaded != v {
      loaded = v
      _ = evaluator.load(v, of: panel)
    }
    return evaluator.squaredNorm > 0
  }

  // MARK: exclusion

  private func findExcluded(_ variant: Variant) {
    guard cursor.move(to: variant, plan.exclusion) else { return }
    excluded.removeAll(keepingCapacity: true)
    for feature in cursor.features {
      let trait = plan.traitOfFeature[Int(feature)]
      if trait >= 0 { excluded.append(trait) }
    }
  }

  private func removeExcluded() { remove(excluded, from: &candidates) }

  // MARK: sample, histogram, bests

  private func draw(_ v: Int, _ panel: VariantPanel, _ out: inout PairBatch) {
    guard load(v, panel) else { return }
    let ordinal = panel.variants[v].ordinal
    plan.sample.traits(ordinal, of: plan.traits.count, into: &candidates)
    removeExcluded()
    rows.removeAll(keepingCapacity: true)
    _ = candidates.withUnsafeBufferPointer { evaluator.evaluate($0, variant: 0, into: &rows) }
    out.sampled.append(SampledVariant(ordinal: ordinal, logP: rows.map(\.logP)))
  }

  /// Bins every pair of the variant; those too near a bin's edge, and those with missing phenotypes, in fp64.
  private func countRow(
    _ v: Int, _ panel: VariantPanel, _ c: UnsafePointer<Float>, centered: Double
  ) {
    guard let bins = plan.bins, load(v, panel) else { return }
    let sieve = plan.sieve.float
    let length = evaluator.squaredNorm.squareRoot()
    let decidable = sieve.relativeError * centered <= bins.tolerance * length
    candidates.removeAll(keepingCapacity: true)
    if decidable {
      let scale = sieve.smallestR / length
      for column in 0..<sieve.completeCount {
        if let bin = bins.bin(Double(c[column]) * scale) {
          histogram[bin] += 1
        } else {
          candidates.append(sieve.order[column])
        }
      }
      candidates += sieve.order[sieve.completeCount...]
    } else {
      candidates += sieve.order
    }
    // Excluded pairs were zeroed, which counts them as r = 0: take them back out.
    for trait in excluded where decidable && Int(plan.columnOf[Int(trait)]) < sieve.completeCount {
      if let bin = bins.bin(0) { histogram[bin] -= 1 }
    }
    candidates.sort()
    removeExcluded()
    rows.removeAll(keepingCapacity: true)
    _ = candidates.withUnsafeBufferPointer { evaluator.evaluate($0, variant: 0, into: &rows) }
    for row in rows { histogram[PValueBins.bin(logP: row.logP)] += 1 }
  }

  /// The share of r* from which a pair of this row could be a hit, the variant's best or its trait's best.
  private func setRowFloors(reached: Double) {
    let floor = reached.isFinite ? Float(min(1, plan.floors.variantFloor(reached: reached))) : 0
    for (column, trait) in plan.sieve.float.order.enumerated() {
      rowFloors[column] = min(floor, bests.floors[Int(trait)])
    }
  }

  /// What share of r* the largest product of the loaded variant certainly reaches.
  private func reachedByLargest(_ c: UnsafePointer<Float>, _ slack: Double) -> Double {
    let length = evaluator.squaredNorm.squareRoot()
    let sign: Int32 =
      switch plan.scan.options.alternative {
      case .twoSided: 0
      case .greater: 1
      case .less: -1
      }
    // ‖M_p g‖ ≤ ‖Mg‖, so this is reached whatever the pattern.
    let largest = Double(sk_largest(c, Int64(plan.traits.count), sign))
    return max(0, (largest - slack) / length) * (1 - 1e-6)
  }

  /// The same of a mixed model, where each trait has its own length: of the pair that looks best, computed.
  private func reachedByLikeliest(
    _ v: Int, _ c: UnsafePointer<Float>, _ block: ResidualLengths.Block
  ) -> Double {
    let sieve = plan.sieve
    var best: (trait: Int32, ratio: Double) = (0, -1)
    for (column, trait) in sieve.float.order.enumerated() {
      let product =
        switch plan.scan.options.alternative {
        case .twoSided: abs(Double(c[column]))
        case .greater: Double(c[column])
        case .less: -Double(c[column])
        }
      let ratio = product / sieve.lengths.lower(v, trait: Int(trait), block) * sieve.lengths.share(Int(trait))
      if ratio > best.ratio { best = (trait, ratio) }
    }
    guard best.ratio > 0 else { return 0 }
    rows.removeAll(keepingCapacity: true)
    _ = withUnsafePointer(to: best.trait) {
      evaluator.evaluate(UnsafeBufferPointer(start: $0, count: 1), variant: 0, into: &rows)
    }
    guard let row = rows.first else { return 0 }
    let criticalR = sieve.criticalR[Int(plan.traits.patternOf[Int(best.trait)])]
    return row.r2.squareRoot() / criticalR * (1 - 1e-6)
  }

  private func keepBest(_ tested: TestedVariant, _ batch: inout PairBatch) {
    var ofVariant: BestPair?
    for row in rows {
      let candidate = BestPair(variant: tested, row: row)
      if ofVariant.map({ candidate.isBetter(than: $0) }) ?? true { ofVariant = candidate }
      let trait = Int(plan.traitOfFeature[row.feature])
      let isLead = bests.offer(
        candidate, trait: trait, criticalR: plan.sieve.criticalR[Int(plan.traits.patternOf[trait])],
        alternative: plan.scan.options.alternative)
      guard isLead else { continue }
      if leadOf[trait] < 0 {
        leadOf[trait] = Int32(batch.traitLeads.count)
        batch.traitLeads.append(candidate)
      } else {
        batch.traitLeads[Int(leadOf[trait])] = candidate
      }
    }
    guard let pair = ofVariant else { return }
    var row = pair.row
    row.variant = batch.bestVariants.count
    batch.bestVariants.append(tested)
    batch.bestRows.append(row)
  }
}
