internal import CLAPACKE
internal import COpenBLAS

extension Matrix {
  /// X'X, by BLAS: bits may differ between CPU types.
  ///
  /// - Complexity: rows · columns² flop.
  public var crossProduct: Matrix {
    var product = Matrix(rows: columns, columns: columns)
    guard rows > 0, columns > 0 else { return product }
    let (n, p) = (BLAS.blasInt(rows), BLAS.blasInt(columns))
    cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, p, n, 1, storage, n, 0, &product.storage, p)
    for j in 0..<columns { for i in 0..<j { product[i, j] = product[j, i] } }
    return product
  }
}

extension SymmetricEigen {
  /// Eigenvalues alone, ascending: a quarter of the work of the whole decomposition.
  ///
  /// - Precondition: square, finite; only the lower triangle is read.
  /// - Complexity: 4/3·n³ flop.
  public static func values(of matrix: Matrix) -> [Double] {
    precondition(matrix.rows == matrix.columns)
    let n = BLAS.blasInt(matrix.rows)
    var a = matrix.storage
    var w = [Double](repeating: 0, count: matrix.rows)
    guard n > 0 else { return w }
    let info = LAPACKE_dsyev(LAPACK_COL_MAJOR, Int8(UInt8(ascii: "N")), Int8(UInt8(ascii: "L")), n, &a, n, &w)
    precondition(info == 0, "dsyev: \(info)")
    return w
  }
}
