internal import LinearAlgebra

/// Lower bounds of ‖Mg‖ for the variants of a block, from which both screens tell what cannot be a hit; in a mixed model of √(g'Pg)
/// (``SpectralBounds``).
///
/// A *row* of lengths is what traits share: a pattern of missing samples, or a node of h² in one.
///
/// ‖Mg‖² = ‖g−ḡ‖² − ‖Q'g‖² with Q'g in fp32. On the samples that trait pattern p observes, ‖M_p g‖² ≥ ‖e‖² − d_p·‖e_D‖², e = Mg,
/// D the missing samples, d_p the pattern's deletion factor.
struct ResidualLengths: Sendable {
  let product: BlockedProduct
  /// n × (rank − 1): Q without the intercept, to which centred genotypes are orthogonal.
  private let q: [Float]
  let covariateRank: Int
  /// n × patterns: indicators of the missing samples of each incomplete pattern.
  private let missing: [Float]
  /// Patterns but for the complete one.
  let missingPatternCount: Int
  /// Deletion factor of each incomplete pattern, rounded up.
  let deletion: [Float]
  /// In a mixed model: rows are its, and no pattern counts here.
  let spectral: SpectralBounds?
  /// Row of each trait.
  let rowOf: [Int32]
  let rowCount: Int

  /// A pattern that deletes (nearly) a whole direction of the covariates: its traits are not screened but recomputed.
  static let unboundedDeletion: Float = 1e6

  /// One worker's bounds of its block, and the fp32 genotypes they were made from.
  struct Block {
    /// n × count: g − ḡ.
    var g: [Float] = []
    /// Of each variant.
    var lengths: [LengthBound] = []
    /// patterns × count: Σ e² over the samples that a pattern misses.
    var lost: [Float] = []
    /// In a mixed model.
    var spectral = SpectralBounds.Block()
    fileprivate var e: [Float] = []
    fileprivate var coefficients: [Float] = []
  }

  struct LengthBound {
    /// ℓ ≤ ‖Mg‖.
    var lower: Double
    /// ‖g − ḡ‖.
    var centered: Double
  }

  init(traits: TraitPanel, residualiser: Residualiser, product: BlockedProduct) {
    let n = traits.sampleCount
    self.product = product
    q = residualiser.q[n...].map(Float.init)
    covariateRank = residualiser.rank - 1
    spectral = traits.mixed.map { SpectralBounds($0, patternOf: traits.patternOf) }
    rowOf = spectral?.rowOf ?? traits.patternOf
    rowCount = spectral?.rowCount ?? traits.patterns.count
    let incomplete = spectral == nil ? traits.patterns.dropFirst() : []
    missingPatternCount = incomplete.count
    var missing = [Float](repeating: 0, count: n * missingPatternCount)
    for (p, pattern) in incomplete.enumerated() {
      for i in pattern.missing { missing[p * n + Int(i)] = 1 }
    }
    self.missing = missing
    deletion = incomplete.map { pattern in
      let factor = pattern.deletionFactor
      return factor < Double(Self.unboundedDeletion) ? Float(factor * (1 + 1e-6)) : Self.unboundedDeletion
    }
  }

  /// Bounds for the variants of a panel; returns those that lie in the span of the covariates and are not tested.
  ///
  /// Where the covariates explain more than 99 % of a variant the bound is made from the fp64 residual by `exactLength`, nil from
  /// which means that nothing is left.
  func prepare(_ panel: VariantPanel, _ block: inout Block, exactLength: (Int) -> Double?) -> [Int] {
    let (n, b, r) = (product.sampleCount, panel.count, covariateRank)
    grow(&block.g, n * b)
    grow(&block.coefficients, max(1, r * b))
    block.g.withUnsafeMutableBufferPointer { panel.writeCentered(to: $0.baseAddress!) }
    product(rows: r, columns: b, q, block.g, into: &block.coefficients)
    var collinear: [Int] = []
    block.lengths.removeAll(keepingCapacity: true)
    for v in 0..<b {
      let total = panel.variants[v].summary.centeredSumOfSquares
      let centered = total.squareRoot()
      var explained = 0.0
      for l in 0..<r {
        explained += Double(block.coefficients[v * r + l]) * Double(block.coefficients[v * r + l])
      }
      let upper = explained.squareRoot() + Double(r).squareRoot() * product.error * centered
      var squared = total - upper * upper
      if squared < 1e-2 * total {
        if let exact = exactLength(v) {
          squared = exact * exact
        } else {
          collinear.append(v)
          squared = 0
        }
      }
      block.lengths.append(LengthBound(lower: squared.squareRoot() * (1 - 1e-9), centered: centered))
    }
    if missingPatternCount > 0 { fillLost(panel, &block) }
    spectral?.prepare(block.g, block.lengths, &block.spectral)
    return collinear
  }

  /// Of the length of its row, a trait's is at least this share.
  func share(_ trait: Int) -> Double { spectral?.share[trait] ?? 1 }

  /// At most the length that a trait compares variant `v` by; without missing samples only, but in a mixed model.
  func lower(_ v: Int, trait: Int, _ block: Block) -> Double {
    guard let spectral else { return block.lengths[v].lower }
    return Double(block.spectral.lower[v * rowCount + Int(rowOf[trait])]) * spectral.share[trait]
  }

  /// lost[v, p] = Σ e² over the samples that pattern p misses, e = Mg in fp32.
  private func fillLost(_ panel: VariantPanel, _ block: inout Block) {
    let (n, b, r) = (product.sampleCount, panel.count, covariateRank)
    grow(&block.e, n * b)
    grow(&block.lost, missingPatternCount * b)
    block.e.withUnsafeMutableBufferPointer { e in
      for i in 0..<n * b { e[i] = block.g[i] }
      BLAS.subtractProduct(
        rows: n, columns: b, inner: r, q, n, block.coefficients, max(1, r), from: e.baseAddress!, n)
      for i in 0..<n * b { e[i] *= e[i] }
    }
    product(rows: missingPatternCount, columns: b, missing, block.e, into: &block.lost)
    // Squares of less would be lost in fp32: such variants bound nothing.
    for v in 0..<b where block.lengths[v].centered < 1e-15 {
      for p in 0..<missingPatternCount { block.lost[v * missingPatternCount + p] = .infinity }
    }
  }

  /// What √lost may be off by: a share of itself, and a length.
  ///
  /// e in fp32 is off by at most √r·γ‖g−ḡ‖ plus its own roundings.
  func lostError(_ length: LengthBound) -> (growth: Double, offset: Double) {
    (1 + 2 * product.error, (Double(covariateRank).squareRoot() + 2) * 2 * product.error * length.centered)
  }

  /// Bytes shared, and of each worker.
  static func bytes(samples n: Int, rank: Int, patterns: Int, block: Int) -> (shared: Int, each: Int) {
    (4 * n * (rank + patterns), 4 * (n * block * (patterns > 1 ? 2 : 1) + (rank + patterns) * block))
  }
}

/// Makes room; contents are not kept.
func grow<T: ExpressibleByIntegerLiteral>(_ array: inout [T], _ count: Int) {
  if array.count < count { array = [T](repeating: 0, count: count) }
}
