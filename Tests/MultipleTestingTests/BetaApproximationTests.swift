import Distributions
import Foundation
import MultipleTesting
import TestSupport
import Testing

@Suite struct BetaApproximationTests {
  private func close(_ value: Double, _ expected: Double, _ relative: Double) -> Bool {
    abs(value - expected) <= relative * abs(expected)
  }

  @Test func agreesWithR() throws {
    let copies = Dictionary(
      grouping: try OracleTable("multiple_testing/beta_approximation/maxima.tsv").rows
    ) { $0.text("case") }.mapValues { $0.map { $0.number("r") } }
    let looks = try OracleTable("multiple_testing/beta_approximation/lookups.tsv").rows
    let cases = try OracleTable("multiple_testing/beta_approximation/expected.tsv").rows
    #expect(cases.count == 7)
    for row in cases {
      let name = row.text("case")
      let maxima = try #require(copies[name])
      let tail = try #require(Tail(rawValue: row.text("tail")))
      let fit = BetaApproximation(
        maxima: maxima, degreesOfFreedom: Int(row.number("nominal")), tail: tail)
      #expect(fit.status == .ok)
      #expect(fit.copyCount == maxima.count && fit.missingCount == 0)
      // R's pt is good to 1e-13 or so and its root search to 1e-13 in ln ν.
      #expect(close(fit.trueDegreesOfFreedom, row.number("true_df"), 1e-10), "\(name): \(fit)")
      // Its BFGS stops where the gradient is below 1e-7.
      #expect(close(fit.shape1, row.number("shape1"), 1e-6), "\(name): \(fit)")
      #expect(close(fit.shape2, row.number("shape2"), 1e-6), "\(name): \(fit)")
      for look in looks where look.text("case") == name {
        let r = look.number("r")
        let logP = fit.logP(r: r, oneMinusRSquared: (1 - r) * (1 + r))
        #expect(close(logP.trueDegreesOfFreedom, look.number("ln_p_true_df"), 1e-9), "\(name) \(r): \(logP)")
        #expect(close(logP.beta, look.number("ln_p_beta"), 1e-6), "\(name) \(r): \(logP)")
        let nominal = fit.nominalLogThreshold(logGeneP: logP.beta)
        #expect(close(nominal, look.number("ln_p_nominal"), 1e-9), "\(name) \(r): \(nominal)")
        let empirical = BetaApproximation.empiricalLogP(r: r, maxima: maxima, tail: tail)
        #expect(close(exp(empirical), look.number("p_empirical"), 1e-14), "\(name) \(r)")
      }
    }
  }

  /// Maxima over `tests` independent variants.
  private func simulated(
    _ copies: Int, tests: Int, degreesOfFreedom nu: Double, seed: UInt64, tail: Tail = .twoSided
  ) -> [Double] {
    var random = SplitMix64(seed)
    let distribution = StudentT(degreesOfFreedom: nu)
    return (0..<copies).map { _ in
      // The least of so many uniform p.
      let logP = log(-expm1(log(1 - random.uniform()) / Double(tests)))
      let t = tail.quantile(logP: logP, under: distribution)
      return t / (nu + t * t).squareRoot()
    }
  }

  /// The defining equations, each p evaluated by itself: the quadrature is worth 1e-10.
  @Test(arguments: [
    (tests: 1, nu: 1, copies: 2000), (1, 57, 1000), (3, 2, 3000), (10, 5, 10_000), (400, 9, 1000),
    (2000, 367, 10_000),
    (30_000, 49_998, 1000), (2, 1, 100_000), (1000, 1, 1000),
  ]) func solvesItsEquations(tests: Int, nu: Int, copies: Int) {
    for tail in Tail.allCases {
      let maxima = simulated(
        copies, tests: tests, degreesOfFreedom: Double(nu), seed: UInt64(tests + nu), tail: tail)
      let fit = BetaApproximation(maxima: maxima, degreesOfFreedom: nu, tail: tail)
      #expect(fit.status == .ok, "\(fit)")
      // The truth: Beta(1, tests) on ν. Five standard errors of ν, whose relative one is some 2/√copies.
      #expect(close(fit.trueDegreesOfFreedom, Double(nu), 10 / Double(copies).squareRoot()), "\(fit)")
      let distribution = StudentT(degreesOfFreedom: fit.trueDegreesOfFreedom)
      let logP = maxima.map { tail.logP(r: $0, oneMinusRSquared: (1 - $0) * (1 + $0), under: distribution) }
      let p = logP.map { exp($0) }
      let count = Double(copies)
      let mean = p.reduce(0, +) / count
      let variance = p.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      #expect(abs(mean * (mean * (1 - mean) / variance - 1) - 1) < 1e-9, "\(fit)")
      // The score equations, to the rounding of sums of logarithms.
      let sum = Polygamma.digamma(fit.shape1 + fit.shape2)
      let meanLogP = logP.reduce(0, +) / count
      #expect(close(Polygamma.digamma(fit.shape1) - sum, meanLogP, 1e-9), "\(fit)")
      let meanLog1mP = logP.reduce(0) { $0 + log(-expm1($1)) } / count
      // digamma of doubles of some 10 cancels to 1e-15.
      #expect(
        abs(Polygamma.digamma(fit.shape2) - sum - meanLog1mP) < 1e-8 * abs(meanLog1mP) + 1e-14, "\(fit)")
    }
  }

  @Test func orderAndMissingCopiesDoNotMatter() {
    let maxima = simulated(5000, tests: 300, degreesOfFreedom: 90, seed: 3)
    let fit = BetaApproximation(maxima: maxima, degreesOfFreedom: 100)
    var random = SplitMix64(8)
    let shuffled = BetaApproximation(maxima: maxima.shuffled(using: &random), degreesOfFreedom: 100)
    #expect(shuffled == fit)
    let signed = BetaApproximation(
      maxima: maxima.map { random.bernoulli(0.5) ? -$0 : $0 }, degreesOfFreedom: 100)
    #expect(signed == fit)
    let holes = BetaApproximation(maxima: [.nan] + maxima + [.nan, .nan], degreesOfFreedom: 100)
    #expect(holes.missingCount == 3 && holes.copyCount == 5000)
    #expect(holes.shape1 == fit.shape1 && holes.shape2 == fit.shape2)
    #expect(holes.trueDegreesOfFreedom == fit.trueDegreesOfFreedom)
  }

  @Test func reportsWhereThereIsNoFit() {
    func status(_ maxima: [Double], _ nu: Int = 30, _ tail: Tail = .twoSided) -> BetaApproximation {
      BetaApproximation(maxima: maxima, degreesOfFreedom: nu, tail: tail)
    }
    #expect(status([]).status == .tooFewCopies)
    #expect(status([Double](repeating: .nan, count: 100)).status == .tooFewCopies)
    #expect(status([0.1, 0.2, 0.3, 0.25, 0.4, 0.11, 0.3, 0.2, 0.5]).status == .tooFewCopies)
    for value in [0.0, 0.3, 1] {
      #expect(status([Double](repeating: value, count: 50)).status == .noSpread)
    }
    // Nearly equal: shape1 would be 1e12.
    let narrow = status((0..<50).map { 0.3 + 1e-9 * Double($0) })
    #expect(narrow.status == .failed)
    #expect(narrow.shape1.isNaN && narrow.shape2.isNaN && narrow.trueDegreesOfFreedom.isNaN)
    #expect(narrow.logP(r: 0.5, oneMinusRSquared: 0.75).beta.isNaN)
    #expect(narrow.nominalLogThreshold(logGeneP: -3).isNaN)
    for status in BetaApproximation.Status.allCases {
      #expect(status.hasFit == !["too-few", "no-spread", "failed"].contains(status.rawValue))
    }
  }

  /// Whatever comes, numbers are finite exactly where the status says that there is a fit.
  @Test func standsExtremes() {
    let ordinary = simulated(200, tests: 20, degreesOfFreedom: 9, seed: 5)
    let sets: [[Double]] = [
      ordinary + [0], ordinary + [1], ordinary + [0, 1, -1], ordinary + [1 + 1e-15],
      [Double](repeating: 0.2, count: 99) + [0.9], [Double](repeating: 1, count: 30) + [0.5],
      [Double](repeating: 0, count: 30) + [1], (0..<40).map { Double($0 % 2) },
      (0..<40).map { Double($0 % 3) / 2 },
      (0..<10).map { Double($0) / 10 }, ordinary.map { $0 * 1e-9 }, ordinary.map { 1 - 1e-12 * $0 },
    ]
    for maxima in sets {
      for nu in [1, 2, 5, 30, 367, 100_000] {
        for tail in Tail.allCases {
          let fit = BetaApproximation(maxima: maxima, degreesOfFreedom: nu, tail: tail)
          let values = [
            fit.shape1, fit.shape2, fit.trueDegreesOfFreedom, fit.logP(r: 0.3, oneMinusRSquared: 0.91).beta,
            fit.nominalLogThreshold(logGeneP: -3),
          ]
          #expect(values.allSatisfy { $0.isFinite == fit.status.hasFit }, "\(maxima.suffix(3)) \(nu): \(fit)")
          #expect(!fit.status.hasFit || (0.1...10).contains(fit.shape1) && (0.1...1e6).contains(fit.shape2))
        }
      }
    }
  }

  @Test func empiricalP() {
    let maxima = [0.1, -0.4, 0.3, .nan, 0.2]
    #expect(BetaApproximation.empiricalLogP(r: 0.3, maxima: maxima) == log(3 / 5.0))
    #expect(BetaApproximation.empiricalLogP(r: -0.35, maxima: maxima) == log(2 / 5.0))
    #expect(BetaApproximation.empiricalLogP(r: 0.3, maxima: maxima, tail: .oneSided) == log(2 / 5.0))
    #expect(BetaApproximation.empiricalLogP(r: -0.5, maxima: maxima, tail: .oneSided) == 0)
    #expect(BetaApproximation.empiricalLogP(r: 0.9, maxima: []) == 0)
    #expect(BetaApproximation.empiricalLogP(r: .nan, maxima: maxima).isNaN)
  }
}
