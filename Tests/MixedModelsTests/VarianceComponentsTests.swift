import LinearAlgebra
import MixedModels
import StudyData
import Testing

@Suite struct VarianceComponentsTests {
  /// K = I·2 leaves no direction that is more related than another: h² = 0, and every length is that of least squares.
  @Test func identityHasNoHeritability() throws {
    let n = 12
    var k = Matrix(rows: n, columns: n)
    for i in 0..<n { k[i, i] = 2 }
    let basis = Matrix(rows: n, columns: 1, repeating: 1 / Double(n).squareRoot())
    let kinship = Kinship(path: "identity", sampleIDs: (0..<n).map { "s\($0)" }, matrix: k)
    let decomposition = try SpectralDecomposition(of: kinship, covariateBasis: basis)
    #expect(abs(decomposition.scale - 2 * Double(n - 1) / Double(n)) < 1e-14)
    let components = VarianceComponents(decomposition)
    let y = (0..<n).map { Double(($0 * 7) % 5) }
    let estimate = components.estimate(
      rotated: components.rotate(Matrix(rows: n, columns: 1, storage: y)).storage)
    let mean = y.reduce(0, +) / Double(n)
    let centered = y.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let ratio = Double(n) / Double(n - 1)
    #expect(
      abs(estimate.quadraticForm - centered / (1 + estimate.heritability * (ratio - 1))) < 1e-12 * centered)
  }
}
