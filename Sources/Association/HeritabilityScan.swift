internal import LinearAlgebra
public import MixedModels
public import StudyData

/// The variance components of one trait of a study.
public struct TraitVariance: Sendable, Equatable {
  /// Index in the study's features.
  public var feature: Int
  /// Observed samples.
  public var n: Int
  /// In the units of the (transformed) trait.
  public var estimate: VarianceEstimate
  /// The chromosome left out of the relationship matrix (``LeaveOneChromosomeOut``); nil for none.
  public var leftOut: String?
}

/// Variance components of every trait of a study with ``Study/relatedness``: what a scan of mixed models begins with.
public struct HeritabilityScan: Sendable {
  public var likelihood: Likelihood
  public var transform: TraitTransform
  /// Whether h² is at least 0.
  public var isConstrained: Bool
  /// Distinct sets of missing samples that are decomposed.
  public var maximumPatterns: Int

  public init(
    likelihood: Likelihood = .reml, transform: TraitTransform = .none, isConstrained: Bool = true,
    maximumPatterns: Int = 10
  ) {
    self.likelihood = likelihood
    self.transform = transform
    self.isConstrained = isConstrained
    self.maximumPatterns = maximumPatterns
  }

  /// - Returns: rows are its `variances`, in the order of features; what cannot be analysed is among its drops.
  /// - Missing: a trait is estimated on its observed samples, whose matrix is decomposed anew for every set of them.
  /// - Throws: ``StudyError``: `inconsistent` for more than ``maximumPatterns`` sets of missing samples, `degenerate` when nothing can be
  ///   estimated, `environment` when memory does not do.
  /// - Complexity: about 9n³ flop for each set of missing samples, 4n² a trait.
  public func run(in study: Study, execution: Execution = .init()) throws(StudyError) -> ScanSummary {
    precondition(study.relatedness != nil)
    BLAS.useSingleThread()
    try execution.require(samples: study.sampleCount, traits: study.features.count)
    let model = MixedModelOptions(
      test: likelihood == .ml ? .score : .wald, isConstrained: isConstrained,
      maximumPatterns: maximumPatterns,
      threads: execution.workers, memory: execution.memory)
    let prepared = try PreparedStudy(
      study, ScanOptions(transform: transform, mixedModel: model), workers: execution.workers)
    var summary = ScanSummary(prepared)
    summary.counts.rows = summary.variances.count
    return summary
  }
}
