internal import CSpecialFunctions

// Tails as ln p, by Boost.Math within double's range and by continued fractions below it.
// Accuracy: 1e-11 relative in ln p, 1e-15 absolute near 0. NaN for arguments outside the domain.

/// χ² with k degrees of freedom.
public enum ChiSquared {
  /// ln P(X ≥ x), x ≥ 0, k > 0.
  public static func logUpperP(_ x: Double, degreesOfFreedom k: Double) -> Double {
    csf_log_gamma_q(k / 2, x / 2)
  }
}

/// The F distribution.
public enum FDistribution {
  /// ln P(F ≥ f), f ≥ 0, with `numerator` and `denominator` degrees of freedom, both > 0.
  public static func logUpperP(_ f: Double, numerator: Double, denominator: Double) -> Double {
    // x = d₂/(d₂ + d₁ f) and its complement, divided by the larger term so that neither overflows.
    let ratio = numerator / denominator * f
    let (x, y) =
      ratio > 1 ? (1 / ratio / (1 + 1 / ratio), 1 / (1 + 1 / ratio)) : (1 / (1 + ratio), ratio / (1 + ratio))
    return csf_log_incomplete_beta(denominator / 2, numerator / 2, x, y)
  }
}
