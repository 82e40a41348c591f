import CText
import Distributions
import Foundation
import Testing

@Suite struct NumberTextTests {
  private func formatted(_ value: Double, _ precision: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { out in
      let count = Int(ctext_format_g(value, precision, out.baseAddress!))
      return String(
        decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[..<count]), as: UTF8.self)
    }
  }

  private func parsed(_ text: String) -> Double? {
    var value = -99.0
    let status = text.withCString { ctext_parse_double($0, $0 + text.utf8.count, &value) }
    return status == 0 ? value : nil
  }

  /// Compares without a String per number, so that a million fit a test.
  private func equalsPrintf(_ value: Double, _ precision: Int32) -> Bool {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { out in
      let (ours, theirs) = (out.baseAddress!, out.baseAddress! + 64)
      let count = ctext_format_g(value, precision, ours)
      let expected = withVaList([precision, value]) { vsnprintf(theirs, 64, "%.*g", $0) }
      return count == expected && memcmp(ours, theirs, Int(count)) == 0
    }
  }

  @Test func formatsAsPrintf() {
    var random = CounterRNG(seed: 11)
    var wrong: [Double] = []
    func check(_ value: Double, _ precision: Int32) {
      if !equalsPrintf(value, precision) { wrong.append(value) }
    }
    for index in 0..<1_000_000 {
      let precision = Int32(index % 18)
      let word = random.next()
      // Any bits; a product of everyday size; a subnormal now and then.
      let any = Double(bitPattern: word)
      if !any.isNaN { check(any, precision) }
      check(Double(Int64(bitPattern: word) >> 20) * 1e-9, precision)
      if index % 8 == 0 { check(Double(bitPattern: word >> (12 + word % 52)), precision) }
    }
    for exponent in -330...308 {
      let power = pow(10, Double(exponent))
      for precision in 0...17 as ClosedRange<Int32> {
        for value in [power, -power, power.nextUp, power.nextDown, 9.9999995 * power, 5 * power] {
          check(value, precision)
        }
      }
    }
    for value in [0, -0.0, .infinity, -.infinity] { check(value, 9) }
    #expect(wrong.isEmpty, "\(wrong.prefix(5))")
  }

  @Test func notANumberHasNoSign() {
    #expect(formatted(.nan, 9) == "nan")
    #expect(formatted(-.nan, 9) == "nan")
  }

  @Test func integers() {
    for value in [0, 7, -7, 1_000_000, .max, .min] as [Int64] {
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { out in
        let start = out.baseAddress!
        let count = Int(ctext_format_int(value, start))
        #expect(
          String(
            decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[..<count]), as: UTF8.self)
            == String(value))
        var back: Int64 = 1
        #expect(ctext_parse_int64(start, start + count, &back) == 0 && back == value)
      }
    }
    for text in ["", "+", "-", "1.0", "1e3", " 1", "1 ", "0x10", "9223372036854775808", "+-1", "--1"] {
      var value: Int64 = -99
      #expect(text.withCString { ctext_parse_int64($0, $0 + text.utf8.count, &value) } != 0, "\(text)")
      #expect(value == -99)
    }
  }

  @Test(arguments: [
    ("1", 1), ("+1", 1), ("-1.5", -1.5), (".5", 0.5), ("5.", 5), ("1e3", 1000), ("1E-3", 0.001),
    ("+2.5e+2", 250), ("0.1", 0.1), ("1e-400", 0), ("100000000000000000000000", 1e23),
    ("4.9406564584124654e-324", Double.leastNonzeroMagnitude),
    ("2.2250738585072014e-308", Double.leastNormalMagnitude),
    ("1.7976931348623157e308", 1.7976931348623157e308),
  ])
  func parsesNumbers(_ text: String, _ value: Double) {
    #expect(parsed(text) == value)
  }

  @Test(arguments: [
    "", "+", "-", "+-1", "++1", "1e", "1e+", "e5", ".", "inf", "-inf", "nan", "NaN", "NA", "infinity", "0x10",
    "1 ", " 1",
    "1,5", "1_000", "1d5", "1.2.3", "1e400", "-1e400", "1\0",
  ])
  func refusesTheRest(_ text: String) {
    #expect(parsed(text) == nil)
  }

  /// A run of cells gives, bit by bit, the numbers of its cells one by one, whatever path they take: around eight digits at
  /// a time, 2⁵³, nineteen digits and the end of the text.
  @Test func runsOfNumbers() throws {
    var random = CounterRNG(seed: 13)
    var cells: [String] = []
    for _ in 0..<50_000 {
      let digits = (0..<1 + Int(random.next() % 22)).map { _ in String(random.next() % 10) }
      let point = Int(random.next() % UInt64(digits.count + 2))
      let exponent = random.next() % 8 == 0 ? "e\(Int(random.next() % 60) - 30)" : ""
      cells.append(
        (random.next() % 2 == 0 ? "-" : "") + digits.prefix(point).joined()
          + (point <= digits.count ? "." : "") + digits.dropFirst(point).joined() + exponent)
    }
    cells += ["9007199254740992", "9007199254740993", "-0", "0.0", "4.9406564584124654e-324"]
    let text = cells.joined(separator: "\t")
    var values = [Double](repeating: .nan, count: cells.count)
    let run = text.withCString {
      ctext_parse_numbers($0, $0 + text.utf8.count, 9, &values, Int64(values.count))
    }
    #expect(run.count == cells.count && run.next == nil && run.least == values.min())
    let wrong = zip(cells, values).filter { parsed($0)?.bitPattern != $1.bitPattern }
    #expect(wrong.isEmpty, "\(wrong.prefix(3))")
  }

  @Test(arguments: [
    ("", 0, 0), ("1", 1, nil), ("1\t", 1, 2), ("1\t\t2", 1, 2), ("1\tNA\t2", 1, 2), ("1\t2 \t3", 1, 2),
    ("1\t+2", 1, 2), ("1\t-", 1, 2), ("1\t.", 1, 2), ("1\tinf", 1, 2), ("1\t1e400", 1, 2),
    ("1\t1e-400", 1, 2),
    ("1\t2\t3\t4", 3, 6), ("1\t1.2.3", 1, 2), ("1\t0x10", 1, 2), ("1\t2,5", 1, 2), ("1\t-\u{80}", 1, 2),
    ("1\t123456789\u{FF}", 1, 2), ("1\t12345678é", 1, 2),
  ])
  func runsStop(_ text: String, _ count: Int64, _ next: Int?) {
    var values = [0.0, 0, 0]
    text.withCString {
      let run = ctext_parse_numbers($0, $0 + text.utf8.count, 9, &values, 3)
      let start = $0
      #expect(run.count == count && run.next.map { $0 - start } == next)
    }
  }

  /// Seventeen digits are read back as the same double.
  @Test func roundTrips() {
    var random = CounterRNG(seed: 12)
    for _ in 0..<100_000 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { #expect(parsed(formatted(value, 17)) == value) }
    }
  }
}
