import CText
import StudyData

/// What the cells of text tables mean.
enum CellValue {
  /// `NA`, `NaN`, `nan`, `.` and the empty cell stand for a missing value.
  static func isMissing(_ cell: TextBytes) -> Bool {
    switch cell.count {
    case 0: true
    case 1: cell[0] == UInt8(ascii: ".")
    case 2: cell.equals("NA")
    case 3: cell.equals("NaN") || cell.equals("nan")
    default: false
    }
  }

  /// The cell as a number: NaN where it is missing, nil where it is not a finite number.
  static func number(_ cell: TextBytes) -> Double? {
    isMissing(cell) ? .nan : cell.decimal
  }

  /// The cell as a whole number, also as R writes round ones (`1e+05`); nil where it is none.
  static func wholeNumber(_ cell: TextBytes) -> Int? {
    guard let value = number(cell) else { return nil }
    return Int(exactly: value)
  }
}

extension TextBytes {
  /// The bytes as a finite decimal number.
  var decimal: Double? {
    guard let base = UnsafeRawPointer(baseAddress) else { return nil }
    let begin = base.assumingMemoryBound(to: CChar.self)
    var value = 0.0
    return ctext_parse_double(begin, begin + count, &value) == 0 ? value : nil
  }
}

/// PLINK's code for a missing value is -9, which is also a number. It is refused where it cannot be one:
/// when every other value lies above -8.
struct MinusNineCheck {
  private(set) var firstLine = 0
  private(set) var firstColumn = 0
  private var leastOther = Double.infinity

  @inline(__always)
  mutating func add(_ value: Double, line: Int, column: Int) {
    if value < leastOther {
      if value == -9 {
        if firstLine == 0 { (firstLine, firstColumn) = (line, column) }
      } else {
        leastOther = value
      }
    }
  }

  /// Adds numbers of one line, the first of them in `column`, of which `least` is the least.
  @inline(__always)
  mutating func add(
    _ values: Slice<UnsafeMutableBufferPointer<Double>>, least: Double, line: Int, column: Int
  ) {
    if least > -8 {
      leastOther = min(leastOther, least)
    } else if leastOther > -8 {
      for (offset, value) in values.enumerated() { add(value, line: line, column: column + offset) }
    }
  }

  /// Adds what was seen of the lines behind these.
  mutating func add(_ later: MinusNineCheck) {
    if firstLine == 0 { (firstLine, firstColumn) = (later.firstLine, later.firstColumn) }
    leastOther = min(leastOther, later.leastOther)
  }

  var meansMissing: Bool { firstLine > 0 && leastOther > -8 }
}
