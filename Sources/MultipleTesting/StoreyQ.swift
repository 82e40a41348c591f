internal import Glibc

/// Storey's q values of a whole list of tests: Benjamini & Hochberg's times π₀, the share of true null hypotheses.
///
/// π₀(λ) = #{p ≥ λ}/((1 − λ) m), taken at one λ or extrapolated over several.
///
/// - Missing: NaN stays NaN and is not counted.
/// - Accuracy: 1e-12 of Bioconductor's qvalue 2.30 (`pfdr = FALSE`); with the smoother 1e-4, because R's `smooth.spline`
///   stops its search at df ≈ 3.0003.
/// - Complexity: a sort.
/// - Source: Storey & Tibshirani 2003, doi:10.1073/pnas.1530509100; bootstrap: Storey, Taylor & Siegmund 2004,
///   doi:10.1111/j.1467-9868.2004.00439.x, in its closed form.
public struct StoreyQ: Sendable, Equatable {
  /// Where π₀ comes from.
  public enum Estimator: Sendable, Equatable {
    /// Known, 0 < π₀ ≤ 1.
    case given(Double)
    /// π₀(λ), 0 ≤ λ < 1.
    case fixed(lambda: Double)
    /// A cubic smoothing spline of π₀(λ) with three degrees of freedom, at the largest λ. At least four different λ.
    case smoother(lambda: [Double] = StoreyQ.defaultLambda)
    /// The π₀(λ) of least estimated mean squared error. At least four different λ.
    case bootstrap(lambda: [Double] = StoreyQ.defaultLambda)
  }

  /// Whether π₀ could be estimated; the raw values are for logs. All but `ok` mean π₀ = 1: Benjamini & Hochberg's q.
  public enum Status: String, Sendable, CaseIterable {
    case ok
    /// No p value.
    case noTests = "no-tests"
    /// Some p is above 1.
    case outOfRange = "p-above-1"
    /// No p reaches the largest λ.
    case noLargeP = "no-p-above-lambda"
    /// The estimate of π₀ is not positive.
    case notPositive = "pi0-not-positive"
  }

  /// 0.05, 0.1, … 0.95.
  public static let defaultLambda = (0..<19).map { 0.05 + 0.05 * Double($0) }

  /// ln q by test, at most 0.
  public let logQ: [Double]
  /// π₀ as used, at most 1.
  public let nullProportion: Double
  public let status: Status

  /// - Parameter logP: ln p of **all** tests, in any order: π₀ means nothing on a list cut at some p.
  public init(logP: [Double], estimator: Estimator = .smoother()) {
    let tested = logP.indices.filter { !logP[$0].isNaN }
    let values = tested.map { logP[$0] }
    (nullProportion, status) = Self.estimate(values, estimator)
    let shift = log(nullProportion)
    var logQ = [Double](repeating: .nan, count: logP.count)
    for (index, q) in zip(tested, BenjaminiHochberg.logQ(values, testCount: values.count)) {
      logQ[index] = q + shift
    }
    self.logQ = logQ
  }

  private static func estimate(_ logP: [Double], _ estimator: Estimator) -> (Double, Status) {
    guard let largest = logP.max() else { return (1, .noTests) }
    if largest > 0 { return (1, .outOfRange) }
    let value: Double
    switch estimator {
    case .given(let known):
      precondition(known > 0 && known <= 1)
      return (known, .ok)
    case .fixed(let lambda):
      value = Curve(logP, lambda: [lambda]).proportion[0]
    case .smoother(let lambda):
      let curve = Curve(logP, lambda: checked(lambda))
      if curve.count.last == 0 { return (1, .noLargeP) }
      let smooth = SmoothingSpline.fitted(x: curve.lambda, y: curve.proportion, degreesOfFreedom: 3)
      value = smooth[smooth.count - 1]
    case .bootstrap(let lambda):
      let curve = Curve(logP, lambda: checked(lambda))
      if curve.count.last == 0 { return (1, .noLargeP) }
      value = curve.leastSquaredError
    }
    return value > 0 ? (min(value, 1), .ok) : (1, .notPositive)
  }

  private static func checked(_ lambda: [Double]) -> [Double] {
    let sorted = Array(Set(lambda)).sorted()
    precondition(sorted.count >= 4)
    return sorted
  }
}

/// π₀(λ) at some ascending λ.
private struct Curve {
  let lambda: [Double]
  /// #{p ≥ λ}.
  let count: [Int]
  let proportion: [Double]
  private let testCount: Double

  init(_ logP: [Double], lambda: [Double]) {
    precondition(lambda.allSatisfy { $0 >= 0 && $0 < 1 })
    self.lambda = lambda
    let tests = Double(logP.count)
    testCount = tests
    count = lambda.map { lambda in
      let cut = log(lambda)
      return logP.reduce(0) { $1 >= cut ? $0 + 1 : $0 }
    }
    proportion = zip(count, lambda).map { Double($0) / (tests * (1 - $1)) }
  }

  /// The π₀(λ) with the least squared bias plus variance, the truth being taken as the tenth percentile of all π₀(λ), the
  /// variance as binomial.
  var leastSquaredError: Double {
    let sorted = proportion.sorted()
    let position = 0.1 * Double(sorted.count - 1)
    let below = Int(position)
    let target =
      sorted[below] + (position - Double(below)) * (sorted[min(below + 1, sorted.count - 1)] - sorted[below])
    var (best, least) = (Double.infinity, Double.infinity)
    for (k, value) in proportion.enumerated() {
      let share = Double(count[k]) / testCount
      let scale = testCount * (1 - lambda[k]) * (1 - lambda[k])
      let error = share / scale * (1 - share) + (value - target) * (value - target)
      if error < least || error == least && value < best { (best, least) = (value, error) }
    }
    return best
  }
}
