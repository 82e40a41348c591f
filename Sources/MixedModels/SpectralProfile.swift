internal import CScanKernels
internal import Glibc

/// Σ ln d over one set of eigenvalues, d = 1 + h(λ − 1): the part of a profile that all traits share.
struct LogDeterminant: Sendable {
  /// λ − 1.
  let excess: [Double]
  /// Its derivative on the grid of the search.
  let slopes: [Double]

  /// The number of eigenvalues, N of the likelihood.
  var count: Double { Double(excess.count) }

  init(_ excess: [Double], grid: [Double]) {
    self.excess = excess
    slopes = grid.map { SpectralSums(excess, excess, $0).zeroth }
  }

  func value(_ h: Double) -> Double {
    // Products of a few d before a logarithm: none leaves 1e-5…n.
    var (sum, product) = (0.0, 1.0)
    for (k, e) in excess.enumerated() {
      product *= 1 + h * e
      if k % 16 == 15 {
        sum += log(product)
        product = 1
      }
    }
    return sum + log(product)
  }

  func derivatives(_ h: Double) -> (first: Double, second: Double) {
    let sums = SpectralSums(excess, excess, h)
    return (sums.zeroth, -sums.first)
  }
}

/// Σ w/d and what its derivatives in h are made of: Σ w(λ − 1)/d², Σ w(λ − 1)²/d³.
struct SpectralSums {
  let zeroth: Double
  /// Minus the first derivative.
  let first: Double
  /// Half the second.
  let second: Double

  @inline(__always)
  init(_ w: [Double], _ excess: [Double], _ h: Double) {
    var sums = (0.0, 0.0, 0.0)
    withUnsafeMutableBytes(of: &sums) {
      sk_spectral_sums(
        w, excess, Int64(excess.count), h, $0.assumingMemoryBound(to: Double.self).baseAddress)
    }
    (zeroth, first, second) = sums
  }
}
