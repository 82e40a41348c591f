public import Distributions
internal import Glibc

/// Which values of a correlation r are as extreme as an observed one.
public enum Tail: String, Sendable, CaseIterable {
  /// |r| and more on either side: p = P(|T| ≥ |t|).
  case twoSided = "two-sided"
  /// r and more in the tested direction, r being signed that way: p = P(T ≥ t).
  case oneSided = "one-sided"

  /// The r that a best variant is chosen by.
  func extremity(_ r: Double) -> Double { self == .twoSided ? abs(r) : r }

  /// ln p of a correlation, signed in the tested direction; give 1 − r² as accurately as it is known.
  public func logP(r: Double, oneMinusRSquared: Double, under distribution: StudentT) -> Double {
    let twoSided = distribution.logTwoSidedP(oneMinusRSquared: oneMinusRSquared, rSquared: r * r)
    return self == .twoSided ? twoSided : oneSided(twoSided, isNegative: r < 0)
  }

  /// ln p of a t, signed in the tested direction.
  public func logP(t: Double, under distribution: StudentT) -> Double {
    self == .twoSided ? distribution.logTwoSidedP(t: t) : distribution.logUpperP(t: t)
  }

  /// The t with this ln p, signed in the tested direction.
  public func quantile(logP: Double, under distribution: StudentT) -> Double {
    if self == .twoSided { return distribution.quantile(logTwoSidedP: logP) }
    if logP <= -ln2 { return distribution.quantile(logTwoSidedP: logP + ln2) }
    return -distribution.quantile(logTwoSidedP: log1mexp(logP) + ln2)
  }

  private func oneSided(_ logTwoSided: Double, isNegative: Bool) -> Double {
    isNegative ? log1p(-exp(logTwoSided - ln2)) : logTwoSided - ln2
  }
}

/// ln(1 − eˣ), x ≤ 0.
func log1mexp(_ x: Double) -> Double { x > -ln2 ? log(-expm1(x)) : log1p(-exp(x)) }

private let ln2 = 0x1.62e42fefa39efp-1
