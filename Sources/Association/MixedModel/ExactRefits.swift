internal import MixedModels

/// What all pairs share that are fitted with an h² of their own (``MixedModelOptions/refitsExactly``).
struct RefitModel: Sendable {
  struct Components: Sendable {
    /// For Wald's test, and for that of the likelihood ratio.
    let reml: VarianceComponents
    let ml: VarianceComponents
  }

  /// A trait of length 1, and by ML its log-likelihood without a variant.
  struct Trait: Sendable {
    /// y' = U'ỹ.
    let rotated: [Double]
    let logLikelihood: Double

    init(rotated: [Double], _ components: Components) {
      self.rotated = rotated
      logLikelihood = components.ml.estimate(rotated: rotated).logLikelihood
    }
  }

  /// By pattern of missing samples; nil where it has no trait.
  let components: [Components?]
  let traits: [Trait]
  /// ‖My‖.
  let lengths: [Double]
}

/// Fits pairs anew; holds scratch, so each worker has its own.
struct ExactRefits {
  private let model: RefitModel
  /// By pattern, made when first needed.
  private var fits: [(wald: PairRefit, ratio: PairRefit)?]

  init(_ model: RefitModel) {
    self.model = model
    fits = model.components.map { _ in nil }
  }

  /// - Parameters:
  ///   - row: of the trait and the variant, by the model without the variant.
  ///   - variant: g' = U'g, as many numbers as y' has.
  ///   - logP: ln p of a t.
  /// - Returns: the row of the pair's own fit.
  mutating func refitted(
    _ row: PairRow, trait: Int, pattern: Int, variant: UnsafePointer<Double>, logP: (_ t: Double) -> Double
  ) -> PairRow {
    if fits[pattern] == nil {
      fits[pattern] = model.components[pattern].map { (PairRefit($0.reml), PairRefit($0.ml)) }
    }
    let (own, length) = (model.traits[trait], model.lengths[trait])
    let found = own.rotated.withUnsafeBufferPointer { y in
      let g = UnsafeBufferPointer(start: variant, count: y.count)
      return (fits[pattern]?.wald.fit(trait: y, variant: g), fits[pattern]?.ratio.fit(trait: y, variant: g))
    }
    guard let wald = found.0, let ratio = found.1 else { return row }
    let nu = Double(wald.degreesOfFreedom)
    // As for other rows, t of a perfect fit is the least that rounding leaves certain.
    let floor = Double(row.n) * Double.ulpOfOne * Double(row.n) * Double.ulpOfOne
    let t = min(abs(wald.t), (nu * (1 - floor) / floor).squareRoot())
    var row = row
    row.isPerfectFit = t < abs(wald.t)
    row.beta = wald.beta * length
    row.standardError = abs(row.beta) / t
    if !row.isPerfectFit { row.standardError = wald.standardError * length }
    row.t = wald.beta < 0 ? -t : t
    row.degreesOfFreedom = wald.degreesOfFreedom
    row.r2 = t * t / (t * t + nu)
    row.logP = logP(row.t)
    row.exactFit = PairRow.ExactFit(
      heritability: wald.heritability, logRatioP: ratio.logLikelihoodRatioP(null: own.logLikelihood))
    return row
  }
}
