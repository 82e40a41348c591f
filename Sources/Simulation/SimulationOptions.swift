import StudyData

/// What to simulate. The defaults make a small expression study of unrelated people of one population.
public struct SimulationOptions: Sendable, Equatable {
  /// How variants near each other depend on each other.
  public enum Linkage: String, Sendable {
    /// Ancestral haplotypes from a coalescent with recombination, copied by the samples.
    case coalescent
    /// Every variant has its own genealogy: linkage equilibrium (within families, variants segregate freely).
    case none
  }

  /// Genes with a causal variant of one kind, and how strong it is.
  public struct Effects: Sendable, Equatable {
    /// The share of genes that get such a variant, 0…1.
    public var geneShare: Double
    /// The share of the trait's variance that it explains, 0…<1.
    public var variance: Double

    public init(geneShare: Double, variance: Double) {
      self.geneShare = geneShare
      self.variance = variance
    }
  }

  public var samples: Int
  public var variants: Int
  public var genes: Int
  /// Rows of the covariate table; the first `populations - 1` of them mark populations.
  public var covariates: Int
  public var seed: UInt64

  /// 1…22, with lengths in proportion to the human autosomes; nil takes one for every 50 variants, at most 22.
  public var chromosomes: Int?
  /// Mean distance of neighbouring variants in bases; shortened where the genome would exceed 3.1 Gb.
  public var spacing = 3_000.0
  public var linkage = Linkage.coalescent
  /// In cM/Mb, the same everywhere: linkage disequilibrium reaches as far as it is small.
  public var recombination = 1.0
  /// Every variant has at least this minor allele frequency among the samples, and is never monomorphic.
  public var minimumMAF = 0.01

  /// Populations, of equal share among samples.
  public var populations = 1
  /// F_ST between any two of them; ignored for one population.
  public var fst = 0.05
  /// Nuclear families, each of father, mother and two children, among the samples; the others are unrelated.
  public var families = 0

  public var cis = Effects(geneShare: 0.5, variance: 0.1)
  /// Planted only where there are at least two chromosomes.
  public var trans = Effects(geneShare: 0.1, variance: 0.1)
  /// Planted on the gene's chromosome, where that reaches farther than `distalDistance` from it.
  public var distal = Effects(geneShare: 0, variance: 0.1)
  /// Bases from a gene's start beyond which its distal effect lies.
  public var distalDistance = 1_000_000
  /// The share of each trait's variance that the covariates explain together.
  public var covariateVariance = 0.1
  /// Factors that move many traits and are not written to any file.
  public var hiddenFactors = 3
  /// The share of each trait's variance that the hidden factors explain together.
  public var hiddenVariance = 0.1

  /// The probability that a genotype is missing, independently of all else.
  public var missingGenotypes = 0.0
  /// The probability that a phenotype value is missing, independently of all else.
  public var missingPhenotypes = 0.0

  public init(samples: Int, variants: Int, genes: Int, covariates: Int = 0, seed: UInt64 = 1) {
    self.samples = samples
    self.variants = variants
    self.genes = genes
    self.covariates = covariates
    self.seed = seed
  }
}

extension SimulationOptions {
  static let familySize = 4
  /// The longest genome, the human one: every chromosome then fits a tabix index.
  static let longestGenome = 3.1e9

  var chromosomeCount: Int { chromosomes ?? min(22, max(1, variants / 50)) }
  /// Per base and generation.
  var recombinationRate: Double { recombination * 1e-8 }
  var effectiveSpacing: Double { min(spacing, Self.longestGenome / Double(variants)) }

  /// - Throws: ``StudyError`` of kind `inconsistent` that names the first option out of its range.
  func validate() throws(StudyError) {
    try validateSizes()
    try validatePopulation()
    try validateTraits()
  }

  private func validateSizes() throws(StudyError) {
    try require((3...10_000_000).contains(samples), "\(samples) samples", "ask for 3 to 10,000,000")
    try require(
      (1...100_000_000).contains(variants), "\(variants) variants", "ask for 1 to 100,000,000")
    try require((1...10_000_000).contains(genes), "\(genes) genes", "ask for 1 to 10,000,000")
    try require(
      covariates >= 0 && covariates <= samples, "\(covariates) covariates for \(samples) samples",
      "ask for 0 to as many as samples")
    try require(
      (0...10_000).contains(hiddenFactors), "\(hiddenFactors) hidden factors",
      "ask for 0 to 10,000")
    try require(
      samples * (genes + covariates + hiddenFactors) <= 4_000_000_000,
      "\(samples) samples with \(genes) genes, \(covariates) covariates and \(hiddenFactors) hidden factors "
        + "do not fit in memory",
      "ask for fewer: at most 4 × 10^9 values")
    try require(
      (1...22).contains(chromosomeCount) && chromosomeCount <= variants,
      "\(chromosomeCount) chromosomes for \(variants) variants",
      "ask for 1 to 22, each with a variant or more")
    try require(
      spacing >= 1 && spacing <= 1e6, "variants \(spacing) bases apart",
      "choose a mean distance of 1 to 1,000,000 bases")
  }

  private func validatePopulation() throws(StudyError) {
    try require(
      minimumMAF, isFrom: 0, to: 0.4, "minimum minor allele frequency")
    try require(recombination, isFrom: 0.001, to: 100, "recombination in cM/Mb")
    try require((1...3).contains(populations), "\(populations) populations", "ask for 1 to 3")
    if populations > 1 { try require(fst, isFrom: 0.02, to: 0.5, "F_ST") }
    try require(
      families >= 0 && families <= samples / Self.familySize,
      "\(families) families among \(samples) samples",
      "ask for at most one family for every \(Self.familySize) samples")
    try require(missingGenotypes, isFrom: 0, to: 0.9, "share of missing genotypes")
  }

  private func validateTraits() throws(StudyError) {
    try require(cis.geneShare, isFrom: 0, to: 1, "share of genes with a cis effect")
    try require(trans.geneShare, isFrom: 0, to: 1, "share of genes with a trans effect")
    try require(distal.geneShare, isFrom: 0, to: 1, "share of genes with a distal effect")
    try require(
      distalDistance >= 1, "distal effects from \(distalDistance) bases on", "choose a distance of 1 or more")
    try require(missingPhenotypes, isFrom: 0, to: 0.9, "share of missing phenotypes")
    let distalVariance = distal.geneShare > 0 ? distal.variance : 0
    let parts = [cis.variance, trans.variance, distalVariance, covariateVariance, hiddenVariance]
    try require(
      parts.allSatisfy { $0 >= 0 } && parts.reduce(0, +) < 1,
      "shares of variance \(parts) (cis, trans, distal, covariates, hidden factors)",
      "choose non-negative numbers with a sum below 1: the rest is noise")
  }

  private func require(
    _ value: Double, isFrom low: Double, to high: Double, _ name: String
  ) throws(StudyError) {
    try require(
      value >= low && value <= high, "\(name) is \(value)", "choose a number from \(low) to \(high)")
  }

  private func require(_ condition: Bool, _ cause: String, _ remedy: String) throws(StudyError) {
    if !condition { throw StudyError(.inconsistent, cause, remedy: remedy) }
  }
}
