public import ArgumentParser
public import SwiftQTL

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract:
      "Write a study with known effects: linked genotypes, structure, families, covariates, hidden factors.",
    discussion: """
      Writes OUT.bed/.bim/.fam, OUT.phenotypes.bed.gz, OUT.covariates.tsv and OUT.truth.tsv (the planted effects). The same options \
      and seed give the same files.

      EXAMPLE
        swiftqtl simulate --samples 500 --variants 20000 --genes 300 --covariates 5 --seed 1 --out sim
        swiftqtl trans --genotypes sim --phenotypes sim.phenotypes.bed.gz --covariates sim.covariates.tsv --out sim
      """)

  @Option(help: "Number of samples.") var samples: Int
  @Option(help: "Number of variants.") var variants: Int
  @Option(help: "Number of genes.") var genes: Int
  @Option(help: "Number of covariates.") var covariates = 0
  @Option(help: "Seed of everything random.") var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Prefix of all output files.", valueName: "prefix")) var out: String

  @Option(help: "Populations.") var populations = 1
  @Option(help: "Differentiation between populations.") var fst = 0.05
  @Option(help: "Families of two parents and their children.") var families = 0
  @Option(help: "Share of genes with a cis effect.") var cisShare = 0.5
  @Option(help: "Variance that a cis effect explains.") var cisVariance = 0.1
  @Option(help: "Share of genes with a trans effect.") var transShare = 0.1
  @Option(help: "Variance that a trans effect explains.") var transVariance = 0.1
  @Option(help: "Hidden factors.") var hiddenFactors = 3
  @Option(help: "Variance that the hidden factors explain.") var hiddenVariance = 0.1
  @Option(help: "Share of genotypes missing.") var missingGenotypes = 0.0
  @Option(help: "Share of phenotype values missing.") var missingPhenotypes = 0.0
  @Option(help: "Minimum minor allele frequency.") var maf = 0.01
  @Option(help: "coalescent (linked) or none (independent variants).") var linkage = SimulationOptions.Linkage
    .coalescent
  @Flag(help: "No progress on standard error.") var quiet = false

  func run() throws {
    var options = SimulationOptions(
      samples: samples, variants: variants, genes: genes, covariates: covariates, seed: seed)
    options.populations = populations
    options.fst = fst
    options.families = families
    options.cis = .init(geneShare: cisShare, variance: cisVariance)
    options.trans = .init(geneShare: transShare, variance: transVariance)
    options.hiddenFactors = hiddenFactors
    options.hiddenVariance = hiddenVariance
    options.missingGenotypes = missingGenotypes
    options.missingPhenotypes = missingPhenotypes
    options.minimumMAF = maf
    options.linkage = linkage
    let progress = Progress(quiet: quiet)
    let paths = try Simulator(options).write(prefix: out) { share in
      progress.advance(tests: 0, rows: Int(share * Double(variants)), fraction: share)
    }
    progress.finish()
    progress.note("seed \(seed); wrote " + paths.joined(separator: ", "))
  }
}

extension SimulationOptions.Linkage: ExpressibleByArgument {}
