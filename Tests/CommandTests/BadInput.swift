import Foundation
import Testing

/// A study with one thing wrong, and what the program must say about it.
struct BadInput: Sendable, CustomTestStringConvertible {
  /// What is wrong.
  var name: String
  /// `FILE` or `FILE:LINE` at the start of the message; nil where no single file is to blame.
  var location: String?
  /// What the line of cause must contain.
  var cause: String
  var status: Int32 = 65
  var command = ["trans"]
  /// What the line of remedy must contain.
  var remedy: String?
  /// Damages a good study in the folder; returns other arguments where the usual ones do not do.
  var damage: @Sendable (Folder) throws -> [String]

  var testDescription: String { name }

  init(
    _ name: String, at location: String?, _ cause: String, status: Int32 = 65, command: [String] = ["trans"],
    remedy: String? = nil, _ damage: @escaping @Sendable (Folder) throws -> [String]
  ) {
    self.name = name
    self.location = location
    self.cause = cause
    self.status = status
    self.command = command
    self.remedy = remedy
    self.damage = damage
  }

  /// An edit of the usual files.
  init(
    _ name: String, at location: String?, _ cause: String, status: Int32 = 65, command: [String] = ["trans"],
    remedy: String? = nil, edit: @escaping @Sendable (Folder) throws -> Void
  ) {
    self.init(name, at: location, cause, status: status, command: command, remedy: remedy) { folder in
      try edit(folder)
      return Self.inputs(folder)
    }
  }

  static func inputs(
    _ folder: Folder, genotypes: [String] = ["g"], phenotypes: String = "e.bed", covariates: String? = "c.tsv"
  ) -> [String] {
    ["--genotypes"] + genotypes.map(folder.path) + ["--phenotypes", folder.path(phenotypes)]
      + (covariates.map { ["--covariates", folder.path($0)] } ?? [])
  }

  /// Seconds within which a bad study must be refused: 5 on a machine of its own; the tests run side by side.
  static let timeLimit = 5.0 * 2 * Program.patience

  /// Runs the program and checks how it refuses.
  func check() throws {
    let folder = try Folder()
    try SmallStudy().write(to: folder)
    let out = try folder.subfolder("out")
    let inputs = try damage(folder)
    let writesElsewhere = inputs.contains("--out")
    let result = try Program.run(
      command + inputs + ["--quiet"] + (writesElsewhere ? [] : ["--out", out + "/result"]),
      timeLimit: Self.timeLimit)
    #expect(!result.isSignal, "it crashed: \(result.errors)")
    #expect(result.status == status, "\(result.errors)")
    #expect(try folder.contents("out") == [], "something is left behind")
    #expect(result.output == "")
    let lines = result.errors.split(separator: "\n")
    if status == 64 {
      #expect(lines.first?.hasPrefix("Error: ") == true && result.errors.contains(cause), "\(result.errors)")
      #expect(result.errors.contains("--help"), "\(result.errors)")
      return
    }
    try #require(lines.count == 2, "not one line of cause and one of remedy: \(result.errors)")
    #expect(lines[1].hasPrefix("  remedy: ") && lines[1].count > 15, "\(result.errors)")
    if let remedy { #expect(lines[1].contains(remedy), "\(result.errors)") }
    #expect(lines[0].contains(cause), "\(result.errors)")
    if let location {
      #expect(lines[0].hasPrefix("error: \(folder.path(location)): "), "\(result.errors)")
    } else {
      #expect(lines[0].hasPrefix("error: "), "\(result.errors)")
    }
  }
}

@Suite struct BadInputTests {
  /// The same files without damage pass: what is refused below is refused for the damage.
  @Test func undamaged() throws {
    let folder = try Folder()
    try SmallStudy().write(to: folder)
    let out = try folder.subfolder("out") + "/result"
    for command in [["trans"], ["cis", "nominal"]] {
      try Program.run(command + BadInput.inputs(folder) + ["--out", out]).expectSuccess()
    }
  }

  @Test(arguments: BadInput.genotypes) func genotypes(_ input: BadInput) throws { try input.check() }
  @Test(arguments: BadInput.tables) func tables(_ input: BadInput) throws { try input.check() }
  @Test(arguments: BadInput.joins) func joins(_ input: BadInput) throws { try input.check() }
  @Test(arguments: BadInput.lists) func lists(_ input: BadInput) throws { try input.check() }
  @Test(arguments: BadInput.outputs) func outputs(_ input: BadInput) throws { try input.check() }
  @Test(arguments: BadInput.options) func options(_ input: BadInput) throws { try input.check() }
}
