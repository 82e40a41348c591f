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
  ///   - workers: threads that parse, and that inflate where the file is bgzipped. Result and error are the same for any
  ///     number: of several bad lines the first is reported.
  /// - Missing: `NA`, `NaN`, `nan`, `.` and empty cells become NaN. `-9` is a number, unless all other values of the
  ///   file are above -8: then it can only be PLINK's missing code and is refused.
  /// - Throws: ``StudyError``: `malformed` with file and line when the file breaks its format, `inconsistent` when
  ///   `features` or `regions` leave nothing, `environment` when it cannot be read.
  /// - Complexity: O(cells); memory is that of the result.
  public static func read(
    _ path: String, features: Set<String>? = nil, regions: [GenomicRegion] = [],
    locations: String? = nil, workers: Int = 1
  ) throws(StudyError) -> Phenotypes {
    precondition(workers > 0)
    var places: [String: Feature]?
    if let locations { places = try LocationFile.read(locations) }
    let reader = try LineReader(path: path, workers: workers)
    let table = try TableStart(reader)
    let layout = PhenotypeLayout(
      header: table.header, separator: table.separator, firstRow: table.firstRow)
    try checkSamples(layout, table, reader)
    let parser = RowParser(path: path, layout: layout, wanted: features, regions: regions, places: places)
    var result = PhenotypeTable(parser)
    try result.append(parser.rows(TextBlock(line: table.firstLine, number: reader.lineNumber)), fraction: nil)
    return try reader.reduceBlocks(
      into: result, workers: workers, parse: { parser.rows($0) },
      merge: { (sum, rows, fraction) throws(StudyError) in try sum.append(rows, fraction: fraction) }
    ).phenotypes()
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

/// Consecutive rows of a phenotype file.
private struct PhenotypeRows: Sendable {
  /// Of all rows, kept or not.
  var ids: [(text: String, line: Int)] = []
  var features: [Feature] = []
  var unplaced: [Drop] = []
  /// One value per sample for each feature.
  var values: [Double] = []
  var minusNine = MinusNineCheck()
  /// Why the rows end before the block; the id of the bad row is among `ids` if its cells say it.
  var failure: StudyError?
}

/// Makes rows of lines.
private struct RowParser: Sendable {
  let path: String
  let layout: PhenotypeLayout
  let wanted: Set<String>?
  let regions: [GenomicRegion]
  let places: [String: Feature]?

  var sampleCount: Int { layout.sampleIDs.count }

  func rows(_ block: TextBlock) -> PhenotypeRows {
    var rows = PhenotypeRows()
    // A value takes a byte at least, that of its separator; the last row may be cut short.
    let capacity = min(block.count * sampleCount, block.bytes.count + sampleCount)
    rows.values = Array(unsafeUninitializedCapacity: capacity) { values, count in
      block.bytes.withUnsafeBufferPointer { text in
        do throws(StudyError) {
          for index in 0..<block.count {
            let place = LinePlace(path: path, line: block.firstLine + index)
            var cells = layout.separator.cells(block.line(index, in: text))
            guard let feature = try feature(&cells, at: place, &rows) else { continue }
            let row = UnsafeMutableBufferPointer(rebasing: values[count..<count + sampleCount])
            try read(&cells, into: row, at: place, &rows.minusNine)
            rows.features.append(feature)
            count += sampleCount
          }
        } catch {
          rows.failure = error
        }
      }
    }
    return rows
  }

  /// The feature of a row that is to be read, whose values are then next; nil for others and for blank lines.
  private func feature(_ rest: inout CellSeparator.Cells, at line: LinePlace, _ rows: inout PhenotypeRows)
    throws(StudyError) -> Feature?
  {
    var cells: [TextBytes] = []
    while cells.count < layout.firstSample, let cell = rest.next() { cells.append(cell) }
    if cells.isEmpty { return nil }
    guard cells.count == layout.firstSample else { throw ragged(cells.count, line) }
    var feature = try layout.feature(cells, at: line)
    rows.ids.append((feature.id, line.line))
    if let wanted, !wanted.contains(feature.id) { return nil }
    if let places {
      let place = places[feature.id]
      feature.chromosome = place?.chromosome ?? ""
      feature.start = place?.start ?? 0
      feature.end = place?.end ?? 0
    }
    return admits(feature, &rows) ? feature : nil
  }

  private func admits(_ feature: Feature, _ rows: inout PhenotypeRows) -> Bool {
    if regions.isEmpty { return true }
    guard feature.hasLocation else {
      rows.unplaced.append(
        Drop(.phenotype, id: feature.id, reason: "no location", detail: "regions were asked for"))
      return false
    }
    let chromosome = Chromosome.normalized(feature.chromosome)
    return regions.contains { $0.contains(normalizedChromosome: chromosome, position: feature.tss) }
  }

  private func read(
    _ cells: inout CellSeparator.Cells, into row: UnsafeMutableBufferPointer<Double>, at line: LinePlace,
    _ minusNine: inout MinusNineCheck
  ) throws(StudyError) {
    var count = 0
    while true {
      let run = cells.numbers(into: UnsafeMutableBufferPointer(rebasing: row[count...]))
      minusNine.add(
        row[count..<count + run.count], least: run.least, line: line.line,
        column: layout.firstSample + count)
      count += run.count
      guard let cell = cells.next() else { break }
      guard count < row.count else {
        throw ragged(layout.header.count + 1 + cells.reduce(0) { count, _ in count + 1 }, line)
      }
      guard let value = CellValue.number(cell) else {
        throw badCell(cell, layout.firstSample + count, line)
      }
      minusNine.add(value, line: line.line, column: layout.firstSample + count)
      row[count] = value
      count += 1
    }
    guard count == row.count else { throw ragged(layout.firstSample + count, line) }
  }

  private func ragged(_ count: Int, _ line: LinePlace) -> StudyError {
    line.malformed(
      "the row has \(count) cells, the header \(layout.header.count)",
      remedy: "give every row one cell per column of the header")
  }

  private func badCell(_ cell: TextBytes, _ column: Int, _ line: LinePlace) -> StudyError {
    line.malformed(
      "'\(cell.text)' in column \(layout.header[column]) is not a finite number",
      remedy: "write NA for missing values; check that the header names the columns of the rows")
  }
}

/// The rows so far, in file order.
private struct PhenotypeTable: Sendable {
  let parser: RowParser
  private var seen: Set<String> = []
  private var rows = PhenotypeRows()

  init(_ parser: RowParser) { self.parser = parser }

  /// - Parameter fraction: of the file, that ends with these rows; nil where it is unknown.
  mutating func append(_ new: PhenotypeRows, fraction: Double?) throws(StudyError) {
    for id in new.ids where !seen.insert(id.text).inserted {
      throw LinePlace(path: parser.path, line: id.line).malformed(
        "phenotype \(id.text) occurs twice", remedy: "keep one row per phenotype id")
    }
    if let failure = new.failure { throw failure }
    let count = rows.values.count + new.values.count
    if let fraction, count > rows.values.capacity {
      // An eighth more than it takes if the file goes on as it began: growing would copy, and memory that is not
      // touched costs nothing.
      rows.values.reserveCapacity(max(count, Int(1.125 * Double(count) / max(fraction, 1e-3))))
    }
    rows.values += new.values
    rows.features += new.features
    rows.unplaced += new.unplaced
    rows.minusNine.add(new.minusNine)
  }

  consuming func phenotypes() throws(StudyError) -> Phenotypes {
    let layout = parser.layout
    if rows.minusNine.meansMissing {
      throw StudyError(
        .malformed, file: parser.path, line: rows.minusNine.firstLine,
        "the value of sample \(layout.header[rows.minusNine.firstColumn]) is -9, far below all others",
        remedy: "write NA for missing values")
    }
    let wanted = parser.wanted
    let missing = wanted.map { $0.subtracting(seen) } ?? []
    guard !rows.features.isEmpty else {
      throw StudyError(
        .inconsistent, file: parser.path,
        wanted != nil && missing.count == wanted?.count
          ? "has none of the phenotypes asked for (\(firstNames(missing.sorted())))"
          : rows.unplaced.isEmpty
            ? "no phenotype lies in the regions asked for"
            : "phenotypes have no location, but regions were asked for",
        remedy: rows.unplaced.isEmpty
          ? "compare the ids and positions with those of the file"
          : "give a locations file, or a BED")
    }
    let drops = missing.sorted().map { Drop(.phenotype, id: $0, reason: "not in the phenotype file") }
    let samples = Array(layout.sampleIDs)
    return Phenotypes(
      path: parser.path, sampleIDs: samples, features: rows.features,
      values: Matrix(rows: samples.count, columns: rows.features.count, storage: rows.values),
      drops: rows.unplaced + drops)
  }
}
