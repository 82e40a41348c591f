internal import CSpecialFunctions
internal import Glibc

/// Student's t on the log scale, constants of ν worked out once.
///
/// P(|T| ≥ t) = I_x(ν/2, ½) with x = ν/(ν + t²) = 1 − r².
///
/// - Accuracy: 1e-12 relative in ln p down to ln p = −1e5 and below, against mpmath (tests); 2e-15 absolute near ln p = 0.
public struct StudentT: Sendable, Equatable {
  public let degreesOfFreedom: Double
  private let logBeta: Double

  /// - Precondition: ν > 0, not necessarily whole.
  public init(degreesOfFreedom: Double) {
    precondition(degreesOfFreedom > 0)
    self.degreesOfFreedom = degreesOfFreedom
    logBeta = csf_log_beta(degreesOfFreedom / 2, 0.5)
  }

  /// ln P(|T| ≥ |t|).
  public func logTwoSidedP(t: Double) -> Double {
    // Divide by the larger of ν and t² so that neither x nor 1 − x overflows or is rounded from the other.
    let ratio = t / degreesOfFreedom.squareRoot()
    if abs(ratio) > 1 {
      let inverse = 1 / ratio
      let square = inverse * inverse
      if square < 1e-290 {
        // x^(ν/2) from ln|t| alone: the square would underflow.
        let a = degreesOfFreedom / 2
        return a * -2 * log(abs(ratio)) - logBeta - log(a)
      }
      return logTwoSidedP(oneMinusRSquared: square / (1 + square), rSquared: 1 / (1 + square))
    }
    let square = ratio * ratio
    return logTwoSidedP(oneMinusRSquared: 1 / (1 + square), rSquared: square / (1 + square))
  }

  /// ln P(|T| ≥ |t|) for the t of a partial correlation r: t² = ν r²/(1 − r²).
  public func logTwoSidedP(oneMinusRSquared x: Double, rSquared y: Double) -> Double {
    csf_log_incomplete_beta(degreesOfFreedom / 2, 0.5, x, y, logBeta)
  }

  /// ln P(T ≥ t); the lower tail is `logUpperP(t: -t)`.
  public func logUpperP(t: Double) -> Double {
    let half = logTwoSidedP(t: t) - 0x1.62e42fefa39efp-1
    return t >= 0 ? half : log1p(-exp(half))
  }

  /// The t ≥ 0 with ln P(|T| ≥ t) = `logP`; infinite for −∞, 0 for 0.
  public func quantile(logTwoSidedP logP: Double) -> Double {
    if logP >= 0 { return 0 }
    if logP == -.infinity { return .infinity }
    // Newton on ln t, kept inside a bracket.
    var (low, high) = (-700.0, 1.0)
    while logTwoSidedP(t: exp(high)) > logP, high < 700 { high = high * 2 + 1 }
    var u = min(high, 0.5 * log(max(1e-300, -2 * logP)))
    for _ in 0..<200 {
      let t = exp(u)
      let value = logTwoSidedP(t: t)
      if value > logP { low = u } else { high = u }
      // d ln P/d ln t = −2 t f(t)/P.
      let slope = -2 * exp(logDensity(t) + u - value)
      var next = u - (value - logP) / slope
      if !(next > low && next < high) { next = (low + high) / 2 }
      if abs(next - u) <= 1e-15 * max(1, abs(u)) { return exp(next) }
      u = next
    }
    return exp(u)
  }

  /// ln of the density.
  public func logDensity(_ t: Double) -> Double {
    -logBeta - 0.5 * log(degreesOfFreedom) - (degreesOfFreedom + 1) / 2 * log1p(t / degreesOfFreedom * t)
  }

  /// r* = t*/√(ν + t*²): the least |r| (or r, when one-sided) whose ln p is at most `logP`; 0 when every r ≥ 0 qualifies.
  public static func criticalCorrelation(logP: Double, degreesOfFreedom: Double, oneSided: Bool) -> Double {
    let twoSided = oneSided ? logP + 0x1.62e42fefa39efp-1 : logP
    if twoSided >= 0 { return 0 }
    let t = StudentT(degreesOfFreedom: degreesOfFreedom).quantile(logTwoSidedP: twoSided)
    return t.isInfinite ? 1 : 1 / (1 + degreesOfFreedom / t / t).squareRoot()
  }
}
