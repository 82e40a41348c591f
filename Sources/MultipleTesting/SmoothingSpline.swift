internal import Glibc

/// The natural cubic smoothing spline with given effective degrees of freedom: minimises Σ(y − f(x))² + α∫f″², α being such
/// that the trace of the smoother matrix is `degreesOfFreedom`.
///
/// - Source: Green & Silverman 1994, section 2.3 (Reinsch's algorithm), doi:10.1201/b15710. As R's `smooth.spline`, whose
///   search for α stops when the trace is some 1e-4 off; ours goes on to rounding.
enum SmoothingSpline {
  /// f at each of `x`.
  ///
  /// - Precondition: x ascending and distinct, as many as y; 2 < `degreesOfFreedom` < their number.
  /// - Complexity: some ten matrices, O(n³) each: meant for tens of points.
  static func fitted(x: [Double], y: [Double], degreesOfFreedom: Double) -> [Double] {
    let n = x.count
    precondition(n == y.count && degreesOfFreedom > 2 && degreesOfFreedom < Double(n))
    let range = x[n - 1] - x[0]
    let gaps = zip(x.dropFirst(), x).map { ($0 - $1) / range }
    func excess(_ logInverse: Double) -> Double {
      let residual = residualMatrix(gaps, inverse: exp(logInverse))
      return (0..<n).reduce(Double(n) - degreesOfFreedom) { $0 - residual[$1][$1] }
    }
    // The trace rises from 2 to n with 1/α. On a unit interval its eigenvalues leave 0 and 1 well within these ends.
    let (low, high) = (-40.0, 80.0)
    let logInverse =
      zero(between: low, excess(low), and: high, excess(high), tolerance: 1e-13, of: excess) ?? .nan
    let residual = residualMatrix(gaps, inverse: exp(logInverse))
    return (0..<n).map { i in y[i] - zip(residual[i], y).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  /// Q (QᵀQ + R/α)⁻¹ Qᵀ, which takes y to its residual. Column j of Q is the second divided difference at point j + 1, R the
  /// Gram matrix of the hat functions there.
  private static func residualMatrix(_ h: [Double], inverse: Double) -> [[Double]] {
    let (n, m) = (h.count + 1, h.count - 1)
    let zeros = [Double](repeating: 0, count: n)
    // Rows: differences[j] is column j of Q.
    var differences = [[Double]](repeating: zeros, count: m)
    for j in 0..<m {
      (differences[j][j], differences[j][j + 2]) = (1 / h[j], 1 / h[j + 1])
      differences[j][j + 1] = -1 / h[j] - 1 / h[j + 1]
    }
    var factor = [[Double]](repeating: zeros, count: m)
    for j in 0..<m {
      for k in max(0, j - 2)...j {
        var sum = zip(differences[j], differences[k]).reduce(0) { $0 + $1.0 * $1.1 }
        if k == j { sum += inverse * (h[j] + h[j + 1]) / 3 }
        if k == j - 1 { sum += inverse * h[j] / 6 }
        for i in 0..<k { sum -= factor[j][i] * factor[k][i] }
        factor[j][k] = k == j ? sum.squareRoot() : sum / factor[k][k]
      }
    }
    // L⁻¹ Qᵀ, row by row; the result is its Gram matrix.
    var half = differences
    for j in 0..<m {
      for c in 0..<n {
        for k in max(0, j - 2)..<j { half[j][c] -= factor[j][k] * half[k][c] }
        half[j][c] /= factor[j][j]
      }
    }
    return (0..<n).map { a in (0..<n).map { b in half.reduce(0) { $0 + $1[a] * $1[b] } } }
  }
}
