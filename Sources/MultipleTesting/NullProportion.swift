internal import Glibc

/// Storey's estimate of π₀, the share of tests whose null hypothesis holds: #{p > λ}/((1 − λ) m).
///
/// It needs all tests or a random sample of them: on a list cut at some p it means nothing.
/// - Source: Storey 2002, doi:10.1111/1467-9868.00346.
public struct NullProportion: Sendable, Equatable {
  /// Not capped: a value above 1 by more than the error says that p is not uniform under the null. NaN without tests.
  public let estimate: Double
  /// Binomial, as if the tests were independent; linkage and correlated traits make the true one larger.
  public let standardError: Double
  public let lambda: Double
  /// Tests that the estimate rests on.
  public let sampleSize: Int

  /// From the number of tests with p > λ, e.g. out of a histogram.
  ///
  /// - Precondition: 0 ≤ λ < 1.
  public init(above: Int, sampleSize: Int, lambda: Double) {
    precondition(lambda >= 0 && lambda < 1)
    let share = Double(above) / Double(sampleSize)
    estimate = share / (1 - lambda)
    standardError = (share * (1 - share) / Double(sampleSize)).squareRoot() / (1 - lambda)
    self.lambda = lambda
    self.sampleSize = sampleSize
  }

  /// From ln p of all tests or of a random sample, in any order; NaN is left out.
  public init(logP: [Double], lambda: Double = 0.5) {
    let cut = log(lambda)
    var (above, tests) = (0, 0)
    for value in logP where !value.isNaN {
      tests += 1
      if value > cut { above += 1 }
    }
    self.init(above: above, sampleSize: tests, lambda: lambda)
  }
}
