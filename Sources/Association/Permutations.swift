internal import Distributions
internal import LinearAlgebra
internal import StudyData

/// Reorderings of the samples, shared by all traits: a function of the seed, the index and the analysed samples alone.
///
/// Permutation 0 changes nothing.
struct Permutations: Sendable {
  private let seed: UInt64
  private let sampleCount: Int

  /// - Parameter sampleIDs: in canonical order.
  init(seed: UInt64, sampleIDs: [String]) {
    // FNV-1a over the ids: another set of samples draws other permutations.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for id in sampleIDs {
      for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
      hash = (hash ^ 0xFF) &* 0x100_0000_01B3
    }
    self.seed = seed ^ hash
    sampleCount = sampleIDs.count
  }

  /// Samples in the order of their random keys.
  func order(_ index: Int) -> [Int32] {
    let samples = (0..<sampleCount).map { Int32($0) }
    guard index > 0 else { return samples }
    let keys = samples.map { pairHash(seed: seed, UInt64(index), UInt64($0)) }
    return samples.sorted { (keys[Int($0)], $0) < (keys[Int($1)], $1) }
  }

  /// The trait in another order. Values move among the observed samples only, so that each copy is missing where the trait is.
  static func apply(_ order: [Int32], _ y: UnsafeBufferPointer<Double>, to out: UnsafeMutablePointer<Double>)
  {
    var next = 0
    for i in y.indices {
      guard !y[i].isNaN else {
        out[i] = .nan
        continue
      }
      while y[Int(order[next])].isNaN { next += 1 }
      out[i] = y[Int(order[next])]
      next += 1
    }
  }
}
