import BenchmarkSupport
import CPeakLoops
import CScanKernels

/// The 8-bit products of the integer screen on one core, instruction set by instruction set, against their peaks.
struct IntegerKernels {
  let repetitions: Int
  /// GFLOP/s, for the ratio.
  let sgemm: Double

  private struct Instructions {
    var name: String
    var kernel: sk_isa
    /// Largest genotype codes to time, each with the loop that bounds it.
    var cases: [(largest: Int, peak: (Int64) -> Int64)]
  }

  private var all: [Instructions] {
    [
      Instructions(
        name: "AVX512-VNNI", kernel: SK_AVX512_VNNI, cases: [(254, peak_avx512_vnni)]),
      Instructions(name: "AVX-VNNI", kernel: SK_AVX_VNNI, cases: [(254, peak_avx_vnni)]),
      Instructions(
        name: "AVX2", kernel: SK_AVX2,
        cases: [(2, peak_avx2_16), (8, peak_avx2_16), (16, peak_avx2_16), (126, peak_avx2_32)]),
      Instructions(name: "NEON sdot", kernel: SK_NEON_DOT, cases: [(126, peak_neon_dot)]),
    ].filter { sk_shape($0.kernel) != nil }
  }

  /// Prints the tables; returns the best peak, in 10⁹ operations a second.
  func run() -> Double {
    header(
      "integer products, one core", "samples", "largest code", "peak loop, GOP/s", "products",
      "products and comparison",
      "% of peak", "× sgemm")
    var best = 0.0
    for instructions in all {
      for (largest, peak) in instructions.cases {
        for samples in [445, 500, 1_000, 5_000, 20_000]
        where largest == instructions.cases[0].largest || samples == 1_000 {
          let panel = Panels(instructions.kernel, samples: samples, largest: largest)
          var (peaks, raw, fused, shares) = ([Double](), [Double](), [Double](), [Double]())
          for _ in 0..<repetitions {
            peaks.append(rate { Double(peak(4_000_000)) })
            raw.append(rate { panel.products() })
            fused.append(rate { panel.screen() })
            shares.append(100 * fused[fused.count - 1] / peaks[peaks.count - 1])
          }
          best = max(best, median(peaks))
          row(
            instructions.name, "\(samples)", "\(largest)", spread(peaks, 1), spread(raw, 1), spread(fused, 1),
            spread(shares, 1), fixed(median(fused) / sgemm, 2))
        }
      }
    }
    return best
  }

  /// Codes of a block of hard calls and of dosages, into panels.
  func packing(samples: Int) {
    header("packing, one core", "samples", "10⁶ codes/s: median (range)")
    let variants = 512
    let calls = (0..<samples * variants).map { UInt8($0 % 7 % 3) }
    let dosages = (0..<samples * variants).map { Float($0 % 201) / 100 }
    var codes = [UInt8](repeating: 0, count: samples)
    var panel = [UInt8](repeating: 0, count: (samples + 3) / 4 * 4 * 64)
    func time(_ name: String, _ encode: (Int) -> Void) {
      let rates = (0..<repetitions).map { _ in
        1e3
          * rate {
            for v in 0..<variants {
              encode(v)
              sk_place_codes(codes, Int64(samples), 64, Int64(v % 64), &panel)
            }
            return Double(samples * variants)
          }
      }
      row(name, "\(samples)", spread(rates, 0))
    }
    time("hard calls") { v in
      calls.withUnsafeBufferPointer {
        sk_encode_calls($0.baseAddress! + v * samples, Int64(samples), 8, 3, &codes)
      }
    }
    time("dosages") { v in
      dosages.withUnsafeBufferPointer {
        _ = sk_encode_dosages($0.baseAddress! + v * samples, Int64(samples), 1, 0, 63, 126, &codes)
      }
    }
  }

  /// 10⁹ operations per second of CPU time, of calls that last a quarter of a second together.
  private func rate(_ body: () -> Double) -> Double {
    var (done, elapsed) = (0.0, 0.0)
    let started = Clock.cpu()
    repeat {
      done += body()
      elapsed = Clock.cpu() - started
    } while elapsed < 0.25
    return 1e-9 * done / elapsed
  }
}

/// Random panels of 512 variants and the traits of one pass: half of a second-level cache.
private struct Panels {
  let kernel: sk_isa
  let shape: sk_isa_shape
  let groups: Int
  let tiles: Int
  let passGroups: Int
  let depth: Int64
  private let variants: [UInt8]
  private let traits: [Int8]

  init(_ kernel: sk_isa, samples: Int, largest: Int) {
    self.kernel = kernel
    shape = sk_shape(kernel).pointee
    groups = (samples + 3) / 4
    let most = shape.panel_in_l1 != 0 ? 320 : 1_024
    let passes = (groups + most - 1) / most
    passGroups = (groups + passes - 1) / passes
    tiles = max(1, (256 << 10) / (4 * passGroups * Int(shape.traits)))
    depth = sk_depth(Int64(largest))
    var random = CounterRandom(seed: 1, stream: samples)
    variants = (0..<512 * groups * 4).map { _ in UInt8(random.uniform() * Double(largest + 1)) }
    traits = (0..<tiles * groups * Int(shape.traits) * 4).map { _ in Int8(random.uniform() * 255 - 127.5) }
  }

  private var operations: Double { 2 * Double(512 * tiles * Int(shape.traits)) * Double(groups * 4) }

  /// Calls the body with one pass of traits and all panels, one by one where one pass takes all samples.
  private func forEachCall(
    _ body: (
      UnsafePointer<sk_panel>, _ count: Int64, UnsafePointer<sk_traits>, UnsafeMutablePointer<Int32>
    ) -> Void
  ) -> Double {
    let (slots, width) = (tiles * Int(shape.traits), Int(shape.width))
    let ones = [Float](repeating: 1, count: slots)
    let rows = [Int32](repeating: 0, count: slots)
    let start = [Int64](repeating: 0, count: tiles + 1)
    // Bounds that nothing reaches.
    let far = [Float](repeating: 1e12, count: width)
    let none = [Float](repeating: 0, count: width)
    var sums = [Int32](repeating: 0, count: slots * 512)
    traits.withUnsafeBufferPointer { low in
      ones.withUnsafeBufferPointer { ones in
        rows.withUnsafeBufferPointer { rows in
          start.withUnsafeBufferPointer { start in
            var traits = sk_traits(
              groups: Int64(groups), low: low.baseAddress, high_start: start.baseAddress, high_group: nil,
              high: nil, reach: ones.baseAddress, scale: ones.baseAddress, error: ones.baseAddress,
              length_row: rows.baseAddress)
            variants.withUnsafeBufferPointer { variants in
              far.withUnsafeBufferPointer { far in
                none.withUnsafeBufferPointer { none in
                  let panels = (0..<512 / width).map { p in
                    sk_panel(
                      codes: variants.baseAddress! + p * groups * width * 4, depth: depth,
                      lower: far.baseAddress, lower_stride: 0, error: none.baseAddress,
                      offset: none.baseAddress, best: nil, excluded: nil, excluded_count: 0)
                  }
                  panels.withUnsafeBufferPointer { panels in
                    let together = passGroups < groups ? panels.count : 1
                    for p in stride(from: 0, to: panels.count, by: together) {
                      body(panels.baseAddress! + p, Int64(together), &traits, &sums)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
    return operations
  }

  func products() -> Double {
    forEachCall { panels, count, traits, sums in
      sk_integer_products(kernel, panels, count, traits, 0, Int64(tiles), Int64(passGroups), sums)
    }
  }

  func screen() -> Double {
    var found = [UInt64](repeating: 0, count: tiles * Int(shape.traits) * 512)
    var upper: [Float] = []
    return forEachCall { panels, count, traits, sums in
      let pairs = sk_screen(
        kernel, panels, count, traits, 0, Int64(tiles), Int64(passGroups), sums, &found, &upper)
      if pairs > 0 { fail("a pair reached 10¹²") }
    }
  }
}
