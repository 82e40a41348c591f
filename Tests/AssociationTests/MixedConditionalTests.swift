import Foundation
import MixedModels
import StudyData
import TestSupport
import Testing

@testable import Association

/// The stepwise regression of a mixed model by generalised least squares with the covariance written out: every model is fitted
/// anew, at the h² that the scan says.
private struct ExplicitStepwise {
  let small: SmallStudy
  /// h² of the gene's traits.
  let heritability: [Int: Double]
  let threshold: Double
  var alternative = Alternative.twoSided

  /// The fit of each variant with a trait given others; nil for those and for what they leave nothing of.
  func fits(_ trait: Int, given variants: [Int]) -> [Fit?] {
    var conditioned = small
    for v in variants {
      conditioned.addCovariate(MixedModelScanTests.imputed(small, v).map { Double($0) })
    }
    let y = small.phenotypes[trait]
    let model = MixedModelScanTests.Explicit(
      conditioned, rows: y.indices.filter { !y[$0].isNaN }, h: heritability[trait] ?? .nan)
    return small.variants.indices.map {
      if variants.contains($0) { return nil }
      let g = MixedModelScanTests.imputed(small, $0)
      let left = model.residual(g).reduce(Extended(0)) { $0 + $1 * $1 }
      return left > 1e-9 ? model.fit(g, y) : nil
    }
  }

  private func lead(given variants: [Int]) -> (variant: Int, trait: Int, logP: Double)? {
    heritability.keys.sorted().flatMap { trait in
      fits(trait, given: variants).enumerated().compactMap { k, fit in
        fit.map { (variant: k, trait: trait, logP: $0.logP(alternative)) }
      }
    }.min { ($0.logP, $0.variant) < ($1.logP, $1.variant) }.flatMap { $0.logP <= threshold ? $0 : nil }
  }

  func signals() -> [(rank: Int, variant: Int, trait: Int, forwardLogP: Double)] {
    var found: [(variant: Int, trait: Int, logP: Double)] = []
    while let next = lead(given: found.map(\.variant)) { found.append(next) }
    var kept: [(rank: Int, variant: Int, trait: Int, forwardLogP: Double)] = []
    for (j, signal) in found.enumerated() {
      guard let lead = lead(given: found.map(\.variant).filter { $0 != signal.variant }),
        !kept.contains(where: { $0.variant == lead.variant })
      else { continue }
      kept.append((j + 1, lead.variant, lead.trait, signal.logP))
    }
    return kept
  }
}

/// `ConditionalScan` of related samples.
@Suite struct MixedConditionalTests {
  /// Families of four, traits of h² between 0 and 0.95 with planted effects.
  private static func study(
    samples n: Int = 64, variants: Int = 15, traits: Int = 4, effects: Int = 2, seed: UInt64,
    missing: Bool = false, encoding: MemoryGenotypes.Encoding = .hardCalls
  ) -> SmallStudy {
    var small = SmallStudy(
      linked: n, variants: variants, traits: traits, covariates: 2, effects: effects, seed: seed,
      missingGenotypes: 0.03, encoding: encoding)
    small.kinship = (0..<n).map { a in (0..<n).map { b in a == b ? 1 : a / 4 == b / 4 ? 0.5 : 0.01 } }
    var generator = SplitMix64(seed &+ 5)
    for t in 0..<traits {
      let share = [0, 0.8, 1.5, 3][t % 4]
      let family = (0...n / 4).map { _ in share * generator.normal() }
      for i in 0..<n { small.phenotypes[t][i] += family[i / 4] }
      // Two patterns.
      if missing, t % 2 == 1 { for i in [3, 17, 18, 40] { small.phenotypes[t][i] = .nan } }
    }
    return small
  }

  private static func scan(_ alternative: Alternative = .twoSided, radius: Int = 1_000_000) -> ConditionalScan
  {
    ConditionalScan(
      CisScan(radius: radius, options: ScanOptions(filter: .off, alternative: alternative)),
      reportsAllPairs: true)
  }

  private static func thresholds(_ small: SmallStudy, _ p: Double) -> [String: Double] {
    Dictionary(uniqueKeysWithValues: small.features.map { ($0.id, log(p)) })
  }

  private static func heritability(_ summary: ScanSummary) -> [Int: Double] {
    Dictionary(uniqueKeysWithValues: summary.variances.map { ($0.feature, $0.estimate.heritability) })
  }

  /// Signals and all conditional rows to 1e-9: the rotation loses n·2⁻⁵³, times the conditioning of V and of the linked variants.
  private static func compare(_ gene: GeneSignals, _ expected: ExplicitStepwise) {
    let signals = expected.signals()
    let found = gene.signals.map {
      [$0.rank, gene.variants[$0.row.variant].ordinal, $0.row.feature]
    }
    #expect(found == signals.map { [$0.rank, $0.variant, $0.trait] }, "\(gene.id)")
    guard found.count == signals.count else { return }
    for (j, signal) in signals.enumerated() {
      #expect(abs(gene.signals[j].forwardLogP - signal.forwardLogP) <= 1e-8 * abs(signal.forwardLogP))
      let others = signals.indices.filter { $0 != j }.map { signals[$0].variant }
      let fits = expected.fits(signal.trait, given: others)
      let rows = gene.pairs[j]
      #expect(
        rows.map { gene.variants[$0.variant].ordinal } == fits.indices.filter { fits[$0] != nil },
        "\(gene.id)")
      #expect(rows.contains(gene.signals[j].row))
      for row in rows {
        let fit = fits[gene.variants[row.variant].ordinal]
        guard let fit else { continue }
        #expect(row.degreesOfFreedom == fit.degreesOfFreedom && row.n == fit.n)
        #expect(abs(row.beta - fit.beta) <= 1e-9 * (abs(fit.beta) + fit.standardError))
        #expect(abs(row.standardError - fit.standardError) <= 1e-9 * fit.standardError)
        #expect(abs(row.t - fit.t) <= 1e-9 * max(1, abs(fit.t)))
        #expect(abs(row.r2 - fit.rSquared) <= 1e-9)
        let logP = fit.logP(expected.alternative)
        #expect(abs(row.logP - logP) <= 1e-8 * max(1, abs(logP)))
      }
    }
  }

  @Test(arguments: 0..<8) func generalisedLeastSquaresFindsTheSame(seed: Int) throws {
    var small = Self.study(
      seed: UInt64(60 + seed), missing: seed % 2 == 1, encoding: seed % 4 < 2 ? .hardCalls : .fractional)
    let alternative = Alternative.allCases[max(0, seed - 5)]
    // Planted effects are positive.
    if alternative == .less { small.phenotypes = small.phenotypes.map { $0.map { -$0 } } }
    let (genes, summary) = try Self.scan(alternative).genes(
      in: small.study(shuffled: UInt64(seed)), Self.thresholds(small, 0.05), workers: 2)
    let h = Self.heritability(summary)
    #expect(genes.map(\.id) == ["gene0", "gene1", "gene2", "gene3"])
    #expect(h.values.contains { $0 > 0.5 })
    #expect(genes.contains { !$0.signals.isEmpty })
    for (k, gene) in genes.enumerated() {
      Self.compare(
        gene,
        ExplicitStepwise(
          small: small, heritability: h.filter { $0.key == k }, threshold: log(0.05), alternative: alternative
        ))
    }
  }

  /// A variant is conditioned on for all phenotypes of a group, each at its own h² and with its own samples.
  @Test(arguments: [false, true]) func groups(missing: Bool) throws {
    var small = Self.study(seed: 31, missing: missing)
    for k in small.features.indices { small.features[k].group = ["a", "a", "b", "a"][k] }
    var scan = Self.scan()
    scan.isGrouped = true
    let (genes, summary) = try scan.genes(in: small.study(), ["a": log(1e-3), "b": log(1e-3)])
    let h = Self.heritability(summary)
    #expect(Set(genes.map(\.id)) == ["a", "b"])
    for gene in genes {
      let members = gene.id == "a" ? [0, 1, 3] : [2]
      #expect(gene.isGroup == (gene.id == "a") && !gene.signals.isEmpty)
      Self.compare(
        gene,
        ExplicitStepwise(
          small: small, heritability: h.filter { members.contains($0.key) }, threshold: log(1e-3)))
    }
  }

  /// Without a variant in the model, rows are those of a scan of pairs; both lose n·2⁻⁵³ on other ways.
  @Test(arguments: [false, true]) func aSingleSignalHasTheNominalRows(missing: Bool) throws {
    let small = Self.study(seed: 8, missing: missing)
    var scan = Self.scan()
    scan.maximumSignals = 1
    let (genes, summary) = try scan.genes(in: small.study(), Self.thresholds(small, 1))
    let (nominal, other) = try scan.scan.pairs(in: small.study())
    #expect(Self.heritability(summary) == Self.heritability(other))
    let rows = Dictionary(uniqueKeysWithValues: nominal.pairs.map { ($0.key, $0.row) })
    #expect(genes.map(\.signals.count) == [1, 1, 1, 1])
    var count = 0
    for row in genes.flatMap({ $0.pairs[0] }) {
      let expected = try #require(rows[Pair(variant: row.variant, trait: row.feature)])
      #expect(row.degreesOfFreedom == expected.degreesOfFreedom && row.n == expected.n)
      #expect(abs(row.beta - expected.beta) <= 1e-9 * (abs(expected.beta) + expected.standardError))
      #expect(abs(row.standardError - expected.standardError) <= 1e-9 * expected.standardError)
      #expect(abs(row.logP - expected.logP) <= 1e-9 * max(1, abs(expected.logP)))
      count += 1
    }
    #expect(count == rows.count)
  }

  /// Two planted variants in families are found, and nothing else, where effects are large.
  @Test func plantedSignalsAreRecovered() throws {
    var generator = SplitMix64(12)
    let n = 400
    var small = SmallStudy(linked: n, variants: 60, traits: 0, covariates: 1, effects: 0, seed: 12)
    small.kinship = (0..<n).map { a in (0..<n).map { b in a == b ? 1 : a / 4 == b / 4 ? 0.5 : 0 } }
    for k in 0..<4 {
      let family = (0..<n / 4).map { _ in 2 * generator.normal() }
      small.addTrait(
        (0..<n).map {
          family[$0 / 4] + generator.normal() + Double(small.dosages[5 + k][$0])
            - Double(small.dosages[40 + k][$0])
        }, chromosome: "1", start: 4000, id: "gene\(k)")
    }
    let (genes, summary) = try Self.scan().genes(in: small.study(), Self.thresholds(small, 1e-6))
    #expect(summary.variances.allSatisfy { $0.estimate.heritability > 0.4 })
    for (k, gene) in genes.enumerated() {
      #expect(Set(gene.signals.map { gene.variants[$0.row.variant].ordinal }) == [5 + k, 40 + k])
      for signal in gene.signals {
        let effect = gene.variants[signal.row.variant].ordinal < 20 ? 1.0 : -1
        #expect(abs(signal.row.beta - effect) < 5 * signal.row.standardError)
      }
    }
  }

  private static func text(_ gene: GeneSignals) -> String {
    "\(gene.id) \(gene.variantCount) \(gene.variants.map(\.ordinal)) \(gene.signals) \(gene.pairs)"
  }

  /// Variants rotate among others where fewer genes have windows.
  @Test func workersAndOtherGenesChangeNothing() throws {
    var small = Self.study(samples: 80, variants: 90, traits: 8, seed: 3, missing: true)
    for k in 0..<8 { small.features[k].start = 1000 + 1200 * k }
    for k in 0..<8 { small.features[k].end = small.features[k].start }
    let (scan, thresholds) = (Self.scan(radius: 1500), Self.thresholds(small, 0.05))
    let all = try scan.genes(in: small.study(), thresholds).genes.map(Self.text)
    #expect(all.count == 8)
    for workers in [2, 3] {
      let again = try scan.genes(in: small.study(shuffled: 5), thresholds, workers: workers).genes
      #expect(again.map(Self.text) == all)
    }
    for id in ["gene0", "gene5"] {
      let alone = try scan.genes(in: small.study(), [id: log(0.05)]).genes
      #expect(alone.map(Self.text) == all.filter { $0.hasPrefix(id + " ") })
    }
  }

  /// K = I makes V ∝ I whatever h²: least squares.
  @Test func unrelatedSamplesAreLeastSquares() throws {
    var small = Self.study(seed: 21, missing: true)
    small.kinship = []
    let thresholds = Self.thresholds(small, 0.05)
    let expected = try Self.scan().genes(in: small.study(), thresholds).genes
    small.kinship = (0..<64).map { a in (0..<64).map { $0 == a ? 1 : 0 } }
    let genes = try Self.scan().genes(in: small.study(), thresholds).genes
    #expect(expected.contains { !$0.signals.isEmpty })
    for (gene, other) in zip(genes, expected) {
      #expect(gene.signals.map(\.row.variant) == other.signals.map(\.row.variant))
      #expect(gene.pairs.map { $0.map(\.variant) } == other.pairs.map { $0.map(\.variant) })
      for (a, b) in zip(gene.pairs.joined(), other.pairs.joined()) {
        #expect(abs(a.beta - b.beta) <= 1e-8 * (abs(b.beta) + b.standardError))
        #expect(abs(a.logP - b.logP) <= 1e-8 * max(1, abs(b.logP)) && a.n == b.n)
      }
    }
  }

  /// Copies of a variant are one signal.
  @Test func copiesAreOneSignal() throws {
    var small = Self.study(samples: 120, variants: 4, traits: 1, effects: 0, seed: 4)
    small.dosages = small.dosages.map { $0.map { $0.isNaN ? 1 : $0 } }
    let original = small.dosages
    for (k, g) in original.enumerated() { small.addVariant(g.map { 2 - $0 }, position: 2000 + k) }
    for i in 0..<120 { small.phenotypes[0][i] += 2 * Double(original[0][i]) - 2 * Double(original[3][i]) }
    let (genes, _) = try Self.scan().genes(in: small.study(), ["gene0": log(1e-5)])
    // Which of two copies is a matter of rounding: their means differ.
    #expect(genes[0].signals.map { genes[0].variants[$0.row.variant].ordinal % 4 }.sorted() == [0, 3])
    #expect(genes[0].pairs.map(\.count) == [6, 6])
  }

  @Test func scoreTestIsRefused() throws {
    let small = Self.study(seed: 2)
    var scan = Self.scan()
    scan.scan.options.mixedModel.test = .score
    let error = #expect(throws: StudyError.self) {
      try scan.genes(in: small.study(), Self.thresholds(small, 0.01))
    }
    #expect(error?.cause.contains("score test") == true)
  }
}
