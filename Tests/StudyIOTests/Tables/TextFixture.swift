import CHTSlib
import Foundation
import StudyData
import Testing

/// A folder of small text files, removed with the fixture.
final class TextFixture {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "tables-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appending(path: name).path }

  func file(_ text: String, _ name: String = "table.txt") throws -> String {
    try file(Data(text.utf8), name)
  }

  func file(_ data: Data, _ name: String) throws -> String {
    try data.write(to: URL(filePath: path(name)))
    return path(name)
  }

  /// The bytes of `text` in gzip (htslib's mode `g`) or BGZF.
  func compressed(_ text: String, gzip: Bool) throws -> Data {
    let path = path("compressed.gz")
    let file = try #require(bgzf_open(path, gzip ? "wg" : "w"))
    let bytes = Array(text.utf8)
    #expect(bgzf_write(file, bytes, bytes.count) == bytes.count)
    #expect(bgzf_close(file) == 0)
    return try Data(contentsOf: URL(filePath: path))
  }

  /// Everything in the folder, hidden files too.
  var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }
}

/// Real data that is not part of the package: the folder of SWIFTQTL_SHARED, or `shared` beside the package.
enum SharedData {
  static let folder: URL? = {
    let beside = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../../shared")
    let named = ProcessInfo.processInfo.environment["SWIFTQTL_SHARED"].map { URL(filePath: $0) }
    let data = (named ?? beside).appending(path: "data").standardized
    return FileManager.default.fileExists(atPath: data.path) ? data : nil
  }()

  static func path(_ name: String) throws -> String {
    try #require(folder).appending(path: name).path
  }

  static var isAbsent: Bool { folder == nil }
}

/// The StudyError that `body` throws; anything else is a failed expectation.
func studyError<T>(
  _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> T
) throws -> StudyError {
  let error = #expect(throws: StudyError.self, comment, sourceLocation: sourceLocation) {
    _ = try body()
  }
  let found = try #require(error, comment, sourceLocation: sourceLocation)
  #expect(!found.cause.contains("\n"), comment, sourceLocation: sourceLocation)
  #expect(!found.remedy.isEmpty, comment, sourceLocation: sourceLocation)
  return found
}

/// Reproducible random bits (Steele, Lea and Flood, 2014, doi:10.1145/2714064.2660195).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
