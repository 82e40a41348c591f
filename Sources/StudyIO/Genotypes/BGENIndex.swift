import CSQLite
import Glibc
import StudyData

/// The index that bgenix writes beside a BGEN (`.bgi`): an SQLite table of the variants' places.
///
/// Its calls are serialised by the caller.
final class BGENIndex {
  private let path: String
  private let database: OpaquePointer

  /// - Throws: `malformed` with the reason where the index cannot be used with `file`.
  init(path: String, file: BGENFile) throws(StudyError) {
    self.path = path
    var handle: OpaquePointer?
    let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY, nil)
    guard code == SQLITE_OK, let handle else {
      sqlite3_close_v2(handle)
      throw Self.unusable(path, "cannot be opened")
    }
    database = handle
    let start = try file.read(at: 0, count: min(file.size, 1000))
    var fits: Bool?
    try rows("SELECT file_size, first_1000_bytes FROM Metadata LIMIT 1") { row in
      let count = Int(sqlite3_column_bytes(row, 1))
      let bytes = UnsafeRawBufferPointer(start: sqlite3_column_blob(row, 1), count: count)
      fits = sqlite3_column_int64(row, 0) == file.size && bytes.elementsEqual(start)
    }
    guard let fits else { throw Self.unusable(path, "does not tell which file it belongs to") }
    guard fits else { throw Self.unusable(path, "belongs to another file, or to an older state of this one") }
  }

  deinit { sqlite3_close_v2(database) }

  /// As the file spells them.
  ///
  /// - Complexity: a search for each; the table is ordered by them.
  func chromosomes() throws(StudyError) -> [String] {
    var names: [String] = []
    while true {
      var next: String?
      try rows(
        names.isEmpty
          ? "SELECT min(chromosome) FROM Variant"
          : "SELECT min(chromosome) FROM Variant WHERE chromosome > ?",
        text: names.last
      ) { row in
        next = sqlite3_column_text(row, 0).map { String(cString: $0) }
      }
      // An order that is not strict would be that of a damaged table.
      guard let next, names.allSatisfy({ $0 != next }) else { return names }
      names.append(next)
    }
  }

  /// Of variants with one ALT allele each.
  func variantCount() throws(StudyError) -> Int {
    var count = 0
    try rows("SELECT sum(max(number_of_alleles, 2) - 1) FROM Variant") { row in
      count = Int(sqlite3_column_int64(row, 0))
    }
    return count
  }

  struct Place {
    var offset: Int
    var length: Int
  }

  /// Where the variants of some regions lie, in file order.
  func places(_ regions: [GenomicRegion]) throws(StudyError) -> [Place] {
    let names = try chromosomes()
    let merged = mergedRegions(regions, contigs: names.map(BGENRecord.chromosomeName))
    var places: [Place] = []
    for region in merged {
      try rows(
        "SELECT file_start_position, size_in_bytes FROM Variant"
          + " WHERE chromosome = ? AND position BETWEEN ? AND ?",
        text: names[region.contig], numbers: [region.start, region.end]
      ) { row in
        places.append(
          Place(offset: Int(sqlite3_column_int64(row, 0)), length: Int(sqlite3_column_int64(row, 1))))
      }
    }
    return places.sorted { $0.offset < $1.offset }
  }

  private func rows(
    _ query: String, text: String? = nil, numbers: [Int] = [], _ row: (OpaquePointer) -> Void
  ) throws(StudyError) {
    var statement: OpaquePointer?
    defer { sqlite3_finalize(statement) }
    guard sqlite3_prepare_v2(database, query, -1, &statement, nil) == SQLITE_OK, let statement else {
      throw Self.unusable(path, "is no table of variants (\(reason))")
    }
    var next: Int32 = 1
    if let text {
      // SQLite keeps a copy.
      let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      sqlite3_bind_text(statement, next, text, -1, copied)
      next += 1
    }
    for number in numbers {
      sqlite3_bind_int64(statement, next, Int64(number))
      next += 1
    }
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: row(statement)
      case SQLITE_DONE: return
      default: throw Self.unusable(path, "is damaged (\(reason))")
      }
    }
  }

  /// SQLite's own words, which may repeat what the file says, in one line.
  private var reason: String {
    String(cString: sqlite3_errmsg(database)).split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  static func unusable(_ path: String, _ cause: String) -> StudyError {
    StudyError(.malformed, file: path, "the index \(cause)", remedy: "make it again (bgenix -index -clobber)")
  }
}
