import StudyData
import Testing

@testable import Simulation

struct OptionTests {
  @Test func defaultsAreValid() throws {
    _ = try Simulator(SimulationOptions(samples: 3, variants: 1, genes: 1)).traits()
  }

  static let refusals: [(String, @Sendable (inout SimulationOptions) -> Void)] = [
    ("2 samples", { $0.samples = 2 }),
    ("0 variants", { $0.variants = 0 }),
    ("0 genes", { $0.genes = 0 }),
    ("do not fit", { ($0.samples, $0.genes) = (10_000_000, 10_000_000) }),
    ("-1 covariates", { $0.covariates = -1 }),
    ("101 covariates", { $0.covariates = 101 }),
    ("0 chromosomes", { $0.chromosomes = 0 }),
    ("23 chromosomes", { $0.chromosomes = 23 }),
    ("5 chromosomes for 4 variants", { ($0.chromosomes, $0.variants) = (5, 4) }),
    ("bases apart", { $0.spacing = 0 }),
    ("bases apart", { $0.spacing = .nan }),
    ("minimum minor allele frequency", { $0.minimumMAF = 0.5 }),
    ("4 populations", { $0.populations = 4 }),
    ("F_ST", { ($0.populations, $0.fst) = (2, 0.9) }),
    ("26 families", { $0.families = 26 }),
    ("cis effect", { $0.cis.geneShare = 1.5 }),
    ("trans effect", { $0.trans.geneShare = -0.1 }),
    ("distal effect", { $0.distal.geneShare = 2 }),
    ("distal effects from 0 bases", { $0.distalDistance = 0 }),
    ("recombination", { $0.recombination = 0 }),
    ("missing genotypes", { $0.missingGenotypes = 1 }),
    ("missing phenotypes", { $0.missingPhenotypes = .nan }),
    ("hidden factors", { $0.hiddenFactors = -1 }),
    ("shares of variance", { $0.hiddenVariance = 0.9 }),
    ("shares of variance", { $0.cis.variance = -0.1 }),
    ("shares of variance", { $0.distal = .init(geneShare: 0.1, variance: 0.7) }),
  ]

  @Test(arguments: refusals.indices) func refuses(_ index: Int) {
    let (cause, change) = Self.refusals[index]
    var options = SimulationOptions(samples: 100, variants: 100, genes: 10)
    change(&options)
    let error = #expect(throws: StudyError.self) { try Simulator(options) }
    #expect(error?.kind == .inconsistent)
    #expect(error?.cause.contains(cause) == true, "\(String(describing: error))")
  }
}
