import LinearAlgebra
import StudyData

/// GCTA's binary relationship matrix: fp32, the lower triangle with the diagonal, row by row.
enum GCTAKinship {
  static func read(_ prefix: String) throws(StudyError) -> Kinship {
    let (path, countPath, idPath) = (prefix + ".grm.bin", prefix + ".grm.N.bin", prefix + ".grm.id")
    let file = try BinaryReader(path: path)
    let ids = try KinshipIDs.read(idPath)
    let n = ids.count
    try checkSize(file, n, idPath)
    var matrix = Matrix(rows: n, columns: n)
    for i in 0..<n {
      let row = try file.values(i + 1, of: Float(0))
      if let bad = row.firstIndex(where: { !$0.isFinite }) {
        throw StudyError(
          .malformed, file: path, line: i * (i + 1) / 2 + bad + 1,
          "the entry of samples \(ids[i]) and \(ids[bad]) is \(row[bad])",
          remedy: "make the matrix again, without samples that have no genotypes")
      }
      // A column of the upper triangle is contiguous; mirrored below.
      for (j, value) in row.enumerated() { matrix.storage[i * n + j] = Double(value) }
    }
    matrix.mirrorUpperTriangle()
    return Kinship(
      path: path, sampleIDs: ids, matrix: matrix, variantCounts: try counts(countPath, n, idPath))
  }

  private static func counts(_ path: String, _ n: Int, _ idPath: String) throws(StudyError)
    -> Kinship.VariantCounts
  {
    guard LocalFile.exists(path) else { return .uniform(0) }
    let file = try BinaryReader(path: path)
    try checkSize(file, n, idPath)
    let counts = try file.values(n * (n + 1) / 2, of: Float(0))
    if let bad = counts.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
      throw StudyError(
        .malformed, file: path, line: bad + 1, "a number of variants is \(counts[bad])",
        remedy: "make the matrix again, or remove the file if the counts are not needed")
    }
    return counts.allSatisfy { $0 == counts[0] } ? .uniform(Double(counts[0])) : .pairwise(counts)
  }

  private static func checkSize(_ file: BinaryReader, _ n: Int, _ idPath: String) throws(StudyError) {
    let expected = 2 * n * (n + 1)
    guard file.size != expected else { return }
    throw StudyError(
      .inconsistent, file: file.path,
      "\(n) samples (\(idPath)) need \(expected) bytes, found \(file.size): one of the two files is cut short or of another set",
      remedy: "give the files of one run of GCTA, PLINK or swiftqtl grm")
  }

  static func write(_ kinship: Kinship, prefix: String, to output: OutputTransaction) throws(StudyError)
    -> [String]
  {
    let paths = ["bin", "N.bin", "id"].map { "\(prefix).grm.\($0)" }
    let (matrix, counts) = (
      try output.open(paths[0], compression: .none), try output.open(paths[1], compression: .none)
    )
    let n = kinship.sampleCount
    for i in 0..<n {
      // Column i of the upper triangle is row i of the lower one.
      try matrix.append(values: kinship.matrix.storage[i * n...i * n + i].map { Float($0) })
      if case .uniform(let count) = kinship.variantCounts {
        try counts.append(values: [Float](repeating: Float(count), count: i + 1))
      }
    }
    if case .pairwise(let values) = kinship.variantCounts { try counts.append(values: values) }
    try KinshipIDs.write(kinship.sampleIDs, to: try output.open(paths[2], compression: .none))
    return paths
  }
}
