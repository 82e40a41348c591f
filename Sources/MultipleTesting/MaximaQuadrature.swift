internal import Distributions
internal import Glibc

/// The maxima of a gene's permutations as a quadrature rule: a weighted sum over a few nodes in place of the mean over all
/// copies, so that a trial of ν takes 65 tails rather than 10,000.
///
/// Nodes are the Chebyshev points between the least and the greatest z = atanh r, weights integrate every polynomial in z
/// of that degree exactly as the mean over the copies does. p, ln p and ln(1 − p) are analytic in |Im z| < π/2, hence the
/// rule converges geometrically; `resolves` tells whether it has. ``refine()`` doubles the degree and ends with the copies
/// themselves as nodes, which is always right.
struct MaximaQuadrature {
  private(set) var nodes: [Double]
  private(set) var weights: [Double]
  /// All z in ascending order: sums do not depend on the order of the copies.
  let sorted: [Double]
  /// Of the Chebyshev polynomials; 0 once the nodes are the copies.
  private var degree: Int

  /// - Precondition: at least two different finite values, ascending.
  init(sorted: [Double]) {
    self.sorted = sorted
    (nodes, weights, degree) = ([], [], 0)
    place(degree: 64)
  }

  /// Σ weight · value: the mean over all copies of the function that has these `values` at the nodes.
  func mean(_ values: [Double]) -> Double {
    var sum = 0.0
    for (weight, value) in zip(weights, values) { sum += weight * value }
    return sum
  }

  /// Whether the function with these values is a polynomial of our degree to 1e-13 of its greatest value: its last eighth
  /// of coefficients is that small, and they fall geometrically.
  func resolves(_ values: [Double]) -> Bool {
    guard degree > 0 else { return true }
    let cosines = Self.cosines(degree)
    let scale = values.reduce(0) { max($0, abs($1)) }
    for k in (degree - degree / 8)...degree {
      var sum = (values[0] + (k % 2 == 0 ? values[degree] : -values[degree])) / 2
      for j in 1..<degree { sum += values[j] * cosines[j * k % (2 * degree)] }
      if !(abs(sum) * 2 / Double(degree) <= 1e-13 * scale) { return false }
    }
    return true
  }

  /// A rule of twice the degree. It ends: the last one always resolves.
  mutating func refine() {
    precondition(degree > 0)
    if degree < 256 && 4 * degree < sorted.count {
      place(degree: 2 * degree)
    } else {
      degree = 0
      nodes = sorted
      weights = [Double](repeating: 1 / Double(sorted.count), count: sorted.count)
    }
  }

  private mutating func place(degree: Int) {
    self.degree = degree
    let (low, high) = (sorted[0], sorted[sorted.count - 1])
    let (center, radius) = (low + (high - low) / 2, (high - low) / 2)
    let moments = Self.moments(sorted, center: center, radius: radius, degree: degree)
    let cosines = Self.cosines(degree)
    nodes = (0...degree).map { min(max(center + radius * cosines[$0], low), high) }
    weights = (0...degree).map { j in
      var sum = (moments[0] + moments[degree] * (j % 2 == 0 ? 1 : -1)) / 2
      for k in 1..<degree { sum += moments[k] * cosines[j * k % (2 * degree)] }
      return sum * (j == 0 || j == degree ? 1 : 2) / Double(degree)
    }
  }

  /// cos(π m/degree) for m of 0 ..< 2 degree.
  private static func cosines(_ degree: Int) -> [Double] {
    (0..<2 * degree).map { cos(.pi * Double($0) / Double(degree)) }
  }

  /// Means over the copies of the Chebyshev polynomials of (z − center)/radius, by their recurrence, eight copies at a time.
  private static func moments(_ z: [Double], center: Double, radius: Double, degree: Int) -> [Double] {
    typealias Lanes = SIMD8<Double>
    let lanes = Lanes.scalarCount
    var x = z.map { min(max(($0 - center) / radius, -1), 1) }
    x.append(contentsOf: repeatElement(0, count: (lanes - z.count % lanes) % lanes))
    var sums = [Lanes](repeating: .zero, count: degree + 1)
    sums.withUnsafeMutableBufferPointer { sums in
      x.withUnsafeBytes { x in
        for start in stride(from: 0, to: z.count, by: lanes) {
          var this = x.loadUnaligned(fromByteOffset: start * MemoryLayout<Double>.stride, as: Lanes.self)
          var last = Lanes(repeating: 1)
          // Lanes without a copy are zero at all degrees.
          for lane in min(lanes, z.count - start)..<lanes { last[lane] = 0 }
          let twice = this + this
          sums[0] += last
          sums[1] += this
          for k in 2...degree {
            let next = twice * this - last
            sums[k] += next
            (last, this) = (this, next)
          }
        }
      }
    }
    return sums.map { $0.sum() / Double(z.count) }
  }
}
