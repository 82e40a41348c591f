import ArgumentParser
import SwiftQTL

struct CisPermuteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "permute",
    abstract:
      "The best variant of each gene, its p over the whole window by permutations, and genes' q values.",
    discussion: """
      Writes OUT.cis_permute.tsv.gz, a row for each gene along the genome. Genotypes must be sorted by position.

      With --grm, permutations of whitened residuals at the gene's h2: those of the mixed model without a variant, made independent and of one variance. OUT.heritability.tsv.gz has the h2.

      Finished genes are kept in OUT.cis_permute.journal until the table is written: after a crash, a full disk or a signal the same \
      command with --resume goes on where that one stopped; it reads the variants anew from the first on.

      EXAMPLES
        swiftqtl cis permute --genotypes chr1-22 --phenotypes expression.bed.gz \\
          --covariates covariates.tsv --out study
        swiftqtl cis nominal --genotypes chr1-22 --phenotypes expression.bed.gz \\
          --covariates covariates.tsv \\
          --significant-from study.cis_permute.tsv.gz --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Permutations") var permutation: PermutationOptions
  @OptionGroup(title: "Effect sizes") var effect: EffectOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  @Flag(help: "Go on with a run of this command that died, from its journal.")
  var resume = false

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    try effect.validate(resources.format, normal: test.normal)
    if mixed.isMixed { try mixed.refuse([(effect.effectSizes, "--effect-sizes")]) }
    try mixed.refuseTestsOfPairs()
  }

  func run() throws { try PermuteRun(self).execute() }
}

/// How genes are permuted, and what q comes from.
struct PermutationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Permutations of each gene; A-B: until A permuted copies are as significant as the gene, at most B.",
      valueName: "n"))
  var permutations = PermutationCount(plan: .fixed(10_000))

  @Option(help: ArgumentHelp("False discovery rate of genes.", valueName: "share"))
  var fdr = 0.05

  @Option(
    help: ArgumentHelp(
      "Where q comes from: Storey's, with pi0 by a smoothing spline or by the bootstrap; or Benjamini-Hochberg.",
      valueName: "name"))
  var qvalueMethod = QValueMethod.smoother

  @Option(help: ArgumentHelp("Take pi0 at this lambda instead.", valueName: "lambda"))
  var qvalueLambda: Double?

  @Option(
    help: ArgumentHelp(
      "Two columns, phenotype and group: the phenotypes of a group are mapped as one (splicing, transcripts).",
      valueName: "file"))
  var phenotypeGroups: String?

  func validate() throws {
    guard fdr > 0, fdr < 1 else { throw ValidationError("--fdr must lie between 0 and 1.") }
    if let qvalueLambda {
      guard qvalueLambda >= 0, qvalueLambda < 1 else {
        throw ValidationError("--qvalue-lambda must be at least 0 and less than 1.")
      }
      guard qvalueMethod != .bh else {
        throw ValidationError("--qvalue-lambda is for Storey's q, not for --qvalue-method bh.")
      }
    }
  }

  var method: GeneSignificance.Method {
    if let qvalueLambda { return .storey(.fixed(lambda: qvalueLambda)) }
    return switch qvalueMethod {
    case .smoother: .storey(.smoother())
    case .bootstrap: .storey(.bootstrap())
    case .bh: .benjaminiHochberg
    }
  }
}

enum QValueMethod: String, ExpressibleByArgument, CaseIterable {
  case smoother
  case bootstrap
  case bh
}

/// `10000`, or `1000-10000` for adaptive permutations.
struct PermutationCount: ExpressibleByArgument, CustomStringConvertible {
  var plan: CisPermutations.Plan

  init(plan: CisPermutations.Plan) { self.plan = plan }

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    switch parts.count {
    case 1:
      guard let count = parts[0], (1...Self.most).contains(count) else { return nil }
      plan = .fixed(count)
    case 2:
      guard let successes = parts[0], let maximum = parts[1], successes >= 1,
        (successes...Self.most) ~= maximum
      else { return nil }
      plan = .adaptive(successes: successes, maximum: maximum)
    default: return nil
    }
  }

  private static let most = 100_000_000

  var description: String {
    switch plan {
    case .fixed(let count): "\(count)"
    case .adaptive(let successes, let maximum): "\(successes)-\(maximum)"
    }
  }

  var defaultValueDescription: String { description }
}
