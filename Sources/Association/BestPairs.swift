internal import Distributions
internal import StudyData

/// The most significant pair so far.
struct BestPair: Sendable {
  var variant: TestedVariant
  var row: PairRow

  /// By ln p (ν differs between rows), ties by |t|, then by variant and feature order.
  func isBetter(than other: BestPair) -> Bool {
    if row.logP != other.row.logP { return row.logP < other.row.logP }
    if abs(row.t) != abs(other.row.t) { return abs(row.t) > abs(other.row.t) }
    if variant.ordinal != other.variant.ordinal { return variant.ordinal < other.variant.ordinal }
    return row.feature < other.row.feature
  }
}

/// What |r|/r* a pair must reach to change a running best, from bests whose ν may differ.
struct BestFloors: Sendable {
  private let alternative: Alternative
  /// (ν, r*) of the patterns with the fewest and the most observed samples.
  private let extremes: [(nu: Double, criticalR: Double)]

  /// - Parameter criticalR: r* of each pattern.
  init(criticalR: [Double], traits: TraitPanel, alternative: Alternative) {
    self.alternative = alternative
    let all = traits.patternOf.map { pattern in
      (nu: Double(traits.patterns[Int(pattern)].degreesOfFreedom), criticalR: criticalR[Int(pattern)])
    }
    let low = all.min { $0.nu < $1.nu }
    let high = all.max { $0.nu < $1.nu }
    extremes = low?.nu == high?.nu ? [low].compactMap(\.self) : [low, high].compactMap(\.self)
  }

  /// A share of r* that no better pair of the variant stays below, when one pair is known to reach `reached`.
  ///
  /// With one ν that is the share itself. Otherwise p decides: the pair's p is at most that of the worse ν, and the share that other
  /// ν need for it runs monotonically between the extremes; 0.1 % is taken off for safety.
  func variantFloor(reached: Double) -> Double {
    guard extremes.count > 1 else { return reached }
    let oneSided = alternative != .twoSided
    let worst =
      extremes.map { extreme -> Double in
        let r = min(1, reached * extreme.criticalR)
        let t = r * (extreme.nu / max(1e-300, 1 - r * r)).squareRoot()
        let distribution = StudentT(degreesOfFreedom: extreme.nu)
        return oneSided ? distribution.logUpperP(t: t) : distribution.logTwoSidedP(t: t)
      }.max() ?? 0
    let needed =
      extremes.map { extreme in
        StudentT.criticalCorrelation(logP: worst, degreesOfFreedom: extreme.nu, oneSided: oneSided)
          / extreme.criticalR
      }.min() ?? 0
    return 0.999 * needed
  }
}
