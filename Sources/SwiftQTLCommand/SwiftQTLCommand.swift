import ArgumentParser
import SwiftQTL

@main
struct SwiftQTLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "swiftqtl")
}
