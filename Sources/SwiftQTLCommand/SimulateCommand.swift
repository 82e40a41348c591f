public import ArgumentParser
public import SwiftQTL

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract:
      "Write a study with known effects: linked genotypes, structure, families, covariates, hidden factors.",
    discussion: """
      Writes OUT.bed/.bim/.fam, OUT.phenotypes.bed.gz, OUT.covariates.tsv (with --covariates) and OUT.truth.tsv (the planted effects: cis within 100 kb of the gene's start, distal on its chromosome at a log-uniform distance from --distal-from on, trans on another). The same options \
      and seed give the same files.

      EXAMPLE
        swiftqtl simulate --samples 500 --variants 20000 --genes 300 \\
          --covariates 5 --seed 1 --out sim
        swiftqtl trans --genotypes sim --phenotypes sim.phenotypes.bed.gz \\
          --covariates sim.covariates.tsv --out sim
      """)

  @Option(help: ArgumentHelp("Number of samples.", valueName: "n")) var samples: Int
  @Option(help: ArgumentHelp("Number of variants.", valueName: "n")) var variants: Int
  @Option(help: ArgumentHelp("Number of genes.", valueName: "n")) var genes: Int
  @Option(help: ArgumentHelp("Number of covariates.", valueName: "n")) var covariates = 0
  @Option(help: ArgumentHelp("Seed of everything random.", valueName: "n")) var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Prefix of all output files.", valueName: "prefix")) var out: String

  @Option(
    help: ArgumentHelp("Chromosomes, 1 to 22 (default: one for every 50 variants).", valueName: "n"))
  var chromosomes: Int?
  @Option(help: ArgumentHelp("Mean distance of neighbouring variants.", valueName: "bases"))
  var spacing = 3_000.0
  @Option(
    help: ArgumentHelp("Recombination; about 0.1 between hotspots.", valueName: "cM/Mb"))
  var recombination = 1.0
  @Option(help: ArgumentHelp("Populations.", valueName: "n")) var populations = 1
  @Option(help: ArgumentHelp("Differentiation between populations.", valueName: "share")) var fst = 0.05
  @Option(help: ArgumentHelp("Families of two parents and their children.", valueName: "n")) var families = 0
  @Option(help: ArgumentHelp("Share of genes with a cis effect.", valueName: "share")) var cisShare = 0.5
  @Option(help: ArgumentHelp("Variance that a cis effect explains.", valueName: "share")) var cisVariance =
    0.1
  @Option(help: ArgumentHelp("Share of genes with a trans effect.", valueName: "share")) var transShare = 0.1
  @Option(help: ArgumentHelp("Variance that a trans effect explains.", valueName: "share"))
  var transVariance = 0.1
  @Option(
    help: ArgumentHelp(
      "Share of genes with a distal effect: on their chromosome, but far.", valueName: "share"))
  var distalShare = 0.0
  @Option(help: ArgumentHelp("Variance that a distal effect explains.", valueName: "share"))
  var distalVariance = 0.1
  @Option(help: ArgumentHelp("Distal effects lie farther from the gene than this.", valueName: "bases"))
  var distalFrom = 1_000_000
  @Option(help: ArgumentHelp("Hidden factors.", valueName: "n")) var hiddenFactors = 3
  @Option(help: ArgumentHelp("Variance that the hidden factors explain.", valueName: "share"))
  var hiddenVariance = 0.1
  @Option(help: ArgumentHelp("Share of genotypes missing.", valueName: "share")) var missingGenotypes = 0.0
  @Option(help: ArgumentHelp("Share of phenotype values missing.", valueName: "share"))
  var missingPhenotypes = 0.0
  @Option(help: ArgumentHelp("Minimum minor allele frequency.", valueName: "share")) var maf = 0.01
  @Option(help: ArgumentHelp("How variants depend on each other: coalescent or none.", valueName: "kind"))
  var linkage: SimulationOptions.Linkage = .coalescent
  @Flag(help: "No progress on standard error.") var quiet = false

  func run() throws {
    var options = SimulationOptions(
      samples: samples, variants: variants, genes: genes, covariates: covariates, seed: seed)
    options.chromosomes = chromosomes
    options.spacing = spacing
    options.recombination = recombination
    options.populations = populations
    options.fst = fst
    options.families = families
    options.cis = .init(geneShare: cisShare, variance: cisVariance)
    options.trans = .init(geneShare: transShare, variance: transVariance)
    options.distal = .init(geneShare: distalShare, variance: distalVariance)
    options.distalDistance = distalFrom
    options.hiddenFactors = hiddenFactors
    options.hiddenVariance = hiddenVariance
    options.missingGenotypes = missingGenotypes
    options.missingPhenotypes = missingPhenotypes
    options.minimumMAF = maf
    options.linkage = linkage
    let progress = Progress(quiet: quiet)
    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    var written = 0
    let paths = try Simulator(options).write(prefix: out, output: files) { share in
      let rows = Int((share * Double(variants)).rounded())
      progress.advance(tests: 0, rows: rows - written, fraction: share)
      written = rows
    }
    progress.finish()
    progress.note("seed \(seed); wrote " + paths.joined(separator: ", "))
  }
}

extension SimulationOptions.Linkage: ExpressibleByArgument {}
