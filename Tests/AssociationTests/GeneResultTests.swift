import Foundation
import LinearAlgebra
import MultipleTesting
import StudyData
import TestSupport
import Testing

@testable import Association

/// Results of genes as they are kept on disk, and of runs of some genes.
@Suite struct GeneResultTests {
  private static func study(_ missing: StudyShape.MissingPhenotypes) throws -> Study {
    var shape = StudyShape()
    shape.samples = 53
    shape.variants = 90
    shape.traits = 12
    shape.covariates = 2
    shape.missingGenotypes = 0.03
    shape.missingPhenotypes = missing
    return try SmallStudy(shape, seed: 21).sorted().study()
  }

  private static func bytes(_ result: CisPermutations.GeneResult) -> [UInt8] {
    var encoder = ByteEncoder()
    result.encode(to: &encoder)
    return encoder.bytes
  }

  private static func decoded(_ bytes: [UInt8]) throws -> CisPermutations.GeneResult {
    try bytes.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      let result = try CisPermutations.GeneResult(&decoder)
      guard decoder.isAtEnd else { throw ByteDecoder.Failure() }
      return result
    }
  }

  @Test(arguments: [CisPermutations.Plan.fixed(60), .fixed(5), .adaptive(successes: 4, maximum: 60)])
  func roundTrip(_ plan: CisPermutations.Plan) throws {
    let permutations = CisPermutations(CisScan(radius: 2_000_000, options: .unfiltered), plan: plan)
    var (genes, _) = try permutations.run(in: Self.study(.few), execution: Execution())
    genes.append(CisPermutations.GeneResult(id: "näher", phenotypeCount: 3, variantCount: 0))
    genes[0].lead?.row.exactFit = PairRow.ExactFit(heritability: 0.25, logRatioP: -.infinity)
    genes[1].lead?.row.isPerfectFit = true
    for gene in genes {
      let bytes = Self.bytes(gene)
      let again = try Self.decoded(bytes)
      #expect(Self.bytes(again) == bytes)
      #expect(again.id == gene.id && again.phenotypeCount == gene.phenotypeCount)
      #expect(again.variantCount == gene.variantCount && again.permutations == gene.permutations)
      #expect(again.asSignificant == gene.asSignificant)
      #expect(again.logTrueP.bitPattern == gene.logTrueP.bitPattern)
      #expect(again.logBetaP.bitPattern == gene.logBetaP.bitPattern)
      #expect(again.lead?.row == gene.lead?.row)
      #expect(again.lead?.variant.variant == gene.lead?.variant.variant)
      #expect(again.lead?.variant.ordinal == gene.lead?.variant.ordinal)
      #expect(again.lead?.variant.summary == gene.lead?.variant.summary)
      #expect(again.approximation?.status == gene.approximation?.status)
      #expect(again.approximation?.tail == gene.approximation?.tail)
      #expect(again.approximation?.shape1.bitPattern == gene.approximation?.shape1.bitPattern)
      #expect(again.approximation?.shape2.bitPattern == gene.approximation?.shape2.bitPattern)
      #expect(again.approximation?.copyCount == gene.approximation?.copyCount)
      #expect(again.approximation?.missingCount == gene.approximation?.missingCount)
      for count in 0..<bytes.count {
        #expect(throws: ByteDecoder.Failure.self) { try Self.decoded(Array(bytes[..<count])) }
      }
    }
  }

  /// Results of runs of some genes are those of a run of all, in the same order: with the order known beforehand, and without; with
  /// traits that were stored; among variants of whole blocks and of one window.
  @Test(arguments: StudyShape.MissingPhenotypes.allCases, [false, true])
  func parts(missing: StudyShape.MissingPhenotypes, isMixed: Bool) throws {
    var study = try Self.study(missing)
    var features = study.features
    features[3].chromosome = "77"
    features[5].start += 900_000_000
    features[5].end = features[5].start
    study = study.replacing(features: features, phenotypes: study.phenotypes)
    if isMixed {
      var kinship = Matrix(rows: study.sampleCount, columns: study.sampleCount)
      for i in 0..<study.sampleCount {
        for j in 0..<study.sampleCount { kinship[i, j] = i == j ? 1 : i / 3 == j / 3 ? 0.5 : 0 }
      }
      study = study.replacing(
        relatedness: .kinship(Kinship(path: "k", sampleIDs: study.sampleIDs, matrix: kinship)))
    }
    var scan = CisScan(radius: 3_000_000, options: .unfiltered)
    scan.options.mixedModel.maximumPatterns = 50
    let permutations = CisPermutations(scan, plan: .fixed(70))
    let (all, summary) = try permutations.run(in: study, execution: Execution(workers: 2))
    let prepared = try #require(
      PreparedScan(Archive(try PreparedScan(study, scan.options, workers: 1).sections)))
    var drops: [Drop] = []
    let order = try permutations.order(in: study, execution: Execution(workers: 2)) { drops += $0 }
    #expect(order.variants == all.map(\.variantCount))
    #expect(order.counts.variants == summary.counts.variants)
    #expect(order.counts.droppedVariants == drops.count)
    #expect(Set(order.variants).count > 3 && order.variants.contains(0))
    for count in [1, 3, all.count] {
      var counts = ScanCounts()
      for known in [GeneOrder?.none, order] {
        var results: [CisPermutations.GeneResult] = []
        counts = ScanCounts()
        for k in 0..<count {
          let range = all.count * k / count..<all.count * (k + 1) / count
          _ = try permutations.run(
            in: study, prepared: k % 2 == 0 ? prepared : nil, genes: range, of: known,
            execution: Execution(workers: 1 + k % 3)
          ) { result, own, _ in
            results.append(result)
            counts += own
          }
        }
        #expect(results.map(Self.bytes) == all.map(Self.bytes))
        #expect(counts.tests == summary.counts.tests && counts.untestable == summary.counts.untestable)
        #expect(counts.survivors == summary.counts.survivors)
      }
    }
  }
}
