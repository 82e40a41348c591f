internal import CScanKernels
internal import Dispatch
internal import Glibc
internal import LinearAlgebra
internal import MixedModels
internal import StudyData
internal import Synchronization

/// How a mixed model is tested.
public struct MixedModelOptions: Sendable, Equatable {
  public enum Test: String, Sendable, CaseIterable {
    /// t with h² of the model without the variant, by REML (P3D, EMMAX).
    case wald
    /// The score test of GEMMA: h² by maximum likelihood, F = n·r² on (1, ν).
    case score

    var likelihood: Likelihood { self == .score ? .ml : .reml }
  }

  public var test: Test
  /// Whether rows are of models whose h² is estimated with the variant in them: Wald's test by REML, that of the likelihood ratio by ML
  /// (``PairRow/exactFit``). Not for ``Test/score``, nor for `--best`. 8 bytes more for each phenotype value.
  public var refitsExactly: Bool
  /// Whether h² is at least 0 (``VarianceComponents/init(_:likelihood:isConstrained:)``).
  public var isConstrained: Bool
  /// Patterns of missing phenotypes: each takes a decomposition of its own.
  public var maximumPatterns: Int
  /// Decompositions made here may use so many BLAS threads, in so many bytes.
  public var threads: Int
  public var memory: Int

  public init(
    test: Test = .wald, refitsExactly: Bool = false, isConstrained: Bool = true, maximumPatterns: Int = 10,
    threads: Int = 1, memory: Int = .max
  ) {
    self.test = test
    self.refitsExactly = refitsExactly
    self.isConstrained = isConstrained
    self.maximumPatterns = maximumPatterns
    self.threads = threads
    self.memory = memory
  }

  var needsMaximumLikelihood: Bool { test == .score || refitsExactly }
}

/// What turns a panel of residualised traits into right-hand sides of a mixed model (methods: Kang et al. 2010,
/// doi:10.1038/ng.548; Zhang et al. 2010, doi:10.1038/ng.546).
///
/// At a trait's h, Py = U·D⁻¹U'y lies in the space of the samples, so g'Py takes no rotation of genotypes: it is the product of
/// least squares with another trait. Only the length √(g'Pg) of the variant depends on h.
struct MixedTraits: Sendable {
  let sampleCount: Int
  let test: MixedModelOptions.Test
  /// By pattern of missing samples; nil where it has no trait.
  let spectra: [Spectrum?]
  /// h² of each trait.
  let heritability: [Double]
  /// ρ = √(y'Py)/‖Py‖: r = g'z/(ρ·√(g'Pg)), z = Py/‖Py‖.
  let ratio: [Double]
  /// Of each trait, in its own units.
  let estimates: [VarianceEstimate]
  /// Where pairs are fitted anew.
  let refit: RefitModel?
  let notes: [String]

  /// ρ²·g'Pg at the trait's h, from U'g.
  ///
  /// - Parameter withRotated: lends U'g.
  func squaredLength(
    _ trait: Int, pattern: Int, withRotated: ((UnsafePointer<Double>) -> Double) -> Double
  ) -> Double {
    guard let spectrum = spectra[pattern] else { preconditionFailure("a pattern without traits") }
    let form = withRotated { g in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: spectrum.size) { squares in
        for i in 0..<spectrum.size { squares[i] = g[i] * g[i] }
        return spectrum.quadraticForm(squares.baseAddress!, heritability[trait])
      }
    }
    return ratio[trait] * ratio[trait] * form
  }
}

/// One pattern of missing samples.
private struct PatternModel: Sendable {
  let spectrum: Spectrum
  let components: VarianceComponents
  /// Where pairs are fitted anew.
  let refit: RefitModel.Components?

  init(_ decomposition: SpectralDecomposition, _ spectrum: Spectrum, _ options: MixedModelOptions) {
    self.spectrum = spectrum
    let components = {
      VarianceComponents(decomposition, likelihood: $0, isConstrained: options.isConstrained)
    }
    self.components = components(options.test.likelihood)
    refit =
      options.refitsExactly ? RefitModel.Components(reml: self.components, ml: components(.ml)) : nil
  }
}

extension TraitPanel {
  /// Replaces ỹ by Py/‖Py‖ at each trait's own h², and ‖My‖ by y'Py/‖Py‖, from which β and its error follow as before.
  ///
  /// - Throws: ``StudyError``: `inconsistent` when there are more patterns of missing phenotypes than allowed, or a stored
  ///   decomposition is of other covariates; what decomposing throws.
  /// - Complexity: 9n³ a pattern, 4n² a trait.
  mutating func decorrelate(
    _ relatedness: Relatedness, sampleIDs: [String], residualiser: Residualiser, _ options: MixedModelOptions,
    workers: Int
  ) throws(StudyError) {
    precondition(!options.refitsExactly || options.test == .wald)
    let used = Set(patternOf)
    guard used.count <= options.maximumPatterns else {
      throw StudyError(
        .inconsistent,
        "phenotypes miss values in \(used.count) different patterns; a mixed model decomposes the relationship matrix for each, and \(options.maximumPatterns) are allowed",
        remedy: "fill the missing values in, leave samples or phenotypes out, or raise --max-patterns")
    }
    var models: [PatternModel?] = []
    var notes: [String] = []
    for (p, pattern) in patterns.enumerated() {
      guard used.contains(Int32(p)) else {
        models.append(nil)
        continue
      }
      let decomposition = try Self.decomposition(
        relatedness, sampleIDs, residualiser, pattern, options)
      if decomposition.lowestValue < -1e-6 {
        notes.append(
          "the relationship matrix has \(decomposition.clampedCount) negative eigenvalues (the lowest \(decomposition.lowestValue) of its mean diagonal): taken as 0"
        )
      }
      let missing = Set(pattern.missing)
      let observed = (0..<sampleCount).filter { !missing.contains(Int32($0)) }
      models.append(
        PatternModel(
          decomposition,
          Spectrum(decomposition, observed: missing.isEmpty ? nil : observed, sampleCount: sampleCount),
          options))
    }
    let outcomes = decorrelate(models, workers: workers)
    let refit =
      options.refitsExactly
      ? RefitModel(
        components: models.map { $0?.refit }, traits: outcomes.compactMap(\.refit), lengths: norms) : nil
    scaleNorms(by: outcomes.map(\.factor))
    mixed = MixedTraits(
      sampleCount: sampleCount, test: options.test, spectra: models.map { $0?.spectrum },
      heritability: outcomes.map(\.estimate.heritability), ratio: outcomes.map(\.ratio),
      estimates: outcomes.map(\.estimate), refit: refit, notes: notes)
  }

  /// Every trait in place, by panels over the workers.
  ///
  /// - Parameter models: by pattern.
  private mutating func decorrelate(
    _ models: [PatternModel?], workers: Int
  ) -> [Decorrelation.Outcome] {
    let n = sampleCount
    // Panels of traits that share a pattern; their width decides on no bit (the last is filled up with zeros).
    let panels = patterns.indices.flatMap { p in
      let traits = (0..<count).filter { Int(patternOf[$0]) == p }
      return stride(from: 0, to: traits.count, by: Spectrum.width).map {
        (pattern: p, traits: traits[$0..<min($0 + Spectrum.width, traits.count)])
      }
    }
    let parts = Mutex<[Decorrelation.Outcome]>([])
    let lanes = max(1, min(workers, panels.count))
    withUnit { unit in
      let shared = SharedTraits(unit: unit)
      DispatchQueue.concurrentPerform(iterations: lanes) { lane in
        var scratch = Decorrelation(samples: n)
        var own: [Decorrelation.Outcome] = []
        for k in stride(from: lane, to: panels.count, by: lanes) {
          guard let model = models[panels[k].pattern] else { continue }
          own += scratch.run(panels[k].traits, model, shared.unit)
        }
        parts.withLock { $0 += own }
      }
    }
    return parts.withLock(\.self).sorted { $0.trait < $1.trait }.map { outcome in
      var outcome = outcome
      if let components = models[Int(patternOf[outcome.trait])]?.components {
        outcome.estimate = components.scaled(outcome.estimate, by: norms[outcome.trait])
      }
      return outcome
    }
  }

  private static func decomposition(
    _ relatedness: Relatedness, _ ids: [String], _ residualiser: Residualiser, _ pattern: MissingPattern,
    _ options: MixedModelOptions
  ) throws(StudyError) -> SpectralDecomposition {
    let basis = Matrix(rows: residualiser.sampleCount, columns: residualiser.rank, storage: residualiser.q)
    switch relatedness {
    case .decomposition(let stored):
      guard pattern.missing.isEmpty else {
        throw StudyError(
          .inconsistent, "a stored decomposition serves phenotypes without missing values only",
          remedy: "give the relationship matrix itself, or fill the missing values in")
      }
      guard stored.spans(basis) else {
        throw StudyError(
          .inconsistent,
          "the stored decomposition was made for other covariates (rank \(stored.covariateRank), here \(residualiser.rank))",
          remedy:
            "store it with the same covariates (grm --eigen --covariates), or give the relationship matrix")
      }
      guard !options.needsMaximumLikelihood || !stored.kinshipValues.isEmpty else {
        throw StudyError(
          .inconsistent, "the stored decomposition lacks what maximum likelihood needs",
          remedy: "store it anew, or give the relationship matrix")
      }
      return stored
    case .kinship(let kinship):
      let needsML = options.needsMaximumLikelihood
      // The study keeps the matrix.
      let memory = options.memory - 8 * kinship.sampleCount * kinship.sampleCount
      guard !pattern.missing.isEmpty else {
        return try SpectralDecomposition(
          of: kinship, covariateBasis: basis, forMaximumLikelihood: needsML, threads: options.threads,
          memory: memory)
      }
      let missing = Set(pattern.missing)
      let observed = ids.indices.filter { !missing.contains(Int32($0)) }
      let rows = OrthonormalBasis(of: basis.selectingRows(observed)).basis
      return try SpectralDecomposition(
        of: kinship.restricted(to: observed.map { ids[$0] }), covariateBasis: rows,
        forMaximumLikelihood: needsML, threads: options.threads, memory: memory)
    }
  }
}

extension Study {
  /// Refuses related samples for what knows least squares only.
  func requireUnrelated(_ what: String) throws(StudyError) {
    guard relatedness != nil else { return }
    throw StudyError(
      .inconsistent, "\(what) are not made for related samples yet",
      remedy: "leave the relationship matrix out, and give its principal components as covariates")
  }
}

extension SpectralDecomposition {
  /// Whether the covariates taken out are those of `basis` (orthonormal).
  fileprivate func spans(_ basis: Matrix) -> Bool {
    guard basis.columns == covariateRank, basis.rows == sampleCount else { return false }
    let (n, q) = (sampleCount, covariateRank)
    var products = [Double](repeating: 0, count: q * q)
    sk_panel_products(basis.storage, Int64(q), covariateBasis.storage, Int64(q), Int64(n), &products)
    // ‖B'q‖ = ‖q‖ = 1 for every column q iff it lies in the span of B.
    return (0..<q).allSatisfy { j in
      let length = products[j * q..<(j + 1) * q].reduce(0) { $0 + $1 * $1 }
      return abs(length - 1) < 1e-8
    }
  }
}

private struct SharedTraits: @unchecked Sendable {
  let unit: UnsafeMutablePointer<Double>
}

/// One worker's panel of traits.
private struct Decorrelation {
  struct Outcome: Sendable {
    var trait: Int
    var estimate: VarianceEstimate
    /// ρ.
    var ratio: Double
    /// From ‖My‖ to y'Py/‖Py‖.
    var factor: Double
    /// Where pairs are fitted anew.
    var refit: RefitModel.Trait?
  }

  private let n: Int
  private var columns: [Double]
  private var rotated: [Double] = []
  private var weighted: [Double] = []

  init(samples n: Int) {
    self.n = n
    columns = [Double](repeating: 0, count: n * Spectrum.width)
  }

  /// ỹ ← Py/‖Py‖ of each of `traits`.
  ///
  /// - Returns: the outcome of each, estimates of the trait at length 1.
  mutating func run(
    _ traits: ArraySlice<Int>, _ model: PatternModel, _ unit: UnsafeMutablePointer<Double>
  ) -> [Outcome] {
    let spectrum = model.spectrum
    let m = spectrum.size
    for k in columns.indices { columns[k] = 0 }
    rotated = [Double](repeating: 0, count: m * Spectrum.width)
    weighted = rotated
    columns.withUnsafeMutableBufferPointer { columns in
      for (k, trait) in traits.enumerated() {
        (columns.baseAddress! + k * n).update(from: unit + trait * n, count: n)
      }
    }
    spectrum.rotate(columns, into: &rotated)
    var estimates: [VarianceEstimate] = []
    var refits: [RefitModel.Trait?] = []
    for k in 0..<traits.count {
      let offset = k * m
      let own = Array(rotated[offset..<offset + m])
      let estimate = model.components.estimate(rotated: own)
      estimates.append(estimate)
      refits.append(model.refit.map { RefitModel.Trait(rotated: own, $0) })
      for i in 0..<m {
        weighted[offset + i] = -rotated[offset + i] / (1 + estimate.heritability * spectrum.excess[i])
      }
    }
    for k in columns.indices { columns[k] = 0 }
    columns.withUnsafeMutableBufferPointer {
      spectrum.subtractCombination(weighted, from: $0.baseAddress!)
    }
    return columns.withUnsafeBufferPointer { columns in
      zip(traits, estimates).enumerated().map { k, pair in
        let (trait, estimate) = pair
        let z = columns.baseAddress! + k * n
        var squared = 0.0
        sk_panel_products(z, 1, z, 1, Int64(n), &squared)
        let length = squared.squareRoot()
        for i in 0..<n { unit[trait * n + i] = z[i] / length }
        let s = estimate.quadraticForm
        return Outcome(
          trait: trait, estimate: estimate, ratio: s.squareRoot() / length, factor: s / length,
          refit: refits[k])
      }
    }
  }
}
