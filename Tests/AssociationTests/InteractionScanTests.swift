import Distributions
import LinearAlgebra
import MultipleTesting
import StudyData
import TestSupport
import Testing

@testable import Association

@Suite struct InteractionScanTests {
  private static func random(seed: Int, terms: Int) -> SmallStudy {
    var generator = SplitMix64(UInt64(700 + seed))
    var shape = StudyShape.random(&generator)
    shape.samples = max(shape.samples, 40)
    shape.covariates = min(shape.covariates, 6)
    shape.minimumFrequency = 0.1
    var small = SmallStudy(shape, seed: UInt64(9000 + seed))
    small.gatherOnOneChromosome()
    small.addRandomInteractions(terms, &generator)
    return small
  }

  @Test(arguments: 0..<30) func rowsAreLeastSquaresFits(seed: Int) throws {
    let small = Self.random(seed: seed, terms: 1 + seed % 3)
    let (batches, summary) = try InteractionScan.everywhere.pairs(in: small.study(shuffled: UInt64(seed)))
    let pairs = batches.pairs
    #expect(pairs.count > 5)
    #expect(pairs.map(\.key) == pairs.map(\.key).sorted())
    var problems: [String] = []
    var singular = 0
    for (key, row) in pairs {
      guard let fits = small.interactionFits(variant: key.variant, trait: key.trait) else {
        singular += 1
        if row.status != .singular { problems.append("\(key): \(row.status) for a singular design") }
        continue
      }
      if let text = disagreement(row, fits) { problems.append("\(key): \(text)") }
    }
    #expect(problems.isEmpty, "\(problems.prefix(5))")
    #expect(summary.counts.rows == pairs.count && summary.counts.untestable == singular)
    #expect(summary.counts.tests == pairs.count - singular)
  }

  /// Bits do not depend on workers, sample order of the files, or what else is analysed.
  @Test(arguments: 0..<6) func rowsDependOnTheirPairAlone(seed: Int) throws {
    var small = Self.random(seed: 50 + seed, terms: 1 + seed % 2)
    let all = try InteractionScan.everywhere.pairs(in: small.study()).batches.pairs
    for workers in [1, 3] {
      let again = try InteractionScan.everywhere.pairs(in: small.study(shuffled: 5), workers: workers).batches
        .pairs
      #expect(again.map(\.row) == all.map(\.row))
    }
    small.features.removeFirst()
    small.phenotypes.removeFirst()
    let fewer = try InteractionScan.everywhere.pairs(in: small.study()).batches.pairs
    let expected = all.filter { $0.key.trait > 0 }.map { pair in
      var row = pair.row
      row.feature -= 1
      return row
    }
    #expect(fewer.map(\.row) == expected)
  }

  /// 1e-9: shifting a term by 10 of its standard deviations costs two digits of 1e-13 or so.
  private static func isNear(_ a: Double, _ b: Double, _ scale: Double) -> Bool {
    abs(a - b) <= 1e-9 * (abs(b) + scale)
  }

  @Test func alleleFlipChangesSigns() throws {
    let small = Self.random(seed: 3, terms: 2)
    var flipped = small
    flipped.dosages = small.dosages.map { $0.map { 2 - $0 } }
    let (a, b) = try (
      InteractionScan.everywhere.pairs(in: small.study()).batches.pairs,
      InteractionScan.everywhere.pairs(in: flipped.study()).batches.pairs
    )
    #expect(a.count == b.count && !a.isEmpty)
    for (a, b) in zip(a, b) where a.row.status == .ok {
      for c in [0, 2, 4] {
        let (x, y) = (a.row.coefficients[c], b.row.coefficients[c])
        #expect(Self.isNear(-y.beta, x.beta, x.standardError) && Self.isNear(-y.t, x.t, 1))
      }
      // i at g = 0 becomes i at g = 2.
      let (i, gi) = (a.row.coefficients[1], a.row.coefficients[2])
      #expect(Self.isNear(b.row.coefficients[1].beta, i.beta + 2 * gi.beta, i.standardError))
    }
  }

  @Test func shiftAndScaleOfATerm() throws {
    let small = Self.random(seed: 7, terms: 1)
    var other = small
    other.interactions = small.interactions.map { $0.map { 10 - 4 * $0 } }
    let (a, b) = try (
      InteractionScan.everywhere.pairs(in: small.study()).batches.pairs,
      InteractionScan.everywhere.pairs(in: other.study()).batches.pairs
    )
    #expect(a.count == b.count && !a.isEmpty)
    for (a, b) in zip(a, b) where a.row.status == .ok {
      let (x, y) = (a.row.coefficients[2], b.row.coefficients[2])
      #expect(Self.isNear(-4 * y.beta, x.beta, x.standardError) && Self.isNear(-y.t, x.t, 1))
      #expect(
        Self.isNear(
          -4 * b.row.coefficients[1].beta, a.row.coefficients[1].beta, a.row.coefficients[1].standardError))
      // g at i = 10 of the new term is g at i = 0 of the old one.
      let atZero = b.row.coefficients[0].beta + 10 * y.beta
      #expect(Self.isNear(atZero, a.row.coefficients[0].beta, b.row.coefficients[0].standardError))
    }
  }

  /// 2·10⁵ independent tests without interaction, each trait moved by its variant and by the term; expected counts ± 3 binomial standard
  /// deviations. Each variant has a window of its own: another variant's effect would be no part of the model.
  @Test func typeOneErrorUnderMainEffects() throws {
    let (n, variants, traits) = (40, 8, 200_000)
    var generator = SplitMix64(11)
    var small = SmallStudy(samples: n)
    let term = (0..<n).map { _ in generator.uniform(0, 1) }
    small.addInteraction(term)
    for v in 0..<variants {
      small.addVariant(
        (0..<n).map { _ in (generator.bernoulli(0.35) ? 1 : 0) + (generator.bernoulli(0.35) ? 1 : 0) },
        position: 1000 * (v + 1))
    }
    for t in 0..<traits {
      let g = small.dosages[t % variants]
      small.addTrait(
        (0..<n).map { 0.8 * Double(g[$0]) + 2 * term[$0] + generator.normal() }, chromosome: "1",
        start: 1000 * (t % variants + 1))
    }
    var scan = InteractionScan.everywhere
    scan.radius = 0
    let rows = try scan.pairs(in: small.study(), workers: 2).batches.flatMap(\.rows)
    #expect(rows.count == traits)
    for (level, logLevel) in [(0.05, -2.995732273553991), (0.001, -6.907755278982137)] {
      let share = Double(rows.count { $0.coefficients[2].logP <= logLevel }) / Double(traits)
      let deviation = (level * (1 - level) / Double(traits)).squareRoot()
      #expect(abs(share - level) <= 3 * deviation, "\(share) at \(level)")
    }
  }

  // MARK: - Singular designs

  private static func small(term: [Double]? = nil) -> SmallStudy {
    var generator = SplitMix64(21)
    var small = SmallStudy(samples: 40)
    for v in 0..<4 {
      small.addVariant(
        (0..<40).map { _ in Float(Int.random(in: 0...2, using: &generator)) }, position: 1000 + v)
    }
    for _ in 0..<3 {
      small.addTrait((0..<40).map { _ in generator.normal() }, chromosome: "1", start: 1000)
    }
    small.addCovariate((0..<40).map { _ in generator.normal() })
    small.addInteraction(term ?? (0..<40).map { Double($0 % 2) })
    return small
  }

  @Test func singularDesignsGiveRowsWithoutNumbers() throws {
    var small = Self.small()
    // No variation in one group; the product itself among the covariates.
    for i in 0..<40 where i % 2 == 1 { small.dosages[0][i] = 1 }
    small.addCovariate((0..<40).map { Double(small.dosages[1][$0]) * small.interactions[0][$0] })
    // The same as the term: nothing is left of the variant.
    small.dosages[2] = small.interactions[0].map { Float(2 - $0) }
    // Only some samples' doing: the third trait has none of group 1, the second no carrier in it.
    for i in 0..<40 where i % 2 == 1 {
      small.phenotypes[2][i] = .nan
      if small.dosages[3][i] > 0 { small.phenotypes[1][i] = .nan }
    }
    let (batches, summary) = try InteractionScan.everywhere.pairs(in: small.study())
    #expect(batches.drops.map(\.id) == ["v2"])
    #expect(batches.drops.first?.reason == "collinear with the covariates and interaction terms")
    let rows = batches.rowOf
    #expect(rows.count == 9)
    for (key, row) in rows {
      let isSingular = key.variant < 2 || key.trait > 0
      #expect(row.status == (isSingular ? .singular : .ok), "\(key)")
      #expect(row.coefficients.count == (isSingular ? 0 : 3))
    }
    #expect(summary.counts.tests == 1 && summary.counts.untestable == 8)
  }

  @Test func perfectFits() throws {
    var small = Self.small()
    for i in 0..<40 {
      let g = Double(small.dosages[0][i])
      small.phenotypes[0][i] = g + 2 * small.interactions[0][i] - 3 * g * small.interactions[0][i]
    }
    let (batches, summary) = try InteractionScan.everywhere.pairs(in: small.study())
    let row = try #require(batches.rowOf[Pair(variant: 0, trait: 0)])
    #expect(row.status == .perfect && summary.counts.perfectFits == 1)
    for (found, wanted) in zip(row.coefficients, [1.0, 2, -3]) {
      #expect(abs(found.beta - wanted) < 1e-12 && found.logP.isFinite && found.logP < -500)
    }
  }

  @Test func termsThatCannotBeTested() throws {
    var small = Self.small(term: [Double](repeating: 3, count: 40))
    var error = #expect(throws: StudyError.self) { try InteractionScan.everywhere.pairs(in: small.study()) }
    #expect(error?.kind == .degenerate && error?.cause.contains("i0 is constant") == true)
    small = Self.small()
    small.addInteraction(small.interactions[0].map { 1 - $0 }, name: "twin")
    error = #expect(throws: StudyError.self) { try InteractionScan.everywhere.pairs(in: small.study()) }
    #expect(error?.cause.contains("twin is collinear with the terms before it") == true)
    small = Self.small()
    small.interactions[0][3] = .nan
    error = #expect(throws: StudyError.self) { try small.study() }
    #expect(error?.cause.contains("interaction term i0 is missing for sample s100003") == true)
    small = Self.small()
    small.interactions = []
    small.interactionNames = []
    error = #expect(throws: StudyError.self) { try InteractionScan.everywhere.pairs(in: small.study()) }
    #expect(error?.kind == .inconsistent)
  }

  /// A covariate that says the same as a term goes, and nothing else changes (to rounding).
  @Test func aTermAmongTheCovariates() throws {
    let small = Self.small()
    var twice = small
    twice.addCovariate(small.interactions[0].map { 5 - 2 * $0 }, name: "i0")
    let plain = try InteractionScan.everywhere.pairs(in: small.study())
    let (batches, summary) = try InteractionScan.everywhere.pairs(in: twice.study())
    #expect(batches.pairs.map(\.row) == plain.batches.pairs.map(\.row))
    #expect(summary.drops.map(\.id) == ["i0"] && summary.drops[0].item == .covariate)
  }

  @Test func tooFewSamples() throws {
    var small = SmallStudy(samples: 5)
    small.addVariant([0, 1, 2, 1, 0], position: 10)
    small.addTrait([1, 2, 3, 5, 4], chromosome: "1", start: 10)
    small.addInteraction([1, 4, 2, 3, 9])
    // Intercept, g, i and g·i leave one degree of freedom.
    let row = try #require(try InteractionScan.everywhere.pairs(in: small.study()).batches.pairs.first?.row)
    #expect(row.degreesOfFreedom == 1 && row.status == .ok)
    small.addCovariate([1, 0, 0, 1, 1])
    let error = #expect(throws: StudyError.self) { try InteractionScan.everywhere.pairs(in: small.study()) }
    #expect(error?.kind == .degenerate)
  }

  // MARK: - Strata

  @Test(
    arguments: [
      // Term, dosages, least frequency in a half.
      ([1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 1, 1], 1.0 / 6),  // 1 2 3 | 4 5 6
      ([0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0], 1.0 / 8),  // ties with the median lie below
      ([0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 1, 0], 1.0 / 8),  // unless nothing is above
      ([0, 0, 1, 1, 1, 1], [2, 2, 2, 1, 2, 2], 0),
      ([5, 3, 3, 1], [1, .nan, 0, 0], 0),
      ([5, 3, 3, 1], [1, .nan, 0, 1], 0.25),
    ] as [([Double], [Float], Double)])
  func frequencyInStrata(_ term: [Double], _ dosages: [Float], _ expected: Double) throws {
    for encoding in [MemoryGenotypes.Encoding.hardCalls, .fractional] {
      let values: GenotypeBlock.Dosages =
        encoding == .hardCalls ? .hardCalls(dosages.map { $0.isNaN ? 3 : UInt8($0) }) : .fractional(dosages)
      let block = GenotypeBlock(
        sampleCount: term.count, ordinals: [0],
        variants: [Variant(id: "v", chromosome: "1", position: 1, ref: "A", alt: "G")], dosages: values)
      let panel = VariantPanel(block: block, filter: .off)
      #expect(Strata(of: term).minorAlleleFrequency(0, of: panel) == expected)
    }
  }

  @Test func rareVariantsInAStratumAreDropped() throws {
    var small = Self.small()
    for i in 0..<40 where i % 2 == 1 { small.dosages[0][i] = i == 1 ? 1 : 0 }
    var scan = InteractionScan.everywhere
    scan.minimumStratumFrequency = 1.0 / 40
    #expect(try scan.pairs(in: small.study()).batches.drops.isEmpty)
    scan.minimumStratumFrequency = 1.001 / 40
    let drops = try scan.pairs(in: small.study()).batches.drops
    #expect(drops.map(\.id) == ["v0"])
    #expect(drops[0].reason == "minor allele frequency within interaction strata")
  }

  // MARK: - Leads

  @Test(arguments: 0..<8) func leadsAreTheBestRows(seed: Int) throws {
    let terms = 1 + seed % 2
    var small = Self.random(seed: 100 + seed, terms: terms)
    // A tie: the first in the file leads.
    small.addVariant(small.dosages[0])
    small.gatherOnOneChromosome()
    let scan = InteractionScan.everywhere
    let (batches, all) = try scan.pairs(in: small.study())
    let (leads, summary) = try scan.leads(in: small.study(shuffled: 2), execution: Execution(workers: 2)) {
      _ in
    }
    #expect(summary.counts.tests == all.counts.tests)
    let rows = batches.pairs.filter { $0.row.status != .singular }
    let dropped = Set(batches.drops.map(\.id))
    let analysed = small.variants.indices.filter { !dropped.contains(small.variants[$0].id) }
    let genotypes = analysed.flatMap { v -> [Double] in
      let observed = small.dosages[v].filter { !$0.isNaN }.map(Double.init)
      let mean = observed.reduce(0, +) / Double(observed.count)
      return small.dosages[v].map { $0.isNaN ? mean : Double($0) }
    }
    let tests = EffectiveTests.count(
      Matrix(rows: small.sampleCount, columns: analysed.count, storage: genotypes))
    var expected: [(trait: Int, term: Int, variant: Int)] = []
    for trait in small.features.indices {
      let own = rows.filter { $0.key.trait == trait }
      for term in 0..<terms where !own.isEmpty {
        func score(_ row: InteractionRow) -> Double { abs(row.coefficients[2 + 2 * term].t) }
        let top = own.map { score($0.row) }.max() ?? 0
        let first = try #require(own.first { score($0.row) == top })
        expected.append((trait, term, first.key.variant))
      }
    }
    #expect(leads.map(\.row.feature) == expected.map(\.trait) && leads.map(\.term) == expected.map(\.term))
    #expect(leads.map(\.variant.ordinal) == expected.map(\.variant))
    for lead in leads {
      let row = try #require(batches.rowOf[Pair(variant: lead.variant.ordinal, trait: lead.row.feature)])
      #expect(row.coefficients == lead.row.coefficients)
      #expect(lead.variantCount == rows.count { $0.key.trait == lead.row.feature })
      #expect(lead.effectiveTests == tests)
      let logP = row.coefficients[2 + 2 * lead.term].logP
      #expect(lead.correctedLogP == Bonferroni.logP(logP, testCount: tests))
    }
    for term in 0..<terms {
      let own = leads.filter { $0.term == term }
      #expect(own.map(\.logQ) == BenjaminiHochberg.logQ(own.map(\.correctedLogP), testCount: own.count))
    }
  }
}
