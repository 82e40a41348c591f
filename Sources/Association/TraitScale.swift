internal import LinearAlgebra
public import StudyData

/// Location and spread of a trait, for effect sizes.
public struct TraitScale: Sendable, Equatable {
  /// Of the phenotype as given, over its observed samples.
  public var mean: Double
  /// Sample variance of the transformed phenotype over its observed samples (divisor: their number − 1), before covariates are taken out.
  public var variance: Double
  /// Sum of squares of what the covariates leave of the transformed phenotype.
  public var residualSumOfSquares: Double

  public init(mean: Double, variance: Double, residualSumOfSquares: Double) {
    self.mean = mean
    self.variance = variance
    self.residualSumOfSquares = residualSumOfSquares
  }

  /// By feature of the study; nil for those that cannot be analysed.
  ///
  /// - Throws: ``StudyError`` `degenerate` when no phenotype can be analysed.
  /// - Complexity: that of the preparation of a scan, time and memory; to be called before the scan, not during it.
  public static func all(of study: Study, _ options: ScanOptions, workers: Int) throws -> [TraitScale?] {
    BLAS.useSingleThread()
    try study.requireUnrelated("effect sizes")
    let traits = try PreparedStudy(study, options, workers: workers).traits
    let scales = try parallel(Array(0..<traits.count), workers: workers) { trait in
      let values = traits.centered(trait, of: study, transform: options.transform)
      let observed = traits.sizes[Int(traits.patternOf[trait])].observed
      let given = study.phenotypes.column(traits.ordinals[trait])
      return TraitScale(
        mean: given.reduce(0) { $1.isNaN ? $0 : $0 + $1 } / Double(observed),
        variance: values.reduce(0) { $0 + $1 * $1 } / Double(observed - 1),
        residualSumOfSquares: traits.norms[trait] * traits.norms[trait])
    }
    var all = [TraitScale?](repeating: nil, count: study.features.count)
    for (trait, scale) in scales.enumerated() { all[traits.ordinals[trait]] = scale }
    return all
  }
}
