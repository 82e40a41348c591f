import Distributions
import Foundation
import TestSupport
import Testing

@Suite struct TailTests {
  @Test func agreeWithMpmath() throws {
    let rows = try OracleTable("distributions/tails.tsv").rows
    #expect(Set(rows.map { $0.text("distribution") }) == ["normal", "chi-squared", "f", "beta"])
    for row in rows {
      let (x, a, b) = (row.number("x"), row.number("parameter1"), row.number("parameter2"))
      let value =
        switch row.text("distribution") {
        case "normal": Normal.logUpperP(x)
        case "chi-squared": ChiSquared.logUpperP(x, degreesOfFreedom: a)
        case "f": FDistribution.logUpperP(x, numerator: a, denominator: b)
        default: Beta.logCDF(x, a, b)
        }
      let expected = row.number("ln_p")
      // 1e-11 as documented: below double's range ln p is a difference of terms some times larger.
      #expect(
        agrees(value, expected, relative: 1e-11),
        "\(row.text("distribution")) \(x) \(a) \(b): \(value), not \(expected)")
    }
  }

  /// An F with one numerator degree of freedom is a squared t; a χ² with one a squared normal: other code, same number.
  @Test func agreeWithEachOther() {
    for t in [1e-5, 0.3, 1, 2.9, 3.4, 12, 40, 900] {
      for nu in [1, 14.5, 367] {
        let expected = StudentT(degreesOfFreedom: nu).logTwoSidedP(t: t)
        #expect(
          agrees(FDistribution.logUpperP(t * t, numerator: 1, denominator: nu), expected, relative: 1e-11))
      }
      let expected = Normal.logUpperP(t) + log(2)
      #expect(agrees(ChiSquared.logUpperP(t * t, degreesOfFreedom: 1), expected, relative: 1e-11), "z \(t)")
    }
  }

  @Test func normalQuantileInvertsTheTail() {
    for z in [-37, -8, -3, -0.5, -1e-8, 0] {
      let p = exp(Normal.logUpperP(-z))
      // p rounds at 1e-16 and exp multiplies the error of ln p by |ln p|; z moves by that over |z|.
      #expect(abs(Normal.quantile(p) - z) < 1e-14 * max(1, abs(z)), "z \(z)")
    }
    #expect(abs(Normal.quantile(0.975) - 1.959963984540054) < 1e-15)
    #expect(Normal.quantile(0.25) == -Normal.quantile(0.75))
    #expect(Normal.quantile(0) == -.infinity)
    #expect(Normal.quantile(1) == .infinity)
    #expect(Normal.quantile(1.5).isNaN)
    #expect(Normal.quantile(.nan).isNaN)
  }

  @Test func outsideTheDomainIsNaN() {
    #expect(ChiSquared.logUpperP(-1, degreesOfFreedom: 3).isNaN)
    #expect(ChiSquared.logUpperP(1, degreesOfFreedom: 0).isNaN)
    #expect(FDistribution.logUpperP(-0.1, numerator: 1, denominator: 5).isNaN)
    #expect(Beta.logCDF(1.1, 2, 3).isNaN)
    #expect(Beta.logCDF(.nan, 2, 3).isNaN)
    #expect(Normal.logUpperP(.nan).isNaN)
    #expect(Normal.logUpperP(.infinity) == -.infinity)
    #expect(FDistribution.logUpperP(.infinity, numerator: 1, denominator: 5) == -.infinity)
    #expect(ChiSquared.logUpperP(.infinity, degreesOfFreedom: 2) == -.infinity)
  }
}
