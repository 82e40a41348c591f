internal import Glibc

/// Where a profile −2·ln L is least over h in [0, 1 − 1e-5], or from below 0 on, for functions that may have several minima.
///
/// The derivative's sign on a grid finds every minimum wider than its steps; each is refined by Newton's method with bisection as
/// the fallback. Grid and stopping rule do not depend on the scale of the data.
struct ProfileSearch: Sendable {
  /// λ = h/(1 − h) up to 1e5 (as GEMMA).
  static let largest = 1 - 1e-5

  /// Below 0 no eigenvalue's variance 1 + h(λ − 1) falls under this share of what it is at h = 0: at the largest λ, where it vanishes
  /// first, a trait that happens to have nothing on that axis would make the likelihood infinite.
  static let leastVariance = 0.1

  /// h from 0 on.
  private static let proportions: [Double] = {
    // ln λ from −9 to ln 1e5, in steps of at most ½.
    let (low, high) = (-9.0, log(largest / (1 - largest)))
    let steps = Int(((high - low) * 2).rounded(.up))
    return [0] + (0..<steps).map { 1 / (1 + exp(-(low + (high - low) * Double($0) / Double(steps)))) }
      + [largest]
  }()

  /// Ascending, 0 among them.
  let grid: [Double]
  /// Whether the upper end of the grid is no minimum where there is another: the profile has no bound at h = 1.
  let isUnbounded: Bool

  /// - Parameter largestExcess: λmax − 1 where h may be negative.
  init(isUnbounded: Bool, largestExcess: Double? = nil) {
    self.isUnbounded = isUnbounded
    var negative: [Double] = []
    if let largestExcess, largestExcess > 0 {
      // In equal steps of ln(1 + h(λmax − 1)), at most ½ each.
      let steps = Int((-2 * log(Self.leastVariance)).rounded(.up))
      negative = (1...steps).reversed().map {
        (pow(Self.leastVariance, Double($0) / Double(steps)) - 1) / largestExcess
      }
    }
    grid = negative + Self.proportions
  }

  /// The least h; 0 where it may not be negative.
  var lowest: Double { grid[0] }

  /// - Parameters:
  ///   - slope: f' at an index of the grid.
  ///   - derivatives: f'(h), f''(h).
  ///   - value: f(h); asked for only where there is more than one minimum.
  @inline(__always)
  func minimum(
    slope: (Int) -> Double, derivatives: (Double) -> (first: Double, second: Double),
    value: (Double) -> Double
  ) -> Double {
    var best: (h: Double, value: Double)?
    var found: Double?
    func consider(_ h: Double) {
      guard let known = found else {
        found = h
        return
      }
      let least = best ?? (known, value(known))
      let own = value(h)
      best = own < least.value ? (h, own) : least
    }
    var previous = slope(0)
    if !(previous < 0) { consider(lowest) }
    for k in 1..<grid.count {
      let next = slope(k)
      if previous < 0, next >= 0 { consider(refine(grid[k - 1], grid[k], derivatives)) }
      previous = next
    }
    if previous < 0, found == nil || !isUnbounded { consider(Self.largest) }
    return best?.h ?? found ?? 0
  }

  /// The zero of f' between `low` (f' < 0) and `high` (f' ≥ 0).
  @inline(__always)
  private func refine(
    _ low: Double, _ high: Double, _ derivatives: (Double) -> (first: Double, second: Double)
  ) -> Double {
    var (low, high) = (low, high)
    var h = 0.5 * (low + high)
    for _ in 0..<100 {
      let (first, second) = derivatives(h)
      if first < 0 { low = h } else { high = h }
      let newton = h - first / second
      let middle = 0.5 * (low + high)
      guard second > 0, newton >= low, newton <= high else {
        if middle == low || middle == high { return middle }
        h = middle
        continue
      }
      // The error is squared: what is left is rounding. Digits of 1 − h count as those of h do.
      if abs(newton - h) <= 1e-8 * min(abs(h), 1 - h) { return newton }
      h = newton
    }
    return h
  }
}
