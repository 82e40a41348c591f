import Distributions
import Foundation
import StudyData
import TestSupport
import Testing

@testable import Association

/// The screens may only decide what is computed: every back end reports the hits of brute force, and the same rows to the last bit.
@Suite struct ExactnessTests {
  enum Kind: CaseIterable {
    case normal, t3, logNormal, zeroInflated, outlier, almostConstant

    func value(_ i: Int, _ generator: inout SplitMix64) -> Double {
      switch self {
      case .normal: generator.normal()
      case .t3:
        generator.normal()
          / ((0..<3).reduce(0) { sum, _ in sum + pow(generator.normal(), 2) } / 3).squareRoot()
      case .logNormal: exp2(1.5 * generator.normal())
      case .zeroInflated: generator.bernoulli(0.7) ? 0 : exp2(generator.normal())
      case .outlier: i == 3 ? 60 : generator.normal()
      case .almostConstant: i == 3 ? 1 : 0
      }
    }
  }

  /// Few variants and traits, so that brute force takes little; anything else may happen.
  struct Trial {
    let small: SmallStudy
    let scan: TransScan
    let alternative: Alternative

    init(seed: Int) {
      var generator = SplitMix64(UInt64(7000 + seed))
      let n = Int(generator.logUniform(1.302, seed % 10 == 0 ? 3.477 : 2.7))
      var small = SmallStudy(samples: n)
      let encoding: MemoryGenotypes.Encoding = generator.bernoulli(0.5) ? .hardCalls : .fractional
      small.encoding = encoding
      let absent = generator.bernoulli(0.5) ? 0 : generator.uniform(0, 0.2)
      for _ in 0..<Int.random(in: 4...12, using: &generator) {
        let p = generator.logUniform(-3, -0.301)
        var g = (0..<n).map { _ -> Float in
          let g = (generator.bernoulli(p) ? 1.0 : 0) + (generator.bernoulli(p) ? 1 : 0)
          let isImputed = encoding == .fractional && generator.bernoulli(0.7)
          if generator.bernoulli(absent) { return .nan }
          return Float(isImputed ? min(2, max(0, g + 0.1 * generator.normal())) : g)
        }
        // Never without a carrier or a sample without the allele.
        (g[0], g[1 + n / 2]) = (1, 0)
        small.addVariant(g)
      }
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        small.addCovariate((0..<n).map { _ in generator.normal() })
      }
      let missing = seed % 3
      let pattern = (0..<n).filter { _ in generator.bernoulli(0.1) }.prefix(n / 8)
      for _ in 0..<Int.random(in: 2...6, using: &generator) {
        let kind = Kind.allCases.randomElement(using: &generator) ?? .normal
        let cause = small.dosages.randomElement(using: &generator) ?? []
        let effect =
          generator.bernoulli(0.6) ? generator.logUniform(-1.5, 1) * (generator.bernoulli(0.5) ? 1 : -1) : 0
        let scale = generator.logUniform(-3, 3)
        var y = (0..<n).map { i -> Double in
          let g = cause[i].isNaN ? 0 : Double(cause[i])
          return scale * (kind.value(i, &generator) + (kind == .almostConstant ? 0 : effect * g) + 5)
        }
        let isPartial = generator.bernoulli(0.7)
        for i in y.indices where i != 3 {
          if missing == 1 ? isPartial && pattern.contains(i) : missing == 2 && generator.bernoulli(0.1) {
            y[i] = .nan
          }
        }
        small.addTrait(y)
      }
      self.small = small
      alternative = generator.bernoulli(0.7) ? .twoSided : generator.bernoulli(0.5) ? .greater : .less
      let threshold =
        [0.5, 0.1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-12].randomElement(using: &generator) ?? 0.5
      scan = TransScan(
        threshold: threshold, exclusion: .none,
        options: ScanOptions(filter: .off, alternative: alternative))
    }
  }

  /// Every way to screen: back end, instructions, workers.
  private static let executions: [Execution] = InstructionSet.available.flatMap { set in
    [ScanBackend.integer, .automatic].flatMap { backend in
      [1, 3].map { Execution(workers: $0, backend: backend, instructions: set) }
    }
  }

  @Test(arguments: 0..<11) func everyBackendFindsTheHitsOfBruteForce(batch: Int) throws {
    var (hits, integers) = (0, 0)
    for seed in batch * 20..<batch * 20 + 20 {
      let trial = Trial(seed: seed)
      let study = try trial.small.study()
      let brute = BruteForce(trial.small)
      let expected = brute.pairs.filter {
        ($0.fit?.logP(trial.alternative) ?? .infinity) <= trial.scan.logThreshold
      }
      guard brute.pairs.contains(where: { $0.fit != nil }) else { continue }
      let (batches, summary) = try trial.scan.hits(in: study, execution: Execution(backend: .blas))
      let rows = batches.pairs
      #expect(
        rows.map(\.key) == expected.map { Pair(variant: $0.variant, trait: $0.trait) }, "seed \(seed)")
      // Of a perfect fit t is only a bound.
      let perfect = Set(rows.filter(\.row.isPerfectFit).map(\.key))
      let found = disagreements(
        rows.filter { !perfect.contains($0.key) },
        expected.filter { !perfect.contains(Pair(variant: $0.variant, trait: $0.trait)) }, trial.alternative)
      #expect(found.isEmpty, "seed \(seed)")
      hits += rows.count
      let pairs = summary.counts.variants * summary.traits
      #expect(summary.counts.floatPairs == pairs && summary.counts.integerPairs == 0)

      var bests = trial.scan
      bests.reportsBest = true
      let (bestBatches, bestSummary) = try bests.hits(in: study, execution: Execution(backend: .blas))
      #expect(bestBatches.pairs.map(\.row) == rows.map(\.row))
      for execution in Self.executions {
        let comment = Comment(
          rawValue: "seed \(seed), \(execution.backend), \(execution.instructions?.rawValue ?? "")")
        let (others, other) = try trial.scan.hits(in: study, execution: execution)
        #expect(others.pairs.map(\.row) == rows.map(\.row), comment)
        #expect(other.counts.tests == summary.counts.tests, comment)
        #expect(other.counts.untestable == summary.counts.untestable, comment)
        #expect(other.counts.integerPairs + other.counts.floatPairs == pairs, comment)
        if execution.backend == .integer { #expect(other.counts.integerPairs == pairs, comment) }
        let (bestOthers, bestOther) = try bests.hits(in: study, execution: execution)
        #expect(bestOthers.pairs.map(\.row) == rows.map(\.row), comment)
        #expect(bestOthers.bestOfVariants == bestBatches.bestOfVariants, comment)
        #expect(bestOther.bestOfTraits == bestSummary.bestOfTraits, comment)
        #expect(bestOther.counts.integerPairs + bestOther.counts.floatPairs == pairs, comment)
        integers += bestOther.counts.integerPairs
      }
    }
    // Twenty studies without a hit, or without a best by integers, would not test much.
    #expect(hits > 0 && integers > 0)
  }

  /// Several blocks and groups of variants, when floors have risen; exclusion takes the best pairs away.
  @Test(arguments: InstructionSet.available, [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func bestsOverSeveralBlocks(set: InstructionSet, encoding: MemoryGenotypes.Encoding) throws {
    var shape = StudyShape()
    shape.samples = 70
    shape.variants = 1300
    shape.traits = 25
    shape.encoding = encoding
    shape.missingGenotypes = 0.03
    var small = SmallStudy(shape, seed: 51)
    // Ties: equal traits, equal variants, a trait and its negative.
    small.addTrait(small.phenotypes[0])
    small.addTrait(small.phenotypes[0].map { -$0 })
    for k in [0, 600, 1299] { small.addVariant(small.dosages[k]) }
    let study = try small.study()
    for radius in [nil, 9_000_000] {
      let scan = TransScan(
        threshold: 1e-4, exclusion: CisExclusion(radius: radius), options: .unfiltered, reportsBest: true)
      let (expected, summary) = try scan.hits(in: study, execution: Execution(backend: .blas))
      #expect(summary.counts.integerPairs == 0 && (radius == nil) == (summary.counts.excluded == 0))
      for workers in [1, 3] {
        let (batches, other) = try scan.hits(
          in: study, execution: Execution(workers: workers, backend: .integer, instructions: set))
        #expect(other.counts.floatPairs == 0)
        #expect(batches.pairs.map(\.row) == expected.pairs.map(\.row))
        #expect(batches.bestOfVariants == expected.bestOfVariants)
        #expect(other.bestOfTraits == summary.bestOfTraits)
        #expect(other.sampledLogP == summary.sampledLogP)
        #expect(other.counts.tests == summary.counts.tests)
        #expect(other.counts.survivors < summary.counts.tests / 2)
      }
    }
  }

  // MARK: at the threshold

  /// A basis of the rest of [1 | W | more] over `rows`, twice orthogonalised.
  private static func orthogonal(_ x: [Extended], to basis: [[Extended]]) -> [Extended] {
    var x = x
    for _ in 0..<2 {
      for q in basis {
        let product = zip(q, x).reduce(Extended(0)) { $0 + $1.0 * $1.1 }
        for i in x.indices { x[i] -= product * q[i] }
      }
    }
    let norm = Reflections.squares(x[...]).squareRoot()
    return x.map { $0 / norm }
  }

  /// Traits turned towards the residual of a variant until |r| = r*(1 ± 10⁻⁶) or r*(1 ± 10⁻⁹).
  ///
  /// y in fp64 leaves r good to 10⁻¹⁵, so brute force and the construction agree on the side.
  @Test(
    arguments: [25, 300, 1500],
    [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func pairsPlantedAtTheThreshold(samples n: Int, encoding: MemoryGenotypes.Encoding) throws {
    for (trial, alternative) in [Alternative.twoSided, .twoSided, .greater, .less].enumerated() {
      var generator = SplitMix64(UInt64(n + trial))
      var shape = StudyShape()
      (shape.samples, shape.variants, shape.traits, shape.encoding) = (n, 8, 0, encoding)
      shape.missingGenotypes = trial == 0 ? 0 : 0.1
      var small = SmallStudy(shape, seed: UInt64(n + trial))
      let threshold = [1e-5, 1e-2, 1e-8, 1e-3][trial]
      var inside: Set<Pair> = []
      var planted: Set<Pair> = []
      for variant in 0..<8 {
        let g = small.dosages[variant]
        let observed = g.filter { !$0.isNaN }.map { Extended($0) }
        let mean = observed.reduce(0, +) / Extended(observed.count)
        for (k, step) in [1e-6, -1e-6, 1e-9, -1e-9].enumerated() {
          let rows = (0..<n).filter { _ in trial != 1 || k % 2 == 0 || !generator.bernoulli(0.1) }
          var basis: [[Extended]] = []
          for column in [[Double](repeating: 1, count: n)] + small.covariates {
            basis.append(Self.orthogonal(rows.map { Extended(column[$0]) }, to: basis))
          }
          let e = Self.orthogonal(rows.map { g[$0].isNaN ? mean : Extended(g[$0]) }, to: basis)
          let noise = Self.orthogonal(
            rows.map { _ in Extended(variant % 2 == 0 ? generator.normal() : generator.heavyTailed()) },
            to: basis + [e])
          let critical = StudentT.criticalCorrelation(
            logP: log(threshold), degreesOfFreedom: Double(rows.count - basis.count - 1),
            oneSided: alternative != .twoSided)
          let sign: Extended = alternative == .less || alternative == .twoSided && k > 1 ? -1 : 1
          let r = Extended(critical) * (1 + Extended(step)) * sign
          var y = [Double](repeating: .nan, count: n)
          for (i, row) in rows.enumerated() {
            y[row] = Double(7 * (r * e[i] + (1 - r * r).squareRoot() * noise[i]) + basis[1][i])
          }
          let pair = Pair(variant: variant, trait: small.features.count)
          planted.insert(pair)
          if step > 0 { inside.insert(pair) }
          small.addTrait(y)
        }
      }
      let expected = BruteForce(small).pairs.filter { ($0.fit?.logP(alternative) ?? 0) <= log(threshold) }
      #expect(
        planted.intersection(expected.map { Pair(variant: $0.variant, trait: $0.trait) }) == inside,
        "the construction is off")
      let study = try small.study()
      let scan = TransScan(
        threshold: threshold, exclusion: .none, options: ScanOptions(filter: .off, alternative: alternative))
      for execution in [Execution(backend: .blas)] + Self.executions {
        let (batches, _) = try scan.hits(in: study, execution: execution)
        #expect(
          batches.pairs.map(\.key) == expected.map { Pair(variant: $0.variant, trait: $0.trait) },
          "\(execution)")
      }
    }
  }
}
