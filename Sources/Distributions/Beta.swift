internal import CSpecialFunctions
internal import Glibc

/// The beta distribution, shapes > 0, on the log scale.
///
/// - Missing: NaN in, NaN out; NaN also for arguments outside the domain.
public enum Beta {
  /// ln P(X ≤ x), 0 ≤ x ≤ 1.
  ///
  /// - Accuracy: 1e-11 relative, 1e-15 absolute near 0.
  public static func logCDF(_ x: Double, _ shape1: Double, _ shape2: Double) -> Double {
    csf_log_incomplete_beta(shape1, shape2, x, 1 - x)
  }

  /// ln P(X ≤ x) for x = exp(`logX`), however small, and without cancellation in 1 − x for x near 1.
  public static func logCDF(logX: Double, _ shape1: Double, _ shape2: Double) -> Double {
    guard logX <= 0, shape1 > 0, shape2 > 0 else { return .nan }
    if logX < leastLog {
      // x^a/(a B(a, b)) is all there is: the next term is smaller by (b − 1) x.
      return shape1 * logX - log(shape1) - csf_log_beta(shape1, shape2)
    }
    return csf_log_incomplete_beta(shape1, shape2, exp(logX), -expm1(logX))
  }

  /// ln of the density at x, 0 ≤ x ≤ 1.
  public static func logDensity(_ x: Double, _ shape1: Double, _ shape2: Double) -> Double {
    guard x >= 0, x <= 1, shape1 > 0, shape2 > 0 else { return .nan }
    // A power of zero is one: 0 · ln 0 must not become NaN.
    let left = shape1 == 1 ? 0 : (shape1 - 1) * log(x)
    let right = shape2 == 1 ? 0 : (shape2 - 1) * log1p(-x)
    return left + right - csf_log_beta(shape1, shape2)
  }

  /// ln x of the x with ln P(X ≤ x) = `logP`: −∞ for p = 0, and 0 for p ≥ 1.
  ///
  /// - Accuracy: 1e-11 relative in p, that is in `logCDF(logX:)` of the result.
  /// - Complexity: about ten evaluations of the distribution function, twice as many for shapes of 1e5.
  public static func logQuantile(logP: Double, _ shape1: Double, _ shape2: Double) -> Double {
    guard shape1 > 0, shape2 > 0, !logP.isNaN else { return .nan }
    if logP >= 0 { return 0 }
    if logP == -.infinity { return -.infinity }
    // From the nearer end: the other one's logarithm is flat there.
    if logP > -ln2 { return logSigmoid(-logit(logP: log(-expm1(logP)), shape2, shape1)) }
    return logSigmoid(logit(logP: logP, shape1, shape2))
  }

  /// w = ln(x/(1 − x)) of a quantile.
  private static func logit(logP: Double, _ a: Double, _ b: Double) -> Double {
    let logBeta = csf_log_beta(a, b)
    // The density of w, x^a (1 − x)^b/B, is log-concave, hence so is its distribution function: Newton ascends to the
    // root from the left, and where the asymptote x^a/(a B), a tangent, has the value, it is left of the root.
    var w = (logP + log(a) + logBeta) / a
    for _ in 0..<200 {
      let (logX, logY) = (logSigmoid(w), logSigmoid(-w))
      let value =
        logX < leastLog ? a * logX - log(a) - logBeta : csf_log_incomplete_beta(a, b, exp(logX), exp(logY))
      let step = (logP - value) / exp(a * logX + b * logY - logBeta - value)
      // A step back is rounding: we are there.
      if !(step > 0) { break }
      w += step
      // Quadratic: what is left is far below a double.
      if step <= 1e-11 * max(1, abs(w)) { break }
    }
    return w
  }

  /// −ln(1 + e^−w).
  private static func logSigmoid(_ w: Double) -> Double { w < 0 ? w - log1p(exp(w)) : -log1p(exp(-w)) }

  /// ln of what is trusted to be far from underflow.
  private static let leastLog = -667.0
}

private let ln2 = 0x1.62e42fefa39efp-1
