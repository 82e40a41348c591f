public import Foundation

/// Python with pyarrow, polars and duckdb, as `Scripts/bootstrap --readers` installs it.
public enum TableReaders {
  public static let python: URL? = {
    let package = URL(filePath: #filePath).appending(path: "../../..").standardized
    let path = package.appending(path: ".build/readers/bin/python")
    let isComplete = FileManager.default.fileExists(
      atPath: package.appending(path: ".build/readers/complete").path)
    return isComplete ? path : nil
  }()

  public struct Output: Sendable {
    public var status: Int32
    public var output: String
    public var errors: String
  }

  /// - Precondition: ``python`` is there.
  public static func run(_ arguments: [String]) throws -> Output {
    let process = Process()
    let (output, errors) = (
      Pipe(), FileManager.default.temporaryDirectory.appending(path: "readers-\(UUID().uuidString)")
    )
    // To a file: two pipes that are read one after the other can block.
    try Data().write(to: errors)
    defer { try? FileManager.default.removeItem(at: errors) }
    process.executableURL = python
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Output(
      status: process.terminationStatus, output: String(decoding: data, as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }
}
