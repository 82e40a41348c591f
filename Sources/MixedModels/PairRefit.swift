internal import CScanKernels
internal import Distributions
internal import Glibc

/// The mixed model of one trait and one variant, its own h² estimated with the variant in the model: y ~ W + g.
public struct PairFit: Sendable, Equatable {
  public var heritability: Double
  public var beta: Double
  public var standardError: Double
  /// n − q − 1.
  public var degreesOfFreedom: Int
  /// REML with +½ln|(W g)'(W g)|.
  public var logLikelihood: Double

  public var t: Double { beta / standardError }
  /// ln p of β = 0 by Student's t (GEMMA's p_wald).
  public var logWaldP: Double {
    StudentT(degreesOfFreedom: Double(degreesOfFreedom)).logTwoSidedP(t: t)
  }

  /// ln p of β = 0 by χ²₁ (GEMMA's p_lrt), for fits by ML.
  ///
  /// - Parameter null: the log-likelihood of the trait without the variant, by ML.
  public func logLikelihoodRatioP(null: Double) -> Double {
    ChiSquared.logUpperP(max(0, 2 * (logLikelihood - null)), degreesOfFreedom: 1)
  }
}

/// Estimates pairs anew, exactly: the fit at the trait's own h² keeps that of the model without the variant.
///
/// In y' = U'y and g' = U'g all is made of s_ab = Σ a'ᵢb'ᵢ/dᵢ: P = s_yy − s_gy²/s_gg, and −2·ln L is (N − 1)·ln P + Σ ln d + ln s_gg for
/// REML (N = n − q), n·ln P + Σ ln d over all n for ML.
///
/// - Complexity: about 50 triple sums over n − q a pair; no allocation.
/// - Source: Zhou & Stephens 2012, doi:10.1038/ng.2310.
public struct PairRefit {
  private let components: VarianceComponents
  private var yy: [Double]
  private var gy: [Double]
  private var gg: [Double]

  /// - Parameter components: REML for Wald's test, ML for that of the likelihood ratio.
  public init(_ components: VarianceComponents) {
    self.components = components
    yy = [Double](repeating: 0, count: components.excess.count)
    gy = yy
    gg = yy
  }

  /// - Parameters:
  ///   - trait: y' = U'y, n − q numbers.
  ///   - variant: g' = U'g, n − q numbers.
  /// - Returns: nil where the covariates leave nothing of one of them, or no degree of freedom.
  public mutating func fit(
    trait: UnsafeBufferPointer<Double>, variant: UnsafeBufferPointer<Double>
  ) -> PairFit? {
    let count = yy.count
    precondition(trait.count == count && variant.count == count)
    for i in 0..<count {
      yy[i] = trait[i] * trait[i]
      gy[i] = variant[i] * trait[i]
      gg[i] = variant[i] * variant[i]
    }
    let length = sk_spectral_sum(gg, components.excess, Int64(count), 0)
    guard count > 1, length > 0, sk_spectral_sum(yy, components.excess, Int64(count), 0) > 0 else {
      return nil
    }
    let isRestricted = components.likelihood == .reml
    let determinant = components.determinant
    let weight = determinant.count - (isRestricted ? 1 : 0)
    let h = components.search.minimum(
      slope: {
        let sums = Sums(yy, gy, gg, components.excess, components.search.grid[$0])
        return weight * sums.residual.first / sums.residual.value + determinant.slopes[$0]
          + (isRestricted ? sums.logLength.first : 0)
      },
      derivatives: {
        let sums = Sums(yy, gy, gg, components.excess, $0)
        let (residual, length) = (sums.residual, sums.logLength)
        let slope = residual.first / residual.value
        let ofDeterminant = determinant.derivatives($0)
        return (
          weight * slope + ofDeterminant.first + (isRestricted ? length.first : 0),
          weight * (residual.second / residual.value - slope * slope) + ofDeterminant.second
            + (isRestricted ? length.second : 0)
        )
      },
      value: {
        let sums = Sums(yy, gy, gg, components.excess, $0)
        return weight * log(sums.residual.value) + determinant.value($0)
          + (isRestricted ? log(sums.g.zeroth) : 0)
      })
    let sums = Sums(yy, gy, gg, components.excess, h)
    let beta = sums.y.zeroth / sums.g.zeroth
    // From the residual itself: s_yy − s_gy²/s_gg cancels where the variant explains nearly all.
    for i in 0..<count {
      let e = trait[i] - beta * variant[i]
      yy[i] = e * e
    }
    // Above 0, so that a perfect fit has a likelihood.
    let residual = max(sk_spectral_sum(yy, components.excess, Int64(count), h), .leastNormalMagnitude)
    let constant = weight * (log(2 * .pi / weight) + 1)
    let value =
      weight * log(residual) + determinant.value(h) + (isRestricted ? log(sums.g.zeroth) - log(length) : 0)
    return PairFit(
      heritability: h, beta: beta,
      standardError: (residual / Double(count - 1) / sums.g.zeroth).squareRoot(),
      degreesOfFreedom: count - 1, logLikelihood: -0.5 * (value + constant))
  }
}

/// s_gy, s_gg and P at one h, with their derivatives.
private struct Sums {
  let y: SpectralSums
  let g: SpectralSums
  let residual: (value: Double, first: Double, second: Double)

  @inline(__always)
  init(_ yy: [Double], _ gy: [Double], _ gg: [Double], _ excess: [Double], _ h: Double) {
    let total = SpectralSums(yy, excess, h)
    y = SpectralSums(gy, excess, h)
    g = SpectralSums(gg, excess, h)
    let beta = y.zeroth / g.zeroth
    // s_gy' − β·s_gg', which is s_gg·β'.
    let change = beta * g.first - y.first
    residual = (
      // Of a perfect fit rounding is left, of either sign.
      max(total.zeroth - beta * y.zeroth, 1e-15 * total.zeroth),
      -total.first + beta * (2 * y.first - beta * g.first),
      2 * (total.second - beta * (2 * y.second - beta * g.second)) - 2 * change * change / g.zeroth
    )
  }

  /// Of ln s_gg.
  var logLength: (first: Double, second: Double) {
    let slope = -g.first / g.zeroth
    return (slope, 2 * g.second / g.zeroth - slope * slope)
  }
}
