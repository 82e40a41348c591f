import Distributions
import Foundation
import MultipleTesting
import TestSupport
import Testing

@Suite struct GeneLevelTests {
  @Test func cutLiesBetweenTheNeighbours() throws {
    let logP = [0.001, 0.9, 0.01, 0.02, .nan, 0.3].map { log($0) }
    let logQ = [0.006, 0.9, 0.03, 0.04, .nan, 0.45].map { log($0) }
    let cut = try #require(GeneLevel.logCut(logP: logP, logQ: logQ, fdr: 0.05))
    // (0.02 + 0.3)/2, rounded a few times.
    #expect(abs(exp(cut) - 0.16) < 1e-15)
    #expect(GeneLevel.logCut(logP: logP, logQ: logQ, fdr: 0.04) == cut)
    #expect(GeneLevel.logCut(logP: logP, logQ: logQ, fdr: 0.001) == nil)
    #expect(GeneLevel.logCut(logP: logP, logQ: logQ, fdr: 0.95) == log(0.9))
    #expect(GeneLevel.logCut(logP: [], logQ: [], fdr: 0.05) == nil)
    // Far below double's range the mean is half the larger.
    #expect(GeneLevel.logCut(logP: [-3000, -2000], logQ: [-2990, -1], fdr: 0.05) == -2000 - log(2))
  }

  /// A variant right at a gene's nominal threshold has the cut as its beta-approximated p, on either side of the conversion.
  @Test(arguments: Tail.allCases) func thresholdsInvertTheApproximation(tail: Tail) throws {
    var random = SplitMix64(11)
    let nu = 40
    let maxima = (0..<400).map { _ in
      (0..<12).map { _ in random.normal() / 7 }.max { (tail == .twoSided ? abs($0) < abs($1) : $0 < $1) }
        ?? .nan
    }
    let fit = BetaApproximation(maxima: maxima, degreesOfFreedom: nu, tail: tail)
    #expect(fit.status == .ok)
    #expect(abs(fit.trueDegreesOfFreedom - Double(nu)) > 0.5)
    // One-sided, a cut of 0.9999 is a p above ½: an r below zero.
    for cut in [-2000, -690, -30, -3, -1e-1, -1e-4] {
      let threshold = fit.nominalLogThreshold(logGeneP: cut)
      let left = fit.nominalLogThreshold(logGeneP: cut, scale: .trueDegreesOfFreedom)
      let t = tail.quantile(logP: threshold, under: StudentT(degreesOfFreedom: Double(nu)))
      let rest = Double(nu) + t * t
      let found = fit.logP(r: t / rest.squareRoot(), oneMinusRSquared: Double(nu) / rest)
      // 1e-11 in ln p_beta and as much in its quantile; near p = 1 the tails cannot be told apart below 1e-15.
      #expect(abs(found.beta - cut) < 3e-11 * abs(cut) + 1e-14, "\(cut): \(found.beta)")
      #expect(abs(found.trueDegreesOfFreedom - left) < 3e-11 * abs(left) + 1e-14)
    }
  }
}
