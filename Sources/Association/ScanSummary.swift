internal import MixedModels
public import StudyData

/// What a scan did, as counts that add up over blocks.
public struct ScanCounts: Sendable, Equatable, BitwiseCopyable {
  /// Variants admitted by the filters.
  public var variants = 0
  /// Variants left out by the reader or the filters.
  public var droppedVariants = 0
  /// Heterozygous calls of males on X that the reader made missing.
  public var maskedCalls = 0
  /// Pairs tested: the number that multiple testing is about.
  public var tests = 0
  /// Pairs not tested because of cis or cross-mapping exclusion.
  public var excluded = 0
  /// Pairs not tested because the variant does not vary among the trait's samples.
  public var untestable = 0
  /// Pairs decided by products of integers, and by fp32 products.
  public var integerPairs = 0
  public var floatPairs = 0
  /// Pairs that the screen could not discard.
  public var survivors = 0
  public var rows = 0
  /// Rows whose residual is zero up to rounding.
  public var perfectFits = 0
  /// Admitted variants without a position: they are near to nothing.
  public var unplacedVariants = 0

  public init() {}

  public static func += (a: inout Self, b: Self) {
    a.variants += b.variants
    a.droppedVariants += b.droppedVariants
    a.maskedCalls += b.maskedCalls
    a.tests += b.tests
    a.excluded += b.excluded
    a.untestable += b.untestable
    a.integerPairs += b.integerPairs
    a.floatPairs += b.floatPairs
    a.survivors += b.survivors
    a.rows += b.rows
    a.perfectFits += b.perfectFits
    a.unplacedVariants += b.unplacedVariants
  }
}

/// What the blocks of a scan add up to, in any order.
public struct ScanTally: Sendable {
  public private(set) var counts = ScanCounts()
  private var histogram: [Int] = []
  private var draw: TestDraw
  /// By feature.
  private var leads: [Int: BestPair] = [:]

  init(seed: UInt64, sampleCount: Int) { draw = TestDraw(seed: seed, sampleCount: sampleCount) }

  public mutating func add(_ batch: PairBatch) {
    add(counts: batch.counts, sampled: batch.sampled, histogram: batch.histogram)
    for lead in batch.traitLeads {
      if let known = leads[lead.row.feature], !lead.isBetter(than: known) { continue }
      leads[lead.row.feature] = lead
    }
  }

  /// The same of a block whose pairs are elsewhere.
  public mutating func add(counts: ScanCounts, sampled: [SampledVariant], histogram: [Int]) {
    self.counts += counts
    _ = draw.add(sampled)
    if self.histogram.isEmpty {
      self.histogram = histogram
    } else {
      for (k, count) in histogram.enumerated() { self.histogram[k] += count }
    }
  }

  func added(to summary: ScanSummary) -> ScanSummary {
    var summary = summary
    summary.counts = counts
    summary.sampledLogP = draw.logP()
    summary.histogram = histogram
    summary.bestVariants = []
    summary.bestRows = []
    for feature in leads.keys.sorted() {
      guard let lead = leads[feature] else { continue }
      var row = lead.row
      row.variant = summary.bestVariants.count
      summary.bestVariants.append(lead.variant)
      summary.bestRows.append(row)
    }
    return summary
  }
}

/// What a finished scan says about itself.
public struct ScanSummary: Sendable {
  public var counts = ScanCounts()
  /// Traits analysed.
  public var traits = 0
  /// Distinct sets of missing samples among them.
  public var missingPatterns = 0
  /// Rank of the covariates with the intercept.
  public var covariateRank = 0
  /// ν of a complete trait.
  public var degreesOfFreedom = 0
  /// Covariates and phenotypes left out.
  public var drops: [Drop] = []
  /// The most significant pair of each trait (`--best`), by feature; `variant` indexes `bestVariants`.
  public var bestVariants: [TestedVariant] = []
  public var bestRows: [PairRow] = []
  /// ln p of a deterministic sample of the tests, ascending: for π₀ and QQ plots.
  public var sampledLogP: [Double] = []
  /// Tests with p in [k/20, (k+1)/20), over all pairs (`--histogram full`).
  public var histogram: [Int] = []
  public var backend = ""
  /// Of each trait in a mixed model, by feature of the study.
  public var variances: [TraitVariance] = []
  /// What the user should know about how the data were taken, a line each.
  public var notes: [String] = []

  /// Of nothing.
  init() {}

  init(_ prepared: PreparedStudy) {
    traits = prepared.traits.count
    missingPatterns = Set(prepared.traits.patternOf).count
    covariateRank = prepared.residualiser.rank
    degreesOfFreedom = prepared.traits.patterns[0].degreesOfFreedom
    drops = prepared.residualiser.drops + prepared.traits.drops
    if let mixed = prepared.traits.mixed {
      let traits = prepared.traits
      variances = traits.ordinals.indices.map {
        TraitVariance(
          feature: traits.ordinals[$0], n: traits.sizes[Int(traits.patternOf[$0])].observed,
          estimate: mixed.estimates[$0])
      }
      notes = mixed.notes
    }
  }
}

extension ScanSummary {
  /// ``notes``, and what is to be said of the counts.
  public var allNotes: [String] { notes + GenotypeBlock.notes(maskedCalls: counts.maskedCalls) }

  /// What all runs of a scan share: all but counts, bests, sample and histogram.
  package func encode(to encoder: inout ByteEncoder) {
    encoder.put([traits, missingPatterns, covariateRank, degreesOfFreedom])
    drops.encode(to: &encoder)
    encoder.put(backend)
    encoder.put(notes)
    encoder.put(variances.flatMap { [$0.feature, $0.n] })
    encoder.put(variances.map { $0.leftOut ?? "" })
    variances.map(\.estimate).encode(to: &encoder)
  }

  package init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let numbers: [Int] = try decoder.values()
    guard numbers.count == 4 else { throw ByteDecoder.Failure() }
    (traits, missingPatterns, covariateRank, degreesOfFreedom) = (
      numbers[0], numbers[1], numbers[2], numbers[3]
    )
    drops = try [Drop](&decoder)
    backend = try decoder.text()
    notes = try decoder.texts()
    let places: [Int] = try decoder.values()
    let leftOut = try decoder.texts()
    let estimates = try [VarianceEstimate](&decoder)
    guard places.count == 2 * estimates.count, leftOut.count == estimates.count else {
      throw ByteDecoder.Failure()
    }
    variances = estimates.indices.map {
      TraitVariance(
        feature: places[2 * $0], n: places[2 * $0 + 1], estimate: estimates[$0],
        leftOut: leftOut[$0].isEmpty ? nil : leftOut[$0])
    }
  }
}

extension [VarianceEstimate] {
  func encode(to encoder: inout ByteEncoder) {
    encoder.put(map(\.status.rawValue))
    encoder.put(
      flatMap {
        [
          $0.heritability, $0.standardError, $0.variance, $0.quadraticForm, $0.logLikelihood,
          $0.nullLogLikelihood,
        ]
      })
  }

  init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let status = try decoder.texts()
    let numbers: [Double] = try decoder.values()
    guard numbers.count == 6 * status.count else { throw ByteDecoder.Failure() }
    self = []
    for (k, name) in status.enumerated() {
      guard let status = VarianceEstimate.Status(rawValue: name) else { throw ByteDecoder.Failure() }
      let own = [Double](numbers[6 * k..<6 * k + 6])
      append(
        VarianceEstimate(
          heritability: own[0], standardError: own[1], variance: own[2], quadraticForm: own[3],
          logLikelihood: own[4], nullLogLikelihood: own[5], status: status))
    }
  }
}
