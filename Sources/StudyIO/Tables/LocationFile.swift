import StudyData

/// Matrix eQTL's geneloc: `id chr left right`, 1-based, with or without a header.
enum LocationFile {
  /// Places by id. Rows with a missing place are left out; left and right come in either order.
  ///
  /// - Throws: ``StudyError``: `malformed` for short rows, repeated ids and bad positions, or when no row has a place.
  static func read(_ path: String) throws(StudyError) -> [String: Feature] {
    let reader = try LineReader(path: path)
    var places: [String: Feature] = [:]
    var seen: Set<String> = []
    var separator: CellSeparator?
    while let line = try reader.next() {
      let isFirst = separator == nil
      let splitter = separator ?? CellSeparator(header: line)
      let cells = Array(splitter.cells(line))
      if cells.isEmpty { continue }
      separator = splitter
      guard cells.count >= 4 else {
        throw reader.malformed(
          "the row has \(cells.count) cells, not 4", remedy: "give id, chromosome, left and right")
      }
      if isFirst, CellValue.number(cells[2]) == nil { continue }
      var feature = Feature(id: cells[0].text)
      guard seen.insert(feature.id).inserted else {
        throw reader.malformed("\(feature.id) occurs twice", remedy: "keep one row per id")
      }
      let place = PlaceCells(chromosome: cells[1], start: cells[2], end: cells[3])
      if place.isMissing { continue }
      try place.locate(&feature, isBED: false, at: reader.place)
      places[feature.id] = feature
    }
    guard !places.isEmpty else {
      throw StudyError(
        .malformed, file: path, "no location was found",
        remedy: "give id, chromosome, left and right in every row")
    }
    return places
  }
}
