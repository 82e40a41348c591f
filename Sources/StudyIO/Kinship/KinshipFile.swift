import LinearAlgebra
public import StudyData

/// Relationship matrices on disk.
///
/// Two forms are written and read:
/// - GCTA's binary one: `PREFIX.grm.bin` (the lower triangle by rows, fp32), `PREFIX.grm.N.bin` (variants by pair, fp32) and `PREFIX.grm.id`
///   (`FID IID` a line).
/// - GEMMA's text: n lines of n numbers. It names no samples: they stand in a file beside it, whose name ends in `.id` in place of
///   `.txt` or `.txt.gz` (`K.grm.txt`, `K.grm.id`), as GCTA's.
///
/// A third is read only: text with sample ids in its first line and its first column, as a user's own tool or R writes it.
public enum KinshipFile {
  /// Reads a matrix of any of these forms, told by name and content.
  ///
  /// - Parameters:
  ///   - path: a prefix of GCTA's files, the `.grm.bin` itself, or text (plain, gzip or bgzip).
  ///   - ids: the samples of a text that names none and has no `.id` file, in its order: for GEMMA's matrices those of the genotype file.
  /// - Returns: a matrix made exactly symmetric (by the mean of both triangles, where a text has both).
  /// - Throws: ``StudyError``: `environment` when a file cannot be read, `malformed` with file and line when it breaks its form,
  ///   has numbers that are not finite, is not symmetric to 1e-6 of its largest entry or names a sample twice, `inconsistent` when matrix
  ///   and sample list differ in size.
  /// - Complexity: one pass; 8·n² bytes, and 4·n² more for GCTA's.
  public static func read(_ path: String, ids: [String]? = nil) throws(StudyError) -> Kinship {
    if !LocalFile.exists(path) {
      if LocalFile.exists(path + ".grm.bin") { return try GCTAKinship.read(path) }
      if LocalFile.exists(path + ".grm.txt") { return try KinshipText.read(path + ".grm.txt", ids: ids) }
    }
    if path.hasSuffix(".grm.bin") { return try GCTAKinship.read(String(path.dropLast(8))) }
    return try KinshipText.read(path, ids: ids)
  }

  /// Every file that ``read(_:ids:)`` opens, for the manifest.
  public static func files(_ path: String) -> [String] {
    if !LocalFile.exists(path) {
      if LocalFile.exists(path + ".grm.bin") { return files(path + ".grm.bin") }
      if LocalFile.exists(path + ".grm.txt") { return files(path + ".grm.txt") }
    }
    if path.hasSuffix(".grm.bin") {
      let prefix = path.dropLast(3)
      return [path] + [prefix + "N.bin", prefix + "id"].filter(LocalFile.exists)
    }
    return [path] + [KinshipText.idPath(path)].filter(LocalFile.exists)
  }

  /// Where `swiftqtl grm --by-chromosome` put the matrix of one chromosome beside the whole one.
  ///
  /// - Parameters:
  ///   - path: of the whole, as ``read(_:ids:)`` takes it.
  ///   - chromosome: its normalised name.
  /// - Returns: nil where there is none of a sex chromosome, of a pseudoautosomal region or of MT, which are left out as a rule.
  /// - Throws: ``StudyError`` `environment` when there is none of another.
  public static func part(of path: String, chromosome: String) throws(StudyError) -> String? {
    let prefix = path.hasSuffix(".grm.bin") ? String(path.dropLast(8)) : path
    let part = "\(prefix).chr\(chromosome).grm.bin"
    if LocalFile.exists(part) { return part }
    guard Chromosome.isAutosome(chromosome) else { return nil }
    throw StudyError(
      .environment, file: part, "the relationship matrix has no file of chromosome \(chromosome)",
      remedy: "make it with swiftqtl grm --by-chromosome, or leave the chromosome out with --region")
  }

  /// Writes GCTA's three files; what has no count of variants gets 0.
  ///
  /// - Returns: their paths.
  public static func writeGCTA(_ kinship: Kinship, prefix: String, to output: OutputTransaction)
    throws(StudyError)
    -> [String]
  {
    try GCTAKinship.write(kinship, prefix: prefix, to: output)
  }

  /// Writes `PREFIX.grm.txt` with 17 digits, from which fp64 is read back exactly, and `PREFIX.grm.id`.
  ///
  /// - Returns: their paths.
  public static func writeText(_ kinship: Kinship, prefix: String, to output: OutputTransaction)
    throws(StudyError)
    -> [String]
  {
    try KinshipText.write(kinship, prefix: prefix, to: output)
  }
}

/// Lists of samples beside a matrix.
enum KinshipIDs {
  /// `FID IID` a line (or one id), a header that begins with `#` as PLINK 2 writes; named as ``PlinkSource`` names its samples.
  ///
  /// - Throws: ``StudyError`` `malformed` when there is none or one twice.
  static func read(_ path: String) throws(StudyError) -> [String] {
    let reader = try LineReader(path: path)
    var families: [String] = []
    var individuals: [String] = []
    var idColumn: Int?
    while let line = try reader.next() {
      let cells = CellSeparator(header: line).cells(line).map(\.text)
      guard let first = cells.first else { continue }
      if individuals.isEmpty, idColumn == nil, first.hasPrefix("#") {
        idColumn = cells.firstIndex { ["IID", "#IID"].contains($0.uppercased()) } ?? 0
        continue
      }
      let column = idColumn ?? (cells.count > 1 ? 1 : 0)
      guard cells.count > column, !cells[column].isEmpty else {
        throw reader.malformed(
          "the line has no individual id", remedy: "write family and individual id, e.g. 0 NA12878")
      }
      families.append(column == 0 ? "0" : first)
      individuals.append(cells[column])
    }
    guard !individuals.isEmpty else {
      throw StudyError(
        .malformed, file: path, "the file names no sample", remedy: "write family and individual id a line")
    }
    return try FamSamples.names(families, individuals, path: path).ids
  }

  /// Without families: FID is 0, PLINK's word for none.
  static func write(_ ids: [String], to writer: TableWriter) throws(StudyError) {
    var buffer = RowBuffer()
    for id in ids {
      buffer.append("0\t\(id)\n")
    }
    try writer.append(buffer)
  }
}
