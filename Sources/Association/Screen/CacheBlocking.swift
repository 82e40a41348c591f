internal import CScanKernels
internal import Glibc

/// How much of the codes an integer product works on at a time.
///
/// A panel's part stays in the first-level cache while tiles of traits pass by (16 variants), or in a quarter of the second (64); the
/// traits of a pass take half of the second, from where each byte is used for `width` products. With several passes over the samples,
/// all panels of a block meet a part of the traits before the next part is read. So a core reads the traits once for every block of
/// variants, n·t bytes, and the variants once for every pass of traits; the sums of all panels, at most about twice the second-level
/// cache, are read and written once in a pass.
struct CacheBlocking {
  /// Groups of samples in one pass over them.
  let groups: Int
  /// Tiles of traits in one pass over the variants.
  let tiles: Int
  /// Whether one pass takes all samples.
  let isWhole: Bool

  init(groups all: Int, shape: sk_isa_shape) {
    let caches = CacheSizes.current
    let budget = shape.panel_in_l1 != 0 ? caches.first / 2 : caches.second / 4
    let most = max(32, budget / (4 * Int(shape.width)))
    let passes = all <= most + most / 4 ? 1 : (all + most - 1) / most
    isWhole = passes == 1
    groups = (all + passes - 1) / passes
    tiles = max(1, caches.second / 2 / (4 * groups * Int(shape.traits)))
  }
}

/// Bytes of the first- and second-level data cache of a core.
struct CacheSizes {
  var first: Int
  var second: Int

  static let current = CacheSizes(
    first: size(_SC_LEVEL1_DCACHE_SIZE) ?? 32 << 10, second: size(_SC_LEVEL2_CACHE_SIZE) ?? 512 << 10)

  private static func size(_ name: some BinaryInteger) -> Int? {
    let bytes = sysconf(Int32(name))
    return bytes > 0 ? bytes : nil
  }
}
