import CHTSlib
import Glibc
public import StudyData

/// Opens genotype files of any kind that is read here.
public enum GenotypeFile {
  /// Opens one file set, or several as one source.
  ///
  /// - Parameters:
  ///   - paths: each a PLINK prefix (or one of its three files; of a PLINK 1 and a PLINK 2 set of one prefix the
  ///     former), a VCF or BCF, a BGEN, a text matrix, or `@file`, a list of such.
  ///     The kind is seen from the content.
  ///   - dosageField: for VCF and BCF; nil takes DS where it is declared, else GT.
  ///   - locations: for text matrices, a file of id, chromosome and position.
  /// - Throws: `environment` when a file cannot be opened, `malformed` or `inconsistent` as the reader finds.
  public static func open(
    _ paths: [String], dosageField: DosageField? = nil, locations: String? = nil
  ) throws(StudyError) -> any GenotypeSource {
    var all: [String] = []
    for path in paths {
      if path.hasPrefix("@") { all += try expandList(String(path.dropFirst())) } else { all.append(path) }
    }
    precondition(!all.isEmpty)
    if let twice = firstDuplicate(all) {
      throw StudyError(
        .inconsistent, file: twice, "the genotype file is given twice", remedy: "name each file once")
    }
    var sources: [any GenotypeSource] = []
    var table: VariantLocations?
    for path in all {
      sources.append(
        try openOne(path, dosageField: dosageField, locations: locations, table: &table))
    }
    return sources.count == 1 ? sources[0] : try ConcatenatedSource(sources)
  }

  /// The paths in a list file: one per line, blank lines and lines that start with `#` left out.
  public static func expandList(_ path: String) throws(StudyError) -> [String] {
    let reader = try TextBlockReader(path: path)
    var entries: [String] = []
    while let block = try reader.nextBlock(lines: 512) {
      block.bytes.withUnsafeBufferPointer { text in
        for index in 0..<block.count {
          let entry = MatrixLayout.unquoted(block.line(index, in: text)).string
          if !entry.isEmpty, !entry.hasPrefix("#") { entries.append(entry) }
        }
      }
    }
    guard !entries.isEmpty else {
      throw StudyError(.malformed, file: path, "the list names no file", remedy: "give one path per line")
    }
    return entries
  }

  /// - Parameter table: what `locations` holds, read for the first matrix.
  private static func openOne(
    _ path: String, dosageField: DosageField?, locations: String?, table: inout VariantLocations?
  ) throws(StudyError) -> any GenotypeSource {
    guard LocalFile.exists(path) else {
      if LocalFile.exists(path + ".bed") { return try plink(path, dosageField, locations) }
      if LocalFile.exists(path + ".pgen") { return try pgen(path, dosageField, locations) }
      // Says why.
      _ = try LocalFile.size(of: path)
      throw .unreadable(path, ENOENT)
    }
    for suffix in [".bim", ".fam", ".pvar", ".pvar.zst", ".psam", ".pgen.pgi"] where path.hasSuffix(suffix) {
      let prefix = String(path.dropLast(suffix.count))
      let isFirst = suffix == ".bim" || suffix == ".fam"
      if isFirst, LocalFile.exists(prefix + ".bed") { return try plink(prefix, dosageField, locations) }
      if LocalFile.exists(prefix + ".pgen") { return try pgen(prefix, dosageField, locations) }
    }
    switch try kind(of: path) {
    case .bed:
      guard path.hasSuffix(".bed") else {
        throw StudyError(
          .malformed, file: path, "a PLINK bed file whose name does not end in .bed",
          remedy: "rename the set to PREFIX.bed, PREFIX.bim and PREFIX.fam")
      }
      return try plink(String(path.dropLast(4)), dosageField, locations)
    case .pgen:
      guard path.hasSuffix(".pgen") else {
        throw StudyError(
          .malformed, file: path, "a PLINK 2 pgen file whose name does not end in .pgen",
          remedy: "rename the set to PREFIX.pgen, PREFIX.pvar and PREFIX.psam")
      }
      return try pgen(String(path.dropLast(5)), dosageField, locations)
    case .vcf, .bcf:
      try refuse(locations, path)
      return try VCFSource(path: path, dosageField: dosageField)
    case .bgen:
      try refuse(dosageField, path)
      try refuse(locations, path)
      return try BGENSource(path: path)
    case .matrix:
      try refuse(dosageField, path)
      if let locations, table == nil { table = try VariantLocations(path: locations) }
      return try DosageMatrixSource(path: path, table: table)
    }
  }

  private static func plink(_ prefix: String, _ dosageField: DosageField?, _ locations: String?)
    throws(StudyError) -> PlinkSource
  {
    try refuse(dosageField, prefix + ".bed")
    try refuse(locations, prefix + ".bed")
    return try PlinkSource(prefix: prefix)
  }

  private static func pgen(_ prefix: String, _ dosageField: DosageField?, _ locations: String?)
    throws(StudyError) -> PgenSource
  {
    try refuse(dosageField, prefix + ".pgen")
    try refuse(locations, prefix + ".pgen")
    return try PgenSource(prefix: prefix)
  }

  private static func refuse(_ field: DosageField?, _ path: String) throws(StudyError) {
    guard let field else { return }
    throw StudyError(
      .inconsistent, file: path, "the field \(field.rawValue) is asked for, but this is not a VCF or BCF",
      remedy: "leave --dosage-field out")
  }

  private static func refuse(_ locations: String?, _ path: String) throws(StudyError) {
    guard let locations else { return }
    throw StudyError(
      .inconsistent, file: path, "the file has locations of its own, but \(locations) is given",
      remedy: "a locations file goes with a text matrix only")
  }

  enum Kind {
    case bed
    case pgen
    case vcf
    case bcf
    case bgen
    case matrix
  }

  /// The kind of a file, from its first bytes (decompressed).
  static func kind(of path: String) throws(StudyError) -> Kind {
    let size = try LocalFile.size(of: path)
    guard size > 0 else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "check how it was made")
    }
    // Before anything that decompresses: a BGEN may start with any two bytes, those of gzip, too.
    if BGENFile.isBGEN(try LocalFile.start(of: path, count: 20)) { return .bgen }
    let start = try firstBytes(path)
    if start.starts(with: [0x6C, 0x1B]) {
      // PLINK 2 takes a bed file by the name .pgen, too.
      return path.hasSuffix(".pgen") || start.count > 2 && start[2] > 1 ? .pgen : .bed
    }
    if start.starts(with: "BCF".utf8) { return .bcf }
    let text = start.starts(with: [0xEF, 0xBB, 0xBF]) ? start.dropFirst(3) : start[...]
    if text.starts(with: "##".utf8) || text.starts(with: "#CHROM\t".utf8) { return .vcf }
    for name in [".vcf", ".vcf.gz", ".vcf.bgz", ".bcf"] where path.hasSuffix(name) {
      throw StudyError(
        .malformed, file: path, "not a VCF or BCF, though its name says so",
        remedy: "check how the file was made")
    }
    if path.hasSuffix(".pgen") {
      throw StudyError(
        .malformed, file: path, "not a PLINK 2 pgen file: it does not start with the bytes 6c 1b",
        remedy: "make it with plink2 --make-pgen")
    }
    if path.hasSuffix(".bgen") {
      throw StudyError(
        .malformed, file: path, "not a BGEN file, though its name says so",
        remedy: "check how the file was made")
    }
    if path.hasSuffix(".bed") {
      throw StudyError(
        .malformed, file: path, "not a PLINK bed file: it does not start with the bytes 6c 1b",
        remedy: "give a variant-major bed file (plink2 --make-bed)")
    }
    return .matrix
  }

  private static func firstBytes(_ path: String) throws(StudyError) -> [UInt8] {
    let file = try DecompressedFile(path: path)
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = try bytes.withUnsafeMutableBufferPointer { (bytes) throws(StudyError) in
      try file.read(into: UnsafeMutableRawBufferPointer(bytes))
    }
    return Array(bytes[..<count])
  }
}
