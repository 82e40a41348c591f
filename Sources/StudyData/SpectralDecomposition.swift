public import LinearAlgebra

/// The relationship matrix of some samples without what their covariates explain, as eigenvalues and eigenvectors:
/// MKM = s·UΛU' on the complement of the covariates, M = I − QQ'.
///
/// Made once for a set of samples and covariates, it turns every trait's mixed model into weighted least squares on n − q numbers U'y.
/// Eigenvalues are in units of s = tr(CKC)/n (C centres), so that h in (1 − h)I + hK/s is the share of variance that the
/// relationship explains, as GEMMA's pve.
public struct SpectralDecomposition: Sendable {
  /// The order of rows.
  public let sampleIDs: [String]
  /// n × q, orthonormal: the span of the intercept and the covariates.
  public let covariateBasis: Matrix
  /// Λ: n − q, ascending, none below 0.
  public let values: [Double]
  /// U: n × (n − q).
  public let vectors: Matrix
  /// Eigenvalues of CKC/s, n, ascending, none below 0: for maximum likelihood, whose determinant is that of all samples.
  /// Empty where they were not asked for.
  public let kinshipValues: [Double]
  /// s.
  public let scale: Double
  /// Eigenvalues of MKM that were below 0 and are taken as 0.
  public let clampedCount: Int
  /// The lowest of them, in units of s; 0 where there is none.
  public let lowestValue: Double

  public var sampleCount: Int { vectors.rows }
  /// q.
  public var covariateRank: Int { covariateBasis.columns }

  public init(
    sampleIDs: [String], covariateBasis: Matrix, values: [Double], vectors: Matrix, kinshipValues: [Double],
    scale: Double, clampedCount: Int, lowestValue: Double
  ) {
    let n = sampleIDs.count
    precondition(covariateBasis.rows == n && vectors.rows == n)
    precondition(kinshipValues.isEmpty || kinshipValues.count == n)
    precondition(values.count == vectors.columns && values.count == n - covariateBasis.columns)
    self.sampleIDs = sampleIDs
    self.covariateBasis = covariateBasis
    self.values = values
    self.vectors = vectors
    self.kinshipValues = kinshipValues
    self.scale = scale
    self.clampedCount = clampedCount
    self.lowestValue = lowestValue
  }
}
