/// How genotypes are scaled before their products make a relationship matrix.
///
/// p is the frequency of ALT and ḡ the mean dosage among the samples of the matrix that have a genotype; n is their number with those that have
/// none.
public enum KinshipForm: String, CaseIterable, Sendable {
  /// Σ(g − ḡ)(g − ḡ)'/m over m variants; missing genotypes count as ḡ. GEMMA's `-gk 1`.
  case centered
  /// The same of (g − ḡ)/s with s² = Σ(g − ḡ)²/n, missing ones 0. GEMMA's `-gk 2`.
  case standardizedSample = "standardized-sample"
  /// (g − 2p)/√(2p(1 − p)), each pair averaged over the variants that both have. GCTA's `--make-grm`, PLINK's `--make-rel`; where
  /// genotypes are missing it need not be positive semidefinite.
  case standardized2pq = "standardized-2pq"

  /// What g − ḡ is multiplied by.
  func scale(_ summary: VariantSummary) -> Double {
    switch self {
    case .centered: return 1
    case .standardizedSample:
      return (Double(summary.sampleCount) / summary.centeredSumOfSquares).squareRoot()
    case .standardized2pq:
      let p = summary.alleleFrequency
      return 1 / (2 * p * (1 - p)).squareRoot()
    }
  }
}
