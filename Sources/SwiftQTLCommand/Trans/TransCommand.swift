import ArgumentParser
import Glibc
import SwiftQTL

enum HistogramChoice: String, ExpressibleByArgument, CaseIterable {
  case sample
  case full
}

/// Which pairs are tested and which are reported.
struct PairOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Report pairs with p at most this (default: 1e-5).", valueName: "p"))
  var pvalThreshold: Double?

  @Flag(
    help:
      "Report pairs with p at most 0.05 divided by variants × phenotypes in the files, an upper bound of the tests."
  )
  var bonferroni = false

  @Option(help: ArgumentHelp("Do not test pairs closer than this on one chromosome.", valueName: "bases"))
  var excludeCis = 5_000_000

  @Flag(help: "Test all pairs, near ones too.")
  var noExcludeCis = false

  @Option(
    help: ArgumentHelp("Gene pairs (A, B): variants near A are not tested against B.", valueName: "file"))
  var excludePairs: String?

  @Flag(help: "Also write the best pair of each variant and of each phenotype, over all pairs.")
  var best = false

  @Flag(help: "No q column: pairs are written as they are found.")
  var noQ = false

  @Option(
    help: ArgumentHelp(
      "What the manifest says of all p: from a sample of the tests, or counted in full, in 20 bins (slower).",
      valueName: "kind"))
  var histogram = HistogramChoice.sample

  @Option(
    help: ArgumentHelp(
      "Permuted copies of each phenotype, as much work as so many scans: their smallest p over all tests give it an empirical p and a threshold.",
      valueName: "n"))
  var permutations: Int?

  @Option(
    help: ArgumentHelp("Error rate of a phenotype that its threshold stands for.", valueName: "share"))
  var permutationLevel = 0.05

  func validate() throws {
    guard permutationLevel > 0, permutationLevel < 1 else {
      throw ValidationError("--permutation-level must lie between 0 and 1.")
    }
    if let permutations {
      guard permutations > 0, permutations <= 1_000_000 else {
        throw ValidationError("--permutations must lie between 1 and 1000000.")
      }
      let least = Int((1 / permutationLevel - 1e-9).rounded(.up)) - 1
      guard permutations >= least else {
        throw ValidationError(
          "--permutations \(permutations) are too few for a threshold at \(permutationLevel): give at least \(least)."
        )
      }
    }
    if let pvalThreshold {
      guard pvalThreshold > 0, pvalThreshold <= 1 else {
        throw ValidationError("--pval-threshold must be above 0 and at most 1.")
      }
      if bonferroni { throw ValidationError("--bonferroni and --pval-threshold exclude each other.") }
    }
    guard excludeCis >= 0 else { throw ValidationError("--exclude-cis must not be negative.") }
  }

  /// Bonferroni's threshold needs the number of tests beforehand: all variants × all phenotypes, an upper bound of those performed.
  func threshold(for study: Study) throws -> Double {
    guard bonferroni else { return pvalThreshold ?? 1e-5 }
    guard let variants = study.genotypes.variantCount else {
      throw ValidationError(
        "--bonferroni needs genotypes whose number of variants is known beforehand (PLINK 1 and 2, BGEN with its .bgi); give --pval-threshold."
      )
    }
    return 0.05 / Double(max(1, variants) * max(1, study.features.count))
  }

  func exclusion(anchor: WindowAnchor) throws -> CisExclusion {
    CisExclusion(
      radius: noExcludeCis ? nil : excludeCis, anchor: anchor,
      pairs: try excludePairs.map { (path) throws(StudyError) in try GenePairFile.read(path) } ?? [])
  }

  /// What to advise when genotypes and phenotypes share no chromosome; nil when they need not.
  var chromosomeRemedy: String? {
    noExcludeCis
      ? nil : InputOptions.chromosomeRemedy + ", or test all pairs with --no-exclude-cis"
  }

  /// What makes no sense beside `--interaction`.
  func validateForInteractions() throws {
    let refused = [
      (best, "--best"), (permutations != nil, "--permutations"), (histogram == .full, "--histogram full"),
    ]
    if let name = refused.first(where: \.0)?.1 {
      throw ValidationError("\(name) is not for --interaction.")
    }
  }
}

struct TransCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trans",
    abstract: "Test all variants against all phenotypes and report the pairs with small p.",
    discussion: """
      Writes OUT.trans.tsv.gz (pairs by variant, then phenotype; q is Benjamini-Hochberg's over all tests performed), with --best \
      OUT.trans_best_by_variant.tsv.gz and OUT.trans_best_by_phenotype.tsv.gz, with --permutations \
      OUT.trans_permutations.tsv.gz, and OUT.trans_qq.tsv (quantiles of a sample of all p).

      With --grm the model is y ~ covariates + u + g + e, Var u = h2 * K, with h2 of each phenotype as OUT.heritability.tsv.gz has it. \
      With --lmm-exact every pair of p at most ten times the threshold is fitted anew, with h2 estimated by REML while the variant is in \
      the model: beta, se, t, p (and so q) are of that fit, h2 is its own, pval_lrt tests beta = 0 by maximum likelihood; pairs whose new \
      p is at most the threshold are written. A pair whose p falls by more than a factor of ten is missed.

      With --loco each chromosome's variants are tested with the matrix of the other chromosomes, and OUT.heritability.tsv.gz has a row \
      for each phenotype and chromosome left out. It takes a decomposition for each chromosome, one at a time.

      Finished blocks of variants are kept in OUT.trans.journal until the tables are written: after a crash, a full disk or a signal \
      the same command with --resume goes on where that one stopped.

      With --interaction the model is y ~ covariates + i + g + g*i for every term i of the table, all terms at once, and pairs are \
      those in which a g*i has small p; they go to OUT.trans_interaction.tsv.gz, with q by term.

      EXAMPLES
        swiftqtl trans --genotypes study --phenotypes expression.bed.gz \\
          --covariates pcs.tsv --pval-threshold 1e-6 --out study
        swiftqtl trans --genotypes study --phenotypes expression.bed.gz \\
          --interaction sex.tsv --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Pairs") var pairs: PairOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Interactions") var interactions: TransInteractionOptions
  @OptionGroup(title: "Effect sizes") var effect: EffectOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Flag(help: "Go on with a run of this command that died, from its journal.")
  var resume = false

  func validate() throws {
    if resume, mixed.loco { throw ValidationError("--resume is not for --loco.") }
    if resume, interactions.interaction != nil {
      throw ValidationError("--resume is not for --interaction.")
    }
    if resources.format == .fastqtl {
      throw ValidationError("--format fastqtl is a cis format; trans knows swiftqtl, tensorqtl and qtltools.")
    }
    try effect.validate(resources.format, normal: test.normal)
    try mixed.validate(resources.format)
    if mixed.loco, pairs.best { throw ValidationError("--best is not for --loco.") }
    if mixed.lmmExact, pairs.best { throw ValidationError("--best is not for --lmm-exact.") }
    if mixed.isMixed {
      try mixed.refuse(
        [
          (pairs.permutations != nil, "--permutations"), (pairs.histogram == .full, "--histogram full"),
          (interactions.interaction != nil, "--interaction"), (effect.effectSizes, "--effect-sizes"),
        ])
    }
    if interactions.interaction != nil {
      try pairs.validateForInteractions()
      try interactions.validate(resources, effect)
    }
  }

  func run() throws {
    if let terms = interactions.interaction {
      try TransInteractionRun(self, terms: terms).execute()
    } else {
      try TransRun(self).execute()
    }
  }
}
