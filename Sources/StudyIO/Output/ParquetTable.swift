import CText
import Parquet
import StudyData

/// Lines of a table, the first of them its header, as a Parquet file.
///
/// Tables are made as text in one place; here their cells are read again, so that both kinds of file hold the same numbers, nine digits of them. Numbers beyond those of fp64 become 0 or Inf: −log₁₀ p holds what p cannot. `NA` is null.
struct ParquetTable {
  private let path: String
  private let level: Int
  private var encoder: ParquetEncoder?

  init(path: String, level: Int) {
    self.path = path
    self.level = level
  }

  /// Columns of text; all that are not named in either set hold real numbers.
  private static let texts = words(
    """
    variant_id chromosome ref alt phenotype_id group_id gene_id phe_id phe_chr phe_strd var_id var_chr grp_id PID PCHR VID VCHR
    term status strand class kind id reason detail component
    """)
  private static let integers = words(
    """
    position start_distance end_distance tss_distance df ma_samples n num_var rank n_permutations group_size phe_from phe_to grp_size
    n_var_in_cis dist_phe_var var_from var_to best_hit PSTART VPOS distance cis_hits cis_called_cis trans_hits trans_called_cis
    """)

  private static func words(_ text: String) -> Set<String> {
    Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
  }

  static func column(_ name: String) -> ParquetColumn {
    ParquetColumn(name, texts.contains(name) ? .text : integers.contains(name) ? .integer : .real)
  }

  /// - Parameter lines: whole ones.
  /// - Returns: bytes of the file that are complete.
  /// - Throws: `inconsistent` when a cell is not of its column's kind.
  mutating func append(_ lines: UnsafeRawBufferPointer) throws(StudyError) -> [UInt8] {
    var rest = lines[...]
    while let end = rest.firstIndex(of: 0x0A) {
      try append(line: UnsafeRawBufferPointer(rebasing: rest[..<end]))
      rest = rest[(end + 1)...]
    }
    precondition(rest.isEmpty, "whole lines")
    return encoder?.takeBytes() ?? []
  }

  /// What is left of the file.
  mutating func finish() -> [UInt8] {
    encoder?.finish()
    return encoder?.takeBytes() ?? []
  }

  private mutating func append(line: UnsafeRawBufferPointer) throws(StudyError) {
    guard var encoder else {
      let names = line.split(separator: 0x09, omittingEmptySubsequences: false)
      encoder = ParquetEncoder(names.map { Self.column(String(decoding: $0, as: UTF8.self)) }, level: level)
      return
    }
    // So that it is not copied.
    self.encoder = nil
    defer { self.encoder = encoder }
    var rest = line[...]
    for (place, column) in encoder.columns.enumerated() {
      let end = place == encoder.columns.count - 1 ? rest.endIndex : rest.firstIndex(of: 0x09)
      guard let end else { throw unexpected("a line of \(place + 1) cells", column) }
      let cell = UnsafeRawBufferPointer(rebasing: rest[..<end])
      rest = rest[min(end + 1, rest.endIndex)...]
      switch column.kind {
      case .text: encoder.append(text: cell)
      case .real: encoder.append(try real(cell, column))
      case .integer: encoder.append(try integer(cell, column))
      }
    }
  }

  private func integer(_ cell: UnsafeRawBufferPointer, _ column: ParquetColumn) throws(StudyError) -> Int64? {
    if cell.elementsEqual("NA".utf8) { return nil }
    var value: Int64 = 0
    guard let begin = cell.baseAddress?.assumingMemoryBound(to: CChar.self),
      ctext_parse_int64(begin, begin + cell.count, &value) == 0
    else { throw unexpected("\"\(String(decoding: cell, as: UTF8.self))\"", column) }
    return value
  }

  private func real(_ cell: UnsafeRawBufferPointer, _ column: ParquetColumn) throws(StudyError) -> Double? {
    if cell.elementsEqual("NA".utf8) { return nil }
    if cell.elementsEqual("Inf".utf8) { return .infinity }
    if cell.elementsEqual("-Inf".utf8) { return -.infinity }
    var value = 0.0
    guard let begin = cell.baseAddress?.assumingMemoryBound(to: CChar.self),
      ctext_parse_double(begin, begin + cell.count, &value) == 0
    else { throw unexpected("\"\(String(decoding: cell, as: UTF8.self))\"", column) }
    return value
  }

  /// A table of which this code knows too little: never of users' making.
  private func unexpected(_ what: String, _ column: ParquetColumn) -> StudyError {
    StudyError(
      .inconsistent, file: path, "\(what) in a column of \(column.kind)s, \(column.name)",
      remedy: "write text instead (--out-format tsv), and report it")
  }
}
