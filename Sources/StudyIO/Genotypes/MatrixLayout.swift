import Glibc
import StudyData

/// How a text matrix is laid out, worked out from its header and first row.
struct MatrixLayout: Sendable {
  private(set) var sampleIDs: [String] = []
  /// A tab, a comma, or a space for runs of blanks.
  private(set) var separator: UInt8
  /// Columns of annotation behind the id.
  private(set) var annotation: [Annotation] = []
  /// Lines before the first row.
  private(set) var headerLines = 1
  /// BIMBAM: the file that names the samples.
  private(set) var samplesPath: String?

  enum Annotation: Sendable {
    case chromosome
    case position
    case ref
    case alt

    init?(header: String) {
      switch header.lowercased() {
      case "chr", "chrom", "chromosome", "#chr", "#chrom": self = .chromosome
      case "pos", "position", "bp": self = .position
      case "ref": self = .ref
      case "alt": self = .alt
      default: return nil
      }
    }
  }

  init(reader: TextBlockReader) throws(StudyError) {
    separator = 9
    if reader.isEmpty {
      throw StudyError(
        .malformed, file: reader.path, "the file is empty", remedy: "give a matrix of dosages")
    }
    var lines: [[String]] = []
    while lines.count < 2, let block = try reader.nextBlock(lines: 1) {
      let isFirst = lines.isEmpty
      let row = try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) -> [String] in
        let line = block.line(0, in: text)
        if isFirst {
          try Self.checkText(line, path: reader.path)
          separator = line.contains(9) ? 9 : line.contains(44) ? 44 : 32
        }
        return cells(of: line)
      }
      if isFirst { headerLines = block.firstLine }
      if !row.isEmpty { lines.append(row) }
    }
    if let row = lines.first, Self.isMeanGenotypes(row) {
      try readSamples(of: reader.path, count: row.count - 3)
      return
    }
    guard lines.count == 2 else {
      throw StudyError(
        .malformed, file: reader.path, "the matrix has no rows",
        remedy: "give a header of sample ids and a row per variant")
    }
    try readHeader(lines[0], firstRow: lines[1], path: reader.path)
  }

  /// Whether a first line is a row of BIMBAM's mean genotypes, which have no header: an id, two alleles and dosages.
  private static func isMeanGenotypes(_ row: [String]) -> Bool {
    guard row.count > 3 else { return false }
    let areAlleles = row[1...2].allSatisfy {
      !$0.isEmpty && $0.utf8.allSatisfy("ACGTNacgtn-+*".utf8.contains)
    }
    let values = row[3...].filter { $0 != "NA" }.map { Double($0) }
    return areAlleles && !values.isEmpty && values.allSatisfy { $0.map { (0...2).contains($0) } ?? false }
  }

  /// BIMBAM names no samples: a list beside the file does.
  private mutating func readSamples(of path: String, count: Int) throws(StudyError) {
    annotation = [.alt, .ref]
    headerLines = 0
    let unzipped = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
    let list = unzipped + ".samples"
    guard LocalFile.exists(list) else {
      throw StudyError(
        .inconsistent, file: path,
        "BIMBAM mean genotypes (id, two alleles, \(count) dosages) without a list of their samples",
        remedy: "write the ids of the samples, one per line, in the order of the columns, to \(list)")
    }
    samplesPath = list
    let reader = try TextBlockReader(path: list)
    while let block = try reader.nextBlock(lines: 8192) {
      block.bytes.withUnsafeBufferPointer { text in
        for index in 0..<block.count {
          let id = Self.unquoted(block.line(index, in: text)).string
          if !id.isEmpty { sampleIDs.append(id) }
        }
      }
    }
    guard sampleIDs.count == count else {
      throw StudyError(
        .inconsistent, file: list, "it names \(sampleIDs.count) samples; the rows of \(path) have \(count)",
        remedy: "give one id per line, in the order of the columns")
    }
    if let duplicate = firstDuplicate(sampleIDs) {
      throw StudyError(
        .malformed, file: list, "sample \(duplicate) occurs twice", remedy: "make the sample ids unique")
    }
  }

  private mutating func readHeader(_ header: [String], firstRow: [String], path: String)
    throws(StudyError)
  {
    func malformed(_ cause: String, _ remedy: String) -> StudyError {
      StudyError(.malformed, file: path, line: headerLines, cause, remedy: remedy)
    }
    var names = header[...]
    if !TableStart.lacksFirstCell(header, firstRow) { names = names.dropFirst() }
    while let first = names.first, let kind = Annotation(header: first) {
      annotation.append(kind)
      names = names.dropFirst()
    }
    guard Set(annotation).count == annotation.count else {
      throw malformed("an annotation column occurs twice", "keep one of each of chr, pos, ref and alt")
    }
    guard annotation.contains(.chromosome) == annotation.contains(.position) else {
      throw malformed("chr and pos must be given together", "add the missing column, or remove the other")
    }
    sampleIDs = Array(names)
    guard !sampleIDs.isEmpty else {
      throw malformed("the header names no samples", "give an id column followed by one column per sample")
    }
    if let duplicate = firstDuplicate(sampleIDs) {
      throw malformed("sample \(duplicate) occurs twice", "make the sample ids unique")
    }
    guard !sampleIDs.contains("") else {
      throw malformed("a sample has no name", "name every column")
    }
  }

  /// The cells of a line, without R's quotes; none for a blank line.
  func cells(of line: FieldBytes) -> [String] {
    let split =
      separator == 32
      ? line.split(whereSeparator: BlankFields.isBlank)
      : line.split(separator: separator, omittingEmptySubsequences: false)
    if split.count == 1, split[0].allSatisfy(BlankFields.isBlank) { return [] }
    return split.map { Self.unquoted(FieldBytes(rebasing: $0)).string }
  }

  /// A cell without the blanks and the pair of quotes around it.
  static func unquoted(_ cell: FieldBytes) -> FieldBytes {
    var cell = cell[...]
    while let first = cell.first, BlankFields.isBlank(first) { cell = cell.dropFirst() }
    while let last = cell.last, BlankFields.isBlank(last) { cell = cell.dropLast() }
    if cell.count >= 2, cell.first == 34, cell.last == 34 { cell = cell.dropFirst().dropLast() }
    return FieldBytes(rebasing: cell)
  }

  private static func checkText(_ line: FieldBytes, path: String) throws(StudyError) {
    guard line.contains(where: { $0 < 32 && $0 != 9 }) else { return }
    throw StudyError(
      .malformed, file: path, line: 1, "not a text file, and no genotype format that is known",
      remedy: "give PLINK bed/bim/fam, VCF, BCF, BGEN or a text matrix of dosages")
  }
}

/// Where variants lie: Matrix eQTL's `snpsloc.txt` (id, chromosome, position; with or without a header).
struct VariantLocations: Sendable {
  let path: String
  private(set) var places: [String: (chromosome: String, position: Int)] = [:]

  /// - Complexity: O(rows) memory.
  init(path: String) throws(StudyError) {
    self.path = path
    let reader = try TextBlockReader(path: path)
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          try add(block.line(index, in: text), path: path, number: block.firstLine + index)
        }
      }
    }
    guard !places.isEmpty else {
      throw StudyError(
        .malformed, file: path, "no variant has a location",
        remedy: "give rows of id, chromosome and position")
    }
  }

  private mutating func add(_ line: FieldBytes, path: String, number: Int) throws(StudyError) {
    func malformed(_ cause: String, _ remedy: String) -> StudyError {
      StudyError(.malformed, file: path, line: number, cause, remedy: remedy)
    }
    let fields = BlankFields(line)
    if fields.count == 0 { return }
    guard fields.count >= 3 else {
      throw malformed("the row has \(fields.count) cells, not 3", "give id, chromosome and position")
    }
    let (id, chromosome, place) = (
      MatrixLayout.unquoted(fields[0]).string, MatrixLayout.unquoted(fields[1]).string,
      MatrixLayout.unquoted(fields[2])
    )
    guard let position = place.position else {
      if number == 1, place.first.map({ $0 > 57 }) ?? false { return }
      if place.spells("NA") { return }
      throw malformed("the position \(place.quoted) is not a number of at least 0", "repair the row")
    }
    if let known = places[id] {
      guard known == (chromosome, position) else {
        throw malformed("\(id) has two locations", "keep one row per variant")
      }
    }
    places[id] = (chromosome, position)
  }
}
