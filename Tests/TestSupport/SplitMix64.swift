internal import Glibc

/// Steele, Lea & Flood's generator: the same numbers from a seed everywhere.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(_ seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// In [0, 1), a multiple of 2⁻⁵³.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  public mutating func bernoulli(_ probability: Double) -> Bool { uniform() < probability }

  /// Standard normal (Box & Muller).
  public mutating func normal() -> Double {
    (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform())
  }

  /// Student t with 2 degrees of freedom: infinite variance.
  public mutating func heavyTailed() -> Double {
    let (a, b) = (normal(), normal())
    return normal() / ((a * a + b * b) / 2).squareRoot()
  }

  /// 10ˣ, x uniform.
  public mutating func logUniform(_ low: Double, _ high: Double) -> Double { pow(10, uniform(low, high)) }
}
