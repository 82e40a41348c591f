import Distributions
import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import MixedModels

@Suite struct PairRefitTests {
  /// A fit is what the explicit model of the trait with the variant among the covariates says.
  @Test func variantAsCovariate() throws {
    for seed in 1...12 as ClosedRange<UInt64> {
      let problem = MixedProblem(
        samples: 50, covariates: 3, seed: seed, heritability: [0.05, 0.5, 0.9][Int(seed) % 3])
      let n = problem.y.count
      var generator = SplitMix64(seed + 1000)
      let variant = (0..<n).map { i -> Double in
        Double(Int.random(in: 0...2, using: &generator)) + 0.3 * problem.covariates[i, 1]
      }
      let y = zip(problem.y, variant).map { $0 + (seed % 2 == 0 ? 0.4 : 0) * $1 }
      for likelihood in Likelihood.allCases {
        var other = problem
        other.covariates = Matrix(
          rows: n, columns: 4, storage: problem.covariates.storage + variant)
        other.y = y
        let expected = try other.estimate(likelihood)
        let components = try problem.components(likelihood)
        var refit = PairRefit(components)
        let rotated = components.rotate(Matrix(rows: n, columns: 2, storage: y + variant))
        let found = refit.fit(rotated.column(0), rotated.column(1))
        let fit = try #require(found)
        #expect(abs(fit.heritability - expected.heritability) < 1e-8)
        #expect(abs(fit.logLikelihood - expected.logLikelihood) < 1e-8)
        #expect(fit.degreesOfFreedom == n - 4)

        // β and its error by generalised least squares with V written out.
        let (h, s) = (fit.heritability, components.decomposition.scale)
        var v = problem.kinship.mapped { h * $0 / s }.matrix
        for i in 0..<n { v[i, i] += 1 - h }
        let solved = generalizedLeastSquares(v, other.covariates, y)
        #expect(abs(fit.beta - solved.beta) < 1e-8 * max(1, abs(solved.beta)))
        #expect(abs(fit.standardError / solved.standardError - 1) < 1e-8)
      }
    }
  }

  @Test func nothingLeft() throws {
    let problem = MixedProblem(samples: 20, covariates: 2, seed: 4)
    let components = try problem.components()
    var refit = PairRefit(components)
    let y = components.rotate(Matrix(rows: 20, columns: 1, storage: problem.y)).storage
    let zero = [Double](repeating: 0, count: y.count)
    let (noVariant, noTrait) = (refit.fit(y, zero), refit.fit(zero, y))
    #expect(noVariant == nil && noTrait == nil)
    // A perfect fit: finite but for t.
    let perfect = refit.fit(y, y.map { -2 * $0 })
    let fit = try #require(perfect)
    #expect(abs(fit.beta + 0.5) < 1e-14 && abs(fit.t) > 1e12)
  }

  /// Every SNP of the heterogeneous-stock mice by GEMMA 0.98.5 (`-lmm 4`), K by `-gk 1` from all mice.
  ///
  /// Its tables have seven digits, and its λ stops at 1e-5 relative: all agree to 1e-5.
  @Test(
    .disabled(if: SharedFolder.isAbsent, "the shared data are absent"),
    arguments: [Mice.cd8, .mch])
  func gemma(_ mice: Mice) throws {
    let genotypes = try Mice.genotypes.get()
    let phenotypes = try mice.phenotypes()
    let analysed = phenotypes.indices.filter { phenotypes[$0] != nil }
    let (n, all) = (analysed.count, phenotypes.count)
    let ids = phenotypes.indices.map { "m\($0)" }
    let kinship = try Kinship(path: "K", sampleIDs: ids, matrix: genotypes.kinship)
      .restricted(to: analysed.map { ids[$0] })
    let decomposition = try SpectralDecomposition(
      of: kinship, covariateBasis: Matrix(rows: n, columns: 1, repeating: 1 / Double(n).squareRoot()),
      forMaximumLikelihood: true)
    let reml = VarianceComponents(decomposition)
    let ml = VarianceComponents(decomposition, likelihood: .ml)
    let trait = Matrix(rows: n, columns: 1, storage: analysed.map { phenotypes[$0]! })
    let (null, nullML) = try (
      #require(reml.estimates(of: trait)[0]), #require(ml.estimates(of: trait)[0])
    )
    #expect(abs(null.heritability - mice.pve) < 1e-6 && abs(null.standardError - mice.error) < 1e-6)
    #expect(abs(null.logLikelihood - mice.reml) < 0.01 && abs(nullML.logLikelihood - mice.ml) < 0.01)

    let table = try mice.association()
    let column = Dictionary(uniqueKeysWithValues: zip(table[0], table[0].indices))
    let rows = Array(table.dropFirst())
    let y = reml.rotate(trait).storage
    var (wald, ratio) = (PairRefit(reml), PairRefit(ml))
    var worst: [String: Double] = [:]
    for start in stride(from: 0, to: rows.count, by: 64) {
      let panel = rows[start..<min(start + 64, rows.count)]
      var dosages: [Double] = []
      for row in panel {
        let first = try #require(genotypes.index[String(row[column["rs"]!])]) * all
        dosages += analysed.map { genotypes.values[first + $0] }
      }
      let rotated = reml.rotate(Matrix(rows: n, columns: panel.count, storage: dosages))
      for (k, row) in panel.enumerated() {
        let g = rotated.column(k)
        let (waldFit, ratioFit) = (wald.fit(y, g), ratio.fit(y, g))
        let (w, l) = try (#require(waldFit), #require(ratioFit))
        func number(_ name: String) -> Double { Double(row[column[Substring(name)]!])! }
        func compare(_ name: String, _ difference: Double) { worst[name] = max(worst[name] ?? 0, difference) }
        func compareP(_ name: String, _ logP: Double) {
          let expected: Double = log10(number(name))
          compare(name, abs(logP / log(10.0) - expected) / max(1, -expected))
        }
        compare("beta", abs(w.beta - number("beta")) / number("se"))
        compare("se", abs(w.standardError / number("se") - 1))
        compare("logl_H1", abs(l.logLikelihood / number("logl_H1") - 1))
        compareP("p_wald", w.logWaldP)
        compareP("p_lrt", l.logLikelihoodRatioP(null: nullML.logLikelihood))
        // F = n·r² at the trait's ML h.
        let h = nullML.heritability
        func sum(_ a: [Double], _ b: [Double]) -> Double {
          SpectralSums(zip(a, b).map { $0 * $1 }, ml.excess, h).zeroth
        }
        let gy = sum(g, y)
        let f = Double(n) * gy * gy / (sum(g, g) * sum(y, y))
        compareP("p_score", FDistribution.logUpperP(f, numerator: 1, denominator: Double(n - 2)))
      }
    }
    #expect(rows.count > 10_000)
    for (name, difference) in worst { #expect(difference < 1e-5, "\(name)") }
  }
}

extension PairRefit {
  mutating func fit(_ trait: [Double], _ variant: [Double]) -> PairFit? {
    trait.withUnsafeBufferPointer { y in variant.withUnsafeBufferPointer { fit(trait: y, variant: $0) } }
  }
}

/// The last coefficient of y ~ X with Var y ∝ V, by Cholesky's factor of V and Householder reflections.
func generalizedLeastSquares(_ v: Matrix, _ x: Matrix, _ y: [Double]) -> (beta: Double, standardError: Double)
{
  let (n, p) = (x.rows, x.columns)
  var l = v
  for j in 0..<n {
    for k in 0..<j { for i in j..<n { l[i, j] -= l[i, k] * l[j, k] } }
    let d = l[j, j].squareRoot()
    for i in j..<n { l[i, j] /= d }
  }
  // L⁻¹(X y), then reflections that make it triangular.
  var columns = (0..<p).map { x.column($0) } + [y]
  for c in columns.indices {
    for i in 0..<n {
      for j in 0..<i { columns[c][i] -= l[i, j] * columns[c][j] }
      columns[c][i] /= l[i, i]
    }
  }
  for k in 0..<p {
    var u = columns[k]
    for i in 0..<k { u[i] = 0 }
    let length = dot(u, u).squareRoot()
    u[k] += u[k] < 0 ? -length : length
    let square = dot(u, u)
    for c in k...p {
      let product = dot(u, columns[c])
      for i in 0..<n { columns[c][i] -= 2 * product / square * u[i] }
    }
  }
  let (y, r) = (columns[p], columns[p - 1][p - 1])
  let rest = y[p...].reduce(0.0) { $0 + $1 * $1 }
  return (y[p - 1] / r, (rest / Double(n - p)).squareRoot() / abs(r))
}
