public import SwiftQTL
internal import Synchronization

/// Hard calls held in memory in the blocks a scan asks for: reading and decoding cost nothing.
///
/// All samples in the order given; selections are not supported.
public final class MemoryGenotypes: GenotypeSource {
  public let path = "genotypes in memory"
  public var paths: [String] { [] }
  public let sampleIDs: [String]
  public var variantCount: Int? { variants.count }
  private let variants: [Variant]
  private let codes: [UInt8]
  private let started = Mutex(0.0)

  /// When the last pass asked for its first chunk (``Clock/cpu()``): what comes before is preparation of the traits.
  public var passStarted: Double { started.withLock { $0 } }

  /// - Parameter codes: samples × variants, sample-major within a variant: 0, 1, 2 copies of ALT, 3 missing.
  public init(sampleIDs: [String], variants: [Variant], codes: [UInt8]) {
    precondition(codes.count == sampleIDs.count * variants.count)
    self.sampleIDs = sampleIDs
    self.variants = variants
    self.codes = codes
  }

  public func chromosomes() -> Set<String>? { nil }

  public func stream(_ request: GenotypeRequest) -> any GenotypeStream {
    precondition(request.samples.elementsEqual(sampleIDs.indices), "samples must be in canonical order")
    let n = sampleIDs.count
    let blocks = stride(from: 0, to: variants.count, by: request.blockSize).map { start in
      let range = start..<min(start + request.blockSize, variants.count)
      return Chunk(
        block: GenotypeBlock(
          sampleCount: n, ordinals: Array(range), variants: Array(variants[range]),
          dosages: .hardCalls(Array(codes[range.lowerBound * n..<range.upperBound * n]))))
    }
    return Stream(blocks) { [self] in started.withLock { $0 = Clock.cpu() } }
  }

  private struct Chunk: GenotypeChunk {
    let block: GenotypeBlock
    func decode() -> GenotypeBlock { block }
  }

  /// Calls are serialised by the scan, so the position needs no lock.
  private final class Stream: GenotypeStream, @unchecked Sendable {
    private let blocks: [Chunk]
    private let onStart: () -> Void
    private var position = 0

    init(_ blocks: [Chunk], onStart: @escaping () -> Void) {
      self.blocks = blocks
      self.onStart = onStart
    }

    var fractionRead: Double { Double(position) / Double(max(1, blocks.count)) }

    func nextChunk() -> (any GenotypeChunk)? {
      if position == 0 { onStart() }
      guard position < blocks.count else { return nil }
      defer { position += 1 }
      return blocks[position]
    }
  }
}

/// Random numbers by counter: each is a function of seed, stream and index alone.
public struct CounterRandom: Sendable {
  private let seed: UInt64
  private let stream: UInt64
  private var index: UInt64 = 0

  public init(seed: UInt64, stream: Int) {
    self.seed = seed
    self.stream = UInt64(stream)
  }

  /// In (0, 1).
  public mutating func uniform() -> Double {
    defer { index += 1 }
    return (Double(pairHash(seed: seed, stream, index) >> 11) + 0.5) * 0x1p-53
  }

  public mutating func normal() -> Double { Normal.quantile(uniform()) }
}

/// Ids whose order by name is their order by number: the canonical order of samples.
public func numberedIDs(_ prefix: String, _ count: Int) -> [String] {
  let width = String(count).count
  return (0..<count).map { index in
    let digits = String(index + 1)
    return prefix + String(repeating: "0", count: width - digits.count) + digits
  }
}
