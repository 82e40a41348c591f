import Glibc
import LinearAlgebra
public import StudyData

/// A ``SpectralDecomposition`` on disk, so that a cluster decomposes a relationship matrix once.
///
/// Little-endian; offsets in bytes:
///
/// | offset | content |
/// |---|---|
/// | 0 | `SwQTLeig` |
/// | 8 | UInt64: version, 1 |
/// | 16 | UInt64: n, samples |
/// | 24 | UInt64: q, rank of the covariates with the intercept |
/// | 32 | UInt64: eigenvalues of the matrix itself, n or 0 |
/// | 40 | Float64: scale s |
/// | 48 | UInt64: eigenvalues that were below 0 |
/// | 56 | Float64: the lowest of them, in units of s |
/// | 64 | UInt64: L, bytes of the sample list |
/// | 72 | UInt64 × 2: XXH3-128 of the sample list, high half first: the same for the same samples in the same order |
/// | 88 | sample list: UTF-8, each id ended by LF, then zeros up to a multiple of 8 |
/// | | Float64 × (n − q): eigenvalues, ascending |
/// | | Float64 × n or 0: eigenvalues of the matrix itself, ascending |
/// | | Float64 × n·q: basis of the covariates, by column |
/// | | Float64 × n·(n − q): eigenvectors, by column |
/// | | UInt64 × 2: XXH3-128 of all bytes before, high half first |
public enum SpectralFile {
  private static let magic = Array("SwQTLeig".utf8)
  private static let version: UInt64 = 1
  private static let listOffset = 88
  /// More samples than any matrix in memory can have.
  private static let largest: UInt64 = 1 << 24

  /// - Complexity: 8·n² bytes for n samples, one pass.
  public static func write(_ decomposition: SpectralDecomposition, to writer: TableWriter) throws(StudyError)
  {
    let list = Array(decomposition.sampleIDs.map { $0 + "\n" }.joined().utf8)
    let ofList = RunningHash()
    list.withUnsafeBytes { ofList.add($0) }
    let hash = RunningHash()
    func put<Value: BitwiseCopyable>(_ values: [Value]) throws(StudyError) {
      try writer.append(values: values, hashing: hash)
    }
    try put(magic)
    try put([
      version, UInt64(decomposition.sampleCount), UInt64(decomposition.covariateRank),
      UInt64(decomposition.kinshipValues.count), decomposition.scale.bitPattern,
      UInt64(decomposition.clampedCount), decomposition.lowestValue.bitPattern, UInt64(list.count),
    ])
    try put(ofList.value)
    try put(list + [UInt8](repeating: 0, count: padding(list.count)))
    try put(decomposition.values)
    try put(decomposition.kinshipValues)
    try put(decomposition.covariateBasis.storage)
    try put(decomposition.vectors.storage)
    try writer.append(values: hash.value)
  }

  /// Reads what ``write(_:to:)`` wrote, bit by bit, and verifies all of it.
  ///
  /// - Throws: ``StudyError``: `environment` when the file cannot be read, `malformed` when it is no such file, of another version, cut short or
  ///   damaged.
  public static func read(_ path: String) throws(StudyError) -> SpectralDecomposition {
    let file = try BinaryReader(path: path)
    guard file.size >= listOffset + 16, try file.values(magic.count, of: UInt8(0)) == magic else {
      throw StudyError(
        .malformed, file: path, "not a decomposition of a relationship matrix",
        remedy: "give the .eigen file that swiftqtl grm --eigen wrote")
    }
    let found = try file.value(UInt64(0))
    guard found == version else {
      throw StudyError(
        .malformed, file: path, "the file is of version \(found), this program reads version \(version)",
        remedy: "make it again with this version's swiftqtl grm --eigen")
    }
    let header = try file.values(7, of: UInt64(0))
    let sizes = [header[0], header[1], header[2]]
    guard sizes.allSatisfy({ $0 <= largest }), header[1] < header[0],
      header[2] == 0 || header[2] == header[0],
      header[6] <= UInt64(file.size), let clamped = Int(exactly: header[4])
    else { throw damaged(path) }
    let (n, q, own, listBytes) = (Int(sizes[0]), Int(sizes[1]), Int(sizes[2]), Int(header[6]))
    let padded = listBytes + padding(listBytes)
    let expected = listOffset + padded + 8 * ((n - q) + own + n * q + n * (n - q)) + 16
    guard file.size == expected else {
      throw StudyError(
        .malformed, file: path, "\(n) samples and \(q) covariates need \(expected) bytes, found \(file.size)",
        remedy: "copy or make it again")
    }
    let listHash = try file.values(2, of: UInt64(0))
    let list = try file.values(padded, of: UInt8(0))
    let values = try file.values(n - q, of: 0.0)
    let kinshipValues = try file.values(own, of: 0.0)
    let basis = try file.values(n * q, of: 0.0)
    let vectors = try file.values(n * (n - q), of: 0.0)
    let hash = file.checksum
    guard try file.values(2, of: UInt64(0)) == hash else { throw damaged(path) }
    let ofList = RunningHash()
    list[..<listBytes].withUnsafeBytes { ofList.add($0) }
    let ids = list[..<listBytes].split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    guard ofList.value == listHash, ids.count == n, firstDuplicate(ids) == nil else { throw damaged(path) }
    return SpectralDecomposition(
      sampleIDs: ids, covariateBasis: Matrix(rows: n, columns: q, storage: basis), values: values,
      vectors: Matrix(rows: n, columns: n - q, storage: vectors), kinshipValues: kinshipValues,
      scale: Double(bitPattern: header[3]), clampedCount: clamped,
      lowestValue: Double(bitPattern: header[5]))
  }

  private static func padding(_ bytes: Int) -> Int { (8 - bytes % 8) % 8 }

  private static func damaged(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "the file is damaged: its checksum does not fit its content",
      remedy: "copy or make it again")
  }
}
