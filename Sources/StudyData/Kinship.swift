public import LinearAlgebra

/// A genomic relationship matrix (GRM), or any other covariance of samples given by the user, and whose it is.
public struct Kinship: Sendable {
  /// Variants behind the entries.
  public enum VariantCounts: Sendable, Equatable {
    /// The same number for every pair; 0 where nothing is known.
    case uniform(Double)
    /// By pair, as the lower triangle by rows (GCTA's order): entry (i, j ≤ i) at i(i + 1)/2 + j.
    case pairwise([Float])
  }

  /// For messages.
  public let path: String
  /// Unique; the order of rows and columns.
  public let sampleIDs: [String]
  /// n × n, both triangles; finite and symmetric.
  public let matrix: Matrix
  public let variantCounts: VariantCounts

  public var sampleCount: Int { sampleIDs.count }

  public init(path: String, sampleIDs: [String], matrix: Matrix, variantCounts: VariantCounts = .uniform(0)) {
    precondition(matrix.rows == sampleIDs.count && matrix.columns == sampleIDs.count)
    self.path = path
    self.sampleIDs = sampleIDs
    self.matrix = matrix
    self.variantCounts = variantCounts
  }

  /// Rows and columns of some samples, in the order asked for.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when one of them is not in the matrix.
  /// - Complexity: 8·k² bytes for k samples.
  public func restricted(to ids: [String]) throws(StudyError) -> Kinship {
    if ids == sampleIDs { return self }
    var position: [String: Int] = [:]
    for (i, id) in sampleIDs.enumerated() { position[id] = i }
    let absent = ids.filter { position[$0] == nil }
    guard absent.isEmpty else {
      throw StudyError(
        .inconsistent, file: path,
        "\(absent.count) of \(ids.count) samples are not in the relationship matrix (\(firstNames(absent)))",
        remedy: "use the same sample ids, or leave those samples out")
    }
    let indices = ids.map { position[$0]! }
    let (n, k) = (sampleCount, ids.count)
    var values = [Double](repeating: 0, count: k * k)
    for (j, from) in indices.enumerated() {
      for (i, row) in indices.enumerated() { values[j * k + i] = matrix.storage[from * n + row] }
    }
    return Kinship(
      path: path, sampleIDs: ids, matrix: Matrix(rows: k, columns: k, storage: values),
      variantCounts: variantCounts.restricted(to: indices))
  }
}

extension Kinship.VariantCounts {
  fileprivate func restricted(to indices: [Int]) -> Self {
    guard case .pairwise(let counts) = self else { return self }
    var own: [Float] = []
    own.reserveCapacity(indices.count * (indices.count + 1) / 2)
    for (i, a) in indices.enumerated() {
      for b in indices[...i] {
        let (high, low) = (max(a, b), min(a, b))
        own.append(counts[high * (high + 1) / 2 + low])
      }
    }
    return .pairwise(own)
  }
}
