import ArgumentParser
import SwiftQTL

/// What scans for interactions ask of terms and variants.
struct StratumOptions: ParsableArguments {
  static let termsHelp =
    "Terms that interact with the genotype, in rows or in columns like covariates; one without a header holds samples in rows."

  @Option(
    help: ArgumentHelp(
      "Minimum minor allele frequency on either side of each term's median (ties below it, unless nothing is above: a term of two values gives two groups; default: 0.05).",
      valueName: "share"))
  var mafInteraction: Double?

  var minimumFrequency: Double { mafInteraction ?? 0.05 }

  func validate() throws {
    guard (0...0.5).contains(minimumFrequency) else {
      throw ValidationError("--maf-interaction must lie between 0 and 0.5.")
    }
  }
}

/// Writes rows of interactions, in our format or tensorQTL's.
///
/// Coefficients are named g, i and gi or, where there are several terms, g, NAME and g-NAME.
struct InteractionTable: Sendable {
  private let scan: ResultTable.Scan
  private let format: TableFormat
  private let pairs: ResultTable
  private let features: [Feature]
  private let terms: [String]

  /// - Precondition: a scan of all pairs has our own format; start_distance is for cis scans.
  init(_ scan: ResultTable.Scan, _ format: TableFormat, _ study: Study) {
    precondition(scan == .cis || format == .swiftqtl)
    self.scan = scan
    self.format = format
    pairs = ResultTable(scan, format, study.features)
    features = study.features
    terms = study.interactionNames
  }

  /// - Parameter adding: a column for each product, its name behind this prefix.
  func headerLine(best: Bool, adding prefix: String? = nil) -> [UInt8] {
    let names = terms.count == 1 ? ["g", "i", "gi"] : ["g"] + terms.flatMap { [$0, "g-" + $0] }
    var columns: [String]
    if format == .tensorqtl {
      columns = ["phenotype_id", "variant_id", "start_distance", "af", "ma_samples", "ma_count"]
      columns += names.flatMap { ["pval_" + $0, "b_" + $0, "b_" + $0 + "_se"] }
      if best && terms.count > 1 { columns.insert("term", at: 1) }
    } else {
      columns = ["variant_id", "chromosome", "position", "ref", "alt", "phenotype_id"]
      if scan == .cis { columns.append("start_distance") }
      columns += names.flatMap { name in ["beta_", "se_", "t_", "neg_log10_p_", "p_"].map { $0 + name } }
      columns += ["df", "af", "ma_samples", "ma_count", "n", "status"]
      if best { columns = ["term"] + columns + ["num_var"] }
    }
    if best { columns += ["tests_emt", "pval_emt", "pval_adj_bh"] }
    if let prefix { columns += terms.indices.map { prefix + names[InteractionRow.product($0)] } }
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
    // Cells of coefficients bring the tab before them.
    out.append(feature.id)
    if scan == .cis {
      out.appendTab()
      out.append(variant.position - feature.tss)
    }
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
struct RenderedInteractions: Sendable {
  private var text = RowBuffer(capacity: 1 << 12)
  /// `text` compressed, where there is enough of it to fill blocks.
  private var blocks: BGZFBlocks?
  private(set) var spooled = RowSpool.Batch()
  var variants: [TestedVariant]
  var drops: [Drop]
  var tests: Int
  var rowCount: Int
  var fractionRead: Double

  /// - Parameter logThreshold: rows are spooled, with those p of products that are at most this; nil: they are text.
  init(_ batch: InteractionBatch, _ table: InteractionTable, level: Int?, logThreshold: Double?) {
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
      if let logThreshold {
        let products = stride(from: InteractionRow.product(0), to: row.coefficients.count, by: 2)
        let logP = products.map { row.coefficients[$0].logP }.map { $0 <= logThreshold ? $0 : .nan }
        spooled.add(logP: logP, feature: row.feature) { table.append(row, variant, to: &$0) }
      } else {
        table.append(row, variant, to: &text)
        text.appendNewline()
      }
    }
    if let level, text.count >= 1 << 16 { blocks = BGZFBlocks(text, level: level) }
  }

  func write(to table: TableWriter) throws(StudyError) {
    if let blocks { try table.append(blocks) } else { try table.append(text) }
  }
}
