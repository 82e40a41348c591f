internal import Distributions
internal import Glibc

/// Shapes of a beta distribution.
struct BetaShapes {
  var shape1: Double
  var shape2: Double

  /// What a fit may be: FastQTL's bounds, with room for windows of one variant (shape2 near 1).
  var areAcceptable: Bool { (0.1...10).contains(shape1) && (0.1...1e6).contains(shape2) }

  /// The maximum of the likelihood from the means of ln x and ln(1 − x), nil where Newton's method does not get there.
  ///
  /// The log-likelihood of an exponential family is concave, and the moment estimates are close: some five steps.
  static func maximumLikelihood(
    meanLogX: Double, meanLog1mX: Double, from start: BetaShapes
  ) -> BetaShapes? {
    var (a, b) = (start.shape1, start.shape2)
    guard a > 0, b > 0, a.isFinite, b.isFinite else { return nil }
    for _ in 0..<100 {
      let gradientA = meanLogX + Polygamma.digammaRise(from: a, by: b)
      let gradientB = meanLog1mX + Polygamma.digammaRise(from: b, by: a)
      // Minus the Hessian is [[u, −w], [−w, v]].
      let u = -Polygamma.trigammaRise(from: a, by: b)
      let v = -Polygamma.trigammaRise(from: b, by: a)
      let w = Polygamma.trigamma(a + b)
      let determinant = u * v - w * w
      let stepA = (v * gradientA + w * gradientB) / determinant
      let stepB = (w * gradientA + u * gradientB) / determinant
      guard stepA.isFinite, stepB.isFinite else { return nil }
      // Stay positive: no shape falls below a third of itself in a step.
      let damping = min(1, 2 / 3 / max(-stepA / a, -stepB / b, 2 / 3))
      a += damping * stepA
      b += damping * stepB
      // Quadratic from here: what is left is 1e-16 or rounding.
      if abs(stepA) < 1e-8 * a && abs(stepB) < 1e-8 * b { return BetaShapes(shape1: a, shape2: b) }
    }
    return nil
  }
}

/// The search for the degrees of freedom under which the p values of the maxima look as if from Beta(1, ·), and for the
/// shapes there.
struct BetaFit {
  let tail: Tail
  private(set) var quadrature: MaximaQuadrature

  init(sorted: [Double], tail: Tail) {
    self.tail = tail
    quadrature = MaximaQuadrature(sorted: sorted)
  }

  /// Moment estimates of the shapes for p on ν degrees of freedom; NaN where p does not vary.
  ///
  /// With the variance over B as numpy's (FastQTL's divides by B − 1: shapes 1/B apart).
  mutating func moments(degreesOfFreedom: Double) -> BetaShapes {
    while true {
      let logP = tails(degreesOfFreedom)
      // In units of the largest p, which may be far below double's range.
      let largest = logP.reduce(-.infinity, max)
      let p = logP.map { exp($0 - largest) }
      let mean = quadrature.mean(p)
      let squares = p.map { ($0 - mean) * ($0 - mean) }
      guard quadrature.resolves(squares) else {
        quadrature.refine()
        continue
      }
      let variance = quadrature.mean(squares)
      guard variance > 0 else { return BetaShapes(shape1: .nan, shape2: .nan) }
      let unit = exp(largest)
      let shape1 = mean * (mean * (1 - mean * unit) / variance - unit)
      return BetaShapes(shape1: shape1, shape2: shape1 * (1 / (mean * unit) - 1))
    }
  }

  /// Means of ln p and ln(1 − p) on ν degrees of freedom.
  mutating func logMeans(degreesOfFreedom: Double) -> (logP: Double, log1mP: Double) {
    // Two-sided, 1 − p vanishes as z: its logarithm is smooth but for ln z. Where p stays below ½ that is far away, and
    // to take it out would only cost digits.
    let origin = tail == .twoSided && exp(tails(degreesOfFreedom).reduce(-.infinity, max)) > 0.5
    while true {
      let logP = tails(degreesOfFreedom)
      var log1mP = logP.map { log1mexp($0) }
      if origin { for (j, z) in quadrature.nodes.enumerated() { log1mP[j] -= log(z) } }
      guard quadrature.resolves(logP), quadrature.resolves(log1mP) else {
        quadrature.refine()
        continue
      }
      var mean = quadrature.mean(log1mP)
      if origin {
        let sorted = quadrature.sorted
        mean += sorted.reduce(0) { $0 + log($1) } / Double(sorted.count)
      }
      return (quadrature.mean(logP), mean)
    }
  }

  /// The ν with a moment estimate of shape1 = 1, within a factor 64 of the nominal ν; nil if there is none.
  ///
  /// With p on ν′ = c ν, p behaves as the true p to the power c near 0: shape1 is about 1/c, hence falls with ν′, and
  /// ln shape1 is close to linear in ln ν′ with slope −1.
  mutating func trueDegreesOfFreedom(nominal: Double) -> Double? {
    let center = log(nominal)
    let value = logShape1(center)
    guard value.isFinite else { return nil }
    var (inner, fInner) = (center, value)
    // A little beyond the linear guess, then twice as far.
    var reach = 1.2 * value + (value < 0 ? -0.01 : 0.01)
    while true {
      let outer = center + min(max(reach, -searchRange), searchRange)
      let fOuter = logShape1(outer)
      guard fOuter.isFinite else { return nil }
      if (fOuter < 0) != (value < 0) {
        return zero(between: inner, fInner, and: outer, fOuter, tolerance: 1e-11) { logShape1($0) }
          .map { exp($0) }
      }
      if abs(reach) >= searchRange { return nil }
      (inner, fInner) = (outer, fOuter)
      reach *= 2
    }
  }

  private mutating func logShape1(_ logDegreesOfFreedom: Double) -> Double {
    let shape1 = moments(degreesOfFreedom: exp(logDegreesOfFreedom)).shape1
    return shape1 > 0 ? log(shape1) : .nan
  }

  /// ln p at the nodes: r = tanh z, 1 − r² = 1/cosh² z.
  private func tails(_ degreesOfFreedom: Double) -> [Double] {
    let distribution = StudentT(degreesOfFreedom: degreesOfFreedom)
    return quadrature.nodes.map { z in
      let inverse = 1 / cosh(z)
      return tail.logP(r: tanh(z), oneMinusRSquared: inverse * inverse, under: distribution)
    }
  }
}

/// ln 64.
private let searchRange = 4.1588830833596715
