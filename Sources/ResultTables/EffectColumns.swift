package import Association
import StudyIO

/// Columns of effect sizes, each behind a tab.
package struct EffectColumns: Sendable {
  /// By feature; nil for those that have no rows.
  package let traits: [TraitScale?]
  package let expression: ExpressionScale?

  package var header: String {
    "beta_standardized variance_explained_hwe variance_explained"
      + (expression == nil ? "" : " log2_afc log2_afc_se")
  }

  package init(traits: [TraitScale?], expression: ExpressionScale?) {
    self.traits = traits
    self.expression = expression
  }

  func append(_ row: PairRow, _ variant: VariantScale, to out: inout RowBuffer) {
    guard let trait = traits[row.feature] else { return }
    let sizes = EffectSizes(beta: row.beta, variant, trait)
    append(sizes.standardizedBeta, sizes.hardyWeinbergVarianceExplained, sizes.varianceExplained, to: &out)
    if let expression {
      let change = AllelicFoldChange(row, variant, trait, scale: expression)
      append(change.log2, change.standardError, to: &out)
    }
  }

  private func append(_ numbers: Double..., to out: inout RowBuffer) {
    for number in numbers {
      out.appendTab()
      out.append(number)
    }
  }
}
