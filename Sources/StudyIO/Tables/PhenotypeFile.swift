import LinearAlgebra
public import StudyData

/// Reads molecular phenotypes: one row per feature, one column per sample; plain, gzip or bgzip text.
public enum PhenotypeFile {
  /// Reads a phenotype file; the format is seen from its header.
  ///
  /// - FastQTL and tensorQTL BED: `#chr start end id`, then samples. Starts count from 0.
  /// - QTLtools BED: `#chr start end pid gid strand`, then samples.
  /// - Matrix eQTL: `id`, then samples; columns named chr(om), start|left|begin, end|right|stop or strand may stand
  ///   between them, with 1-based positions in either order (the smaller becomes the start). The header may lack its
  ///   first cell, as R's write.table leaves it out.
  ///
  /// Rows may come in any order.
  ///
  /// - Parameters:
  ///   - features: ids to keep; nil keeps all. Those not found are reported in `drops`.
  ///   - regions: keeps features whose transcription start site lies in any; empty keeps all.
  ///   - locations: a table `id chr left right` (Matrix eQTL's geneloc, 1-based) whose places replace the file's own.
  /// - Missing: `NA`, `NaN`, `nan`, `.` and empty cells become NaN. `-9` is a number, unless all other values of the
  ///   file are above -8: then it can only be PLINK's missing code and is refused.
  /// - Throws: ``StudyError``: `malformed` with file and line when the file breaks its format, `inconsistent` when
  ///   `features` or `regions` leave nothing, `environment` when it cannot be read.
  /// - Complexity: O(cells); memory is that of the result.
  public static func read(
    _ path: String, features: Set<String>? = nil, regions: [GenomicRegion] = [],
    locations: String? = nil
  ) throws(StudyError) -> Phenotypes {
    var places: [String: Feature]?
    if let locations { places = try LocationFile.read(locations) }
    let reader = try LineReader(path: path)
    let table = try TableStart(reader)
    let layout = PhenotypeLayout(
      header: table.header, separator: table.separator, firstRow: table.firstRow)
    try checkSamples(layout, table, reader)
    var parser = Parser(
      reader: reader, layout: layout, features: features, regions: regions, places: places)
    try parser.row(table.firstLine)
    while let line = try reader.next() { try parser.row(line) }
    return try parser.phenotypes()
  }

  private static func checkSamples(
    _ layout: PhenotypeLayout, _ table: TableStart, _ reader: LineReader
  ) throws(StudyError) {
    guard !layout.sampleIDs.isEmpty else {
      throw StudyError(
        .malformed, file: reader.path, line: table.headerLine, "the header names no samples",
        remedy: "put the sample ids behind the columns that describe the phenotype")
    }
    try table.checkUnique(layout.sampleIDs, "sample", in: reader)
  }
}

/// The rows of a phenotype file, as they are read.
private struct Parser {
  let reader: LineReader
  let layout: PhenotypeLayout
  let wanted: Set<String>?
  let regions: [GenomicRegion]
  let places: [String: Feature]?

  private var seen: Set<String> = []
  private var features: [Feature] = []
  private var unplaced: [Drop] = []
  private var values: [Double] = []
  private var minusNine = MinusNineCheck()
  private var cells: [TextBytes] = []

  init(
    reader: LineReader, layout: PhenotypeLayout, features: Set<String>?, regions: [GenomicRegion],
    places: [String: Feature]?
  ) {
    self.reader = reader
    self.layout = layout
    wanted = features
    self.regions = regions
    self.places = places
  }

  mutating func row(_ line: TextBytes) throws(StudyError) {
    cells.removeAll(keepingCapacity: true)
    var rest = layout.separator.cells(line)
    while cells.count < layout.firstSample, let cell = rest.next() { cells.append(cell) }
    if cells.isEmpty { return }
    guard cells.count == layout.firstSample else { throw ragged(cells.count) }
    var feature = try layout.feature(cells, in: reader)
    guard seen.insert(feature.id).inserted else {
      throw reader.malformed(
        "phenotype \(feature.id) occurs twice", remedy: "keep one row per phenotype id")
    }
    if let wanted, !wanted.contains(feature.id) { return }
    if let places {
      let place = places[feature.id]
      feature.chromosome = place?.chromosome ?? ""
      feature.start = place?.start ?? 0
      feature.end = place?.end ?? 0
    }
    guard admits(feature) else { return }
    features.append(feature)
    try appendValues(&rest)
  }

  private mutating func admits(_ feature: Feature) -> Bool {
    if regions.isEmpty { return true }
    guard feature.hasLocation else {
      unplaced.append(
        Drop(.phenotype, id: feature.id, reason: "no location", detail: "regions were asked for"))
      return false
    }
    let chromosome = Chromosome.normalized(feature.chromosome)
    return regions.contains { $0.contains(normalizedChromosome: chromosome, position: feature.tss) }
  }

  private mutating func appendValues(_ cells: inout CellSeparator.Cells) throws(StudyError) {
    let expected = layout.header.count
    var column = layout.firstSample
    while let cell = cells.next() {
      guard column < expected else {
        throw ragged(column + 1 + cells.reduce(0) { count, _ in count + 1 })
      }
      guard let value = CellValue.number(cell) else { throw badCell(cell, column) }
      minusNine.add(value, line: reader.lineNumber, column: column)
      values.append(value)
      column += 1
    }
    guard column == expected else { throw ragged(column) }
  }

  consuming func phenotypes() throws(StudyError) -> Phenotypes {
    if minusNine.meansMissing {
      throw StudyError(
        .malformed, file: reader.path, line: minusNine.firstLine,
        "the value of sample \(layout.header[minusNine.firstColumn]) is -9, far below all others",
        remedy: "write NA for missing values")
    }
    let missing = wanted.map { $0.subtracting(seen) } ?? []
    guard !features.isEmpty else {
      throw StudyError(
        .inconsistent, file: reader.path,
        wanted != nil && missing.count == wanted?.count
          ? "has none of the phenotypes asked for (\(firstNames(missing.sorted())))"
          : unplaced.isEmpty
            ? "no phenotype lies in the regions asked for"
            : "phenotypes have no location, but regions were asked for",
        remedy: unplaced.isEmpty
          ? "compare the ids and positions with those of the file"
          : "give a locations file, or a BED")
    }
    let drops = missing.sorted().map { Drop(.phenotype, id: $0, reason: "not in the phenotype file") }
    let samples = Array(layout.sampleIDs)
    return Phenotypes(
      path: reader.path, sampleIDs: samples, features: features,
      values: Matrix(rows: samples.count, columns: features.count, storage: values),
      drops: unplaced + drops)
  }

  private func ragged(_ count: Int) -> StudyError {
    reader.malformed(
      "the row has \(count) cells, the header \(layout.header.count)",
      remedy: "give every row one cell per column of the header")
  }

  private func badCell(_ cell: TextBytes, _ column: Int) -> StudyError {
    reader.malformed(
      "'\(cell.text)' in column \(layout.header[column]) is not a finite number",
      remedy: "write NA for missing values; check that the header names the columns of the rows")
  }
}
