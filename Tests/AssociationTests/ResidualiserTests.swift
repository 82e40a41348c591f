import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

@Suite struct ResidualiserTests {
  /// Sets of covariates and what R's `lm` keeps of them (Tests/Oracles/association/lm_rank).
  @Test func rankAndDroppedColumnsAreThoseOfLm() throws {
    let columns = try oracle("lm_rank", "columns.tsv")
    let expected = try oracle("lm_rank", "expected.tsv")
    #expect(expected.count == 8)
    for line in expected {
      let set = columns.filter { $0[0] == line[0] }
      let values = set.map { $0.dropFirst(2).compactMap(Double.init) }
      let residualiser = try Residualiser(
        covariates: Matrix(rows: values[0].count, columns: set.count, storage: values.flatMap(\.self)),
        names: set.map { $0[1] })
      #expect(residualiser.rank == Int(line[1]), "\(line[0])")
      #expect(Set(residualiser.drops.map(\.id)) == Set(line[2].split(separator: ",").map(String.init)))
      #expect(residualiser.drops.allSatisfy { $0.item == .covariate && !$0.reason.isEmpty })
    }
  }

  @Test func reasonsTellConstantFromCollinear() throws {
    var generator = SplitMix64(1)
    let a = (0..<10).map { _ in generator.normal() }
    let residualiser = try Residualiser(
      covariates: Matrix(
        rows: 10, columns: 3, storage: a + [Double](repeating: 3, count: 10) + a.map { -$0 }),
      names: ["age", "site", "minus age"])
    #expect(
      residualiser.drops == [
        Drop(.covariate, id: "site", reason: "constant"),
        Drop(.covariate, id: "minus age", reason: "collinear with the covariates before it"),
      ])
  }

  /// n ≤ rank + 1 leaves no degree of freedom; one sample more does.
  @Test(arguments: [0, 1, 4]) func tooFewSamplesAreRefused(covariates: Int) throws {
    var generator = SplitMix64(2)
    for n in 1...covariates + 2 {
      let w = Matrix(
        rows: n, columns: covariates, storage: (0..<n * covariates).map { _ in generator.normal() })
      let error = #expect(throws: StudyError.self) {
        try Residualiser(covariates: w, names: (0..<covariates).map { "c\($0)" })
      }
      #expect(error?.kind == .degenerate)
    }
    let n = covariates + 3
    let w = Matrix(
      rows: n, columns: covariates, storage: (0..<n * covariates).map { _ in generator.normal() })
    #expect(try Residualiser(covariates: w, names: (0..<covariates).map { "c\($0)" }).rank == covariates + 1)
  }

  /// M is a projector: MW = 0, MM = M; a projected vector matches the reflections of the oracle in length.
  @Test func projectionIsThatOfTheOracle() throws {
    var shape = StudyShape()
    shape.covariates = 5
    let small = SmallStudy(shape, seed: 3)
    let n = small.sampleCount
    let residualiser = try Residualiser(
      covariates: Matrix(rows: n, columns: 5, storage: small.covariates.flatMap(\.self)),
      names: small.covariateNames)
    var generator = SplitMix64(3)
    let missing: [Int32] = [0, 5, 17, 60]
    var scratch: [Double] = []
    for pattern in [residualiser.pattern(missing: []), residualiser.pattern(missing: missing)] {
      let rows = (0..<n).filter { !pattern.missing.contains(Int32($0)) }
      let oracle = Reflections(covariates: small.covariates, rows: rows)
      #expect(pattern.rank == oracle.rank && pattern.degreesOfFreedom == rows.count - 7)
      for column in small.covariates {
        var x = column
        residualiser.project(&x, pattern: pattern, scratch: &scratch)
        #expect(x.allSatisfy { abs($0) <= 1e-13 * (column.map(abs).max() ?? 0) })
      }
      let x = (0..<n).map { _ in generator.normal() }
      var once = x
      residualiser.project(&once, pattern: pattern, scratch: &scratch)
      var twice = once
      residualiser.project(&twice, pattern: pattern, scratch: &scratch)
      #expect(zip(once, twice).allSatisfy { abs($0 - $1) <= 1e-15 })
      let length = Double(Reflections.squares(oracle.residual(x.map { Extended($0) })[...]))
      #expect(abs(once.reduce(0) { $0 + $1 * $1 } - length) <= 1e-13 * length)
      #expect(pattern.missing.allSatisfy { once[Int($0)] == 0 })
    }
  }

  /// ‖M_p g‖² by deletion equals that of the complete cases.
  @Test func deletionFormulaIsExact() throws {
    var shape = StudyShape()
    shape.covariates = 3
    let small = SmallStudy(shape, seed: 4)
    let n = small.sampleCount
    let residualiser = try Residualiser(
      covariates: Matrix(rows: n, columns: 3, storage: small.covariates.flatMap(\.self)),
      names: small.covariateNames)
    var generator = SplitMix64(4)
    var scratch: [Double] = []
    for _ in 0..<50 {
      let missing = (0..<n).filter { _ in generator.bernoulli(0.15) }
      let pattern = residualiser.pattern(missing: missing.map(Int32.init))
      let x = (0..<n).map { _ in generator.normal() }
      var e = x
      residualiser.project(&e, width: 1, scratch: &scratch)
      let squared = e.reduce(0) { $0 + $1 * $1 }
      let found = pattern.residualSquaredNorm(
        e, squaredNorm: squared, q: residualiser.q, sampleCount: n, rank: residualiser.rank, scratch: &scratch
      )
      let rows = (0..<n).filter { !missing.contains($0) }
      let own = Reflections(covariates: small.covariates, rows: rows)
      let expected = Double(Reflections.squares(own.residual(x.map { Extended($0) })[...]))
      #expect(abs(try #require(found) - expected) <= 1e-12 * expected)
      let lost = missing.reduce(0) { $0 + e[$1] * e[$1] }
      #expect(squared - lost * pattern.deletionFactor <= expected * (1 + 1e-12))
    }
  }

  /// Φ⁻¹((rank − ½)/n), ties averaged, against R.
  @Test func inverseNormalTransformIsThatOfR() throws {
    let lines = try oracle("inverse_normal", "expected.tsv").dropFirst()
    let names = ["continuous", "ties", "counts", "heavy", "missing"]
    var (raw, transformed) = (SmallStudy(samples: 40), SmallStudy(samples: 40))
    for name in names {
      let own = lines.filter { $0[0] == name }
      raw.addTrait(own.map { Double($0[1]) ?? .nan })
      transformed.addTrait(own.map { Double($0[2]) ?? .nan })
    }
    #expect(raw.phenotypes.allSatisfy { $0.count == 40 })
    var generator = SplitMix64(6)
    for small in [raw, transformed] { #expect(small.sampleCount == 40) }
    let dosages = (0..<10).map { _ in (0..<40).map { _ in Float(Int.random(in: 0...2, using: &generator)) } }
    for row in dosages {
      raw.addVariant(row)
      transformed.addVariant(row)
    }
    let scan = TransScan(
      threshold: 1, exclusion: .none, options: ScanOptions(filter: .off, transform: .inverseNormal))
    let (batches, _) = try scan.hits(in: raw.study())
    #expect(batches.pairs.count == 50)
    #expect(disagreements(batches.pairs, BruteForce(transformed).pairs).isEmpty)
  }
}
