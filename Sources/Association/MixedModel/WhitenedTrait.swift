internal import CScanKernels
internal import Glibc
internal import LinearAlgebra

/// A trait of a mixed model as numbers that are exchangeable under the null, and what turns permuted ones into residuals again.
///
/// At the trait's h², e = D^(−½)U'y has the covariance σ²I: m = observed samples − rank numbers. A permuted copy is π(e), which stands for
/// the trait y_b with U'y_b = D^½π(e). Its Py_b is z_b = U·D^(−½)π(e), with y_b'Py_b = ‖e‖² as before, so
///
///     r_b = g'z_b/(√(g'Pg)·‖e‖).
///
/// h² stays that of the trait. Copies depend on the eigenvectors; where eigenvalues repeat these are a choice of the decomposition.
struct WhitenedTrait: Sendable {
  let spectrum: Spectrum
  /// e at ‖Py‖ = 1, so that ‖e‖ = ρ.
  private let values: [Double]
  /// −1/√d.
  private let weights: [Double]

  /// Copies combined together: BLAS's bits depend on that number.
  static let width = 64

  /// Nil without a mixed model.
  ///
  /// - Complexity: 2n² flop.
  init?(_ trait: Int, of traits: TraitPanel) {
    guard let mixed = traits.mixed, let spectrum = mixed.spectra[Int(traits.patternOf[trait])] else {
      return nil
    }
    let (n, h) = (traits.sampleCount, mixed.heritability[trait])
    let roots = spectrum.excess.map { (1 + h * $0).squareRoot() }
    // U'Py = D^(−1)U'y.
    values = zip(roots, spectrum.rotate(Array(traits.unit[trait * n..<(trait + 1) * n]))).map(*)
    weights = roots.map { -1 / $0 }
    self.spectrum = spectrum
  }

  /// a ← −D^(−½)π(e), m numbers.
  ///
  /// - Parameter order: of all samples; π is the order in which those before the m-th appear in it.
  func permute(_ order: UnsafePointer<Int32>, to a: UnsafeMutablePointer<Double>) {
    let m = Int32(spectrum.size)
    var next = 0
    for i in weights.indices {
      while order[next] >= m { next += 1 }
      a[i] = weights[i] * values[Int(order[next])]
      next += 1
    }
  }

  /// z_b of the reversed order: residuals of a copy may be more even than those of the trait.
  func reversedCopy() -> [Double] {
    let order = (0..<Int32(spectrum.size)).reversed().map(\.self)
    var a = [Double](repeating: 0, count: spectrum.size)
    permute(order, to: &a)
    var z = [Double](repeating: 0, count: spectrum.sampleCount)
    spectrum.subtractCombination(a, width: 1, from: &z)
    return z
  }
}
