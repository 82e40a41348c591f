import CScanKernels
import Distributions
import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// The certificate of the integer screen: |s_v·s_t·g_c'ỹ − E| ≤ λ·κ + s_t·d for every pair, by extended precision from the codes
/// themselves; and nothing at or above r* is discarded.
@Suite struct IntegerScreenTests {
  /// A study as codes.
  private struct Coded {
    let small: SmallStudy
    let prepared: PreparedStudy
    let sieve: Sieve
    let integer: IntegerScreen
    let panel: VariantPanel
    var workspace = Sieve.Workspace()
    let collinear: [Int]
    let instructions: InstructionSet

    init(
      _ small: SmallStudy, _ instructions: InstructionSet, threshold logP: Double = -11.5,
      _ alternative: Alternative = .twoSided
    ) throws {
      BLAS.useSingleThread()
      self.small = small
      self.instructions = instructions
      let study = try small.study()
      prepared = try PreparedStudy(study, ScanOptions(filter: .off), workers: 1)
      sieve = Sieve(
        traits: prepared.traits, residualiser: prepared.residualiser, logThreshold: logP,
        alternative: alternative, backend: .integer, instructions: instructions)
      integer = try #require(sieve.integer)
      let stream = try study.genotypes.stream(
        GenotypeRequest(samples: study.genotypeSamples, blockSize: small.variants.count))
      panel = VariantPanel(block: try #require(try stream.nextChunk()).decode(), filter: .off)
      var evaluator = PairEvaluator(
        traits: prepared.traits, residualiser: prepared.residualiser, alternative: alternative)
      collinear = sieve.prepare(panel, &workspace) { [panel] v in
        evaluator.load(v, of: panel) ? evaluator.squaredNorm.squareRoot() : nil
      }
      _ = integer.encode(panel, workspace.block, &workspace.integer)
    }

    /// ĝ of a variant of the panel.
    private func genotypeCodes(_ v: Int) -> [Int] {
      let width = Int(instructions.shape.width)
      let base = v / width * width * 4 * integer.traits.groups
      return (0..<small.sampleCount).map { i in
        Int(workspace.integer.panels[base + (i / 4 * width + v % width) * 4 + i % 4])
      }
    }

    /// ŷ of a slot.
    private func traitCodes(_ slot: Int) -> [Int] {
      let traits = integer.traits
      let width = Int(instructions.shape.traits)
      let (tile, j) = (slot / width, slot % width)
      var codes = (0..<small.sampleCount).map { i in
        Int(traits.low[((tile * traits.groups + i / 4) * width + j) * 4 + i % 4])
      }
      for entry in Int(traits.highStart[tile])..<Int(traits.highStart[tile + 1]) {
        for s in 0..<4 {
          let i = 4 * Int(traits.highGroup[entry]) + s
          if i < codes.count { codes[i] += 254 * Int(traits.high[(entry * width + j) * 4 + s]) }
        }
      }
      return codes
    }

    struct Report {
      /// Largest error as a share of its bound, and where.
      var share = 0.0
      var variant = 0
      var trait = 0
      /// Hits that were discarded.
      var lost = 0
      /// Thresholds above what the true length makes them.
      var longLengths = 0
      /// Some code takes two digits.
      var hasHighDigits = false
    }

    mutating func report() -> Report {
      let n = small.sampleCount
      let traits = prepared.traits
      var survivors: [UInt64] = []
      integer.collect(
        variants: 0..<panel.count, skip: Set(collinear), reach: nil, &workspace.integer, into: &survivors)
      let kept = Set(survivors)
      // With floors, of all panels but the first where there are more.
      let floors = (0..<traits.count).map { [0, 0.3, 1, 2.5][$0 % 4] as Float }
      let start = panel.count > Int(instructions.shape.width) ? Int(instructions.shape.width) : 0
      survivors = []
      integer.collect(
        variants: start..<panel.count, skip: Set(collinear), reach: integer.traits.reach(floors: floors),
        &workspace.integer, into: &survivors)
      let keptByFloors = Set(survivors)
      let reflections = traits.patterns.map { pattern -> Reflections in
        let missing = Set(pattern.missing.map { Int($0) })
        return Reflections(covariates: small.covariates, rows: (0..<n).filter { !missing.contains($0) })
      }
      let codes = (0..<integer.traits.count).map(traitCodes)
      var report = Report(hasHighDigits: codes.contains { $0.contains { abs($0) > 127 } })
      for code in codes {
        #expect(code.reduce(0, +) == 0)
        #expect(instructions.largestGenotypeCode * code.reduce(0) { $0 + abs($1) } < 1 << 31)
      }
      let width = Int(instructions.shape.width)
      let padded = (panel.count + width - 1) / width * width
      for v in 0..<panel.count where !collinear.contains(v) {
        let dosages = small.dosages[panel.columns[v]]
        let genotypes = genotypeCodes(v)
        // s_v, from the codes of the least and the largest dosage.
        let observed = dosages.indices.filter { !dosages[$0].isNaN }.sorted { dosages[$0] < dosages[$1] }
        let (first, last) = (observed[0], observed[observed.count - 1])
        let scale =
          Extended(genotypes[last] - genotypes[first]) / (Extended(dosages[last]) - Extended(dosages[first]))
        let mean = observed.reduce(Extended(0)) { $0 + Extended(dosages[$1]) } / Extended(observed.count)
        let g = dosages.map { $0.isNaN ? 0 : Extended($0) - mean }
        let lengths = reflections.map { Reflections.squares($0.residual(g)[...]).squareRoot() }
        for (row, length) in lengths.enumerated() {
          let limit = scale * Extended(sieve.criticalR[row]) * length
          if Extended(workspace.integer.lower[row * padded + v]) > limit { report.longLengths += 1 }
        }
        let (kappa, d) = (Double(workspace.integer.error[v]), Double(workspace.integer.offset[v]))
        for (slot, trait) in integer.traits.order.enumerated() where trait >= 0 {
          var product: Extended = 0
          for i in 0..<n { product += g[i] * Extended(traits.unit[Int(trait) * n + i]) }
          let sum = zip(genotypes, codes[slot]).reduce(0) { $0 + $1.0 * $1.1 }
          let s = integer.traits.scale[slot]
          let exact = scale * Extended(s) * product
          // s is kept in fp32, which u makes up for.
          let error = abs(exact - Extended(sum)) - 0x1p-24 * abs(exact)
          let bound = Double(integer.traits.error[slot]) * kappa + Double(s) * d
          if Double(error) / bound > report.share {
            (report.share, report.variant, report.trait) = (
              Double(error) / bound, panel.columns[v], traits.ordinals[Int(trait)]
            )
          }
          let pattern = Int(traits.patternOf[Int(trait)])
          let (least, pair) = (
            Extended(sieve.criticalR[pattern]) * lengths[pattern], UInt64(v) << 32 | UInt64(trait)
          )
          guard least > 0 else { continue }
          if abs(product) >= least, !kept.contains(pair) { report.lost += 1 }
          if v >= start, abs(product) >= Extended(floors[Int(trait)]) * least, !keptByFloors.contains(pair) {
            report.lost += 1
          }
        }
      }
      return report
    }
  }

  @discardableResult
  private func check(_ small: SmallStudy, _ set: InstructionSet, _ name: String, threshold: Double = -11.5)
    throws
    -> Coded.Report
  {
    var coded = try Coded(small, set, threshold: threshold)
    let report = coded.report()
    #expect(report.share <= 1, "\(name): an error of \(report.share) of its bound")
    #expect(report.lost == 0, "\(name)")
    #expect(report.longLengths == 0, "\(name)")
    return report
  }

  @Test(arguments: InstructionSet.available, 0..<30) func randomStudies(set: InstructionSet, seed: Int) throws
  {
    var generator = SplitMix64(UInt64(5000 + seed))
    let shape = StudyShape.random(&generator)
    try check(
      SmallStudy(shape, seed: UInt64(seed)), set, "seed \(seed)", threshold: [-0.7, -2, -11.5, -23][seed % 4])
  }

  // MARK: adversaries

  enum Adversary: CaseIterable {
    case common, rare, missing, dosages, rareDosages, outlier, heavy, covariates, incomplete

    var isFractional: Bool { self == .dosages || self == .rareDosages }
    var isRare: Bool { self == .rare || self == .rareDosages }
    /// Where r* is small, outliers take two digits.
    var hasHighDigits: Bool { self == .outlier || self == .heavy }

    func study(_ generator: inout SplitMix64) -> SmallStudy {
      var shape = StudyShape()
      shape.samples = hasHighDigits ? 120 : 30
      shape.variants = 16
      shape.traits = 16
      shape.covariates = self == .covariates ? 3 : 0
      shape.correlatedCovariates = true
      shape.encoding = isFractional ? .fractional : .hardCalls
      shape.minimumFrequency = 0.2
      shape.missingGenotypes = self == .missing ? 0.2 : 0
      shape.missingPhenotypes = self == .incomplete ? .few : .none
      var small = SmallStudy(shape, seed: generator.next())
      for k in small.phenotypes.indices where hasHighDigits {
        for i in small.phenotypes[k].indices {
          small.phenotypes[k][i] = self == .heavy ? generator.heavyTailed() : generator.normal()
        }
        if self == .outlier { small.phenotypes[k][k] = 60 }
      }
      for v in small.dosages.indices where isRare {
        for i in small.dosages[v].indices {
          let noise = isFractional ? 0.02 * Float(generator.uniform()) : 0
          small.dosages[v][i] = i == v ? 2 : i == v + 7 ? 1 : noise
        }
      }
      return small
    }

    /// A small step: a dosage, and phenotypes by up to one code.
    func mutate(_ dosages: inout [Float], _ generator: inout SplitMix64) {
      let i = Int.random(in: dosages.indices, using: &generator)
      if isRare, generator.bernoulli(0.3) {
        dosages.swapAt(i, Int.random(in: dosages.indices, using: &generator))
      } else if self == .rare {
        return
      } else if isFractional {
        dosages[i] = min(2, max(0, dosages[i] + 0.02 * Float(generator.normal())))
      } else if self != .missing || !dosages[i].isNaN {
        let other = dosages[Int.random(in: dosages.indices, using: &generator)]
        if !other.isNaN { dosages[i] = other }
      }
      if Set(dosages.filter { !$0.isNaN }).count < 2 { dosages[i] = dosages[i] == 0 ? 1 : 0 }
    }

    func mutate(_ y: inout [Double], _ generator: inout SplitMix64) {
      let observed = y.indices.filter { !y[$0].isNaN }
      let mean = observed.reduce(0) { $0 + y[$1] } / Double(observed.count)
      let largest = observed.map { abs(y[$0] - mean) }.max() ?? 1
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        y[observed.randomElement(using: &generator) ?? 0] += largest / 127 * generator.uniform(-1, 1)
      }
    }
  }

  /// Steps uphill on error/bound: of 16 × 16 pairs the worst is kept, and varied.
  ///
  /// A random pair's share is about 1/√n, so shares above a half are only found by a search, and the bound is nearly reached.
  @Test(arguments: InstructionSet.available, Adversary.allCases)
  func noSearchGetsPastTheBound(set: InstructionSet, adversary: Adversary) throws {
    var generator = SplitMix64(6)
    var small = adversary.study(&generator)
    var worst = 0.0
    var best = small
    for generation in 0..<400 {
      let report = try check(
        small, set, "\(adversary), generation \(generation)", threshold: adversary.hasHighDigits ? -2 : -11.5)
      if adversary.hasHighDigits { #expect(report.hasHighDigits) }
      if report.share > worst {
        worst = report.share
        best = small
        // The parents come first.
        best.dosages[0] = small.dosages[report.variant]
        best.phenotypes[0] = small.phenotypes[report.trait]
      }
      small = best
      for k in 1..<16 {
        small.dosages[k] = best.dosages[0]
        adversary.mutate(&small.dosages[k], &generator)
        if adversary != .incomplete {
          small.phenotypes[k] = best.phenotypes[0]
          adversary.mutate(&small.phenotypes[k], &generator)
        } else {
          adversary.mutate(&small.phenotypes[k], &generator)
        }
      }
    }
    #expect(worst > 0.5 && worst <= 1, "\(worst)")

    // The pair that the codes serve worst, just above r*.
    for pair in BruteForce(best).pairs where pair.variant == 0 && pair.trait == 0 {
      guard let fit = pair.fit else { continue }
      let distribution = StudentT(degreesOfFreedom: Double(fit.degreesOfFreedom))
      let r = fit.rSquared.squareRoot() * (1 - 1e-9)
      let t = r * (Double(fit.degreesOfFreedom) / (1 - r * r)).squareRoot()
      try check(best, set, "\(adversary) at r*", threshold: distribution.logTwoSidedP(t: t))
    }
  }

  /// Remainders in proportion to the genotypes: ĝ_c'δ = ‖ĝ_c‖·‖δ‖, the bound itself.
  @Test(arguments: InstructionSet.available) func alignedRemaindersReachTheBound(set: InstructionSet) throws {
    var generator = SplitMix64(7)
    let n = 200
    var small = SmallStudy(samples: n)
    small.addVariant((0..<n).map { Float($0 % 4 == 0 ? 0 : $0 % 4 == 1 ? 2 : 1) })
    // Antisymmetric, so that codes add up to zero, with ±127 at samples without a remainder: s·ỹ = y.
    var y = [Double](repeating: 0, count: n)
    for k in 0..<n / 4 {
      let a = Double(Int.random(in: -100...100, using: &generator))
      let b = Double(Int.random(in: -100...100, using: &generator))
      (y[4 * k], y[4 * k + 1], y[4 * k + 2], y[4 * k + 3]) = (a - 0.49, -a + 0.49, b, -b)
    }
    (y[2], y[3]) = (127, -127)
    small.addTrait(y)
    let report = try check(small, set, "aligned")
    #expect(report.share > 0.999, "\(report.share)")
  }

  // MARK: other extremes

  @Test(arguments: InstructionSet.available) func manySamples(set: InstructionSet) throws {
    var generator = SplitMix64(8)
    var shape = StudyShape()
    shape.samples = 5000
    shape.variants = 12
    shape.covariates = 4
    shape.missingPhenotypes = .few
    shape.missingGenotypes = 0.1
    for encoding in [MemoryGenotypes.Encoding.hardCalls, .fractional] {
      shape.encoding = encoding
      var small = SmallStudy(shape, seed: generator.next())
      small.addTrait((0..<5000).map { _ in generator.heavyTailed() })
      try check(small, set, "5000 samples")
    }
  }

  /// Dosages that hardly vary, down to the spacing of single precision.
  @Test(arguments: InstructionSet.available) func nearlyConstantDosages(set: InstructionSet) throws {
    var generator = SplitMix64(9)
    var shape = StudyShape()
    shape.encoding = .fractional
    var small = SmallStudy(shape, seed: 4)
    for spread in [1e-2, 1e-4, 1e-6, 2e-7] as [Float] {
      for center in [0, 0.7, 1.9] as [Float] {
        small.addVariant((0..<80).map { _ in center + spread * Float(generator.uniform()) })
      }
    }
    try check(small, set, "nearly constant")
  }

  /// Up to the largest code in two digits, also where sums of 32 bits limit the scale.
  @Test(arguments: InstructionSet.available) func outliersTakeTwoDigits(set: InstructionSet) throws {
    var generator = SplitMix64(10)
    for n in [40, 1000, 3000] {
      var small = SmallStudy(samples: n)
      for frequency in [0.01, 0.1, 0.5] {
        var g = (0..<n).map { _ in
          Float((generator.bernoulli(frequency) ? 1 : 0) + (generator.bernoulli(frequency) ? 1 : 0))
        }
        (g[0], g[1]) = (0, 1)
        small.addVariant(g)
      }
      small.addTrait((0..<n).map { _ in generator.normal() / pow(generator.uniform(0.001, 1), 2) })
      for size in [60, 1e3, 1e7] {
        for count in [1, 2, n / 20, n] {
          var y = (0..<n).map { _ in generator.normal() }
          for i in 0..<count { y[i] *= size * generator.uniform(0.5, 1) }
          small.addTrait(y)
        }
      }
      let report = try check(small, set, "outliers among \(n)")
      // Few samples need few codes: r* is large.
      #expect(report.hasHighDigits == (n > 40))
    }
  }

  /// Covariates that explain nearly all of a variant, and a pattern that takes a covariate with it.
  @Test(arguments: InstructionSet.available) func shortResiduals(set: InstructionSet) throws {
    var generator = SplitMix64(11)
    var shape = StudyShape()
    shape.covariates = 0
    shape.missingPhenotypes = .few
    var small = SmallStudy(shape, seed: 5)
    for (v, noise) in [0.1, 0.01, 0.003, 1e-3, 1e-4].enumerated() {
      small.addCovariate(small.dosages[v].map { Double($0) + noise * generator.normal() })
    }
    small.addCovariate((0..<80).map { $0 < 6 ? 1 : 0 })
    for i in 0..<6 { small.phenotypes[1][i] = .nan }
    for i in 0..<5 { small.phenotypes[2][i] = .nan }
    for threshold in [-0.7, -11.5] { try check(small, set, "short residuals", threshold: threshold) }
  }
}
