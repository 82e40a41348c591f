internal import CText
internal import Glibc
public import StudyData

/// What a table of permutation tests says of each gene, ours or tensorQTL's: its q-value and the nominal p up to which its pairs are
/// significant.
public struct GeneTable: Sendable {
  public struct Gene: Sendable, Equatable {
    /// ln q; nil where it is missing.
    public var lnQ: Double?
    /// Natural log of the threshold; nil where there is none.
    public var lnThreshold: Double?
  }

  public let path: String
  /// By phenotype or, where the table has a column `group_id`, by group.
  public let genes: [String: Gene]
  /// Whether some row is a group's.
  public let isGrouped: Bool

  /// Columns by name: `phenotype_id` (or `group_id`, where its cell is not empty), `qval`, `pval_nominal_threshold`; others are
  /// ignored. Values below double's range keep their digits.
  ///
  /// - Missing: `NA`, `nan`, `.` and empty cells.
  /// - Throws: ``StudyError``: `malformed` when a column is absent, a gene occurs twice or a value is no probability, `environment`
  ///   when the file cannot be read.
  public static func read(_ path: String) throws(StudyError) -> GeneTable {
    let reader = try LineReader(path: path)
    let start = try TableStart(reader)
    func column(_ name: String) throws(StudyError) -> Int {
      let found = start.header.indices.filter { start.header[$0] == name }
      guard found.count == 1 else {
        throw StudyError(
          .malformed, file: path, line: start.headerLine,
          found.isEmpty
            ? "there is no column \(name); the columns are \(start.header.joined(separator: ", "))"
            : "column \(name) occurs twice",
          remedy: "give the table of `cis permute`, or tensorQTL's of its permutations with q-values")
      }
      return found[0]
    }
    let group = start.header.contains("group_id") ? try column("group_id") : nil
    let columns = (
      id: try column("phenotype_id"), q: try column("qval"),
      threshold: try column("pval_nominal_threshold")
    )
    var genes: [String: Gene] = [:]
    var isGrouped = false
    var line: TextBytes? = start.firstLine
    while let current = line {
      if !CellSeparator.isBlank(current) {
        let cells = Array(start.separator.cells(current))
        guard cells.count == start.header.count else {
          throw reader.malformed(
            "the row has \(cells.count) cells, the header \(start.header.count)",
            remedy: "check how the table was made")
        }
        var id = cells[columns.id].text
        if let group, !CellValue.isMissing(cells[group]) {
          id = cells[group].text
          isGrouped = true
        }
        let gene = Gene(
          lnQ: try logProbability(cells[columns.q], "q-value", of: id, reader),
          lnThreshold: try logProbability(cells[columns.threshold], "threshold", of: id, reader))
        guard genes.updateValue(gene, forKey: id) == nil else {
          throw reader.malformed("\(id) occurs twice", remedy: "keep one row per gene")
        }
      }
      line = try reader.next()
    }
    return GeneTable(path: path, genes: genes, isGrouped: isGrouped)
  }

  /// ln of the threshold of every gene with q ≤ `fdr`; genes without a threshold are left out.
  public func significant(fdr: Double) -> [String: Double] {
    let limit = log(fdr)
    return genes.compactMapValues { gene in
      guard let q = gene.lnQ, q <= limit else { return nil }
      return gene.lnThreshold
    }
  }

  private static func logProbability(
    _ cell: TextBytes, _ what: String, of id: String, _ reader: LineReader
  ) throws(StudyError) -> Double? {
    if CellValue.isMissing(cell) { return nil }
    guard let value = cell.logDecimal, value <= 0 else {
      throw reader.malformed(
        "the \(what) of \(id) is '\(cell.text)'", remedy: "give a number from 0 to 1, or NA")
    }
    return value
  }
}

extension TextBytes {
  /// ln of a non-negative decimal number, also of one that no double holds (`3e-400`).
  var logDecimal: Double? {
    if let value = decimal, value >= 0x1p-1022 { return log(value) }
    // Zero, below the normal numbers, or no such number: mantissa and exponent apart.
    guard let e = lastIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) else {
      return decimal.flatMap { $0 < 0 ? nil : log($0) }
    }
    guard let mantissa = TextBytes(rebasing: self[..<e]).decimal,
      let exponent = TextBytes(rebasing: self[(e + 1)...]).decimal, mantissa >= 0
    else { return nil }
    return log(mantissa) + exponent * log(10)
  }
}
