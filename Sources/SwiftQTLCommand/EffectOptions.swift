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
