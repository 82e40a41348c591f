package import Association
import MixedModels
package import StudyData
package import StudyIO

/// Variance components of a mixed model's traits.
package struct VarianceColumns: ResultColumns {
  private let rows: [TraitVariance]
  private let features: [Feature]

  package init(_ rows: [TraitVariance], _ features: [Feature]) {
    self.rows = rows
    self.features = features
  }

  package var rowCount: Int { rows.count }
  package var names: [String] { VarianceTable.columns(leavesOut: false) }

  package func column(_ index: Int) -> ResultColumn {
    switch names[index] {
    case "phenotype_id": .text(rows.map { features[$0.feature].id }, repeats: false)
    case "n": .integers(rows.map(\.n))
    case "h2": .numbers(rows.map(\.estimate.heritability))
    case "h2_se": .numbers(rows.map(\.estimate.standardError))
    case "variance": .numbers(rows.map(\.estimate.variance))
    case "log_likelihood": .numbers(rows.map(\.estimate.logLikelihood))
    case "log_likelihood_null": .numbers(rows.map(\.estimate.nullLogLikelihood))
    case "lrt": .numbers(rows.map(\.estimate.likelihoodRatio))
    case "pval_lrt": .probabilities(rows.map(\.estimate.logP))
    case "status": .text(rows.map(\.estimate.status.rawValue))
    default: preconditionFailure("a column without values: \(names[index])")
    }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try writer.append(VarianceTable.text(rows, features))
  }
}

/// What was left out.
package struct DropColumns: ResultColumns {
  private let drops: [Drop]

  package init(_ drops: [Drop]) { self.drops = drops }

  package var rowCount: Int { drops.count }
  package var names: [String] { ["kind", "id", "reason", "detail"] }

  package func column(_ index: Int) -> ResultColumn {
    switch index {
    case 0: .text(drops.map(\.item.rawValue))
    case 1: .text(drops.map(\.id), repeats: false)
    case 2: .text(drops.map(\.reason))
    default: .text(drops.map(\.detail))
    }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try DropWriter(writer).append(drops)
  }
}
