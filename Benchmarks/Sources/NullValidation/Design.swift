import BenchmarkSupport
import Glibc
import SwiftQTL

/// A study in which no variant affects any trait.
///
/// Variants are unlinked and in Hardy–Weinberg proportions, traits independent given the covariates, on which they depend.
struct Design: Sendable {
  var name: String
  var samples = 200
  var variants = 5_000
  var traits = 4_000
  var covariates = 5
  /// Of each genotype with the first covariate.
  var correlation = 0.0
  /// Share of phenotype values missing, at random.
  var missing = 0.0
  /// Whether the analysis knows the first covariate. Without it the test must fail where `correlation` is not 0.
  var adjusts = true

  /// What a random stream is for; traits and variants have one each.
  private enum Stream: Int {
    case covariate = 0
    case variant = 1_000_000
    case trait = 2_000_000
  }

  private func random(_ stream: Stream, _ index: Int, seed: UInt64) -> CounterRandom {
    CounterRandom(seed: seed, stream: stream.rawValue + index)
  }

  func study(seed: UInt64) throws(StudyError) -> (study: Study, meanCorrelation: Double) {
    let ids = numberedIDs("s", samples)
    let covariates = covariateTable(seed: seed)
    let (codes, meanCorrelation) = genotypes(covariates.column(0), seed: seed)
    let variants = numberedIDs("v", self.variants).map {
      Variant(id: $0, chromosome: "", position: 0, ref: "A", alt: "C")
    }
    let known = Array((adjusts ? 0 : 1)..<self.covariates)
    let study = try Study(
      genotypes: MemoryGenotypes(sampleIDs: ids, variants: variants, codes: codes),
      phenotypes: Phenotypes(
        path: "simulated", sampleIDs: ids, features: numberedIDs("t", traits).map { Feature(id: $0) },
        values: phenotypes(covariates, seed: seed)),
      covariates: Covariates(
        path: "simulated", sampleIDs: ids, names: known.map { "covariate\($0 + 1)" },
        values: covariates.selectingColumns(known)))
    return (study, meanCorrelation)
  }

  private func covariateTable(seed: UInt64) -> Matrix {
    var table = Matrix(rows: samples, columns: covariates)
    for j in 0..<covariates {
      var random = random(.covariate, j, seed: seed)
      for i in 0..<samples { table[i, j] = random.normal() }
    }
    return table
  }

  /// A normal liability, a·covariate + √(1−a²)·noise, cut into 0, 1, 2 in Hardy–Weinberg proportions. With cuts c₁, c₂ the genotype's
  /// correlation with the liability is ρ = (φ(c₁) + φ(c₂))/√(2p(1−p)), so a = r/ρ gives it the correlation r with the covariate.
  private func genotypes(_ covariate: [Double], seed: UInt64) -> (codes: [UInt8], meanCorrelation: Double) {
    // Below p = 0.1 no genotype can have r = 0.7 with a normal covariate.
    let rarest = correlation > 0 ? 0.15 : 0.05
    var codes: [UInt8] = []
    codes.reserveCapacity(samples * variants)
    var sum = 0.0
    for v in 0..<variants {
      var random = random(.variant, v, seed: seed)
      let p = rarest + (0.5 - rarest) * random.uniform()
      let cuts = (Normal.quantile((1 - p) * (1 - p)), Normal.quantile(1 - p * p))
      let rho = (density(cuts.0) + density(cuts.1)) / (2 * p * (1 - p)).squareRoot()
      let a = correlation / rho
      let noise = (1 - a * a).squareRoot()
      for i in 0..<samples {
        let liability = a * covariate[i] + noise * random.normal()
        codes.append(liability < cuts.0 ? 0 : liability < cuts.1 ? 1 : 2)
      }
      sum += pearson(codes.suffix(samples).map(Double.init), covariate)
    }
    return (codes, sum / Double(variants))
  }

  /// Each covariate moves a trait by N(0, ½²) per unit; the noise has variance 1.
  private func phenotypes(_ covariates: Matrix, seed: UInt64) -> Matrix {
    var values = Matrix(rows: samples, columns: traits)
    for t in 0..<traits {
      var random = random(.trait, t, seed: seed)
      let weights = (0..<covariates.columns).map { _ in 0.5 * random.normal() }
      for i in 0..<samples {
        var y = random.normal()
        for (j, weight) in weights.enumerated() { y += weight * covariates[i, j] }
        values[i, t] = random.uniform() < missing ? .nan : y
      }
    }
    return values
  }
}

private func density(_ z: Double) -> Double { exp(-z * z / 2) / (2 * Double.pi).squareRoot() }

private func pearson(_ x: [Double], _ y: [Double]) -> Double {
  let n = Double(x.count)
  let (mx, my) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
  var (xx, yy, xy) = (0.0, 0.0, 0.0)
  for i in x.indices {
    xx += (x[i] - mx) * (x[i] - mx)
    yy += (y[i] - my) * (y[i] - my)
    xy += (x[i] - mx) * (y[i] - my)
  }
  return xy / (xx * yy).squareRoot()
}
