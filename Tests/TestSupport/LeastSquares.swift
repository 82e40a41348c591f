#if arch(x86_64)
/// Wider than the arithmetic under test, so that a difference is the product's.
public typealias Extended = Float80
#else
public typealias Extended = Double
#endif

/// The ordinary least squares fit of y = Wα + gβ + ε, for one pair.
public struct Fit: Sendable {
  public var beta: Double
  public var standardError: Double
  public var t: Double
  public var degreesOfFreedom: Int
  public var n: Int
  /// Partial r² and its complement, each with full relative accuracy.
  public var rSquared: Double
  public var oneMinusRSquared: Double

  public init(
    beta: Double, standardError: Double, t: Double, degreesOfFreedom: Int, n: Int, rSquared: Double,
    oneMinusRSquared: Double
  ) {
    self.beta = beta
    self.standardError = standardError
    self.t = t
    self.degreesOfFreedom = degreesOfFreedom
    self.n = n
    self.rSquared = rSquared
    self.oneMinusRSquared = oneMinusRSquared
  }
}

/// Householder reflections that triangularise [1 | W] over some samples: what they leave of x below the triangle are the
/// coordinates of its residual. An implementation of regression that shares nothing with the product's.
public struct Reflections {
  public private(set) var rank = 0
  /// Covariates that depend on those before them.
  public private(set) var dropped: [Int] = []
  private var vectors: [[Extended]] = []
  private let rows: [Int]

  /// - Parameters:
  ///   - covariates: column by column, over all samples.
  ///   - rows: the samples of the fit.
  public init(covariates: [[Double]], rows: [Int], tolerance: Extended = 1e-7) {
    self.rows = rows
    add([Extended](repeating: 1, count: rows.count))
    for (j, column) in covariates.enumerated() {
      let raw = rows.map { Extended(column[$0]) }
      let reflected = reflect(raw)
      var centered = raw
      if let first = vectors.first { Self.apply(first, at: 0, to: &centered) }
      let spread = Self.squares(centered.dropFirst())
      let rest = Self.squares(reflected[rank...])
      if spread <= tolerance * tolerance * Self.squares(raw[...])
        || rest <= tolerance * tolerance * spread
      {
        dropped.append(j)
      } else {
        add(reflected)
      }
    }
  }

  /// Coordinates of the residual of `x` (over all samples).
  public func residual(_ x: [Extended]) -> [Extended] {
    Array(reflect(rows.map { x[$0] })[rank...])
  }

  private mutating func add(_ reflected: [Extended]) {
    guard rank < rows.count else { return }
    var v = reflected
    for k in 0..<rank { v[k] = 0 }
    let length = Self.squares(v[rank...]).squareRoot()
    guard length > 0 else { return }
    v[rank] += v[rank] < 0 ? -length : length
    let norm = Self.squares(v[rank...]).squareRoot()
    vectors.append(v.map { $0 / norm })
    rank += 1
  }

  private func reflect(_ x: [Extended]) -> [Extended] {
    var x = x
    for (k, v) in vectors.enumerated() { Self.apply(v, at: k, to: &x) }
    return x
  }

  private static func apply(_ v: [Extended], at k: Int, to x: inout [Extended]) {
    var product: Extended = 0
    for i in k..<x.count { product += v[i] * x[i] }
    for i in k..<x.count { x[i] -= 2 * product * v[i] }
  }

  public static func squares(_ x: ArraySlice<Extended>) -> Extended { x.reduce(0) { $0 + $1 * $1 } }

  /// The fit of residual coordinates `y` on `g`, n samples.
  public func fit(_ g: [Extended], _ y: [Extended]) -> Fit {
    let n = rows.count
    let nu = n - rank - 1
    let (gg, yy) = (Self.squares(g[...]), Self.squares(y[...]))
    let gy = zip(g, y).reduce(Extended(0)) { $0 + $1.0 * $1.1 }
    let beta = gy / gg
    let rest = zip(g, y).reduce(Extended(0)) {
      let d = $1.1 - beta * $1.0
      return $0 + d * d
    }
    let error = (rest / Extended(nu) / gg).squareRoot()
    return Fit(
      beta: Double(beta), standardError: Double(error), t: Double(beta / error), degreesOfFreedom: nu, n: n,
      rSquared: Double(gy * gy / gg / yy), oneMinusRSquared: Double(rest / yy))
  }
}
