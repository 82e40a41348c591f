package import Association
import MixedModels
package import StudyData
package import StudyIO

/// Variance components, a row per phenotype.
package enum VarianceTable {
  static func columns(leavesOut: Bool) -> [String] {
    [
      "phenotype_id", "n", "h2", "h2_se", "variance", "log_likelihood", "log_likelihood_null", "lrt",
      "pval_lrt", "status",
    ] + (leavesOut ? ["left_out"] : [])
  }

  /// - Parameter leavesOut: whether a column names the chromosome left out of the relationship matrix.
  package static func text(_ rows: [TraitVariance], _ features: [Feature], leavesOut: Bool = false)
    -> RowBuffer
  {
    var out = RowBuffer()
    out.append(bytes: columns(leavesOut: leavesOut).headerLine)
    for row in rows {
      let estimate = row.estimate
      out.append(cells: features[row.feature].id)
      out.append(number: row.n)
      out.append(number: estimate.heritability)
      out.append(number: estimate.standardError)
      out.append(number: estimate.variance)
      out.append(number: estimate.logLikelihood)
      out.append(number: estimate.nullLogLikelihood)
      out.append(number: estimate.likelihoodRatio)
      out.append(logP: estimate.logP)
      out.appendTab()
      out.append(estimate.status.rawValue)
      if leavesOut {
        out.appendTab()
        out.append(row.leftOut ?? "none")
      }
      out.appendNewline()
    }
    return out
  }
}
