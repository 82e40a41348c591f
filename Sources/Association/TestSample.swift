internal import Distributions
internal import Synchronization

/// A deterministic sample of the tests, for π₀ and QQ plots: the variants with the smallest hashes, some traits of each.
///
/// Whole variants are drawn because a variant's fp64 residual is costly, and neighbours share their traits because those then stay
/// in cache: 15,625 variants × 64 traits, 10⁶ pairs where there are so many, fewer variants of more than 1,000 samples. Which pairs
/// are drawn depends on seed, ordinals and the number of samples only: not on threads, blocks, back end or file format.
final class TestSample: Sendable {
  static let traitsPerVariant = 64

  /// Variants with the same ordinal up to this many bits draw the same traits.
  private static let groupBits = 6
  private let seed: UInt64
  private let draw: Mutex<TestDraw>
  private let limit: Atomic<UInt64>

  /// - Parameter variantCount: of the variants to be read, or a smaller number, where it is known: then most variants that will not stay
  ///   are never evaluated. The sample is the same either way as long as the filters keep half of the variants.
  init(seed: UInt64, variantCount variants: Int?, sampleCount: Int) {
    self.seed = seed
    let draw = TestDraw(seed: seed, sampleCount: sampleCount)
    let share = variants.map { 2 * Double(draw.variantCount) / Double(max(1, $0)) } ?? 1
    limit = Atomic(share < 1 ? UInt64(share * 0x1p64) : .max)
    self.draw = Mutex(draw)
  }

  /// Whether the variant may still be in the sample (it is, unless enough smaller hashes turn up).
  func admits(_ ordinal: Int) -> Bool {
    pairHash(seed: seed, ordinal, -1) <= limit.load(ordering: .relaxed)
  }

  /// The traits drawn for the variant, ascending, without repeats.
  func traits(_ ordinal: Int, of count: Int, into out: inout [Int32]) {
    out.removeAll(keepingCapacity: true)
    if count <= Self.traitsPerVariant {
      out.append(contentsOf: 0..<Int32(count))
      return
    }
    for k in 0..<Self.traitsPerVariant {
      let hash = pairHash(seed: seed, ordinal >> Self.groupBits, k)
      out.append(Int32(hash.multipliedFullWidth(by: UInt64(count)).high))
    }
    out.sort()
    var last: Int32 = -1
    out.removeAll { trait in
      defer { last = trait }
      return trait == last
    }
  }

  /// What `sampled` leaves in the sample bounds what need be drawn from now on.
  func add(_ sampled: [SampledVariant]) {
    guard !sampled.isEmpty, let bound = draw.withLock({ $0.add(sampled) }) else { return }
    limit.store(bound, ordering: .relaxed)
  }
}

/// Tests drawn with one variant.
public struct SampledVariant: Sendable, Equatable {
  public var ordinal: Int
  public var logP: [Double]

  public init(ordinal: Int, logP: [Double]) {
    self.ordinal = ordinal
    self.logP = logP
  }
}

/// The variants with the smallest hashes of all that were drawn.
struct TestDraw: Sendable {
  /// As much fp64 work for any number of samples; with 1,000 variants π₀ still has a standard error of 0.004.
  let variantCount: Int
  private let seed: UInt64
  private var drawn: [(hash: UInt64, logP: [Double])] = []

  init(seed: UInt64, sampleCount: Int) {
    self.seed = seed
    variantCount = max(1_000, min(15_625, 15_625_000 / sampleCount))
  }

  /// - Returns: when some were left out, the largest hash that was not.
  mutating func add(_ sampled: [SampledVariant]) -> UInt64? {
    drawn += sampled.map { (pairHash(seed: seed, $0.ordinal, -1), $0.logP) }
    return drawn.count >= 2 * variantCount ? trim() : nil
  }

  /// ln p of the sample, ascending.
  func logP() -> [Double] {
    var own = self
    if own.drawn.count > variantCount { _ = own.trim() }
    return own.drawn.flatMap(\.logP).sorted()
  }

  private mutating func trim() -> UInt64 {
    drawn.sort { $0.hash < $1.hash }
    drawn.removeSubrange(variantCount...)
    return drawn[variantCount - 1].hash
  }
}

private func pairHash(seed: UInt64, _ ordinal: Int, _ k: Int) -> UInt64 {
  pairHash(seed: seed, UInt64(bitPattern: Int64(ordinal)), UInt64(bitPattern: Int64(k)))
}
