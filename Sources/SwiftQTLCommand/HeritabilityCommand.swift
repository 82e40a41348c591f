import ArgumentParser
import SwiftQTL

struct HeritabilityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "heritability",
    abstract: "How much of each phenotype's variance a relationship matrix explains.",
    discussion: """
      Writes OUT.heritability.tsv.gz, a row per phenotype in their order: h2 of y = covariates + u + e, Var u = variance * h2 * K/s, Var e = variance * (1 - h2), with s = tr(CKC)/n for the centred matrix of the analysed samples (GEMMA's pve), by restricted maximum likelihood. pval_lrt tests h2 = 0 (half a chi-square on one degree of freedom). status: interior, or zero or one where the likelihood is highest at that end; h2_se is NA there. With --reml-no-constrain h2 may be negative, where relatives are less alike than strangers: pval_lrt is then above a half, and status is lowest at the least possible value.

      Phenotypes that miss different samples need a decomposition of their own (--max-patterns).

      EXAMPLE
        swiftqtl heritability --phenotypes expression.bed.gz \\
          --covariates covariates.tsv --grm study --out study
      """)

  @OptionGroup(title: "Input") var input: SampleTableOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp(
      "Relationship matrix: prefix of GCTA's .grm.bin and .grm.id, or a text.", valueName: "file"))
  var grm: String

  @Flag(
    help:
      "Maximum likelihood (as GEMMA) rather than restricted; it often ends at 1 where samples are few or unrelated."
  )
  var ml = false

  @Flag(help: "Rank-based inverse normal transform of each phenotype: quantile of (rank - 0.5)/n.")
  var normal = false

  @Flag(help: HeritabilityBound.help) var remlNoConstrain = false

  @Option(help: ArgumentHelp("At most so many different sets of missing samples.", valueName: "n"))
  var maxPatterns = 10

  func validate() throws {
    guard maxPatterns > 0 else { throw ValidationError("--max-patterns must be at least 1.") }
    guard resources.format == .swiftqtl else {
      throw ValidationError("heritability has no other --format than swiftqtl.")
    }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    let kinship = try KinshipFile.read(grm)
    let study = try input.study(of: kinship, workers: resources.workers)
    for line in study.alignment { progress.note(line) }

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.table("heritability")
    let table = try files.open(path, compression: resources.compression)
    let dropsPath = resources.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: resources.compression))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(input.files + KinshipFile.files(grm))
    try drops.append(study.drops)

    let started = progress.elapsed
    let scan = HeritabilityScan(
      likelihood: ml ? .ml : .reml, transform: normal ? .inverseNormal : .none,
      isConstrained: !remlNoConstrain, maximumPatterns: maxPatterns)
    let summary = try scan.run(in: study, execution: resources.execution)
    let rows = summary.variances
    let scanned = progress.elapsed
    progress.finish()
    try table.append(VarianceTable.text(rows, study.features))
    try drops.append(summary.drops)
    let counts = Dictionary(rows.map { ($0.estimate.status.rawValue, 1) }, uniquingKeysWith: +)
      .sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    let notes = ["h2 of \(rows.count) phenotypes: " + counts.joined(separator: ", ")]
    for note in summary.allNotes + notes { progress.note(note) }
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path, dropsPath, resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note("\(Progress.duration(progress.elapsed)); written to \(path)")
  }
}

/// The tables of a study without genotypes.
struct SampleTableOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("BED (4 or 6 leading columns) or a matrix with a gene per row.", valueName: "file"))
  var phenotypes: String

  @Option(help: ArgumentHelp("Covariates, in rows or in columns; words become factors.", valueName: "file"))
  var covariates: String?

  @Option(help: ArgumentHelp("Only these samples (one id per line).", valueName: "file"))
  var samples: String?

  @Option(help: ArgumentHelp("Only these phenotypes (one id per line).", valueName: "file"))
  var genes: String?

  /// Phenotypes and covariates of the samples that the matrix has.
  func study(of kinship: Kinship, workers: Int) throws(StudyError) -> Study {
    let wanted = try genes.map { (path) throws(StudyError) in try IDListFile.read(path) }
    let keep = try samples.map { (path) throws(StudyError) in try IDListFile.read(path) }
    let table = try PhenotypeFile.read(phenotypes, features: wanted, workers: workers)
    let sampleIDs = Set(table.sampleIDs)
    let covariateTable = try covariates.map { (path) throws(StudyError) in
      try CovariateFile.read(path, sampleIDs: sampleIDs)
    }
    return try Study(
      genotypes: NoGenotypes(path: kinship.path, sampleIDs: kinship.sampleIDs), phenotypes: consume table,
      covariates: covariateTable, relatedness: .kinship(kinship), restrictedTo: keep,
      requiringSharedChromosome: false)
  }

  var files: [String] { [phenotypes, covariates, samples, genes].compactMap(\.self) }
}

/// The samples of a relationship matrix, to be joined as those of genotypes are.
private final class NoGenotypes: GenotypeSource, GenotypeStream {
  let path: String
  let sampleIDs: [String]
  var paths: [String] { [path] }
  var variantCount: Int? { 0 }
  var fractionRead: Double { 1 }

  init(path: String, sampleIDs: [String]) {
    self.path = path
    self.sampleIDs = sampleIDs
  }

  func chromosomes() -> Set<String>? { [] }
  func stream(_ request: GenotypeRequest) -> any GenotypeStream { self }
  func nextChunk() -> (any GenotypeChunk)? { nil }
}
