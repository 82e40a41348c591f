internal import CScanKernels
internal import Distributions

/// Tells from fp32 products which pairs cannot have an interaction with p ≤ p*.
///
/// E are a variant's orthonormal columns over all samples, of i, g and g·i in this order, z = E'ỹ, and w_j = v̂_j'z the direction in which
/// g·i_j is tested, ‖v̂_j‖ = 1 (``InteractionEvaluator``). A complete trait has t_j² = ν w_j²/(1 − ‖z‖²), so with r* = t*/√(ν + t*²) the pair
/// is a hit iff
///
///     (1 − r*²)·w_j² + r*²·‖z‖² ≥ r*²
///
/// For a trait that misses samples D the Gram matrix of E is I − Δ with 0 ≤ Δ and ‖Δ‖ ≤ δ = d_p‖E_D‖², d_p being the pattern's deletion
/// factor. With η = δ/(1 − δ) ≥ ‖(I − Δ)⁻¹ − I‖, |w_j| is at most |w_j| + η‖z‖ there, and ‖z‖² at most (1 + η)‖z‖².
///
/// Products err by γ at most (``BlockedProduct``; columns and traits have length 1). Everything is taken outwards and then added up without
/// cancellation, so fp32 costs 2⁻²⁰ of the left side, for which the right side is lowered by 10⁻⁵ of itself.
struct InteractionScreen: Sendable {
  private let product: BlockedProduct
  private let termCount: Int
  /// n × traits: ỹ.
  private let unit: [Float]
  /// Of each trait: what the terms explain of it, r*², and r*² lowered.
  private let explainedByTerms: [Float]
  private let explained: [Float]
  private let bounds: [Float]
  private let patternOf: [Int32]
  private let patterns: [MissingPattern]

  /// Columns of a panel of variants; traits of a tile: of this size OpenBLAS comes near its best rate.
  private static let columnCount = 256
  private static let tileTraits = 2560
  /// Variants of a panel.
  let capacity: Int

  init(_ model: InteractionModel, logThreshold: Double, alternative: Alternative) {
    let traits = model.prepared.traits
    let k = model.termCount
    product = BlockedProduct(sampleCount: traits.sampleCount, isTight: false)
    termCount = k
    unit = traits.unit.map(Float.init)
    explainedByTerms = (0..<traits.count).map { trait in
      Float(model.traitProducts[k * trait..<k * (trait + 1)].reduce(0) { $0 + $1 * $1 })
    }
    let squares = traits.patterns.map { pattern in
      let r = StudentT.criticalCorrelation(
        logP: logThreshold, degreesOfFreedom: Double(max(1, pattern.degreesOfFreedom)),
        oneSided: alternative != .twoSided)
      return r * r
    }
    let squareOf = traits.patternOf.map { squares[Int($0)] }
    explained = squareOf.map(Float.init)
    bounds = squareOf.map { Float($0 * (1 - 1e-5)) }
    patternOf = traits.patternOf
    patterns = traits.patterns
    capacity = max(1, Self.columnCount / (1 + k))
  }

  /// What a scan holds: fp32 traits, and by worker a panel, its products and what becomes of them.
  static func bytes(samples n: Int, traits t: Int, terms k: Int, workers: Int) -> Int {
    let columns = max(columnCount, 1 + k)
    return 4 * n * t + workers * 4 * columns * (n + min(t, tileTraits))
  }

  /// One worker's panel of variants.
  struct Panel {
    private(set) var count = 0
    /// n × (1 + k) of each variant: g and g·i.
    fileprivate var columns: [Float] = []
    /// k × k of each variant: v̂_j over the columns of g·i.
    fileprivate var directions: [Float] = []
    /// η of each variant and pattern.
    fileprivate var growth: [Float] = []
    /// Squared lengths of the rows of E.
    fileprivate var leverages: [Double] = []
    fileprivate var products: [Float] = []
    fileprivate var reach: [Float] = []
    fileprivate var growthOfTrait: [Float] = []
    fileprivate var found: [UInt32] = []
    /// Traits that each variant may have a hit with, ascending.
    fileprivate(set) var survivors: [[Int32]] = []

    fileprivate mutating func prepare(_ screen: InteractionScreen) {
      let (n, k, tile) = (screen.product.sampleCount, screen.termCount, screen.tileWidth)
      grow(&columns, screen.capacity * (1 + k) * n)
      grow(&directions, screen.capacity * k * k)
      grow(&growth, screen.capacity * screen.patterns.count)
      grow(&leverages, n)
      grow(&products, screen.capacity * (1 + k) * tile)
      grow(&reach, tile)
      grow(&growthOfTrait, tile)
      grow(&found, tile)
      while survivors.count < screen.capacity { survivors.append([]) }
    }

    fileprivate mutating func add() { count += 1 }

    mutating func removeAll() { count = 0 }
  }

  private var tileWidth: Int { min(Self.tileTraits, patternOf.count) }

  /// Adds the variant that the evaluator has loaded.
  ///
  /// - Precondition: its products are not singular; there is room for it.
  func append(_ evaluator: borrowing InteractionEvaluator, to panel: inout Panel) {
    precondition(panel.count < capacity && !evaluator.isSingular)
    panel.prepare(self)
    let (n, k, v) = (product.sampleCount, termCount, panel.count)
    evaluator.columns.q.withUnsafeBufferPointer { q in
      panel.columns.withUnsafeMutableBufferPointer { columns in
        let start = v * (1 + k) * n
        for i in 0..<(1 + k) * n { columns[start + i] = Float(q[k * n + i]) }
      }
      if patterns.count > 1 {
        for i in 0..<n {
          panel.leverages[i] = (0..<1 + 2 * k).reduce(0) { $0 + q[i + n * $1] * q[i + n * $1] }
        }
      }
    }
    for (p, pattern) in patterns.enumerated().dropFirst() {
      var lost = 0.0
      for d in pattern.missing { lost += panel.leverages[Int(d)] }
      let delta = lost * pattern.deletionFactor
      // Near 1 the pair may be singular, which only the fit tells.
      panel.growth[p + v * patterns.count] = delta < 0.99 ? Float(delta / (1 - delta)) : .infinity
    }
    for j in 0..<k {
      let start = InteractionRow.product(j) * (1 + 2 * k)
      let contrast = evaluator.contrasts[start..<start + 1 + 2 * k]
      let length = contrast.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for (l, value) in contrast.suffix(k).enumerated() {
        panel.directions[l + k * (j + k * v)] = Float(value / length)
      }
    }
    panel.add()
  }

  /// Fills the panel's `survivors`.
  ///
  /// - Complexity: 2n(1 + k) flop per pair, in fp32.
  func screen(_ panel: inout Panel) {
    for v in 0..<panel.count { panel.survivors[v].removeAll(keepingCapacity: true) }
    guard panel.count > 0 else { return }
    let n = product.sampleCount
    for start in stride(from: 0, to: patternOf.count, by: Self.tileTraits) {
      let traits = start..<min(start + Self.tileTraits, patternOf.count)
      unit.withUnsafeBufferPointer { unit in
        product(
          rows: traits.count, columns: panel.count * (1 + termCount), unit.baseAddress! + start * n,
          panel.columns, into: &panel.products)
      }
      for v in 0..<panel.count {
        let found = collect(v, traits, &panel)
        for i in 0..<found { panel.survivors[v].append(Int32(start) + Int32(panel.found[i])) }
      }
    }
  }

  /// Offsets of survivors among `traits` into `found`; returns their number.
  private func collect(_ v: Int, _ traits: Range<Int>, _ panel: inout Panel) -> Int {
    let (k, count, first) = (termCount, traits.count, traits.lowerBound)
    let gamma = Float(product.error) * (1 + 1e-6)
    // v̂_j has a 1-norm of at most √k; its own rounding is less than γ.
    let error = k == 1 ? gamma : 2 * gamma * Float(k).squareRoot()
    if patterns.count > 1 {
      for t in 0..<count {
        panel.growthOfTrait[t] = panel.growth[Int(patternOf[first + t]) + v * patterns.count]
      }
    }
    Self.reach(
      panel.products, panel.directions, explainedByTerms, explained, panel.growthOfTrait, gamma, error,
      terms: k, variant: v, traits: traits, into: &panel.reach)
    return bounds.withUnsafeBufferPointer {
      Int(sk_collect_bounds(panel.reach, $0.baseAddress! + first, Int64(count), &panel.found))
    }
  }

  /// `sk_interaction_reach` of one variant of a panel and the traits of a tile.
  private static func reach(
    _ products: UnsafePointer<Float>, _ directions: UnsafePointer<Float>, _ byTerms: UnsafePointer<Float>,
    _ explained: UnsafePointer<Float>, _ growth: UnsafePointer<Float>, _ gamma: Float, _ error: Float,
    terms k: Int, variant v: Int, traits: Range<Int>, into reach: UnsafeMutablePointer<Float>
  ) {
    sk_interaction_reach(
      products + v * (1 + k) * traits.count, Int64(k), directions + v * k * k, byTerms + traits.lowerBound,
      explained + traits.lowerBound, growth, gamma, error, Int64(traits.count), reach)
  }
}
