internal import Glibc

/// Where a profile −2·ln L is least over h in [0, hMax], for functions that may have several minima.
///
/// The derivative's sign on a grid finds every minimum wider than its steps; each is refined by Newton's method with bisection as
/// the fallback. Grid and stopping rule do not depend on the scale of the data.
struct ProfileSearch: Sendable {
  /// λ = h/(1 − h) up to 1e5 (as GEMMA).
  static let largest = 1 - 1e-5

  /// h, 0 first.
  let grid: [Double]

  init() {
    // ln λ from −9 to ln 1e5, in steps of at most ½.
    let (low, high) = (-9.0, log(Self.largest / (1 - Self.largest)))
    let steps = Int(((high - low) * 2).rounded(.up))
    grid =
      [0]
      + (0..<steps).map { 1 / (1 + exp(-(low + (high - low) * Double($0) / Double(steps)))) }
      + [Self.largest]
  }

  /// - Parameters:
  ///   - derivatives: f'(h), f''(h).
  ///   - value: f(h); asked for only where there is more than one minimum.
  @inline(__always)
  func minimum(
    derivatives: (Double) -> (first: Double, second: Double), value: (Double) -> Double
  ) -> Double {
    var best: (h: Double, value: Double)?
    var found: Double?
    func consider(_ h: Double) {
      guard let known = found else {
        found = h
        return
      }
      if best == nil { best = (known, value(known)) }
      let own = value(h)
      if let least = best, own < least.value { best = (h, own) }
    }
    var previous = derivatives(0).first
    if !(previous < 0) { consider(0) }
    for k in 1..<grid.count {
      let next = derivatives(grid[k]).first
      if previous < 0, next >= 0 { consider(refine(grid[k - 1], grid[k], derivatives)) }
      previous = next
    }
    if previous < 0 { consider(Self.largest) }
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
      if first == 0 { return h }
      var next = h - first / second
      if !(second > 0) || !(next > low && next < high) { next = 0.5 * (low + high) }
      // Digits of 1 − h count as those of h do.
      if abs(next - h) <= 4 * Double.ulpOfOne * min(h, 1 - h) || next == low || next == high { return next }
      h = next
    }
    return h
  }
}
