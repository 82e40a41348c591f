internal import Glibc

/// 1/d(h), d(h) = 1 + h·e, for all excess eigenvalues e of a spectrum and all h of a short range, from its values at few h: with Chebyshev's
/// nodes x₁…x_c of the range and Lagrange's polynomials ℓ, Σ ℓₖ(h)/d(xₖ).
///
/// Sums of 1/d with positive factors, g'Pg say, are then interpolated as one function of h that is known at c places.
///
/// - Accuracy: of 1/(h − p) the interpolation is off by T_c(z(h))/T_c(z(p)) of itself, T_c Chebyshev's polynomial and z what maps the range to
///   [−1, 1]; poles p = −1/e lie outside. Nodes are as many as bring that to ``error`` for the pole that is nearest.
struct WeightNodes {
  /// Of 1/d by itself.
  static let error = 0x1p-26
  /// More make roundings grow: up to 8 a sum at any node is at most 1.5 times the sum at h, and Σ|ℓ| ≤ 2.3.
  static let most = 8
  /// Rounding errors of a sum at the nodes, by itself, may become so many times as large.
  static let amplification = 1.5 * 2.3

  let nodes: [Double]

  /// - Parameter range: of h below 1, where all d are positive.
  /// - Returns: nil where ``most`` nodes do not do.
  init?(_ range: ClosedRange<Double>, excess: [Double]) {
    let (middle, half) = (
      0.5 * (range.lowerBound + range.upperBound), 0.5 * (range.upperBound - range.lowerBound)
    )
    guard let first = excess.first, let last = excess.last, half > 0 else {
      nodes = [middle]
      return
    }
    // (1 + middle·e)/(half·|e|) is |z(p)|.
    let pole = min((1 + middle * first) / (half * abs(first)), (1 + middle * last) / (half * abs(last)))
    guard pole > 1,
      let count = (1...Self.most).first(where: { cosh(Double($0) * acosh(pole)) >= 1 / Self.error })
    else { return nil }
    nodes = (0..<count).map { middle + half * cos(.pi * (Double($0) + 0.5) / Double(count)) }
  }

  /// ℓₖ(h) of all nodes.
  func factors(_ h: Double) -> [Double] {
    nodes.indices.map { k in
      nodes.indices.reduce(1) { $1 == k ? $0 : $0 * (h - nodes[$1]) / (nodes[k] - nodes[$1]) }
    }
  }
}
