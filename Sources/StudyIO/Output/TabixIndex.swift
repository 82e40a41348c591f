import CHTSlib
import Glibc
public import StudyData

/// What a tabix index needs to know of a table: which columns hold the place, and how long the header is.
///
/// - Precondition of a build: BGZF, rows grouped by chromosome and sorted by position within it.
public struct TabixIndex: Sendable, Equatable {
  /// 1-based column numbers.
  public var chromosomeColumn: Int
  /// Of 1-based positions.
  public var positionColumn: Int
  public var headerLineCount: Int

  public init(chromosomeColumn: Int, positionColumn: Int, headerLineCount: Int = 1) {
    self.chromosomeColumn = chromosomeColumn
    self.positionColumn = positionColumn
    self.headerLineCount = headerLineCount
  }

  /// Indexes `path` beside it.
  ///
  /// - Returns: the suffix of the index: `.tbi`, or `.csi` when a position lies beyond .tbi's 2²⁹.
  /// - Throws: ``StudyError``: `inconsistent` when the rows are not sorted, `environment` when it cannot be written.
  @discardableResult
  public func build(_ path: String) throws(StudyError) -> String {
    try build(path, shownAs: path)
  }

  static let suffixes = [".tbi", ".csi"]

  func build(_ path: String, shownAs shownPath: String) throws(StudyError) -> String {
    HTSLibrary.silence
    var columns = tbx_conf_t(
      preset: TBX_GENERIC, sc: Int32(chromosomeColumn), bc: Int32(positionColumn), ec: 0,
      meta_char: Int32(UInt8(ascii: "#")), line_skip: Int32(headerLineCount))
    var code: Int32 = 0
    for (suffix, minimumShift) in zip(Self.suffixes, [0, 14] as [Int32]) {
      errno = 0
      if tbx_index_build3(path, path + suffix, minimumShift, 0, &columns) == 0 { return suffix }
      code = errno
      unlink(path + suffix)
    }
    if [ENOSPC, EDQUOT, EACCES, EROFS, ENOENT].contains(code) { throw .unwritable(shownPath, code) }
    throw StudyError(
      .inconsistent, file: shownPath, "cannot be indexed: its rows are not sorted by position",
      remedy: "sort the genotype files by chromosome and position")
  }
}
