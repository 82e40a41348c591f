import Foundation

/// A tab-separated table with a header under Tests/Oracles.
public struct OracleTable {
  public let rows: [Row]

  public struct Row {
    fileprivate let columns: [String: Int]
    fileprivate let cells: [Substring]

    public func text(_ column: String) -> String { String(cells[columns[column]!]) }
    public func number(_ column: String) -> Double { Double(cells[columns[column]!])! }
  }

  /// - Parameter path: below Tests/Oracles, e.g. `distributions/student_t.tsv`.
  public init(_ path: String, testSupport: String = #filePath) throws {
    let url = URL(filePath: testSupport).deletingLastPathComponent().appending(path: "../Oracles/\(path)")
    let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
    let header = lines[0].split(separator: "\t").map(String.init)
    let columns = Dictionary(uniqueKeysWithValues: zip(header, header.indices))
    rows = lines.dropFirst().map {
      Row(columns: columns, cells: $0.split(separator: "\t", omittingEmptySubsequences: false))
    }
  }
}
