package import Association
import Distributions
package import StudyData
package import StudyIO

/// Writes rows of interactions, in our format or tensorQTL's.
///
/// Coefficients are named g, i and gi or, where there are several terms, g, NAME and g-NAME.
package struct InteractionTable: Sendable {
  private let scan: ResultTable.Scan
  private let format: TableFormat
  private let pairs: ResultTable
  private let features: [Feature]
  private let terms: [String]

  /// - Precondition: a scan of all pairs has our own format; start_distance is for cis scans.
  package init(_ scan: ResultTable.Scan, _ format: TableFormat, _ study: Study) {
    precondition(scan == .cis || format == .swiftqtl)
    self.scan = scan
    self.format = format
    pairs = ResultTable(scan, format, study.features)
    features = study.features
    terms = study.interactionNames
  }

  package func headerLine(best: Bool, adding prefix: String? = nil) -> [UInt8] {
    columns(best: best, adding: prefix).headerLine
  }

  /// - Parameter adding: a column for each product, its name behind this prefix.
  func columns(best: Bool, adding prefix: String? = nil) -> [String] {
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
    return columns
  }

  package func text(of variant: TestedVariant) -> ResultTable.VariantText { pairs.text(of: variant) }

  /// Appends a row without its newline.
  package func append(
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

  package func text(of leads: [InteractionLead]) -> RowBuffer {
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
