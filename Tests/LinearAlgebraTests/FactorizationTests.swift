import LinearAlgebra
import TestSupport
import Testing

@Suite struct FactorizationTests {
  private static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = SplitMix64(seed)
    return Matrix(
      rows: rows, columns: columns,
      storage: (0..<columns).flatMap { _ -> [Double] in
        let scale = generator.logUniform(-6, 6)
        return (0..<rows).map { _ in scale * generator.normal() }
      })
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  /// Q'Q = I and QQ'x = x for every column, whatever the columns' scales.
  @Test(arguments: [(5, 1), (5, 5), (40, 12), (7, 0)]) func basisIsOrthonormalAndSpans(
    rows: Int, columns: Int
  ) {
    let matrix = Self.random(rows, columns, seed: UInt64(rows))
    let result = OrthonormalBasis(of: matrix)
    #expect(result.rank == columns && result.dropped.isEmpty && result.kept == Array(0..<columns))
    for i in 0..<columns {
      for j in 0..<columns {
        let product = Self.dot(result.basis.column(i), result.basis.column(j))
        #expect(abs(product - (i == j ? 1 : 0)) <= 1e-14)
      }
      var rest = matrix.column(i)
      let length = Self.dot(rest, rest).squareRoot()
      // Column i lies in the span of the first i + 1.
      for j in 0...i {
        let s = Self.dot(rest, result.basis.column(j))
        for k in 0..<rows { rest[k] -= s * result.basis[k, j] }
      }
      #expect(Self.dot(rest, rest).squareRoot() <= 1e-14 * length * Double(columns))
    }
  }

  /// The later column of a dependent set goes, at any place and scale.
  @Test func laterDependentColumnsAreDropped() {
    let a = Self.random(20, 3, seed: 1)
    let (x, y, z) = (a.column(0), a.column(1), a.column(2))
    func basis(_ columns: [[Double]]) -> OrthonormalBasis {
      OrthonormalBasis(of: Matrix(rows: 20, columns: columns.count, storage: columns.flatMap(\.self)))
    }
    let zero = [Double](repeating: 0, count: 20)
    let sum = zip(x, y).map { $0 / 1e3 + 7 * $1 }
    #expect(basis([x, x.map { -1e-3 * $0 }, y, z]).dropped == [1])
    #expect(basis([x, y, sum, z, sum]).dropped == [2, 4])
    #expect(basis([sum, x, y, z]).dropped == [2])
    #expect(basis([zero, x, zero, y]).kept == [1, 3])
    #expect(basis([zero]).rank == 0)
    #expect(basis([x, x.enumerated().map { $1 * (1 + ($0 == 0 ? 1e-9 : 0)) }]).dropped == [1])
    #expect(basis([x, x.enumerated().map { $1 * (1 + ($0 % 2 == 0 ? 1e-4 : 0)) }]).dropped == [])
  }

  /// More columns than rows: the first `rows` independent ones stay.
  @Test func noMoreColumnsThanRowsAreIndependent() {
    let result = OrthonormalBasis(of: Self.random(4, 9, seed: 2))
    #expect(result.kept == [0, 1, 2, 3] && result.dropped == [4, 5, 6, 7, 8])
    let wide = Self.random(4, 5, seed: 3)
    let doubled = wide.selectingColumns([0, 0, 1, 1, 2, 3, 4])
    #expect(OrthonormalBasis(of: doubled).kept == [0, 2, 4, 5])
  }

  @Test(arguments: [0, 1, 2, 9]) func eigenvectorsDiagonalise(n: Int) {
    var generator = SplitMix64(UInt64(n))
    var matrix = Matrix(rows: n, columns: n)
    for i in 0..<n {
      for j in 0...i {
        matrix[i, j] = generator.normal()
        matrix[j, i] = matrix[i, j]
      }
    }
    let eigen = SymmetricEigen(of: matrix)
    #expect(eigen.values == eigen.values.sorted())
    for k in 0..<n {
      let v = eigen.vectors.column(k)
      for i in 0..<n {
        let product = (0..<n).reduce(0) { $0 + matrix[i, $1] * v[$1] }
        #expect(abs(product - eigen.values[k] * v[i]) <= 1e-13)
      }
      for l in 0..<n {
        #expect(abs(Self.dot(v, eigen.vectors.column(l)) - (k == l ? 1 : 0)) <= 1e-14)
      }
    }
  }

  /// Penrose's four conditions, for a matrix with a null space.
  @Test func pseudoInverseSatisfiesPenrose() {
    var generator = SplitMix64(5)
    let (n, rank) = (7, 4)
    let factor = (0..<rank).map { _ in (0..<n).map { _ in generator.normal() } }
    var a = Matrix(rows: n, columns: n)
    for i in 0..<n { for j in 0..<n { a[i, j] = factor.reduce(0) { $0 + $1[i] * $1[j] } } }
    let (x, found) = SymmetricEigen(of: a).pseudoInverse(tolerance: 1e-10)
    #expect(found == rank)
    func multiply(_ p: Matrix, _ q: Matrix) -> Matrix {
      var out = Matrix(rows: n, columns: n)
      for i in 0..<n { for j in 0..<n { out[i, j] = (0..<n).reduce(0) { $0 + p[i, $1] * q[$1, j] } } }
      return out
    }
    func areClose(_ p: Matrix, _ q: Matrix) -> Bool {
      zip(p.storage, q.storage).allSatisfy { abs($0 - $1) <= 1e-12 * (1 + abs($1)) }
    }
    let (ax, xa) = (multiply(a, x), multiply(x, a))
    #expect(areClose(multiply(ax, a), a))
    #expect(areClose(multiply(xa, x), x))
    for product in [ax, xa] {
      var transposed = product
      for i in 0..<n { for j in 0..<n { transposed[i, j] = product[j, i] } }
      #expect(areClose(transposed, product))
    }
  }

  @Test func matricesSelect() {
    let matrix = Matrix(rows: 3, columns: 2, storage: [1, 2, 3, 4, 5, 6])
    #expect(matrix[2, 0] == 3 && matrix[0, 1] == 4)
    #expect(matrix.column(1) == [4, 5, 6])
    #expect(matrix.selectingRows([2, 0, 0]) == Matrix(rows: 3, columns: 2, storage: [3, 1, 1, 6, 4, 4]))
    #expect(matrix.selectingRows([2, 1]) == Matrix(rows: 2, columns: 2, storage: [3, 2, 6, 5]))
    #expect(matrix.selectingColumns([1]) == Matrix(rows: 3, columns: 1, storage: [4, 5, 6]))
    #expect(matrix.selectingRows([]).rows == 0)
  }

  /// Small integers: exact in single precision.
  @Test func singlePrecisionProductsAreExactOnIntegers() {
    BLAS.useSingleThread()
    var generator = SplitMix64(6)
    let (m, n, k) = (5, 7, 11)
    let a = (0..<k * m).map { _ in Float(Int.random(in: -9...9, using: &generator)) }
    let b = (0..<k * n).map { _ in Float(Int.random(in: -9...9, using: &generator)) }
    var c = [Float](repeating: 1, count: m * n)
    let expected = (0..<n).flatMap { j in
      (0..<m).map { i in (0..<k).reduce(Float(0)) { $0 + a[i * k + $1] * b[j * k + $1] } }
    }
    BLAS.multiplyTransposed(rows: m, columns: n, inner: k, a, k, b, k, into: &c, m)
    #expect(c == expected)
    BLAS.multiplyTransposed(rows: m, columns: n, inner: k, a, k, b, k, into: &c, m, accumulate: true)
    #expect(c == expected.map { 2 * $0 })
    // C (k × n) −= A (k × m) · C' (m × n).
    var d = b
    BLAS.subtractProduct(rows: k, columns: n, inner: m, a, k, expected, m, from: &d, k)
    for j in 0..<n {
      for i in 0..<k {
        let product = (0..<m).reduce(Float(0)) { $0 + a[$1 * k + i] * expected[j * m + $1] }
        #expect(d[j * k + i] == b[j * k + i] - product)
      }
    }
  }
}
