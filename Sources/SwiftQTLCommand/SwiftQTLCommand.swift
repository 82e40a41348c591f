import ArgumentParser
import Dispatch
import Glibc
import SwiftQTL

@main
struct SwiftQTLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swiftqtl",
    abstract: "Maps expression quantitative trait loci: which variants change which genes' expression.",
    discussion: """
      EXAMPLES
        All variants against all genes, pairs with p <= 1e-5 more than 5 Mb apart
        (chr1-22.bed, .bim and .fam hold the genotypes):
          swiftqtl trans --genotypes chr1-22 --phenotypes expression.bed.gz \\
            --covariates covariates.tsv --out study

        Every variant within 1 Mb of each gene:
          swiftqtl cis nominal --genotypes chr22.vcf.gz --dosage-field DS \\
            --phenotypes expression.bed.gz --out study

        A study to try things on, with known effects:
          swiftqtl simulate --samples 500 --variants 20000 --genes 300 --out sim

      Each scan writes OUT.manifest.json (what was run on what) and OUT.drops.tsv.gz (what was left out, and why).
      """,
    version: swiftQTLVersion,
    subcommands: [
      TransCommand.self, CisCommand.self, ClassifyCommand.self, GrmCommand.self, HeritabilityCommand.self,
      SimulateCommand.self, PlanCommand.self, RunCommand.self, MergeCommand.self, StatusCommand.self,
      RehearseCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as StudyError {
      printError("error: " + error.description)
      exit(withExitCode(error))
    } catch {
      exit(withError: error)
    }
  }

  /// BSD's sysexits: 65 for data, 74 for files and memory.
  private static func withExitCode(_ error: StudyError) -> Int32 { error.kind == .environment ? 74 : 65 }

  private static func exit(_ code: Int32) -> Never { Glibc.exit(code) }
}

struct CisCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cis", abstract: "Variants near each gene.",
    subcommands: [
      CisNominalCommand.self, CisPermuteCommand.self, CisIndependentCommand.self, CisInteractionCommand.self,
    ])
}

/// Gives up a run's outputs when the process is interrupted, so that no temporary file stays behind.
///
/// Keep it as long as the outputs are open; what is not committed when it goes is given up, too.
final class Interruption {
  private let files: OutputTransaction
  private let sources: [any DispatchSourceSignal]

  /// When this returns, signals are waited for.
  ///
  /// - Parameter hint: what the user is told then.
  init(givingUp files: OutputTransaction, hint: @escaping @Sendable () -> String? = { nil }) {
    self.files = files
    let queue = DispatchQueue(label: "interruption")
    let registered = DispatchSemaphore(value: 0)
    sources = [SIGINT, SIGTERM, SIGHUP].compactMap { number in
      // What was ignored from the start (nohup) stays so.
      guard Self.ignore(number) else { return nil }
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        files.abort()
        if let hint = hint() { printError(hint) }
        _exit(128 + number)
      }
      source.setRegistrationHandler { registered.signal() }
      source.resume()
      return source
    }
    for _ in sources { registered.wait() }
  }

  /// Cancelled sources let go of their handlers, and so of the files, only later, perhaps not before the process ends: the
  /// files are given up here.
  deinit {
    for source in sources {
      source.cancel()
      signal(Int32(source.handle), SIG_DFL)
    }
    files.abort()
  }

  /// Leaves a signal to its dispatch source; false where it was ignored already.
  private static func ignore(_ number: Int32) -> Bool {
    // Functions of C have no equality.
    unsafeBitCast(signal(number, SIG_IGN), to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
  }
}

/// Writes a line to standard error.
func printError(_ line: String, terminator: String = "\n") {
  var text = line + terminator
  text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
