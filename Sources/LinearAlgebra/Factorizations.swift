internal import CLAPACKE
internal import COpenBLAS

/// An orthonormal basis of the columns of a matrix, dependent columns left out.
public struct OrthonormalBasis: Sendable {
  /// rows × rank, orthonormal columns; column j spans, with those before it, the first j + 1 kept columns.
  public let basis: Matrix
  /// Indices of the columns that were kept, ascending.
  public let kept: [Int]
  /// Columns that depend on those before them, ascending.
  public let dropped: [Int]

  public var rank: Int { kept.count }

  /// Householder QR in input order.
  ///
  /// A column is dependent when what is left of it after projection on the columns before it is at most `tolerance` times its
  /// own length: the later one of a dependent set is dropped, as in R's `lm` (limited pivoting of LINPACK's `dqrdc2`). |Rⱼⱼ| of an
  /// unpivoted QR is that remainder for the first dependent column only, so the factorisation is repeated without it.
  ///
  /// - Complexity: O(rows · columns²) per dropped column.
  public init(of matrix: Matrix, tolerance: Double = 1e-7) {
    let n = matrix.rows
    var kept = Array(0..<matrix.columns)
    var dropped: [Int] = []
    // More columns than rows cannot be independent: the surplus shows as zero remainders below.
    while true {
      let lengths = kept.map { Self.norm(matrix.column($0)) }
      if lengths.contains(where: { !($0 > 0) }) {
        dropped += zip(kept, lengths).filter { !($1 > 0) }.map(\.0)
        kept = zip(kept, lengths).filter { $1 > 0 }.map(\.0)
        continue
      }
      let width = min(kept.count, n)
      let panel = matrix.selectingColumns(Array(kept.prefix(width)))
      let (q, diagonal) = Self.factor(panel)
      if let bad = (0..<width).first(where: { abs(diagonal[$0]) <= tolerance * lengths[$0] }) {
        dropped.append(kept.remove(at: bad))
        continue
      }
      if kept.count > width {
        dropped += kept[width...]
        kept.removeSubrange(width...)
      }
      basis = q
      break
    }
    self.kept = kept
    self.dropped = dropped.sorted()
  }

  private static func norm(_ column: [Double]) -> Double {
    cblas_dnrm2(Int32(column.count), column, 1)
  }

  /// Explicit Q and the diagonal of R.
  private static func factor(_ matrix: Matrix) -> (Matrix, [Double]) {
    let rows = BLAS.blasInt(matrix.rows)
    let columns = BLAS.blasInt(matrix.columns)
    guard columns > 0 else { return (matrix, []) }
    var a = matrix.storage
    var tau = [Double](repeating: 0, count: matrix.columns)
    var info = LAPACKE_dgeqrf(LAPACK_COL_MAJOR, rows, columns, &a, rows, &tau)
    precondition(info == 0, "dgeqrf: argument \(-info)")
    let diagonal = (0..<matrix.columns).map { a[$0 + matrix.rows * $0] }
    info = LAPACKE_dorgqr(LAPACK_COL_MAJOR, rows, columns, columns, &a, rows, tau)
    precondition(info == 0, "dorgqr: argument \(-info)")
    return (Matrix(rows: matrix.rows, columns: matrix.columns, storage: a), diagonal)
  }
}

/// Eigenvalues (ascending, unless the largest alone are asked for) and eigenvectors of a symmetric matrix.
public struct SymmetricEigen: Sendable {
  public let values: [Double]
  /// Column j belongs to `values[j]`.
  public private(set) var vectors: Matrix

  /// - Precondition: square, finite; only the lower triangle is read.
  /// - Complexity: O(n³).
  public init(of matrix: Matrix) {
    precondition(matrix.rows == matrix.columns)
    let n = BLAS.blasInt(matrix.rows)
    var a = matrix.storage
    var w = [Double](repeating: 0, count: matrix.rows)
    if n > 0 {
      let info = LAPACKE_dsyev(
        LAPACK_COL_MAJOR, Int8(UInt8(ascii: "V")), Int8(UInt8(ascii: "L")), n, &a, n, &w)
      precondition(info == 0, "dsyev: \(info)")
    }
    values = w
    vectors = Matrix(rows: matrix.rows, columns: matrix.columns, storage: a)
  }

  /// The `count` largest eigenvalues, descending, and their eigenvectors.
  ///
  /// - Precondition: square, finite, 0 < count ≤ n; only the lower triangle is read.
  /// - Complexity: 4/3·n³ + O(n²·count) flop; the matrix is used up and no other n × n is made.
  public init(largest count: Int, of matrix: consuming Matrix) {
    let rows = matrix.rows
    precondition(matrix.columns == rows && count > 0 && count <= rows)
    let n = BLAS.blasInt(rows)
    var a = matrix.storage
    matrix.storage = []
    var w = [Double](repeating: 0, count: rows)
    var z = [Double](repeating: 0, count: rows * count)
    var found: Int32 = 0
    var support = [Int32](repeating: 0, count: 2 * count)
    let info = LAPACKE_dsyevr(
      LAPACK_COL_MAJOR, Int8(UInt8(ascii: "V")), Int8(UInt8(ascii: "I")), Int8(UInt8(ascii: "L")), n, &a, n,
      0, 0,
      BLAS.blasInt(rows - count + 1), n, 0, &found, &w, &z, n, &support)
    precondition(info == 0 && Int(found) == count, "dsyevr: \(info)")
    values = w[..<count].reversed()
    vectors = Matrix(rows: rows, columns: count, storage: z).selectingColumns((0..<count).reversed())
  }

  /// Turns eigenvectors round whose largest entry by magnitude, the first of equals, is negative.
  public mutating func fixSigns() {
    for j in 0..<vectors.columns {
      let entries = vectors.column(j)
      let largest = entries.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
      if largest < 0 { for i in entries.indices { vectors[i, j] = -entries[i] } }
    }
  }

  /// The Moore–Penrose inverse, eigenvalues up to `tolerance` taken as zero, and the rank.
  public func pseudoInverse(tolerance: Double) -> (inverse: Matrix, rank: Int) {
    let n = values.count
    var inverse = Matrix(rows: n, columns: n)
    var rank = 0
    for k in 0..<n where values[k] > tolerance {
      rank += 1
      let scale = 1 / values[k]
      for j in 0..<n {
        let s = scale * vectors[j, k]
        for i in 0..<n { inverse[i, j] += s * vectors[i, k] }
      }
    }
    return (inverse, rank)
  }
}
