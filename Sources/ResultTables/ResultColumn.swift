import Glibc
package import StudyData
package import StudyIO

/// Results of a scan in memory: by column, and as the program's text.
package protocol ResultColumns: Sendable {
  var rowCount: Int { get }
  /// In the order of the text.
  var names: [String] { get }

  /// The column `names[index]`, made anew.
  func column(_ index: Int) -> ResultColumn

  /// What the program writes, with a header.
  ///
  /// - Throws: ``StudyError`` `environment` when the disk fails.
  func write(to writer: TableWriter) throws(StudyError)
}

/// One column at an address of its own.
package final class ResultColumn: @unchecked Sendable {
  package enum Kind: Sendable {
    /// Double; NaN is missing.
    case number
    /// Int64.
    case integer
    /// Int32, indices into `dictionary`; −1 is missing.
    case text
  }

  package let kind: Kind
  package let count: Int
  /// Of a text; may hold a string twice.
  package let dictionary: [String]
  package let data: UnsafeRawPointer

  private init(_ kind: Kind, _ count: Int, _ data: UnsafeRawPointer, _ dictionary: [String] = []) {
    (self.kind, self.count, self.data, self.dictionary) = (kind, count, data, dictionary)
  }

  deinit { data.deallocate() }

  private static func values<Value: BitwiseCopyable>(
    _ count: Int, _ fill: (UnsafeMutableBufferPointer<Value>) -> Void
  ) -> UnsafeRawPointer {
    let values = UnsafeMutableBufferPointer<Value>.allocate(capacity: count)
    fill(values)
    return UnsafeRawPointer(values.baseAddress!)
  }

  package static func numbers(_ count: Int, _ fill: (UnsafeMutableBufferPointer<Double>) -> Void)
    -> ResultColumn
  {
    ResultColumn(.number, count, values(count, fill))
  }

  package static func integers(_ count: Int, _ fill: (UnsafeMutableBufferPointer<Int64>) -> Void)
    -> ResultColumn
  {
    ResultColumn(.integer, count, values(count, fill))
  }

  package static func text(
    _ count: Int, dictionary: [String], _ fill: (UnsafeMutableBufferPointer<Int32>) -> Void
  ) -> ResultColumn {
    ResultColumn(.text, count, values(count, fill), dictionary)
  }

  package static func numbers(_ all: [Double]) -> ResultColumn {
    numbers(all.count) { _ = $0.initialize(fromContentsOf: all) }
  }

  package static func integers(_ all: [Int]) -> ResultColumn {
    integers(all.count) { _ = $0.initialize(fromContentsOf: all.map(Int64.init)) }
  }

  /// - Parameter repeats: whether strings are worth a look for equal ones.
  package static func text(_ all: [String], repeats: Bool = true) -> ResultColumn {
    var index = StringIndex()
    let codes = repeats ? all.map { index.code($0) } : Array(0..<Int32(all.count))
    return text(all.count, dictionary: repeats ? index.strings : all) {
      _ = $0.initialize(fromContentsOf: codes)
    }
  }

  /// p from ln p, 0 below the range of doubles.
  package static func probabilities(_ logP: [Double]) -> ResultColumn {
    numbers(logP.map { exp(min($0, 0)) })
  }
}

/// Numbers distinct strings as they come.
struct StringIndex {
  private(set) var strings: [String] = []
  private var codes: [String: Int32] = [:]
  private var last = ("", Int32(-1))

  mutating func code(_ string: String) -> Int32 {
    if last.1 >= 0, last.0 == string { return last.1 }
    let next = Int32(strings.count)
    let code = codes[string, default: next]
    if code == next {
      codes[string] = next
      strings.append(string)
    }
    last = (string, code)
    return code
  }
}

extension [String] {
  /// A line of text.
  var headerLine: [UInt8] { [UInt8](joined(separator: "\t").utf8) + [0x0A] }
}
