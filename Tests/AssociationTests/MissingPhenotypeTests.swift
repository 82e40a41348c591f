import Association
import StudyData
import TestSupport
import Testing

/// Traits with missing samples are regressed on their complete cases, exactly, whatever that does to the covariates.
@Suite struct MissingPhenotypeTests {
  private static func scan(_ small: SmallStudy) throws -> (
    rows: [(key: Pair, row: PairRow)], summary: ScanSummary
  ) {
    let (batches, summary) = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
      .hits(in: small.study())
    return (batches.pairs, summary)
  }

  private static func base(seed: UInt64, traits: Int = 3) -> (SmallStudy, SplitMix64) {
    var shape = StudyShape()
    shape.traits = traits
    shape.covariates = 1
    shape.encoding = .fractional
    return (SmallStudy(shape, seed: seed), SplitMix64(seed))
  }

  /// A batch indicator whose batch a trait misses: the covariate is constant among the observed, the rank falls by one.
  @Test func rankFallsWhenABatchIsMissing() throws {
    var (small, _) = Self.base(seed: 31)
    let n = small.sampleCount
    small.addCovariate((0..<n).map { $0 < 7 ? 1 : 0 })
    small.addCovariate((0..<n).map { (7..<12).contains($0) ? 1 : 0 })
    for i in 0..<7 { small.phenotypes[1][i] = .nan }
    for i in 0..<12 { small.phenotypes[2][i] = .nan }
    let expected = BruteForce(small).pairs
    let (rows, summary) = try Self.scan(small)
    #expect(disagreements(rows, expected).isEmpty)
    #expect(Set(rows.map(\.row.degreesOfFreedom)) == [n - 5, n - 7 - 4, n - 12 - 3])
    #expect(summary.missingPatterns == 3)
  }

  /// Two covariates that differ in missing samples only: collinear among the observed.
  @Test func rankFallsWhenCovariatesBecomeCollinear() throws {
    var (small, generator) = Self.base(seed: 32)
    let shared = (0..<small.sampleCount).map { _ in generator.normal() }
    small.addCovariate(shared)
    small.addCovariate(shared.enumerated().map { $0.offset < 5 ? $0.element + 1 : 2 * $0.element })
    for i in 0..<5 { small.phenotypes[1][i] = .nan }
    let (rows, _) = try Self.scan(small)
    #expect(disagreements(rows, BruteForce(small).pairs).isEmpty)
    #expect(Set(rows.map(\.row.degreesOfFreedom)) == [75, 71])
  }

  /// A covariate dominated by one outlying sample, which a trait misses: what is left of it among the observed is small beside it, but
  /// as good a covariate as any.
  @Test(arguments: [1e2, 1e3, 1e4]) func outlyingCovariateSampleIsMissing(size: Double) throws {
    var (small, generator) = Self.base(seed: 33)
    // Shares variance with the variants, so that an error in it shows.
    small.addCovariate(
      (0..<small.sampleCount).map { i in
        (i == 9 ? size : 0) + Double(small.dosages[2][i] + small.dosages[5][i]) + 0.1 * generator.normal()
      })
    small.phenotypes[1][9] = .nan
    for i in [9, 10, 30] { small.phenotypes[2][i] = .nan }
    let (rows, _) = try Self.scan(small)
    #expect(disagreements(rows, BruteForce(small).pairs).isEmpty)
  }

  /// Covariates far from zero (a year, a coordinate): centring leaves rounding along the intercept.
  @Test(arguments: [1e3, 1e5]) func covariatesFarFromZero(mean: Double) throws {
    var (small, generator) = Self.base(seed: 34)
    small.addCovariate((0..<small.sampleCount).map { _ in mean + generator.normal() })
    for trait in 0..<3 {
      for i in small.phenotypes[trait].indices where generator.bernoulli(0.15) {
        small.phenotypes[trait][i] = .nan
      }
    }
    let (rows, _) = try Self.scan(small)
    #expect(disagreements(rows, BruteForce(small).pairs).isEmpty)
  }

  @Test func tooFewObservedSamplesDropTheTrait() throws {
    var (small, _) = Self.base(seed: 35, traits: 5)
    let n = small.sampleCount
    // Rank 2: four observed leave one degree of freedom, three leave none.
    for i in 4..<n { small.phenotypes[1][i] = .nan }
    for i in 3..<n { small.phenotypes[2][i] = .nan }
    small.phenotypes[3] = [Double](repeating: .nan, count: n)
    small.phenotypes[4] = [Double](repeating: 2.5, count: n)
    let (rows, summary) = try Self.scan(small)
    #expect(Set(rows.map(\.key.trait)) == [0, 1])
    #expect(
      summary.drops.map { "\($0.item) \($0.id): \($0.reason)" } == [
        "phenotype t2: too few observed samples", "phenotype t3: no observed value", "phenotype t4: constant",
      ])
    #expect(disagreements(rows, BruteForce(small).pairs.filter { $0.fit != nil }).isEmpty)
  }

  @Test func aTraitInTheSpanOfTheCovariatesIsDropped() throws {
    var (small, _) = Self.base(seed: 36)
    small.phenotypes[1] = small.covariates[0].map { 3 - 2 * $0 }
    small.phenotypes[2] = small.covariates[0]
    small.phenotypes[2][3] = .nan
    let (_, summary) = try Self.scan(small)
    #expect(summary.drops.map(\.id) == ["t1", "t2"])
    #expect(summary.drops.allSatisfy { $0.reason == "collinear with the covariates" })
  }

  @Test func noTraitLeftIsAnError() throws {
    var (small, _) = Self.base(seed: 37, traits: 2)
    for trait in 0..<2 { small.phenotypes[trait] = [Double](repeating: .nan, count: small.sampleCount) }
    let error = #expect(throws: StudyError.self) { try Self.scan(small) }
    #expect(error?.kind == .degenerate)
  }

  /// Carriers that are all missing: nothing to regress on, counted and not reported; other traits keep the variant.
  @Test func aVariantWithoutVarianceAmongTheObservedIsUntestable() throws {
    var (small, _) = Self.base(seed: 38)
    let n = small.sampleCount
    small.encoding = .hardCalls
    small.dosages = small.dosages.map { $0.map { $0.rounded() } }
    small.addVariant((0..<n).map { $0 == 3 || $0 == 40 ? 1 : 0 })
    for i in [3, 40, 50] { small.phenotypes[1][i] = .nan }
    // One carrier left is a variance.
    small.phenotypes[2][3] = .nan
    let expected = BruteForce(small).pairs
    let (rows, summary) = try Self.scan(small)
    #expect(disagreements(rows, expected.filter { $0.fit != nil }).isEmpty)
    #expect(summary.counts.untestable == 1)
    #expect(summary.counts.tests == 3 * 21 - 1)
    #expect(!rows.contains { $0.key == Pair(variant: 20, trait: 1) })
    // The same for a scan that reports few rows: the count does not depend on the threshold.
    let strict = try TransScan(threshold: 1e-9, exclusion: .none, options: .unfiltered).hits(
      in: small.study())
    #expect(strict.summary.counts.untestable == 1 && strict.summary.counts.tests == 3 * 21 - 1)
  }
}
