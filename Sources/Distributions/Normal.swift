internal import CSpecialFunctions

/// The standard normal distribution.
public enum Normal {
  /// Φ⁻¹(p).
  public static func quantile(_ p: Double) -> Double { csf_normal_quantile(p) }
}
