import ArgumentParser
import Glibc
import SwiftQTL

enum HistogramChoice: String, ExpressibleByArgument, CaseIterable {
  case sample
  case full
}

/// Which pairs are tested and which are reported.
struct PairOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Report pairs with p at most this (default: 1e-5).", valueName: "p"))
  var pvalThreshold: Double?

  @Flag(
    help:
      "Report pairs with p at most 0.05 divided by variants × phenotypes in the files, an upper bound of the tests."
  )
  var bonferroni = false

  @Option(help: ArgumentHelp("Do not test pairs closer than this on one chromosome.", valueName: "bases"))
  var excludeCis = 5_000_000

  @Flag(help: "Test all pairs, near ones too.")
  var noExcludeCis = false

  @Option(
    help: ArgumentHelp("Gene pairs (A, B): variants near A are not tested against B.", valueName: "file"))
  var excludePairs: String?

  @Flag(help: "Also write the best pair of each variant and of each phenotype, over all pairs.")
  var best = false

  @Flag(help: "No q column: pairs are written as they are found.")
  var noQ = false

  @Option(
    help: ArgumentHelp(
      "What the manifest says of all p: from a sample of the tests, or counted in full, in 20 bins (slower).",
      valueName: "kind"))
  var histogram = HistogramChoice.sample

  @Option(
    help: ArgumentHelp(
      "Permuted copies of each phenotype, as much work as so many scans: their smallest p over all tests give it an empirical p and a threshold.",
      valueName: "n"))
  var permutations: Int?

  @Option(
    help: ArgumentHelp("Error rate of a phenotype that its threshold stands for.", valueName: "share"))
  var permutationLevel = 0.05

  func validate() throws {
    guard permutationLevel > 0, permutationLevel < 1 else {
      throw ValidationError("--permutation-level must lie between 0 and 1.")
    }
    if let permutations {
      guard permutations > 0, permutations <= 1_000_000 else {
        throw ValidationError("--permutations must lie between 1 and 1000000.")
      }
      let least = Int((1 / permutationLevel - 1e-9).rounded(.up)) - 1
      guard permutations >= least else {
        throw ValidationError(
          "--permutations \(permutations) are too few for a threshold at \(permutationLevel): give at least \(least)."
        )
      }
    }
    if let pvalThreshold {
      guard pvalThreshold > 0, pvalThreshold <= 1 else {
        throw ValidationError("--pval-threshold must be above 0 and at most 1.")
      }
      if bonferroni { throw ValidationError("--bonferroni and --pval-threshold exclude each other.") }
    }
    guard excludeCis >= 0 else { throw ValidationError("--exclude-cis must not be negative.") }
  }

  /// Bonferroni's threshold needs the number of tests beforehand: all variants × all phenotypes, an upper bound of those performed.
  func threshold(for study: Study) throws -> Double {
    guard bonferroni else { return pvalThreshold ?? 1e-5 }
    guard let variants = study.genotypes.variantCount else {
      throw ValidationError(
        "--bonferroni needs genotypes whose number of variants is known beforehand (PLINK); give --pval-threshold."
      )
    }
    return 0.05 / Double(max(1, variants) * max(1, study.features.count))
  }

  func exclusion(anchor: WindowAnchor) throws -> CisExclusion {
    CisExclusion(
      radius: noExcludeCis ? nil : excludeCis, anchor: anchor,
      pairs: try excludePairs.map { (path) throws(StudyError) in try GenePairFile.read(path) } ?? [])
  }

  /// What to advise when genotypes and phenotypes share no chromosome; nil when they need not.
  var chromosomeRemedy: String? {
    noExcludeCis
      ? nil : InputOptions.chromosomeRemedy + ", or test all pairs with --no-exclude-cis"
  }

  /// What makes no sense beside `--interaction`.
  func validateForInteractions() throws {
    let refused = [
      (best, "--best"), (permutations != nil, "--permutations"), (histogram == .full, "--histogram full"),
    ]
    if let name = refused.first(where: \.0)?.1 {
      throw ValidationError("\(name) is not for --interaction.")
    }
  }
}

struct TransCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trans",
    abstract: "Test all variants against all phenotypes and report the pairs with small p.",
    discussion: """
      Writes OUT.trans.tsv.gz (pairs by variant, then phenotype; q is Benjamini-Hochberg's over all tests performed), with --best \
      OUT.trans_best_by_variant.tsv.gz and OUT.trans_best_by_phenotype.tsv.gz, with --permutations \
      OUT.trans_permutations.tsv.gz, and OUT.trans_qq.tsv (quantiles of a sample of all p).

      With --grm the model is y ~ covariates + u + g + e, Var u = h2 * K, with h2 of each phenotype as OUT.heritability.tsv.gz has it. \
      With --lmm-exact every pair of p at most ten times the threshold is fitted anew, with h2 estimated by REML while the variant is in \
      the model: beta, se, t, p (and so q) are of that fit, h2 is its own, pval_lrt tests beta = 0 by maximum likelihood; pairs whose new \
      p is at most the threshold are written. A pair whose p falls by more than a factor of ten is missed.

      With --loco each chromosome's variants are tested with the matrix of the other chromosomes, and OUT.heritability.tsv.gz has a row \
      for each phenotype and chromosome left out. It takes a decomposition for each chromosome, one at a time.

      With --interaction the model is y ~ covariates + i + g + g*i for every term i of the table, all terms at once, and pairs are \
      those in which a g*i has small p; they go to OUT.trans_interaction.tsv.gz, with q by term.

      EXAMPLES
        swiftqtl trans --genotypes study --phenotypes expression.bed.gz \\
          --covariates pcs.tsv --pval-threshold 1e-6 --out study
        swiftqtl trans --genotypes study --phenotypes expression.bed.gz \\
          --interaction sex.tsv --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Pairs") var pairs: PairOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Interactions") var interactions: TransInteractionOptions
  @OptionGroup(title: "Effect sizes") var effect: EffectOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  func validate() throws {
    if resources.format == .fastqtl {
      throw ValidationError("--format fastqtl is a cis format; trans knows swiftqtl, tensorqtl and qtltools.")
    }
    try effect.validate(resources.format, normal: test.normal)
    try mixed.validate(resources.format)
    if mixed.loco, pairs.best { throw ValidationError("--best is not for --loco.") }
    if mixed.lmmExact, pairs.best { throw ValidationError("--best is not for --lmm-exact.") }
    if mixed.isMixed {
      try mixed.refuse(
        [
          (pairs.permutations != nil, "--permutations"), (pairs.histogram == .full, "--histogram full"),
          (interactions.interaction != nil, "--interaction"), (effect.effectSizes, "--effect-sizes"),
        ])
    }
    if interactions.interaction != nil {
      try pairs.validateForInteractions()
      try interactions.validate(resources, effect)
    }
  }

  func run() throws {
    if let terms = interactions.interaction {
      try TransInteractionRun(self, terms: terms).execute()
    } else {
      try TransRun(self).execute()
    }
  }
}

/// One run of `swiftqtl trans`: files in, tables out.
private struct TransRun {
  let command: TransCommand
  let progress: Progress
  let study: Study
  let table: ResultTable
  let files = OutputTransaction()

  var out: String { command.resources.out }

  init(_ command: TransCommand) throws {
    self.command = command
    progress = Progress(quiet: command.resources.quiet)
    study = try command.input.study(
      phenotypeRegions: false, workers: command.resources.workers, mixed: command.mixed,
      chromosomeRemedy: command.pairs.chromosomeRemedy)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    table = ResultTable(
      .trans, command.resources.format, study.features,
      effects: try command.effect.columns(
        of: study, command.test.scanOptions(.init()), workers: command.resources.workers),
      exactFits: command.mixed.lmmExact)
  }

  func execute() throws {
    let run = command.resources
    let threshold = try command.pairs.threshold(for: study)
    let scan = try makeScan(threshold)
    if let permutations = command.pairs.permutations {
      // Refused now rather than after the scan.
      _ = try TransPermutations(scan, permutations: permutations).copiesPerPass(of: study, run.execution)
    }
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let hits = try files.open(out + ".trans.tsv.gz", compression: run.compression)
    let drops = try DropWriter(
      files.open(out + ".drops.tsv.gz", compression: .bgzf(level: run.compressionLevel)))
    let manifestFile = try files.open(out + ".manifest.json", compression: .none)
    try drops.append(study.drops)
    // The presets have no q column.
    let spool = command.pairs.noQ || run.format != .swiftqtl ? nil : try RowSpool(prefix: out, keyCount: 1)
    let byVariant =
      command.pairs.best
      ? try files.open(out + ".trans_best_by_variant.tsv.gz", compression: run.compression) : nil
    let inputs = try Manifest.inputs(
      command.input.files(of: study) + command.mixed.files(of: study)
        + [command.pairs.excludePairs].compactMap(\.self))
    try hits.append(bytes: table.headerLine(adding: spool == nil ? "" : "q"))
    try byVariant?.append(bytes: table.headerLine())

    let (table, progress) = (self.table, self.progress)
    let started = progress.elapsed
    let summary = try scan.run(
      in: study, leavingOut: command.mixed.leavingOut, execution: run.execution,
      render: { RenderedBatch($0, table, level: run.compressionLevel, spooled: spool != nil) },
      emit: { batch in
        if let spool { try spool.append(batch.spooled) } else { try batch.write(to: hits) }
        try byVariant?.append(batch.bestText)
        try drops.append(batch.drops)
        progress.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let scanned = progress.elapsed
    progress.finish()
    try spool?.writeRows(to: hits, testCount: summary.counts.tests)
    try drops.append(summary.drops)
    if command.pairs.best { try writeBestByPhenotype(summary) }
    let permuted = try command.pairs.permutations.map {
      try permute(TransPermutations(scan, permutations: $0))
    }
    try writeQuantiles(summary)
    let variances = try VarianceTable.write(summary, study, run, to: files)

    let outputs =
      [".trans.tsv.gz", ".drops.tsv.gz", ".manifest.json", ".trans_qq.tsv"]
      + (command.pairs.best ? [".trans_best_by_variant.tsv.gz", ".trans_best_by_phenotype.tsv.gz"] : [])
      + (command.pairs.permutations == nil ? [] : [".trans_permutations.tsv.gz"])
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: run,
      outputs: outputs.map { out + $0 } + variances,
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      threshold: threshold, permutations: permuted)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    report(summary)
  }

  private func makeScan(_ threshold: Double) throws -> TransScan {
    TransScan(
      threshold: threshold, exclusion: try command.pairs.exclusion(anchor: command.test.windowFrom ?? .tss),
      options: command.test.scanOptions(
        try command.input.selection(), mixedModel: command.mixed.modelOptions(command.resources.execution)),
      reportsBest: command.pairs.best,
      countsAllP: command.pairs.histogram == .full, seed: command.resources.seed)
  }

  private func writeBestByPhenotype(_ summary: ScanSummary) throws {
    let writer = try files.open(
      out + ".trans_best_by_phenotype.tsv.gz", compression: command.resources.compression)
    try writer.append(bytes: table.headerLine())
    var buffer = RowBuffer()
    for row in summary.bestRows {
      table.append(row, table.text(of: summary.bestVariants[row.variant]), to: &buffer)
      buffer.appendNewline()
    }
    try writer.append(buffer)
  }

  /// The lead pair of each phenotype, and what permutations make of it.
  private func permute(_ permutations: TransPermutations) throws -> Manifest.Permutations {
    let writer = try files.open(
      out + ".trans_permutations.tsv.gz", compression: command.resources.compression)
    let level = command.pairs.permutationLevel
    let started = progress.elapsed
    progress.note("\(permutations.permutations) permutations of every phenotype")
    progress.beginPhase()
    let (results, counts) = try permutations.run(in: study, execution: command.resources.execution) {
      [progress] share, pairs in progress.advance(tests: pairs, rows: 0, fraction: share)
    }
    progress.finish()
    try writer.append(bytes: table.headerLine(adding: "n_permutations pval_permutation pval_threshold"))
    var buffer = RowBuffer()
    for result in results {
      table.append(result.row, table.text(of: result.variant), to: &buffer)
      buffer.appendTab()
      buffer.append(number: result.minimalLogP.count)
      buffer.append(number: result.empiricalP)
      if let threshold = result.logThreshold(level) {
        buffer.append(logP: threshold)
      } else {
        buffer.append("NA")
      }
      buffer.appendNewline()
    }
    try writer.append(buffer)
    return Manifest.Permutations(
      permutations: permutations.permutations, level: level, screen: Manifest.Screen(counts, rows: nil),
      seconds: progress.elapsed - started)
  }

  /// Expected and observed −log10 p of the sampled tests, at most 1,000 points, dense in the tail.
  private func writeQuantiles(_ summary: ScanSummary) throws {
    let sample = summary.sampledLogP
    let writer = try files.open(out + ".trans_qq.tsv", compression: .none)
    var buffer = RowBuffer()
    buffer.append("rank\texpected_neg_log10_p\tobserved_neg_log10_p\n")
    var rank = 1
    while rank <= sample.count {
      buffer.append(number: rank)
      buffer.append(number: -log10(Double(rank) / Double(sample.count + 1)))
      buffer.append(LogP.negLog10(sample[rank - 1]))
      buffer.appendNewline()
      rank = max(rank + 1, Int(Double(rank) * 1.015))
    }
    try writer.append(buffer)
  }

  private func report(_ summary: ScanSummary) {
    for note in summary.notes { progress.note(note) }
    let c = summary.counts
    progress.note(
      "\(c.rows) pairs among \(c.tests) tests (\(c.variants) variants × \(summary.traits) phenotypes, "
        + "\(c.excluded) pairs excluded) in \(Progress.duration(progress.elapsed)); written to \(out).trans.tsv.gz"
    )
  }
}
