import Foundation
import Testing

/// The built program, run as a user runs it.
enum Program {
  /// How a run ended.
  struct Result {
    var arguments: [String]
    var status: Int32
    var isSignal: Bool
    var output: String
    var errors: String

    /// Whether it succeeded; what it said otherwise.
    func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) throws {
      try #require(
        status == 0 && !isSignal, "\(arguments.joined(separator: " ")): status \(status)\n\(errors)",
        sourceLocation: sourceLocation)
    }
  }

  /// `swift build` puts it beside the test bundle. SWIFTQTL_PROGRAM names another.
  static let path: String? = {
    if let named = ProcessInfo.processInfo.environment["SWIFTQTL_PROGRAM"] { return named }
    let running = [
      URL(filePath: CommandLine.arguments[0]), URL(filePath: "/proc/self/exe").resolvingSymlinksInPath(),
    ]
    return running.map { $0.deletingLastPathComponent().appending(path: "swiftqtl").path }
      .first(where: FileManager.default.isExecutableFile)
  }()

  /// A run that hangs fails. Far above what any test needs, for a machine under load.
  static let timeLimit = 60.0 * patience

  /// SWIFTQTL_TEST_PATIENCE multiplies time limits on a slow machine.
  static let patience =
    ProcessInfo.processInfo.environment["SWIFTQTL_TEST_PATIENCE"].flatMap(Double.init) ?? 1

  static func run(
    _ arguments: [String], timeLimit: Double = timeLimit, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Result {
    let program = try #require(
      path, "swiftqtl is not beside the test bundle: swift build --product swiftqtl",
      sourceLocation: sourceLocation)
    return try run(program, arguments, timeLimit: timeLimit, sourceLocation: sourceLocation)
  }

  /// Output goes to files: a full pipe would block the program.
  static func run(
    _ tool: String, _ arguments: [String], in workingFolder: Folder? = nil, timeLimit: Double = timeLimit,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Result {
    let folder = try Folder()
    let (output, errors) = (try folder.file("", "stdout"), try folder.file("", "stderr"))
    let process = Process()
    process.executableURL = URL(filePath: tool)
    process.arguments = arguments
    process.currentDirectoryURL = workingFolder?.url
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    if ended.wait(timeout: .now() + timeLimit) == .timedOut {
      process.terminate()
      Issue.record("\(tool) ran longer than \(timeLimit) s: \(arguments)", sourceLocation: sourceLocation)
      ended.wait()
    }
    return Result(
      arguments: arguments, status: process.terminationStatus,
      isSignal: process.terminationReason == .uncaughtSignal,
      output: try String(contentsOfFile: output, encoding: .utf8),
      errors: try String(contentsOfFile: errors, encoding: .utf8))
  }

  /// Where a tool of the system is; nil where it is not installed.
  static func tool(_ name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile)
  }
}

/// A folder of files, removed with its last reference.
final class Folder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "swiftqtl-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  @discardableResult
  func file(_ text: String, _ name: String) throws -> String { try file(Data(text.utf8), name) }

  @discardableResult
  func file(_ data: Data, _ name: String) throws -> String {
    try data.write(to: URL(filePath: path(name)))
    return path(name)
  }

  func subfolder(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    return path(name)
  }

  func data(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: path(name))) }
  func text(_ name: String) throws -> String { String(decoding: try data(name), as: UTF8.self) }

  /// Everything in a folder, hidden files too.
  func contents(_ name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(name)).sorted()
  }

  /// Changes the text of a file.
  func edit(_ name: String, _ change: (String) -> String) throws { try file(change(text(name)), name) }

  /// Changes line `number` (from 1) of a file.
  func editLine(_ number: Int, of name: String, _ change: (String) -> String) throws {
    try edit(name) { text in
      var lines = text.components(separatedBy: "\n")
      lines[number - 1] = change(lines[number - 1])
      return lines.joined(separator: "\n")
    }
  }
}

enum Gzip {
  static func compressed(_ data: Data, with tool: String = "gzip") throws -> Data {
    let folder = try Folder()
    let path = try folder.file(data, "plain")
    let program = try #require(Program.tool(tool), "\(tool) is not installed")
    try Program.run(program, [path]).expectSuccess()
    return try folder.data("plain.gz")
  }

  static func text(_ path: String) throws -> String { String(decoding: try data(path), as: UTF8.self) }

  static func data(_ path: String) throws -> Data {
    let folder = try Folder()
    try FileManager.default.copyItem(atPath: path, toPath: folder.path("file.gz"))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder.path("file.gz"))
    try Program.run(try #require(Program.tool("gzip")), ["-d", folder.path("file.gz")]).expectSuccess()
    return try folder.data("file")
  }
}

/// A table of text, by column name.
struct Table {
  var header: [String]
  var rows: [[Substring]]
  private let index: [String: Int]

  init(_ text: String) throws {
    var lines = text.split(separator: "\n")
    header = try #require(lines.first).split(separator: "\t", omittingEmptySubsequences: false).map(
      String.init)
    lines.removeFirst()
    rows = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    index = Dictionary(uniqueKeysWithValues: header.enumerated().map { ($1, $0) })
  }

  /// A result table of the program.
  init(gzip path: String) throws { try self.init(Gzip.text(path)) }

  func column(_ name: String) throws -> Int { try #require(index[name], "no column \(name) in \(header)") }

  func texts(_ name: String) throws -> [Substring] {
    let column = try column(name)
    return rows.map { $0[column] }
  }

  func numbers(_ name: String) throws -> [Double] {
    try texts(name).map { try #require(Double($0), "\($0) in \(name)") }
  }

  /// Rows by variant and phenotype.
  func byPair(_ variant: String = "variant_id", _ phenotype: String = "phenotype_id") throws -> [String:
    [Substring]]
  {
    let (v, p) = (try column(variant), try column(phenotype))
    return Dictionary(uniqueKeysWithValues: rows.map { ("\($0[v]) \($0[p])", $0) })
  }
}

/// |a − b| relative to |b|.
func relativeDifference(_ a: Double, _ b: Double) -> Double { a == b ? 0 : abs(a - b) / abs(b) }

/// Real data and the results of other programs, which are no part of the package: the folder of SWIFTQTL_SHARED, or
/// `shared` beside the package.
enum SharedData {
  static let folder: URL? = {
    let beside = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared")
    let named = ProcessInfo.processInfo.environment["SWIFTQTL_SHARED"].map { URL(filePath: $0) }
    let folder = (named ?? beside).standardized
    return FileManager.default.fileExists(atPath: folder.appending(path: "oracles").path) ? folder : nil
  }()

  static func path(_ name: String) throws -> String { try #require(folder).appending(path: name).path }
  static var isPresent: Bool { folder != nil }
}
