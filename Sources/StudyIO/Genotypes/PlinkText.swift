import StudyData

/// The fields of a PLINK text line, separated by runs of blanks.
struct BlankFields {
  private(set) var count = 0
  private var starts: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
  private var ends: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
  private let line: FieldBytes

  /// Finds the first six fields; what follows them is ignored.
  init(_ line: FieldBytes) {
    self.line = line
    var at = 0
    withUnsafeMutableBytes(of: &starts) { starts in
      withUnsafeMutableBytes(of: &ends) { ends in
        let starts = starts.assumingMemoryBound(to: Int.self)
        let ends = ends.assumingMemoryBound(to: Int.self)
        while count < 6 {
          while at < line.count, Self.isBlank(line[at]) { at += 1 }
          if at == line.count { return }
          starts[count] = at
          while at < line.count, !Self.isBlank(line[at]) { at += 1 }
          ends[count] = at
          count += 1
        }
      }
    }
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

  subscript(index: Int) -> FieldBytes {
    let start = withUnsafeBytes(of: starts) { $0.assumingMemoryBound(to: Int.self)[index] }
    let end = withUnsafeBytes(of: ends) { $0.assumingMemoryBound(to: Int.self)[index] }
    return FieldBytes(rebasing: line[start..<end])
  }
}

/// A row of a `.bim` file: chromosome, id, centimorgans, position, A1, A2.
struct BimRow {
  let fields: BlankFields
  let position: Int

  /// - Returns: nil for a blank line.
  /// - Throws: `malformed` for fewer than six fields or a position that is not a whole number ≥ 0.
  init?(_ line: FieldBytes, path: String, number: Int) throws(StudyError) {
    fields = BlankFields(line)
    if fields.count == 0 { return nil }
    guard fields.count == 6 else {
      throw StudyError(
        .malformed, file: path, line: number, "a bim row has 6 fields, this one has \(fields.count)",
        remedy: "restore the file with PLINK (--make-just-bim)")
    }
    guard let position = fields[3].wholeNumber else {
      throw StudyError(
        .malformed, file: path, line: number,
        "the position \(fields[3].quoted) is not a whole number of at least 0",
        remedy: "column 4 must hold base-pair positions; leave variants without one out (plink2 --extract)")
    }
    self.position = position
  }

  /// A1 is the effect allele.
  func variant(_ codes: ChromosomeCodes) -> Variant {
    Variant(
      fileID: fields[1].string, chromosome: codes.name(fields[0].string), position: position,
      ref: fields[5].string, alt: fields[4].string)
  }
}

/// PLINK's numbers for chromosomes that have names, translated once, here.
///
/// The file does not say its species: with 26 as its highest number it is taken for human, and 23, 24, 25 and 26 are X,
/// Y, XY and MT; a higher number is an autosome of another species, and then all numbers stay.
struct ChromosomeCodes: Sendable {
  /// By the file's spelling; empty where numbers stay.
  private let names: [String: String]
  /// What was translated, for the run's notes.
  let note: String?

  private static let human = [23: "X", 24: "Y", 25: "XY", 26: "MT"]

  /// - Parameter spellings: all names in the file.
  init(_ spellings: Set<String>) {
    var numbers: [String: Int] = [:]
    for name in spellings { numbers[name] = Int(Chromosome.normalized(name)) }
    let isHuman = numbers.values.allSatisfy { $0 <= 26 }
    let coded = isHuman ? numbers.filter { $0.value >= 23 } : [:]
    names = coded.compactMapValues { Self.human[$0] }
    let found = Set(coded.values).sorted()
    note =
      found.isEmpty
      ? nil
      : "chromosome codes \(found.map(String.init).joined(separator: ", ")) are read as "
        + found.compactMap { Self.human[$0] }.joined(separator: ", ")
  }

  func name(_ spelling: String) -> String { names.isEmpty ? spelling : names[spelling] ?? spelling }
}

/// What a first pass over a `.bim` file finds.
struct BimSummary {
  var variantCount = 0
  let codes: ChromosomeCodes
  /// Normalised names.
  let chromosomes: Set<String>

  /// - Complexity: O(bytes); holds one block of lines.
  init(path: String) throws(StudyError) {
    let reader = try TextBlockReader(path: path)
    var last: [UInt8] = []
    var spellings: Set<String> = []
    while let block = try reader.nextBlock(lines: 8192) {
      var names: [String] = []
      var count = 0
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          let line = block.line(index, in: text)
          guard let row = try BimRow(line, path: path, number: block.firstLine + index) else {
            throw StudyError(
              .malformed, file: path, line: block.firstLine + index, "blank line",
              remedy: "remove it: each line of a bim file is a variant")
          }
          count += 1
          if !last.elementsEqual(row.fields[0]) {
            last = Array(row.fields[0])
            names.append(row.fields[0].string)
          }
        }
      }
      variantCount += count
      spellings.formUnion(names)
    }
    guard variantCount > 0 else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "a bim file lists the variants")
    }
    let codes = ChromosomeCodes(spellings)
    chromosomes = Set(spellings.map { Chromosome.normalized(codes.name($0)) })
    self.codes = codes
  }
}

/// The samples of a `.fam` file.
struct FamSamples {
  let ids: [String]
  /// Whether samples are named `FID_IID` because individual ids repeat between families.
  let usesFamilyIDs: Bool

  init(path: String) throws(StudyError) {
    let reader = try TextBlockReader(path: path)
    var families: [String] = []
    var individuals: [String] = []
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          let fields = BlankFields(block.line(index, in: text))
          if fields.count == 0 { continue }
          guard fields.count == 6 else {
            throw StudyError(
              .malformed, file: path, line: block.firstLine + index,
              "a fam row has 6 fields, this one has \(fields.count)",
              remedy: "give family, individual, father, mother, sex and phenotype (plink2 --make-just-fam)")
          }
          families.append(fields[0].string)
          individuals.append(fields[1].string)
        }
      }
    }
    guard !individuals.isEmpty else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "a fam file lists the samples")
    }
    (ids, usesFamilyIDs) = try Self.names(families, individuals, path: path)
  }

  /// Samples by individual id, or `FID_IID` where those repeat: the one rule for all files of PLINK's kind.
  static func names(_ families: [String], _ individuals: [String], path: String) throws(StudyError) -> (
    ids: [String], usesFamilyIDs: Bool
  ) {
    guard firstDuplicate(individuals) != nil else { return (individuals, false) }
    let ids = zip(families, individuals).map { $0 + "_" + $1 }
    if let duplicate = firstDuplicate(ids) {
      throw StudyError(
        .malformed, file: path, "two samples are called \(duplicate) (family and individual id)",
        remedy: "make the ids unique")
    }
    return (ids, true)
  }
}
