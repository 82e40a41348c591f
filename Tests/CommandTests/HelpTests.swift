import Foundation
import Testing

/// `--help`, as a new user meets it.
@Suite struct HelpTests {
  static let commands = [
    [], ["trans"], ["cis"], ["cis", "nominal"], ["cis", "permute"], ["cis", "independent"],
    ["cis", "interaction"],
    ["classify"], ["grm"], ["heritability"], ["simulate"], ["plan"], ["plan", "trans"],
    ["plan", "cis-permute"], ["run"], ["merge"], ["status"], ["rehearse"],
  ]

  @Test(arguments: commands) func help(_ command: [String]) throws {
    let result = try Program.run(command + ["--help"])
    try result.expectSuccess()
    #expect(result.errors == "")
    #expect(result.output.hasPrefix("OVERVIEW: ") && result.output.contains("\nUSAGE: swiftqtl"))
    for line in result.output.split(separator: "\n") where !line.hasPrefix("USAGE: ") {
      #expect(line.count <= 80, "\(line)")
    }
    #expect(try Program.run(["help"] + command).output == result.output)
  }

  /// The examples can be typed in as they stand: those of `simulate` run, the others lack only their files.
  @Test func examples() throws {
    let program = try #require(Program.path)
    var count = 0
    for command in Self.commands {
      let folder = try Folder()
      let text = try Program.run(command + ["--help"]).output.replacing(#/ \\\n\s+/#, with: " ")
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ").map(String.init)
        guard words.first == "swiftqtl", line.hasPrefix("  ") else { continue }
        count += 1
        let result = try Program.run(program, Array(words.dropFirst()), in: folder)
        let needsFiles = !words.contains("sim") && !words.contains("--seconds")
        #expect(result.status == (needsFiles ? 74 : 0), "\(line)\n\(result.errors)")
        #expect(!needsFiles || result.errors.contains("No such file"), "\(line)\n\(result.errors)")
      }
    }
    #expect(count == 27)
  }

  @Test func version() throws {
    let result = try Program.run(["--version"])
    #expect(result.status == 0 && result.output.wholeMatch(of: #/\d+\.\d+\.\d+\n/#) != nil)
  }
}
