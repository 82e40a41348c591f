import Foundation
import Parquet
import StudyData
import TestSupport
import Testing

@testable import StudyIO

/// Tables as Parquet files; their bytes are the matter of `ParquetTests`.
@Suite struct ParquetTableTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  private static let header = "variant_id\tposition\tp\n"

  private func writer() throws -> TableWriter {
    try TableWriter(path: fixture.path("out.parquet"), compression: .parquet())
  }

  @Test(.enabled(if: TableReaders.python != nil, "Scripts/bootstrap --readers installs what reads it"))
  func cellsAreOfTheirColumnsKinds() throws {
    let writer = try writer()
    try writer.append(bytes: Array((Self.header + "NA\t12\t0.5\n").utf8))
    try writer.append(bytes: Array("v2\tNA\tNA\nv3\t-7\t1e-400\n\t0\tInf\nv5\t9007199254740993\t-Inf\n".utf8))
    try writer.commit()
    #expect(try fixture.contents == ["out.parquet"])
    let script = """
      import polars, sys
      table = polars.read_parquet(sys.argv[1])
      print(table.schema.dtypes())
      for row in table.rows(): print(*row, sep="|")
      """
    let found = try TableReaders.run(["-c", script, fixture.path("out.parquet")])
    #expect(
      found.output == """
        [String, Int64, Float64]
        NA|12|0.5
        v2|None|None
        v3|-7|0.0
        |0|inf
        v5|9007199254740993|-inf

        """, "\(found.errors)")
  }

  /// Of tables that are text unless asked for, and have columns of their own.
  @Test func kindsByName() {
    let kinds: [(String, ParquetColumn.Kind)] = [
      ("kind id reason detail component", .text), ("rank distance cis_hits trans_called_cis", .integer),
      ("expected_neg_log10_p PC1 eigenvalue share_of_trace r2 sensitivity false_cis_rate", .real),
    ]
    for (names, kind) in kinds {
      for name in names.split(separator: " ") {
        #expect(ParquetTable.column(String(name)) == ParquetColumn(String(name), kind))
      }
    }
  }

  @Test(arguments: ["v\t1.5\t0\n", "v\tx\t0\n", "v\t1\t0 \n", "v\t1\n", "v\t1\t2\t3\n", "v\t\t1\n"])
  func cellsOfOtherKindsAreRefused(row: String) throws {
    let writer = try writer()
    try writer.append(bytes: Array(Self.header.utf8))
    #expect(throws: StudyError.self) { try writer.append(bytes: Array(row.utf8)) }
    #expect(throws: StudyError.self) { try writer.commit() }
    #expect(try fixture.contents.isEmpty)
  }

  @Test(arguments: 0...1)
  func tablesWithoutRows(headers: Int) throws {
    let writer = try writer()
    try writer.append(bytes: Array(String(repeating: Self.header, count: headers).utf8))
    try writer.commit()
    let size = try LocalFile.size(of: fixture.path("out.parquet"))
    #expect((size > 0) == (headers > 0))
  }
}
