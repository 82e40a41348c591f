import Distributions

/// Random numbers that are a hash of seed, stream and counter: streams never meet and need no order.
struct CounterRNG: Sendable {
  private let seed: UInt64
  private let stream: UInt64
  private var counter: UInt64 = 0

  init(seed: UInt64, stream: UInt64) {
    self.seed = seed
    self.stream = stream
  }

  /// Uniform on the open interval (0, 1): 52 random bits and a half, so that neither end is reached by rounding.
  @inline(__always)
  mutating func nextUniform() -> Double {
    counter &+= 1
    return (Double(pairHash(seed: seed, stream, counter) >> 12) + 0.5) * 0x1p-52
  }

  mutating func nextNormal() -> Double { Normal.quantile(nextUniform()) }
}
