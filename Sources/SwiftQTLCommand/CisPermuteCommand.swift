import ArgumentParser
import SwiftQTL

struct CisPermuteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "permute",
    abstract:
      "The best variant of each gene, its p over the whole window by permutations, and genes' q values.",
    discussion: """
      Writes OUT.cis_permute.tsv.gz, a row for each gene along the genome. Genotypes must be sorted by position.

      With --grm, permutations of whitened residuals at the gene's h2: those of the mixed model without a variant, made independent and of one variance. OUT.heritability.tsv.gz has the h2.

      EXAMPLES
        swiftqtl cis permute --genotypes chr1-22 --phenotypes expression.bed.gz \\
          --covariates covariates.tsv --out study
        swiftqtl cis nominal --genotypes chr1-22 --phenotypes expression.bed.gz \\
          --covariates covariates.tsv \\
          --significant-from study.cis_permute.tsv.gz --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Permutations") var permutation: PermutationOptions
  @OptionGroup(title: "Effect sizes") var effect: EffectOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    try effect.validate(resources.format, normal: test.normal)
    if mixed.isMixed { try mixed.refuse([(effect.effectSizes, "--effect-sizes")]) }
    try mixed.refuseTestsOfPairs()
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    var study = try input.study(phenotypeRegions: true, workers: resources.workers, mixed: mixed)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    if let path = permutation.phenotypeGroups {
      study = try PhenotypeGroups.apply(PhenotypeGroups.read(path), of: path, to: study)
    }
    let scan = CisScan(
      radius: window, anchor: test.windowFrom ?? .automatic,
      options: test.scanOptions(
        try input.selection(margin: study.windowMargin(window)),
        mixedModel: mixed.modelOptions(resources.execution)))
    let isGrouped = permutation.phenotypeGroups != nil
    let effects = try effect.columns(of: study, scan.options, workers: resources.workers)
    let permutations = CisPermutations(
      scan, plan: permutation.permutations.plan, seed: resources.seed, isGrouped: isGrouped)

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.out + ".cis_permute.tsv.gz"
    let table = try files.open(path, compression: resources.compression)
    let drops = try DropWriter(
      files.open(resources.out + ".drops.tsv.gz", compression: .bgzf(level: resources.compressionLevel)))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(
      input.files(of: study) + [permutation.phenotypeGroups].compactMap(\.self) + mixed.files(of: study))
    try drops.append(study.drops)

    let started = progress.elapsed
    let (genes, summary) = try permutations.run(
      in: study, execution: resources.execution, drop: { try drops.append($0) },
      progress: { share, tests in progress.advance(tests: tests, rows: 1, fraction: share) })
    let scanned = progress.elapsed
    progress.finish()
    let variances = try VarianceTable.write(summary, study, resources, to: files)
    try drops.append(summary.drops)
    let significance = GeneSignificance(of: genes, fdr: permutation.fdr, method: permutation.method)
    let rows = GeneRows(
      format: resources.format, study: study, genes: genes, significance: significance, isGrouped: isGrouped,
      effects: effects)
    try table.append(bytes: rows.headerLine)
    var buffer = RowBuffer(capacity: 1 << 16)
    for index in genes.indices {
      rows.append(index, to: &buffer)
      if buffer.count >= 1 << 15 {
        try table.append(buffer)
        buffer.removeAll()
      }
    }
    try table.append(buffer)
    _ = try table.finish()
    let report = GeneReport(genes, significance, permutation)
    for note in summary.notes + report.notes { progress.note(note) }
    var manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + variances + [resources.out + ".drops.tsv.gz", resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: report.notes)
    manifest.genes = report
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note(
      "\(significance.significantCount) of \(report.tested) genes have q <= \(permutation.fdr); "
        + "\(Progress.duration(progress.elapsed)); written to \(path)")
  }
}

/// How genes are permuted, and what q comes from.
struct PermutationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Permutations of each gene; A-B: until A permuted copies are as significant as the gene, at most B.",
      valueName: "n"))
  var permutations = PermutationCount(plan: .fixed(10_000))

  @Option(help: ArgumentHelp("False discovery rate of genes.", valueName: "share"))
  var fdr = 0.05

  @Option(
    help: ArgumentHelp(
      "Where q comes from: Storey's, with pi0 by a smoothing spline or by the bootstrap; or Benjamini-Hochberg.",
      valueName: "name"))
  var qvalueMethod = QValueMethod.smoother

  @Option(help: ArgumentHelp("Take pi0 at this lambda instead.", valueName: "lambda"))
  var qvalueLambda: Double?

  @Option(
    help: ArgumentHelp(
      "Two columns, phenotype and group: the phenotypes of a group are mapped as one (splicing, transcripts).",
      valueName: "file"))
  var phenotypeGroups: String?

  func validate() throws {
    guard fdr > 0, fdr < 1 else { throw ValidationError("--fdr must lie between 0 and 1.") }
    if let qvalueLambda {
      guard qvalueLambda >= 0, qvalueLambda < 1 else {
        throw ValidationError("--qvalue-lambda must be at least 0 and less than 1.")
      }
      guard qvalueMethod != .bh else {
        throw ValidationError("--qvalue-lambda is for Storey's q, not for --qvalue-method bh.")
      }
    }
  }

  var method: GeneSignificance.Method {
    if let qvalueLambda { return .storey(.fixed(lambda: qvalueLambda)) }
    return switch qvalueMethod {
    case .smoother: .storey(.smoother())
    case .bootstrap: .storey(.bootstrap())
    case .bh: .benjaminiHochberg
    }
  }
}

enum QValueMethod: String, ExpressibleByArgument, CaseIterable {
  case smoother
  case bootstrap
  case bh
}

/// `10000`, or `1000-10000` for adaptive permutations.
struct PermutationCount: ExpressibleByArgument, CustomStringConvertible {
  var plan: CisPermutations.Plan

  init(plan: CisPermutations.Plan) { self.plan = plan }

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    switch parts.count {
    case 1:
      guard let count = parts[0], (1...Self.most).contains(count) else { return nil }
      plan = .fixed(count)
    case 2:
      guard let successes = parts[0], let maximum = parts[1], successes >= 1,
        (successes...Self.most) ~= maximum
      else { return nil }
      plan = .adaptive(successes: successes, maximum: maximum)
    default: return nil
    }
  }

  private static let most = 100_000_000

  var description: String {
    switch plan {
    case .fixed(let count): "\(count)"
    case .adaptive(let successes, let maximum): "\(successes)-\(maximum)"
    }
  }

  var defaultValueDescription: String { description }
}

/// What the manifest says of the genes.
struct GeneReport: Encodable {
  var permutations: String
  var tested: Int
  var fdr: Double
  var significant: Int
  var pi0: Double
  /// Whether π₀ could be estimated.
  var pi0Status: String
  /// ln of the gene-level p at which q reaches the FDR.
  var logPCut: Double?
  /// Genes by how their beta distribution was fitted.
  var fits: [String: Int]

  init(
    _ genes: [CisPermutations.GeneResult], _ significance: GeneSignificance, _ options: PermutationOptions
  ) {
    permutations = options.permutations.description
    let fitted = genes.compactMap(\.approximation)
    tested = fitted.count
    fdr = options.fdr
    significant = significance.significantCount
    pi0 = significance.nullProportion
    pi0Status = significance.status.rawValue
    logPCut = significance.logCut
    fits = Dictionary(fitted.map { ($0.status.rawValue, 1) }, uniquingKeysWith: +)
  }

  var notes: [String] {
    var notes: [String] = []
    if pi0Status != StoreyQ.Status.ok.rawValue {
      notes.append("pi0 could not be estimated (\(pi0Status)): q is Benjamini-Hochberg's")
    }
    let unfitted = fits.filter { BetaApproximation.Status(rawValue: $0.key)?.hasFit == false }.values.reduce(
      0, +)
    if unfitted > 0 {
      notes.append(
        "\(unfitted) genes have no beta approximation (column status): their q is from the empirical p")
    }
    return notes
  }
}
