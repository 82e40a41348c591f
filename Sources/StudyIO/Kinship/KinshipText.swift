import LinearAlgebra
import StudyData

/// A relationship matrix as text: GEMMA's bare square, or one with sample ids in its first line and column.
enum KinshipText {
  /// The sample list beside a matrix without names.
  static func idPath(_ path: String) -> String {
    var stem = Substring(path)
    for suffix in [".gz", ".txt"] where stem.hasSuffix(suffix) { stem = stem.dropLast(suffix.count) }
    return stem + ".id"
  }

  static func read(_ path: String, ids given: [String]?) throws(StudyError) -> Kinship {
    var rows = try Rows(path: path)
    let n = rows.width
    let ids: [String]
    if let named = rows.header {
      ids = named
    } else if LocalFile.exists(idPath(path)) {
      ids = try KinshipIDs.read(idPath(path))
      try checkCount(ids.count, n, path, "\(idPath(path)) names")
    } else if let given {
      ids = given
      try checkCount(ids.count, n, path, "the genotypes have")
    } else {
      throw StudyError(
        .inconsistent, file: path, "the matrix does not name its samples, and there is no \(idPath(path))",
        remedy: "write that file, with family and individual id a line in the order of the matrix")
    }
    var matrix = Matrix(rows: n, columns: n)
    var lines: [Int] = []
    while try rows.next(into: &matrix.storage, at: lines.count * n, row: lines.count) {
      lines.append(rows.line)
    }
    guard lines.count == n else {
      throw StudyError(
        .malformed, file: path, line: rows.line,
        "the matrix is not square: \(n) columns, \(lines.count) rows",
        remedy: "copy or make it again")
    }
    try symmetrize(&matrix, ids, lines, path)
    return Kinship(path: path, sampleIDs: ids, matrix: matrix)
  }

  private static func checkCount(_ count: Int, _ n: Int, _ path: String, _ who: String) throws(StudyError) {
    guard count != n else { return }
    throw StudyError(
      .inconsistent, file: path, "the matrix has \(n) columns, \(who) \(count) samples",
      remedy: "give the sample list of this matrix, in its order")
  }

  /// Storage holds rows as columns, which for a symmetric matrix is the same.
  private static func symmetrize(_ matrix: inout Matrix, _ ids: [String], _ lines: [Int], _ path: String)
    throws(StudyError)
  {
    let n = matrix.rows
    let largest = matrix.storage.reduce(0) { max($0, abs($1)) }
    for i in 0..<n {
      for j in 0..<i {
        let (a, b) = (matrix.storage[i * n + j], matrix.storage[j * n + i])
        guard abs(a - b) <= 1e-6 * largest else {
          throw StudyError(
            .malformed, file: path, line: lines[i],
            "the matrix is not symmetric: samples \(ids[i]) and \(ids[j]) have \(a) here and \(b) in line \(lines[j])",
            remedy: "give a relationship matrix, the same in both triangles")
        }
        let mean = a == b ? a : 0.5 * (a + b)
        (matrix.storage[i * n + j], matrix.storage[j * n + i]) = (mean, mean)
      }
    }
  }

  static func write(_ kinship: Kinship, prefix: String, to output: OutputTransaction) throws(StudyError)
    -> [String]
  {
    let paths = ["\(prefix).grm.txt", "\(prefix).grm.id"]
    let writer = try output.open(paths[0], compression: .none)
    let n = kinship.sampleCount
    var buffer = RowBuffer()
    for i in 0..<n {
      for j in 0..<n {
        if j > 0 { buffer.appendTab() }
        buffer.append(kinship.matrix.storage[i * n + j], precision: 17)
      }
      buffer.appendNewline()
      try writer.append(buffer)
      buffer.removeAll()
    }
    try KinshipIDs.write(kinship.sampleIDs, to: try output.open(paths[1], compression: .none))
    return paths
  }

  /// The lines of a matrix, one by one.
  private struct Rows {
    let width: Int
    /// Sample ids of the first line; nil where it is a row of numbers.
    let header: [String]?
    private(set) var line = 0
    private let reader: LineReader
    private let separator: CellSeparator
    /// Rows that were read to tell whether there is a header.
    private var ahead: [(cells: [String], line: Int)] = []

    /// A first line with a word in it, or of one cell less than the second, holds names.
    init(path: String) throws(StudyError) {
      reader = try LineReader(path: path)
      var first: [String] = []
      var separator = CellSeparator.blanks
      while first.isEmpty, let text = try reader.next() {
        separator = CellSeparator(header: text)
        first = separator.cells(text).map(\.text)
      }
      self.separator = separator
      line = reader.lineNumber
      guard !first.isEmpty else {
        throw StudyError(.malformed, file: path, "the file is empty", remedy: "check how it was made")
      }
      let firstLine = line
      var second: [String] = []
      while second.isEmpty, let text = try reader.next() { second = separator.cells(text).map(\.text) }
      let isNamed =
        second.count == first.count + 1
        || first.contains { (cell) -> Bool in
          var cell = cell
          return cell.withUTF8 { CellValue.number($0) == nil }
        }
      if !second.isEmpty { ahead = [(second, reader.lineNumber)] }
      guard isNamed else {
        header = nil
        width = first.count
        ahead.insert((first, firstLine), at: 0)
        return
      }
      let names = second.count == first.count + 1 ? first : Array(first.dropFirst())
      guard !names.isEmpty else {
        throw StudyError(
          .malformed, file: path, line: firstLine, "the header names no sample",
          remedy:
            "separate the cells by tabs or blanks; name the samples in the first line and the first column")
      }
      if let twice = firstDuplicate(names) {
        throw StudyError(
          .malformed, file: path, line: firstLine, "the header has sample \(twice) twice",
          remedy: "give every sample one row and one column")
      }
      header = names
      width = names.count
    }

    /// The next row to `out[at ..< at + width]`; false after the last.
    mutating func next(into out: inout [Double], at: Int, row: Int) throws(StudyError) -> Bool {
      if !ahead.isEmpty {
        let cells: [String]
        (cells, line) = ahead.removeFirst()
        try check(row)
        try check(cells.first, row)
        var values: [Double] = []
        for cell in cells.dropFirst(header == nil ? 0 : 1) {
          var text = cell
          guard let value = text.withUTF8({ $0.decimal }) else {
            throw notANumber(cell, column: values.count)
          }
          values.append(value)
        }
        try check(count: values.count)
        out.replaceSubrange(at..<at + width, with: values)
        return true
      }
      while let text = try reader.next() {
        if CellSeparator.isBlank(text) { continue }
        line = reader.lineNumber
        try check(row)
        var cells = separator.cells(text)
        if header != nil { try check(cells.next()?.text, row) }
        let width = self.width
        let run = out.withUnsafeMutableBufferPointer {
          cells.numbers(into: UnsafeMutableBufferPointer(rebasing: $0[at..<at + width]))
        }
        if run.count < width, let cell = cells.next() { throw notANumber(cell.text, column: run.count) }
        try check(count: run.count + Array(cells).count)
        if let bad = out[at..<at + width].firstIndex(where: { !$0.isFinite }) {
          throw notANumber("\(out[bad])", column: bad - at)
        }
        return true
      }
      return false
    }

    private func check(_ row: Int) throws(StudyError) {
      guard row >= width else { return }
      throw malformed("the matrix is not square: \(width) columns, but more rows")
    }

    private func check(_ name: String?, _ row: Int) throws(StudyError) {
      guard let header, name != header[row] else { return }
      throw malformed(
        "the row is of sample \(name ?? ""), the column of that number of \(header[row])",
        remedy: "put rows and columns in the same order of samples")
    }

    private func check(count: Int) throws(StudyError) {
      guard count != width else { return }
      throw malformed("the row has \(count) numbers, the first line tells of \(width)")
    }

    private func notANumber(_ cell: String, column: Int) -> StudyError {
      malformed(
        "'\(cell)' (number \(column + 1) of the line) is not a finite number",
        remedy: "leave samples without a relationship out of rows and columns")
    }

    private func malformed(_ cause: String, remedy: String = "copy or make it again") -> StudyError {
      StudyError(.malformed, file: reader.path, line: line, cause, remedy: remedy)
    }
  }
}
