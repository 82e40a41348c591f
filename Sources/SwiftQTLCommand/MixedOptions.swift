public import ArgumentParser
public import SwiftQTL

extension MixedModelOptions.Test: ExpressibleByArgument {}

/// Relatedness among the samples: with it a scan fits mixed models.
struct MixedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Fit mixed models with this relationship matrix: GCTA's prefix (.grm.bin, .grm.id) or text.",
      valueName: "file"))
  var grm: String?

  @Option(
    help: ArgumentHelp(
      "The same from a decomposition that grm --eigen stored for these samples and covariates.",
      valueName: "file"))
  var grmEigen: String?

  @Option(
    help: ArgumentHelp(
      "wald: t at the h2 of the model without the variant (REML); score: GEMMA's score test (ML).",
      valueName: "name"))
  var lmmTest = MixedModelOptions.Test.wald

  @Flag(
    help:
      "Estimate h2 anew with the variant in the model, for each pair that may be reported (GEMMA's Wald and likelihood-ratio tests)."
  )
  var lmmExact = false

  @Flag(help: HeritabilityBound.help) var remlNoConstrain = false

  @Flag(
    help:
      "Leave the variant's own chromosome out of the matrix, by the files that grm --by-chromosome wrote beside it."
  )
  var loco = false

  @Option(
    help: ArgumentHelp(
      "Most sets of missing samples among phenotypes; each takes a decomposition of its own.",
      valueName: "n"))
  var maxPatterns = 10

  func validate() throws {
    guard grm == nil || grmEigen == nil else {
      throw ValidationError("--grm and --grm-eigen exclude each other.")
    }
    guard isMixed || lmmTest == .wald else { throw ValidationError("--lmm-test needs --grm.") }
    guard isMixed || !lmmExact else { throw ValidationError("--lmm-exact needs --grm.") }
    guard !lmmExact || lmmTest == .wald else {
      throw ValidationError("--lmm-exact is not for --lmm-test score.")
    }
    guard isMixed || !remlNoConstrain else { throw ValidationError("--reml-no-constrain needs --grm.") }
    guard grm != nil || !loco else { throw ValidationError("--loco needs --grm.") }
    guard maxPatterns > 0 else { throw ValidationError("--max-patterns must be at least 1.") }
  }

  /// Refuses what only scans of single pairs do.
  func refuseTestsOfPairs() throws {
    guard lmmTest == .wald else { throw ValidationError("--lmm-test score is for trans and cis nominal.") }
    guard !lmmExact else { throw ValidationError("--lmm-exact is for trans and cis nominal.") }
    guard !loco else { throw ValidationError("--loco is for trans and cis nominal.") }
  }

  /// Refuses what has no place for the columns of `--lmm-exact`.
  func validate(_ format: TableFormat) throws {
    guard !lmmExact || format == .swiftqtl else {
      throw ValidationError("--lmm-exact writes further columns: leave --format out.")
    }
  }

  /// - Parameter options: whether each was given that knows nothing of mixed models.
  func refuse(_ options: [(isGiven: Bool, name: String)]) throws {
    if let name = options.first(where: \.isGiven)?.name {
      throw ValidationError("\(name) is not for --grm.")
    }
  }

  var isMixed: Bool { grm != nil || grmEigen != nil }

  func relatedness() throws(StudyError) -> Relatedness? {
    if let grm { return .kinship(try KinshipFile.read(grm)) }
    if let grmEigen { return .decomposition(try SpectralFile.read(grmEigen)) }
    return nil
  }

  /// Asks for GCTA's files: no other form has the numbers of variants.
  var leavingOut: LeaveOneChromosomeOut? {
    guard loco, let grm else { return nil }
    return LeaveOneChromosomeOut(
      path: { (name) throws(StudyError) in try KinshipFile.part(of: grm, chromosome: name) },
      read: { (path) throws(StudyError) in try KinshipFile.read(path) })
  }

  /// What the last bits of a decomposition made by the run depend on: the algorithm, which memory decides, and the threads above
  /// ``SpectralDecomposition/singleThreadedSamples``. Empty where none is made.
  func decomposition(samples n: Int, _ execution: Execution) -> String {
    guard grm != nil else { return "" }
    let need = try? SpectralDecomposition.Need(samples: n, path: "", memory: execution.memory - 8 * n * n)
    let threads = n > SpectralDecomposition.singleThreadedSamples ? execution.workers : 1
    return "\(need?.algorithm.rawValue ?? ""), \(threads) threads"
  }

  func modelOptions(_ execution: Execution) -> MixedModelOptions {
    MixedModelOptions(
      test: lmmTest, refitsExactly: lmmExact, isConstrained: !remlNoConstrain, maximumPatterns: maxPatterns,
      threads: execution.workers, memory: execution.memory)
  }

  func files(of study: Study) throws(StudyError) -> [String] {
    var files = (grm.map(KinshipFile.files) ?? []) + [grmEigen].compactMap(\.self)
    guard loco, let grm else { return files }
    for name in try study.genotypes.chromosomes()?.sorted() ?? [] {
      if let part = try? KinshipFile.part(of: grm, chromosome: name) { files += KinshipFile.files(part) }
    }
    return files
  }
}

/// `--reml-no-constrain`, by GCTA's name.
enum HeritabilityBound {
  static let help: ArgumentHelp =
    "h2 may be negative (by ML, too). Without, tests of phenotypes that owe nothing to relatedness are conservative."
}
