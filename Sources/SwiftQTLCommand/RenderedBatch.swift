import SwiftQTL

/// A batch as text, made on the workers.
struct RenderedBatch: Sendable {
  private var text = RowBuffer(capacity: 1 << 12)
  /// `text` compressed, where there is enough of it to fill blocks: then the workers share the work of compression.
  private var blocks: BGZFBlocks?
  var spooled = RowSpool.Batch()
  var bestText = RowBuffer(capacity: 1 << 8)
  /// Those that have rows.
  var variants: [TestedVariant]
  var drops: [Drop]
  var tests: Int
  var rowCount: Int
  var fractionRead: Double

  private static let leastCompressed = 1 << 16

  init(_ batch: PairBatch, _ table: ResultTable, level: Int?, spooled isSpooled: Bool) {
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
      if isSpooled {
        spooled.add(logP: CollectionOfOne(row.logP), feature: row.feature) {
          table.append(row, variant, to: &$0)
        }
      } else {
        table.append(row, variant, to: &text)
        text.appendNewline()
      }
    }
    if let level, text.count >= Self.leastCompressed { blocks = BGZFBlocks(text, level: level) }
    for row in batch.bestRows {
      table.append(row, table.text(of: batch.bestVariants[row.variant]), to: &bestText)
      bestText.appendNewline()
    }
  }

  func write(to table: TableWriter) throws(StudyError) {
    if let blocks { try table.append(blocks) } else { try table.append(text) }
  }
}
