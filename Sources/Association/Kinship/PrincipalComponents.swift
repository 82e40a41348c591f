public import LinearAlgebra
internal import MixedModels
public import StudyData

extension Kinship {
  /// The leading eigenvectors, as covariates for the structure of the population.
  ///
  /// Of the matrix as it is, not centred, as GCTA and PLINK take them.
  ///
  /// - Parameters:
  ///   - count: of components.
  ///   - threads: of BLAS, for more than ``SpectralDecomposition/singleThreadedSamples`` samples; below that one, so that no bit depends on their
  ///     number.
  ///   - memory: bytes for matrices.
  /// - Returns: eigenvalues, descending, and n × count eigenvectors of length 1, each with the sign that makes its largest entry (by magnitude; the
  ///   first of equals) positive.
  /// - Throws: ``StudyError``: `inconsistent` when there are not so many samples, `environment` when memory does not do.
  /// - Complexity: 4/3·n³ flop, 8·n² bytes beside the matrix itself.
  public func principalComponents(_ count: Int, threads: Int = 1, memory: Int = .max) throws(StudyError)
    -> SymmetricEigen
  {
    let n = sampleCount
    guard count <= n else {
      throw StudyError(
        .inconsistent, file: path, "\(count) principal components are asked for of \(n) samples",
        remedy: "ask for fewer (--pcs)")
    }
    let needed = 16 * n * n + 16 * n * count
    guard needed <= memory else {
      throw StudyError(
        .environment, file: path,
        "principal components of \(n) samples need about \(needed >> 20) MiB, --memory allows \(memory >> 20)",
        remedy: "raise --memory, or use fewer samples")
    }
    BLAS.useThreads(n > SpectralDecomposition.singleThreadedSamples ? threads : 1)
    defer { BLAS.useThreads(1) }
    var eigen = SymmetricEigen(largest: count, of: matrix)
    eigen.fixSigns()
    return eigen
  }
}
