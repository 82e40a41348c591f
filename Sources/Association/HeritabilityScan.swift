internal import LinearAlgebra
public import MixedModels
public import StudyData

/// Variance components of every trait of a study.
public struct HeritabilityScan: Sendable {
  public var likelihood: Likelihood
  public var transform: TraitTransform
  /// Distinct sets of missing samples that are decomposed.
  public var maximumPatterns: Int

  public struct Row: Sendable {
    /// Index in the study's features.
    public var feature: Int
    /// Observed samples.
    public var n: Int
    /// In the units of the (transformed) trait.
    public var estimate: VarianceEstimate
  }

  public init(likelihood: Likelihood = .reml, transform: TraitTransform = .none, maximumPatterns: Int = 10) {
    self.likelihood = likelihood
    self.transform = transform
    self.maximumPatterns = maximumPatterns
  }

  /// - Parameters:
  ///   - kinship: with all samples of the study.
  ///   - progress: told the rows that each decomposition gave.
  /// - Returns: rows in the order of features; what cannot be analysed is among the summary's drops.
  /// - Missing: a trait is estimated on its observed samples, whose matrix is decomposed anew for every set of them.
  /// - Throws: ``StudyError``: `inconsistent` for samples that the matrix lacks, `degenerate` for more than ``maximumPatterns`` sets and
  ///   when nothing can be estimated, `environment` when memory does not do.
  /// - Complexity: about 9n³ flop for each set of missing samples, 2n² a trait.
  public func run(
    in study: Study, kinship: Kinship, execution: Execution = .init(), progress: (Int) -> Void = { _ in }
  ) throws(StudyError) -> (rows: [Row], summary: ScanSummary) {
    BLAS.useSingleThread()
    let prepared = try PreparedStudy(study, ScanOptions(transform: transform), workers: execution.workers)
    let (traits, n) = (prepared.traits, study.sampleCount)
    let byPattern = Dictionary(grouping: 0..<traits.count) { Int(traits.patternOf[$0]) }
    guard byPattern.count <= maximumPatterns else {
      throw StudyError(
        .degenerate,
        "the phenotypes miss \(byPattern.count) different sets of samples, and each needs its own decomposition (at most \(maximumPatterns))",
        remedy: "impute missing phenotypes, leave those phenotypes or samples out, or raise --max-patterns")
    }
    let kinship = try kinship.restricted(to: study.sampleIDs)
    let covariates = Matrix(rows: n, columns: prepared.residualiser.rank, storage: prepared.residualiser.q)
    var rows: [Row] = []
    for (index, members) in byPattern.sorted(by: { $0.key < $1.key }) {
      let missing = Set(traits.patterns[index].missing.map(Int.init))
      let observed = (0..<n).filter { !missing.contains($0) }
      let components = VarianceComponents(
        try SpectralDecomposition(
          of: kinship.restricted(to: observed.map { study.sampleIDs[$0] }),
          covariateBasis: OrthonormalBasis(of: covariates.selectingRows(observed)).basis,
          forMaximumLikelihood: likelihood == .ml, threads: execution.workers, memory: execution.memory),
        likelihood: likelihood)
      let values = Matrix(
        rows: observed.count, columns: members.count,
        storage: members.flatMap { trait in observed.map { traits.unit[trait * n + $0] } })
      let estimates = components.estimates(of: values, workers: execution.workers)
      rows += zip(members, estimates).compactMap { trait, estimate in
        estimate.map {
          Row(
            feature: traits.ordinals[trait], n: observed.count,
            estimate: components.scaled($0, by: traits.norms[trait]))
        }
      }
      progress(members.count)
    }
    var summary = ScanSummary(prepared)
    summary.counts.rows = rows.count
    return (rows.sorted { $0.feature < $1.feature }, summary)
  }
}
