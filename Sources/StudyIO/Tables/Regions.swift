public import StudyData

/// Regions as users write them.
public enum Regions {
  /// Parses `chr22`, `22:17,000,000-18,000,000` or `22:17000000-` (to the end); 1-based, both ends included.
  ///
  /// A lone position is refused: programs read it as a point or as a start.
  ///
  /// - Throws: ``StudyError`` of kind `malformed`.
  public static func parse(_ text: String) throws(StudyError) -> GenomicRegion {
    guard let colon = text.lastIndex(of: ":") else {
      guard !text.isEmpty else { throw malformed(text) }
      return GenomicRegion(chromosome: text)
    }
    let bounds = text[text.index(after: colon)...].split(
      separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard colon > text.startIndex, bounds.count == 2, let start = position(bounds[0]) else {
      throw malformed(text)
    }
    let end = bounds[1].isEmpty ? .max : position(bounds[1])
    guard let end, start >= 1, start <= end else { throw malformed(text) }
    return GenomicRegion(chromosome: String(text[..<colon]), start: start, end: end)
  }

  private static func position(_ text: Substring) -> Int? {
    let digits = text.filter { $0 != "," }
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(digits)
  }

  private static func malformed(_ text: String) -> StudyError {
    StudyError(
      .malformed, "'\(text)' is not a region",
      remedy: "write 22, 22:17000000-18000000 or 22:17000000-")
  }
}
