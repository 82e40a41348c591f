internal import CScanKernels

/// Traits of a gene that share vectors: all of them, or in a mixed model one, as each has its own h².
struct GeneRegression {
  let vectors: WindowVectors
  let patterns: GenePatterns
  /// Without a variant.
  let base: ConditionalModel

  /// Those of a gene.
  static func all(_ window: CisWindow, _ study: PreparedStudy, _ alternative: Alternative) -> [GeneRegression]
  {
    let traits = study.traits
    guard let mixed = traits.mixed else {
      let patterns = GenePatterns(window.gene, in: traits)
      let evaluator = PairEvaluator(
        traits: traits, residualiser: study.residualiser, alternative: alternative)
      return [
        GeneRegression(
          vectors: WindowVectors(window, sampleCount: traits.sampleCount), patterns: patterns,
          base: ConditionalModel(evaluator, window.gene.traits, patterns))
      ]
    }
    return window.gene.traits.map { trait in
      let vectors = WindowVectors(window, trait: trait, of: traits, mixed)
      let residualiser = Residualiser(
        length: vectors.length, samples: traits.sizes[Int(traits.patternOf[trait])].observed)
      let whitened = TraitPanel(whitened: trait, of: traits, mixed, residualiser)
      let evaluator = PairEvaluator(
        traits: whitened, residualiser: residualiser, alternative: alternative)
      return GeneRegression(
        vectors: vectors, patterns: .complete, base: ConditionalModel(evaluator, [0], .complete))
    }
  }

  func model(_ residualiser: Residualiser) -> ConditionalModel {
    ConditionalModel(base, residualiser: residualiser, patterns)
  }
}

/// The regressions of a gene's traits on the covariates and some variants of its window, to which one more variant is added.
struct ConditionalModel {
  /// The only source of rows: a variant conditioned on is a covariate to it.
  private(set) var evaluator: PairEvaluator
  /// The gene's traits in the evaluator's panel; those of which the model leaves nothing are missing.
  let traits: [Int32]
  /// In the evaluator's panel, of each of the gene's patterns (``GenePatterns``).
  let patterns: [Int]

  /// Without a variant.
  init(_ evaluator: PairEvaluator, _ traits: [Int], _ patterns: GenePatterns) {
    self.evaluator = evaluator
    self.traits = traits.map(Int32.init)
    self.patterns = patterns.original
  }

  /// - Parameter base: the model without a variant.
  init(_ base: ConditionalModel, residualiser: Residualiser, _ patterns: GenePatterns) {
    let panel = TraitPanel(base.traits, of: base.evaluator.traits, residualiser: residualiser)
    evaluator = PairEvaluator(
      traits: panel, residualiser: residualiser, alternative: base.evaluator.alternative)
    traits = panel.ordinals.indices.map(Int32.init)
    self.patterns = patterns.conditional
  }

  var residualiser: Residualiser { evaluator.residualiser }

  func pattern(_ local: Int) -> MissingPattern { evaluator.traits.patterns[patterns[local]] }

  /// Rows of variant `k` with the gene's traits (or one of them) as far as ln p is at most `limit`; none when the variant is
  /// collinear with the model.
  mutating func rows(
    _ k: Int, of vectors: WindowVectors, feature: Int? = nil, logPLimit limit: Double = .infinity
  ) -> [PairRow] {
    var rows: [PairRow] = []
    let wanted = traits.filter { feature == nil || evaluator.traits.ordinals[Int($0)] == feature }
    guard !wanted.isEmpty, evaluator.load(total: vectors.totals[k], { vectors.write(k, to: $0) }) else {
      return []
    }
    _ = wanted.withUnsafeBufferPointer {
      evaluator.evaluate($0, variant: k, logPLimit: limit, into: &rows)
    }
    return rows
  }
}

/// The sets of missing samples among the traits of a gene, in order of appearance.
struct GenePatterns {
  /// Indices into the patterns of the study's panel, and of a panel of the gene's traits alone (which has the complete one first).
  let original: [Int]
  let conditional: [Int]
  /// Of each trait of the gene, into these.
  let ofTrait: [Int]

  /// One trait that misses nothing.
  static let complete = GenePatterns(original: [0], conditional: [0], ofTrait: [0])

  private init(original: [Int], conditional: [Int], ofTrait: [Int]) {
    self.original = original
    self.conditional = conditional
    self.ofTrait = ofTrait
  }

  init(_ gene: CisGene, in traits: TraitPanel) {
    var original: [Int] = []
    ofTrait = gene.traits.map { trait in
      let pattern = Int(traits.patternOf[trait])
      if let known = original.firstIndex(of: pattern) { return known }
      original.append(pattern)
      return original.count - 1
    }
    var next = 0
    conditional = original.map { pattern in
      if pattern > 0 { next += 1 }
      return pattern == 0 ? 0 : next
    }
    self.original = original
  }
}

/// Approximate products of all variants of a window with a gene's traits under a model, kept up to date as variants join it: one
/// product for each variant and new vector. They tell which few variants may be the lead; rows come from ``ConditionalModel``.
///
/// With v = M g_s/‖M g_s‖ for the variant that joins, g'M⁺y = g'My − (v'g)(v'y) and ‖M⁺g‖² = ‖Mg‖² − (v'g)²; each set of missing
/// samples has a v of its own. Taking a variant out again adds the products with its v under the model of the others.
struct WindowProducts {
  private let vectors: WindowVectors
  private let patterns: GenePatterns
  /// g'My of variant k and trait m at k + count·m, y at unit length before any variant joined.
  private var products: [Double]
  /// ‖Mg‖² of variant k and pattern l at k + count·l.
  private var squares: [Double]
  /// Deletion formulas lose up to three digits and the inverse two (``MissingPattern``).
  private var squaresError: [Double]
  /// Of each trait.
  private let units: [Double]
  /// Vectors projected out so far, and the largest ratio of ‖g‖ to what was left of a variant that joined.
  private var steps = 0.0
  private var amplification = 1.0

  /// Without a variant.
  init(_ regression: GeneRegression) {
    let (vectors, traits) = (regression.vectors, regression.base.evaluator.traits)
    let n = vectors.length
    self.vectors = vectors
    patterns = regression.patterns
    units = regression.base.traits.map(Int.init).flatMap { traits.unit[$0 * n..<($0 + 1) * n] }
    products = Self.multiply(vectors, units)
    squares = []
    squaresError = []
    for pattern in patterns.original {
      squares += (0..<vectors.window.count).map(vectors.squaredNorm)
      squaresError.append(pattern == 0 ? 0 : 1e-11)
    }
    if squaresError.contains(where: { $0 > 0 }) { measureIncompletePatterns(regression.base.evaluator) }
  }

  private mutating func measureIncompletePatterns(_ base: PairEvaluator) {
    var base = base
    for k in 0..<vectors.window.count {
      guard base.load(total: vectors.totals[k], { vectors.write(k, to: $0) }) else { continue }
      for (l, original) in patterns.original.enumerated() where original > 0 {
        squares[k + vectors.window.count * l] = base.squaredNorm(among: base.traits.patterns[original])
      }
    }
  }

  /// Factors times all variants: factor i and variant k at k + count·i.
  ///
  /// Variants are expanded a few at a time: kernels keep independent sums in flight, and the panel stays in cache.
  private static func multiply(_ vectors: WindowVectors, _ factors: [Double]) -> [Double] {
    let (n, variants) = (vectors.length, vectors.window.count)
    let (width, count) = (12, factors.count / n)
    var out = [Double](repeating: 0, count: count * variants)
    var panel = [Double](repeating: 0, count: width * n)
    var part = [Double](repeating: 0, count: width * count)
    for first in stride(from: 0, to: variants, by: width) {
      let taken = min(width, variants - first)
      panel.withUnsafeMutableBufferPointer { panel in
        for k in 0..<taken { vectors.write(first + k, to: panel.baseAddress! + k * n) }
      }
      sk_panel_products(factors, Int64(count), panel, Int64(taken), Int64(n), &part)
      for i in 0..<count {
        for k in 0..<taken { out[variants * i + first + k] = part[taken * i + k] }
      }
    }
    return out
  }

  /// What variant `s` adds to a model, for each pattern: a unit vector, or zero where the observed samples cannot tell it from the
  /// model. `after` is the model with it.
  private mutating func directions(_ s: Int, _ before: ConditionalModel, _ after: ConditionalModel)
    -> [Double]
  {
    var scratch: [Double] = []
    return patterns.original.indices.flatMap { l in
      let pattern = before.pattern(l)
      var v = vectors(s)
      let left = v.normalize { before.residualiser.project($0, pattern: pattern, scratch: &scratch) }
      guard after.pattern(l).rank > pattern.rank, left > 0 else {
        return [Double](repeating: 0, count: vectors.length)
      }
      amplification = max(amplification, 1 / left.squareRoot())
      return v
    }
  }

  /// A variant joined the model.
  mutating func add(_ s: Int, _ before: ConditionalModel, _ after: ConditionalModel) {
    let added = directions(s, before, after)
    let found = Self.multiply(vectors, added)
    steps += 1
    accumulate(found, added, first: 0, sign: -1)
  }

  /// These products for each of the models that lack one of the variants that joined.
  ///
  /// - Parameter others: for each variant the model without it.
  mutating func withoutEach(_ variants: [Int], _ others: [ConditionalModel], _ full: ConditionalModel)
    -> [WindowProducts]
  {
    let removed = zip(variants, others).flatMap { directions($0, $1, full) }
    let found = Self.multiply(vectors, removed)
    steps += 1
    return variants.indices.map { j in
      var copy = self
      copy.accumulate(found, removed, first: j * patterns.original.count, sign: 1)
      return copy
    }
  }

  /// - Parameter first: of the directions, one for each pattern.
  private mutating func accumulate(_ found: [Double], _ directions: [Double], first: Int, sign: Double) {
    let (n, count) = (vectors.length, vectors.window.count)
    for l in patterns.original.indices {
      for k in 0..<count {
        let a = found[k + count * (first + l)]
        squares[k + count * l] += sign * a * a
      }
    }
    for (m, l) in patterns.ofTrait.enumerated() {
      var vy = 0.0
      directions.withUnsafeBufferPointer { v in
        units.withUnsafeBufferPointer { y in
          sk_panel_products(
            v.baseAddress! + n * (first + l), 1, y.baseAddress! + n * m, 1, Int64(n), &vy)
        }
      }
      for k in 0..<count { products[k + count * m] += sign * found[k + count * (first + l)] * vy }
    }
  }

  /// Variants that may have the largest |r| (or the largest in the direction of a one-sided test) with some trait, ascending: all
  /// whose upper bound reaches the best lower bound of the trait.
  func candidates(_ alternative: Alternative) -> [Int] {
    let (count, totals) = (vectors.window.count, vectors.totals)
    // Of a sum of n terms, for every vector, relative to lengths; twice what the kernels promise, for what the vectors
    // themselves carry.
    let rounding = 4 * (Double(vectors.length) / 8 + 16) * 0x1p-53 * (steps + 2) * amplification
    var isCandidate = [Bool](repeating: false, count: count)
    var upper = [Double](repeating: 0, count: count)
    for (m, l) in patterns.ofTrait.enumerated() {
      let share = rounding + squaresError[l]
      var best = -Double.infinity
      for k in 0..<count {
        let raw = products[k + count * m]
        let product =
          switch alternative {
          case .twoSided: abs(raw)
          case .greater: raw
          case .less: -raw
          }
        let (square, total) = (squares[k + count * l], totals[k])
        let (error, squareError) = (rounding * total.squareRoot(), share * total)
        // Certainly collinear. Among observed samples alone the limit is another one: the evaluator decides.
        if patterns.original[l] == 0, square + squareError < PairEvaluator.collinearity * total {
          upper[k] = -.infinity
          continue
        }
        let (least, most) = (square - squareError, square + squareError)
        upper[k] =
          least > 0 ? (product + error) / (product + error < 0 ? most : least).squareRoot() : .infinity
        // One that may turn out to be collinear bounds nothing.
        guard least > 2 * PairEvaluator.collinearity * total else { continue }
        best = max(best, (product - error) / (product - error < 0 ? least : most).squareRoot())
      }
      for k in 0..<count where upper[k] > -.infinity && upper[k] >= best { isCandidate[k] = true }
    }
    return isCandidate.indices.filter { isCandidate[$0] }
  }
}
