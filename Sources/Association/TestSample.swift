internal import Distributions
internal import Synchronization

/// A deterministic sample of the tests, for π₀ and QQ plots: the variants with the smallest hashes, some traits of each.
///
/// Whole variants are drawn because a variant's fp64 residual is costly, and neighbours share their traits because those then stay
/// in cache: 15,625 variants × 64 traits, 10⁶ pairs where there are so many, fewer variants of more than 1,000 samples. Which pairs
/// are drawn depends on seed, ordinals and the number of samples only: not on threads, blocks, back end or file format.
final class TestSample: Sendable {
  static let traitsPerVariant = 64
  private let variantCount: Int

  /// As much fp64 work for any number of samples; with 1,000 variants π₀ still has a standard error of 0.004.
  private static func count(samples: Int) -> Int { max(1_000, min(15_625, 15_625_000 / samples)) }

  /// Variants with the same ordinal up to this many bits draw the same traits.
  private static let groupBits = 6
  private let seed: UInt64

  private struct State {
    var drawn: [(hash: UInt64, logP: [Double])] = []
  }
  private let state = Mutex(State())
  private let limit: Atomic<UInt64>

  /// - Parameter variantCount: of the variants to be read, where it is known: then most variants that will not stay are never
  ///   evaluated. The sample is the same either way as long as the filters keep half of the variants.
  init(seed: UInt64, variantCount variants: Int?, sampleCount: Int) {
    self.seed = seed
    let count = Self.count(samples: sampleCount)
    variantCount = count
    let share = variants.map { 2 * Double(count) / Double(max(1, $0)) } ?? 1
    limit = Atomic(share < 1 ? UInt64(share * 0x1p64) : .max)
  }

  /// Whether the variant may still be in the sample (it is, unless enough smaller hashes turn up).
  func admits(_ ordinal: Int) -> Bool {
    hash(ordinal, -1) <= limit.load(ordering: .relaxed)
  }

  /// The traits drawn for the variant, ascending, without repeats.
  func traits(_ ordinal: Int, of count: Int, into out: inout [Int32]) {
    out.removeAll(keepingCapacity: true)
    if count <= Self.traitsPerVariant {
      out.append(contentsOf: 0..<Int32(count))
      return
    }
    for k in 0..<Self.traitsPerVariant {
      out.append(Int32(hash(ordinal >> Self.groupBits, k).multipliedFullWidth(by: UInt64(count)).high))
    }
    out.sort()
    var last: Int32 = -1
    out.removeAll { trait in
      defer { last = trait }
      return trait == last
    }
  }

  func add(_ sampled: [(ordinal: Int, logP: [Double])]) {
    guard !sampled.isEmpty else { return }
    state.withLock { state in
      state.drawn += sampled.map { (hash($0.ordinal, -1), $0.logP) }
      if state.drawn.count >= 2 * variantCount { limit.store(trim(&state), ordering: .relaxed) }
    }
  }

  /// ln p of the sample, ascending.
  func logP() -> [Double] {
    state.withLock { state in
      if state.drawn.count > variantCount { _ = trim(&state) }
      return state.drawn.flatMap(\.logP).sorted()
    }
  }

  private func trim(_ state: inout State) -> UInt64 {
    state.drawn.sort { $0.hash < $1.hash }
    state.drawn.removeSubrange(variantCount...)
    return state.drawn[variantCount - 1].hash
  }

  private func hash(_ ordinal: Int, _ k: Int) -> UInt64 {
    pairHash(seed: seed, UInt64(bitPattern: Int64(ordinal)), UInt64(bitPattern: Int64(k)))
  }
}
