internal import CScanKernels

/// Columns made orthonormal in their order, X = QR, with R⁻¹. Bits depend on the columns alone.
struct OrthonormalColumns {
  let sampleCount: Int
  /// n × capacity, column-major; the first `count` columns are Q.
  private(set) var q: [Double]
  /// R⁻¹, upper triangular, of leading dimension `capacity`.
  private(set) var inverse: [Double]
  let capacity: Int
  private(set) var count = 0
  private var products: [Double]
  private var coefficients: [Double]

  init(sampleCount: Int, capacity: Int) {
    self.sampleCount = sampleCount
    self.capacity = capacity
    q = [Double](repeating: 0, count: sampleCount * capacity)
    inverse = [Double](repeating: 0, count: capacity * capacity)
    products = [Double](repeating: 0, count: capacity)
    coefficients = products
  }

  /// Forgets all columns but the first `count`.
  mutating func truncate(to count: Int) { self.count = min(self.count, count) }

  /// The columns behind the last: to be filled, then appended one by one.
  mutating func withFreeColumns<Result>(_ body: (UnsafeMutablePointer<Double>) throws -> Result) rethrows
    -> Result
  {
    let start = count * sampleCount
    return try q.withUnsafeMutableBufferPointer { try body($0.baseAddress! + start) }
  }

  /// Takes the next free column up. False, and nothing changes but that column, when what the others leave of it is at most `least`.
  ///
  /// - Parameter least: a squared length.
  mutating func append(least: Double) -> Bool {
    let (n, m) = (Int64(sampleCount), Int64(count))
    var left = 0.0
    q.withUnsafeMutableBufferPointer { q in
      let x = q.baseAddress! + count * sampleCount
      for k in 0..<count { coefficients[k] = 0 }
      // The second pass removes what rounding left along the others.
      for _ in 0..<2 where m > 0 {
        sk_panel_products(x, 1, q.baseAddress!, m, n, &products)
        sk_subtract_combination(x, 1, q.baseAddress!, m, products, n)
        for k in 0..<count { coefficients[k] += products[k] }
      }
      sk_panel_products(x, 1, x, 1, n, &left)
    }
    guard left > least else { return false }
    let length = left.squareRoot()
    for i in count * sampleCount..<(count + 1) * sampleCount { q[i] /= length }
    let column = count * capacity
    for i in 0..<count {
      var sum = 0.0
      for k in i..<count { sum += inverse[i + k * capacity] * coefficients[k] }
      inverse[i + column] = -sum / length
    }
    inverse[count + column] = 1 / length
    count += 1
    return true
  }
}
