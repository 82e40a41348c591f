import StudyData

/// The part of a VCF header that a scan needs.
struct VCFHeader: Sendable {
  private(set) var samples: [String] = []
  private(set) var formats: Set<String> = []
  private(set) var infos: Set<String> = []
  private(set) var contigs: [String] = []
  /// Lines up to and with `#CHROM`.
  private(set) var lineCount = 0

  static let fixedColumns = 9

  /// Reads `##…` and `#CHROM` lines.
  ///
  /// - Throws: `malformed` for content that is no VCF, a missing `#CHROM` line, no samples or repeated ones.
  init(reader: TextBlockReader) throws(StudyError) {
    if reader.isEmpty {
      throw StudyError(
        .malformed, file: reader.path, "the file is empty", remedy: "give a VCF with genotypes")
    }
    while let block = try reader.nextBlock(lines: 1) {
      lineCount += 1
      let isDone = try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) -> Bool in
        try read(block.line(0, in: text), path: reader.path)
      }
      if isDone { return }
    }
    throw Self.malformed(reader.path, lineCount, "the VCF has no #CHROM line", "restore the header")
  }

  /// The header of a BCF, which is that of a VCF.
  init(text: String, path: String) throws(StudyError) {
    let bytes = Array(text.utf8)
    try bytes.withUnsafeBufferPointer { (bytes) throws(StudyError) in
      for line in bytes.split(separator: 10) {
        lineCount += 1
        if try read(FieldBytes(rebasing: line), path: path) { return }
      }
    }
    guard !samples.isEmpty else {
      throw Self.malformed(path, lineCount, "the BCF has no samples", "give a BCF with genotypes")
    }
  }

  /// - Returns: whether this was the last line of the header.
  private mutating func read(_ line: FieldBytes, path: String) throws(StudyError) -> Bool {
    if lineCount == 1, !line.starts(with: "##fileformat=VCF".utf8), !line.starts(with: "#CHROM\t".utf8) {
      throw Self.malformed(
        path, 1, "not a VCF: it does not start with ##fileformat=VCF", "give a VCF or BCF file")
    }
    if line.starts(with: "##".utf8) {
      if let id = Self.id(of: "FORMAT", in: line) { formats.insert(id) }
      if let id = Self.id(of: "INFO", in: line) { infos.insert(id) }
      if let id = Self.id(of: "contig", in: line) { contigs.append(id) }
      return false
    }
    guard line.starts(with: "#CHROM".utf8) else {
      throw Self.malformed(
        path, lineCount, "the #CHROM line is missing before the first record", "restore the header")
    }
    try readColumns(line, path)
    return true
  }

  private mutating func readColumns(_ line: FieldBytes, _ path: String) throws(StudyError) {
    let names = line.split(separator: 9, omittingEmptySubsequences: false)
      .map { FieldBytes(rebasing: $0).string }
    let fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    guard names.prefix(9).elementsEqual(fixed.prefix(min(names.count, 9))), names.count >= 8 else {
      throw Self.malformed(
        path, lineCount, "the #CHROM line does not name the columns of a VCF",
        "name them \(fixed.joined(separator: " ")), separated by tabs")
    }
    samples = Array(names.dropFirst(9))
    guard !samples.isEmpty else {
      throw Self.malformed(path, lineCount, "the VCF has no samples", "give a VCF with genotypes")
    }
    if let duplicate = firstDuplicate(samples) {
      throw Self.malformed(path, lineCount, "sample \(duplicate) occurs twice", "make the sample ids unique")
    }
    guard !samples.contains("") else {
      throw Self.malformed(path, lineCount, "a sample has no name", "name every column")
    }
  }

  /// The ID of `##key=<ID=…,…>`.
  static func id(of key: String, in line: FieldBytes) -> String? {
    let lead = Array("##\(key)=<".utf8)
    guard line.starts(with: lead) else { return nil }
    for part in line.dropFirst(lead.count).split(separator: UInt8(ascii: ",")) {
      guard part.starts(with: "ID=".utf8) else { continue }
      return String(decoding: part.dropFirst(3).prefix { $0 != UInt8(ascii: ">") }, as: UTF8.self)
    }
    return nil
  }

  private static func malformed(_ path: String, _ line: Int, _ cause: String, _ remedy: String)
    -> StudyError
  {
    StudyError(.malformed, file: path, line: line, cause, remedy: remedy)
  }
}

/// Which FORMAT field of a VCF holds the genotypes.
public enum DosageField: String, Sendable, CaseIterable {
  /// Hard calls.
  case gt = "GT"
  /// Expected ALT dosage of imputed genotypes.
  case ds = "DS"
  /// Genotype probabilities, from which the expected dosage is taken.
  case gp = "GP"

  /// The field to read: the one asked for, else the first of DS, GT and GP that the header declares.
  init(asked: DosageField?, declared: Set<String>, path: String) throws(StudyError) {
    let choice = asked ?? [.ds, .gt, .gp].first { declared.contains($0.rawValue) } ?? .gt
    guard declared.contains(choice.rawValue) else {
      let found = declared.isEmpty ? "none" : declared.sorted().prefix(10).joined(separator: ", ")
      let wanted = asked.map(\.rawValue) ?? "DS, GT or GP"
      throw StudyError(
        .inconsistent, file: path, "the header declares no FORMAT field \(wanted) (it declares \(found))",
        remedy: asked == nil
          ? "give a VCF with GT, DS or GP" : "choose another --dosage-field, or give a VCF that has \(wanted)"
      )
    }
    self = choice
  }
}
