import LinearAlgebra
public import StudyData

/// Simulates a study: genotypes with linkage disequilibrium, population structure and families; traits with covariates,
/// hidden factors and planted cis, distal and trans effects.
///
/// All is a function of the options. Every random number belongs to a stream keyed by seed, purpose and chromosome or
/// gene: more genes or covariates do not change the genotypes, more genes do not change a gene.
///
/// - Source: see ``Genealogy`` and ``HaplotypeProcess`` for genotypes, ``TraitBuilder`` for traits.
public struct Simulator: Sendable {
  public let options: SimulationOptions
  let genome: Genome
  let sampleIDs: [String]

  /// - Throws: ``StudyError`` of kind `inconsistent` that names an option out of its range.
  /// - Complexity: O(variants): positions are drawn here.
  public init(_ options: SimulationOptions) throws(StudyError) {
    try options.validate()
    self.options = options
    genome = Genome(options)
    sampleIDs = (1...options.samples).map { "sample\($0)" }
  }

  /// The genotypes, computed anew in each pass over them.
  public var genotypes: SimulatedGenotypes {
    SimulatedGenotypes(options, genome, sampleIDs: sampleIDs)
  }

  /// Traits, covariates and truth, which take one pass over the genotypes.
  ///
  /// - Throws: ``StudyError`` of kind `degenerate` when no mutation reaches the minimum allele frequency.
  /// - Complexity: O(samples × (variants + genes)) time, O(samples × genes) memory.
  public func traits() throws(StudyError) -> SimulatedTraits {
    var traits = TraitBuilder(options, genome)
    var pass = GenotypePass(options, genome)
    while let variant = try pass.next() { traits.observe(pass.ordinal, variant, pass.dosages) }
    return finish(&traits)
  }

  func finish(_ traits: inout TraitBuilder) -> SimulatedTraits {
    let features = traits.genes.map {
      Feature(
        id: $0.id, chromosome: genome.chromosomes[$0.chromosome].name, start: $0.tss, end: $0.tss)
    }
    let (values, covariates, truth) = traits.finish()
    let populationMarkers = min(options.populations - 1, options.covariates)
    let names = (0..<options.covariates).map {
      $0 < populationMarkers ? "population\($0 + 1)" : "covariate\($0 + 1)"
    }
    return SimulatedTraits(
      phenotypes: Phenotypes(
        path: "simulated phenotypes", sampleIDs: sampleIDs, features: features, values: values),
      covariates: Covariates(
        path: "simulated covariates", sampleIDs: sampleIDs, names: names, values: covariates),
      truth: truth)
  }
}

/// What is simulated besides genotypes.
public struct SimulatedTraits: Sendable {
  /// Features in order of position.
  public let phenotypes: Phenotypes
  /// Observed ones; the hidden factors are known to nobody.
  public let covariates: Covariates
  /// In the order of `phenotypes.features`, cis, distal, trans.
  public let truth: [PlantedEffect]
}
