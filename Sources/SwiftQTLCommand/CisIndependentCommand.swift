import ArgumentParser
import SwiftQTL

struct CisIndependentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "independent",
    abstract: "Find the independent signals of each significant gene, by forward-backward regression.",
    discussion: """
      Analyses the genes of a table of permutation tests (that of cis permute, or tensorQTL's) whose q-value is at most --fdr, each at its own pval_nominal_threshold. Forward: the most significant variant joins the model as long as it reaches the threshold. Backward: for each of them the window is scanned again given all others; a signal whose best variant misses the threshold is dropped.

      Writes OUT.cis_independent.tsv.gz, a row per signal: beta, se, t, df and p are those of its variant given the variants of the gene's other signals, p_forward was reached when it was found. With --all-pairs also OUT.cis_conditional.tsv.gz: every variant of the window given the other signals, for fine-mapping of each signal.

      With --grm or --grm-eigen all regressions are those of mixed models at the h2 that each phenotype has without any variant, as cis nominal fits them; conditioning on variants leaves h2 as it is. OUT.heritability.tsv.gz has it.

      EXAMPLE
        swiftqtl cis independent --genotypes chr22.vcf.gz --dosage-field DS \\
          --phenotypes expression.bed.gz --covariates covariates.tsv \\
          --significant-from study.cis_permute.tsv.gz --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp(
      "Table with phenotype_id (or group_id), qval and pval_nominal_threshold.", valueName: "file"))
  var significantFrom: String

  @Option(help: ArgumentHelp("Largest q-value of a gene that is analysed.", valueName: "share"))
  var fdr = 0.05

  @Option(
    help: ArgumentHelp(
      "Two columns, phenotype and group: signals are those of the group, over all its phenotypes.",
      valueName: "file"))
  var phenotypeGroups: String?

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  @Option(help: ArgumentHelp("At most so many signals per gene.", valueName: "n"))
  var maxSignals: Int?

  @Flag(help: "Also write the conditional statistics of all variants for each signal.")
  var allPairs = false

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    guard fdr > 0, fdr <= 1 else { throw ValidationError("--fdr must be above 0 and at most 1.") }
    if let maxSignals, maxSignals < 1 { throw ValidationError("--max-signals must be at least 1.") }
    try mixed.refuseTestsOfPairs()
    guard resources.format == .swiftqtl else {
      throw ValidationError("cis independent has no other --format than swiftqtl.")
    }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    // The small tables first: what is wrong with them shows at once.
    let genes = try SignificantGenes(from: significantFrom, fdr: fdr, groups: phenotypeGroups)
    let study = try genes.grouped(
      input.study(phenotypeRegions: true, workers: resources.workers, mixed: mixed))
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    let scan = ConditionalScan(
      CisScan(
        radius: window, anchor: test.windowFrom ?? .automatic,
        options: test.scanOptions(
          try input.selection(margin: study.windowMargin(window)),
          mixedModel: mixed.modelOptions(resources.execution))),
      isGrouped: genes.isGrouped, maximumSignals: maxSignals, reportsAllPairs: allPairs)

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.table("cis_independent")
    let pairsPath = resources.table("cis_conditional")
    let signals = try files.open(path, compression: resources.compression)
    let pairs = allPairs ? try files.open(pairsPath, compression: resources.compression) : nil
    let dropsPath = resources.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: resources.compression))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(
      input.files(of: study) + [significantFrom, phenotypeGroups].compactMap(\.self) + mixed.files(of: study))
    try drops.append(study.drops)
    let table = SignalTable(study.features, isGrouped: genes.isGrouped)
    try signals.append(bytes: table.headerLine)
    try pairs?.append(bytes: table.pairs.headerLine(adding: "rank"))

    let level = resources.rowCompressionLevel
    let started = progress.elapsed
    var genesWithSignal = 0
    let summary = try scan.run(
      in: study, thresholds: genes.thresholds, execution: resources.execution,
      render: { gene in RenderedSignals(gene, table, level: level) },
      drop: { try drops.append($0) },
      emit: { gene, fraction in
        try signals.append(gene.text)
        if let pairs { try gene.pairs.write(to: pairs) }
        genesWithSignal += gene.count > 0 ? 1 : 0
        progress.advance(tests: gene.tests, rows: gene.count, fraction: fraction)
      })
    let scanned = progress.elapsed
    progress.finish()
    let variances = try VarianceTable.write(summary, study, resources, to: files)
    try drops.append(summary.drops)
    let notes = [genes.note, "\(summary.counts.rows) signals of \(genesWithSignal) genes"]
    for note in summary.allNotes + notes { progress.note(note) }
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + (allPairs ? [pairsPath] : [])
        + variances + [dropsPath, resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note("\(Progress.duration(progress.elapsed)); written to \(path)")
  }
}

/// One gene's results as text, made on the workers.
struct RenderedSignals: Sendable {
  private(set) var text = RowBuffer(capacity: 1 << 9)
  private(set) var pairs: CompressedRows
  let count: Int
  let tests: Int

  init(_ gene: GeneSignals, _ table: SignalTable, level: Int?) {
    count = gene.signals.count
    tests = gene.variantCount
    for signal in gene.signals { table.append(signal, of: gene, to: &text) }
    var rows = RowBuffer(capacity: 1 << 9)
    let texts = gene.pairs.isEmpty ? [] : gene.variants.map(table.pairs.text)
    for (signal, conditional) in zip(gene.signals, gene.pairs) {
      for row in conditional {
        table.pairs.append(row, texts[row.variant], to: &rows)
        rows.appendTab()
        rows.append(signal.rank)
        rows.appendNewline()
      }
    }
    pairs = CompressedRows(rows, level: level)
  }
}

/// Rows, compressed where there are enough of them to fill blocks: then the workers share that work.
struct CompressedRows: Sendable {
  private let rows: RowBuffer
  private let blocks: BGZFBlocks?

  init(_ rows: RowBuffer, level: Int?) {
    blocks = rows.count >= 1 << 16 ? level.map { BGZFBlocks(rows, level: $0) } : nil
    self.rows = blocks == nil ? rows : RowBuffer(capacity: 0)
  }

  func write(to table: TableWriter) throws(StudyError) {
    if let blocks { try table.append(blocks) } else { try table.append(rows) }
  }
}
