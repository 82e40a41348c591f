internal import COpenBLAS

extension BLAS {
  /// C = C + AB' in fp64, all column-major with leading dimensions: A m × k, B n × k, C m × n.
  ///
  /// Complexity: 2mnk flop.
  public static func addProduct(
    rows m: Int, columns n: Int, inner k: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    to c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    cblas_dgemm(
      CblasColMajor, CblasNoTrans, CblasTrans, blasInt(m), blasInt(n), blasInt(k), 1, a, blasInt(lda),
      b, blasInt(ldb), 1, c, blasInt(ldc))
  }

  /// The lower triangle of C = C + AA' in fp64, column-major: A n × k, C n × n.
  ///
  /// Complexity: n²k flop.
  public static func addSquare(
    rows n: Int, inner k: Int, _ a: UnsafePointer<Double>, _ lda: Int,
    toLower c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    guard n > 0, k > 0 else { return }
    cblas_dsyrk(
      CblasColMajor, CblasLower, CblasNoTrans, blasInt(n), blasInt(k), 1, a, blasInt(lda), 1, c, blasInt(ldc))
  }
}

extension Matrix {
  /// Copies the lower triangle of a square matrix into the upper one.
  public mutating func mirrorLowerTriangle() { mirror { ($0, $1) } }

  /// Copies the upper triangle of a square matrix into the lower one.
  public mutating func mirrorUpperTriangle() { mirror { ($1, $0) } }

  /// - Parameter order: of places (below, above) the diagonal, source first.
  @inline(__always)
  private mutating func mirror(_ order: (Int, Int) -> (from: Int, to: Int)) {
    precondition(rows == columns)
    let n = rows
    // In squares that the cache holds: one side of a transposition is strided.
    let edge = 64
    storage.withUnsafeMutableBufferPointer { a in
      for firstColumn in stride(from: 0, to: n, by: edge) {
        for firstRow in stride(from: firstColumn, to: n, by: edge) {
          for j in firstColumn..<min(firstColumn + edge, n) {
            for i in max(firstRow, j + 1)..<max(min(firstRow + edge, n), j + 1) {
              let (from, to) = order(j * n + i, i * n + j)
              a[to] = a[from]
            }
          }
        }
      }
    }
  }
}
