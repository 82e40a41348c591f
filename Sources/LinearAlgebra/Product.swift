internal import COpenBLAS

/// BLAS as this package uses it: single-threaded calls from our own workers.
public enum BLAS {
  /// Name of the kernel set that OpenBLAS chose for this CPU (e.g. `SkylakeX`), for manifests.
  public static var coreName: String { String(cString: openblas_get_corename()) }

  /// OpenBLAS's build options, version first.
  public static var configuration: String { String(cString: openblas_get_config()) }

  /// One BLAS thread per call: OpenBLAS's results change with its thread count, and our workers hold the cores.
  ///
  /// Said anew at every scan: the setting belongs to the whole process, and a host may have changed it.
  public static func useSingleThread() {
    useThreads(1)
  }

  /// Threads of the next calls, for one large factorisation; its bits depend on their number.
  public static func useThreads(_ count: Int) {
    openblas_set_num_threads(blasInt(count))
  }

  /// C = A'B (+ C when `accumulate`) in fp32, all column-major with leading dimensions: A k × m, B k × n, C m × n.
  ///
  /// Complexity: 2mnk flop.
  public static func multiplyTransposed(
    rows m: Int, columns n: Int, inner k: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    into c: UnsafeMutablePointer<Float>, _ ldc: Int, accumulate: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    cblas_sgemm(
      CblasColMajor, CblasTrans, CblasNoTrans, blasInt(m), blasInt(n), blasInt(k), 1, a, blasInt(lda),
      b, blasInt(ldb), accumulate ? 1 : 0, c, blasInt(ldc))
  }

  /// C = C − AB in fp32, column-major: A m × k, B k × n, C m × n.
  public static func subtractProduct(
    rows m: Int, columns n: Int, inner k: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    from c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    cblas_sgemm(
      CblasColMajor, CblasNoTrans, CblasNoTrans, blasInt(m), blasInt(n), blasInt(k), -1, a,
      blasInt(lda), b, blasInt(ldb), 1, c, blasInt(ldc))
  }

  /// C = A'B in fp64, all column-major with leading dimensions: A k × m, B k × n, C m × n.
  ///
  /// Bits of a column depend on m, n and k: give panels of one width where they must not.
  public static func multiplyTransposed(
    rows m: Int, columns n: Int, inner k: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    into c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    guard m > 0, n > 0 else { return }
    cblas_dgemm(
      CblasColMajor, CblasTrans, CblasNoTrans, blasInt(m), blasInt(n), blasInt(k), 1, a, blasInt(lda),
      b, blasInt(ldb), 0, c, blasInt(ldc))
  }

  /// C = C − AB in fp64, column-major: A m × k, B k × n, C m × n.
  public static func subtractProduct(
    rows m: Int, columns n: Int, inner k: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    from c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    cblas_dgemm(
      CblasColMajor, CblasNoTrans, CblasNoTrans, blasInt(m), blasInt(n), blasInt(k), -1, a,
      blasInt(lda), b, blasInt(ldb), 1, c, blasInt(ldc))
  }

  /// BLAS dimensions are 32-bit here (LP64); tiles are far smaller, so an overflow is our mistake.
  static func blasInt(_ value: Int) -> Int32 {
    precondition(value <= Int(Int32.max), "a BLAS call of more than 2^31 rows or columns")
    return Int32(value)
  }
}
