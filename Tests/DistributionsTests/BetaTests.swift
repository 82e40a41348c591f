import Distributions
import Foundation
import TestSupport
import Testing

@Suite struct BetaTests {
  @Test func quantilesAgreeWithMpmath() throws {
    let rows = try OracleTable("distributions/beta_quantile/expected.tsv").rows
    #expect(rows.count > 500)
    #expect(rows.contains { $0.number("ln_p") < -690 && $0.number("shape1") == 0.1 })
    for row in rows {
      let (a, b) = (row.number("shape1"), row.number("shape2"))
      let (logX, logP) = (row.number("ln_x"), row.number("ln_p"))
      let name = "\(a) \(b) \(logX) \(logP)"
      let slope = row.number("slope")
      // The promise of logCDF, and ln x rounded at 1e-16, which moves ln p by its slope.
      let tolerance = 1e-11 * abs(logP) + 1e-15 + 4e-16 * slope * abs(logX)
      let value = Beta.logCDF(logX: logX, a, b)
      #expect(abs(value - logP) < tolerance, "\(name): ln p \(value)")
      let quantile = Beta.logQuantile(logP: logP, a, b)
      #expect(abs(quantile - logX) * slope < 2 * tolerance, "\(name): ln x \(quantile)")
    }
  }

  /// Beta(a, 1) and Beta(1, b) are powers.
  @Test func quantilesAgreeWithClosedForms() {
    for logP in [-1e5, -690.8, -30, -2, -0.7, -0.6, -1e-5, -1e-14] {
      for shape in [0.1, 0.9, 1, 7, 1e4, 1e5] {
        let power = Beta.logQuantile(logP: logP, shape, 1)
        // 1e-11 of ln p, and 1e-15 near p = 1, where ln p = −1e-14 has one digit left at worst.
        #expect(abs(power * shape - logP) <= 1e-11 * abs(logP) + 1e-15, "\(logP) \(shape): \(power)")
        // x = 1 − (1 − p)^(1/b); far below double's range p/b.
        let expected = logP < -690 ? logP - log(shape) : log(-expm1(log1p(-exp(logP)) / shape))
        let other = Beta.logQuantile(logP: logP, 1, shape)
        // Near p = 1 the expected value has lost its digits.
        if logP < -0.65 { #expect(agrees(other, expected, relative: 1e-11), "\(logP) \(shape): \(other)") }
      }
    }
  }

  @Test func edges() {
    #expect(Beta.logQuantile(logP: 0, 2, 3) == 0)
    #expect(Beta.logQuantile(logP: -.infinity, 2, 3) == -.infinity)
    #expect(Beta.logQuantile(logP: .nan, 2, 3).isNaN)
    #expect(Beta.logQuantile(logP: -1, 0, 3).isNaN)
    #expect(Beta.logQuantile(logP: -1, .nan, 3).isNaN)
    #expect(Beta.logCDF(logX: 0, 2, 3) == 0)
    #expect(Beta.logCDF(logX: -.infinity, 2, 3) == -.infinity)
    #expect(Beta.logCDF(logX: 0.1, 2, 3).isNaN)
    #expect(Beta.logCDF(logX: .nan, 2, 3).isNaN)
    #expect(Beta.logDensity(0, 1, 3) == log(3))
    #expect(Beta.logDensity(1, 3, 1) == log(3))
    #expect(Beta.logDensity(1.1, 3, 1).isNaN)
  }

  /// The density is the derivative of the distribution function.
  @Test func densityIsTheSlope() {
    for (a, b) in [(0.5, 0.5), (1.02, 57.3), (30, 2)] {
      for x in [0.01, 0.2, 0.7] {
        let h = 1e-5 * x
        let slope = (Beta.logCDF(x + h, a, b) - Beta.logCDF(x - h, a, b)) / (2 * h)
        let expected = exp(Beta.logDensity(x, a, b) - Beta.logCDF(x, a, b))
        // Central differences: rounding of ln p, 1e-15 |ln p|/h, and h² of curvature.
        #expect(abs(slope - expected) < 1e-8 * expected + 1e-9, "\(a) \(b) \(x)")
      }
    }
  }
}

@Suite struct PolygammaTests {
  @Test func knownValues() {
    let gamma = 0.57721566490153286
    #expect(agrees(Polygamma.digamma(1), -gamma))
    #expect(agrees(Polygamma.digamma(0.5), -gamma - 2 * log(2)))
    #expect(agrees(Polygamma.trigamma(1), .pi * .pi / 6))
    #expect(agrees(Polygamma.trigamma(0.5), .pi * .pi / 2))
    #expect(agrees(Polygamma.digammaRise(from: 1, by: 9), (1...9).reduce(0) { $0 + 1 / Double($1) }))
    #expect(Polygamma.digamma(0).isNaN)
    #expect(Polygamma.trigamma(-1).isNaN)
    #expect(Polygamma.digammaRise(from: 1, by: -1).isNaN)
    #expect(Polygamma.trigammaRise(from: .nan, by: 1).isNaN)
  }

  /// ψ(x + 1) = ψ(x) + 1/x, ψ′(x + 1) = ψ′(x) − 1/x², also where the terms of a difference of doubles would cancel.
  @Test func risesKeepDigits() {
    for x in [0.01, 0.3, 2, 40, 1e3, 1e5] {
      #expect(agrees(Polygamma.digammaRise(from: x, by: 1), 1 / x), "\(x)")
      // 1e-19 of ψ′(x) ≈ 1/x in extended precision is 1e-19 x of the result.
      #expect(agrees(Polygamma.trigammaRise(from: x, by: 1), -1 / (x * x)), "\(x)")
    }
  }
}
