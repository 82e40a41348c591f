/// A 64-bit hash of an ordered pair under a seed, to draw a deterministic sample of pairs: a few nanoseconds, no state.
///
/// - Source: the finaliser of Steele, Lea & Flood 2014 (SplitMix64), doi:10.1145/2660193.2660195.
public func pairHash(seed: UInt64, _ a: UInt64, _ b: UInt64) -> UInt64 {
  mix(mix(mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ a) &+ 0x9E37_79B9_7F4A_7C15 ^ b)
}

private func mix(_ x: UInt64) -> UInt64 {
  var z = x
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
