/// Random numbers that are a function of seed, stream and position (Philox4x32-10): any draw can be had out of order,
/// streams never meet, and results do not depend on threads or platform.
///
/// The struct is both: ``word(at:)`` and ``uniform(at:)`` are random access, the rest draws in sequence from position 0.
///
/// - Source: Salmon et al. 2011, doi:10.1145/2063384.2063405; the authors' known answers are in the tests.
public struct CounterRNG: RandomNumberGenerator, Sendable {
  public let seed: UInt64
  public let stream: UInt64
  /// Words drawn in sequence so far.
  public private(set) var position: UInt64 = 0
  /// Second half of the block drawn last.
  private var spare: UInt64 = 0

  /// A stream has 2⁶⁵ words, of which 2⁶⁴ can be addressed.
  public init(seed: UInt64, stream: UInt64 = 0) {
    self.seed = seed
    self.stream = stream
  }

  /// The word at a position of the stream.
  public func word(at index: UInt64) -> UInt64 {
    let (first, second) = pair(at: index >> 1)
    return index & 1 == 0 ? first : second
  }

  /// Uniform on the open interval (0, 1): the number that the `index`-th ``nextUniform()`` gives, counted from 0.
  public func uniform(at index: UInt64) -> Double { Self.uniform(word(at: index)) }

  public mutating func next() -> UInt64 {
    defer { position &+= 1 }
    if position & 1 == 1 { return spare }
    let (first, second) = pair(at: position >> 1)
    spare = second
    return first
  }

  /// Uniform on the open interval (0, 1).
  public mutating func nextUniform() -> Double { Self.uniform(next()) }

  /// Standard normal by inversion: one word each.
  public mutating func nextNormal() -> Double { Normal.quantile(nextUniform()) }

  /// 52 random bits and a half, so that neither end is reached by rounding.
  private static func uniform(_ word: UInt64) -> Double { (Double(word >> 12) + 0.5) * 0x1p-52 }

  private func pair(at block: UInt64) -> (UInt64, UInt64) {
    func low(_ x: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: x) }
    let words = Self.philox(
      counter: SIMD4(low(block), low(block >> 32), low(stream), low(stream >> 32)),
      key: SIMD2(low(seed), low(seed >> 32)))
    return (UInt64(words.y) << 32 | UInt64(words.x), UInt64(words.w) << 32 | UInt64(words.z))
  }

  /// The block function itself: ten rounds.
  static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (c, k) = (counter, key)
    for _ in 0..<10 {
      let a = UInt64(0xD251_1F53) * UInt64(c.x)
      let b = UInt64(0xCD9E_8D57) * UInt64(c.z)
      c = SIMD4(
        UInt32(truncatingIfNeeded: b >> 32) ^ c.y ^ k.x, UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ c.w ^ k.y, UInt32(truncatingIfNeeded: a))
      k &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return c
  }
}
