import Distributions
import Foundation
import LinearAlgebra
import MultipleTesting
import StudyData
import TestSupport
import Testing

@testable import Association

/// Permutation maxima are those of scans of the permuted traits themselves.
@Suite struct CisPermutationTests {
  private static func study(
    _ missing: StudyShape.MissingPhenotypes, _ encoding: MemoryGenotypes.Encoding, seed: UInt64
  ) throws -> Study {
    var shape = StudyShape()
    shape.samples = 61
    shape.variants = 60
    shape.traits = 7
    shape.covariates = 3
    shape.correlatedCovariates = true
    shape.missingGenotypes = 0.03
    shape.missingPhenotypes = missing
    shape.encoding = encoding
    shape.heavyTails = true
    return try SmallStudy(shape, seed: seed).sorted().study()
  }

  /// The best pair of every trait by a plain cis scan.
  private static func leads(_ scan: CisScan, _ study: Study) throws -> [Int: BestPair] {
    var leads: [Int: BestPair] = [:]
    for batch in try scan.pairs(in: study).batches {
      for row in batch.rows {
        var own = row
        own.variant = 0
        let pair = BestPair(variant: batch.variants[row.variant], row: own)
        if leads[row.feature].map({ pair.isBetter(than: $0) }) ?? true { leads[row.feature] = pair }
      }
    }
    return leads
  }

  @Test(arguments: StudyShape.MissingPhenotypes.allCases, Alternative.allCases)
  func maximaAreThoseOfScansOfPermutedTraits(
    missing: StudyShape.MissingPhenotypes, alternative: Alternative
  ) throws {
    for encoding in [MemoryGenotypes.Encoding.hardCalls, .fractional] {
      let study = try Self.study(missing, encoding, seed: 5)
      var scan = CisScan(radius: 8_000_000, options: .unfiltered)
      scan.options.alternative = alternative
      let permutations = CisPermutations(scan, plan: .fixed(70), seed: 3)
      let leads = try Self.leads(scan, study)
      var expected = [[Double]](repeating: [], count: study.features.count)
      let shuffles = Permutations(seed: 3, sampleIDs: study.sampleIDs)
      for index in 1...70 {
        let permuted = study.permutingPhenotypes(shuffles.order(index).map { Int($0) })
        for (feature, lead) in try Self.leads(scan, permuted) {
          expected[feature].append(lead.reached(alternative))
        }
      }
      for workers in [1, 3] {
        for instructions in InstructionSet.allCases where instructions.isAvailable {
          let execution = Execution(workers: workers, instructions: instructions)
          var outputs: [GeneOutput] = []
          let (genes, summary) = try permutations.run(
            in: study, execution: execution, drop: { _ in }, progress: { _, _ in },
            keep: { outputs.append($0) })
          #expect(genes.count == study.features.count)
          for output in outputs {
            let gene = output.result
            let feature = try #require(study.features.firstIndex { $0.id == gene.id })
            #expect(gene.lead?.row == leads[feature]?.row)
            #expect(gene.lead?.variant.ordinal == leads[feature]?.variant.ordinal)
            #expect(output.maxima.count == expected[feature].count)
            // Sums of 61 products in another order.
            for (a, b) in zip(output.maxima, expected[feature]) { #expect(abs(a - b) < 1e-12, "\(gene.id)") }
          }
          #expect(summary.counts.integerPairs > 0)
        }
      }
    }
  }

  /// A gene's result depends on the gene, the samples and the seed: not on threads, other genes or their order.
  @Test(arguments: StudyShape.MissingPhenotypes.allCases)
  func identity(missing: StudyShape.MissingPhenotypes) throws {
    let study = try Self.study(missing, .fractional, seed: 8)
    let permutations = CisPermutations(
      CisScan(radius: 8_000_000, anchor: .tss, options: .unfiltered), plan: .fixed(150))
    func run(_ study: Study, workers: Int) throws -> [GeneOutput] {
      var outputs: [GeneOutput] = []
      _ = try permutations.run(
        in: study, execution: Execution(workers: workers), drop: { _ in }, progress: { _, _ in },
        keep: { outputs.append($0) })
      return outputs
    }
    let whole = try run(study, workers: 1)
    #expect(try run(study, workers: 3).map(\.maxima) == whole.map(\.maxima))
    let subset = [5, 0, 3]
    let some = study.replacing(
      features: subset.map { study.features[$0] }, phenotypes: study.phenotypes.selectingColumns(subset))
    for output in try run(some, workers: 2) {
      let same = try #require(whole.first { $0.result.id == output.result.id })
      #expect(same.maxima == output.maxima)
      #expect(same.result.logBetaP == output.result.logBetaP)
      #expect(same.result.approximation == output.result.approximation)
    }
  }

  /// The group's maximum is that over its members, each with the same orders.
  @Test func groups() throws {
    let study = try Self.study(.none, .hardCalls, seed: 4)
    var features = study.features
    let start = features[0].start
    for k in features.indices {
      features[k].chromosome = "1"
      (features[k].start, features[k].end) = (start, start)
      features[k].group = k < 3 ? "a" : k < 5 ? "b" : nil
    }
    let placed = study.replacing(features: features, phenotypes: study.phenotypes)
    let scan = CisScan(radius: 30_000_000, options: .unfiltered)
    func run(_ isGrouped: Bool) throws -> [String: GeneOutput] {
      var outputs: [String: GeneOutput] = [:]
      _ = try CisPermutations(scan, plan: .fixed(90), isGrouped: isGrouped).run(
        in: placed, execution: Execution(), drop: { _ in }, progress: { _, _ in },
        keep: { outputs[$0.result.id] = $0 })
      return outputs
    }
    let (alone, together) = (try run(false), try run(true))
    #expect(Set(together.keys) == ["a", "b", "t5", "t6"])
    for (group, members) in [("a", ["t0", "t1", "t2"]), ("b", ["t3", "t4"]), ("t5", ["t5"])] {
      let own = try #require(together[group])
      let each = try members.map { try #require(alone[$0]) }
      #expect(own.result.phenotypeCount == members.count)
      #expect(own.maxima == (0..<90).map { copy in each.map { $0.maxima[copy] }.max() })
      #expect(own.result.lead?.row.logP == each.compactMap { $0.result.lead?.row.logP }.min())
    }
  }

  /// FastQTL's rule: until so many copies are as significant, counted copy by copy.
  @Test func adaptiveStop() throws {
    let study = try Self.study(.few, .hardCalls, seed: 6)
    let scan = CisScan(radius: 8_000_000, options: .unfiltered)
    var fixed: [String: GeneOutput] = [:]
    _ = try CisPermutations(scan, plan: .fixed(400)).run(
      in: study, execution: Execution(), drop: { _ in }, progress: { _, _ in },
      keep: { fixed[$0.result.id] = $0 })
    var stopped = 0
    let (genes, _) = try CisPermutations(scan, plan: .adaptive(successes: 7, maximum: 400)).run(
      in: study, execution: Execution(workers: 2))
    for gene in genes {
      let all = try #require(fixed[gene.id])
      let observed = try #require(gene.lead).row.r2.squareRoot() * (1 - 1e-12)
      var (count, copies) = (0, 0)
      for r in all.maxima where count < 7 {
        copies += 1
        if r >= observed { count += 1 }
      }
      #expect(gene.permutations == copies)
      #expect(gene.asSignificant == count)
      if copies < 400 { stopped += 1 }
    }
    #expect(stopped > 0)
  }

  /// Small windows, few samples, perfect association and constant traits have a row or a reason, never an abort.
  @Test func degenerateGenes() throws {
    var generator = SplitMix64(12)
    for variants in 1...10 {
      var small = SmallStudy(samples: 12)
      for k in 0..<variants {
        small.addVariant(
          (0..<12).map { _ in Float(Int.random(in: 0...2, using: &generator)) }, position: 1000 + k)
      }
      small.addTrait((0..<12).map { _ in generator.normal() }, chromosome: "1", start: 1000, id: "noise")
      small.addTrait(small.dosages[0].map { 3 * Double($0) + 1 }, chromosome: "1", start: 1000, id: "perfect")
      small.addTrait([Double](repeating: 4, count: 12), chromosome: "1", start: 1000, id: "constant")
      small.addTrait((0..<12).map { $0 == 0 ? 1 : 0 }, chromosome: "1", start: 1000, id: "single")
      small.addTrait((0..<12).map { _ in generator.normal() }, chromosome: "2", start: 1000, id: "elsewhere")
      let study = try small.study()
      for plan in [CisPermutations.Plan.fixed(5), .fixed(100), .adaptive(successes: 2, maximum: 70)] {
        let (genes, summary) = try CisPermutations(CisScan(options: .unfiltered), plan: plan).run(
          in: study, execution: Execution(workers: 2))
        #expect(Set(genes.map(\.id)) == ["noise", "perfect", "single", "elsewhere"])
        #expect(summary.drops.contains { $0.id == "constant" && $0.reason == "constant" })
        #expect(summary.drops.contains { $0.id == "elsewhere" && $0.reason == "no variant in the window" })
        for gene in genes where gene.id != "elsewhere" {
          let approximation = try #require(gene.approximation)
          #expect(approximation.status.hasFit == !gene.logBetaP.isNaN)
          #expect(gene.logP <= 0)
          if plan == .fixed(5) { #expect(approximation.status == .tooFewCopies) }
        }
        let perfect = try #require(genes.first { $0.id == "perfect" }?.lead)
        #expect(perfect.row.isPerfectFit)
      }
    }
  }

  @Test func unsortedVariantsAreRefused() throws {
    var shape = StudyShape()
    shape.variants = 30
    let study = try SmallStudy(shape, seed: 3).study()
    #expect(throws: StudyError.self) {
      try CisPermutations(CisScan(options: .unfiltered), plan: .fixed(10)).run(
        in: study, execution: Execution())
    }
  }

  /// Genes' q, the cut and thresholds hang together: a lead is below its gene's threshold just where the gene is significant.
  @Test func significance() throws {
    var shape = StudyShape()
    shape.samples = 100
    shape.variants = 80
    shape.traits = 40
    shape.planted = 0.4
    let study = try SmallStudy(shape, seed: 2).sorted().study()
    let (genes, _) = try CisPermutations(
      CisScan(radius: 5_000_000, options: .unfiltered), plan: .fixed(300)
    ).run(in: study, execution: Execution(workers: 2))
    let significance = GeneSignificance(of: genes, fdr: 0.1)
    #expect(significance.significantCount > 0 && significance.significantCount < genes.count)
    for (index, gene) in genes.enumerated() {
      guard let lead = gene.lead, gene.approximation?.status.hasFit == true else { continue }
      let isSignificant = significance.logQ[index] <= log(0.1)
      #expect(isSignificant == (lead.row.logP <= significance.nominalLogThreshold(index)))
    }
  }
}

extension Study {
  /// Each phenotype in another order among its observed samples.
  fileprivate func permutingPhenotypes(_ order: [Int]) -> Study {
    var permuted = phenotypes
    for column in 0..<permuted.columns {
      let observed = (0..<permuted.rows).filter { !phenotypes[$0, column].isNaN }
      let from = order.filter { !phenotypes[$0, column].isNaN }
      for (to, source) in zip(observed, from) { permuted[to, column] = phenotypes[source, column] }
    }
    return replacing(features: features, phenotypes: permuted)
  }
}
