import BenchmarkSupport
import CLibdeflate
import Glibc
import SwiftQTL

/// The zlib blocks of a BGEN file, in memory: what decompression alone costs.
struct BGENBlocks {
  private let bytes: [UInt8]
  private var blocks: [(start: Int, count: Int, size: Int)] = []

  init(path: String) throws {
    bytes = try LocalFile.contents(path)
    func number(_ at: Int, _ size: Int) -> Int {
      (0..<size).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
    }
    var at = number(0, 4) + 4
    for _ in 0..<number(8, 4) {
      for _ in 0..<3 { at += 2 + number(at, 2) }
      let alleles = number(at + 4, 2)
      at += 6
      for _ in 0..<alleles { at += 4 + number(at, 4) }
      let count = number(at, 4)
      blocks.append((at + 8, count - 4, number(at + 4, 4)))
      at += 4 + count
    }
  }

  /// Seconds of processor time to decompress all.
  func inflate() -> Double {
    let decompressor = libdeflate_alloc_decompressor()
    defer { libdeflate_free_decompressor(decompressor) }
    var out = [UInt8](repeating: 0, count: blocks.map(\.size).max() ?? 0)
    return bytes.withUnsafeBytes { bytes in
      let before = Clock.cpu()
      for block in blocks {
        guard
          libdeflate_zlib_decompress(
            decompressor, bytes.baseAddress! + block.start, block.count, &out, block.size, nil)
            == LIBDEFLATE_SUCCESS
        else { fail("not a BGEN compressed by zlib") }
      }
      return Clock.cpu() - before
    }
  }
}

/// Reading and decoding a whole BGEN from one thread, in turns with libdeflate alone.
func inflation(_ path: String, repetitions: Int) throws {
  let blocks = try BGENBlocks(path: path)
  let source = try GenotypeFile.open([path])
  let n = source.sampleIDs.count
  var (count, whole, alone, shares) = (0, [Double](), [Double](), [Double]())
  for _ in 0..<max(3, repetitions / 2) {
    count = 0
    let cost = try Cost.of {
      let stream = try source.stream(GenotypeRequest(samples: Array(0..<n)))
      while let chunk = try stream.nextChunk() { count += try chunk.decode().count }
    }
    let inflating = blocks.inflate()
    whole.append(1e-6 * Double(count * n) / cost.cpu)
    alone.append(1e-6 * Double(count * n) / inflating)
    shares.append(100 * inflating / cost.cpu)
  }
  header(
    "BGEN, one core: samples", "variants", "10⁶ genotypes/s: median (range)", "libdeflate alone",
    "its share, %")
  row("\(n)", "\(count)", spread(whole, 1), spread(alone, 1), spread(shares, 0))
}
