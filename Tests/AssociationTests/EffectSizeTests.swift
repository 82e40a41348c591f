import Association
import Foundation
import StudyData
import TestSupport
import Testing

@Suite struct EffectSizeTests {
  private static func scale(_ n0: Int, _ n1: Int, _ n2: Int, missing: Int = 0) -> VariantScale {
    VariantScale(summary(n0, n1, n2, missing: missing))
  }

  private static func summary(_ n0: Int, _ n1: Int, _ n2: Int, missing: Int = 0) -> VariantSummary {
    let codes = [(0, n0), (1, n1), (2, n2), (3, missing)].flatMap { code, count in
      [UInt8](repeating: UInt8(code), count: count)
    }
    return codes.withUnsafeBufferPointer { VariantSummary(codes: $0) }
  }

  /// 5, 3, 2 samples: mean 0.7, Σg² = 11, Σ(g − ḡ)² = 6.1.
  @Test func variantByHand() {
    for missing in [0, 4] {
      let v = Self.scale(5, 3, 2, missing: missing)
      #expect(relative(v.mean, 0.7) < 1e-15)
      #expect(relative(v.variance, 6.1 / 9) < 1e-15)
      #expect(relative(v.hardyWeinbergVariance, 2 * 0.35 * 0.65) < 1e-15)
      #expect(relative(v.heterozygoteWeight, 0.3 * 0.3 / 0.61) < 1e-15)
    }
    #expect(Self.scale(5, 3, 0).heterozygoteWeight == 1)
    #expect(Self.scale(0, 3, 5).heterozygoteWeight == -1)
    #expect(Self.scale(4, 0, 5).heterozygoteWeight == 0)
    #expect(Self.scale(3, 5, 3).heterozygoteWeight == 0)
    #expect(Self.scale(0, 6, 0).heterozygoteWeight == 0)
  }

  @Test func sizesByHand() {
    let trait = TraitScale(mean: 1, variance: 4, residualSumOfSquares: 9)
    let sizes = EffectSizes(beta: -3, Self.scale(5, 3, 2), trait)
    #expect(relative(sizes.standardizedBeta, -1.5 * (6.1 / 9).squareRoot()) < 1e-15)
    #expect(relative(sizes.varianceExplained, 6.1) < 1e-15)
    #expect(relative(sizes.hardyWeinbergVarianceExplained, 9 * 0.455) < 1e-15)
  }

  // MARK: fold change

  /// The slope of a line through y at 0, 1, 2 copies, by its definition.
  private static func slope(_ y: (Int) -> Double, _ counts: [Int]) -> Double {
    let n = Double(counts.reduce(0, +))
    let mean = Double(counts[1] + 2 * counts[2]) / n
    var (products, squares) = (0.0, 0.0)
    for g in 0...2 {
      let weight = Double(counts[g]) * (Double(g) - mean)
      products += weight * y(g)
      squares += weight * Double(g)
    }
    return products / squares
  }

  /// Expression without noise gives the planted fold change back on every scale; the standard error is that of β over db/ds, here by
  /// differences.
  @Test(arguments: [[80, 18, 2], [3, 30, 300], [40, 40, 0], [0, 40, 40], [30, 0, 10], [25, 50, 25]])
  func plantedFoldChange(counts: [Int]) {
    let variant = Self.scale(counts[0], counts[1], counts[2])
    for planted in [-6.5, -2, -0.3, 0, 0.001, 1, 4, 6.6] {
      func expression(_ g: Int, _ s: Double) -> Double {
        let alternative: Double = Double(g) * exp2(s)
        return 3 * (Double(2 - g) + alternative)
      }
      func logSlope(_ s: Double) -> Double { Self.slope({ log2(expression($0, s)) }, counts) }
      let beta = logSlope(planted)
      let log = AllelicFoldChange(logSlope: beta, standardError: 0.1, variant)
      let derivative = (logSlope(planted + 1e-5) - logSlope(planted - 1e-5)) / 2e-5
      // The slope is known to a few units of 2⁻⁵³ of the values it comes from, s to that over db/ds.
      #expect(abs(log.log2 - planted) <= 1e-14 / derivative, "\(planted): \(log)")
      // Differences of 1e-5 lose half of the digits.
      #expect(relative(log.standardError, 0.1 / derivative) < 1e-6 / derivative, "\(planted): \(log)")

      let mean = (0...2).reduce(0.0) { sum, g in sum + Double(counts[g]) * expression(g, planted) }
      let linear = AllelicFoldChange(
        linearSlope: Self.slope({ expression($0, planted) }, counts), standardError: 0,
        traitMean: mean / Double(counts.reduce(0, +)), squaredErrorOfMean: 0, dosageMean: variant.mean)
      // Homozygotes that no sample is come from a difference, up to 100 times smaller than what it is taken of.
      #expect(abs(linear.log2 - planted) < 1e-12, "\(planted): \(linear)")
    }
  }

  /// Swapping the alleles changes the sign.
  @Test func symmetry() {
    let (a, b) = (Self.scale(60, 30, 10), Self.scale(10, 30, 60))
    let one = AllelicFoldChange(logSlope: 0.4, standardError: 0.05, a)
    let other = AllelicFoldChange(logSlope: -0.4, standardError: 0.05, b)
    #expect(relative(one.log2, -other.log2) < 1e-14)
    #expect(relative(one.standardError, other.standardError) < 1e-14)
  }

  @Test func capsAndImpossibleLines() {
    let cap = AllelicFoldChange.cap
    #expect(relative(cap, log2(100)) < 1e-15)
    // Without ALT homozygotes a heterozygote cannot lie lower than half: log₂ −1.
    for (beta, counts) in [(-0.995, (9, 9, 0)), (-5.0, (9, 9, 0)), (7, (9, 9, 0)), (-4, (9, 9, 9))] {
      let change = AllelicFoldChange(
        logSlope: beta, standardError: 0.1, Self.scale(counts.0, counts.1, counts.2))
      #expect(change.log2 == (beta < 0 ? -cap : cap) && change.standardError.isNaN)
    }
    func linear(_ beta: Double, mean: Double) -> AllelicFoldChange {
      AllelicFoldChange(
        linearSlope: beta, standardError: 0.1, traitMean: mean, squaredErrorOfMean: 0.1, dosageMean: 1)
    }
    #expect(linear(1, mean: 1).log2.isNaN && linear(1, mean: 1).standardError.isNaN)
    #expect(linear(2, mean: 1).log2.isNaN && linear(-2, mean: 1).log2.isNaN && linear(0, mean: -1).log2.isNaN)
    #expect(linear(1, mean: 1.001).log2 == cap && linear(1, mean: 1.001).standardError.isNaN)
    #expect(linear(-1, mean: 1.001).log2 == -cap)
    #expect(linear(0, mean: 5).log2 == 0)
  }

  // MARK: against R

  /// R 4, i from 0 to 39: g = (i² mod 7) mod 3, w = (i mod 11)/4, e = 3(2 − g) + 5g + 0.7w + ((37i) mod 17)/8.
  private static func example(_ value: (Double) -> Double = { $0 }) -> SmallStudy {
    var small = SmallStudy(samples: 40)
    let g = (0..<40).map { $0 * $0 % 7 % 3 }
    let w = (0..<40).map { Double($0 % 11) / 4 }
    small.addVariant(g.map { Float($0) })
    small.addCovariate(w)
    var y: [Double] = []
    for i in 0..<40 {
      let genetic = Double(3 * (2 - g[i]) + 5 * g[i])
      let noise = Double(37 * i % 17) / 8
      y.append(value(genetic + 0.7 * w[i] + noise))
    }
    small.addTrait(y, chromosome: "1", start: 1000)
    return small
  }

  private static func scanned(_ small: SmallStudy) throws -> (PairRow, VariantScale, TraitScale) {
    let study = try small.study()
    let batch = try #require(try CisScan().pairs(in: study).batches.first)
    let row = try #require(batch.rows.first)
    let trait = try #require(try TraitScale.all(of: study, ScanOptions(), workers: 1)[row.feature])
    return (row, VariantScale(batch.variants[row.variant].summary), trait)
  }

  /// Standardised: `coef(lm(scale(e) ~ scale(g) + w))[2]`; linear: delta method with `vcov(lm(e ~ g + I(w - mean(w))))`.
  @Test func standardizedAndLinearAsR() throws {
    let (row, variant, trait) = try Self.scanned(Self.example())
    let sizes = EffectSizes(beta: row.beta, variant, trait)
    #expect(relative(sizes.standardizedBeta, 0.817652789282418) < 1e-13)
    #expect(relative(sizes.varianceExplained, 1.98308064489642) < 1e-13)
    #expect(relative(sizes.hardyWeinbergVarianceExplained, 2.21052607851063) < 1e-13)
    let change = AllelicFoldChange(row, variant, trait, scale: .linear)
    #expect(relative(change.log2, 0.637255546608029) < 1e-13)
    #expect(relative(change.standardError, 0.04925514631645) < 1e-12)
  }

  /// The s at which `lm(log2((2 - g) + g * 2^s) ~ g)` has the slope of `lm(log2(e) ~ g + w)` (uniroot), and its standard error over
  /// the derivative of that slope (differences: six digits).
  @Test func logarithmsAsR() throws {
    for scale in [ExpressionScale.log2, .ln] {
      let (row, variant, trait) = try Self.scanned(Self.example { scale == .ln ? log($0) : log2($0) })
      let change = AllelicFoldChange(row, variant, trait, scale: scale)
      #expect(relative(change.log2, 0.641170142175856) < 1e-12)
      #expect(relative(change.standardError, 0.05133430045875) < 1e-8)
    }
  }

  /// Over noise, covariates and allele frequencies the estimate is unbiased and its standard error calibrated; 2β is not near it.
  @Test(arguments: [(0.2, -2.0), (0.2, 2), (0.5, 0.5), (0.8, 2)])
  func noisyFoldChange(frequency: Double, planted: Double) throws {
    var generator = SplitMix64(7)
    let replicates = 200
    var small = SmallStudy(samples: 300)
    let g = (0..<300).map { _ in
      (generator.bernoulli(frequency) ? 1 : 0) + (generator.bernoulli(frequency) ? 1 : 0)
    }
    let w = (0..<300).map { _ in generator.normal() }
    small.addVariant(g.map { Float($0) })
    small.addCovariate(w)
    for _ in 0..<replicates {
      var y: [Double] = []
      for i in 0..<300 {
        let expression = Double(2 - g[i]) + Double(g[i]) * exp2(planted)
        y.append(log2(expression) + 0.5 * w[i] + 0.4 * generator.normal())
      }
      small.addTrait(y, chromosome: "1", start: 1000)
    }
    let study = try small.study()
    let batch = try #require(try CisScan().pairs(in: study).batches.first)
    let traits = try TraitScale.all(of: study, ScanOptions(), workers: 1)
    let variant = VariantScale(batch.variants[0].summary)
    let z = try batch.rows.map { row in
      let change = AllelicFoldChange(row, variant, try #require(traits[row.feature]), scale: .log2)
      return (change.log2 - planted) / change.standardError
    }
    #expect(z.count == replicates)
    // Mean and variance of 200 standard normals within four of their standard errors; the curvature of b adds a second-order bias of
    // about a tenth of a standard error.
    let mean = z.reduce(0, +) / Double(replicates)
    let square = z.reduce(0) { $0 + $1 * $1 } / Double(replicates)
    #expect(abs(mean) < 4 / Double(replicates).squareRoot() + 0.1, "\(mean)")
    #expect(abs(square - 1) < 4 * (2 / Double(replicates)).squareRoot(), "\(square)")
  }

  @Test func traitScalesFollowTheTransformAndLeaveOutConstants() throws {
    var small = Self.example()
    small.addTrait([Double](repeating: 3, count: 40), chromosome: "1", start: 1000)
    var partial = small.phenotypes[0]
    partial[3] = .nan
    small.addTrait(partial, chromosome: "1", start: 1000)
    let study = try small.study()
    let plain = try TraitScale.all(of: study, ScanOptions(), workers: 2)
    #expect(plain[0] != nil && plain[1] == nil)
    let observed = partial.filter { !$0.isNaN }
    let mean = observed.reduce(0, +) / 39
    let third = try #require(plain[2])
    #expect(relative(third.mean, mean) < 1e-14)
    let squares = observed.map { ($0 - mean) * ($0 - mean) }
    #expect(relative(third.variance, squares.reduce(0, +) / 38) < 1e-13)
    #expect(third.residualSumOfSquares < 38 * third.variance)
    let ranked = try #require(
      try TraitScale.all(of: study, ScanOptions(transform: .inverseNormal), workers: 1)[0])
    #expect(ranked.mean == plain[0]?.mean)
    // Normal scores of 40 values, some tied.
    #expect(ranked.variance > 0.9 && ranked.variance < 1)
  }
}

private func relative(_ a: Double, _ b: Double) -> Double { a == b ? 0 : abs(a - b) / abs(b) }
