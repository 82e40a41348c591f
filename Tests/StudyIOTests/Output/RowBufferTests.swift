import Foundation
import StudyData
import Testing

@testable import StudyIO

@Suite struct RowBufferTests {
  @Test func rows() {
    var row = RowBuffer(capacity: 1)
    row.append("chr1")
    row.appendTab()
    row.append(Int.min)
    row.appendTab()
    row.append(Double.nan)
    row.appendTab()
    row.append(bytes: Array("é".utf8))
    row.appendTab()
    row.append("")
    row.appendNewline()
    #expect(row.text == "chr1\t-9223372036854775808\tNA\té\t\n")
    #expect(row.count == row.text.utf8.count && !row.isEmpty)
    row.removeAll()
    #expect(row.isEmpty && row.text.isEmpty)
    row.append("x")
    row.withUnsafeBytes { #expect(Array($0) == [120]) }
  }

  @Test(
    arguments: [
      (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-5, "1e-05"),
      (123_456_789.0, "123456789"), (1_234_567_890.0, "1.23456789e+09"), (1.0 / 3, "0.333333333"),
      (Double.leastNonzeroMagnitude, "4.94065646e-324"), (Double.greatestFiniteMagnitude, "1.79769313e+308"),
      (Double.infinity, "Inf"), (-Double.infinity, "-Inf"), (Double.nan, "NA"),
    ] as [(Double, String)])
  func doubles(value: Double, expected: String) {
    var row = RowBuffer()
    row.append(value)
    #expect(row.text == expected)
  }

  /// Against C's printf, over all bit patterns and precisions; also that the buffer grows without losing bytes.
  @Test func doublesAsPrintf() {
    var generator = SplitMix64(state: 3)
    var row = RowBuffer(capacity: 1)
    var expected = ""
    for index in 0..<20_000 {
      let bits = generator.next()
      let value = index % 2 == 0 ? Double(bitPattern: bits) : Double(Int64(bitPattern: bits)) / 1e15
      guard value.isFinite else { continue }
      row.append(value, precision: index % 17 + 1)
      row.appendNewline()
      row.append(Int(Int64(bitPattern: bits)))
      row.appendNewline()
      expected += String(format: "%.\(index % 17 + 1)g\n", value)
      expected += "\(Int64(bitPattern: bits))\n"
    }
    #expect(row.text == expected)
  }
}
