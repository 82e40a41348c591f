public import Foundation
internal import Testing

/// Real data and what other tools made of them, no part of the package: the folder of SWIFTQTL_SHARED, or `shared` beside the package.
public enum SharedFolder {
  public static let url: URL? = {
    let beside = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared")
    let named = ProcessInfo.processInfo.environment["SWIFTQTL_SHARED"].map { URL(filePath: $0) }
    let folder = (named ?? beside).standardized
    return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
  }()

  public static var isAbsent: Bool { url == nil }

  /// What `gzip` holds.
  public static func unzipped(_ name: String) throws -> Data {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", try #require(url).appending(path: name).path]
    process.standardOutput = pipe
    try process.run()
    let data = try #require(try pipe.fileHandleForReading.readToEnd())
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "gzip -dc \(name)")
    return data
  }

  /// Rows of cells.
  public static func table(_ name: String, separator: Character = "\t") throws -> [[Substring]] {
    String(decoding: try unzipped(name), as: UTF8.self).split(separator: "\n")
      .map { $0.split(separator: separator) }
  }
}
