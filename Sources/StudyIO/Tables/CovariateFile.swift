import LinearAlgebra
public import StudyData

/// Reads covariates, in either orientation; plain, gzip or bgzip text.
public enum CovariateFile {
  /// Reads a table of covariates.
  ///
  /// Samples may be the columns (FastQTL, QTLtools, tensorQTL, Matrix eQTL) or the rows (`id cov…`, PLINK's
  /// `FID IID cov…`): the side on which ids of `sampleIDs` are found. The header may lack its first cell, as R's
  /// write.table leaves it out. Samples in rows need no header (FastQTL's `--interaction`): a table whose first line starts with
  /// a sample has none, and its columns are called V1, V2, ….
  ///
  /// A covariate of which no cell is a finite number is a factor: its levels, sorted by UTF-8 bytes, but the first (the
  /// reference) become 0/1 columns `name=level`. A factor of one level gives no column.
  ///
  /// - Missing: `NA`, `NaN`, `nan`, `.` and empty cells become NaN, in all columns of a factor. `-9` is a number,
  ///   unless all other values of the covariate are above -8: then it can only be PLINK's missing code and is refused.
  /// - Throws: ``StudyError``: `malformed` with file and line when the file breaks its format or a covariate mixes
  ///   numbers and words, `inconsistent` when no side or both hold sample ids, `environment` when it cannot be read.
  /// - Complexity: O(cells).
  public static func read(_ path: String, sampleIDs: Set<String>) throws(StudyError) -> Covariates {
    let table = try CovariateTable(path: path)
    let (samples, names, cells) = try table.oriented(by: sampleIDs)
    var columns: [CovariateColumn] = []
    for (name, values) in zip(names, cells) {
      columns += try CovariateColumn.expanding(name, values, samples: samples, path: path)
    }
    return Covariates(
      path: path, sampleIDs: samples, names: columns.map(\.name),
      values: Matrix(
        rows: samples.count, columns: columns.count, storage: columns.flatMap(\.values)))
  }
}

/// A cell and the line it stands on.
private struct LocatedCell {
  var text: String
  var line: Int
}

/// The table as it lies in the file.
private struct CovariateTable {
  let path: String
  let header: [String]
  let headerLine: Int
  let rows: [(cells: [String], line: Int)]
  /// The column that names the rows; the values follow it.
  let idColumn: Int
  /// PLINK's `FID IID` or `#IID`: rows are samples.
  let isPLINK: Bool

  init(path: String) throws(StudyError) {
    let reader = try LineReader(path: path)
    let table = try TableStart(reader)
    let header = table.header
    var rows = [(cells: table.firstRow, line: reader.lineNumber)]
    while let line = try reader.next() {
      let cells = table.separator.cells(line).map(\.text)
      if !cells.isEmpty { rows.append((cells, reader.lineNumber)) }
    }
    for row in rows where row.cells.count != header.count {
      throw StudyError(
        .malformed, file: path, line: row.line,
        "the row has \(row.cells.count) cells, the header \(header.count)",
        remedy: "give every row one cell per column of the header")
    }
    let names = header.prefix(2).map { $0.uppercased() }
    isPLINK = ["FID", "#FID", "#IID"].contains(names[0])
    idColumn = names.count == 2 && names[1] == "IID" && isPLINK ? 1 : 0
    guard header.count > idColumn + 1 else {
      throw StudyError(
        .malformed, file: path, line: table.headerLine, "the table has no column of values",
        remedy: "separate the cells by tabs or blanks; give ids, then values")
    }
    self.path = path
    self.header = header
    headerLine = table.headerLine
    self.rows = rows
  }

  /// Samples, covariate names, and per covariate the cells of all samples.
  func oriented(by known: Set<String>) throws(StudyError) -> (
    samples: [String], names: [String], cells: [[LocatedCell]]
  ) {
    let across = Array(header[(idColumn + 1)...])
    let down = rows.map { $0.cells[idColumn] }
    let samplesAcross = !isPLINK && across.contains(where: known.contains)
    let samplesDown = down.contains(where: known.contains)
    guard samplesAcross != samplesDown else {
      throw StudyError(
        .inconsistent, file: path,
        "\(samplesDown ? "both sides hold" : "neither side holds") sample ids: the header has "
          + "\(firstNames(across)), the first column \(firstNames(down)), the samples are "
          + firstNames(known.sorted()),
        remedy: "name the samples as in the other files, in the header or in the first column")
    }
    if samplesDown, known.contains(header[0]) { return try withoutHeader() }
    try checkUnique(
      across.map { ($0, headerLine) }, what: samplesAcross ? "sample" : "covariate")
    try checkUnique(
      zip(down, rows).map { ($0, $1.line) }, what: samplesAcross ? "covariate" : "sample")
    if samplesAcross {
      let cells = rows.map { row in
        row.cells[(idColumn + 1)...].map { LocatedCell(text: $0, line: row.line) }
      }
      return (across, down, cells)
    }
    let cells = (idColumn + 1..<header.count).map { column in
      rows.map { LocatedCell(text: $0.cells[column], line: $0.line) }
    }
    return (down, across, cells)
  }

  /// The first line is a sample like the others.
  private func withoutHeader() throws(StudyError) -> (
    samples: [String], names: [String], cells: [[LocatedCell]]
  ) {
    let lines = [(cells: header, line: headerLine)] + rows
    try checkUnique(lines.map { ($0.cells[0], $0.line) }, what: "sample")
    let cells = (1..<header.count).map { column in
      lines.map { LocatedCell(text: $0.cells[column], line: $0.line) }
    }
    return (lines.map { $0.cells[0] }, (1..<header.count).map { "V\($0)" }, cells)
  }

  private func checkUnique(_ names: [(String, line: Int)], what: String) throws(StudyError) {
    var seen: Set<String> = []
    for (name, line) in names where name.isEmpty || !seen.insert(name).inserted {
      throw StudyError(
        .malformed, file: path, line: line,
        name.isEmpty ? "a \(what) has no name" : "\(what) \(name) occurs twice",
        remedy: "give every \(what) one name of its own")
    }
  }
}

/// A column of the design.
private struct CovariateColumn {
  var name: String
  var values: [Double]

  /// One numeric column, or the k - 1 columns of a factor of k levels.
  static func expanding(_ name: String, _ cells: [LocatedCell], samples: [String], path: String)
    throws(StudyError) -> [CovariateColumn]
  {
    let numbers = cells.map { number($0.text) }
    if let word = numbers.firstIndex(where: { $0 == nil }) {
      guard numbers.allSatisfy({ $0?.isNaN ?? true }) else {
        throw StudyError(
          .malformed, file: path, line: cells[word].line,
          "covariate \(name) mixes numbers and words: '\(cells[word].text)' for sample "
            + samples[word],
          remedy: "write NA for missing values; name the levels of a factor with words throughout")
      }
      return factor(name, zip(cells, numbers).map { $1 == nil ? $0.text : nil })
    }
    let values = numbers.map { $0 ?? .nan }
    var minusNine = MinusNineCheck()
    for (sample, value) in values.enumerated() {
      minusNine.add(value, line: cells[sample].line, column: sample)
    }
    if minusNine.meansMissing {
      throw StudyError(
        .malformed, file: path, line: minusNine.firstLine,
        "covariate \(name) is -9, far below all others, for sample "
          + samples[minusNine.firstColumn],
        remedy: "write NA for missing values, or leave the sample out")
    }
    return [CovariateColumn(name: name, values: values)]
  }

  private static func number(_ text: String) -> Double? {
    var text = text
    return text.withUTF8 { CellValue.number($0) }
  }

  private static func factor(_ name: String, _ words: [String?]) -> [CovariateColumn] {
    let levels = Set(words.lazy.compactMap { $0 }).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    return levels.dropFirst().map { level in
      CovariateColumn(
        name: "\(name)=\(level)",
        values: words.map { word in
          guard let word else { return .nan }
          return word == level ? 1 : 0
        })
    }
  }
}
