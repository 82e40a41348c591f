internal import LinearAlgebra

/// How samples depend on each other: what makes a scan one of a mixed model.
public enum Relatedness: Sendable {
  case kinship(Kinship)
  /// Of exactly the analysed samples and their covariates, made before.
  case decomposition(SpectralDecomposition)

  public var sampleIDs: [String] {
    switch self {
    case .kinship(let kinship): kinship.sampleIDs
    case .decomposition(let decomposition): decomposition.sampleIDs
    }
  }

  public var path: String {
    switch self {
    case .kinship(let kinship): kinship.path
    case .decomposition: "the stored decomposition"
    }
  }

  /// That of some samples, in the order asked for.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when a sample is not there, or a decomposition is of others beside.
  func restricted(to ids: [String]) throws(StudyError) -> Relatedness {
    switch self {
    case .kinship(let kinship): return .kinship(try kinship.restricted(to: ids))
    case .decomposition(let decomposition):
      guard decomposition.sampleCount == ids.count, Set(decomposition.sampleIDs) == Set(ids) else {
        throw StudyError(
          .inconsistent,
          "the stored decomposition is of \(decomposition.sampleCount) samples, \(ids.count) are analysed",
          remedy: "store it for the analysed samples (grm --eigen --samples), or give the relationship matrix"
        )
      }
      return .decomposition(decomposition.reordered(to: ids))
    }
  }
}

extension SpectralDecomposition {
  /// The same samples in another order.
  func reordered(to ids: [String]) -> SpectralDecomposition {
    if ids == sampleIDs { return self }
    var position: [String: Int] = [:]
    for (i, id) in sampleIDs.enumerated() { position[id] = i }
    let rows = ids.map { position[$0]! }
    return SpectralDecomposition(
      sampleIDs: ids, covariateBasis: covariateBasis.selectingRows(rows), values: values,
      vectors: vectors.selectingRows(rows), kinshipValues: kinshipValues, scale: scale,
      clampedCount: clampedCount, lowestValue: lowestValue)
  }
}
