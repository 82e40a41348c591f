import LinearAlgebra
import TestSupport
import Testing

@testable import MultipleTesting

@Suite struct EffectiveTestsTests {
  private static func oracle() throws -> Matrix {
    let rows = try OracleTable("interaction/eigenmt/genotypes.tsv").rows
    let samples = (1...80).map { $0 < 10 ? "s0\($0)" : "s\($0)" }
    return Matrix(
      rows: 80, columns: rows.count, storage: rows.flatMap { row in samples.map { row.number($0) } })
  }

  @Test func againstTheDefinition() throws {
    let genotypes = try Self.oracle()
    for line in try OracleTable("interaction/eigenmt/expected.tsv").rows {
      let count = Int(line.number("variants"))
      let window = genotypes.selectingColumns(Array(0..<count))
      #expect(EffectiveTests.count(window) == Int(line.number("tests")), "\(count) variants")
    }
  }

  /// Sums of some thousand products of order one: 1e-12 is a few thousand roundings.
  @Test func shrinkage() throws {
    for line in try OracleTable("interaction/eigenmt/expected.tsv").rows {
      let count = min(200, Int(line.number("variants")))
      var x = try Self.oracle().selectingColumns(Array(0..<count))
      for j in 0..<count {
        let mean = x.column(j).reduce(0, +) / 80
        for i in 0..<80 { x[i, j] -= mean }
      }
      var s = x.crossProduct
      for k in s.storage.indices { s.storage[k] /= 80 }
      let wanted = line.number("first_block_shrinkage")
      #expect(abs(EffectiveTests.shrinkage(x, covariance: s) - wanted) <= 1e-12)
    }
  }

  @Test func edges() {
    #expect(EffectiveTests.count(Matrix(rows: 5, columns: 0)) == 0)
    #expect(EffectiveTests.count(Matrix(rows: 5, columns: 3, repeating: 1)) == 0)
    #expect(EffectiveTests.count(Matrix(rows: 4, columns: 1, storage: [0, 1, 2, 0])) == 1)
    // One variant many times, with a constant one among them, in samples enough that nothing is shrunk away.
    let variant = (0..<400).map { Double($0 % 3) }
    let same = Matrix(
      rows: 400, columns: 51, storage: [Double](repeating: 1, count: 400) + (0..<50).flatMap { _ in variant })
    #expect(EffectiveTests.count(same) == 1)
  }

  /// Neither allele nor order of samples matters.
  @Test func invariances() throws {
    let genotypes = try Self.oracle()
    let count = EffectiveTests.count(genotypes)
    var flipped = genotypes
    for j in stride(from: 0, to: genotypes.columns, by: 3) {
      for i in 0..<80 { flipped[i, j] = 2 - genotypes[i, j] }
    }
    #expect(EffectiveTests.count(flipped) == count)
    #expect(EffectiveTests.count(genotypes.selectingRows((0..<80).reversed())) == count)
  }
}
