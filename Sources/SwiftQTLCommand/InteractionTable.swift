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
