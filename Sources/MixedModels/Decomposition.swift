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
  ///   - kinship: of the analysed samples; used up: where the caller keeps none its memory serves for the vectors.
  ///   - covariateBasis: n × q, orthonormal, with the intercept.
  ///   - forMaximumLikelihood: also makes ``kinshipValues``, which REML does not need; else they are empty. With covariates they take as
  ///     long as the rest.
  ///   - threads: of BLAS, above ``singleThreadedSamples`` samples; below that one, so that no bit depends on their number.
  ///   - memory: bytes for all this and the matrix (8·n², to be set apart by a caller that keeps it).
  /// - Throws: ``StudyError``: `malformed` when an entry is not finite, `degenerate` when the matrix says nothing of these samples,
  ///   `environment` when memory does not do, before any work.
  /// - Complexity: about 9n³ flop; memory as ``Need`` says.
  public init(
    of kinship: consuming Kinship, covariateBasis: Matrix, forMaximumLikelihood: Bool = false,
    threads: Int = 1,
    memory: Int = .max
  ) throws(StudyError) {
    let n = kinship.sampleCount
    let (path, ids) = (kinship.path, kinship.sampleIDs)
    precondition(covariateBasis.rows == n && covariateBasis.columns < n)
    let need = try Need(samples: n, path: path, memory: memory)
    // Moved on, here and below: a second reference would copy it.
    var matrix = (consume kinship).matrix
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
    // Of the intercept alone the complement holds all of CKC but its 0.
    let isOfIntercept = covariateBasis.columns == 1
    var ofKinship: [Double] = []
    if forMaximumLikelihood, !isOfIntercept { ofKinship = SymmetricEigen.values(of: matrix) }
    let eigen = ComplementEigen(
      of: consume matrix, complementing: covariateBasis, savesMemory: need.algorithm == .robustRepresentations
    )
    if forMaximumLikelihood, isOfIntercept { ofKinship = ([0] + eigen.values).sorted() }
    self.init(
      sampleIDs: ids, covariateBasis: covariateBasis, values: eigen.values.map { max(0, $0) },
      vectors: eigen.vectors, kinshipValues: ofKinship.map { max(0, $0) }, scale: scale,
      clampedCount: eigen.values.count { $0 < 0 }, lowestValue: min(0, eigen.values.first ?? 0))
  }

  /// Up to so many samples a decomposition takes seconds on one thread.
  public static let singleThreadedSamples = 2_048

  /// What a decomposition takes, known before any work.
  public struct Need: Sendable, Equatable {
    public enum Algorithm: String, Sendable {
      /// 24·n² bytes; the faster.
      case divideAndConquer = "divide and conquer"
      /// 16·n² bytes.
      case robustRepresentations = "relatively robust representations"

      fileprivate func bytes(_ n: Int) -> Int { (self == .divideAndConquer ? 24 : 16) * n * n + (64 << 20) }
    }

    public let algorithm: Algorithm
    /// At the peak, the relationship matrix with it.
    public let bytes: Int

    /// The faster algorithm for which memory does.
    ///
    /// - Parameter path: of the matrix, for the message.
    /// - Throws: ``StudyError`` `environment` when it does for neither.
    public init(samples n: Int, path: String, memory: Int) throws(StudyError) {
      let (least, most) = (
        Algorithm.robustRepresentations.bytes(n), Algorithm.divideAndConquer.bytes(n)
      )
      guard memory >= least else {
        throw StudyError(
          .environment, file: path,
          "decomposing the relationship matrix of \(n) samples needs about \(least >> 20) MiB, --memory allows \(memory >> 20)",
          remedy: "raise --memory, or analyse fewer samples")
      }
      let isFast = memory >= most && n <= ComplementEigen.mostDividedSamples
      algorithm = isFast ? .divideAndConquer : .robustRepresentations
      bytes = isFast ? most : least
    }
  }
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
