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
    let enough = explainedShare * Double(correlation.columns)
    var sum = 0.0
    var count = 0
    for value in SymmetricEigen.values(of: correlation).reversed() where sum < enough {
      sum += max(0, value)
      count += 1
    }
    return count
  }

  /// The correlation matrix of the columns that vary, from their shrunk covariance Σ = (1 − α)S + αμI.
  static func shrunkCorrelation(_ genotypes: Matrix) -> Matrix {
    let x = centered(genotypes)
    var s = x.crossProduct
    let p = s.columns
    for k in s.storage.indices { s.storage[k] /= Double(x.rows) }
    let alpha = shrinkage(x, covariance: s)
    let variances = (0..<p).map { s[$0, $0] }
    let mean = variances.reduce(0, +) / Double(p)
    let scale = variances.map { 1 / ((1 - alpha) * $0 + alpha * mean).squareRoot() }
    s.storage.withUnsafeMutableBufferPointer { s in
      for j in 0..<p {
        for i in 0..<p { s[i + p * j] *= (1 - alpha) * scale[i] * scale[j] }
        s[j + p * j] = 1
      }
    }
    return s
  }

  /// The columns that vary, less their means.
  private static func centered(_ genotypes: Matrix) -> Matrix {
    let n = genotypes.rows
    var x = genotypes
    var varying: [Int] = []
    x.storage.withUnsafeMutableBufferPointer { x in
      for j in 0..<genotypes.columns {
        let column = UnsafeMutableBufferPointer(rebasing: x[j * n..<(j + 1) * n])
        if column.contains(where: { $0 != column[0] }) { varying.append(j) }
        let mean = column.reduce(0, +) / Double(n)
        for i in 0..<n { column[i] -= mean }
      }
    }
    return varying.count == x.columns ? x : x.selectingColumns(varying)
  }

  /// α = b²/d²: d² = ‖S − μI‖²/p, the spread of the sample covariance, and b² ≤ d² the part of it that is sampling error,
  /// Σᵢ‖xᵢxᵢ' − S‖²/(n²p) = (Σᵢ‖xᵢ‖⁴/n − ‖S‖²)/(np).
  static func shrinkage(_ x: Matrix, covariance s: Matrix) -> Double {
    let (n, p) = (Double(x.rows), Double(s.columns))
    let squares = s.storage.reduce(0) { $0 + $1 * $1 }
    let trace = (0..<s.columns).reduce(0) { $0 + s[$1, $1] }
    let spread = (squares - trace * trace / p) / p
    var lengths = [Double](repeating: 0, count: x.rows)
    x.storage.withUnsafeBufferPointer { values in
      for j in 0..<x.columns {
        for i in 0..<x.rows {
          let value = values[i + x.rows * j]
          lengths[i] += value * value
        }
      }
    }
    let fourth = lengths.reduce(0) { $0 + $1 * $1 }
    let error = min((fourth / n - squares) / (n * p), spread)
    return spread > 0 && error > 0 ? error / spread : 0
  }
}
