internal import CScanKernels
internal import Distributions
internal import StudyData

/// Which side of zero counts.
public enum Alternative: String, Sendable, CaseIterable {
  case twoSided = "two-sided"
  case greater
  case less

  func logP(t: Double, _ distribution: StudentT) -> Double {
    switch self {
    case .twoSided: distribution.logTwoSidedP(t: t)
    case .greater: distribution.logUpperP(t: t)
    case .less: distribution.logUpperP(t: -t)
    }
  }
}

/// The regression of one trait on one variant.
public struct PairRow: Sendable, Equatable {
  /// Index into the batch's `variants`.
  public var variant: Int
  /// Index into the study's features.
  public var feature: Int
  public var beta: Double
  public var standardError: Double
  public var t: Double
  public var degreesOfFreedom: Int
  /// Natural log of p.
  public var logP: Double
  /// Partial r².
  public var r2: Double
  /// Samples with a phenotype.
  public var n: Int
  /// The residual is zero up to rounding: t is a lower bound.
  public var isPerfectFit: Bool
  /// Where the mixed model was fitted with the variant in it: all numbers of the row are of that fit.
  public var exactFit: ExactFit?

  /// What there is beside t when h² is the pair's own.
  public struct ExactFit: Sendable, Equatable {
    /// By REML.
    public var heritability: Double
    /// Natural log of p by the ratio of maximum likelihoods, two-sided.
    public var logRatioP: Double
  }

  public init(
    variant: Int, feature: Int, beta: Double, standardError: Double, t: Double, degreesOfFreedom: Int,
    logP: Double, r2: Double, n: Int, isPerfectFit: Bool, exactFit: ExactFit? = nil
  ) {
    self.variant = variant
    self.feature = feature
    self.beta = beta
    self.standardError = standardError
    self.t = t
    self.degreesOfFreedom = degreesOfFreedom
    self.logP = logP
    self.r2 = r2
    self.n = n
    self.isPerfectFit = isPerfectFit
    self.exactFit = exactFit
  }
}

/// Computes pairs in fp64, in canonical sample order: the only source of printed numbers.
///
/// One variant at a time: load it, then ask for traits. Holds scratch, so each worker has its own.
struct PairEvaluator {
  let traits: TraitPanel
  let residualiser: Residualiser
  let alternative: Alternative
  private(set) var residual: [Double]
  /// ‖Mg‖², 0 when the variant lies in the span of the covariates.
  private(set) var squaredNorm = 0.0
  /// ‖Mg‖.
  private var norm = 0.0
  /// The last limit on ln p and, by pattern, the r (|r| when two-sided) below which it is missed for certain.
  private var limit = Double.nan
  private var leastR: [Double] = []
  private var explicitResidual: [Double]
  private var centered: [Double]
  private var products: [Double] = []
  private var scratch: [Double] = []
  /// In a mixed model: what lengths are made of, and the loaded variant's place in it.
  private var rotation: VariantRotation?
  private var place = 0
  private var panel: VariantPanel?
  private var refits: ExactRefits?

  init(traits: TraitPanel, residualiser: Residualiser, alternative: Alternative) {
    rotation = traits.mixed.map(VariantRotation.init)
    refits = traits.mixed?.refit.map(ExactRefits.init)
    self.traits = traits
    self.residualiser = residualiser
    self.alternative = alternative
    residual = [Double](repeating: 0, count: traits.sampleCount)
    centered = residual
    explicitResidual = []
  }

  /// A variant whose remainder after projection is below this share of its variance carries no information (methods §1).
  static let collinearity = 1e-10

  /// Says which variants of a panel are loaded next, ascending: a mixed model prepares several at a time.
  mutating func announce(_ variants: [Int]) {
    rotation?.announce(variants)
  }

  /// Makes e = Mg of variant `k`. False when nothing is left of it: it is collinear with the covariates.
  mutating func load(_ k: Int, of panel: VariantPanel) -> Bool {
    if rotation != nil {
      place = rotation?.place(of: k) ?? 0
      self.panel = panel
    }
    return load(total: panel.variants[k].summary.centeredSumOfSquares) { panel.writeCentered(k, to: $0) }
  }

  /// The same of a vector that `write` gives, whose squares sum to `total`.
  mutating func load(total: Double, _ write: (UnsafeMutablePointer<Double>) -> Void) -> Bool {
    let n = Int64(traits.sampleCount)
    residual.withUnsafeMutableBufferPointer { e in
      let e = e.baseAddress!
      write(e)
      // One pass leaves u·‖g−ḡ‖ along Q; ỹ is orthogonal to Q, so that is nothing unless most of g went away.
      residualiser.project(e, width: 1, passes: 1, scratch: &scratch)
      sk_panel_products(e, 1, e, 1, n, &squaredNorm)
      if squaredNorm < 0.25 * total {
        residualiser.project(e, width: 1, passes: 1, scratch: &scratch)
        sk_panel_products(e, 1, e, 1, n, &squaredNorm)
      }
    }
    if !(squaredNorm > Self.collinearity * total) { squaredNorm = 0 }
    norm = squaredNorm.squareRoot()
    return squaredNorm > 0
  }

  /// ‖M_p g‖² of the loaded variant among the samples that `pattern` observes.
  mutating func squaredNorm(among pattern: MissingPattern) -> Double {
    let n = traits.sampleCount
    if let left = pattern.residualSquaredNorm(
      residual, squaredNorm: squaredNorm, q: residualiser.q, sampleCount: n, rank: residualiser.rank,
      scratch: &scratch)
    {
      return left
    }
    var left = 0.0
    explicitResidual = residual
    explicitResidual.withUnsafeMutableBufferPointer { e in
      residualiser.project(e.baseAddress!, pattern: pattern, scratch: &scratch)
      sk_panel_products(e.baseAddress!, 1, e.baseAddress!, 1, Int64(n), &left)
    }
    return left
  }

  /// Removes traits whose |r| with variant `k` is certainly below r*.
  ///
  /// ỹ is orthogonal to Q, so g_c'ỹ is the product of the residual, to the rounding of a sum over ‖g_c‖.
  ///
  /// - Parameter least: of a trait, r* times what its length is at least; −∞ keeps it.
  mutating func discardMisses(
    _ candidates: inout [Int32], variant k: Int, of panel: VariantPanel, least: (_ trait: Int) -> Double
  ) {
    let n = traits.sampleCount
    if products.count < candidates.count { products = [Double](repeating: 0, count: candidates.count) }
    centered.withUnsafeMutableBufferPointer { panel.writeCentered(k, to: $0.baseAddress!) }
    sk_products(centered, traits.unit, candidates, Int64(candidates.count), Int64(n), &products)
    let rounding = 1e-12 * panel.variants[k].summary.centeredSumOfSquares.squareRoot()
    var kept = 0
    for (position, trait) in candidates.enumerated()
    where !(abs(products[position]) < least(Int(trait)) * (1 - 1e-9) - rounding) {
      candidates[kept] = trait
      kept += 1
    }
    candidates.removeSubrange(kept...)
  }

  /// Appends the rows of the loaded variant with the traits at `indices` (into the panel) whose ln p is at most `limit`.
  ///
  /// Returns the number of pairs that could not be tested (the variant has no variance left among the trait's samples).
  mutating func evaluate(
    _ indices: UnsafeBufferPointer<Int32>, variant: Int, logPLimit limit: Double = .infinity,
    into rows: inout [PairRow]
  ) -> Int {
    guard !indices.isEmpty else { return 0 }
    if products.count < indices.count { products = [Double](repeating: 0, count: indices.count) }
    sk_products(
      residual, traits.unit, indices.baseAddress!, Int64(indices.count), Int64(traits.sampleCount), &products)
    // Nearer to 0 ln p is too flat in r for the margin.
    let isLimited = limit < -1
    if isLimited { findLeastR(limit) }
    var untested = 0
    for (position, index) in indices.enumerated() {
      let isTested = appendRow(
        product: products[position], trait: Int(index), variant: variant, logPLimit: limit,
        isLimited: isLimited,
        into: &rows)
      if !isTested { untested += 1 }
    }
    return untested
  }

  /// Below ln p = −1 a relative margin of 1e-9 in r is three digits more than the errors of r, r* and ln p together.
  private mutating func findLeastR(_ limit: Double) {
    guard limit != self.limit else { return }
    self.limit = limit
    var known: [Int: Double] = [:]
    leastR = traits.patterns.map { pattern in
      let nu = pattern.degreesOfFreedom
      if let r = known[nu] { return r }
      let r = traits.criticalR(pattern, logP: limit, oneSided: alternative != .twoSided)
      known[nu] = r * (1 - 1e-9)
      return r * (1 - 1e-9)
    }
  }

  /// Appends the row if its ln p is at most the limit. False when the pair cannot be tested.
  ///
  /// `product` is e'ỹ = ‖M_p g‖ r, whatever the pattern: ỹ is orthogonal to Q and zero on the missing samples.
  private mutating func appendRow(
    product: Double, trait: Int, variant: Int, logPLimit limit: Double, isLimited: Bool,
    into rows: inout [PairRow]
  ) -> Bool {
    let patternIndex = Int(traits.patternOf[trait])
    let n = traits.sampleCount
    var (product, normSquared, norm) = (product, squaredNorm, norm)
    var isExplicit = false
    if traits.mixed != nil {
      normSquared = mixedSquaredLength(trait)
      guard normSquared > Self.collinearity * squaredNorm else { return false }
      norm = normSquared.squareRoot()
    } else if patternIndex > 0 {
      let pattern = traits.patterns[patternIndex]
      let left = pattern.residualSquaredNorm(
        residual, squaredNorm: squaredNorm, q: residualiser.q, sampleCount: n, rank: residualiser.rank,
        scratch: &scratch)
      // Near a perfect fit 1 − r² needs the residual itself, and a length without the error of the deletion formula.
      if let left, product * product < 0.89 * left {
        normSquared = left
      } else {
        isExplicit = true
        explicitResidual = residual
        explicitResidual.withUnsafeMutableBufferPointer { e in
          residualiser.project(e.baseAddress!, pattern: pattern, scratch: &scratch)
          sk_panel_products(e.baseAddress!, 1, e.baseAddress!, 1, Int64(n), &normSquared)
        }
        guard normSquared > Self.collinearity * squaredNorm else { return false }
        traits.unit.withUnsafeBufferPointer { y in
          sk_panel_products(explicitResidual, 1, y.baseAddress! + trait * n, 1, Int64(n), &product)
        }
      }
      norm = normSquared.squareRoot()
    }
    // Most survivors of a screen miss the limit by far: no ln p for them.
    if isLimited {
      let reached =
        switch alternative {
        case .twoSided: abs(product)
        case .greater: product
        case .less: -product
        }
      if reached < leastR[patternIndex] * norm { return true }
    }
    let r = max(-1, min(1, product / norm))
    // r² and its complement, each from where it keeps its digits.
    var (rest, explained) = (1 - r * r, r * r)
    if rest < 0.1 {
      // 1 − r² loses digits as r → 1; the residual itself does not.
      let scale = product / normSquared
      rest =
        traits.mixed != nil
        ? mixedRest(trait, product)
        : traits.unit.withUnsafeBufferPointer { y in
          sk_residual_sum(
            isExplicit ? explicitResidual : residual, y.baseAddress! + trait * n, scale, Int64(n))
        }
      explained = 1 - min(1, rest)
    }
    let (observed, nu) = traits.sizes[patternIndex]
    let floor = Double(n) * Double.ulpOfOne * Double(n) * Double.ulpOfOne
    let isPerfectFit = rest <= floor
    rest = min(1, max(rest, floor))
    let slope = traits.norms[trait] / norm
    let spread = (rest / Double(nu)).squareRoot()
    let isScore = traits.mixed?.test == .score
    let t = isScore ? r * Double(observed).squareRoot() : r / spread
    let distribution = traits.distributions[patternIndex]
    let logP: Double =
      switch alternative {
      case .twoSided where isScore: distribution.logTwoSidedP(t: t)
      case .twoSided: distribution.logTwoSidedP(oneMinusRSquared: rest, rSquared: explained)
      case .greater: distribution.logUpperP(t: t)
      case .less: distribution.logUpperP(t: -t)
      }
    if logP <= limit {
      rows.append(
        PairRow(
          variant: variant, feature: traits.ordinals[trait], beta: r * slope, standardError: slope * spread,
          t: t,
          degreesOfFreedom: nu, logP: logP, r2: r * r, n: observed, isPerfectFit: isPerfectFit))
    }
    return true
  }

  // MARK: mixed model

  /// The row of the loaded variant by the fit with the variant in it, where that is asked for; else the row itself.
  mutating func refitted(_ row: PairRow, trait: Int) -> PairRow {
    // Taken out, as the rotation is lent at the same time.
    guard let panel, var own = refits.take() else { return row }
    defer { refits = own }
    let pattern = Int(traits.patternOf[trait])
    let (distribution, alternative) = (traits.distributions[pattern], alternative)
    return rotation?.withRotated(place, of: panel, pattern: pattern) { _, variant, _ in
      own.refitted(row, trait: trait, pattern: pattern, variant: variant) {
        alternative.logP(t: $0, distribution)
      }
    } ?? row
  }

  /// ρ²·g'Pg of the loaded variant at the trait's h: r = g'z over its root.
  private mutating func mixedSquaredLength(_ trait: Int) -> Double {
    guard let mixed = traits.mixed, let panel else { preconditionFailure("no variant is loaded") }
    let h = mixed.heritability[trait]
    let form = rotation?.withRotated(place, of: panel, pattern: Int(traits.patternOf[trait])) {
      $0.quadraticForm($2, h)
    }
    return mixed.ratio[trait] * mixed.ratio[trait] * (form ?? 0)
  }

  /// 1 − r² near r = ±1, from the residual in the eigenbasis: Σ (y' − g'β)²/d over Σ y'²/d, with y' = D·U'z.
  ///
  /// Complexity: 2n² flop; pairs with r² > 0.9 are few.
  private mutating func mixedRest(_ trait: Int, _ product: Double) -> Double {
    guard let mixed = traits.mixed, let panel else { preconditionFailure("no variant is loaded") }
    let (n, h) = (traits.sampleCount, mixed.heritability[trait])
    let z = traits.unit[trait * n..<(trait + 1) * n]
    return rotation?.withRotated(place, of: panel, pattern: Int(traits.patternOf[trait])) {
      spectrum, g, squares in
      let slope = product / spectrum.quadraticForm(squares, h)
      let rotated = spectrum.rotate(Array(z))
      var (rest, total) = (0.0, 0.0)
      for i in 0..<spectrum.size {
        let d = 1 + h * spectrum.excess[i]
        let left = d * rotated[i] - slope * g[i]
        rest += left * left / d
        total += d * rotated[i] * rotated[i]
      }
      return rest / total
    } ?? 1
  }
}
