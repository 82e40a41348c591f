package import Association
import MultipleTesting
package import StudyData
package import StudyIO

/// Genes of a permutation scan in our own format: those in which something could be tested.
package struct GeneColumns: ResultColumns {
  private struct Entry: PairEntry {
    var index: Int
    var gene: CisPermutations.GeneResult
    var row: PairRow
    var tested: TestedVariant
  }

  package let names: [String]
  private let rows: GeneRows
  private let entries: [Entry]
  private let significance: GeneSignificance
  private let features: [Feature]

  package var rowCount: Int { entries.count }

  package init(
    _ study: Study, _ genes: [CisPermutations.GeneResult], _ significance: GeneSignificance, isGrouped: Bool
  ) {
    rows = GeneRows(
      format: .swiftqtl, study: study, genes: genes, significance: significance, isGrouped: isGrouped)
    self.significance = significance
    features = study.features
    names = rows.header.split(separator: " ").map(String.init)
    entries = genes.enumerated().compactMap { index, gene in
      gene.lead.map { Entry(index: index, gene: gene, row: $0.row, tested: $0.variant) }
    }
  }

  package func column(_ index: Int) -> ResultColumn {
    if let shared = entries.column(names[index], features) { return shared }
    return switch names[index] {
    case "group_id": .text(entries.map(\.gene.id), repeats: false)
    case "group_size": .integers(entries.map(\.gene.phenotypeCount))
    case "phenotype_id": .text(entries.map { features[$0.row.feature].id }, repeats: false)
    case "num_var": .integers(entries.map(\.gene.variantCount))
    case "n_permutations": .integers(entries.map(\.gene.permutations))
    case "pval_perm": .probabilities(entries.map(\.gene.logEmpiricalP))
    case "beta_shape1": .numbers(entries.map { $0.gene.approximation?.shape1 ?? .nan })
    case "beta_shape2": .numbers(entries.map { $0.gene.approximation?.shape2 ?? .nan })
    case "true_df": .numbers(entries.map { $0.gene.approximation?.trueDegreesOfFreedom ?? .nan })
    case "pval_true_df": .probabilities(entries.map(\.gene.logTrueP))
    case "pval_beta": .probabilities(entries.map(\.gene.logBetaP))
    case "qval": .probabilities(entries.map { significance.logQ[$0.index] })
    case "pval_nominal_threshold":
      .probabilities(entries.map { significance.nominalLogThreshold($0.index) })
    case "status": .text(entries.map { $0.gene.approximation?.status.rawValue ?? "NA" })
    default: preconditionFailure("a column without values: \(names[index])")
    }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try writer.append(bytes: rows.headerLine)
    var buffer = RowBuffer()
    for entry in entries { rows.append(entry.index, to: &buffer) }
    try writer.append(buffer)
  }
}
