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
  /// n × count, column-major: ỹ = My/‖My‖, zero where the phenotype is missing; Py/‖Py‖ in a mixed model.
  private(set) var unit: [Double]
  /// ‖My‖; y'Py/‖Py‖ in a mixed model.
  private(set) var norms: [Double]
  /// Index into `patterns`.
  let patternOf: [Int32]
  /// Pattern 0 is the complete one.
  let patterns: [MissingPattern]
  /// Observed samples and ν of each pattern, beside it because reading a pattern counts references.
  let sizes: [(observed: Int, degreesOfFreedom: Int)]
  /// Student t of each pattern's ν.
  let distributions: [StudentT]
  let drops: [Drop]
  /// In a mixed model: what lengths of variants depend on.
  var mixed: MixedTraits?

  var count: Int { ordinals.count }

  /// - Complexity: 8·n·rank flop a trait, over `workers` cores.
  init(study: Study, residualiser: Residualiser, transform: TraitTransform, workers: Int) throws(StudyError) {
    let n = study.sampleCount
    let t = study.features.count
    let lanes = max(1, min(workers, t))
    let missing = Self.missingSamples(study.phenotypes, lanes: lanes)
    var patternIndex: [[Int32]: Int32] = [[]: 0]
    var missingSets: [[Int32]] = [[]]
    let indexOf = missing.map { set -> Int32 in
      // Most traits are complete: spare them the hashing.
      if set.isEmpty { return 0 }
      if let known = patternIndex[set] { return known }
      let new = Int32(missingSets.count)
      patternIndex[set] = new
      missingSets.append(set)
      return new
    }
    let patterns = Self.patterns(missingSets, residualiser, workers: workers)

    // Residualise all traits, then keep those with something left.
    var norms = [Double](repeating: 0, count: t)
    var reasons = [String?](repeating: nil, count: t)
    var values = [Double](unsafeUninitializedCapacity: n * t) { values, count in
      count = n * t
      study.phenotypes.storage.withUnsafeBufferPointer { phenotypes in
        norms.withUnsafeMutableBufferPointer { norms in
          reasons.withUnsafeMutableBufferPointer { reasons in
            let shared = Shared(phenotypes: phenotypes, values: values, norms: norms, reasons: reasons)
            DispatchQueue.concurrentPerform(iterations: lanes) { lane in
              var preparation = Preparation(residualiser: residualiser, transform: transform)
              var end = t * lane / lanes
              while end < t * (lane + 1) / lanes {
                // Complete traits share the projector: several at a time take less memory traffic.
                let start = end
                repeat {
                  end += 1
                } while end - start < Preparation.width && end < t * (lane + 1) / lanes && indexOf[start] == 0
                  && indexOf[end] == 0
                preparation.run(start..<end, pattern: patterns[Int(indexOf[start])], shared)
              }
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
    sizes = patterns.map { ($0.observed, $0.degreesOfFreedom) }
    distributions = patterns.map { StudentT(degreesOfFreedom: Double(max(1, $0.degreesOfFreedom))) }
  }

  /// The traits of `base` at `indices` after more was taken out of them; those without a degree of freedom, or of which nothing is
  /// left, are left out.
  ///
  /// The complete pattern is first, then those of the traits asked for in their order.
  ///
  /// - Parameter residualiser: what `base` was made with and more (``Residualiser/adding(_:)``).
  /// - Complexity: 8·n·rank flop a trait, O(rank³) a pattern.
  init(_ indices: [Int32], of base: TraitPanel, residualiser: Residualiser) {
    let n = base.sampleCount
    var patterns = [residualiser.pattern(missing: [])]
    var known: [Int32: Int32] = [0: 0]
    var (ordinals, unit, norms, patternOf): ([Int], [Double], [Double], [Int32]) = ([], [], [], [])
    var scratch: [Double] = []
    for trait in indices.map(Int.init) {
      let original = base.patternOf[trait]
      let index = known[original] ?? Int32(patterns.count)
      if known[original] == nil {
        known[original] = index
        patterns.append(residualiser.pattern(missing: base.patterns[Int(original)].missing))
      }
      let pattern = patterns[Int(index)]
      guard pattern.degreesOfFreedom >= 1 else { continue }
      var y = Array(base.unit[trait * n..<(trait + 1) * n])
      let left = y.normalize { residualiser.project($0, pattern: pattern, scratch: &scratch) }
      guard left > 1e-10 else { continue }
      ordinals.append(base.ordinals[trait])
      unit += y
      norms.append(base.norms[trait] * left.squareRoot())
      patternOf.append(index)
    }
    sampleCount = n
    self.ordinals = ordinals
    self.unit = unit
    self.norms = norms
    self.patternOf = patternOf
    self.patterns = patterns
    sizes = patterns.map { ($0.observed, $0.degreesOfFreedom) }
    distributions = patterns.map { StudentT(degreesOfFreedom: Double(max(1, $0.degreesOfFreedom))) }
    drops = []
  }

  /// The one trait of a mixed model as least squares sees it: D^(-1/2)U'y at unit length, without covariates.
  ///
  /// - Complexity: 2n² flop.
  init(whitened trait: Int, of base: TraitPanel, _ mixed: MixedTraits, _ residualiser: Residualiser) {
    let (n, m) = (base.sampleCount, residualiser.sampleCount)
    guard let spectrum = mixed.spectra[Int(base.patternOf[trait])] else {
      preconditionFailure("a pattern without traits")
    }
    // z = Py/‖Py‖ and U'Py = D⁻¹U'y.
    var y = spectrum.rotate(Array(base.unit[trait * n..<(trait + 1) * n]))
    for i in 0..<m { y[i] *= (1 + mixed.heritability[trait] * spectrum.excess[i]).squareRoot() }
    _ = y.normalize { _ in }
    sampleCount = m
    ordinals = [base.ordinals[trait]]
    unit = y
    norms = [base.norms[trait] / mixed.ratio[trait]]
    patternOf = [0]
    patterns = [residualiser.pattern(missing: [])]
    sizes = patterns.map { ($0.observed, $0.degreesOfFreedom) }
    distributions = patterns.map { StudentT(degreesOfFreedom: Double(max(1, $0.degreesOfFreedom))) }
    drops = []
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

  /// Ascending indices of the samples that each trait misses.
  private static func missingSamples(_ phenotypes: Matrix, lanes: Int) -> [[Int32]] {
    let n = phenotypes.rows
    let parts = Mutex([[[Int32]]](repeating: [], count: lanes))
    DispatchQueue.concurrentPerform(iterations: lanes) { lane in
      let traits = phenotypes.columns * lane / lanes..<phenotypes.columns * (lane + 1) / lanes
      let own = phenotypes.storage.withUnsafeBufferPointer { y in
        traits.map { j -> [Int32] in
          let y = UnsafeBufferPointer(rebasing: y[j * n..<(j + 1) * n])
          var count = 0
          for v in y { count &+= v.isNaN ? 1 : 0 }
          return count == 0 ? [] : y.indices.filter { y[$0].isNaN }.map(Int32.init)
        }
      }
      parts.withLock { $0[lane] = own }
    }
    return parts.withLock { $0.flatMap(\.self) }
  }
}

extension TraitPanel {
  /// All but the traits themselves and ``mixed``.
  func encode(to encoder: inout ByteEncoder) {
    encoder.put(ordinals)
    encoder.put(norms)
    encoder.put(patternOf)
    encoder.put(patterns.map(\.missing.count))
    encoder.put(patterns.flatMap(\.missing))
    drops.encode(to: &encoder)
  }

  init(_ archive: Archive, _ residualiser: Residualiser) throws(ByteDecoder.Failure) {
    let n = residualiser.sampleCount
    var (sizes, missing): ([Int], [Int32]) = ([], [])
    (ordinals, norms, patternOf, drops) = try archive.decode("traits") {
      (decoder) throws(ByteDecoder.Failure) in
      let ordinals: [Int] = try decoder.values()
      let norms: [Double] = try decoder.values()
      let patternOf: [Int32] = try decoder.values()
      sizes = try decoder.values()
      missing = try decoder.values()
      return (ordinals, norms, patternOf, try [Drop](&decoder))
    }
    let count = ordinals.count
    guard count > 0, norms.count == count, patternOf.count == count,
      patternOf.allSatisfy({ sizes.indices.contains(Int($0)) }), sizes.allSatisfy({ $0 >= 0 && $0 < n }),
      sizes.reduce(0, +) == missing.count, missing.allSatisfy({ $0 >= 0 && $0 < n })
    else { throw ByteDecoder.Failure() }
    sampleCount = n
    unit = try archive.doubles("traits.unit", count: n * count)
    var patterns: [MissingPattern] = []
    var first = 0
    for size in sizes {
      patterns.append(residualiser.pattern(missing: Array(missing[first..<first + size])))
      first += size
    }
    self.patterns = patterns
    self.sizes = patterns.map { ($0.observed, $0.degreesOfFreedom) }
    distributions = patterns.map { StudentT(degreesOfFreedom: Double(max(1, $0.degreesOfFreedom))) }
  }

  /// Lends the traits to be overwritten.
  mutating func withUnit(_ body: (UnsafeMutablePointer<Double>) -> Void) {
    unit.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
  }

  mutating func scaleNorms(by factors: [Double]) {
    for k in norms.indices { norms[k] *= factors[k] }
  }

  /// r* of a pattern: |r| (r when one-sided) whose ln p is `logP`.
  ///
  /// GEMMA's score test refers √n·r to t on ν.
  func criticalR(_ pattern: MissingPattern, logP: Double, oneSided: Bool) -> Double {
    let nu = Double(max(1, pattern.degreesOfFreedom))
    let r = StudentT.criticalCorrelation(logP: logP, degreesOfFreedom: nu, oneSided: oneSided)
    guard mixed?.test == .score else { return r }
    return r * (nu / max(1e-300, 1 - r * r)).squareRoot() / Double(max(1, pattern.observed)).squareRoot()
  }

  /// Index here of each of the study's `featureCount` features; -1 where it is not analysed.
  func indexOfFeature(_ featureCount: Int) -> [Int32] {
    var indices = [Int32](repeating: -1, count: featureCount)
    for (trait, feature) in ordinals.enumerated() { indices[feature] = Int32(trait) }
    return indices
  }

  /// The transformed trait, centred over its observed samples and 0 where missing: what permutations shuffle.
  func centered(_ trait: Int, of study: Study, transform: TraitTransform) -> [Double] {
    var ranks = NormalScores()
    var y = study.phenotypes.column(ordinals[trait])
    var total = 0.0
    _ = y.withUnsafeMutableBufferPointer {
      Preparation.center($0, patterns[Int(patternOf[trait])], transform, &ranks, total: &total)
    }
    return y
  }
}

/// What the workers read and the places they write, each its own.
private struct Shared: @unchecked Sendable {
  let phenotypes: UnsafeBufferPointer<Double>
  let values: UnsafeMutableBufferPointer<Double>
  let norms: UnsafeMutableBufferPointer<Double>
  let reasons: UnsafeMutableBufferPointer<String?>
}

/// One worker's preparation of traits, with its scratch.
private struct Preparation {
  let residualiser: Residualiser
  let transform: TraitTransform
  private var ranks = NormalScores()
  private var scratch: [Double] = []
  private var totals: [Double] = []

  /// Traits projected at once.
  static let width = 8

  init(residualiser: Residualiser, transform: TraitTransform) {
    self.residualiser = residualiser
    self.transform = transform
  }

  /// ỹ = My/‖My‖ and ‖My‖ of `traits`, or why one cannot be analysed. All have `pattern`; it is one trait unless that is complete.
  mutating func run(_ traits: Range<Int>, pattern: MissingPattern, _ shared: Shared) {
    let n = residualiser.sampleCount
    totals.removeAll(keepingCapacity: true)
    for j in traits {
      let column = j * n..<(j + 1) * n
      let y = UnsafeMutableBufferPointer(rebasing: shared.values[column])
      _ = y.initialize(from: shared.phenotypes[column])
      var total = 0.0
      shared.reasons[j] = Self.center(y, pattern, transform, &ranks, total: &total)
      totals.append(total)
    }
    let first = shared.values.baseAddress! + traits.lowerBound * n
    if pattern.missing.isEmpty {
      residualiser.project(first, width: traits.count, scratch: &scratch)
    } else if shared.reasons[traits.lowerBound] == nil {
      residualiser.project(first, pattern: pattern, scratch: &scratch)
    }
    for j in traits where shared.reasons[j] == nil {
      let y = UnsafeMutableBufferPointer(rebasing: shared.values[j * n..<(j + 1) * n])
      var left = 0.0
      sk_panel_products(y.baseAddress!, 1, y.baseAddress!, 1, Int64(n), &left)
      guard left > 1e-10 * totals[j - traits.lowerBound] else {
        shared.reasons[j] = "collinear with the covariates"
        continue
      }
      let norm = left.squareRoot()
      for i in y.indices { y[i] /= norm }
      shared.norms[j] = norm
    }
  }

  /// Transforms, then y ← y − ȳ, 0 where missing; `total` grows by the sum of squares. Returns why the trait cannot be analysed.
  static func center(
    _ y: UnsafeMutableBufferPointer<Double>, _ pattern: MissingPattern, _ transform: TraitTransform,
    _ ranks: inout NormalScores, total: inout Double
  ) -> String? {
    guard pattern.observed > 0 else { return "no observed value" }
    guard pattern.degreesOfFreedom >= 1 else { return "too few observed samples" }
    if transform == .inverseNormal { ranks.replace(y) }
    var (sum, low, high) = (0.0, Double.infinity, -Double.infinity)
    for v in y {
      sum += v.isNaN ? 0 : v
      // False for NaN.
      low = v < low ? v : low
      high = v > high ? v : high
    }
    guard low.isFinite, high.isFinite else { return "not finite" }
    guard high > low else { return "constant" }
    // Centred in fp64 first: the projection then works on the spread, not on the mean.
    let mean = sum / Double(pattern.observed)
    for i in y.indices {
      y[i] = y[i].isNaN ? 0 : y[i] - mean
      total += y[i] * y[i]
    }
    return nil
  }
}

/// Rank-based normal scores Φ⁻¹((rank − 0.5)/n), ties at their average rank as in R's `rank`.
private struct NormalScores {
  private struct Entry {
    /// Ascends with the value.
    var key: UInt64
    var index: Int
  }
  private var entries: [Entry] = []
  private var spare: [Entry] = []
  /// Number of values that `scores` is for.
  private var count = 0
  /// By twice the rank; NaN where not needed so far. Traits share it as long as they miss equally many samples.
  private var scores: [Double] = []

  /// Replaces each observed value. Complexity: O(n), and a quantile for each new rank.
  mutating func replace(_ y: UnsafeMutableBufferPointer<Double>) {
    entries.removeAll(keepingCapacity: true)
    for i in y.indices where !y[i].isNaN {
      // +0 makes −0 a tie of 0. Negative numbers descend with their bits.
      let bits = (y[i] + 0).bitPattern
      entries.append(Entry(key: bits >> 63 == 1 ? ~bits : bits | 1 << 63, index: i))
    }
    Self.sort(&entries, &spare)
    if count != entries.count {
      count = entries.count
      scores = [Double](repeating: .nan, count: 2 * count + 1)
    }
    var start = 0
    while start < count {
      var end = start + 1
      while end < count, entries[end].key == entries[start].key { end += 1 }
      let twiceRank = start + 1 + end
      if scores[twiceRank].isNaN {
        scores[twiceRank] = Normal.quantile((Double(twiceRank) / 2 - 0.5) / Double(count))
      }
      for k in start..<end { y[entries[k].index] = scores[twiceRank] }
      start = end
    }
  }

  /// By key, a byte at a time from the lowest: without the mispredicted branches of a comparison sort.
  private static func sort(_ entries: inout [Entry], _ spare: inout [Entry]) {
    if spare.count < entries.count {
      spare = [Entry](repeating: Entry(key: 0, index: 0), count: entries.count)
    }
    entries.withUnsafeMutableBufferPointer { entries in
      spare.withUnsafeMutableBufferPointer { spare in
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { next in
          // An even number of passes, each into the other buffer.
          var (from, to) = (entries, UnsafeMutableBufferPointer(rebasing: spare[..<entries.count]))
          for shift in stride(from: UInt64(0), to: 64, by: 8) {
            next.initialize(repeating: 0)
            for e in from { next[Int(e.key &>> shift & 255)] &+= 1 }
            var position = 0
            for byte in 0..<256 { (next[byte], position) = (position, position &+ next[byte]) }
            for e in from {
              let byte = Int(e.key &>> shift & 255)
              to[next[byte]] = e
              next[byte] &+= 1
            }
            swap(&from, &to)
          }
        }
      }
    }
  }
}
