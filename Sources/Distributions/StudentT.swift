internal import CSpecialFunctions
internal import Glibc

/// Student's t on the log scale, constants of ν worked out once: an evaluation takes some hundred nanoseconds.
///
/// P(|T| ≥ t) = I_x(ν/2, ½) with x = ν/(ν + t²) = 1 − r², r being the (partial) correlation behind t.
///
/// - Accuracy: 1e-12 relative in ln p (1e-15 absolute near ln p = 0) down to ln p = −1e5 and beyond, for ν of 1…1e7,
///   fractional ones included.
/// - Missing: NaN in, NaN out.
public struct StudentT: Sendable, Equatable {
  public let degreesOfFreedom: Double
  /// ln B(ν/2, ½) and 1/B(ν/2, ½).
  private let logBeta: Double
  private let inverseBeta: Double

  /// - Precondition: 0 < ν < ∞, not necessarily whole.
  public init(degreesOfFreedom: Double) {
    precondition(degreesOfFreedom > 0 && degreesOfFreedom.isFinite)
    self.degreesOfFreedom = degreesOfFreedom
    logBeta = csf_log_beta(degreesOfFreedom / 2, 0.5)
    inverseBeta = exp(-logBeta)
  }

  /// ln P(|T| ≥ |t|).
  public func logTwoSidedP(t: Double) -> Double {
    let shares = Shares(t: t, degreesOfFreedom)
    if shares.unexplained < 1e-290 {
      // x underflows: the leading term x^(ν/2)/(ν/2 B) is all there is.
      let a = degreesOfFreedom / 2
      return a * (log(degreesOfFreedom) - 2 * log(abs(t))) - logBeta - log(a)
    }
    return logTwoSidedP(oneMinusRSquared: shares.unexplained, rSquared: shares.explained)
  }

  /// ln P(|T| ≥ |t|) for the t of a correlation r, t² = ν r²/(1 − r²), without the cancellation in 1 − r² (or in r²):
  /// give both as accurately as they are known.
  public func logTwoSidedP(oneMinusRSquared: Double, rSquared: Double) -> Double {
    csf_log_t_tail(degreesOfFreedom / 2, oneMinusRSquared, rSquared, logBeta, inverseBeta)
  }

  /// ln P(T ≥ t); the lower tail is `logUpperP(t: -t)`.
  public func logUpperP(t: Double) -> Double {
    let half = logTwoSidedP(t: t) - ln2
    return t < 0 ? log1p(-exp(half)) : half
  }

  /// ln of the density.
  public func logDensity(_ t: Double) -> Double {
    let shares = Shares(t: t, degreesOfFreedom)
    return (degreesOfFreedom + 1) / 2 * shares.logUnexplained - logBeta - 0.5 * log(degreesOfFreedom)
  }

  /// The t ≥ 0 with ln P(|T| ≥ t) = `logP`, to 1e-12 relative: 0 for ln p ≥ 0, infinite where t overflows.
  ///
  /// - Complexity: about six evaluations.
  public func quantile(logTwoSidedP logP: Double) -> Double {
    if !(logP < 0) { return logP.isNaN ? .nan : 0 }
    var u = firstLogT(logP)
    // Newton on u = ln t. ln P is concave and falls, so after the first step u descends to the root: no bracket.
    for _ in 0..<100 {
      let t = exp(u)
      if t == 0 || t.isInfinite { return t }
      let value = logTwoSidedP(t: t)
      let shares = Shares(t: t, degreesOfFreedom)
      // −d ln P/du = 2 t f(t)/P, with t f(t) = |r| (1 − r²)^(ν/2)/B.
      let slope =
        exp(ln2 + degreesOfFreedom / 2 * shares.logUnexplained - logBeta - value)
        * shares.explained.squareRoot()
      let step = (value - logP) / slope
      u += step
      if abs(step) < 1e-14 * max(1, abs(u)) { break }
    }
    return exp(u)
  }

  /// ln t to start from: a little left of the root for large p, right of it for small p.
  private func firstLogT(_ logP: Double) -> Double {
    let halfLogNu = 0.5 * log(degreesOfFreedom)
    if logP > -ln2 {
      // 1 − P ≤ 2 t f(0), f(0) = 1/(B√ν).
      return log(-expm1(logP) / 2) + logBeta + halfLogNu
    }
    // P ≤ x^(ν/2), hence t² ≤ ν (exp(−2 ln P/ν) − 1).
    let z = -2 * logP / degreesOfFreedom
    return halfLogNu + 0.5 * (z < 30 ? log(expm1(z)) : z)
  }

  /// r* = t*/√(ν + t*²), to 1e-12 relative: the least |r| (or r, when one-sided) with a ln p of at most `logP`.
  ///
  /// 0 when every r ≥ 0 qualifies (p ≥ 1, one-sided ½); 1 when none below does.
  public static func criticalCorrelation(logP: Double, degreesOfFreedom: Double, oneSided: Bool) -> Double {
    let distribution = StudentT(degreesOfFreedom: degreesOfFreedom)
    let t = distribution.quantile(logTwoSidedP: oneSided ? logP + ln2 : logP)
    if t.isInfinite { return 1 }
    let ratio = t / degreesOfFreedom.squareRoot()
    return ratio / hypot(1, ratio)
  }
}

private let ln2 = 0x1.62e42fefa39efp-1

/// 1 − r² and r² of a t, neither rounded from the other.
private struct Shares {
  let unexplained: Double
  let explained: Double

  init(t: Double, _ degreesOfFreedom: Double) {
    // Divide by the larger of √ν and |t| so that no square overflows.
    let root = degreesOfFreedom.squareRoot()
    if abs(t) > root {
      let square = (root / t) * (root / t)
      (unexplained, explained) = (square / (1 + square), 1 / (1 + square))
    } else {
      let square = (t / root) * (t / root)
      (unexplained, explained) = (1 / (1 + square), square / (1 + square))
    }
  }

  var logUnexplained: Double { explained < 0.5 ? log1p(-explained) : log(unexplained) }
}
