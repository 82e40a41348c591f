import StudyData

/// The header and the first row of a table: together they tell its layout.
struct TableStart {
  let separator: CellSeparator
  /// With an `id` in front where R's write.table left the first cell out.
  let header: [String]
  let headerLine: Int
  /// Valid until the reader's next line.
  let firstLine: TextBytes
  let firstRow: [String]

  /// Skips blank lines and `##` comments before the header.
  ///
  /// - Throws: ``StudyError`` of kind `malformed` when the file is empty or ends behind its header.
  init(_ reader: LineReader) throws(StudyError) {
    guard let first = try Self.nextLine(reader, skippingComments: true) else {
      throw StudyError(
        .malformed, file: reader.path, "the file is empty", remedy: "check how it was made")
    }
    separator = CellSeparator(header: first)
    var header = separator.cells(first).map(\.text)
    headerLine = reader.lineNumber
    guard let row = try Self.nextLine(reader, skippingComments: false) else {
      throw reader.malformed(
        "the file ends after its header", remedy: "check how it was made; no row was found")
    }
    firstLine = row
    firstRow = separator.cells(row).map(\.text)
    if Self.lacksFirstCell(header, firstRow) { header.insert("id", at: 0) }
    self.header = header
  }

  /// R's write.table gives the row names no header. A header that does name the ids, or a row that only ends in a
  /// superfluous tab, is not that: shifting its columns would give samples each other's values.
  static func lacksFirstCell(_ header: [String], _ firstRow: [String]) -> Bool {
    guard firstRow.count == header.count + 1, let first = header.first?.lowercased() else {
      return false
    }
    return !first.hasPrefix("#") && !idNames.contains(first) && firstRow.last != ""
  }

  private static let idNames: Set = [
    "id", "ids", "gene", "geneid", "gene_id", "name", "pid", "phenotype", "phenotype_id", "probe",
    "targetid", "trait", "iid", "fid", "sample", "sample_id", "sampleid", "covariate", "snp", "snpid",
    "snp_id", "marker", "variant", "variant_id", "rsid", "",
  ]

  private static func nextLine(_ reader: LineReader, skippingComments: Bool) throws(StudyError)
    -> TextBytes?
  {
    while let line = try reader.next() {
      let isComment = skippingComments && line.starts(with: [UInt8(ascii: "#"), UInt8(ascii: "#")])
      if !isComment, !CellSeparator.isBlank(line) { return line }
    }
    return nil
  }

  /// Refuses empty and repeated names of the header.
  func checkUnique(_ names: some Sequence<String>, _ what: String, in reader: LineReader)
    throws(StudyError)
  {
    var seen: Set<String> = []
    for name in names {
      let problem =
        name.isEmpty ? "an empty \(what) id" : seen.insert(name).inserted ? nil : "\(what) \(name) twice"
      guard let problem else { continue }
      throw StudyError(
        .malformed, file: reader.path, line: headerLine, "the header has \(problem)",
        remedy: "give every \(what) one column with an id of its own")
    }
  }
}
