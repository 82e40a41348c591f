import Distributions
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// The certificate of the fp32 screen: no product may be further from the truth than its slack, no length longer than the true one.
@Suite struct SieveTests {
  /// Everything that the certificate is about, of one study.
  private struct Sifted {
    let prepared: PreparedStudy
    let sieve: Sieve
    let panel: VariantPanel
    var workspace = Sieve.Workspace()
    let collinear: [Int]

    init(_ small: SmallStudy, threshold logP: Double = -11.5, _ alternative: Alternative = .twoSided) throws {
      BLAS.useSingleThread()
      let study = try small.study()
      prepared = try PreparedStudy(study, ScanOptions(filter: .off), workers: 1)
      sieve = Sieve(
        traits: prepared.traits, residualiser: prepared.residualiser, logThreshold: logP,
        alternative: alternative, backend: .blas)
      let stream = try study.genotypes.stream(
        GenotypeRequest(samples: study.genotypeSamples, blockSize: small.variants.count))
      panel = VariantPanel(block: try #require(try stream.nextChunk()).decode(), filter: .off)
      var evaluator = PairEvaluator(
        traits: prepared.traits, residualiser: prepared.residualiser, alternative: alternative)
      collinear = sieve.prepare(panel, &workspace) { [panel] v in
        evaluator.load(v, of: panel) ? evaluator.squaredNorm.squareRoot() : nil
      }
    }

    /// The worst |c − g'z| as a share of its slack, of ℓ as a share of ‖Mg‖, and whether every discarded pair is below r*.
    mutating func worst(_ small: SmallStudy) -> (slack: Double, length: Double, wronglyDiscarded: Int) {
      let reflections = Reflections(
        covariates: small.covariates, rows: Array(0..<small.sampleCount))
      let n = small.sampleCount
      let panel = panel
      let traits = prepared.traits
      let (screen, collinear) = (sieve.float, collinear)
      let centered = panel.columns.map { j -> [Extended] in
        let observed = small.dosages[j].filter { !$0.isNaN }.map { Extended($0) }
        let mean = observed.reduce(0, +) / Extended(observed.count)
        return small.dosages[j].map { $0.isNaN ? 0 : Extended($0) - mean }
      }
      let residuals = centered.map { reflections.residual($0) }
      let ofPattern = traits.patterns.map { pattern -> [Extended] in
        let missing = Set(pattern.missing.map { Int($0) })
        let rows = (0..<n).filter { !missing.contains($0) }
        let own = Reflections(covariates: small.covariates, rows: rows)
        return centered.map { Reflections.squares(own.residual($0)[...]).squareRoot() }
      }
      var (slack, length, wrong) = (0.0, 0.0, 0)
      for (v, e) in residuals.enumerated() where !collinear.contains(v) {
        length = max(
          length, workspace.block.lengths[v].lower / Double(Reflections.squares(e[...]).squareRoot()))
      }
      let block = workspace.block
      for tile in [screen.count, 3] {
        screen.forEachRow(
          variants: 0..<panel.count, tileTraits: tile, block, &workspace.float
        ) { v, columns, c, w in
          guard !collinear.contains(v) else { return }
          let found = screen.collect(variant: v, columns: columns, c, floors: nil, block, &w)
          let kept = Set(w.found.prefix(found).map { Int($0) })
          for (k, column) in columns.enumerated() {
            let trait = Int(screen.order[column])
            var product: Extended = 0
            for i in 0..<n { product += centered[v][i] * Extended(traits.unit[trait * n + i]) }
            let exact = product / Extended(screen.criticalR[column])
            slack = max(slack, abs(Double(Extended(c[k]) - exact)) / screen.slack(block.lengths[v]))
            let needed = ofPattern[Int(traits.patternOf[trait])][v]
            if abs(exact) >= needed, needed > 0, !kept.contains(k) { wrong += 1 }
          }
        }
      }
      return (slack, length, wrong)
    }
  }

  private func check(_ small: SmallStudy, _ name: String, threshold: Double = -11.5) throws {
    var sifted = try Sifted(small, threshold: threshold)
    let worst = sifted.worst(small)
    #expect(worst.slack <= 1, "\(name): an error of \(worst.slack) of the slack")
    #expect(worst.length <= 1, "\(name): a length of \(worst.length) of the true one")
    #expect(worst.wronglyDiscarded == 0, "\(name)")
  }

  @Test(arguments: 0..<40) func randomStudies(seed: Int) throws {
    var generator = SplitMix64(UInt64(4000 + seed))
    var shape = StudyShape.random(&generator)
    shape.variants = 20
    let threshold = [-0.7, -2, -11.5, -23][seed % 4]
    try check(SmallStudy(shape, seed: UInt64(seed)), "seed \(seed)", threshold: threshold)
  }

  /// More samples than one BLAS call sums.
  @Test func manySamples() throws {
    var shape = StudyShape()
    shape.samples = 5000
    shape.variants = 12
    shape.covariates = 4
    shape.encoding = .fractional
    shape.missingPhenotypes = .few
    try check(SmallStudy(shape, seed: 1), "5000 samples")
  }

  /// y = g: all products positive, so that roundings do not cancel; and r = 1, so that the bound is all there is.
  @Test(arguments: [50, 1500, 5001]) func perfectFits(samples: Int) throws {
    var shape = StudyShape()
    shape.samples = samples
    shape.variants = 6
    shape.encoding = .fractional
    var small = SmallStudy(shape, seed: 2)
    small.phenotypes = (0..<8).map { small.dosages[$0 % 6].map { Double($0) } }
    try check(small, "perfect fits")
  }

  @Test func outliersAndConstantTraits() throws {
    var generator = SplitMix64(3)
    var shape = StudyShape()
    shape.samples = 400
    shape.minimumFrequency = 0.003
    var small = SmallStudy(shape, seed: 3)
    for k in small.phenotypes.indices {
      // One sample, or a few, hold nearly all of the trait.
      for _ in 0...k { small.phenotypes[k][Int.random(in: 0..<400, using: &generator)] *= 1e7 }
    }
    small.addTrait((0..<400).map { 1e9 + Double($0 % 2) })
    try check(small, "outliers")
  }

  /// Imputed dosages that hardly vary, down to the spacing of single precision.
  @Test func nearlyConstantDosages() throws {
    var generator = SplitMix64(4)
    var shape = StudyShape()
    shape.encoding = .fractional
    var small = SmallStudy(shape, seed: 4)
    for spread in [1e-2, 1e-4, 1e-6, 2e-7] as [Float] {
      for center in [0, 0.7, 1.9] as [Float] {
        small.addVariant((0..<80).map { _ in center + spread * Float(generator.uniform()) })
      }
    }
    try check(small, "nearly constant")
  }

  /// Covariates that explain all but 10⁻² … 10⁻⁸ of a variant: the fp32 length is of no use then.
  @Test func variantsNearTheSpanOfTheCovariates() throws {
    var generator = SplitMix64(5)
    var shape = StudyShape()
    shape.covariates = 0
    shape.missingPhenotypes = .few
    var small = SmallStudy(shape, seed: 5)
    for (v, noise) in [0.1, 0.01, 0.003, 1e-3, 1e-4].enumerated() {
      small.addCovariate(small.dosages[v].map { Double($0) + noise * generator.normal() })
    }
    try check(small, "near the span")
  }

  /// A pattern that takes a covariate with it: its traits must all survive.
  @Test func patternsThatDeleteADirection() throws {
    var shape = StudyShape()
    shape.covariates = 1
    var small = SmallStudy(shape, seed: 6)
    small.addCovariate((0..<80).map { $0 < 6 ? 1 : 0 })
    for i in 0..<6 { small.phenotypes[1][i] = .nan }
    for i in 0..<5 { small.phenotypes[2][i] = .nan }
    try check(small, "a deleted direction")
  }

  /// The bound is of use: of 100,000 pairs of noise it keeps little more than the hits.
  @Test func fewerThanTwiceTheHitsSurvive() throws {
    var shape = StudyShape()
    shape.samples = 500
    shape.variants = 500
    shape.traits = 200
    shape.covariates = 5
    let small = SmallStudy(shape, seed: 7)
    for backend in ScanBackend.allCases {
      let (_, summary) = try TransScan(exclusion: .none).hits(
        in: small.study(), execution: Execution(backend: backend))
      #expect(summary.counts.rows > 50)
      #expect(summary.counts.survivors < 2 * summary.counts.rows, "\(backend)")
      #expect(summary.counts.tests == 100_000)
    }
  }

  /// r = ±tolerance around 0: both ends of a cell may lie in the same bin with p = 1 between them.
  @Test(arguments: [100.0, 1e5, 1e6]) func binsNeverDecideWrongly(nu: Double) {
    let tolerance = 2.4e-4
    for alternative in Alternative.allCases {
      let distribution = StudentT(degreesOfFreedom: nu)
      let bins = PValueBins(
        distribution: distribution, degreesOfFreedom: Int(nu), alternative: alternative, tolerance: tolerance)
      var generator = SplitMix64(8)
      var (decided, wrong) = (0, 0)
      for k in 0..<20_000 {
        let r = k == 0 ? 0 : generator.normal() / nu.squareRoot()
        let t = r * (nu / (1 - r * r)).squareRoot()
        let logP =
          switch alternative {
          case .twoSided: distribution.logTwoSidedP(t: t)
          case .greater: distribution.logUpperP(t: t)
          case .less: distribution.logUpperP(t: -t)
          }
        guard let bin = bins.bin(r + generator.uniform(-tolerance, tolerance)) else { continue }
        decided += 1
        if bin != PValueBins.bin(logP: logP) { wrong += 1 }
      }
      #expect(wrong == 0)
      if nu == 100 { #expect(decided > 18_000) }
    }
  }
}
