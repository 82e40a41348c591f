public import ArgumentParser
public import SwiftQTL

extension ExpressionScale: ExpressibleByArgument {}

/// Which effect sizes stand beside beta.
struct EffectOptions: ParsableArguments {
  @Flag(
    help:
      "More columns: beta in standard deviations of phenotype and dosage, and the variance explained in Hardy-Weinberg proportions (2p(1-p) beta^2) and in the sample."
  )
  var effectSizes = false

  @Option(
    help: ArgumentHelp(
      "With --effect-sizes: the allelic fold change, log2, of expression that is given on this scale.",
      valueName: "scale"))
  var afc: ExpressionScale?

  /// - Throws: `ValidationError` where the other options do not allow them.
  func validate(_ format: TableFormat, normal: Bool) throws {
    guard effectSizes else {
      if afc != nil { throw ValidationError("--afc is for --effect-sizes.") }
      return
    }
    guard format == .swiftqtl else {
      throw ValidationError("--effect-sizes is for --format swiftqtl: other tools have no such columns.")
    }
    if afc != nil, normal {
      throw ValidationError("--afc needs expression on a known scale: --normal leaves only its ranks.")
    }
  }

  /// Nil where they are not wanted.
  func columns(of study: Study, _ options: ScanOptions, workers: Int) throws -> EffectColumns? {
    guard effectSizes else { return nil }
    return EffectColumns(
      traits: try TraitScale.all(of: study, options, workers: workers), expression: afc)
  }
}

/// Columns of effect sizes, each behind a tab.
struct EffectColumns: Sendable {
  /// By feature; nil for those that have no rows.
  let traits: [TraitScale?]
  let expression: ExpressionScale?

  var header: String {
    "beta_standardized variance_explained_hwe variance_explained"
      + (expression == nil ? "" : " log2_afc log2_afc_se")
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
