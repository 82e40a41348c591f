import Foundation
import TestSupport
import Testing

@testable import Parquet

/// What is written, against three libraries that read it.
@Suite struct ParquetTests {
  private struct Row {
    var text: String
    var integer: Int64?
    var real: Double?
    var few: String
  }

  private static let columns = [
    ParquetColumn("text", .text), ParquetColumn("integer", .integer), ParquetColumn("real", .real),
    ParquetColumn("few", .text),
  ]

  private static func rows(_ count: Int) -> [Row] {
    var generator = SplitMix64(UInt64(count) + 1)
    let texts = ["", "ü", "rs1", "chr1:5:A:<DEL>", String(repeating: "x", count: 70)]
    let reals: [Double?] = [nil, 0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, -1.5, 1e308, .nan]
    return (0..<count).map { index in
      // Stretches of the same and of others, so that both kinds of run occur.
      let isSteady = index / 100 % 2 == 0
      let draw = isSteady ? index / 100 : Int(generator.next() % 1_000)
      return Row(
        text: index % 3 == 0 ? texts[draw % texts.count] : "id\(generator.next() % 1_000_000_007)",
        integer: draw % 7 == 0 ? nil : Int64(bitPattern: generator.next()) >> Int64(draw % 60),
        real: draw % 5 == 0 ? reals[draw % reals.count] : generator.uniform(), few: "phenotype\(draw % 40)")
    }
  }

  private static func write(_ rows: [Row], to path: String) throws {
    var encoder = ParquetEncoder(columns)
    var bytes: [UInt8] = []
    for row in rows {
      for (text, isFirst) in [(row.text, true), (row.few, false)] {
        if !isFirst {
          encoder.append(row.integer)
          encoder.append(row.real)
        }
        Array(text.utf8).withUnsafeBytes { encoder.append(text: $0) }
      }
      bytes += encoder.takeBytes()
    }
    encoder.finish()
    bytes += encoder.takeBytes()
    try Data(bytes).write(to: URL(filePath: path))
  }

  private static func text(_ rows: [Row]) -> String {
    var lines = ["text:string\tinteger:int64\treal:double\tfew:string"]
    for row in rows {
      let real = row.real.flatMap { $0.isNaN ? nil : $0 }
      lines.append("\(row.text)\t\(row.integer.map(String.init) ?? "NA")\t\(hexadecimal(real))\t\(row.few)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// As Python's float.hex.
  private static func hexadecimal(_ value: Double?) -> String {
    guard let value else { return "NA" }
    guard value.isFinite else { return value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0x0.0p+0" }
    let digits = String(value.significandBitPattern, radix: 16)
    let padded = String(repeating: "0", count: 13 - digits.count) + digits
    let isNormal = value.isNormal
    return
      "\(sign)0x\(isNormal ? 1 : 0).\(padded)p\(String(format: "%+d", isNormal ? Int(value.exponent) : -1022))"
  }

  /// Around the borders of packed groups and of row groups.
  @Test(
    .enabled(
      if: TableReaders.python != nil, "Scripts/bootstrap --readers installs pyarrow, polars and duckdb"),
    arguments: [0, 1, 7, 8, 9, 1_000, ParquetEncoder.rowsInGroup, ParquetEncoder.rowsInGroup + 1])
  func threeLibrariesReadIt(count: Int) throws {
    let rows = Self.rows(count)
    let path = FileManager.default.temporaryDirectory.appending(path: "table-\(UUID().uuidString).parquet")
      .path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Self.write(rows, to: path)
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "read_parquet.py").path
    let found = try TableReaders.run([script, path])
    #expect(found.status == 0, "\(found.errors)")
    // Not in the expectation itself, which would print all of it.
    let isSame = found.output == Self.text(rows)
    #expect(isSame, "\(path) reads otherwise than it was written")
  }

  /// By hand from the format's text: runs of 8 and more, groups of 8 packed, the least bits first.
  @Test func hybrid() {
    func encoded(_ values: [UInt32], _ width: Int) -> [UInt8] {
      var bytes: [UInt8] = []
      appendHybrid(values, width: width, to: &bytes)
      return bytes
    }
    #expect(encoded([0, 1, 2, 3, 4, 5, 6, 7], 3) == [0x03, 0x88, 0xC6, 0xFA])
    #expect(encoded([UInt32](repeating: 4, count: 300), 10) == [0xD8, 0x04, 0x04, 0x00])
    #expect(encoded([1, 0, 1] + [UInt32](repeating: 1, count: 16), 1) == [0x03, 0xFD, 0x16, 0x01])
    #expect(encoded([], 1) == [])
    #expect((bitWidth(0), bitWidth(1), bitWidth(2), bitWidth(255), bitWidth(256)) == (0, 1, 2, 8, 9))
  }

  /// By hand: zigzag varints, fields as steps, lists of more than 14.
  @Test func compactProtocol() {
    var encoder = CompactEncoder()
    encoder.put(1, Int32(-1))
    encoder.put(4, 300)
    encoder.put(5, "ab")
    encoder.put(6) { $0.put(2, list: [Int32](repeating: 3, count: 15)) }
    encoder.finish()
    let list: [UInt8] = [0x29, 0xF5, 0x0F] + [UInt8](repeating: 0x06, count: 15)
    #expect(
      encoder.bytes == [0x15, 0x01, 0x36, 0xD8, 0x04, 0x18, 0x02, 0x61, 0x62, 0x1C] + list + [0x00, 0x00])
  }
}
