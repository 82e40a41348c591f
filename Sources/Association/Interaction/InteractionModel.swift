internal import CScanKernels
internal import Distributions
internal import LinearAlgebra
internal import StudyData

/// What all pairs of a scan for interactions share: residualised traits and terms.
struct InteractionModel: Sendable {
  let prepared: PreparedStudy
  /// k.
  let termCount: Int
  /// ī of each term.
  let means: [Double]
  /// i − ī, n × k.
  let centered: [Double]
  /// The terms' residuals, made orthonormal; room for g and the k products.
  let basis: OrthonormalColumns
  /// k × traits: products of `basis` with the traits.
  let traitProducts: [Double]
  let strata: [Strata]
  /// Covariates that the terms make superfluous.
  let drops: [Drop]

  /// - Throws: ``StudyError``: `inconsistent` when there is no term; `degenerate` when a term is constant or depends on the terms
  ///   before it, or when no degree of freedom is left.
  init(_ study: Study, _ options: ScanOptions, workers: Int) throws(StudyError) {
    try study.requireUnrelated("interactions")
    let n = study.sampleCount
    let names = study.interactionNames
    let k = names.count
    guard k > 0 else {
      throw StudyError(
        .inconsistent, "the study has no interaction term",
        remedy: "give a table of terms that interact with the genotype")
    }
    // Terms first: of a covariate and a term that say the same, the term is kept.
    let together = try Residualiser(
      covariates: Matrix(
        rows: n, columns: k + study.covariates.columns,
        storage: study.interactions.storage + study.covariates.storage),
      names: names + study.covariateNames, effects: 1 + k)
    let dropped = Set(together.droppedColumns)
    if let bad = dropped.min(), bad < k {
      let reason = together.drops.first { $0.id == names[bad] }?.reason ?? ""
      throw StudyError(
        .degenerate,
        "interaction term \(names[bad]) is "
          + (reason == "constant" ? reason : "collinear with the terms before it")
          + " among the \(n) analysed samples",
        remedy: "leave it out, or check the table of terms")
    }
    let kept =
      study.covariates.columns == 0 ? [] : (0..<study.covariates.columns).filter { !dropped.contains(k + $0) }
    let residualiser = try Residualiser(
      covariates: study.covariates.selectingColumns(kept), names: kept.map { study.covariateNames[$0] },
      effects: 1 + 2 * k)
    prepared = try PreparedStudy(study, options, workers: workers, residualiser: residualiser)
    drops = together.drops

    var means: [Double] = []
    var centered: [Double] = []
    var basis = OrthonormalColumns(sampleCount: n, capacity: 1 + 2 * k)
    var scratch: [Double] = []
    for j in 0..<k {
      let term = study.interactions.column(j)
      let mean = term.reduce(0, +) / Double(n)
      means.append(mean)
      let x = term.map { $0 - mean }
      centered += x
      basis.withFreeColumns { column in
        column.update(from: x, count: n)
        residualiser.project(column, width: 1, scratch: &scratch)
      }
      guard basis.append(least: PairEvaluator.collinearity * x.reduce(0) { $0 + $1 * $1 }) else {
        throw StudyError(
          .degenerate, "interaction term \(names[j]) is nearly collinear with the covariates",
          remedy: "leave out the covariate that tells the same as the term")
      }
    }
    termCount = k
    self.means = means
    self.centered = centered
    self.basis = basis
    let traits = prepared.traits
    var products = [Double](repeating: 0, count: k * traits.count)
    sk_panel_products(traits.unit, Int64(traits.count), basis.q, Int64(k), Int64(n), &products)
    traitProducts = products
    strata = (0..<k).map { Strata(of: study.interactions.column($0)) }
  }

  /// Whether variant `k` has at least the minor allele frequency `least` in both halves of the samples by each term.
  func isCommonInStrata(_ k: Int, of panel: VariantPanel, _ least: Double) -> Bool {
    least <= 0 || strata.allSatisfy { $0.minorAlleleFrequency(k, of: panel) >= least }
  }
}

/// Fits y ~ W + i₁ … i_k + g + g·i₁ + … + g·i_k in fp64, in canonical sample order: the only source of printed numbers.
///
/// One variant at a time: load it, then ask for traits. The residuals of i, g and g·i on the covariates are made orthonormal once for a
/// variant, X = QR. A trait then costs 1 + k products z = Q'ỹ and a few (1 + 2k)² operations: each coefficient is v'z for a row v of R⁻¹ (or
/// a combination of rows), with variance σ²‖v‖². Where the trait misses samples, Q is no longer orthonormal; its Gram matrix G = LL'
/// comes from the deletion formula, and z and v become L⁻¹z and L⁻¹v.
///
/// Inside, g and i are centred, for the sake of rounding; coefficients are those of the terms as they were given (as R's `lm` and tensorQTL):
/// g's is its effect at i = 0, that of i its effect at g = 0.
struct InteractionEvaluator {
  private let model: InteractionModel
  private let traits: TraitPanel
  private let residualiser: Residualiser
  private let alternative: Alternative
  /// m = 1 + 2k.
  private let size: Int
  /// Q of the current variant, terms first.
  private(set) var columns: OrthonormalColumns
  /// m × m: column c is v of coefficient c in the order of rows.
  private(set) var contrasts: [Double]
  /// Whether the current variant's products depend on its other columns.
  private(set) var isSingular = false
  /// The trait-wise products with g and g·i: (1 + k) × traits asked for.
  private var products: [Double] = []
  private var explicit: OrthonormalColumns
  private var scratch: [Double] = []
  private var gram: [Double]
  private var residual: [Double]
  // Of the current fit: z, v by coefficient, and what is left of ỹ.
  private var z: [Double]
  private var v: [Double]
  private var rest = 0.0

  init(_ model: InteractionModel, _ alternative: Alternative) {
    self.model = model
    traits = model.prepared.traits
    residualiser = model.prepared.residualiser
    self.alternative = alternative
    size = 1 + 2 * model.termCount
    columns = model.basis
    explicit = OrthonormalColumns(sampleCount: traits.sampleCount, capacity: size)
    contrasts = [Double](repeating: 0, count: size * size)
    gram = contrasts
    v = contrasts
    z = [Double](repeating: 0, count: size)
    residual = [Double](repeating: 0, count: traits.sampleCount)
  }

  /// Loads variant `k`; why it is not tested, nil where it is.
  ///
  /// - Parameter least: minor allele frequency in the strata.
  mutating func admit(_ k: Int, of panel: VariantPanel, _ least: Double) -> String? {
    guard model.isCommonInStrata(k, of: panel, least) else {
      return "minor allele frequency within interaction strata"
    }
    return load(k, of: panel) ? nil : "collinear with the covariates and interaction terms"
  }

  /// Makes the columns of variant `k`. False when it is collinear with the covariates and the terms.
  private mutating func load(_ k: Int, of panel: VariantPanel) -> Bool {
    let n = traits.sampleCount
    let terms = model.termCount
    columns.truncate(to: terms)
    let total = panel.variants[k].summary.centeredSumOfSquares
    var totals = [total]
    columns.withFreeColumns { free in
      panel.writeCentered(k, to: free)
      for j in 0..<terms {
        let product = free + (1 + j) * n
        var sum = 0.0
        for i in 0..<n {
          product[i] = free[i] * model.centered[j * n + i]
          sum += product[i]
        }
        let mean = sum / Double(n)
        var squares = 0.0
        for i in 0..<n {
          product[i] -= mean
          squares += product[i] * product[i]
        }
        totals.append(squares)
      }
      // One pass leaves rounding along Q; ỹ is orthogonal to Q, so that is nothing unless most of a column went away.
      residualiser.project(free, width: 1 + terms, passes: 1, scratch: &scratch)
      for j in 0...terms {
        var left = 0.0
        sk_panel_products(free + j * n, 1, free + j * n, 1, Int64(n), &left)
        if left < 0.25 * totals[j] {
          residualiser.project(free + j * n, width: 1, passes: 1, scratch: &scratch)
        }
      }
    }
    guard columns.append(least: PairEvaluator.collinearity * total) else { return false }
    isSingular = totals.dropFirst().contains { !columns.append(least: PairEvaluator.collinearity * $0) }
    if !isSingular { makeContrasts(mean: panel.variants[k].summary.mean) }
    return true
  }

  /// β_g = β_g° − Σ ī_j γ_j and β_i = β_i° − ḡγ, where ° is of the centred columns and γ of their product.
  private mutating func makeContrasts(mean: Double) {
    let terms = model.termCount
    for c in 0..<size {
      func row(_ a: Int) -> Double { columns.inverse[a + c * size] }
      var genotype = row(terms)
      for j in 0..<terms {
        let product = row(terms + 1 + j)
        genotype -= model.means[j] * product
        contrasts[c + size * (1 + 2 * j)] = row(j) - mean * product
        contrasts[c + size * InteractionRow.product(j)] = product
      }
      contrasts[c] = genotype
    }
  }

  /// Products with the traits at `indices` (into the panel), for ``fit(_:trait:)``.
  mutating func prepare(_ indices: [Int32]) {
    guard !isSingular, !indices.isEmpty else { return }
    let n = traits.sampleCount
    let width = 1 + model.termCount
    if products.count < width * indices.count {
      products = [Double](repeating: 0, count: width * indices.count)
    }
    columns.q.withUnsafeBufferPointer { q in
      products.withUnsafeMutableBufferPointer { products in
        for j in 0..<width {
          sk_products(
            q.baseAddress! + (model.termCount + j) * n, traits.unit, indices, Int64(indices.count), Int64(n),
            products.baseAddress! + j * indices.count)
        }
      }
    }
  }

  /// Fits trait `indices[position]`. False when the design is singular.
  mutating func fit(_ position: Int, of indices: [Int32]) -> Bool {
    guard !isSingular else { return false }
    let trait = Int(indices[position])
    let terms = model.termCount
    for j in 0..<terms { z[j] = model.traitProducts[j + terms * trait] }
    for j in 0...terms { z[terms + j] = products[position + j * indices.count] }
    for e in v.indices { v[e] = contrasts[e] }
    let pattern = Int(traits.patternOf[trait])
    guard pattern > 0 else {
      finish(columns.q, trait)
      return true
    }
    return fit(trait, traits.patterns[pattern])
  }

  private mutating func fit(_ trait: Int, _ pattern: MissingPattern) -> Bool {
    if factorGram(pattern) {
      Self.solve(gram, &z, at: 0, size)
      rest = 1 - z.reduce(0) { $0 + $1 * $1 }
      if rest > 0.11 {
        for c in 0..<size { Self.solve(gram, &v, at: c * size, size) }
        return true
      }
    }
    // Near a perfect fit the residual is needed, and columns without the error of the deletion formula.
    let n = traits.sampleCount
    explicit.truncate(to: 0)
    for c in 0..<size {
      explicit.withFreeColumns { free in
        columns.q.withUnsafeBufferPointer { free.update(from: $0.baseAddress! + c * n, count: n) }
        residualiser.project(free, pattern: pattern, scratch: &scratch)
      }
      // The columns of all samples have length 1.
      guard explicit.append(least: PairEvaluator.collinearity) else { return false }
    }
    traits.unit.withUnsafeBufferPointer { y in
      sk_panel_products(y.baseAddress! + trait * n, 1, explicit.q, Int64(size), Int64(n), &z)
    }
    // v ← R⁻'v, each from the last element: element a needs those up to a.
    for c in 0..<size {
      for a in stride(from: size - 1, through: 0, by: -1) {
        var sum = 0.0
        for b in 0...a { sum += explicit.inverse[b + a * size] * contrasts[b + c * size] }
        v[a + c * size] = sum
      }
    }
    finish(explicit.q, trait)
    return true
  }

  /// What the columns leave of ỹ: from z, or near a perfect fit from the residual itself.
  private mutating func finish(_ q: [Double], _ trait: Int) {
    rest = 1 - z.reduce(0) { $0 + $1 * $1 }
    guard rest < 0.1 else { return }
    let n = traits.sampleCount
    traits.unit.withUnsafeBufferPointer { y in
      residual.withUnsafeMutableBufferPointer { r in
        r.baseAddress!.update(from: y.baseAddress! + trait * n, count: n)
        sk_subtract_combination(r.baseAddress!, 1, q, Int64(size), z, Int64(n))
        sk_panel_products(r.baseAddress!, 1, r.baseAddress!, 1, Int64(n), &rest)
      }
    }
  }

  /// The Cholesky factor of the columns' Gram matrix over the observed samples, I − E_D'E_D − B'A⁺B with B = Q_D'E_D (deletion formula).
  ///
  /// False when more than three digits would be lost, or two in A⁺.
  private mutating func factorGram(_ pattern: MissingPattern) -> Bool {
    guard pattern.smallestEigenvalue > 1e-2 else { return false }
    let (n, rank, m) = (traits.sampleCount, residualiser.rank, size)
    if scratch.count < 2 * rank * m { scratch = [Double](repeating: 0, count: 2 * rank * m) }
    columns.q.withUnsafeBufferPointer { e in
      residualiser.q.withUnsafeBufferPointer { q in
        for c in 0..<m {
          for l in 0..<rank {
            var sum = 0.0
            for d in pattern.missing { sum += q[Int(d) + n * l] * e[Int(d) + n * c] }
            scratch[l + rank * c] = sum
          }
          for i in 0..<rank {
            var sum = 0.0
            for l in 0..<rank { sum += pattern.inverse[i + rank * l] * scratch[l + rank * c] }
            scratch[rank * (m + c) + i] = sum
          }
        }
        for a in 0..<m {
          for b in 0...a {
            var lost = 0.0
            for d in pattern.missing { lost += e[Int(d) + n * a] * e[Int(d) + n * b] }
            for l in 0..<rank { lost += scratch[l + rank * a] * scratch[rank * (m + b) + l] }
            gram[a + m * b] = (a == b ? 1 : 0) - lost
          }
        }
      }
    }
    for b in 0..<m {
      for a in b..<m {
        var sum = gram[a + m * b]
        for l in 0..<b { sum -= gram[a + m * l] * gram[b + m * l] }
        if a == b {
          guard sum > 1e-3 else { return false }
          gram[a + m * b] = sum.squareRoot()
        } else {
          gram[a + m * b] = sum / gram[b + m * b]
        }
      }
    }
    return true
  }

  /// x ← L⁻¹x for `size` elements from `start`.
  private static func solve(_ lower: [Double], _ x: inout [Double], at start: Int, _ size: Int) {
    for a in 0..<size {
      var sum = x[start + a]
      for b in 0..<a { sum -= lower[a + size * b] * x[start + b] }
      x[start + a] = sum / lower[a + size * a]
    }
  }

  /// t of a coefficient of the fit, with the side that counts positive: what p falls with.
  func score(_ coefficient: Int, trait: Int) -> Double {
    let t = statistics(coefficient, trait).t
    return alternative == .twoSided ? abs(t) : alternative == .greater ? t : -t
  }

  /// The fit as a row.
  func row(trait: Int, variant: Int) -> InteractionRow {
    let pattern = Int(traits.patternOf[trait])
    let (observed, nu) = traits.sizes[pattern]
    let distribution = traits.distributions[pattern]
    let norm = traits.norms[trait]
    let coefficients = (0..<size).map { c in
      let s = statistics(c, trait)
      let logP: Double =
        switch alternative {
        case .twoSided: distribution.logTwoSidedP(t: s.t)
        case .greater: distribution.logUpperP(t: s.t)
        case .less: distribution.logUpperP(t: -s.t)
        }
      return CoefficientEstimate(beta: s.estimate * norm, standardError: s.error * norm, t: s.t, logP: logP)
    }
    return InteractionRow(
      variant: variant, feature: traits.ordinals[trait], coefficients: coefficients, degreesOfFreedom: nu,
      n: observed,
      status: rest <= floor ? .perfect : .ok)
  }

  /// A row without numbers.
  func singularRow(trait: Int, variant: Int) -> InteractionRow {
    let (observed, nu) = traits.sizes[Int(traits.patternOf[trait])]
    return InteractionRow(
      variant: variant, feature: traits.ordinals[trait], coefficients: [], degreesOfFreedom: nu, n: observed,
      status: .singular)
  }

  /// In units of the trait's residual length.
  private func statistics(_ c: Int, _ trait: Int) -> (estimate: Double, error: Double, t: Double) {
    var (estimate, squares) = (0.0, 0.0)
    for a in 0..<size {
      estimate += v[a + c * size] * z[a]
      squares += v[a + c * size] * v[a + c * size]
    }
    let nu = traits.sizes[Int(traits.patternOf[trait])].degreesOfFreedom
    let error = (squares * (max(rest, floor) / Double(nu))).squareRoot()
    return (estimate, error, estimate / error)
  }

  /// A residual of rounding errors.
  private var floor: Double {
    let n = Double(traits.sampleCount)
    return n * Double.ulpOfOne * n * Double.ulpOfOne
  }
}
