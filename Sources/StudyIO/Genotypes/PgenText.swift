import StudyData

/// Where a `.pvar` file (or a `.bim` file in its place) has what is needed of a variant.
struct PvarLayout: Sendable {
  /// Lines before the first variant.
  let headerLines: Int
  let id: Int
  let position: Int
  let ref: Int
  let alt: Int
  /// Nil where there is no such column.
  let info: Int?
  /// INFO fields that the header declares.
  let infos: Set<String>

  /// Fields that every row must have, with INFO where it is to be read.
  func width(readingInfo: Bool) -> Int { max(id, position, ref, alt, readingInfo ? info ?? 0 : 0) + 1 }

  /// - Throws: `malformed` when the header does not name the columns.
  init(path: String) throws(StudyError) {
    let reader = try TextBlockReader(path: path)
    var lines = 0
    var infos: Set<String> = []
    while let block = try reader.nextBlock(lines: 1) {
      let (isHeader, fields) = block.bytes.withUnsafeBufferPointer { text in
        let line = block.line(0, in: text)
        let isColumns = line.starts(with: "#CHROM".utf8)
        let isHeader = line.first == UInt8(ascii: "#")
        if let id = VCFHeader.id(of: "INFO", in: line) { infos.insert(id) }
        return (isHeader, isColumns || !isHeader ? Self.fields(line) : [])
      }
      guard isHeader else {
        guard lines == 0 else { break }
        // PLINK 1: chromosome, id, centimorgans unless there are five fields, position, A1, A2.
        let shift = fields.count == 5 ? 0 : 1
        (headerLines, id, position, alt, ref) = (0, 1, 2 + shift, 3 + shift, 4 + shift)
        (info, self.infos) = (nil, [])
        return
      }
      lines += 1
      guard fields.first == "#CHROM" else { continue }
      func column(_ name: String) throws(StudyError) -> Int {
        if let index = fields.firstIndex(of: name) { return index }
        throw StudyError(
          .malformed, file: path, line: lines, "the #CHROM line names no column \(name)",
          remedy: "make the file again (plink2 --make-just-pvar)")
      }
      headerLines = lines
      (id, position) = (try column("ID"), try column("POS"))
      (ref, alt) = (try column("REF"), try column("ALT"))
      (info, self.infos) = (fields.firstIndex(of: "INFO"), infos)
      return
    }
    guard lines > 0 else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "a pvar file lists the variants")
    }
    throw StudyError(
      .malformed, file: path, line: lines, "the #CHROM line is missing before the first variant",
      remedy: "make the file again (plink2 --make-just-pvar)")
  }

  private static func fields(_ line: FieldBytes) -> [String] {
    line.split(whereSeparator: BlankFields.isBlank).map { FieldBytes(rebasing: $0).string }
  }
}

/// A row of a `.pvar` file.
struct PvarRow {
  private(set) var chromosome = FieldBytes(start: nil, count: 0)
  private(set) var id = FieldBytes(start: nil, count: 0)
  private(set) var ref = FieldBytes(start: nil, count: 0)
  /// All of them, separated by commas.
  private(set) var alt = FieldBytes(start: nil, count: 0)
  private(set) var info = FieldBytes(start: nil, count: 0)
  private(set) var position = 0

  /// ALT alleles; 0 when there is none.
  var alternates: Int { alt.spells(".") ? 0 : 1 + alt.count { $0 == UInt8(ascii: ",") } }

  /// - Throws: `malformed` for too few fields or a position that is not a whole number ≥ 0.
  init(_ line: FieldBytes, _ layout: PvarLayout, path: String, number: Int, readingInfo: Bool = false)
    throws(StudyError)
  {
    let width = layout.width(readingInfo: readingInfo)
    var at = 0
    var place = FieldBytes(start: nil, count: 0)
    for index in 0..<width {
      while at < line.count, BlankFields.isBlank(line[at]) { at += 1 }
      guard at < line.count else {
        throw StudyError(
          .malformed, file: path, line: number,
          index == 0 ? "blank line" : "a variant needs \(width) fields, this one has \(index)",
          remedy: "make the file again (plink2 --make-just-pvar)")
      }
      let start = at
      while at < line.count, !BlankFields.isBlank(line[at]) { at += 1 }
      let field = FieldBytes(rebasing: line[start..<at])
      if index == 0 { chromosome = field }
      if index == layout.id { id = field }
      if index == layout.position { place = field }
      if index == layout.ref { ref = field }
      if index == layout.alt { alt = field }
      if index == layout.info { info = field }
    }
    guard let position = place.wholeNumber else {
      throw StudyError(
        .malformed, file: path, line: number,
        "the position \(place.quoted) is not a whole number of at least 0",
        remedy: "leave variants without a position out (plink2 --extract)")
    }
    self.position = position
  }

  /// The variant as its row names it.
  func variant(_ codes: ChromosomeCodes) -> Variant {
    Variant(
      fileID: id.string, chromosome: codes.name(chromosome.string), position: position, ref: ref.string,
      alt: alt.string)
  }

  /// One variant per ALT allele.
  func alternateVariants(_ codes: ChromosomeCodes) -> [Variant] {
    splitAlleles(
      fileID: id.string, chromosome: codes.name(chromosome.string), position: position, ref: ref.string,
      alts: alt.string.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
  }
}

/// What a first pass over a `.pvar` file finds.
struct PvarSummary: Sendable {
  let layout: PvarLayout
  /// Rows of the file.
  let recordCount: Int
  let codes: ChromosomeCodes
  /// Normalised names.
  let chromosomes: Set<String>
  /// Rows with several ALT alleles, ascending, and ALT alleles beyond the first up to each of them.
  private let multiallelic: [(record: Int, extra: Int)]

  var multiallelicCount: Int { multiallelic.count }

  /// - Complexity: O(bytes); holds one block of lines, and 16 bytes per row with several ALT alleles.
  init(path: String) throws(StudyError) {
    let layout = try PvarLayout(path: path)
    let reader = try TextBlockReader(path: path)
    try reader.skip(lines: layout.headerLines)
    var records = 0
    var multiallelic: [(record: Int, extra: Int)] = []
    var last: [UInt8] = []
    var spellings: Set<String> = []
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          let row = try PvarRow(
            block.line(index, in: text), layout, path: path, number: block.firstLine + index)
          let extra = ordinalCount(alternates: row.alternates) - 1
          if extra > 0 { multiallelic.append((records, (multiallelic.last?.extra ?? 0) + extra)) }
          records += 1
          if !last.elementsEqual(row.chromosome) {
            last = Array(row.chromosome)
            spellings.insert(row.chromosome.string)
          }
        }
      }
    }
    guard records > 0 else {
      throw StudyError(.malformed, file: path, "the file lists no variant", remedy: "make the file set again")
    }
    let codes = ChromosomeCodes(spellings)
    chromosomes = Set(spellings.map { Chromosome.normalized(codes.name($0)) })
    self.codes = codes
    self.layout = layout
    recordCount = records
    self.multiallelic = multiallelic
  }

  /// The ordinal of a row's first variant: one per row, and one more for every ALT allele beyond the first.
  func ordinal(ofRecord record: Int) -> Int {
    var (low, high) = (0, multiallelic.count)
    while low < high {
      let middle = (low + high) / 2
      if multiallelic[middle].record < record { low = middle + 1 } else { high = middle }
    }
    return record + (low == 0 ? 0 : multiallelic[low - 1].extra)
  }

  /// Rows from `record` on that have `limit` variants at most, but one row at least.
  func recordCount(from record: Int, variants limit: Int) -> Int {
    var count = min(limit, recordCount - record)
    guard !multiallelic.isEmpty else { return count }
    let first = ordinal(ofRecord: record)
    while count > 1, ordinal(ofRecord: record + count) - first > limit { count -= 1 }
    return count
  }
}

/// The samples of a `.psam` file, or of a `.fam` file in its place.
struct PsamSamples {
  let ids: [String]
  /// Whether samples are named `FID_IID` because individual ids repeat between families.
  let usesFamilyIDs: Bool

  init(path: String) throws(StudyError) {
    let reader = try TextBlockReader(path: path)
    // Without a header: family, individual, father, mother, sex.
    var (family, individual, source): (Int?, Int, Int?) = (0, 1, nil)
    var fieldsNeeded = 5
    var (families, individuals, sources): ([String], [String], [String]) = ([], [], [])
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          let fields = BlankFields(block.line(index, in: text))
          if fields.count == 0 { continue }
          if fields[0].first == UInt8(ascii: "#"), individuals.isEmpty {
            let hasFamily = fields[0].spells("#FID")
            guard hasFamily || fields[0].spells("#IID") else { continue }
            family = hasFamily ? 0 : nil
            individual = hasFamily ? 1 : 0
            source =
              fields.count > individual + 1 && fields[individual + 1].spells("SID") ? individual + 1 : nil
            fieldsNeeded = (source ?? individual) + 1
            guard !hasFamily || fields.count > 1 && fields[1].spells("IID") else {
              throw StudyError(
                .malformed, file: path, line: block.firstLine + index, "no column IID behind #FID",
                remedy: "make the file again (plink2 --make-just-psam)")
            }
            continue
          }
          guard fields.count >= fieldsNeeded else {
            throw StudyError(
              .malformed, file: path, line: block.firstLine + index,
              "a sample needs \(fieldsNeeded) fields, this one has \(fields.count)",
              remedy: "make the file again (plink2 --make-just-psam)")
          }
          if let family { families.append(fields[family].string) }
          individuals.append(fields[individual].string)
          if let source { sources.append(fields[source].string) }
        }
      }
    }
    guard !individuals.isEmpty else {
      throw StudyError(.malformed, file: path, "the file lists no sample", remedy: "make the file set again")
    }
    if !sources.isEmpty, firstDuplicate(individuals) != nil {
      individuals = zip(individuals, sources).map { $1 == "0" ? $0 : $0 + "_" + $1 }
    }
    if families.isEmpty, let duplicate = firstDuplicate(individuals) {
      throw StudyError(
        .malformed, file: path, "two samples are called \(duplicate)", remedy: "make the ids unique")
    }
    (ids, usesFamilyIDs) = try FamSamples.names(families, individuals, path: path)
  }
}
