import SwiftQTL

/// What decides the bytes of a run's results: program, options and inputs. Threads and memory do not, unless a large relationship
/// matrix is decomposed.
struct RunIdentity {
  let text: String

  private static let neutralOptions = ["--threads", "--memory"]
  private static let neutralFlags = ["--quiet", "--resume"]

  /// - Parameters:
  ///   - arguments: with the program's name first.
  ///   - decomposition: how a relationship matrix is decomposed (``MixedOptions/decomposition(samples:_:)``).
  init(command: String, arguments: [String], decomposition: String, _ inputs: [Manifest.Input]) {
    let own = Arguments(arguments.dropFirst()).without(options: Self.neutralOptions, flags: Self.neutralFlags)
    // fp64 products outside our own kernels depend on BLAS's kernels.
    let lines =
      ["swiftqtl \(swiftQTLVersion)", command, BLAS.coreName, decomposition] + own
      + inputs.map { "\($0.path) \($0.bytes) \($0.xxh3)" }
    text = lines.joined(separator: "\n")
  }
}

/// Words of a command line.
struct Arguments {
  private let words: [String]

  init(_ words: some Sequence<String>) { self.words = Array(words) }

  /// All but some options with their values, and some flags.
  func without(options: [String], flags: [String] = []) -> [String] {
    var kept: [String] = []
    var index = 0
    while index < words.count {
      let word = words[index]
      if options.contains(word) {
        index += 2
        continue
      }
      let isGone = flags.contains(word) || options.contains { word.hasPrefix($0 + "=") }
      if !isGone { kept.append(word) }
      index += 1
    }
    return kept
  }
}
