public import ArgumentParser
public import SwiftQTL

extension KinshipForm: EnumerableFlag {
  public static func name(for value: KinshipForm) -> NameSpecification {
    switch value {
    case .centered: .customLong("centered")
    case .standardizedSample: .customLong("standardized-sample")
    case .standardized2pq: .customLong("standardized")
    }
  }

  public static func help(for value: KinshipForm) -> ArgumentHelp? {
    switch value {
    case .centered: "Centred genotypes (GEMMA's -gk 1)."
    case .standardizedSample: "Divided by their standard deviation in the sample (GEMMA's -gk 2)."
    case .standardized2pq:
      "Divided by the root of 2p(1 - p), missing ones left out pair by pair (GCTA; default)."
    }
  }
}

struct GrmCommand: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case gcta
    case gemma
  }

  static let configuration = CommandConfiguration(
    commandName: "grm",
    abstract: "Genomic relationship matrix of the samples, its principal components and its decomposition.",
    discussion: """
      Writes OUT.grm.bin, OUT.grm.N.bin and OUT.grm.id (GCTA's form), or with --format gemma OUT.grm.txt and OUT.grm.id; with --by-chromosome OUT.chrN.grm.* too, the matrix of each chromosome, for models that leave one out.

      --pcs writes OUT.pcs.tsv, a table of covariates, and OUT.eigenvalues.tsv. --eigen writes OUT.eigen, from which mixed models start without decomposing again; it holds for these samples and covariates.

      EXAMPLE
        swiftqtl grm --genotypes chr1-22 --pcs 20 --out study
        swiftqtl grm --grm study --eigen --covariates covariates.tsv --out study
      """)

  @OptionGroup(title: "Genotypes") var source: GenotypeOptions
  @OptionGroup(title: "Filters") var filters: FilterOptions
  @OptionGroup(title: "Resources") var machine: MachineOptions

  @Flag(exclusivity: .exclusive) var form: KinshipForm?

  @Option(help: ArgumentHelp("Prefix of all output files.", valueName: "prefix"))
  var out: String

  @Option(
    help: ArgumentHelp(
      "Use this matrix instead of genotypes: a GCTA prefix, GEMMA's text, or a square table with sample ids.",
      valueName: "file"))
  var grm: String?

  @Option(
    help: ArgumentHelp(
      "Files of the matrix (default: gcta; with --grm it is not written again).", valueName: "tool"))
  var format: Format?

  @Option(
    help: ArgumentHelp(
      "What tables are: text (.tsv, from which later commands read components) or Parquet (.parquet).",
      valueName: "kind"))
  var outFormat = OutFormat.tsv

  @Flag(help: "The matrix of each chromosome, too.")
  var byChromosome = false

  @Flag(help: "Use X, Y, XY and MT, too.")
  var allChromosomes = false

  @Option(help: ArgumentHelp("So many principal components.", valueName: "n"))
  var pcs: Int?

  @Flag(help: "Store the decomposition.")
  var eigen = false

  @Option(
    help: ArgumentHelp("With --eigen: what the models are to be adjusted for.", valueName: "file"))
  var covariates: String?

  @Flag(
    help:
      "With --eigen: leave out what maximum likelihood needs (--lmm-test score, --lmm-exact), with covariates nearly half of the time."
  )
  var remlOnly = false

  func validate() throws {
    try RunOptions.validate(prefix: out)
    guard source.isEmpty != (grm == nil) else { throw ValidationError("Give either --genotypes or --grm.") }
    if grm != nil {
      guard form == nil, !byChromosome, !allChromosomes else {
        throw ValidationError("With --grm nothing is computed from genotypes: leave the options of that out.")
      }
      guard pcs != nil || eigen || format != nil else {
        throw ValidationError("With --grm, give --pcs, --eigen or the --format to convert it to.")
      }
    }
    if let pcs, pcs < 1 { throw ValidationError("--pcs must be at least 1.") }
    guard covariates == nil || eigen else { throw ValidationError("--covariates goes with --eigen.") }
    guard !remlOnly || eigen else { throw ValidationError("--reml-only goes with --eigen.") }
    guard !byChromosome || format != .gemma else {
      throw ValidationError("--by-chromosome needs --format gcta, which keeps the numbers of variants.")
    }
  }

  func run() throws {
    let progress = Progress(quiet: machine.quiet)
    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    var report = GrmReport(
      form: grm == nil ? (form ?? .standardized2pq).rawValue : nil, threads: machine.workers)
    var plan: DecompositionPlan?
    let kinship =
      try grm.map { try read($0, &plan, &report) } ?? compute(files, &plan, &report, progress)
    if grm == nil || format != nil { report.outputs += try write(kinship, out, files) }
    if let pcs { try writeComponents(pcs, of: kinship, files, &report) }
    report.samples = kinship.sampleCount
    if let plan { try writeDecomposition(of: consume kinship, plan, files, &report) }
    for note in report.notes { progress.note(note) }
    let manifest = try files.open(out + ".manifest.json", compression: .none)
    report.outputs.append(out + ".manifest.json")
    report.finish(seconds: progress.elapsed)
    try manifest.append(bytes: Manifest.json(report))
    try files.commit()
    progress.note(
      "\(report.samples) samples\(grm == nil ? ", \(report.variants) variants" : "") in "
        + "\(Progress.duration(progress.elapsed)); \(report.outputs.count) files written, \(out).*")
  }

  private func write(_ kinship: Kinship, _ prefix: String, _ files: OutputTransaction) throws(StudyError)
    -> [String]
  {
    switch format ?? .gcta {
    case .gcta: try KinshipFile.writeGCTA(kinship, prefix: prefix, to: files)
    case .gemma: try KinshipFile.writeText(kinship, prefix: prefix, to: files)
    }
  }

  // MARK: - The matrix

  private func read(_ path: String, _ plan: inout DecompositionPlan?, _ report: inout GrmReport)
    throws(StudyError) -> Kinship
  {
    let wanted = try source.wantedSamples()
    report.inputs = try Manifest.inputs(KinshipFile.files(path) + source.lists)
    var kinship = try KinshipFile.read(path)
    if let wanted {
      kinship = try kinship.restricted(
        to: report.keep(wanted, of: kinship.sampleIDs, in: path).map { kinship.sampleIDs[$0] })
    }
    plan = try decompositionPlan(kinship.sampleIDs, path, &report)
    return kinship
  }

  private func compute(
    _ files: OutputTransaction, _ plan: inout DecompositionPlan?, _ report: inout GrmReport,
    _ progress: Progress
  ) throws -> Kinship {
    let wanted = try source.wantedSamples()
    let genotypes = try source.open()
    let selection = try source.selection()
    var samples: [Int]?
    if let wanted { samples = try report.keep(wanted, of: genotypes.sampleIDs, in: genotypes.path) }
    report.inputs = try Manifest.inputs(genotypes.paths + source.tables + source.lists)
    plan = try decompositionPlan(
      samples.map { $0.map { genotypes.sampleIDs[$0] } } ?? genotypes.sampleIDs, genotypes.path, &report)
    if let plan { progress.note(plan.announcement) }
    let dropsPath = outFormat.path(of: "drops", at: out)
    let drops = try DropWriter(files.open(dropsPath, compression: outFormat.compression(level: 6)))
    let scan = KinshipScan(
      form: form ?? .standardized2pq, selection: selection, filter: filters.filter,
      autosomesOnly: !allChromosomes)
    var parts: [String] = []
    func writePart(_ name: String, _ part: Kinship) throws {
      parts += try write(part, "\(out).chr\(name)", files)
    }
    let (kinship, summary) = try scan.run(
      on: genotypes, samples: samples, execution: machine.execution(),
      chromosome: byChromosome ? writePart : nil,
      progress: {
        try drops.append($0.drops)
        progress.advance(tests: 0, rows: $0.variants, fraction: $0.fractionRead)
      })
    progress.finish()
    report.outputs += [dropsPath] + parts
    (report.variants, report.variantsDropped, report.callsMasked, report.drops) = (
      summary.variants, summary.droppedVariants, summary.maskedCalls, drops.counts
    )
    report.notes += genotypes.notes + GenotypeBlock.notes(maskedCalls: summary.maskedCalls)
    if summary.nonAutosomal > 0 {
      report.notes.append(
        "\(summary.nonAutosomal) variants on X, Y, XY or MT are left out (--all-chromosomes uses them)")
    }
    return kinship
  }

  // MARK: - What is made of it

  private func writeComponents(
    _ count: Int, of kinship: Kinship, _ files: OutputTransaction, _ report: inout GrmReport
  ) throws(StudyError) {
    let eigen = try kinship.principalComponents(
      count, threads: machine.workers, memory: machine.execution().memory)
    let paths = ["pcs", "eigenvalues"].map { outFormat.path(of: $0, at: out, isSmall: true) }
    let compression = outFormat.compression(level: nil)
    let table = try files.open(paths[0], compression: compression)
    var buffer = RowBuffer()
    buffer.append((["id"] + (1...count).map { "PC\($0)" }).joined(separator: "\t"))
    buffer.appendNewline()
    for (i, id) in kinship.sampleIDs.enumerated() {
      buffer.append(id)
      for j in 0..<count {
        buffer.appendTab()
        buffer.append(eigen.vectors[i, j], precision: 17)
      }
      buffer.appendNewline()
    }
    try table.append(buffer)
    let n = kinship.sampleCount
    let trace = (0..<n).reduce(0) { $0 + kinship.matrix[$1, $1] }
    buffer.removeAll()
    buffer.append("component\teigenvalue\tshare_of_trace\n")
    for (k, value) in eigen.values.enumerated() {
      buffer.append("PC\(k + 1)\t")
      buffer.append(value, precision: 17)
      buffer.appendTab()
      buffer.append(value / trace)
      buffer.appendNewline()
    }
    try files.open(paths[1], compression: compression).append(buffer)
    report.outputs += paths
    if outFormat == .parquet {
      report.notes.append(
        "\(paths[0]) is for other programs: --covariates takes text, which --out-format tsv writes")
    }
  }

  /// What is decomposed, and what it takes.
  private struct DecompositionPlan {
    /// Those that have covariates, in the order in which studies hold theirs.
    var sampleIDs: [String]
    var covariateBasis: Matrix
    var need: SpectralDecomposition.Need

    var announcement: String {
      "decomposing the matrix of \(sampleIDs.count) samples will take about \(need.bytes >> 20) MiB (\(need.algorithm.rawValue))"
    }
  }

  /// Made before the matrix, so that what memory does not allow is refused before any work.
  ///
  /// - Parameter path: of the matrix or the genotypes.
  private func decompositionPlan(_ all: [String], _ path: String, _ report: inout GrmReport)
    throws(StudyError)
    -> DecompositionPlan?
  {
    guard eigen else { return nil }
    var ids = all
    var table: Covariates?
    if let covariates {
      let found = try CovariateFile.read(covariates, sampleIDs: Set(ids))
      let known = Set(found.sampleIDs)
      ids = ids.filter(known.contains)
      if ids.count < all.count {
        report.notes.append(
          "\(covariates): \(all.count - ids.count) of \(all.count) samples have no covariates, the decomposition is without them"
        )
      }
      report.inputs += try Manifest.inputs([covariates])
      table = found
    }
    ids.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let values = try table.map { (table) throws(StudyError) in try table.complete(for: ids) }
    let residualiser = try Residualiser(
      covariates: values ?? Matrix(rows: ids.count, columns: 0), names: table?.names ?? [])
    report.notes += residualiser.drops.map { "covariate \($0.id) is left out: \($0.reason)" }
    let need = try SpectralDecomposition.Need(
      samples: ids.count, path: path, memory: machine.execution().memory)
    report.decomposition = GrmReport.Decomposition(
      samples: ids.count, covariateRank: residualiser.rank, algorithm: need.algorithm.rawValue,
      neededBytes: need.bytes)
    return DecompositionPlan(sampleIDs: ids, covariateBasis: residualiser.basis, need: need)
  }

  private func writeDecomposition(
    of kinship: consuming Kinship, _ plan: DecompositionPlan, _ files: OutputTransaction,
    _ report: inout GrmReport
  ) throws(StudyError) {
    // Without the numbers of variants, and no longer than until its rows are in order: memory is what limits n.
    kinship = Kinship(path: kinship.path, sampleIDs: kinship.sampleIDs, matrix: kinship.matrix)
    kinship = try kinship.restricted(to: plan.sampleIDs)
    let decomposition = try SpectralDecomposition(
      of: consume kinship, covariateBasis: plan.covariateBasis, forMaximumLikelihood: !remlOnly,
      threads: machine.workers, memory: machine.execution().memory)
    if decomposition.clampedCount > 0 {
      report.notes.append(
        "\(decomposition.clampedCount) eigenvalues below 0 are taken as 0, the lowest \(decomposition.lowestValue) of the mean"
      )
    }
    try SpectralFile.write(decomposition, to: files.open(out + ".eigen", compression: .none))
    report.outputs.append(out + ".eigen")
  }
}

extension Covariates {
  /// The rows of some samples.
  ///
  /// - Throws: ``StudyError`` `malformed` when one of them has a missing value.
  fileprivate func complete(for ids: [String]) throws(StudyError) -> Matrix {
    let row = Dictionary(uniqueKeysWithValues: sampleIDs.enumerated().map { ($1, $0) })
    let rows = values.selectingRows(ids.compactMap { row[$0] })
    for j in 0..<rows.columns {
      guard let i = (0..<rows.rows).first(where: { !rows[$0, j].isFinite }) else { continue }
      throw StudyError(
        .malformed, file: path, "covariate \(names[j]) is missing for sample \(ids[i])",
        remedy: "fill it in, drop the covariate, or leave the sample out with --samples")
    }
    return rows
  }
}

/// What `<out>.manifest.json` says about a relationship matrix.
private struct GrmReport: Encodable {
  var schema = 1
  var program = "swiftqtl"
  var version = swiftQTLVersion
  var command = CommandLine.arguments
  var inputs: [Manifest.Input] = []
  /// How genotypes were scaled; absent where the matrix was given.
  var form: String?
  var samples = 0
  var variants = 0
  var variantsDropped = 0
  /// As ``Manifest/Counts/callsMasked``.
  var callsMasked = 0
  var drops: [String: [String: Int]] = [:]
  var decomposition: Decomposition?
  var notes: [String] = []
  var blas = BLAS.configuration
  var blasCore = BLAS.coreName
  var threads: Int
  var outputs: [String] = []
  var seconds = 0.0
  var peakResidentBytes = 0

  /// Of a stored one.
  struct Decomposition: Encodable {
    var samples: Int
    /// With the intercept.
    var covariateRank: Int
    var algorithm: String
    /// Said before it was made.
    var neededBytes: Int
  }

  init(form: String?, threads: Int) {
    self.form = form
    self.threads = threads
  }

  /// Indices of the samples asked for, in the file's order.
  mutating func keep(_ wanted: Set<String>, of all: [String], in path: String) throws(StudyError) -> [Int] {
    let kept = all.indices.filter { wanted.contains(all[$0]) }
    guard !kept.isEmpty else {
      throw StudyError(
        .inconsistent, file: path, "none of the \(wanted.count) samples asked for is in the file",
        remedy: "check the ids of the sample list (--samples)")
    }
    notes.append("\(path): \(all.count) samples, \(kept.count) used")
    if kept.count < wanted.count {
      notes.append("\(wanted.count - kept.count) of the samples asked for are not in \(path)")
    }
    return kept
  }

  mutating func finish(seconds: Double) {
    self.seconds = seconds
    peakResidentBytes = Machine.peakResident()
  }
}
