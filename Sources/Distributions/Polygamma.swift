internal import CSpecialFunctions

/// The first two derivatives of ln Γ, for positive arguments; NaN for others.
///
/// - Accuracy: 1e-15 relative, or absolute near the zero of ψ.
public enum Polygamma {
  /// ψ(x).
  public static func digamma(_ x: Double) -> Double { csf_digamma(x) }

  /// ψ′(x).
  public static func trigamma(_ x: Double) -> Double { csf_trigamma(x) }

  /// ψ(x + h) − ψ(x), h ≥ 0, without the cancellation where h is small beside x.
  public static func digammaRise(from x: Double, by h: Double) -> Double { csf_digamma_rise(x, h) }

  /// ψ′(x + h) − ψ′(x), h ≥ 0, without the cancellation where h is small beside x.
  public static func trigammaRise(from x: Double, by h: Double) -> Double { csf_trigamma_rise(x, h) }
}
