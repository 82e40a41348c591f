internal import CScanKernels
public import LinearAlgebra
public import StudyData

/// The projector M = I − QQ' that takes the intercept and the covariates out of traits and variants, for complete
/// samples and for every pattern of missing phenotypes. The one place that knows degrees of freedom.
///
/// - Source: Frisch & Waugh 1933, doi:10.2307/1907330; Lovell 1963, doi:10.1080/01621459.1963.10480682.
public struct Residualiser: Sendable {
  public let sampleCount: Int
  /// Intercept and independent covariates.
  public let rank: Int
  /// Dimensions that vectors lost beforehand: samples less ``sampleCount``, 0 unless vectors are those of a mixed model.
  let lostDimensions: Int
  /// Columns tested together beside the covariates: 1, the genotype, unless it interacts with others.
  public let effects: Int
  /// Covariates that depend on the intercept and those before them.
  public let drops: [Drop]
  /// Their columns.
  let droppedColumns: [Int]
  /// n × rank, column-major, orthonormal; the first column is the intercept's.
  let q: [Double]

  /// n × rank, orthonormal: the intercept's direction first.
  public var basis: Matrix { Matrix(rows: sampleCount, columns: rank, storage: q) }

  /// Two passes: one leaves rounding noise of size u·‖x‖ along Q, which is all that remains of an x near span(Q).
  private static let passCount = 2

  /// - Parameters:
  ///   - covariates: n × c, complete, without the intercept (one given is dropped as constant).
  ///   - names: of the c columns, for the drop report.
  ///   - effects: columns that are tested together; each takes a degree of freedom.
  /// - Throws: ``StudyError`` `degenerate` when n ≤ rank + effects: no degree of freedom is left for a slope.
  /// - Complexity: O(n·c²), again for every collinear covariate.
  public init(covariates: Matrix, names: [String], effects: Int = 1) throws(StudyError) {
    let n = covariates.rows
    precondition(names.count == covariates.columns && effects > 0)
    self.effects = effects
    var drops: [Drop] = []
    var centered = Matrix(rows: n, columns: covariates.columns)
    var constant: [Int] = []
    for j in 0..<covariates.columns {
      let column = covariates.column(j)
      // Twice: at mean/sd ≥ 1e6 the first leaves a mean that matters.
      var values = column
      for _ in 0..<2 {
        let mean = values.reduce(0, +) / Double(n)
        values = values.map { $0 - mean }
      }
      let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let raw = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard length > 1e-7 * raw else {
        drops.append(Drop(.covariate, id: names[j], reason: "constant"))
        constant.append(j)
        continue
      }
      for i in 0..<n { centered[i, j] = values[i] / length }
    }
    let orthonormal = OrthonormalBasis(of: centered)
    let collinear = orthonormal.dropped.filter { !constant.contains($0) }
    drops += collinear.map {
      Drop(.covariate, id: names[$0], reason: "collinear with the covariates before it")
    }
    self.drops = drops
    droppedColumns = constant + collinear
    sampleCount = n
    lostDimensions = 0
    rank = orthonormal.rank + 1
    q = [Double](repeating: 1 / Double(n).squareRoot(), count: n) + orthonormal.basis.storage
    guard n > rank + effects else {
      let others = effects == 1 ? "" : " beside \(effects) effects"
      throw StudyError(
        .degenerate,
        "\(n) samples are too few for \(rank - 1) independent covariates and an intercept\(others): no degree of freedom is left",
        remedy: "use fewer covariates or more samples (at least \(rank + effects + 1) samples here)")
    }
  }

  /// Takes nothing out of vectors of `length` numbers, into which the covariates turned those of `samples`.
  init(length: Int, samples: Int) {
    sampleCount = length
    lostDimensions = samples - length
    rank = 0
    effects = 1
    drops = []
    droppedColumns = []
    q = []
  }

  private init(_ other: Residualiser, adding direction: [Double]) {
    sampleCount = other.sampleCount
    lostDimensions = other.lostDimensions
    rank = other.rank + 1
    effects = other.effects
    drops = other.drops
    droppedColumns = other.droppedColumns
    q = other.q + direction
  }

  /// All but the basis.
  func encode(to encoder: inout ByteEncoder) {
    encoder.put([sampleCount, rank, lostDimensions, effects])
    drops.encode(to: &encoder)
    encoder.put(droppedColumns)
  }

  init(_ archive: Archive) throws(ByteDecoder.Failure) {
    var numbers: [Int] = []
    (drops, droppedColumns) = try archive.decode("projector") { (decoder) throws(ByteDecoder.Failure) in
      numbers = try decoder.values()
      return (try [Drop](&decoder), try decoder.values(Int.self))
    }
    guard numbers.count == 4, numbers[0] > 0, numbers[1] >= 0, numbers[1] < numbers[0] else {
      throw ByteDecoder.Failure()
    }
    (sampleCount, rank, lostDimensions, effects) = (numbers[0], numbers[1], numbers[2], numbers[3])
    q = try archive.doubles("projector.basis", count: numbers[0] * numbers[1])
  }

  /// The projector that takes out one more vector: ν falls by one for every trait whose samples tell it from the covariates, and
  /// a trait may have none left.
  ///
  /// - Parameter x: centred or not.
  /// - Returns: nil when nothing is left of `x`: it is collinear with what is taken out already.
  func adding(_ x: [Double]) -> Residualiser? {
    var direction = x
    var scratch: [Double] = []
    let left = direction.normalize { project($0, width: 1, scratch: &scratch) }
    return left > PairEvaluator.collinearity ? Residualiser(self, adding: direction) : nil
  }

  /// x ← Mx for each of `width` columns.
  ///
  /// Bits of a column depend on that column alone (see `exact_products.h`). Complexity: 4·n·rank flop a column and pass.
  func project(
    _ x: UnsafeMutablePointer<Double>, width: Int, passes: Int = passCount, scratch: inout [Double]
  ) {
    if scratch.count < width * rank { scratch = [Double](repeating: 0, count: width * rank) }
    let n = Int64(sampleCount)
    for _ in 0..<passes {
      sk_panel_products(x, Int64(width), q, Int64(rank), n, &scratch)
      sk_subtract_combination(x, Int64(width), q, Int64(rank), scratch, n)
    }
  }

  /// x ← the residual of x on the covariates over the observed samples of `pattern`; zero where missing.
  func project(_ x: UnsafeMutablePointer<Double>, pattern: MissingPattern, scratch: inout [Double]) {
    guard !pattern.missing.isEmpty else { return project(x, width: 1, scratch: &scratch) }
    if scratch.count < 2 * rank { scratch = [Double](repeating: 0, count: 2 * rank) }
    for i in pattern.missing { x[Int(i)] = 0 }
    // Normal equations (Q'Q over the observed samples is near I) refined: the last passes only remove rounding.
    for _ in 0...Self.passCount {
      scratch.withUnsafeMutableBufferPointer { s in
        let (b, c) = (s.baseAddress!, s.baseAddress! + rank)
        sk_panel_products(x, 1, q, Int64(rank), Int64(sampleCount), b)
        for i in 0..<rank {
          var sum = 0.0
          for j in 0..<rank { sum += pattern.inverse[i + rank * j] * b[j] }
          c[i] = sum
        }
        sk_subtract_combination(x, 1, q, Int64(rank), c, Int64(sampleCount))
      }
      for i in pattern.missing { x[Int(i)] = 0 }
    }
  }

  /// What changes for traits that miss the given samples (ascending indices).
  func pattern(missing: [Int32]) -> MissingPattern {
    let n = sampleCount
    // A = Q'Q over observed samples = I − Q_D'Q_D, D the missing ones.
    var ofMissing: [Double] = []
    ofMissing.reserveCapacity(missing.count * rank)
    for l in 0..<rank { for d in missing { ofMissing.append(q[Int(d) + n * l]) } }
    var a = Matrix(rows: rank, columns: rank)
    sk_panel_products(ofMissing, Int64(rank), ofMissing, Int64(rank), Int64(missing.count), &a.storage)
    for k in a.storage.indices { a.storage[k] = -a.storage[k] }
    for l in 0..<rank { a[l, l] += 1 }
    guard !missing.isEmpty else {
      return MissingPattern(
        missing: [], observed: n + lostDimensions, rank: rank + lostDimensions, effects: effects,
        inverse: a.storage, smallestEigenvalue: 1)
    }
    let eigen = SymmetricEigen(of: a)
    // A direction of Q that lives on the missing samples only leaves eigenvalue 0 up to rounding: the rank falls.
    let (inverse, observedRank) = eigen.pseudoInverse(tolerance: 1e-12)
    let smallest = eigen.values.dropFirst(rank - observedRank).first ?? 1
    return MissingPattern(
      missing: missing, observed: n - missing.count, rank: observedRank, effects: effects,
      inverse: inverse.storage, smallestEigenvalue: smallest)
  }
}

extension [Double] {
  /// x ← Px/‖Px‖ (or what rounding leaves). Returns ‖Px‖²/‖x‖².
  mutating func normalize(after project: (UnsafeMutablePointer<Double>) -> Void) -> Double {
    let n = Int64(count)
    return withUnsafeMutableBufferPointer { x in
      let base = x.baseAddress!
      var (total, left) = (0.0, 0.0)
      sk_panel_products(base, 1, base, 1, n, &total)
      project(base)
      sk_panel_products(base, 1, base, 1, n, &left)
      guard left > 0 else { return 0 }
      let length = left.squareRoot()
      for i in x.indices { x[i] /= length }
      return left / total
    }
  }
}

/// The samples a trait misses, and what that does to the projector.
struct MissingPattern: Sendable {
  /// Ascending indices of missing samples, D.
  let missing: [Int32]
  let observed: Int
  /// Rank of the covariates over the observed samples.
  let rank: Int
  /// Columns tested together.
  let effects: Int
  /// rank × rank, (Q'Q over the observed samples)⁺.
  let inverse: [Double]
  /// Of Q'Q over the observed samples, zeros aside: `inverse` is right to ε over this.
  let smallestEigenvalue: Double

  /// ‖M_p g‖² ≥ ‖e‖² − ‖e_D‖²·this, e = Mg. A null direction v of Q'Q over the observed samples takes nothing: Qv lies on the
  /// missing samples, where it is orthogonal to e.
  var deletionFactor: Double { 1 / smallestEigenvalue }

  /// ν = n − rank − effects.
  var degreesOfFreedom: Int { observed - rank - effects }

  /// ‖M_p g‖² from e = Mg of all samples: ‖e‖² − ‖e_D‖² − b'A⁺b with b = Q_D'e_D (deletion formula).
  ///
  /// nil when the difference has lost more than three digits, or the inverse two; the caller then projects explicitly.
  /// Complexity: k·(rank + 1) + rank² for k missing samples.
  func residualSquaredNorm(
    _ e: UnsafePointer<Double>, squaredNorm: Double, q: UnsafePointer<Double>, sampleCount: Int, rank: Int,
    scratch: inout [Double]
  ) -> Double? {
    guard !missing.isEmpty else { return squaredNorm }
    guard smallestEigenvalue > 1e-2 else { return nil }
    if scratch.count < rank { scratch = [Double](repeating: 0, count: rank) }
    var lost = 0.0
    for d in missing { lost += e[Int(d)] * e[Int(d)] }
    for l in 0..<rank {
      var sum = 0.0
      for d in missing { sum += q[Int(d) + sampleCount * l] * e[Int(d)] }
      scratch[l] = sum
    }
    for i in 0..<rank {
      var sum = 0.0
      for j in 0..<rank { sum += inverse[i + rank * j] * scratch[j] }
      lost += scratch[i] * sum
    }
    let left = squaredNorm - lost
    return left > 1e-3 * squaredNorm ? left : nil
  }
}
