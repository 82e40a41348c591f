internal import CScanKernels
internal import Glibc
internal import LinearAlgebra
internal import MixedModels

/// Lower bounds of √(g'Pg) for the variants of a block: what ``ResidualLengths`` are to least squares.
///
/// With a = (U'g)² (squared by element), Φ(h) = g'P_h g = Σ aᵢ/dᵢ(h), dᵢ = 1 + h(λᵢ − 1). It is computed in fp32 at a few nodes h_j. At
/// another h
///
///     Φ(h) ≥ Φ(h_j) · min_i dᵢ(h_j)/dᵢ(h),
///
/// and the minimum is at the least or the largest λ, whatever the variant. So the step from node to trait is a factor of the trait
/// alone, and a row of lengths per node is all that the screens need. Nodes are spaced equally in
/// c(h) = ln[(1 + h(λmax − 1))/(1 + h(λmin − 1))], in which that factor falls by at most half the spacing.
struct SpectralBounds: Sendable {
  /// One pattern of missing samples.
  private struct Part: Sendable {
    /// n × m.
    let vectors: [Float]
    /// m × nodes: 1/d(h_j).
    let weights: [Float]
    let size: Int
    let nodes: Int
    /// What √Φ may be off by, as a share of ‖g − ḡ‖: by node.
    let slack: [Double]
  }

  private let parts: [Part]
  private let product: BlockedProduct
  /// Pattern of each row (a node of a pattern).
  let patternOfRow: [Int32]
  /// Row of each trait.
  let rowOf: [Int32]
  /// ρ√(g'Pg) of a trait, what g'z is compared by, is at least this times the bound of its row.
  let share: [Double]

  var rowCount: Int { patternOfRow.count }

  /// Nodes to a pattern: as many traits should share one, for rotations to 32 nodes cost what 32 traits do.
  static let mostNodes = 96

  init(_ mixed: MixedTraits, patternOf: [Int32]) {
    let n = mixed.sampleCount
    product = BlockedProduct(sampleCount: n, isTight: true)
    var parts: [Part] = []
    var patternOfRow: [Int32] = []
    var rowOf = [Int32](repeating: 0, count: patternOf.count)
    var share = [Double](repeating: 0, count: patternOf.count)
    for (p, spectrum) in mixed.spectra.enumerated() {
      let traits = patternOf.indices.filter { Int(patternOf[$0]) == p }
      guard let spectrum, !traits.isEmpty else { continue }
      let nodes = Self.nodes(traits.map { mixed.heritability[$0] }, spectrum)
      for trait in traits {
        let h = mixed.heritability[trait]
        let (node, factor) =
          nodes.indices
          .map { ($0, spectrum.leastRatio(from: nodes[$0], to: h)) }
          .max { $0.1 < $1.1 } ?? (0, 0)
        rowOf[trait] = Int32(patternOfRow.count + node)
        share[trait] = mixed.ratio[trait] * factor.squareRoot() * (1 - 1e-9)
      }
      parts.append(Self.part(spectrum, nodes, samples: n, error: product.error))
      patternOfRow += nodes.map { _ in Int32(p) }
    }
    self.parts = parts
    self.patternOfRow = patternOfRow
    self.rowOf = rowOf
    self.share = share
  }

  private static func part(_ spectrum: Spectrum, _ nodes: [Double], samples n: Int, error: Double) -> Part {
    let m = spectrum.size
    var weights = [Float](repeating: 0, count: m * nodes.count)
    for (j, h) in nodes.enumerated() {
      for i in 0..<m { weights[j * m + i] = Float(1 / (1 + h * spectrum.excess[i])) }
    }
    let slack = nodes.map { h in
      // fl(U'g) is off by at most γ·‖|U|'|g|‖ ≤ γ·√‖|U|‖₁‖|U|‖_∞·‖g‖ in length, and 1/√d weighs it.
      (error * spectrum.absoluteNorm + 0x1p-22) * (1 / spectrum.least(h)).squareRoot()
    }
    return Part(
      vectors: spectrum.vectors.storage.map(Float.init), weights: weights, size: m, nodes: nodes.count,
      slack: slack)
  }

  /// Equally spaced in c between the traits' extremes, those that are nearest to no trait left out.
  private static func nodes(_ values: [Double], _ spectrum: Spectrum) -> [Double] {
    let places = values.map { spectrum.place($0) }
    let (low, high) = (places.min() ?? 0, places.max() ?? 0)
    let count = max(1, min(mostNodes, values.count / 32))
    guard high > low, count > 1 else {
      let middle = 0.5 * (low + high)
      return [values[places.indices.min { abs(places[$0] - middle) < abs(places[$1] - middle) } ?? 0]]
    }
    // The trait in the middle of each stretch is its node.
    let step = (high - low) / Double(count)
    var nearest = [(distance: Double, h: Double)?](repeating: nil, count: count)
    for (h, place) in zip(values, places) {
      let k = min(count - 1, Int((place - low) / step))
      let distance = abs(place - (low + (Double(k) + 0.5) * step))
      if nearest[k].map({ distance < $0.distance || distance == $0.distance && h < $0.h }) ?? true {
        nearest[k] = (distance, h)
      }
    }
    return nearest.compactMap { $0?.h }
  }

  /// One worker's scratch, and the bounds of its block.
  struct Block {
    /// By variant, then row: at most √Φ.
    fileprivate(set) var lower: [Float] = []
    fileprivate var rotated: [Float] = []
    fileprivate var sums: [Float] = []
  }

  /// - Parameters:
  ///   - g: n × count, centred.
  ///   - lengths: of each variant.
  func prepare(_ g: [Float], _ lengths: [ResidualLengths.LengthBound], _ block: inout Block) {
    let count = lengths.count
    grow(&block.lower, count * rowCount)
    var first = 0
    for part in parts {
      let m = part.size
      grow(&block.rotated, m * count)
      grow(&block.sums, part.nodes * count)
      product(rows: m, columns: count, part.vectors, g, into: &block.rotated)
      block.rotated.withUnsafeMutableBufferPointer { a in
        for i in 0..<m * count { a[i] *= a[i] }
      }
      BLAS.multiplyTransposed(
        rows: part.nodes, columns: count, inner: m, part.weights, m, block.rotated, m, into: &block.sums,
        part.nodes)
      // A sum of positive terms is off by at most (m + 4)·u of itself.
      let outward = 1 - (Double(m) + 8) * 0x1p-24
      for v in 0..<count {
        for j in 0..<part.nodes {
          let length = Double(block.sums[v * part.nodes + j]) * outward
          let bound = length.squareRoot() * (1 - 1e-6) - part.slack[j] * lengths[v].centered
          block.lower[v * rowCount + first + j] = Float(max(0, bound) * (1 - 0x1p-22))
        }
      }
      first += part.nodes
    }
  }

  /// Bytes shared (the eigenvectors in fp64 and fp32), and of each worker.
  static func bytes(samples n: Int, patterns: Int, block: Int) -> (shared: Int, each: Int) {
    (12 * n * n * patterns, 4 * block * (2 * n + 2 * mostNodes * patterns) + 16 * n * Spectrum.width)
  }
}
