internal import CSpecialFunctions
internal import Glibc

/// The standard normal distribution.
public enum Normal {
  /// Φ⁻¹(p): infinite at 0 and 1, NaN outside.
  public static func quantile(_ p: Double) -> Double { csf_normal_quantile(p) }

  /// ln P(Z ≥ z), however small; the lower tail is `logUpperP(-z)`.
  ///
  /// - Accuracy: 1e-12 relative, 1e-15 absolute near 0.
  public static func logUpperP(_ z: Double) -> Double {
    if z < 0 { return log1p(-0.5 * erfc(-z * 0.5.squareRoot())) }
    let ln2 = 0x1.62e42fefa39efp-1
    // Beyond 37 erfc underflows: ½ Q(½, z²/2) by its continued fraction.
    return z < 37 ? log(erfc(z * 0.5.squareRoot())) - ln2 : csf_log_gamma_q(0.5, z * z / 2) - ln2
  }
}
