import StudyData

/// The samples of an Oxford `.sample` file: a line of column names, one of column types, a line per sample.
///
/// A sample is named by ID_2, or by `ID_1_ID_2` where those repeat; by the first column in the form with a single ID.
struct OxfordSamples {
  let ids: [String]
  /// Which columns name the samples, for the log.
  let source: String

  init(path: String) throws(StudyError) {
    func malformed(_ line: Int, _ cause: String, _ remedy: String) -> StudyError {
      StudyError(.malformed, file: path, line: line, cause, remedy: remedy)
    }
    let form = "an Oxford sample file has a line 'ID_1 ID_2 missing …', a line '0 0 0 …', then the samples"
    let reader = try TextBlockReader(path: path)
    var hasTwo = false
    var first: [String] = []
    var second: [String] = []
    var line = 0
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          line += 1
          let fields = BlankFields(block.line(index, in: text))
          if line == 1 {
            hasTwo = fields.count > 1 && fields[1].string.lowercased() == "id_2"
            continue
          }
          if line == 2 {
            guard fields.count > 0, fields[0].spells("0") else {
              throw malformed(2, "the second line gives no column types", form)
            }
            continue
          }
          if fields.count == 0 { continue }
          guard fields.count >= (hasTwo ? 2 : 1) else {
            throw malformed(line, "the line has one field, not two ids", form)
          }
          first.append(fields[0].string)
          if hasTwo { second.append(fields[1].string) }
        }
      }
    }
    guard !first.isEmpty else { throw malformed(max(line, 1), "the file names no samples", form) }
    guard hasTwo else {
      if let duplicate = firstDuplicate(first) {
        throw StudyError(
          .malformed, file: path, "two samples are called \(duplicate)", remedy: "make the ids unique")
      }
      (ids, source) = (first, "its first column")
      return
    }
    let (ids, usesBoth) = try FamSamples.names(first, second, path: path)
    self.ids = ids
    source = usesBoth ? "ID_1_ID_2, because ID_2 repeats" : "ID_2"
  }
}
