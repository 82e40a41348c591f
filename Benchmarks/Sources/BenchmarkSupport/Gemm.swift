internal import SwiftQTL

/// fp32 matrix products by OpenBLAS on one thread: the yardstick of the scans.
public enum Gemm {
  /// C (traits × variants) = Z'G over `inner` samples, the orientation that the scan uses.
  public struct Shape: Sendable {
    public var traits: Int
    public var variants: Int
    public var inner: Int

    public init(traits: Int, variants: Int, inner: Int) {
      self.traits = traits
      self.variants = variants
      self.inner = inner
    }

    public var flops: Double { 2 * Double(traits) * Double(variants) * Double(inner) }
  }

  public static var core: String { BLAS.coreName }
  public static var configuration: String { BLAS.configuration }

  /// Makes operands of one shape once; each call of the closure times products for `seconds` or longer and returns GFLOP per
  /// second of CPU time, which other work on the machine disturbs less than the time by the clock.
  public static func probe(_ shape: Shape, seconds: Double = 0.25) -> () -> Double {
    BLAS.useSingleThread()
    let z = [Float](repeating: 0.5, count: shape.inner * shape.traits)
    let g = [Float](repeating: 0.25, count: shape.inner * shape.variants)
    var c = [Float](repeating: 0, count: shape.traits * shape.variants)
    return {
      var (calls, elapsed) = (0, 0.0)
      let started = Clock.cpu()
      repeat {
        BLAS.multiplyTransposed(
          rows: shape.traits, columns: shape.variants, inner: shape.inner, z, shape.inner, g, shape.inner,
          into: &c, shape.traits)
        calls += 1
        elapsed = Clock.cpu() - started
      } while elapsed < seconds
      return Double(calls) * shape.flops / elapsed * 1e-9
    }
  }

  /// The fastest shape of all combinations, by the better of two timings each.
  public static func best(
    inner: Int, traits: [Int], variants: [Int], report: (Shape, Double) -> Void = { _, _ in }
  ) -> Shape {
    precondition(!traits.isEmpty && !variants.isEmpty)
    var best = (shape: Shape(traits: traits[0], variants: variants[0], inner: inner), rate: 0.0)
    for traits in traits {
      for variants in variants {
        let shape = Shape(traits: traits, variants: variants, inner: inner)
        let probe = probe(shape, seconds: 0.1)
        _ = probe()  // touches the memory
        let rate = max(probe(), probe())
        report(shape, rate)
        if rate > best.rate { best = (shape, rate) }
      }
    }
    return best.shape
  }
}
