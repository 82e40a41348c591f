import Distributions
import Glibc
import StudyData

/// Dosages of the samples at the variants of one chromosome, one variant after the other.
///
/// Model: each haplotype of an unrelated person is a mosaic of its population's 64 ancestral haplotypes
/// (``Genealogy``), from which it switches to a uniformly chosen one at rate 4·Ne·r / 64 per base. Haplotypes of
/// children are the parents' with crossovers at rate r.
///
/// Only the ancestor that each haplotype copies is held: O(samples) memory. Switches of all haplotypes together are
/// one Poisson process, so that each costs one gap and one uniformly chosen haplotype.
///
/// - Complexity: O(samples) for each variant and proposal.
/// - Source: Li & Stephens 2003 (doi:10.1093/genetics/165.4.2213).
struct HaplotypeProcess {
  private let options: SimulationOptions
  private let chromosome: Genome.Chromosome
  private var genealogy: Genealogy
  private var copying: Mosaic
  private var meioses: Mosaic
  private var ancestors: [UInt64]
  private var alleles: [UInt8]
  private var index = 0

  /// Mutations refused for their frequency before the genealogy is moved on, and before giving up.
  private static let patience = 32
  private static let proposals = 100_000

  init(_ options: SimulationOptions, _ genome: Genome, chromosome number: Int) {
    self.options = options
    chromosome = genome.chromosomes[number]
    let populations = options.populations
    genealogy = Genealogy(
      populations: populations, fst: options.fst, recombinationRate: options.recombinationRate,
      random: Purpose.genealogy.random(options.seed, number))
    let pedigree = Pedigree(options)
    copying = Mosaic(
      count: 2 * options.samples,
      rate: 4 * Genealogy.effectiveSize * options.recombinationRate / Double(Genealogy.haplotypes),
      random: Purpose.copying.random(options.seed, number)
    ) { haplotype in
      let population = pedigree.population(of: haplotype / 2)
      return (population * Genealogy.haplotypes, Genealogy.haplotypes)
    }
    meioses = Mosaic(
      count: 2 * pedigree.childCount, rate: options.recombinationRate,
      random: Purpose.meiosis.random(options.seed, number)
    ) { gamete in
      (2 * pedigree.parent(ofGamete: gamete), 2)
    }
    ancestors = Array(repeating: 0, count: populations)
    alleles = Array(repeating: 0, count: 2 * options.samples)
  }

  /// Writes the dosages of ALT (the derived allele) at the chromosome's next variant, one for each sample.
  ///
  /// - Throws: ``StudyError`` of kind `degenerate` when no mutation reaches the minimum allele frequency.
  mutating func next(into dosages: inout [UInt8]) throws(StudyError) {
    let previous = index == 0 ? 0 : chromosome.positions[index - 1]
    let gap = Double(chromosome.positions[index] - previous)
    index += 1
    switch options.linkage {
    case .coalescent:
      genealogy.advance(by: gap)
      copying.advance(by: gap)
      meioses.advance(by: gap)
    case .none:
      genealogy.restart()
      copying.restart()
      meioses.restart()
    }
    let minimum = max(1, Int((options.minimumMAF * Double(alleles.count)).rounded(.up)))
    for attempt in 1...Self.proposals {
      genealogy.mutate(into: &ancestors)
      let carriers = transmit(into: &dosages)
      if min(carriers, alleles.count - carriers) >= minimum { return }
      if attempt >= Self.patience { genealogy.recombine() }
    }
    throw StudyError(
      .degenerate, "no variant of minor allele frequency \(options.minimumMAF) arises",
      remedy: "lower the minimum minor allele frequency or simulate more samples")
  }

  /// Hands the ancestors' alleles to the samples; returns how many haplotypes carry ALT.
  private mutating func transmit(into dosages: inout [UInt8]) -> Int {
    ancestors.withUnsafeBufferPointer { ancestors in
      copying.source.withUnsafeBufferPointer { source in
        alleles.withUnsafeMutableBufferPointer { alleles in
          for h in 0..<alleles.count {
            let ancestor = source[h]
            let word = ancestors[Int(ancestor >> 6)]
            alleles[h] = UInt8(truncatingIfNeeded: (word >> UInt64(ancestor & 63)) & 1)
          }
        }
      }
    }
    for (gamete, parental) in meioses.source.enumerated() {
      alleles[Pedigree.haplotype(ofGamete: gamete)] = alleles[Int(parental)]
    }
    var carriers = 0
    alleles.withUnsafeBufferPointer { alleles in
      dosages.withUnsafeMutableBufferPointer { dosages in
        for i in 0..<dosages.count {
          let dosage = alleles[2 * i] + alleles[2 * i + 1]
          dosages[i] = dosage
          carriers += Int(dosage)
        }
      }
    }
    return carriers
  }
}

/// Sequences that each copy one of several sources and switch at random places along a chromosome.
private struct Mosaic {
  /// What each sequence copies now.
  private(set) var source: [Int32]
  /// For each sequence its first possible source, and how many there are.
  private let choices: [(first: Int32, count: Int32)]
  private var random: CounterRNG
  private let rate: Double
  private var distanceLeft = 0.0

  /// - Parameter rate: Switches per base of each sequence.
  init(count: Int, rate: Double, random: CounterRNG, choices: (Int) -> (first: Int, count: Int)) {
    self.choices = (0..<count).map {
      let (first, count) = choices($0)
      return (Int32(first), Int32(count))
    }
    self.random = random
    self.rate = rate * Double(count)
    source = Array(repeating: 0, count: count)
    restart()
  }

  /// Chooses all sources anew.
  mutating func restart() {
    for i in source.indices { choose(i) }
    distanceLeft = gap()
  }

  mutating func advance(by bases: Double) {
    distanceLeft -= bases
    while distanceLeft <= 0 {
      choose(uniform(source.count, &random))
      distanceLeft += gap()
    }
  }

  private mutating func choose(_ i: Int) {
    source[i] = choices[i].first + Int32(uniform(Int(choices[i].count), &random))
  }

  private mutating func gap() -> Double {
    rate > 0 ? -log(random.nextUniform()) / rate : .infinity
  }
}

/// Who is related to whom: families of father, mother, child, child come first, then unrelated people.
struct Pedigree: Sendable {
  let samples: Int
  let families: Int
  let populations: Int

  init(_ options: SimulationOptions) {
    samples = options.samples
    families = options.families
    populations = options.populations
  }

  var childCount: Int { 2 * families }

  /// A family's members are of one population; families and unrelated people take turns.
  func population(of sample: Int) -> Int {
    let inFamilies = SimulationOptions.familySize * families
    let unit = sample < inFamilies ? sample / SimulationOptions.familySize : sample - inFamilies
    return unit % populations
  }

  /// The number of the sample's family, nil for an unrelated person.
  func family(of sample: Int) -> Int? {
    let family = sample / SimulationOptions.familySize
    return family < families ? family : nil
  }

  /// Father and mother of a child.
  func parents(of sample: Int) -> (father: Int, mother: Int)? {
    guard let family = family(of: sample), sample % SimulationOptions.familySize >= 2 else { return nil }
    return (SimulationOptions.familySize * family, SimulationOptions.familySize * family + 1)
  }

  // Gametes are numbered through all children: one from the father, one from the mother.

  /// The haplotype that the gamete becomes.
  static func haplotype(ofGamete gamete: Int) -> Int {
    2 * SimulationOptions.familySize * (gamete / 4) + 2 * 2 + gamete % 4
  }

  /// The sample that the gamete comes from.
  func parent(ofGamete gamete: Int) -> Int {
    let parents = parents(of: Self.haplotype(ofGamete: gamete) / 2)!
    return gamete.isMultiple(of: 2) ? parents.father : parents.mother
  }
}
