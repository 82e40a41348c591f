package import Association
import Distributions
package import StudyData
package import StudyIO

/// Rows of signals, and of all pairs given the other signals.
package struct SignalTable: Sendable {
  /// Our own columns of `cis nominal`.
  package let pairs: ResultTable
  private let features: [Feature]
  private let isGrouped: Bool

  package init(_ features: [Feature], isGrouped: Bool) {
    self.features = features
    self.isGrouped = isGrouped
    pairs = ResultTable(.cis, .swiftqtl, features)
  }

  package var headerLine: [UInt8] { columns.headerLine }

  var columns: [String] {
    let columns =
      "phenotype_id \(isGrouped ? "group_id " : "")rank variant_id chromosome position ref alt start_distance "
      + "beta se t df neg_log10_p p p_forward af ma_samples ma_count n num_var"
    return columns.split(separator: " ").map(String.init)
  }

  package func append(_ signal: GeneSignals.Signal, of gene: GeneSignals, to out: inout RowBuffer) {
    let (row, feature) = (signal.row, features[signal.row.feature])
    let (variant, s) = (gene.variants[row.variant].variant, gene.variants[row.variant].summary)
    out.append(cells: feature.id)
    if isGrouped { out.append(cells: gene.id) }
    out.append(number: signal.rank)
    out.append(cells: variant.id, variant.chromosome)
    out.append(number: variant.position)
    out.append(cells: variant.ref, variant.alt)
    out.append(number: variant.position - feature.tss)
    out.append(number: row.beta)
    out.append(number: row.standardError)
    out.append(number: row.t)
    out.append(number: row.degreesOfFreedom)
    out.append(number: LogP.negLog10(row.logP))
    out.append(logP: row.logP)
    out.appendTab()
    out.append(logP: signal.forwardLogP)
    out.appendTab()
    out.append(number: s.alleleFrequency)
    out.append(number: s.minorAlleleSamples)
    out.append(number: s.minorAlleleCount)
    out.append(number: row.n)
    out.append(gene.variantCount)
    out.appendNewline()
  }
}
