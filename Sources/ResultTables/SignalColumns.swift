package import Association
package import StudyData
package import StudyIO

/// Independent signals of genes in our own format.
package struct SignalColumns: ResultColumns {
  private struct Entry: PairEntry {
    var gene: GeneSignals
    var signal: GeneSignals.Signal

    var row: PairRow { signal.row }
    var tested: TestedVariant { gene.variants[signal.row.variant] }
  }

  package let names: [String]
  private let table: SignalTable
  private let entries: [Entry]
  private let features: [Feature]

  package var rowCount: Int { entries.count }

  package init(_ features: [Feature], _ genes: [GeneSignals], isGrouped: Bool) {
    table = SignalTable(features, isGrouped: isGrouped)
    self.features = features
    names = table.columns
    entries = genes.flatMap { gene in gene.signals.map { Entry(gene: gene, signal: $0) } }
  }

  package func column(_ index: Int) -> ResultColumn {
    if let shared = entries.column(names[index], features) { return shared }
    return switch names[index] {
    case "phenotype_id": .text(entries.map { features[$0.row.feature].id })
    case "group_id": .text(entries.map(\.gene.id))
    case "rank": .integers(entries.map(\.signal.rank))
    case "p_forward": .probabilities(entries.map(\.signal.forwardLogP))
    case "num_var": .integers(entries.map(\.gene.variantCount))
    default: preconditionFailure("a column without values: \(names[index])")
    }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try writer.append(bytes: names.headerLine)
    var buffer = RowBuffer()
    for entry in entries { table.append(entry.signal, of: entry.gene, to: &buffer) }
    try writer.append(buffer)
  }
}
