public import StudyData

/// Reads lists of ids: one per line, in the first column.
public enum IDListFile {
  /// Blank lines and lines that begin with `#` are ignored, and so is everything behind the first cell.
  ///
  /// - Throws: ``StudyError``: `malformed` when there is no id, `environment` when it cannot be read.
  public static func read(_ path: String) throws(StudyError) -> Set<String> {
    let ids = Set(try listRows(path, columns: 1).map { $0[0] })
    guard !ids.isEmpty else {
      throw StudyError(
        .malformed, file: path, "the list holds no id", remedy: "write one id per line")
    }
    return ids
  }
}

/// Reads pairs of genes: two ids per line, in the first two columns.
public enum GenePairFile {
  /// Pairs in file order, such as tables of cross-mappability hold them; what follows the second cell, blank lines and
  /// lines that begin with `#` are ignored.
  ///
  /// - Throws: ``StudyError``: `malformed` when a line has one id only, `environment` when it cannot be read.
  public static func read(_ path: String) throws(StudyError) -> [(String, String)] {
    try listRows(path, columns: 2).map { ($0[0], $0[1]) }
  }
}

/// The first `columns` cells of every line that is neither blank nor a comment.
private func listRows(_ path: String, columns: Int) throws(StudyError) -> [[String]] {
  let reader = try LineReader(path: path)
  var rows: [[String]] = []
  while let line = try reader.next() {
    let cells = CellSeparator(header: line).cells(line).prefix(columns).map(\.text)
    guard let first = cells.first, !line.starts(with: [UInt8(ascii: "#")]) else { continue }
    guard cells.count == columns, !cells.contains("") else {
      throw reader.malformed(
        columns == 1 ? "the id is empty" : "the line holds one id only: '\(first)'",
        remedy: "write \(columns == 1 ? "one id" : "two ids") per line, the first cells")
    }
    rows.append(cells)
  }
  return rows
}
