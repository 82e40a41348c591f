public import LinearAlgebra
public import StudyData

extension SpectralDecomposition {
  /// Decomposes MKM of the samples of `kinship`, in their order.
  ///
  /// K is centred first (CKC), which REML does not notice, and ML as GEMMA's.
  ///
  /// Eigenvalues below 0 are taken as 0 (a matrix of GCTA's form need not be positive semidefinite, and rounding leaves some): their
  /// number and the lowest are kept.
  ///
  /// - Parameters:
  ///   - kinship: of the analysed samples; used up, to spare its memory.
  ///   - covariateBasis: n × q, orthonormal, with the intercept.
  ///   - forMaximumLikelihood: also makes ``kinshipValues``, which REML does not need; else they are empty.
  ///   - threads: of BLAS, above ``singleThreadedSamples`` samples; below that one, so that no bit depends on their number.
  ///   - memory: bytes for matrices; decides on the algorithm.
  /// - Throws: ``StudyError``: `malformed` when an entry is not finite, `degenerate` when the matrix says nothing of these samples,
  ///   `environment` when memory does not do.
  /// - Complexity: about 9n³ flop, 24 or 16 bytes · n².
  public init(
    of kinship: consuming Kinship, covariateBasis: Matrix, forMaximumLikelihood: Bool = false,
    threads: Int = 1,
    memory: Int = .max
  ) throws(StudyError) {
    let n = kinship.sampleCount
    let (path, ids) = (kinship.path, kinship.sampleIDs)
    precondition(covariateBasis.rows == n && covariateBasis.columns < n)
    let (least, most) = (16 * n * n, 24 * n * n + (forMaximumLikelihood ? 8 * n * n : 0))
    guard memory >= least else {
      throw StudyError(
        .environment, file: path,
        "decomposing the relationship matrix of \(n) samples needs about \(least >> 20) MiB, --memory allows \(memory >> 20)",
        remedy: "raise --memory, or analyse fewer samples")
    }
    var matrix = kinship.matrix
    let trace = matrix.trace
    matrix.center()
    let left = matrix.trace
    guard left.isFinite, matrix.storage.allSatisfy(\.isFinite) else {
      throw StudyError(
        .malformed, file: path, "the relationship matrix has entries that are not finite",
        remedy: "compute it anew, e.g. with swiftqtl grm")
    }
    guard left > 1e-12 * abs(trace) else {
      throw StudyError(
        .degenerate, file: path, "the relationship matrix does not vary among the \(n) analysed samples",
        remedy: "give the matrix of these samples, or leave --grm out")
    }
    let scale = left / Double(n)
    for k in matrix.storage.indices { matrix.storage[k] /= scale }
    BLAS.useThreads(n > Self.singleThreadedSamples ? threads : 1)
    defer { BLAS.useThreads(1) }
    let ofKinship = forMaximumLikelihood ? SymmetricEigen.values(of: matrix).map { max(0, $0) } : []
    let eigen = ComplementEigen(
      of: matrix, complementing: covariateBasis, savesMemory: memory < most)
    self.init(
      sampleIDs: ids, covariateBasis: covariateBasis, values: eigen.values.map { max(0, $0) },
      vectors: eigen.vectors, kinshipValues: ofKinship, scale: scale,
      clampedCount: eigen.values.count { $0 < 0 }, lowestValue: min(0, eigen.values.first ?? 0))
  }

  /// Up to so many samples a decomposition takes seconds on one thread.
  public static let singleThreadedSamples = 2_048
}

extension Matrix {
  fileprivate var trace: Double { (0..<columns).reduce(0) { $0 + self[$1, $1] } }

  /// CKC of a symmetric matrix, C = I − 11'/n.
  fileprivate mutating func center() {
    let n = rows
    let means = (0..<n).map { j in storage[j * n..<(j + 1) * n].reduce(0, +) / Double(n) }
    let mean = means.reduce(0, +) / Double(n)
    for j in 0..<n {
      for i in 0..<n { storage[j * n + i] -= means[i] + means[j] - mean }
    }
  }
}
