internal import Distributions
internal import StudyData

/// The most significant pair so far.
public struct BestPair: Sendable {
  public var variant: TestedVariant
  /// Its `variant` says nothing.
  public var row: PairRow

  /// By ln p (ν differs between rows), ties by |t|, then by variant and feature order.
  public func isBetter(than other: BestPair) -> Bool {
    if row.logP != other.row.logP { return row.logP < other.row.logP }
    if abs(row.t) != abs(other.row.t) { return abs(row.t) > abs(other.row.t) }
    if variant.ordinal != other.variant.ordinal { return variant.ordinal < other.variant.ordinal }
    return row.feature < other.row.feature
  }
}

/// The most significant pair of each trait so far.
struct TraitBests: Sendable {
  private(set) var best: [BestPair?]
  /// |r|/r* of each, rounded down: a pair below it is not the best.
  private(set) var floors: [Float]

  init(count: Int) {
    best = Array(repeating: nil, count: count)
    floors = Array(repeating: 0, count: count)
  }

  /// - Returns: whether it is the best so far.
  @discardableResult
  mutating func offer(_ candidate: BestPair, trait: Int, criticalR: Double, alternative: Alternative) -> Bool
  {
    if let known = best[trait], !candidate.isBetter(than: known) { return false }
    best[trait] = candidate
    let row = candidate.row
    let reached =
      switch alternative {
      case .twoSided: row.r2.squareRoot()
      case .greater: row.t > 0 ? row.r2.squareRoot() : 0
      case .less: row.t < 0 ? row.r2.squareRoot() : 0
      }
    floors[trait] = Float(reached / criticalR * (1 - 1e-6))
    return true
  }

  /// Takes the better of each.
  mutating func merge(_ other: TraitBests) {
    for (trait, candidate) in other.best.enumerated() {
      guard let candidate else { continue }
      if let known = best[trait], !candidate.isBetter(than: known) { continue }
      best[trait] = candidate
      floors[trait] = other.floors[trait]
    }
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
