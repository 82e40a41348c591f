internal import CLAPACKE
internal import COpenBLAS

extension Matrix {
  /// X'X, by BLAS: bits may differ between CPU types.
  ///
  /// - Complexity: rows · columns² flop.
  public var crossProduct: Matrix {
    var product = Matrix(rows: columns, columns: columns)
    guard rows > 0, columns > 0 else { return product }
    let (n, width) = (BLAS.blasInt(rows), BLAS.blasInt(columns))
    cblas_dsyrk(
      CblasColMajor, CblasLower, CblasTrans, width, n, 1, storage, n, 0, &product.storage, width)
    let p = columns
    product.storage.withUnsafeMutableBufferPointer { a in
      for j in 0..<p { for i in 0..<j { a[i + p * j] = a[j + p * i] } }
    }
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
