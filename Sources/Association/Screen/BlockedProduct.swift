internal import LinearAlgebra

/// fp32 products over the samples, with a bound of their rounding error.
///
/// c = fl₃₂(ã'b̃), ã and b̃ rounded to fp32 from fp64 values. For any order of summation inside one BLAS call over k samples, and
/// blocks added up,
///
///     |c − a'b| ≤ γ·‖a‖·‖b‖,   γ = (k + n/k + 4)·u,   u = 2⁻²⁴   (2u of it for the two roundings of the inputs)
///
/// It holds for fp32 arithmetic with or without FMA, not for reduced modes (TF32, BF16), which OpenBLAS does not use in sgemm.
struct BlockedProduct: Sendable {
  let sampleCount: Int
  /// Samples summed in one BLAS call: block-wise sums have the smaller bound, long ones are faster.
  private let innerCount: Int
  /// γ.
  let error: Double

  /// - Parameter isTight: prefers a small error to speed.
  init(sampleCount n: Int, isTight: Bool) {
    sampleCount = n
    innerCount = isTight ? min(n, 256) : n > 4096 ? 1024 : n
    let block = Double(innerCount)
    error = (block + Double(n) / block + 4) * 0x1p-24 * (1 + 1e-3)
  }

  /// out (rows × columns) = a'b.
  func callAsFunction(
    rows: Int, columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    guard rows > 0, columns > 0 else { return }
    let n = sampleCount
    for start in stride(from: 0, to: n, by: innerCount) {
      BLAS.multiplyTransposed(
        rows: rows, columns: columns, inner: min(innerCount, n - start), a + start, n, b + start, n,
        into: out, rows, accumulate: start > 0)
    }
  }
}
