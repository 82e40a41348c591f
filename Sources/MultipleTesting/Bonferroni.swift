internal import Glibc

/// Bonferroni's bound.
public enum Bonferroni {
  /// ln min(1, p·`testCount`); NaN for NaN.
  public static func logP(_ lnP: Double, testCount: Int) -> Double {
    let bound = lnP + log(Double(testCount))
    return bound > 0 ? 0 : bound
  }
}
