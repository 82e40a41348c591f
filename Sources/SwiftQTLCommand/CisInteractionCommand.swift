import ArgumentParser
import SwiftQTL
import Synchronization

struct CisInteractionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interaction",
    abstract: "Test whether a variant's effect depends on a term such as sex or a cell type's share.",
    discussion: """
      The model is y ~ covariates + i + g + g*i, for every variant g within a window of each phenotype y and every term i of the table, \
      all terms at once. Terms enter as they are given: the coefficient of g is its effect at i = 0, that of i its effect at g = 0. \
      Centre a term to have g's effect at its mean; the coefficient of g*i does not depend on that.

      Writes OUT.cis_interaction.tsv.gz with all pairs or, with --best, OUT.cis_interaction_best.tsv.gz with each phenotype's lead \
      for each term, its p corrected for the effective number of tests (eigenMT) and over phenotypes (Benjamini and Hochberg).

      EXAMPLE
        swiftqtl cis interaction --genotypes chr22.vcf.gz --dosage-field DS \\
          --phenotypes expression.bed.gz --interaction sex.tsv --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Interactions") var strata: StratumOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp(StratumOptions.termsHelp, valueName: "file"))
  var interaction: String

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  @Flag(help: "Only the best variant of each phenotype and term, with its corrected p.")
  var best = false

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    guard resources.format == .swiftqtl || resources.format == .tensorqtl else {
      throw ValidationError("--format \(resources.format.rawValue) has no table of interactions.")
    }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    let study = try input.study(phenotypeRegions: true, workers: resources.workers, interaction: interaction)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    let table = InteractionTable(.cis, resources.format, study)
    let scan = InteractionScan(
      radius: window, anchor: test.windowFrom ?? .automatic,
      options: test.scanOptions(try input.selection(margin: study.windowMargin(window))),
      minimumStratumFrequency: strata.minimumFrequency)

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.table(best ? "cis_interaction_best" : "cis_interaction")
    let index = best ? nil : resources.pairIndex
    let rows = try files.open(path, compression: resources.compression, index: index)
    let dropsPath = resources.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: resources.compression))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(input.files(of: study) + [interaction])
    try drops.append(study.drops)
    try rows.append(bytes: table.headerLine(best: best))

    let started = progress.elapsed
    let order = Mutex(RowOrder())
    let summary: ScanSummary
    if best {
      let (leads, found) = try scan.leads(in: study, execution: resources.execution) { batch in
        try drops.append(batch.drops)
        progress.advance(tests: batch.counts.tests, rows: 0, fraction: batch.fractionRead)
      }
      try rows.append(table.text(of: leads))
      summary = found
    } else {
      let level = resources.rowCompressionLevel
      summary = try scan.run(
        in: study, execution: resources.execution,
        render: { RenderedInteractions($0, table, level: level, logThreshold: nil) },
        emit: { batch in
          try batch.write(to: rows)
          try drops.append(batch.drops)
          order.withLock { $0.observe(batch.variants) }
          progress.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
        })
    }
    let scanned = progress.elapsed
    progress.finish()
    try drops.append(summary.drops)
    var notes =
      index != nil ? CisNominalCommand.dropIndex(of: rows, unless: order.withLock(\.isSorted)) : []
    if summary.counts.untestable > 0 {
      notes.append("\(summary.counts.untestable) pairs have a singular design and no estimate")
    }
    for note in summary.allNotes + notes { progress.note(note) }
    let indexSuffix = try rows.finish()
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + (indexSuffix.map { [path + $0] } ?? [])
        + [dropsPath, resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note(
      "\(summary.counts.tests) pairs (\(summary.counts.variants) variants, \(summary.traits) phenotypes) in "
        + "\(Progress.duration(progress.elapsed)); written to \(path)")
  }
}
