public import LinearAlgebra

/// How many independent tests the correlated variants of a window amount to, by eigenMT.
///
/// Variants are taken in blocks, in their order. In each the genotypes' covariance is shrunk towards a multiple of the identity (Ledoit
/// and Wolf) and scaled to a correlation matrix; the block counts as many tests as its largest eigenvalues are needed to make
/// up 99 % of its trace.
///
/// Blocks start at the window's first variant, so windows that overlap share no block, and each costs its own eigenvalues.
///
/// - Source: Davis et al. 2016, doi:10.1016/j.ajhg.2015.11.021; Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4.
public enum EffectiveTests {
  /// Variants to a block, as eigenMT.
  public static let blockSize = 200
  /// Share of the trace, as eigenMT.
  public static let explainedShare = 0.99

  /// The number of tests, at least 1 for one variant or more; 0 for none.
  ///
  /// - Parameter genotypes: samples × variants, complete. Constant columns count nothing.
  /// - Complexity: for each block of b variants n·b² + 4/3·b³ flop.
  public static func count(_ genotypes: Matrix) -> Int {
    stride(from: 0, to: genotypes.columns, by: blockSize).reduce(0) { sum, first in
      sum
        + countInBlock(
          genotypes.selectingColumns(Array(first..<min(first + blockSize, genotypes.columns))))
    }
  }

  /// The tests of one block.
  public static func countInBlock(_ genotypes: Matrix) -> Int {
    let correlation = shrunkCorrelation(genotypes)
    let total = Double(correlation.columns)
    var sum = 0.0
    var count = 0
    for value in SymmetricEigen.values(of: correlation).reversed() {
      // A block of one variant must not end below its trace by rounding.
      if sum >= explainedShare * total { break }
      sum += max(0, value)
      count += 1
    }
    return count
  }

  /// The correlation matrix of the columns that vary, from their shrunk covariance Σ = (1 − α)S + αμI.
  static func shrunkCorrelation(_ genotypes: Matrix) -> Matrix {
    let n = Double(genotypes.rows)
    var x = genotypes
    var varying: [Int] = []
    for j in 0..<x.columns {
      let mean = x.column(j).reduce(0, +) / n
      var isConstant = true
      for i in 0..<x.rows {
        isConstant = isConstant && x[i, j] == x[0, j]
      }
      if !isConstant { varying.append(j) }
      for i in 0..<x.rows { x[i, j] -= mean }
    }
    if varying.count < x.columns { x = x.selectingColumns(varying) }
    var s = x.crossProduct
    for k in s.storage.indices { s.storage[k] /= n }
    let alpha = shrinkage(x, covariance: s)
    let p = s.columns
    let mean = (0..<p).reduce(0) { $0 + s[$1, $1] } / Double(p)
    let scale = (0..<p).map { ((1 - alpha) * s[$0, $0] + alpha * mean).squareRoot() }
    for j in 0..<p {
      for i in 0..<p { s[i, j] = i == j ? 1 : (1 - alpha) * s[i, j] / (scale[i] * scale[j]) }
    }
    return s
  }

  /// α = b²/d²: d² = ‖S − μI‖²/p, the spread of the sample covariance, and b² ≤ d² the part of it that is sampling error,
  /// Σᵢ‖xᵢxᵢ' − S‖²/(n²p).
  private static func shrinkage(_ x: Matrix, covariance s: Matrix) -> Double {
    let (n, p) = (Double(x.rows), Double(s.columns))
    let squares = s.storage.reduce(0) { $0 + $1 * $1 }
    let trace = (0..<s.columns).reduce(0) { $0 + s[$1, $1] }
    let spread = (squares - trace * trace / p) / p
    var fourth = 0.0
    for i in 0..<x.rows {
      let length = (0..<x.columns).reduce(0) { $0 + x[i, $1] * x[i, $1] }
      fourth += length * length
    }
    let error = min((fourth / n - squares) / (n * p), spread)
    return spread > 0 && error > 0 ? error / spread : 0
  }
}
