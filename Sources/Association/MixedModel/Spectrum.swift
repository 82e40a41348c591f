internal import CScanKernels
internal import Glibc
internal import LinearAlgebra
internal import StudyData

/// A decomposition as scans use it: of the samples that one pattern observes, with zeros for the others, so that vectors over all
/// samples can be rotated as they are.
final class Spectrum: Sendable {
  /// U: n × m, m = observed samples − rank.
  let vectors: Matrix
  /// λ − 1, ascending.
  let excess: [Double]
  /// At least ‖|U|‖₂: √(‖U‖₁·‖U‖_∞).
  let absoluteNorm: Double

  var size: Int { excess.count }
  var sampleCount: Int { vectors.rows }

  /// Columns rotated together: BLAS's bits depend on that number, so it is always the same.
  static let width = 32

  /// - Parameter observed: the samples of the decomposition among `sampleCount`, ascending; nil for all.
  init(_ decomposition: SpectralDecomposition, observed: [Int]?, sampleCount n: Int) {
    let m = decomposition.values.count
    excess = decomposition.values.map { $0 - 1 }
    if let observed {
      var vectors = Matrix(rows: n, columns: m)
      for j in 0..<m {
        for (i, sample) in observed.enumerated() { vectors[sample, j] = decomposition.vectors[i, j] }
      }
      self.vectors = vectors
    } else {
      vectors = decomposition.vectors
    }
    var rowSums = [Double](repeating: 0, count: n)
    var largest = 0.0
    for j in 0..<m {
      var sum = 0.0
      for i in 0..<n {
        let value = abs(vectors.storage[j * n + i])
        sum += value
        rowSums[i] += value
      }
      largest = max(largest, sum)
    }
    absoluteNorm = (largest * (rowSums.max() ?? 0)).squareRoot()
  }

  init(vectors: Matrix, excess: [Double], absoluteNorm: Double) {
    self.vectors = vectors
    self.excess = excess
    self.absoluteNorm = absoluteNorm
  }

  /// The least d(h) = 1 + h(λ − 1).
  func least(_ h: Double) -> Double { 1 + min(0, h * excess[0], h * excess[size - 1]) }

  /// min_i dᵢ(node)/dᵢ(h): the ratio is monotone in λ.
  func leastRatio(from node: Double, to h: Double) -> Double {
    let ratio = { (e: Double) in (1 + node * e) / (1 + h * e) }
    return min(ratio(excess[0]), ratio(excess[size - 1]))
  }

  /// c(h) = ln[d_max(h)/d_min(h)], increasing.
  func place(_ h: Double) -> Double { log((1 + h * excess[size - 1]) / (1 + h * excess[0])) }

  /// out (m × 32) = U'x for 32 columns x.
  func rotate(_ columns: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>) {
    BLAS.multiplyTransposed(
      rows: size, columns: Self.width, inner: sampleCount, vectors.storage, sampleCount, columns, sampleCount,
      into: out, size)
  }

  /// U'x of one vector, apart from BLAS.
  func rotate(_ x: [Double]) -> [Double] {
    var out = [Double](repeating: 0, count: size)
    sk_panel_products(x, 1, vectors.storage, Int64(size), Int64(sampleCount), &out)
    return out
  }

  /// out (n × width) −= U·a for `width` columns a of m.
  func subtractCombination(
    _ columns: UnsafePointer<Double>, width: Int = Spectrum.width, from out: UnsafeMutablePointer<Double>
  ) {
    BLAS.subtractProduct(
      rows: sampleCount, columns: width, inner: size, vectors.storage, sampleCount, columns, size,
      from: out, sampleCount)
  }

  /// Φ(h) = Σ aᵢ/dᵢ(h).
  func quadraticForm(_ squares: UnsafePointer<Double>, _ h: Double) -> Double {
    sk_spectral_sum(squares, excess, Int64(size), h)
  }
}
