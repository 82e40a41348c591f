import Distributions
import Glibc
import StudyData

/// What random numbers are for: each purpose has its own streams, so that one more draw for one never moves another.
enum Purpose: UInt64 {
  case positions = 1
  case alleles, genealogy, copying, meiosis, missingGenotypes
  case gene, covariate, hiddenFactor, trait, missingPhenotypes
  case distalEffect

  /// The stream of one chromosome, gene, … of this purpose.
  func random(_ seed: UInt64, _ index: Int = 0) -> CounterRNG {
    CounterRNG(seed: seed, stream: rawValue << 56 | UInt64(index))
  }
}

/// Where variants and genes lie: everything about the genome but the genotypes.
struct Genome: Sendable {
  struct Chromosome: Sendable {
    var name: String
    /// Ordinal of its first variant in the genome.
    var firstOrdinal: Int
    /// Of its variants; strictly increasing.
    var positions: [Int]
    var length: Int

    var ordinals: Range<Int> { firstOrdinal..<firstOrdinal + positions.count }
  }

  struct Gene: Sendable {
    var id: String
    /// The order of creation, which keys all that is random about it.
    var number: Int
    var chromosome: Int
    var tss: Int
  }

  let seed: UInt64
  let chromosomes: [Chromosome]
  let variantCount: Int

  /// Lengths of the human autosomes in Mb (GRCh38), rounded.
  private static let megabases = [
    249, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133, 114, 107, 102, 90, 83, 80, 59, 64, 47, 51,
  ]

  /// Draws variant positions with exponential gaps.
  ///
  /// - Complexity: O(variants) time and memory (8 bytes each).
  init(_ options: SimulationOptions) {
    seed = options.seed
    variantCount = options.variants
    let shares = Self.megabases.prefix(options.chromosomeCount)
    let total = shares.reduce(0, +)
    var chromosomes: [Chromosome] = []
    var before = 0
    var first = 0
    for (index, share) in shares.enumerated() {
      before += share
      // One variant for each chromosome, the others by length; the cumulative counts end at the total.
      let end = index + 1 + (options.variants - shares.count) * before / total
      var random = Purpose.positions.random(seed, index)
      var position = 0
      let positions = (first..<end).map { _ in
        position += max(1, Int((-log(random.nextUniform()) * options.effectiveSpacing).rounded()))
        return position
      }
      chromosomes.append(
        Chromosome(
          name: String(index + 1), firstOrdinal: first, positions: positions,
          length: position + Int(options.effectiveSpacing)))
      first = end
    }
    self.chromosomes = chromosomes
  }

  /// The index of the chromosome that holds a variant.
  func chromosome(of ordinal: Int) -> Int {
    chromosomes.firstIndex { $0.ordinals.contains(ordinal) }!
  }

  /// Variants of a chromosome within a distance of a position.
  func ordinals(near position: Int, radius: Int, on chromosome: Int) -> Range<Int> {
    let it = chromosomes[chromosome]
    let lower = Self.lowerBound(it.positions, position - radius)
    let upper = Self.lowerBound(it.positions, position + radius + 1)
    return it.firstOrdinal + lower..<it.firstOrdinal + upper
  }

  /// A variant on the gene's chromosome more than `radius` bases from its start: the first, seen from there, at a distance that is
  /// log-uniform from `radius` to the farthest variant. Upstream or downstream is a matter of chance where both reach so far.
  ///
  /// - Returns: nil where the chromosome ends before; as many draws are made.
  func ordinal(beyond radius: Int, of gene: Gene, _ random: inout CounterRNG) -> Int? {
    let it = chromosomes[gene.chromosome]
    let (chance, side) = (random.nextUniform(), random.nextUniform())
    let (before, after) = (gene.tss - it.positions[0], it.positions[it.positions.count - 1] - gene.tss)
    let farthest = max(before, after)
    guard farthest > radius else { return nil }
    let drawn = Int((Double(radius) * pow(Double(farthest) / Double(radius), chance)).rounded(.up))
    // Both ends against rounding.
    let distance = min(max(drawn, radius + 1), farthest)
    let isBefore = before >= distance && (after < distance || side < 0.5)
    let index =
      isBefore
      ? Self.lowerBound(it.positions, gene.tss - distance + 1) - 1
      : Self.lowerBound(it.positions, gene.tss + distance)
    return it.firstOrdinal + index
  }

  private static func lowerBound(_ sorted: [Int], _ value: Int) -> Int {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Gene `number`: its transcription start site is uniform over the genome.
  ///
  /// - Parameter random: The gene's own stream, from which its effects are drawn next.
  func gene(_ number: Int, _ random: inout CounterRNG) -> Gene {
    let total = chromosomes.reduce(0) { $0 + $1.length }
    var offset = uniform(total, &random)
    var index = 0
    while offset >= chromosomes[index].length {
      offset -= chromosomes[index].length
      index += 1
    }
    return Gene(id: "gene\(number + 1)", number: number, chromosome: index, tss: offset + 1)
  }
}

/// Names the variants of one chromosome in order.
struct VariantNamer {
  private let chromosome: Genome.Chromosome
  private var random: CounterRNG
  private static let bases = ["A", "C", "G", "T"]

  init(_ genome: Genome, chromosome index: Int) {
    chromosome = genome.chromosomes[index]
    random = Purpose.alleles.random(genome.seed, index)
  }

  /// The variant at `index` of the chromosome; to be asked in order.
  mutating func next(_ index: Int) -> Variant {
    let ref = uniform(4, &random)
    let alt = (ref + 1 + uniform(3, &random)) % 4
    let position = chromosome.positions[index]
    return Variant(
      id: Variant.synthesizedID(
        chromosome: chromosome.name, position: position, ref: Self.bases[ref], alt: Self.bases[alt]),
      chromosome: chromosome.name, position: position, ref: Self.bases[ref], alt: Self.bases[alt])
  }
}

/// Uniform on 0 ..< count.
@inline(__always)
func uniform(_ count: Int, _ random: inout CounterRNG) -> Int {
  min(count - 1, Int(random.nextUniform() * Double(count)))
}
