package import Association
import Distributions
package import StudyData
package import StudyIO

/// Independent signals of genes in our own format.
package struct SignalColumns: ResultColumns {
  private struct Entry {
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
    switch names[index] {
    case "phenotype_id": .text(entries.map { features[$0.row.feature].id })
    case "group_id": .text(entries.map(\.gene.id))
    case "rank": .integers(entries.map(\.signal.rank))
    case "variant_id": .text(entries.map(\.tested.variant.id))
    case "chromosome": .text(entries.map(\.tested.variant.chromosome))
    case "position": .integers(entries.map(\.tested.variant.position))
    case "ref": .text(entries.map(\.tested.variant.ref))
    case "alt": .text(entries.map(\.tested.variant.alt))
    case "start_distance":
      .integers(entries.map { $0.tested.variant.position - features[$0.row.feature].tss })
    case "beta": .numbers(entries.map(\.row.beta))
    case "se": .numbers(entries.map(\.row.standardError))
    case "t": .numbers(entries.map(\.row.t))
    case "df": .integers(entries.map(\.row.degreesOfFreedom))
    case "neg_log10_p": .numbers(entries.map { LogP.negLog10($0.row.logP) })
    case "p": .probabilities(entries.map(\.row.logP))
    case "p_forward": .probabilities(entries.map(\.signal.forwardLogP))
    case "af": .numbers(entries.map(\.tested.summary.alleleFrequency))
    case "ma_samples": .integers(entries.map(\.tested.summary.minorAlleleSamples))
    case "ma_count": .numbers(entries.map(\.tested.summary.minorAlleleCount))
    case "n": .integers(entries.map(\.row.n))
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
