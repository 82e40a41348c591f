public import StudyData
internal import Synchronization

/// Genotypes held in memory, as one more `GenotypeSource`.
public struct MemoryGenotypes: GenotypeSource {
  public enum Encoding: Sendable {
    /// Dosages 0, 1, 2 and missing, handed out as codes.
    case hardCalls
    case fractional
  }

  public var path = "memory"
  public var paths: [String] { [path] }
  public var sampleIDs: [String]
  public var variants: [Variant]
  /// By variant, then sample; NaN is missing.
  public var dosages: [[Float]]
  public var encoding: Encoding
  public var variantCount: Int? { variants.count }
  /// Thrown in place of this chunk.
  public var failure: (chunk: Int, error: StudyError)?

  public init(sampleIDs: [String], variants: [Variant], dosages: [[Float]], encoding: Encoding) {
    precondition(dosages.count == variants.count && dosages.allSatisfy { $0.count == sampleIDs.count })
    self.sampleIDs = sampleIDs
    self.variants = variants
    self.dosages = dosages
    self.encoding = encoding
  }

  public func chromosomes() throws(StudyError) -> Set<String>? {
    Set(variants.map { Chromosome.normalized($0.chromosome) }.filter { !$0.isEmpty })
  }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    Stream(source: self, request: request)
  }

  private final class Stream: GenotypeStream {
    private let source: MemoryGenotypes
    private let request: GenotypeRequest
    private let position = Mutex(0)

    init(source: MemoryGenotypes, request: GenotypeRequest) {
      self.source = source
      self.request = request
    }

    var fractionRead: Double {
      Double(position.withLock { $0 }) / Double(max(1, source.variants.count))
    }

    func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
      let start = position.withLock { position in
        defer { position = min(source.variants.count, position + request.blockSize) }
        return position
      }
      guard start < source.variants.count else { return nil }
      if let failure = source.failure, failure.chunk == start / request.blockSize { throw failure.error }
      return Chunk(
        source: source, request: request,
        range: start..<min(source.variants.count, start + request.blockSize))
    }
  }

  private struct Chunk: GenotypeChunk {
    let source: MemoryGenotypes
    let request: GenotypeRequest
    let range: Range<Int>

    func decode() throws(StudyError) -> GenotypeBlock {
      let chosen = range.filter {
        let variant = source.variants[$0]
        return request.selection.admits(
          id: variant.id, normalizedChromosome: Chromosome.normalized(variant.chromosome),
          position: variant.position)
      }
      let values = chosen.flatMap { j in request.samples.map { source.dosages[j][$0] } }
      let dosages: GenotypeBlock.Dosages =
        switch source.encoding {
        case .hardCalls: .hardCalls(values.map { $0.isNaN ? 3 : UInt8($0) })
        case .fractional: .fractional(values)
        }
      return GenotypeBlock(
        sampleCount: request.samples.count, ordinals: chosen, variants: chosen.map { source.variants[$0] },
        dosages: dosages)
    }
  }
}
