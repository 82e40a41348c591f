import Distributions
import Glibc
public import StudyData
import Synchronization

/// One pass over all simulated variants in order: O(samples) memory.
struct GenotypePass {
  private let options: SimulationOptions
  private let genome: Genome
  private var chromosome = 0
  private var current: (haplotypes: HaplotypeProcess, names: VariantNamer, missing: MissingMask)

  /// Of the variant that ``next()`` returned last.
  private(set) var ordinal = -1
  /// Copies of ALT for each sample, none missing.
  private(set) var dosages: [UInt8]

  init(_ options: SimulationOptions, _ genome: Genome) {
    self.options = options
    self.genome = genome
    dosages = Array(repeating: 0, count: options.samples)
    current = Self.start(options, genome, 0)
  }

  private static func start(
    _ options: SimulationOptions, _ genome: Genome, _ chromosome: Int
  ) -> (HaplotypeProcess, VariantNamer, MissingMask) {
    (
      HaplotypeProcess(options, genome, chromosome: chromosome),
      VariantNamer(genome, chromosome: chromosome),
      MissingMask(
        options.missingGenotypes,
        Purpose.missingGenotypes.random(options.seed, chromosome))
    )
  }

  mutating func next() throws(StudyError) -> Variant? {
    guard ordinal + 1 < genome.variantCount else { return nil }
    ordinal += 1
    if ordinal == genome.chromosomes[chromosome].ordinals.upperBound {
      chromosome += 1
      current = Self.start(options, genome, chromosome)
    }
    try current.haplotypes.next(into: &dosages)
    return current.names.next(ordinal - genome.chromosomes[chromosome].firstOrdinal)
  }

  /// Appends the hard calls of the current variant as they are observed: 3 where missing. Once for each variant.
  mutating func appendObserved(to codes: inout [UInt8]) {
    let start = codes.count
    codes += dosages
    current.missing.apply(to: &codes, from: start)
  }
}

/// Chooses missing genotypes by their geometric gaps.
private struct MissingMask {
  private var random: CounterRNG
  private let logPresent: Double
  /// How many genotypes are left before the next missing one.
  private var left = Int.max

  init(_ probability: Double, _ random: CounterRNG) {
    self.random = random
    logPresent = log1p(-probability)
    if probability > 0 { left = gap() }
  }

  mutating func apply(to codes: inout [UInt8], from start: Int) {
    var index = start
    while left < codes.count - index {
      index += left
      codes[index] = 3
      index += 1
      left = gap()
    }
    left -= codes.count - index
  }

  private mutating func gap() -> Int {
    // Below 2^53 however small the probability; a longer gap is past the end of any genome.
    Int(min(0x1p53, log(random.nextUniform()) / logPresent))
  }
}

/// Simulated genotypes as a source that computes them anew in each pass: nothing is stored but positions.
public struct SimulatedGenotypes: GenotypeSource {
  public let sampleIDs: [String]
  private let options: SimulationOptions
  private let genome: Genome

  public var path: String { "simulated genotypes" }
  public var paths: [String] { [] }
  public var variantCount: Int? { options.variants }
  public func chromosomes() -> Set<String>? { Set(genome.chromosomes.map(\.name)) }

  init(_ options: SimulationOptions, _ genome: Genome, sampleIDs: [String]) {
    self.options = options
    self.genome = genome
    self.sampleIDs = sampleIDs
  }

  /// - Note: Here the serial half of the pass does the work: a variant's haplotypes follow from the one before.
  public func stream(_ request: GenotypeRequest) -> any GenotypeStream {
    SimulatedStream(GenotypePass(options, genome), request, variantCount: options.variants)
  }
}

private final class SimulatedStream: GenotypeStream {
  private let pass: Mutex<GenotypePass>
  private let request: GenotypeRequest
  private let variantCount: Int

  init(_ pass: sending GenotypePass, _ request: GenotypeRequest, variantCount: Int) {
    self.pass = Mutex(pass)
    self.request = request
    self.variantCount = variantCount
  }

  var fractionRead: Double {
    pass.withLock { Double($0.ordinal + 1) / Double(variantCount) }
  }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    try pass.withLock { (pass) throws(StudyError) -> SimulatedChunk? in
      let first = pass.ordinal + 1
      var variants: [Variant] = []
      var codes: [UInt8] = []
      while variants.count < request.blockSize, let variant = try pass.next() {
        variants.append(variant)
        pass.appendObserved(to: &codes)
      }
      guard !variants.isEmpty else { return nil }
      return SimulatedChunk(
        firstOrdinal: first, variants: variants, codes: codes, sampleCount: pass.dosages.count,
        request: request)
    }
  }
}

private struct SimulatedChunk: GenotypeChunk {
  var firstOrdinal: Int
  var variants: [Variant]
  /// Of all samples.
  var codes: [UInt8]
  var sampleCount: Int
  var request: GenotypeRequest

  func decode() -> GenotypeBlock {
    let kept = variants.indices.filter {
      request.selection.admits(
        id: variants[$0].id, normalizedChromosome: variants[$0].chromosome,
        position: variants[$0].position)
    }
    var selected: [UInt8] = []
    selected.reserveCapacity(kept.count * request.samples.count)
    for index in kept {
      let base = index * sampleCount
      for sample in request.samples { selected.append(codes[base + sample]) }
    }
    return GenotypeBlock(
      sampleCount: request.samples.count, ordinals: kept.map { firstOrdinal + $0 },
      variants: kept.map { variants[$0] }, dosages: .hardCalls(selected))
  }
}
