internal import Glibc

/// How a variant varies among the analysed samples, for effect sizes. Samples without a genotype take no part.
public struct VariantScale: Sendable, Equatable {
  /// Mean dosage of ALT.
  public var mean: Double
  /// Sample variance of the dosage (divisor: samples with a genotype − 1).
  public var variance: Double
  /// 2p(1 − p), the variance in Hardy–Weinberg proportions.
  public var hardyWeinbergVariance: Double
  /// w in b(s) of ``AllelicFoldChange/init(logSlope:standardError:_:)``: q₁(1 − ḡ)/Σ q_g(g − ḡ)², with q the shares of the dosages
  /// rounded to 0, 1, 2. From −1 to 1; 0 where they do not vary.
  public var heterozygoteWeight: Double

  public init(_ summary: VariantSummary) {
    mean = summary.mean
    variance = summary.centeredSumOfSquares / Double(max(1, summary.observed - 1))
    let p = summary.alleleFrequency
    hardyWeinbergVariance = 2 * p * (1 - p)
    let (n0, n1, n2) = summary.rounded
    // Numerator and denominator times n², in integers: they cancel.
    let (n, sum) = (n0 + n1 + n2, n1 + 2 * n2)
    let spread = n * (n1 + 4 * n2) - sum * sum
    heterozygoteWeight = spread > 0 ? Double(n1 * (n - sum)) / Double(spread) : 0
  }
}

/// The size of an effect on scales other than that of the phenotype.
///
/// β counts copies of ALT, given the covariates. Variances are those of the sample before covariates are taken out: of the dosage over
/// the analysed samples with a genotype, of the phenotype (transformed, with `--normal`) over those with a value.
public struct EffectSizes: Sendable, Equatable {
  /// β·SD(g)/SD(y): standard deviations of the phenotype per standard deviation of the dosage; the coefficient after both were
  /// scaled to variance 1.
  public var standardizedBeta: Double
  /// β²·var(g), in squared units of the phenotype: what the variant explains in this sample.
  public var varianceExplained: Double
  /// 2p(1 − p)β²: the same in a population in Hardy–Weinberg proportions with the sample's p.
  public var hardyWeinbergVarianceExplained: Double

  /// - Complexity: O(1).
  public init(beta: Double, _ variant: VariantScale, _ trait: TraitScale) {
    standardizedBeta = beta * (variant.variance / trait.variance).squareRoot()
    varianceExplained = beta * beta * variant.variance
    hardyWeinbergVarianceExplained = beta * beta * variant.hardyWeinbergVariance
  }
}

/// The scale that expression is given on.
public enum ExpressionScale: String, Sendable, CaseIterable {
  /// log₂ of expression.
  case log2
  /// Natural log of expression.
  case ln
  case linear
}

/// Allelic fold change: log₂ of the expression of a haplotype with ALT over that of one with REF.
///
/// Model: haplotypes add up, E(g) = (2 − g)·e_REF + g·e_ALT, and s = log₂(e_ALT/e_REF). How s comes from the additive regression depends on
/// the scale of the phenotype:
/// - linear: the line itself, E(0) = 2e_REF = b₀ and E(2) = 2e_ALT = b₀ + 2β, so s = log₂((b₀ + 2β)/b₀), where b₀ = ȳ − βḡ is the
///   fitted value of a sample with two REF and average covariates (ȳ over the samples with a phenotype, ḡ over those with a
///   genotype). NA unless b₀ and b₀ + 2β are positive.
/// - log₂ and ln: log₂ E(g) is not a line in g; from REF to ALT homozygotes it rises by s, but heterozygotes lie above the middle, at
///   log₂((1 + 2^s)/2). The line fitted to it has the slope b(s) = s/2 + w·log₂ cosh(s·ln 2/2), with w from the genotype counts
///   (``VariantScale/heterozygoteWeight``): s/2 exactly without heterozygotes or at p = 1/2, log₂((1 + 2^s)/2) without ALT homozygotes.
///   b rises with s; the estimate is the s with b(s) = β (in units of log₂).
///
/// Both assume that noise, covariates and other variants act additively on the scale of the phenotype and that the genotype does
/// not depend on the covariates; a pseudocount, a quantile or rank transform break the model. s is capped at ±log₂ 100, as by its authors.
/// - Accuracy of the standard error: first order in β and b₀ (delta method), given the least-squares errors. NA at the cap.
/// - Source: Mohammadi et al. 2017, doi:10.1101/gr.216747.116; the slope of the log scale, ours.
public struct AllelicFoldChange: Sendable, Equatable {
  /// s; NaN where the model does not fit.
  public var log2: Double
  /// NaN where s is, and at the cap.
  public var standardError: Double

  /// log₂ 100.
  public static let cap = 6.643_856_189_774_724

  /// Of a row, by the scale of its phenotype.
  public init(_ row: PairRow, _ variant: VariantScale, _ trait: TraitScale, scale: ExpressionScale) {
    switch scale {
    case .log2:
      self.init(logSlope: row.beta, standardError: row.standardError, variant)
    case .ln:
      self.init(logSlope: row.beta / M_LN2, standardError: row.standardError / M_LN2, variant)
    case .linear:
      // 1 − r² from t keeps its digits.
      let nu = Double(row.degreesOfFreedom)
      let residualVariance = trait.residualSumOfSquares / (nu + row.t * row.t)
      self.init(
        linearSlope: row.beta, standardError: row.standardError, traitMean: trait.mean,
        squaredErrorOfMean: residualVariance / Double(row.n), dosageMean: variant.mean)
    }
  }

  /// From the slope of log₂ expression on dosage.
  ///
  /// - Complexity: O(1), some Newton steps.
  public init(logSlope beta: Double, standardError: Double, _ variant: VariantScale) {
    let w = variant.heterozygoteWeight
    func slope(_ s: Double) -> Double { s / 2 + w * Glibc.log2(cosh(s * M_LN2 / 2)) }
    func derivative(_ s: Double) -> Double { (1 + w * tanh(s * M_LN2 / 2)) / 2 }
    guard beta < slope(Self.cap), beta > slope(-Self.cap) else {
      (log2, self.standardError) = (beta.isNaN ? .nan : beta < 0 ? -Self.cap : Self.cap, .nan)
      return
    }
    // b is convex and lies above s/2 for w > 0, concave and below for w < 0: from 2β, Newton's steps all go the same way.
    var s = max(-Self.cap, min(Self.cap, 2 * beta))
    for _ in 0..<100 {
      let step = (slope(s) - beta) / derivative(s)
      s -= step
      if abs(step) <= 1e-14 * abs(s) { break }
    }
    log2 = s
    self.standardError = standardError / derivative(s)
  }

  /// From the line of expression on dosage.
  ///
  /// - Parameters:
  ///   - traitMean: ȳ.
  ///   - squaredErrorOfMean: σ̂²/n; ȳ and β are uncorrelated.
  ///   - dosageMean: ḡ.
  public init(
    linearSlope beta: Double, standardError: Double, traitMean: Double, squaredErrorOfMean: Double,
    dosageMean: Double
  ) {
    let reference = traitMean - beta * dosageMean
    let alternative = reference + 2 * beta
    guard reference > 0, alternative > 0 else {
      (log2, self.standardError) = (.nan, .nan)
      return
    }
    let s = Glibc.log2(alternative / reference)
    log2 = max(-Self.cap, min(Self.cap, s))
    let byMean = 1 / alternative - 1 / reference
    let bySlope = (2 - dosageMean) / alternative + dosageMean / reference
    let variance = byMean * byMean * squaredErrorOfMean + bySlope * bySlope * standardError * standardError
    self.standardError = abs(s) < Self.cap ? variance.squareRoot() / M_LN2 : .nan
  }
}
