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
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp(
      "Terms that interact with the genotype, in rows or in columns like covariates; one without a header holds samples in rows.",
      valueName: "file"))
  var interaction: String

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  @Option(
    help: ArgumentHelp(
      "Minimum minor allele frequency on either side of each term's median (ties below it, unless nothing is above: a term of two values gives two groups).",
      valueName: "share"))
  var mafInteraction = 0.05

  @Flag(help: "Only the best variant of each phenotype and term, with its corrected p.")
  var best = false

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    guard (0...0.5).contains(mafInteraction) else {
      throw ValidationError("--maf-interaction must lie between 0 and 0.5.")
    }
    guard resources.format == .swiftqtl || resources.format == .tensorqtl else {
      throw ValidationError("--format \(resources.format.rawValue) has no table of interactions.")
    }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    let study = try input.study(phenotypeRegions: true, workers: resources.workers, interaction: interaction)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    let table = InteractionTable(resources.format, study)
    let scan = InteractionScan(
      radius: window, anchor: test.windowFrom ?? .automatic,
      options: test.scanOptions(try input.selection(margin: margin(study))),
      minimumStratumFrequency: mafInteraction)

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.out + (best ? ".cis_interaction_best.tsv.gz" : ".cis_interaction.tsv.gz")
    let isIndexed = !best && resources.format == .swiftqtl
    let rows = try files.open(
      path, compression: resources.compression,
      index: isIndexed ? TabixIndex(chromosomeColumn: 2, positionColumn: 3) : nil)
    let drops = try DropWriter(
      files.open(resources.out + ".drops.tsv.gz", compression: .bgzf(level: resources.compressionLevel)))
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
      let level = resources.compressionLevel
      summary = try scan.run(
        in: study, execution: resources.execution,
        render: { RenderedInteractions($0, table, level: level) },
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
      isIndexed ? CisNominalCommand.dropIndex(of: rows, unless: order.withLock(\.isSorted)) : []
    if summary.counts.untestable > 0 {
      notes.append("\(summary.counts.untestable) pairs have a singular design and no estimate")
    }
    for note in summary.notes + notes { progress.note(note) }
    let indexSuffix = try rows.finish()
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + (indexSuffix.map { [path + $0] } ?? [])
        + [resources.out + ".drops.tsv.gz", resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note(
      "\(summary.counts.tests) pairs (\(summary.counts.variants) variants, \(summary.traits) phenotypes) in "
        + "\(Progress.duration(progress.elapsed)); written to \(path)")
  }

  /// How far from a feature's start a variant of its window may lie.
  private func margin(_ study: Study) -> Int {
    let longest = study.features.lazy.map { $0.end - $0.start }.max() ?? 0
    let (margin, overflow) = window.addingReportingOverflow(longest)
    return overflow ? .max : margin
  }
}

/// Writes rows of interactions, in our format or tensorQTL's.
///
/// Coefficients are named g, i and gi or, where there are several terms, g, NAME and g-NAME.
struct InteractionTable: Sendable {
  private let format: TableFormat
  private let pairs: ResultTable
  private let features: [Feature]
  private let terms: [String]

  init(_ format: TableFormat, _ study: Study) {
    self.format = format
    pairs = ResultTable(.cis, format, study.features)
    features = study.features
    terms = study.interactionNames
  }

  func headerLine(best: Bool) -> [UInt8] {
    let names = terms.count == 1 ? ["g", "i", "gi"] : ["g"] + terms.flatMap { [$0, "g-" + $0] }
    var columns: [String]
    if format == .tensorqtl {
      columns = ["phenotype_id", "variant_id", "start_distance", "af", "ma_samples", "ma_count"]
      columns += names.flatMap { ["pval_" + $0, "b_" + $0, "b_" + $0 + "_se"] }
      if best && terms.count > 1 { columns.insert("term", at: 1) }
    } else {
      columns = ["variant_id", "chromosome", "position", "ref", "alt", "phenotype_id", "start_distance"]
      columns += names.flatMap { name in ["beta_", "se_", "t_", "neg_log10_p_", "p_"].map { $0 + name } }
      columns += ["df", "af", "ma_samples", "ma_count", "n", "status"]
      if best { columns = ["term"] + columns + ["num_var"] }
    }
    if best { columns += ["tests_emt", "pval_emt", "pval_adj_bh"] }
    return Array((columns.joined(separator: "\t") + "\n").utf8)
  }

  func text(of variant: TestedVariant) -> ResultTable.VariantText { pairs.text(of: variant) }

  /// Appends a row without its newline.
  func append(
    _ row: InteractionRow, _ variant: borrowing ResultTable.VariantText, term: String? = nil,
    to out: inout RowBuffer
  ) {
    let feature = features[row.feature]
    guard format != .tensorqtl else {
      out.append(cells: feature.id)
      if let term, terms.count > 1 { out.append(cells: term) }
      out.append(variant.head)
      out.append(number: variant.position - feature.tss)
      // Without the tab behind the last cell: one stands before every coefficient.
      variant.tail.withUnsafeBytes { out.append(bytes: UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
      for index in 0...2 * terms.count { appendCoefficient(row, index, to: &out) }
      return
    }
    if let term { out.append(cells: term) }
    out.append(variant.head)
    out.append(cells: feature.id)
    out.append(variant.position - feature.tss)
    for index in 0...2 * terms.count { appendCoefficient(row, index, to: &out) }
    out.appendTab()
    out.append(number: row.degreesOfFreedom)
    out.append(variant.tail)
    out.append(number: row.n)
    out.append(row.status.rawValue)
  }

  /// The cells of a coefficient, each behind a tab.
  private func appendCoefficient(_ row: InteractionRow, _ index: Int, to out: inout RowBuffer) {
    guard row.status != .singular else {
      out.append(String(repeating: "\tNA", count: format == .tensorqtl ? 3 : 5))
      return
    }
    let c = row.coefficients[index]
    if format == .tensorqtl {
      out.appendTab()
      out.append(logP: c.logP)
      for value in [c.beta, c.standardError] {
        out.appendTab()
        out.append(value)
      }
    } else {
      for value in [c.beta, c.standardError, c.t, LogP.negLog10(c.logP)] {
        out.appendTab()
        out.append(value)
      }
      out.appendTab()
      out.append(logP: c.logP)
    }
  }

  func text(of leads: [InteractionLead]) -> RowBuffer {
    var out = RowBuffer()
    for lead in leads {
      append(lead.row, text(of: lead.variant), term: terms[lead.term], to: &out)
      out.appendTab()
      if format == .swiftqtl { out.append(number: lead.variantCount) }
      out.append(number: lead.effectiveTests)
      out.append(logP: lead.correctedLogP)
      out.appendTab()
      out.append(logP: lead.logQ)
      out.appendNewline()
    }
    return out
  }
}

/// A batch as text, made on the workers.
private struct RenderedInteractions: Sendable {
  private var text = RowBuffer(capacity: 1 << 12)
  /// `text` compressed, where there is enough of it to fill blocks.
  private var blocks: BGZFBlocks?
  var variants: [TestedVariant]
  var drops: [Drop]
  var tests: Int
  var rowCount: Int
  var fractionRead: Double

  init(_ batch: InteractionBatch, _ table: InteractionTable, level: Int) {
    variants = batch.variants
    drops = batch.drops
    tests = batch.counts.tests
    rowCount = batch.rows.count
    fractionRead = batch.fractionRead
    var current = -1
    var variant = ResultTable.VariantText()
    for row in batch.rows {
      if row.variant != current {
        current = row.variant
        variant = table.text(of: batch.variants[current])
      }
      table.append(row, variant, to: &text)
      text.appendNewline()
    }
    if text.count >= 1 << 16 { blocks = BGZFBlocks(text, level: level) }
  }

  func write(to table: TableWriter) throws(StudyError) {
    if let blocks { try table.append(blocks) } else { try table.append(text) }
  }
}
