import Distributions
import LinearAlgebra
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
