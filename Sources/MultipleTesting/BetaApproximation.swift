internal import Distributions
internal import Glibc

/// The null distribution of a gene's best p over its window, as a beta distribution fitted to permutations.
///
/// The best correlation r of each permuted copy has a p under Student's t; these p are taken as Beta(shape1, shape2)
/// variables, and the p of the observed best variant is looked up in that. Because traits are not quite normal, ν is fitted
/// first, such that the moment estimate of shape1 is 1; the shapes are then those of maximum likelihood.
///
/// - Missing: copies with a maximum of NaN could not be analysed: they are counted and left out.
/// - Accuracy: ν and shapes to 1e-9 relative of their defining equations (R, explicit formulas); the result does not depend
///   on the order of the copies.
/// - Complexity: a sort of the maxima, 65 operations each, and some ten trials of ν with 65 tails each: 1–2 ms for 10,000 copies,
///   most of it the sort.
/// - Source: Ongen 2016, doi:10.1093/bioinformatics/btv722. We solve shape1(ν) = 1 and the score equations instead of
///   minimising |shape1 − 1| and the negative likelihood by simplex steps; variances divide by B, as tensorQTL's.
public struct BetaApproximation: Sendable, Equatable {
  /// How the fit came out; the raw values are for tables.
  public enum Status: String, Sendable, CaseIterable {
    case ok
    /// The likelihood has no maximum within bounds (shape1 of 0.1…10, shape2 of 0.1…10⁶): moment estimates.
    case moments
    /// No ν within a factor 64 of the nominal one gives shape1 = 1: nominal ν, shapes of maximum likelihood.
    case nominalDegreesOfFreedom = "nominal-df"
    /// Both: nominal ν and moment estimates.
    case nominalMoments = "nominal-df-moments"
    /// Fewer than ``minimumCopies`` copies could be analysed: no fit.
    case tooFewCopies = "too-few"
    /// All maxima are the same: no fit.
    case noSpread = "no-spread"
    /// No acceptable shapes: no fit.
    case failed

    public var hasFit: Bool {
      switch self {
      case .ok, .moments, .nominalDegreesOfFreedom, .nominalMoments: true
      case .tooFewCopies, .noSpread, .failed: false
      }
    }
  }

  /// The least number of copies that is fitted.
  public static let minimumCopies = 10

  public let status: Status
  public let tail: Tail
  /// NaN without a fit, as `shape2` and `trueDegreesOfFreedom`.
  public let shape1: Double
  public let shape2: Double
  public let trueDegreesOfFreedom: Double
  /// ν of the regression.
  public let degreesOfFreedom: Int
  /// Copies that the fit rests on, and those left out as NaN.
  public let copyCount: Int
  public let missingCount: Int

  /// - Parameters:
  ///   - maxima: the partial correlation r of the best variant of each permutation: of largest |r| when two-sided (the sign
  ///     does not matter), largest when one-sided, signed in the tested direction. |r| is taken as at least 2⁻⁵³ when
  ///     two-sided and 1 − |r| as at least 2⁻⁵³, so that no single copy has an infinite likelihood.
  ///   - degreesOfFreedom: ν ≥ 1 of the regression.
  public init(maxima: [Double], degreesOfFreedom: Int, tail: Tail = .twoSided) {
    precondition(degreesOfFreedom >= 1)
    let r = maxima.filter { !$0.isNaN }.map { tail.extremity($0) }.sorted()
    self.tail = tail
    self.degreesOfFreedom = degreesOfFreedom
    copyCount = r.count
    missingCount = maxima.count - r.count
    let fit = Self.fit(r, nominal: Double(degreesOfFreedom), tail: tail)
    status = fit.status
    shape1 = fit.shapes.shape1
    shape2 = fit.shapes.shape2
    trueDegreesOfFreedom = fit.degreesOfFreedom
  }

  /// One that was made before.
  package init(
    status: Status, tail: Tail, shape1: Double, shape2: Double, trueDegreesOfFreedom: Double,
    degreesOfFreedom: Int, copyCount: Int, missingCount: Int
  ) {
    self.status = status
    self.tail = tail
    self.shape1 = shape1
    self.shape2 = shape2
    self.trueDegreesOfFreedom = trueDegreesOfFreedom
    self.degreesOfFreedom = degreesOfFreedom
    self.copyCount = copyCount
    self.missingCount = missingCount
  }

  private static func fit(
    _ r: [Double], nominal: Double, tail: Tail
  ) -> (status: Status, shapes: BetaShapes, degreesOfFreedom: Double) {
    func none(_ status: Status) -> (status: Status, shapes: BetaShapes, degreesOfFreedom: Double) {
      (status, BetaShapes(shape1: .nan, shape2: .nan), .nan)
    }
    guard r.count >= minimumCopies else { return none(.tooFewCopies) }
    let least = tail == .twoSided ? unit : -1 + unit
    let z = r.map { atanh(min(max($0, least), 1 - unit)) }
    guard z[0] < z[z.count - 1] else { return none(.noSpread) }
    var fit = BetaFit(sorted: z, tail: tail)
    let found = fit.trueDegreesOfFreedom(nominal: nominal)
    let degreesOfFreedom = found ?? nominal
    let start = fit.moments(degreesOfFreedom: degreesOfFreedom)
    let means = fit.logMeans(degreesOfFreedom: degreesOfFreedom)
    let likeliest = BetaShapes.maximumLikelihood(
      meanLogX: means.logP, meanLog1mX: means.log1mP, from: start)
    if let likeliest, likeliest.areAcceptable {
      return (found == nil ? .nominalDegreesOfFreedom : .ok, likeliest, degreesOfFreedom)
    }
    guard start.areAcceptable else { return none(.failed) }
    return (found == nil ? .nominalMoments : .moments, start, degreesOfFreedom)
  }

  /// The observed best variant's p on the fitted ν, and its beta-approximated p, both as ln; NaN without a fit.
  ///
  /// - Parameters:
  ///   - r: its partial correlation, signed in the tested direction when one-sided.
  ///   - oneMinusRSquared: 1 − r² as accurately as it is known.
  public func logP(r: Double, oneMinusRSquared: Double) -> (trueDegreesOfFreedom: Double, beta: Double) {
    guard status.hasFit else { return (.nan, .nan) }
    let logP = tail.logP(
      r: r, oneMinusRSquared: oneMinusRSquared, under: StudentT(degreesOfFreedom: trueDegreesOfFreedom))
    return (logP, Beta.logCDF(logX: logP, shape1, shape2))
  }

  /// ln of the p on which scale?
  public enum Scale: Sendable {
    /// That of the regression's ν, to be compared with nominal p (QTLtools).
    case nominal
    /// That of the fitted ν, as tensorQTL leaves it in its tables.
    case trueDegreesOfFreedom
  }

  /// ln of the p that a variant of this gene needs for the gene-level p to be exp(`logGeneP`), e.g. the cut of
  /// ``GeneLevel/logCut(logP:logQ:fdr:)``: the beta quantile, converted to the given scale. NaN without a fit.
  public func nominalLogThreshold(logGeneP: Double, scale: Scale = .nominal) -> Double {
    guard status.hasFit else { return .nan }
    let logP = Beta.logQuantile(logP: logGeneP, shape1, shape2)
    if scale == .trueDegreesOfFreedom { return logP }
    // The same r: t/√ν is the same.
    let t = tail.quantile(logP: logP, under: StudentT(degreesOfFreedom: trueDegreesOfFreedom))
    let nominal = Double(degreesOfFreedom)
    return tail.logP(
      t: t * (nominal / trueDegreesOfFreedom).squareRoot(), under: StudentT(degreesOfFreedom: nominal))
  }

  /// ln of the empirical p of an observed best r: (1 + #{copies with an r as extreme})/(1 + copies), NaN copies left out.
  ///
  /// - Parameters: as in the initialiser; NaN for an `r` of NaN.
  public static func empiricalLogP(r: Double, maxima: [Double], tail: Tail = .twoSided) -> Double {
    if r.isNaN { return .nan }
    let observed = tail.extremity(r)
    var (extreme, copies) = (1, 1)
    for maximum in maxima where !maximum.isNaN {
      copies += 1
      if tail.extremity(maximum) >= observed { extreme += 1 }
    }
    return log(Double(extreme) / Double(copies))
  }
}

/// 2⁻⁵³.
private let unit = 0x1p-53
