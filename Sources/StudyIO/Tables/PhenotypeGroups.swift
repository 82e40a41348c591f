public import StudyData

/// Reads which phenotypes are mapped as one: two columns, phenotype and group, without a header.
public enum PhenotypeGroups {
  /// Groups by phenotype id. Blank lines, lines that begin with `#` and whatever follows the second cell are ignored.
  ///
  /// - Throws: ``StudyError``: `malformed` when there is no row, a row has no group, or a phenotype occurs twice; `environment`
  ///   when the file cannot be read.
  public static func read(_ path: String) throws(StudyError) -> [String: String] {
    let reader = try LineReader(path: path)
    var groups: [String: String] = [:]
    while let line = try reader.next() {
      let cells = CellSeparator(header: line).cells(line).prefix(2).map(\.text)
      guard let id = cells.first, !line.starts(with: [UInt8(ascii: "#")]) else { continue }
      guard cells.count == 2, !cells.contains("") else {
        throw reader.malformed(
          "the line holds one id only: '\(id)'", remedy: "write a phenotype and its group per line")
      }
      guard groups.updateValue(cells[1], forKey: id) == nil else {
        throw reader.malformed("phenotype \(id) occurs twice", remedy: "give each phenotype one group")
      }
    }
    guard !groups.isEmpty else {
      throw StudyError(
        .malformed, file: path, "the file names no group", remedy: "write a phenotype and its group per line"
      )
    }
    return groups
  }

  /// The study with these groups alone; phenotypes that are in none stand for themselves.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype of the study is in a group.
  public static func apply(_ groups: [String: String], of path: String, to study: Study) throws(StudyError)
    -> Study
  {
    var features = study.features
    for k in features.indices { features[k].group = groups[features[k].id] }
    guard features.contains(where: { $0.group != nil }) else {
      throw StudyError(
        .inconsistent, file: path,
        "none of its \(groups.count) phenotypes is among the \(features.count) of the study",
        remedy: "write the phenotypes' ids into the first column, groups into the second")
    }
    return study.replacing(features: features, phenotypes: study.phenotypes)
  }
}
