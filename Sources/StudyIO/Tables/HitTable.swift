public import StudyData

/// A table whose rows each name a variant and a phenotype, as scans write them; other columns are kept as text.
public struct HitTable: Sendable {
  public struct Hit: Sendable, Equatable {
    public var variantID: String
    public var phenotypeID: String
    /// The whole row, its cells separated by tabs.
    public var text: String
  }

  public let path: String
  /// Names of the columns.
  public let header: [String]
  /// In file order.
  public let hits: [Hit]

  /// Columns by name: `variant_id` and `phenotype_id`. A table without rows is an empty one.
  ///
  /// - Throws: ``StudyError``: `malformed` when a column is absent or a row has another number of cells, `environment` when the file
  ///   cannot be read.
  /// - Complexity: memory of the whole table.
  public static func read(_ path: String) throws(StudyError) -> HitTable {
    let reader = try LineReader(path: path)
    guard let first = try reader.next() else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "check how it was made")
    }
    let separator = CellSeparator(header: first)
    let header = separator.cells(first).map(\.text)
    func column(_ name: String) throws(StudyError) -> Int {
      guard let index = header.firstIndex(of: name) else {
        throw reader.malformed(
          "there is no column \(name); the columns are \(header.joined(separator: ", "))",
          remedy: "give a table of pairs with the columns variant_id and phenotype_id")
      }
      return index
    }
    let (variant, phenotype) = (try column("variant_id"), try column("phenotype_id"))
    var hits: [Hit] = []
    while let line = try reader.next() {
      if CellSeparator.isBlank(line) { continue }
      let cells = Array(separator.cells(line))
      guard cells.count == header.count else {
        throw reader.malformed(
          "the row has \(cells.count) cells, the header \(header.count)",
          remedy: "check how the table was made")
      }
      let texts = cells.map(\.text)
      hits.append(
        Hit(
          variantID: texts[variant], phenotypeID: texts[phenotype], text: texts.joined(separator: "\t")))
    }
    return HitTable(path: path, header: header, hits: hits)
  }
}
