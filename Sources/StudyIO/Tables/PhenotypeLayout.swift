import StudyData

/// Which column of a phenotype file holds what; decided from its header and its first row.
struct PhenotypeLayout: Sendable {
  var separator: CellSeparator
  var header: [String]
  var idColumn: Int
  /// Nil where the format carries none.
  var chromosomeColumn: Int?
  var startColumn: Int?
  var endColumn: Int?
  var groupColumn: Int?
  var strandColumn: Int?
  /// BED: starts count from 0, and every row must have a place.
  var isBED = false
  /// Samples are the columns from here on.
  var firstSample: Int

  var sampleIDs: ArraySlice<String> { header[firstSample...] }

  /// BED where the header begins with chromosome, start and end; else a matrix whose first column holds the ids,
  /// with annotation columns behind it as far as their names are known.
  init(header cells: [String], separator: CellSeparator, firstRow: [String]) {
    self.separator = separator
    header = cells
    var names = cells.map { $0.lowercased() }
    if let first = names.first, first.hasPrefix("#") { names[0].removeFirst() }
    if names.count >= 4, Self.chromosomeNames.contains(names[0]),
      Self.startNames.contains(names[1]), Self.endNames.contains(names[2])
    {
      (isBED, idColumn) = (true, 3)
      (chromosomeColumn, startColumn, endColumn) = (0, 1, 2)
      let isQTLtools =
        names.count >= 6
        && (Self.strandNames.contains(names[5])
          || firstRow.count >= 6 && ["+", "-"].contains(firstRow[5]))
      if isQTLtools { (groupColumn, strandColumn) = (4, 5) }
      firstSample = isQTLtools ? 6 : 4
      return
    }
    idColumn = 0
    firstSample = 1
    while firstSample < names.count {
      let name = names[firstSample]
      if chromosomeColumn == nil, Self.chromosomeNames.contains(name) {
        chromosomeColumn = firstSample
      } else if startColumn == nil, Self.startNames.contains(name) {
        startColumn = firstSample
      } else if endColumn == nil, Self.endNames.contains(name) {
        endColumn = firstSample
      } else if strandColumn == nil, Self.strandNames.contains(name) {
        strandColumn = firstSample
      } else {
        break
      }
      firstSample += 1
    }
  }

  private static let chromosomeNames: Set = ["chr", "chrom", "chromosome"]
  private static let startNames: Set = ["start", "left", "begin"]
  private static let endNames: Set = ["end", "right", "stop"]
  private static let strandNames: Set = ["strand", "strd"]

  /// The feature that the annotation cells of a row describe.
  ///
  /// A matrix's positions are 1-based, and genes of the minus strand may run from a larger start to a smaller end:
  /// the two are swapped. A matrix may leave a place out (`NA`); a BED may not.
  func feature(_ cells: [TextBytes], at line: LinePlace) throws(StudyError) -> Feature {
    var feature = Feature(id: cells[idColumn].text)
    if feature.id.isEmpty {
      throw line.malformed("the phenotype id is empty", remedy: "give every row an id")
    }
    if let groupColumn { feature.group = cells[groupColumn].text }
    if let strandColumn { feature.strand = cells[strandColumn].text.first }
    guard let chromosomeColumn, let startColumn else { return feature }
    let place = PlaceCells(
      chromosome: cells[chromosomeColumn], start: cells[startColumn],
      end: endColumn.map { cells[$0] })
    if !isBED, place.isMissing { return feature }
    try place.locate(&feature, isBED: isBED, at: line)
    return feature
  }
}

/// The cells that say where a feature lies.
struct PlaceCells {
  var chromosome: TextBytes
  var start: TextBytes
  /// Nil: the feature ends where it starts.
  var end: TextBytes?

  var isMissing: Bool {
    CellValue.isMissing(chromosome) || CellValue.isMissing(start)
      || end.map(CellValue.isMissing) ?? false
  }

  /// Parses the place into `feature` as a 1-based closed interval.
  func locate(_ feature: inout Feature, isBED: Bool, at line: LinePlace) throws(StudyError) {
    guard !CellValue.isMissing(chromosome) else {
      throw line.malformed(
        "\(feature.id) has no chromosome", remedy: "name the chromosome, or drop the row")
    }
    feature.chromosome = chromosome.text
    let first = try position(start, "start", of: feature, least: isBED ? 0 : 1, at: line)
    let last = if let end { try position(end, "end", of: feature, least: 1, at: line) } else { first }
    if isBED {
      guard last >= first else {
        throw line.malformed(
          "\(feature.id) ends at \(last), before its start \(first)",
          remedy: "write the smaller position as the start; the strand has a column of its own")
      }
      // Some tools write the transcription start site as an empty interval.
      (feature.start, feature.end) = (first + 1, max(last, first + 1))
    } else {
      (feature.start, feature.end) = (min(first, last), max(first, last))
    }
  }

  private func position(
    _ cell: TextBytes, _ name: String, of feature: Feature, least: Int, at line: LinePlace
  ) throws(StudyError) -> Int {
    // Beyond 2⁵³ whole numbers are not exact, and no genome is that long.
    guard let value = CellValue.wholeNumber(cell), value >= least, value < 1 << 53 else {
      throw line.malformed(
        "the \(name) of \(feature.id) is '\(cell.text)'",
        remedy: "positions are whole numbers from \(least) on")
    }
    return value
  }
}
