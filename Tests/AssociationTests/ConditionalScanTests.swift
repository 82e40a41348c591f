import Foundation
import StudyData
import Synchronization
import TestSupport
import Testing

@testable import Association

/// The stepwise regression by plain loops in extended precision: every model is fitted anew.
private struct Stepwise {
  let small: SmallStudy
  let members: [Int]
  let threshold: Double
  var alternative = Alternative.twoSided
  var maximum = Int.max
  /// Mean-imputed.
  private let dosages: [[Extended]]
  private let totals: [Extended]

  struct Signal: Equatable {
    var rank: Int
    var variant: Int
    var trait: Int
    var forwardLogP: Double
  }

  init(_ small: SmallStudy, members: [Int], threshold: Double) {
    self.small = small
    self.members = members
    self.threshold = threshold
    dosages = small.dosages.map { row in
      let observed = row.filter { !$0.isNaN }.map { Extended($0) }
      let mean = observed.reduce(0, +) / Extended(max(1, observed.count))
      return row.map { $0.isNaN ? mean : Extended($0) }
    }
    totals = dosages.map { g in
      let mean = g.reduce(0, +) / Extended(g.count)
      return g.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
  }

  private func reflections(_ variants: [Int], rows: [Int]) -> Reflections {
    Reflections(
      covariates: small.covariates + variants.map { dosages[$0].map { Double($0) } }, rows: rows)
  }

  /// The fit of each variant with a trait given others; nil where there is none.
  func fits(_ trait: Int, given variants: [Int]) -> [Fit?] {
    let all = Array(0..<small.sampleCount)
    let y = small.phenotypes[trait]
    let rows = all.filter { !y[$0].isNaN }
    let (complete, observed) = (reflections(variants, rows: all), reflections(variants, rows: rows))
    let none = [Fit?](repeating: nil, count: dosages.count)
    guard rows.count - observed.rank - 1 >= 1 else { return none }
    let residual = observed.residual(y.map { Extended($0) })
    let before = reflections([], rows: rows).residual(y.map { Extended($0) })
    guard Reflections.squares(residual[...]) > 1e-10 * Reflections.squares(before[...]) else { return none }
    return dosages.indices.map { k in
      guard totals[k] > 0 else { return nil }
      let length = Reflections.squares(complete.residual(dosages[k])[...])
      guard length > 1e-10 * totals[k] else { return nil }
      let e = observed.residual(dosages[k])
      return Reflections.squares(e[...]) > 1e-10 * length ? observed.fit(e, residual) : nil
    }
  }

  private func lead(given variants: [Int]) -> (variant: Int, trait: Int, fit: Fit)? {
    var best: (variant: Int, trait: Int, fit: Fit)?
    for trait in members {
      for (k, fit) in fits(trait, given: variants).enumerated() {
        guard let fit, fit.logP(alternative) <= threshold else { continue }
        if let best {
          let (a, b) = (fit.logP(alternative), best.fit.logP(alternative))
          let isBetter =
            a != b ? a < b : abs(fit.t) != abs(best.fit.t) ? abs(fit.t) > abs(best.fit.t) : k < best.variant
          if !isBetter { continue }
        }
        best = (k, trait, fit)
      }
    }
    return best
  }

  func signals() -> [Signal] {
    var found: [Signal] = []
    while found.count < maximum, let (k, trait, fit) = lead(given: found.map(\.variant)) {
      found.append(
        Signal(rank: found.count + 1, variant: k, trait: trait, forwardLogP: fit.logP(alternative)))
    }
    var kept: [Signal] = []
    for signal in found {
      guard let (k, trait, _) = lead(given: found.map(\.variant).filter { $0 != signal.variant }) else {
        continue
      }
      let g = reflections(kept.map(\.variant), rows: Array(0..<small.sampleCount)).residual(dosages[k])
      guard Reflections.squares(g[...]) > 1e-10 * totals[k] else { continue }
      kept.append(
        Signal(rank: signal.rank, variant: k, trait: trait, forwardLogP: signal.forwardLogP))
    }
    return kept
  }
}

extension ConditionalScan {
  func genes(in study: Study, _ thresholds: [String: Double], workers: Int = 1) throws
    -> (genes: [GeneSignals], summary: ScanSummary)
  {
    let genes = Mutex<[GeneSignals]>([])
    let summary = try run(
      in: study, thresholds: thresholds, execution: Execution(workers: workers), render: { $0 },
      drop: { _ in }, emit: { gene, _ in genes.withLock { $0.append(gene) } })
    return (genes.withLock { $0 }, summary)
  }
}

extension SmallStudy {
  /// Variants in linkage, 100 bases apart; traits at the middle, moved by some of them.
  init(
    linked n: Int, variants m: Int, traits: Int, covariates: Int, effects: Int, seed: UInt64,
    missingGenotypes: Double = 0, missingPhenotypes: Double = 0,
    encoding: MemoryGenotypes.Encoding = .hardCalls
  ) {
    var generator = SplitMix64(seed)
    self.init(samples: n)
    self.encoding = encoding
    // Each haplotype mostly follows its latent state, which changes little from one variant to the next.
    var latent = (0..<2 * n).map { _ in generator.normal() }
    for v in 0..<m {
      latent = latent.map { 0.9 * $0 + 0.436 * generator.normal() }
      let cut = generator.uniform(0, 1.2)
      addVariant(
        (0..<n).map { i in
          let g = (latent[2 * i] > cut ? 1.0 : 0) + (latent[2 * i + 1] > cut ? 1 : 0)
          if i > 1, generator.bernoulli(missingGenotypes) { return .nan }
          let soft = min(2, max(0, g + 0.1 * generator.normal()))
          // No variant is monomorphic.
          return Float(encoding == .hardCalls ? (i < 2 ? Double(i) : g) : soft)
        }, position: 1000 + 100 * v)
    }
    for _ in 0..<covariates { addCovariate((0..<n).map { _ in 5 + generator.normal() }) }
    for k in 0..<traits {
      let causes = (0..<effects).map { _ in Int.random(in: 0..<m, using: &generator) }
      var y = (0..<n).map { i in
        causes.reduce(generator.normal()) { $0 + 0.7 * Double(dosages[$1][i].isNaN ? 1 : dosages[$1][i]) }
          + (self.covariates.first?[i] ?? 0)
      }
      for i in 0..<n where generator.bernoulli(missingPhenotypes) { y[i] = .nan }
      addTrait(y, chromosome: "1", start: 1000 + 50 * m, id: "gene\(k)")
    }
  }
}

@Suite struct ConditionalScanTests {
  private static func scan(_ alternative: Alternative = .twoSided, allPairs: Bool = true) -> ConditionalScan {
    ConditionalScan(
      CisScan(options: ScanOptions(filter: .off, alternative: alternative)), reportsAllPairs: allPairs)
  }

  private static func thresholds(_ small: SmallStudy, _ lnP: Double) -> [String: Double] {
    Dictionary(uniqueKeysWithValues: small.features.map { ($0.id, lnP) })
  }

  /// Signals of a gene against the plain loops', and every conditional row against its regression.
  private static func compare(_ gene: GeneSignals, _ expected: Stepwise) -> [String] {
    let signals = expected.signals()
    let found = gene.signals.map { signal in
      Stepwise.Signal(
        rank: signal.rank, variant: gene.variants[signal.row.variant].ordinal, trait: signal.row.feature,
        forwardLogP: signal.forwardLogP)
    }
    func same(_ a: Stepwise.Signal, _ b: Stepwise.Signal) -> Bool {
      (a.rank, a.variant, a.trait) == (b.rank, b.variant, b.trait)
        && abs(a.forwardLogP - b.forwardLogP) <= 1e-9 * abs(b.forwardLogP) + 1e-13
    }
    guard found.count == signals.count, zip(found, signals).allSatisfy(same) else {
      return ["\(gene.id): \(found) for \(signals)"]
    }
    var differences: [String] = []
    for (j, signal) in gene.signals.enumerated() {
      let others = signals.indices.filter { $0 != j }.map { signals[$0].variant }
      let fits = expected.fits(signals[j].trait, given: others)
      if let fit = fits[signals[j].variant], let text = disagreement(signal.row, fit, expected.alternative) {
        differences.append("\(gene.id) signal \(j): \(text)")
      }
      guard !gene.pairs.isEmpty else { continue }
      let rows = gene.pairs[j].map { row in (variant: gene.variants[row.variant].ordinal, row: row) }
      if rows.map(\.variant) != fits.indices.filter({ fits[$0] != nil }) {
        differences.append("\(gene.id) signal \(j): pairs \(rows.map(\.variant))")
      }
      for (variant, row) in rows {
        if let fit = fits[variant], let text = disagreement(row, fit, expected.alternative) {
          differences.append("\(gene.id) signal \(j) variant \(variant): \(text)")
        }
      }
    }
    return differences
  }

  @Test(arguments: 0..<60) func plainLoopsFindTheSame(seed: Int) throws {
    var generator = SplitMix64(UInt64(seed))
    let n = Int(generator.logUniform(1.3, 2.3))
    let small = SmallStudy(
      linked: n, variants: Int.random(in: 2...25, using: &generator), traits: 3,
      covariates: Int.random(in: 0...3, using: &generator), effects: Int.random(in: 1...4, using: &generator),
      seed: UInt64(7000 + seed), missingGenotypes: seed % 3 == 0 ? 0.1 : 0,
      missingPhenotypes: seed % 2 == 0 ? 0.1 : 0, encoding: seed % 4 < 2 ? .hardCalls : .fractional)
    let alternative = Alternative.allCases[seed % 5 < 3 ? 0 : seed % 5 - 2]
    let threshold = log(generator.logUniform(-6, -1.5))
    let (genes, summary) = try Self.scan(alternative).genes(
      in: small.study(shuffled: UInt64(seed)), Self.thresholds(small, threshold), workers: 2)
    #expect(genes.map(\.id) == ["gene0", "gene1", "gene2"])
    for (k, gene) in genes.enumerated() {
      var expected = Stepwise(small, members: [k], threshold: threshold)
      expected.alternative = alternative
      #expect(Self.compare(gene, expected).prefix(3) == [])
      #expect(gene.signals.allSatisfy { $0.row.n == small.phenotypes[k].count { !$0.isNaN } })
    }
    #expect(summary.counts.rows == genes.reduce(0) { $0 + $1.signals.count })
  }

  @Test(arguments: 0..<20) func groups(seed: Int) throws {
    var small = SmallStudy(
      linked: 60 + 3 * seed, variants: 15, traits: 5, covariates: seed % 3, effects: 2,
      seed: UInt64(8000 + seed), missingPhenotypes: seed % 2 == 0 ? 0.05 : 0)
    for k in small.features.indices { small.features[k].group = ["a", "b", "a", nil, "a"][k] }
    var scan = Self.scan()
    scan.isGrouped = true
    let (genes, _) = try scan.genes(in: small.study(), ["a": log(1e-3), "b": log(1e-4), "gene3": log(1e-3)])
    #expect(Set(genes.map(\.id)) == ["a", "b", "gene3"])
    for gene in genes {
      let members = ["a": [0, 2, 4], "b": [1], "gene3": [3]][gene.id] ?? []
      let threshold = log(gene.id == "b" ? 1e-4 : 1e-3)
      #expect(Self.compare(gene, Stepwise(small, members: members, threshold: threshold)).prefix(3) == [])
      #expect(gene.isGroup == (gene.id == "a"))
    }
  }

  /// All that is printed of a gene.
  private static func text(_ gene: GeneSignals) -> String {
    "\(gene.id) \(gene.variantCount) \(gene.variants.map(\.ordinal)) \(gene.signals) \(gene.pairs)"
  }

  @Test func workersAndOtherGenesChangeNothing() throws {
    let small = SmallStudy(
      linked: 150, variants: 60, traits: 12, covariates: 2, effects: 3, seed: 1, missingPhenotypes: 0.02)
    let thresholds = Self.thresholds(small, log(1e-3))
    let all = try Self.scan().genes(in: small.study(), thresholds).genes.map(Self.text)
    #expect(all.count == 12)
    for workers in [2, 5] {
      let again = try Self.scan().genes(in: small.study(shuffled: 3), thresholds, workers: workers).genes
      #expect(again.map(Self.text) == all)
    }
    for id in ["gene0", "gene7"] {
      let alone = try Self.scan().genes(in: small.study(), [id: log(1e-3)])
      #expect(alone.genes.map(Self.text) == all.filter { $0.hasPrefix(id + " ") })
      #expect(alone.summary.notes == ["11 of 12 genes have no threshold and were not analysed"])
    }
    var few = small
    (few.features, few.phenotypes) = (Array(small.features[4...5]), Array(small.phenotypes[4...5]))
    let (genes, summary) = try Self.scan(allPairs: false).genes(in: few.study(), thresholds)
    let among = try Self.scan(allPairs: false).genes(in: small.study(), thresholds).genes.filter {
      ["gene4", "gene5"].contains($0.id)
    }
    #expect(genes.map(\.id) == among.map(\.id))
    for (a, b) in zip(genes, among) {
      #expect(a.signals.map(\.row.logP) == b.signals.map(\.row.logP))
      #expect(a.signals.map(\.row.beta) == b.signals.map(\.row.beta))
    }
    #expect(
      summary.notes == ["10 of 12 genes with a threshold are not among those that can be analysed"])
  }

  /// The first signal of a gene that has one is the row of a nominal scan, bit for bit.
  @Test func aSingleSignalIsTheNominalLead() throws {
    let small = SmallStudy(
      linked: 120, variants: 40, traits: 6, covariates: 2, effects: 1, seed: 2, missingPhenotypes: 0.03)
    var scan = Self.scan(allPairs: false)
    scan.maximumSignals = 1
    let (genes, _) = try scan.genes(in: small.study(), Self.thresholds(small, -1))
    let rows = try scan.scan.pairs(in: small.study()).batches.pairs.map(\.row)
    for gene in genes {
      let signal = try #require(gene.signals.first)
      let best = try #require(rows.filter { $0.feature == signal.row.feature }.min { $0.logP < $1.logP })
      var row = signal.row
      row.variant = gene.variants[row.variant].ordinal
      #expect(gene.signals.count == 1 && row == best && signal.forwardLogP == best.logP)
    }
  }

  @Test func theOtherAlleleTurnsSigns() throws {
    let small = SmallStudy(linked: 200, variants: 30, traits: 4, covariates: 1, effects: 3, seed: 3)
    var swapped = small
    swapped.dosages = small.dosages.map { $0.map { 2 - $0 } }
    let thresholds = Self.thresholds(small, log(1e-4))
    let (a, b) = try (
      Self.scan(allPairs: false).genes(in: small.study(), thresholds).genes,
      Self.scan(allPairs: false).genes(in: swapped.study(), thresholds).genes
    )
    #expect(a.contains { $0.signals.count > 1 })
    for (a, b) in zip(a, b) {
      #expect(a.variants.map(\.ordinal) == b.variants.map(\.ordinal) && a.signals.count == b.signals.count)
      for (a, b) in zip(a.signals, b.signals) {
        // The means round differently.
        #expect(abs(a.row.t + b.row.t) <= 1e-12 * abs(a.row.t))
      }
    }
  }

  /// Copies of a variant are one signal, that of the first.
  @Test func copiesAreOneSignal() throws {
    var generator = SplitMix64(4)
    let original = SmallStudy(linked: 300, variants: 4, traits: 0, covariates: 1, effects: 0, seed: 4)
    var small = SmallStudy(samples: 300)
    for k in 0..<12 {
      let g = original.dosages[k / 3]
      small.addVariant(k % 3 == 2 ? g.map { 2 - $0 } : g, position: 1000 + 10 * k)
    }
    small.addTrait(
      (0..<300).map {
        2 * Double(original.dosages[0][$0]) + Double(original.dosages[3][$0]) + generator.normal()
      },
      chromosome: "1", start: 1000, id: "gene0")
    let (genes, _) = try Self.scan().genes(in: small.study(), ["gene0": log(1e-5)])
    #expect(Set(genes[0].signals.map { genes[0].variants[$0.row.variant].ordinal / 3 }) == [0, 3])
    #expect(genes[0].signals.count == 2)
    // The other signal's copies are collinear with what is conditioned on.
    #expect(genes[0].pairs.map(\.count) == [9, 9])
  }

  /// A trait that is a sum of two variants: the last is a perfect fit, then nothing is left.
  @Test func perfectFits() throws {
    var small = SmallStudy(linked: 80, variants: 10, traits: 0, covariates: 1, effects: 0, seed: 5)
    small.addTrait(
      (0..<80).map { 2 * Double(small.dosages[2][$0]) - Double(small.dosages[7][$0]) }, chromosome: "1",
      start: 1000, id: "gene0")
    let (genes, summary) = try Self.scan().genes(in: small.study(), ["gene0": log(1e-4)])
    #expect(Set(genes[0].signals.map { genes[0].variants[$0.row.variant].ordinal }) == [2, 7])
    #expect(genes[0].signals.allSatisfy(\.row.isPerfectFit) && summary.counts.perfectFits == 2)
    #expect(genes[0].signals.allSatisfy { $0.row.logP < -1000 && $0.row.logP.isFinite })
  }

  /// A threshold of 1 takes variants until no degree of freedom, or no variant, is left.
  @Test(arguments: 5...14) func degreesOfFreedomRunOut(n: Int) throws {
    let small = SmallStudy(
      linked: n, variants: 12, traits: 3, covariates: 1, effects: 1, seed: UInt64(n), missingPhenotypes: 0.1,
      encoding: .fractional)
    let (genes, _) = try Self.scan().genes(in: small.study(), Self.thresholds(small, 0))
    for gene in genes {
      #expect(!gene.signals.isEmpty)
      for signal in gene.signals {
        // Intercept, covariate and the other signals.
        #expect(signal.row.degreesOfFreedom == signal.row.n - 2 - (gene.signals.count - 1) - 1)
        #expect(signal.row.degreesOfFreedom >= 1 && signal.row.logP.isFinite)
      }
    }
  }

  @Test func maximumNumber() throws {
    let small = SmallStudy(linked: 400, variants: 30, traits: 4, covariates: 0, effects: 4, seed: 6)
    var scan = Self.scan(allPairs: false)
    let thresholds = Self.thresholds(small, log(1e-4))
    #expect(try scan.genes(in: small.study(), thresholds).genes.contains { $0.signals.count > 2 })
    scan.maximumSignals = 2
    for (k, gene) in try scan.genes(in: small.study(), thresholds).genes.enumerated() {
      var expected = Stepwise(small, members: [k], threshold: log(1e-4))
      expected.maximum = 2
      #expect(gene.signals.count <= 2 && Self.compare(gene, expected) == [])
    }
  }

  @Test func nothingToDo() throws {
    var small = SmallStudy(linked: 30, variants: 5, traits: 2, covariates: 0, effects: 0, seed: 7)
    // No signal is no error: the gene is there without one.
    let (genes, summary) = try Self.scan().genes(in: small.study(), ["gene1": -1000])
    #expect(genes.map(\.id) == ["gene1"] && genes[0].signals.isEmpty && genes[0].variantCount == 5)
    #expect(summary.counts.tests == 5 && summary.counts.rows == 0)
    var error = #expect(throws: StudyError.self) { try Self.scan().genes(in: small.study(), ["other": -1]) }
    #expect(error?.kind == .inconsistent && error?.remedy.contains("other") == true)
    for k in 0..<2 { small.features[k].start = 90_000_000 }
    error = #expect(throws: StudyError.self) { try Self.scan().genes(in: small.study(), ["gene1": -1]) }
    #expect(error?.cause.contains("no variant lies in a cis window") == true)
    for k in 0..<2 { small.features[k] = Feature(id: "gene\(k)") }
    error = #expect(throws: StudyError.self) { try Self.scan().genes(in: small.study(), ["gene1": -1]) }
    #expect(error?.cause.contains("location") == true)
  }
}
