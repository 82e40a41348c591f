internal import CScanKernels
internal import Dispatch
internal import Distributions
internal import LinearAlgebra
internal import StudyData
internal import Synchronization

/// How phenotypes are treated before the scan.
public enum TraitTransform: Sendable, Equatable {
  case none
  /// Rank-based inverse normal, Φ⁻¹((rank − 0.5)/n) over the trait's observed samples, ties averaged (QTLtools' `--normal`).
  case inverseNormal
}

/// Traits made ready for the scan: residualised on the covariates and scaled to length 1.
struct TraitPanel: Sendable {
  let sampleCount: Int
  /// Index in the study's features of each trait kept, ascending.
  let ordinals: [Int]
  /// n × count, column-major: ỹ = My/‖My‖, zero where the phenotype is missing.
  let unit: [Double]
  /// ‖My‖.
  let norms: [Double]
  /// Index into `patterns`.
  let patternOf: [Int32]
  /// Pattern 0 is the complete one.
  let patterns: [MissingPattern]
  /// Student t of each pattern's ν.
  let distributions: [StudentT]
  let drops: [Drop]

  var count: Int { ordinals.count }

  /// - Complexity: 8·n·rank flop a trait, over `workers` cores.
  init(study: Study, residualiser: Residualiser, transform: TraitTransform, workers: Int) throws(StudyError) {
    let n = study.sampleCount
    let t = study.features.count
    var patternIndex: [[Int32]: Int32] = [[]: 0]
    var missingSets: [[Int32]] = [[]]
    var indexOf = [Int32](repeating: 0, count: t)
    for j in 0..<t {
      var missing: [Int32] = []
      study.phenotypes.storage.withUnsafeBufferPointer { y in
        for i in 0..<n where y[j * n + i].isNaN { missing.append(Int32(i)) }
      }
      guard !missing.isEmpty else { continue }
      if let known = patternIndex[missing] {
        indexOf[j] = known
      } else {
        indexOf[j] = Int32(missingSets.count)
        patternIndex[missing] = indexOf[j]
        missingSets.append(missing)
      }
    }
    let patterns = Self.patterns(missingSets, residualiser, workers: workers)

    // Residualise all traits in place, then keep those with something left.
    let (allPatterns, patternOfTrait) = (patterns, indexOf)
    var values = study.phenotypes.storage
    var norms = [Double](repeating: 0, count: t)
    var reasons = [String?](repeating: nil, count: t)
    values.withUnsafeMutableBufferPointer { values in
      norms.withUnsafeMutableBufferPointer { norms in
        reasons.withUnsafeMutableBufferPointer { reasons in
          let shared = Shared(values: values, norms: norms, reasons: reasons)
          let lanes = max(1, min(workers, t))
          DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            var scratch: [Double] = []
            for j in stride(from: lane, to: t, by: lanes) {
              let y = UnsafeMutableBufferPointer(rebasing: shared.values[j * n..<(j + 1) * n])
              let (norm, reason) = Self.prepare(
                y, pattern: allPatterns[Int(patternOfTrait[j])], residualiser: residualiser,
                transform: transform,
                scratch: &scratch)
              shared.norms[j] = norm
              shared.reasons[j] = reason
            }
          }
        }
      }
    }
    let kept = (0..<t).filter { reasons[$0] == nil }
    drops = (0..<t).compactMap { j in
      reasons[j].map { Drop(.phenotype, id: study.features[j].id, reason: $0) }
    }
    guard !kept.isEmpty else {
      throw StudyError(
        .degenerate,
        "none of the \(t) phenotypes can be analysed: \(drops.first?.id ?? "") is \(drops.first?.reason ?? "absent")",
        remedy: "check the phenotype values, the missing ones, and the number of covariates")
    }
    if kept.count < t {
      for (to, from) in kept.enumerated() where to != from {
        for i in 0..<n { values[to * n + i] = values[from * n + i] }
      }
      values.removeSubrange(kept.count * n..<values.count)
    }
    sampleCount = n
    ordinals = kept
    unit = values
    self.norms = kept.map { norms[$0] }
    patternOf = kept.map { indexOf[$0] }
    self.patterns = patterns
    distributions = patterns.map { StudentT(degreesOfFreedom: Double(max(1, $0.degreesOfFreedom))) }
  }

  private static func patterns(_ missingSets: [[Int32]], _ residualiser: Residualiser, workers: Int)
    -> [MissingPattern]
  {
    let lanes = max(1, min(workers, missingSets.count))
    let parts = Mutex([[MissingPattern]](repeating: [], count: lanes))
    DispatchQueue.concurrentPerform(iterations: lanes) { lane in
      let own = stride(from: lane, to: missingSets.count, by: lanes)
        .map { residualiser.pattern(missing: missingSets[$0]) }
      parts.withLock { $0[lane] = own }
    }
    return parts.withLock { parts in missingSets.indices.map { parts[$0 % lanes][$0 / lanes] } }
  }

  private struct Shared: @unchecked Sendable {
    let values: UnsafeMutableBufferPointer<Double>
    let norms: UnsafeMutableBufferPointer<Double>
    let reasons: UnsafeMutableBufferPointer<String?>
  }

  /// y ← My/‖My‖ in place; ‖My‖, or why the trait cannot be analysed.
  private static func prepare(
    _ y: UnsafeMutableBufferPointer<Double>, pattern: MissingPattern, residualiser: Residualiser,
    transform: TraitTransform, scratch: inout [Double]
  ) -> (Double, String?) {
    guard pattern.observed > 0 else { return (0, "no observed value") }
    guard pattern.degreesOfFreedom >= 1 else { return (0, "too few observed samples") }
    if transform == .inverseNormal { inverseNormal(y) }
    var (sum, low, high) = (0.0, Double.infinity, -Double.infinity)
    for v in y where !v.isNaN {
      sum += v
      low = min(low, v)
      high = max(high, v)
    }
    guard low.isFinite, high.isFinite else { return (0, "not finite") }
    guard high > low else { return (0, "constant") }
    // Centred in fp64 first: the projection then works on the spread, not on the mean.
    let mean = sum / Double(pattern.observed)
    var total = 0.0
    for i in y.indices {
      y[i] = y[i].isNaN ? 0 : y[i] - mean
      total += y[i] * y[i]
    }
    let base = y.baseAddress!
    residualiser.project(base, pattern: pattern, scratch: &scratch)
    var left = 0.0
    sk_panel_products(base, 1, base, 1, Int64(y.count), &left)
    guard left > 1e-10 * total else { return (0, "collinear with the covariates") }
    let norm = left.squareRoot()
    for i in y.indices { y[i] /= norm }
    return (norm, nil)
  }

  /// Average ranks of ties, as R's `rank`.
  private static func inverseNormal(_ y: UnsafeMutableBufferPointer<Double>) {
    let order = y.indices.filter { !y[$0].isNaN }.sorted { y[$0] < y[$1] }
    let n = Double(order.count)
    var start = 0
    while start < order.count {
      var end = start + 1
      let value = y[order[start]]
      while end < order.count, y[order[end]] == value { end += 1 }
      let rank = Double(start + 1 + end) / 2
      let z = Normal.quantile((rank - 0.5) / n)
      for k in start..<end { y[order[k]] = z }
      start = end
    }
  }
}
