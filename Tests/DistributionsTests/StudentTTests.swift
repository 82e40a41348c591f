import Distributions
import Foundation
import TestSupport
import Testing

/// What the API promises: 1e-12 relative, and 1e-15 absolute near ln p = 0, where p itself is rounded at 1.
func agrees(_ value: Double, _ expected: Double, relative: Double = 1e-12) -> Bool {
  value == expected || abs(value - expected) <= relative * abs(expected) + 1e-15
}

@Suite struct StudentTTests {
  private struct Case {
    let nu: Double
    let t: Double
    let logP: Double
  }
  private let cases: [Case]

  init() throws {
    cases = try OracleTable("distributions/student_t.tsv").rows.map {
      Case(nu: $0.number("nu"), t: $0.number("t"), logP: $0.number("ln_two_sided_p"))
    }
  }

  @Test func tailsAgreeWithMpmath() {
    #expect(cases.count > 400)
    #expect(cases.contains { $0.logP < -99_000 })
    for c in cases {
      let distribution = StudentT(degreesOfFreedom: c.nu)
      let value = distribution.logTwoSidedP(t: c.t)
      #expect(agrees(value, c.logP), "ν \(c.nu), t \(c.t): \(value), not \(c.logP)")
      #expect(distribution.logTwoSidedP(t: -c.t) == value)
      #expect(agrees(distribution.logUpperP(t: c.t), c.logP - log(2)))
      #expect(agrees(distribution.logUpperP(t: -c.t), log1p(-exp(c.logP) / 2)), "ν \(c.nu), t \(-c.t)")
    }
  }

  @Test func quantilesInvertTheOracle() {
    for c in cases {
      let distribution = StudentT(degreesOfFreedom: c.nu)
      let t = distribution.quantile(logTwoSidedP: c.logP)
      #expect(abs(t / c.t - 1) < 1e-12, "ν \(c.nu), t \(c.t): \(t)")
      let r = StudentT.criticalCorrelation(logP: c.logP, degreesOfFreedom: c.nu, oneSided: false)
      #expect(abs(r * (1 + c.nu / c.t / c.t).squareRoot() - 1) < 1e-12, "ν \(c.nu), t \(c.t): r \(r)")
      let oneSided = StudentT.criticalCorrelation(
        logP: c.logP - log(2), degreesOfFreedom: c.nu, oneSided: true)
      // ln p − ln 2 rounds at 1e-16: where p is near 1 that is 1e-16 in t, hence in r √ν.
      #expect(abs(oneSided - r) <= 1e-12 * r + 1e-15, "ν \(c.nu), t \(c.t)")
    }
  }

  /// ν = 1 and 2 in closed form: an oracle that shares nothing with ours, dense in t.
  @Test func agreesWithClosedForms() {
    for k in -600...600 {
      let t = pow(10, Double(k) / 50)
      let cauchy = t < 1 ? log1p(-2 / .pi * atan(t)) : log(2 / .pi * atan(1 / t))
      #expect(agrees(StudentT(degreesOfFreedom: 1).logTwoSidedP(t: t), cauchy), "t \(t)")
      // p = 1 − |r|, without cancellation for large t.
      let r = t / (2 + t * t).squareRoot()
      let two = t < 1 ? log1p(-r) : log(2 / (2 + t * t) / (1 + r))
      #expect(agrees(StudentT(degreesOfFreedom: 2).logTwoSidedP(t: t), two), "t \(t)")
    }
  }

  /// ln p falls with t without a step where the series hands over to the continued fraction (r² = min(0.35, 10/ν)).
  @Test func isMonotoneWhereTheMethodsMeet() {
    for nu in [0.1, 1, 4, 9.5, 26, 28, 57, 1000, 1e6] {
      let distribution = StudentT(degreesOfFreedom: nu)
      let square = min(0.35, 10 / nu)
      var last = 0.0
      for step in -50...50 {
        // Steps of 1e-11 in r² change ln p by some 1e-12 at least (for ν = 0.1), above its error.
        let rSquared = square * (1 + Double(step) * 1e-11)
        let value = distribution.logTwoSidedP(oneMinusRSquared: 1 - rSquared, rSquared: rSquared)
        #expect(value < last, "ν \(nu), step \(step)")
        last = value
      }
    }
  }

  @Test func correlationEntryKeepsDigits() {
    // For ν = 2, p = 1 − |r|: about (1 − r²)/2 for r near 1, where 1 − r² cannot be had from r².
    let distribution = StudentT(degreesOfFreedom: 2)
    #expect(agrees(distribution.logTwoSidedP(oneMinusRSquared: 1e-20, rSquared: 1), log(0.5e-20)))
    // And ln p is −|r| − r²/2 for r = 1e-10.
    #expect(agrees(distribution.logTwoSidedP(oneMinusRSquared: 1, rSquared: 1e-20), -1e-10 - 0.5e-20))
  }

  @Test func edges() {
    let distribution = StudentT(degreesOfFreedom: 57)
    #expect(distribution.logTwoSidedP(t: 0) == 0)
    #expect(distribution.logTwoSidedP(t: .infinity) == -.infinity)
    #expect(distribution.logTwoSidedP(t: .nan).isNaN)
    #expect(distribution.logTwoSidedP(oneMinusRSquared: .nan, rSquared: 0.5).isNaN)
    #expect(distribution.logUpperP(t: -.infinity) == 0)
    #expect(distribution.logUpperP(t: .nan).isNaN)
    #expect(distribution.quantile(logTwoSidedP: 0) == 0)
    #expect(distribution.quantile(logTwoSidedP: -.infinity) == .infinity)
    #expect(distribution.quantile(logTwoSidedP: .nan).isNaN)
    #expect(StudentT.criticalCorrelation(logP: 0, degreesOfFreedom: 57, oneSided: false) == 0)
    #expect(StudentT.criticalCorrelation(logP: log(0.5), degreesOfFreedom: 57, oneSided: true) == 0)
    #expect(StudentT.criticalCorrelation(logP: -1e6, degreesOfFreedom: 1, oneSided: false) == 1)
  }

  /// The density is the derivative of the tail.
  @Test func densityIsTheSlope() {
    for nu in [1, 10, 367, 1e6] {
      let distribution = StudentT(degreesOfFreedom: nu)
      for t in [0.3, 1, 4, 20] {
        let h = 1e-5 * t
        let slope = (distribution.logUpperP(t: t + h) - distribution.logUpperP(t: t - h)) / (2 * h)
        let expected = -exp(distribution.logDensity(t) - distribution.logUpperP(t: t))
        // Central differences: 1e-15 |ln p|/h of rounding and h² of curvature.
        #expect(abs(slope / expected - 1) < 1e-8, "ν \(nu), t \(t)")
      }
    }
  }
}
