import Distributions
import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import MixedModels

/// Relationship matrix, covariates and a trait of one problem of the oracle.
struct MixedProblem {
  var kinship: Kinship
  /// With the intercept.
  var covariates: Matrix
  var y: [Double]

  /// - Parameters:
  ///   - kind: `centered`, `raw` or `identity`.
  ///   - calls: by sample.
  ///   - covariates: by sample.
  init(kind: String, calls: [[Double]], covariates: [[Double]], y: [Double]) {
    let (n, m) = (calls.count, calls[0].count)
    var z = calls
    if kind == "centered" {
      for v in 0..<m {
        let mean = calls.reduce(0) { $0 + $1[v] } / Double(n)
        for i in 0..<n { z[i][v] -= mean }
      }
    }
    var k = Matrix(rows: n, columns: n)
    for i in 0..<n {
      for j in 0..<n {
        var sum = 0.0
        for v in 0..<m { sum += z[i][v] * z[j][v] }
        k[i, j] = kind == "identity" ? (i == j ? 1 : 0) : sum / Double(m)
      }
    }
    kinship = Kinship(path: kind, sampleIDs: (0..<n).map { "s\($0)" }, matrix: k)
    let c = covariates[0].count
    self.covariates = Matrix(
      rows: n, columns: c + 1,
      storage: [Double](repeating: 1, count: n) + (0..<c).flatMap { j in covariates.map { $0[j] } })
    self.y = y
  }

  /// A problem with relatives: samples in families of four that share most genotypes.
  init(samples n: Int, covariates q: Int, seed: UInt64, heritability: Double = 0.5) {
    var generator = SplitMix64(seed)
    let m = 3 * n
    let frequencies = (0..<m).map { _ in generator.uniform(0.1, 0.5) }
    var calls: [[Double]] = []
    for i in 0..<n {
      calls.append(
        (0..<m).map { v in
          if i % 4 > 0, generator.bernoulli(0.6) { return calls[i - i % 4][v] }
          let (first, second) = (generator.bernoulli(frequencies[v]), generator.bernoulli(frequencies[v]))
          return (first ? 1 : 0) + (second ? 1 : 0)
        })
    }
    let effects = (0..<m).map { _ in generator.normal() / Double(m).squareRoot() }
    let y = calls.map { row -> Double in
      let inherited = zip(row, effects).reduce(0.0) { $0 + $1.0 * $1.1 } / 0.6
      return heritability.squareRoot() * inherited + (1 - heritability).squareRoot() * generator.normal()
    }
    self.init(
      kind: "centered", calls: calls,
      covariates: (0..<n).map { _ in (1..<q).map { _ in generator.normal() } },
      y: y)
  }

  var basis: Matrix { OrthonormalBasis(of: covariates).basis }

  func components(_ likelihood: Likelihood = .reml) throws -> VarianceComponents {
    VarianceComponents(
      try SpectralDecomposition(
        of: kinship, covariateBasis: basis, forMaximumLikelihood: likelihood == .ml), likelihood: likelihood)
  }

  func estimate(_ likelihood: Likelihood = .reml) throws -> VarianceEstimate {
    let found = try components(likelihood).estimates(of: Matrix(rows: y.count, columns: 1, storage: y))
    return try #require(found[0])
  }

  static func read() throws -> [MixedProblem] {
    var problems: [Int: [OracleTable.Row]] = [:]
    for row in try OracleTable("mixed_models/variance_components/input.tsv").rows {
      problems[Int(row.number("problem")), default: []].append(row)
    }
    return problems.sorted { $0.key < $1.key }.map { _, rows in
      MixedProblem(
        kind: rows[0].text("kind"), calls: rows.map { $0.text("calls").map { Double(String($0))! } },
        covariates: rows.map { row in
          row.text("covariates") == "-"
            ? [] : row.text("covariates").split(separator: ",").map { Double($0)! }
        }, y: rows.map { $0.number("y") })
    }
  }
}

@Suite struct VarianceComponentsTests {
  /// Likelihoods of n × n matrices, maximised by another method with 40 digits.
  @Test func explicitLikelihoods() throws {
    let problems = try MixedProblem.read()
    var seen: [String: Int] = [:]
    for row in try OracleTable("mixed_models/variance_components/expected.tsv").rows {
      let likelihood = try #require(Likelihood(rawValue: row.text("likelihood")))
      let name = "\(row.text("problem")) \(likelihood)"
      let estimate = try problems[Int(row.number("problem"))].estimate(likelihood)
      #expect(abs(estimate.logLikelihood - row.number("log_likelihood")) < 1e-8, "\(name)")
      #expect(abs(estimate.nullLogLikelihood - row.number("null")) < 1e-10, "\(name)")
      // Rounding of double precision in K shifts an eigenvalue 0 by 1e-15, which counts as 1e-10 at 1 − h = 1e-5.
      #expect(abs(estimate.heritability - row.number("h2")) < 1e-8, "\(name)")
      #expect(abs(estimate.variance / row.number("variance") - 1) < 1e-8, "\(name)")
      #expect(estimate.status.rawValue == row.text("status"), "\(name)")
      let error = row.number("se")
      // The oracle's is a difference of scores over 2e-4 of h: its own error.
      #expect(
        error.isNaN ? estimate.standardError.isNaN : abs(estimate.standardError / error - 1) < 1e-5,
        "\(name)")
      seen[row.text("status"), default: 0] += 1
    }
    for status in ["zero", "interior", "one"] { #expect(seen[status] ?? 0 >= 3) }
  }

  /// K = 2I leaves no direction that is more related than another: h² = 0, and every length is that of least squares.
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
    #expect(estimate.heritability == 0 && estimate.status == .zero && estimate.logP == 0)
    #expect(abs(estimate.quadraticForm - centered) < 1e-12 * centered)
    #expect(abs(estimate.variance - centered / Double(n - 1)) < 1e-12 * centered)
  }

  /// What the estimates must not depend on: units of K, a constant added to K, how the covariates are written, the order of samples.
  @Test(arguments: Likelihood.allCases) func invariance(_ likelihood: Likelihood) throws {
    for seed in 1...4 as ClosedRange<UInt64> {
      let problem = MixedProblem(samples: 60, covariates: 4, seed: seed)
      let n = problem.y.count
      let expected = try problem.estimate(likelihood)
      var generator = SplitMix64(seed + 100)
      var scaled = problem
      scaled.kinship = problem.kinship.mapped { 1234.5 * $0 }
      var shifted = problem
      shifted.kinship = problem.kinship.mapped { $0 + 3 }
      var rotated = problem
      rotated.covariates = Matrix(
        rows: n, columns: 6,
        storage: (0..<6).flatMap { _ in
          let weights = (0..<4).map { _ in generator.normal() }
          return (0..<n).map { i -> Double in
            (0..<4).reduce(0.0) { $0 + weights[$1] * problem.covariates[i, $1] }
          }
        })
      #expect(rotated.basis.columns == 4)
      var permuted = problem
      let order = Array(0..<n).shuffled(using: &generator)
      permuted.kinship = try problem.kinship.restricted(to: order.map { "s\($0)" })
      permuted.covariates = problem.covariates.selectingRows(order)
      permuted.y = order.map { problem.y[$0] }
      for (name, other) in [
        ("scaled", scaled), ("shifted", shifted), ("rotated", rotated), ("permuted", permuted),
      ] {
        let found = try other.estimate(likelihood)
        for (a, b) in [
          (found.heritability, expected.heritability), (found.logLikelihood, expected.logLikelihood),
          (found.variance, expected.variance), (found.standardError, expected.standardError),
        ] where !(a.isNaN && b.isNaN) {
          #expect(abs(a - b) < 1e-9 * max(1, abs(b)), "\(name) \(seed)")
        }
      }
    }
  }

  @Test func bitsDependOnTheTraitAlone() throws {
    let problem = MixedProblem(samples: 77, covariates: 3, seed: 9)
    let components = try problem.components()
    var generator = SplitMix64(5)
    let t = 70
    var traits = Matrix(rows: 77, columns: t, storage: (0..<77 * t).map { _ in generator.normal() })
    // One that the covariates explain.
    for i in 0..<77 { traits[i, 13] = 2 - 3 * problem.covariates[i, 1] }
    let alone = (0..<t).map {
      components.estimates(of: Matrix(rows: 77, columns: 1, storage: traits.column($0)))[0]
    }
    #expect(alone.count { $0 == nil } == 1 && alone[13] == nil)
    for workers in [1, 2, 5] {
      let found = components.estimates(of: traits, workers: workers)
      // NaN is the error at a boundary.
      #expect(found.map { $0.map { "\($0)" } } == alone.map { $0.map { "\($0)" } })
    }
  }

  /// The error is that of −½ the second derivative of the log-likelihood, by differences of the profile.
  @Test(arguments: Likelihood.allCases) func standardError(_ likelihood: Likelihood) throws {
    var interior = 0
    for seed in 1...6 as ClosedRange<UInt64> {
      let problem = MixedProblem(samples: 80, covariates: 2, seed: seed)
      let components = try problem.components(likelihood)
      let estimate = try problem.estimate(likelihood)
      guard estimate.status == .interior else { continue }
      interior += 1
      let rotated = components.rotate(Matrix(rows: 80, columns: 1, storage: problem.y)).storage
      let count = components.determinant.count
      func logLikelihood(_ h: Double) -> Double {
        var (sum, determinant) = (0.0, 0.0)
        for (y, e) in zip(rotated, components.excess) { sum += y * y / (1 + h * e) }
        for e in components.determinant.excess { determinant += log(1 + h * e) }
        return -0.5 * (count * log(sum) + determinant)
      }
      let step = 1e-3 * min(estimate.heritability, 1 - estimate.heritability)
      let h = estimate.heritability
      let curvature =
        (logLikelihood(h + step) - 2 * logLikelihood(h) + logLikelihood(h - step)) / (step * step)
      // Rounding, 1e-14·|ln L|/step², and step² of the fourth derivative.
      #expect(abs((-1 / curvature).squareRoot() / estimate.standardError - 1) < 1e-3)
      #expect(logLikelihood(h) >= logLikelihood(h + step) && logLikelihood(h) >= logLikelihood(h - step))
    }
    #expect(interior >= 3)
  }

  @Test func likelihoodRatioMixture() throws {
    var estimate = try MixedProblem(samples: 60, covariates: 1, seed: 2).estimate()
    estimate.nullLogLikelihood = estimate.logLikelihood - 0.5 * 2.705543454095404
    // The 90 % quantile of χ²₁.
    #expect(abs(exp(estimate.logP) - 0.05) < 1e-12)
    estimate.nullLogLikelihood = estimate.logLikelihood
    #expect(estimate.logP == 0)
  }

  /// Families of one size, K = 1 within and 0 between: unconstrained REML is the analysis of variance, σ²_b = (MSB − MSW)/k, negative
  /// where sibs are less alike than strangers.
  @Test(arguments: [0.4, 0, -0.2]) func analysisOfVariance(intraclass: Double) throws {
    let (families, k) = (40, 4)
    let n = families * k
    let kinship = Kinship(
      path: "families", sampleIDs: (0..<n).map { "s\($0)" },
      matrix: Matrix(rows: n, columns: n, storage: (0..<n * n).map { $0 / n / k == $0 % n / k ? 1 : 0 }))
    let basis = Matrix(rows: n, columns: 1, repeating: 1 / Double(n).squareRoot())
    let decomposition = try SpectralDecomposition(of: kinship, covariateBasis: basis)
    let components = VarianceComponents(decomposition, isConstrained: false)
    var generator = SplitMix64(31)
    for _ in 0..<20 {
      // Deviations from the family's mean and means whose variance is (1 + (k − 1)ρ)/k.
      var y: [Double] = []
      for _ in 0..<families {
        let own = (0..<k).map { _ in generator.normal() }
        let mean = own.reduce(0, +) / Double(k)
        let middle = ((1 + Double(k - 1) * intraclass) / Double(k)).squareRoot() * generator.normal()
        y += own.map { middle + (1 - intraclass).squareRoot() * ($0 - mean) }
      }
      let means = (0..<families).map { y[$0 * k..<($0 + 1) * k].reduce(0, +) / Double(k) }
      let grand = means.reduce(0, +) / Double(families)
      let between = Double(k) * means.reduce(0) { $0 + ($1 - grand) * ($1 - grand) } / Double(families - 1)
      let within = y.indices.reduce(0) { $0 + pow(y[$1] - means[$1 / k], 2) } / Double(n - families)
      let ofFamily = (between - within) / Double(k)
      // Of K/s, s = tr(CKC)/n = 1 − 1/families.
      let scaled = (1 - 1 / Double(families)) * ofFamily

      let estimate = try #require(
        components.estimates(of: Matrix(rows: n, columns: 1, storage: y))[0])
      #expect(estimate.status == .interior)
      // The derivative's zero, which rounding of some 1e-13 blurs.
      #expect(abs(estimate.heritability - scaled / (scaled + within)) < 1e-9)
      #expect(abs(estimate.variance / (scaled + within) - 1) < 1e-9)
      #expect((estimate.logP < log(0.5)) == (ofFamily > 0))
      let constrained = try #require(
        VarianceComponents(decomposition).estimates(of: Matrix(rows: n, columns: 1, storage: y))[0])
      if ofFamily > 0 {
        #expect(constrained == estimate)
      } else {
        #expect(constrained.heritability == 0 && constrained.status == .zero)
      }
    }
    // Families of one and the same mean: as far down as it goes.
    let y = (0..<n).map { Double([-1, 1, -2, 2][$0 % 4]) }
    let least = try #require(components.estimates(of: Matrix(rows: n, columns: 1, storage: y))[0])
    #expect(least.status == .lowest && least.standardError.isNaN)
    #expect(abs(1 + least.heritability * ((decomposition.values.max() ?? 0) - 1) - 0.1) < 1e-12)
  }

  @Test func refused() throws {
    let n = 5
    let basis = Matrix(rows: n, columns: 1, repeating: 1 / Double(n).squareRoot())
    let ids = (0..<n).map { "s\($0)" }
    func kind(_ matrix: Matrix, memory: Int = .max) -> StudyError.Kind? {
      let kinship = Kinship(path: "k", sampleIDs: ids, matrix: matrix)
      do throws(StudyError) {
        _ = try SpectralDecomposition(of: kinship, covariateBasis: basis, memory: memory)
        return nil
      } catch { return error.kind }
    }
    #expect(kind(Matrix(rows: n, columns: n, repeating: 2)) == .degenerate)
    #expect(kind(Matrix(rows: n, columns: n)) == .degenerate)
    var matrix = Matrix(rows: n, columns: n)
    for i in 0..<n { matrix[i, i] = Double(1 + i) }
    #expect(kind(matrix) == nil)
    #expect(kind(matrix, memory: 100) == .environment)
    matrix[2, 3] = .nan
    #expect(kind(matrix) == .malformed)
    matrix[2, 3] = .infinity
    #expect(kind(matrix) == .malformed)
  }

  /// Without covariates eigenvalues of CKC are those of its complement and a 0, which are not decomposed again.
  @Test func interceptAlone() throws {
    let problem = MixedProblem(samples: 30, covariates: 5, seed: 9)
    let n = 30
    let basis = Matrix(rows: n, columns: 1, repeating: 1 / Double(n).squareRoot())
    let d = try SpectralDecomposition(
      of: problem.kinship, covariateBasis: basis, forMaximumLikelihood: true)
    let k = problem.kinship.matrix
    let means = (0..<n).map { k.column($0).reduce(0, +) / Double(n) }
    let mean = means.reduce(0, +) / Double(n)
    var centered = k
    for i in 0..<n { for j in 0..<n { centered[i, j] = (k[i, j] - means[i] - means[j] + mean) / d.scale } }
    let values = SymmetricEigen(of: centered).values
    #expect(d.kinshipValues.count == n)
    // Rounding of n sums of entries that are about 1.
    for (found, value) in zip(d.kinshipValues, values) { #expect(abs(found - max(0, value)) < 1e-12) }
  }

  /// The faster algorithm where memory does, the sparing one else, and bytes that grow with 24·n² and 16·n².
  @Test func needs() throws {
    let least = 64 << 20 + 16 * 100 * 100
    let most = 64 << 20 + 24 * 100 * 100
    func need(_ memory: Int, samples: Int = 100) throws -> SpectralDecomposition.Need {
      try SpectralDecomposition.Need(samples: samples, path: "k", memory: memory)
    }
    #expect(try need(most).algorithm == .divideAndConquer && need(most).bytes == most)
    #expect(try need(most - 1).algorithm == .robustRepresentations && need(most - 1).bytes == least)
    #expect(throws: StudyError.self) { try need(least - 1) }
    // Whose workspace LAPACK could not count.
    #expect(try need(.max, samples: 40_000).algorithm == .robustRepresentations)
  }

  /// The two algorithms, and the decomposition itself.
  @Test func decomposition() throws {
    let problem = MixedProblem(samples: 40, covariates: 5, seed: 3)
    let n = 40
    let basis = problem.basis
    for memory in [Int.max, 64 << 20 + 16 * n * n] {
      let d = try SpectralDecomposition(of: problem.kinship, covariateBasis: basis, memory: memory)
      #expect(d.values.count == 35 && d.values == d.values.sorted())
      // UΛU' = MKM/s, U'U = I, U'Q = 0.
      func m(_ i: Int, _ j: Int) -> Double {
        var sum = i == j ? 1.0 : 0
        for k in 0..<5 { sum -= basis[i, k] * basis[j, k] }
        return sum
      }
      for (i, j) in [(0, 0), (3, 17), (39, 5), (22, 22)] {
        var expected = 0.0
        for a in 0..<n { for b in 0..<n { expected += m(i, a) * problem.kinship.matrix[a, b] * m(b, j) } }
        let found = (0..<35).reduce(0.0) { $0 + d.vectors[i, $1] * d.values[$1] * d.vectors[j, $1] }
        #expect(abs(found * d.scale - expected) < 1e-12)
        let (u, v) = (d.vectors.column(i % 35), d.vectors.column(j % 35))
        #expect(abs(dot(u, v) - (i % 35 == j % 35 ? 1 : 0)) < 1e-13)
        #expect(abs(dot(u, basis.column(j % 5))) < 1e-14)
      }
    }
  }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0.0) { $0 + $1.0 * $1.1 } }

extension Kinship {
  func mapped(_ change: (Double) -> Double) -> Kinship {
    Kinship(
      path: path, sampleIDs: sampleIDs,
      matrix: Matrix(rows: sampleCount, columns: sampleCount, storage: matrix.storage.map(change)))
  }
}
