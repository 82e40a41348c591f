internal import CLAPACKE
internal import COpenBLAS

/// Eigenvalues and eigenvectors of a symmetric matrix on the orthogonal complement of some vectors.
///
/// With H the Householder product whose first q columns span the vectors and A the others, A'KA = VΛV' is decomposed and
/// U = AV: no null vectors of MKM have to be told from small eigenvalues.
public struct ComplementEigen: Sendable {
  /// n − q, ascending.
  public let values: [Double]
  /// n × (n − q), orthonormal, orthogonal to the basis.
  public let vectors: Matrix

  /// - Parameters:
  ///   - matrix: symmetric, finite; both triangles.
  ///   - basis: n × q, q < n, orthonormal columns.
  ///   - savesMemory: relatively robust representations in 2n² values of workspace rather than divide and conquer in 3n², which is
  ///     faster.
  /// - Precondition: without `savesMemory` n ≤ ``mostDividedSamples``.
  /// - Complexity: about 9n³ flop by BLAS; bits depend on its number of threads.
  public init(of matrix: consuming Matrix, complementing basis: Matrix, savesMemory: Bool = false) {
    let (n, q) = (matrix.rows, basis.columns)
    precondition(matrix.columns == n && basis.rows == n && q < n)
    precondition(savesMemory || n <= Self.mostDividedSamples)
    let (order, rank, left) = (BLAS.blasInt(n), BLAS.blasInt(q), BLAS.blasInt(n - q))
    var a = matrix.storage
    matrix.storage = []
    var h = basis.storage
    var tau = [Double](repeating: 0, count: q)
    let (no, transposed) = (Int8(UInt8(ascii: "N")), Int8(UInt8(ascii: "T")))
    let (fromLeft, fromRight) = (Int8(UInt8(ascii: "L")), Int8(UInt8(ascii: "R")))
    let (vectors, lower) = (Int8(UInt8(ascii: "V")), Int8(UInt8(ascii: "L")))
    if q > 0 {
      Self.check(LAPACKE_dgeqrf(LAPACK_COL_MAJOR, order, rank, &h, order, &tau), "dgeqrf")
      Self.check(
        LAPACKE_dormqr(LAPACK_COL_MAJOR, fromLeft, transposed, order, order, rank, h, order, tau, &a, order),
        "dormqr")
      Self.check(
        LAPACKE_dormqr(LAPACK_COL_MAJOR, fromRight, no, order, order, rank, h, order, tau, &a, order),
        "dormqr")
    }
    var w = [Double](repeating: 0, count: n - q)
    if savesMemory {
      var z = [Double](repeating: 0, count: n * (n - q))
      var found: Int32 = 0
      var support = [Int32](repeating: 0, count: 2 * (n - q))
      a.withUnsafeMutableBufferPointer { a in
        z.withUnsafeMutableBufferPointer { z in
          Self.check(
            LAPACKE_dsyevr(
              LAPACK_COL_MAJOR, vectors, Int8(UInt8(ascii: "A")), lower, left,
              a.baseAddress! + q * n + q, order, 0, 0, 0, 0, 0, &found, &w, z.baseAddress! + q, order,
              &support), "dsyevr")
        }
      }
      a = z
    } else {
      a.withUnsafeMutableBufferPointer { a in
        Self.check(
          LAPACKE_dsyevd(
            LAPACK_COL_MAJOR, vectors, lower, left, a.baseAddress! + q * n + q, order, &w), "dsyevd")
        // U' = (0 V'): moved to the front, zeros on top.
        for j in 0..<n - q {
          (a.baseAddress! + j * n).update(from: a.baseAddress! + (q + j) * n, count: n)
          for i in 0..<q { a[j * n + i] = 0 }
        }
      }
      a.removeSubrange((n * (n - q))...)
    }
    if q > 0 {
      Self.check(
        LAPACKE_dormqr(LAPACK_COL_MAJOR, fromLeft, no, order, left, rank, h, order, tau, &a, order), "dormqr")
    }
    values = w
    self.vectors = Matrix(rows: n, columns: n - q, storage: a)
  }

  /// LAPACK counts the 1 + 6n + 2n² values of divide and conquer's workspace in 32 bits. (Of robust representations it is 26n and blocks.)
  public static let mostDividedSamples = 32_000

  private static func check(_ info: Int32, _ routine: String) {
    precondition(info == 0, "\(routine): \(info)")
  }
}
