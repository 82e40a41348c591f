public import StudyData

/// What the design of a pair allowed.
public enum InteractionStatus: String, Sendable {
  case ok
  /// The residual is zero up to rounding: each |t| is a lower bound.
  case perfect
  /// A coefficient cannot be told from others among the samples of the trait; no number is given.
  case singular
}

/// One coefficient of a regression.
public struct CoefficientEstimate: Sendable, Equatable {
  public var beta: Double
  public var standardError: Double
  public var t: Double
  /// Natural log of p.
  public var logP: Double
}

/// The regression of a trait on a variant, k terms and their products.
public struct InteractionRow: Sendable, Equatable {
  /// Index into the batch's `variants`.
  public var variant: Int
  /// Index into the study's features.
  public var feature: Int
  /// g, then i and g·i of each term: 1 + 2k; empty when singular.
  public var coefficients: [CoefficientEstimate]
  public var degreesOfFreedom: Int
  /// Samples with a phenotype.
  public var n: Int
  public var status: InteractionStatus

  /// Index of g·i of a term in `coefficients`.
  public static func product(_ term: Int) -> Int { 2 + 2 * term }
}

/// Results of one block of variants, in row order.
public struct InteractionBatch: Sendable {
  /// Variants that have rows.
  public var variants: [TestedVariant] = []
  /// Ordered by (variant, feature).
  public var rows: [InteractionRow] = []
  /// Variants left out, in file order.
  public var drops: [Drop] = []
  /// Share of the input read so far.
  public var fractionRead = 0.0
  public var counts = ScanCounts()
}

/// The most significant interaction of a gene with one term.
public struct InteractionLead: Sendable {
  public var variant: TestedVariant
  /// Its `variant` has no meaning.
  public var row: InteractionRow
  /// Index of the term.
  public var term: Int
  /// Variants tested with the gene.
  public var variantCount: Int
  /// How many independent tests they amount to (``EffectiveTests``).
  public var effectiveTests: Int
  /// ln min(1, p · effectiveTests).
  public var correctedLogP: Double
  /// ln q of Benjamini and Hochberg over the genes, of the corrected p, by term.
  public var logQ: Double
}
