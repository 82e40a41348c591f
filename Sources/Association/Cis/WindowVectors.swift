internal import CScanKernels
internal import StudyData

/// The variants of a window as the vectors that a regression is made of: g − ḡ, or in a mixed model D^(-1/2)U'g of one trait.
///
/// At a trait's h², generalised least squares is ordinary least squares of those without covariates: conditioning on variants
/// and all that follows from it is the same.
struct WindowVectors: Sendable {
  let window: CisWindow
  /// Numbers in a vector.
  let length: Int
  /// Sum of squares of each variant's vector.
  let totals: [Double]
  private let whitening: Whitening?

  private struct Whitening {
    var pattern: Int
    /// D^(-1/2).
    var weights: [Double]

    func write(_ k: Int, of window: CisWindow, to out: UnsafeMutablePointer<Double>) {
      window.withRotated(k, pattern: pattern) { rotated in
        weights.withUnsafeBufferPointer { weights in
          for i in weights.indices { out[i] = weights[i] * rotated[i] }
        }
      }
    }
  }

  /// g − ḡ over all samples.
  init(_ window: CisWindow, sampleCount: Int) {
    self.window = window
    length = sampleCount
    totals = (0..<window.count).map { window.variant($0).summary.centeredSumOfSquares }
    whitening = nil
  }

  /// At the h² of a trait. A variant that the covariates leave nothing of among its samples is zero, as a scan of pairs has it.
  ///
  /// - Complexity: 2n flop a variant.
  init(_ window: CisWindow, trait: Int, of traits: TraitPanel, _ mixed: MixedTraits) {
    let pattern = Int(traits.patternOf[trait])
    guard let spectrum = mixed.spectra[pattern] else { preconditionFailure("a pattern without traits") }
    let (m, h) = (spectrum.size, mixed.heritability[trait])
    let whitening = Whitening(
      pattern: pattern, weights: spectrum.excess.map { 1 / (1 + h * $0).squareRoot() })
    let scale = mixed.ratio[trait] * mixed.ratio[trait]
    var vector = [Double](repeating: 0, count: m)
    totals = vector.withUnsafeMutableBufferPointer { vector in
      let base = vector.baseAddress!
      return (0..<window.count).map { k in
        whitening.write(k, of: window, to: base)
        var total = 0.0
        sk_panel_products(base, 1, base, 1, Int64(m), &total)
        return scale * total > PairEvaluator.collinearity * window.squaredNorm(k) ? total : 0
      }
    }
    self.window = window
    length = m
    self.whitening = whitening
  }

  /// The vector of variant `k`.
  func write(_ k: Int, to out: UnsafeMutablePointer<Double>) {
    guard let whitening else {
      let (panel, index) = window.place(k)
      return panel.writeCentered(index, to: out)
    }
    if totals[k] > 0 {
      whitening.write(k, of: window, to: out)
    } else {
      out.update(repeating: 0, count: length)
    }
  }

  func callAsFunction(_ k: Int) -> [Double] {
    [Double](unsafeUninitializedCapacity: length) { values, count in
      count = length
      write(k, to: values.baseAddress!)
    }
  }

  /// Sum of squares without the covariates' share, over all samples.
  func squaredNorm(_ k: Int) -> Double { whitening == nil ? window.squaredNorm(k) : totals[k] }
}
