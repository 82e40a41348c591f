internal import Glibc

/// One measured run of a tool.
public struct ToolRun: Sendable {
  public var cost: Cost
  /// Seconds of the computation alone where the tool's driver tells them (`compute_seconds=` in its log), else of the whole command.
  public var compute: Double
}

/// A tool that is run again and again, and where its output goes.
public struct ToolProgram: Sendable {
  public let name: String
  /// Prints the version; empty where the driver logs it (`version=`).
  public let versionCommand: [String]
  public let log: String

  public init(_ name: String, versionCommand: [String] = [], log: String) {
    self.name = name
    self.versionCommand = versionCommand
    self.log = log
  }

  /// Runs it to its end, with `title` on standard error; a failure ends the program.
  public func run(_ command: [String], title: String) -> ToolRun {
    let cost = runChild(command, log: log)
    let run = ToolRun(cost: cost, compute: logged("compute_seconds").flatMap(Double.init) ?? cost.wall)
    note("\(title): \(fixed(run.compute, 2)) s, whole command \(fixed(cost.wall, 2)) s")
    return run
  }

  /// Where the driver logs it, only after a run.
  public var version: String {
    guard versionCommand.isEmpty else {
      let log = self.log + ".version"
      _ = runChild(versionCommand, log: log)
      var line = ""
      forEachLine(of: log) { if line.isEmpty { line = $0 } }
      return line
    }
    return logged("version") ?? "unknown"
  }

  private func logged(_ key: String) -> String? {
    var value: String?
    forEachLine(of: log) { if $0.hasPrefix(key + "=") { value = String($0.dropFirst(key.count + 1)) } }
    return value
  }
}

/// Whether Debian's package of this program is here.
public func isInstalled(_ program: String) -> Bool { access("/usr/bin/" + program, X_OK) == 0 }

/// Lines without their ends; a file that cannot be read ends the program.
public func forEachLine(of path: String, _ body: (String) -> Void) {
  guard let file = fopen(path, "r") else { fail("cannot read \(path): \(String(cString: strerror(errno)))") }
  defer { fclose(file) }
  var (buffer, capacity) = (UnsafeMutablePointer<CChar>?.none, 0)
  defer { free(buffer) }
  while true {
    let length = getline(&buffer, &capacity, file)
    guard length > 0, let buffer else { return }
    let bytes = UnsafeRawBufferPointer(start: buffer, count: length)
    body(String(decoding: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self))
  }
}

/// The cells of these columns, row by row; `.gz` is unpacked beside the file.
///
/// - Parameter header: names of the columns of a table without a header.
public func forEachRow(
  of path: String, columns: [String], header: [String]? = nil, separator: Character = "\t",
  _ body: ([Substring]) -> Void
) {
  var plain = path
  if path.hasSuffix(".gz") {
    plain.removeLast(3)
    _ = runChild(["gzip", "-dc", path], log: plain)
  }
  func indices(_ header: [String]) -> [Int] {
    columns.map { name in
      guard let index = header.firstIndex(of: name) else { fail("\(path) has no column \(name)") }
      return index
    }
  }
  var chosen = header.map(indices)
  forEachLine(of: plain) { line in
    let cells = line.split(separator: separator, omittingEmptySubsequences: false)
    guard let chosen else {
      chosen = indices(cells.map(String.init))
      return
    }
    guard cells.count > chosen.max()! else { fail("\(path): a row has \(cells.count) cells") }
    body(chosen.map { cells[$0] })
  }
}
