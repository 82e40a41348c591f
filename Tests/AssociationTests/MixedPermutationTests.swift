import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// Permutations of mixed models against copies written out in the eigenbasis.
@Suite struct MixedPermutationTests {
  private static let scan = CisScan(radius: 1_000_000_000, options: .unfiltered)

  /// Families of four, traits of h² between 0 and 0.95; variants and traits on one chromosome.
  private static func study(
    seed: UInt64, missing: StudyShape.MissingPhenotypes = .none,
    encoding: MemoryGenotypes.Encoding = .hardCalls
  ) -> SmallStudy {
    var small = MixedModelScanTests.study(
      variants: 40, seed: seed, missing: missing, encoding: encoding)
    for v in small.variants.indices {
      small.variants[v].chromosome = "1"
      small.variants[v].position = 1000 + 10 * v
    }
    for t in small.features.indices {
      small.features[t].chromosome = "1"
      (small.features[t].start, small.features[t].end) = (1000 + t, 1000 + t)
    }
    return small
  }

  private static func run(_ permutations: CisPermutations, _ study: Study, _ execution: Execution) throws
    -> [GeneOutput]
  {
    var outputs: [GeneOutput] = []
    _ = try permutations.run(
      in: study, execution: execution, drop: { _ in }, progress: { _, _ in }, keep: { outputs.append($0) })
    return outputs
  }

  /// r of every copy's best variant: D^(−½)U' of raw phenotype and dosages, by plain loops in extended precision. Only U and h² are the
  /// product's: eigenvectors of repeated eigenvalues are not unique.
  private struct Explicit {
    private let variants: [[Extended]]
    private let trait: [Extended]

    init(_ small: SmallStudy, _ study: Study, feature: Int) throws {
      let traits = try PreparedStudy(study, .unfiltered, workers: 1).traits
      let index = try #require(traits.ordinals.firstIndex(of: feature))
      let mixed = try #require(traits.mixed)
      let spectrum = try #require(mixed.spectra[Int(traits.patternOf[index])])
      let h = Extended(mixed.heritability[index])
      func whiten(_ x: [Extended]) -> [Extended] {
        (0..<spectrum.size).map { j in
          x.indices.reduce(Extended(0)) { $0 + Extended(spectrum.vectors[$1, j]) * x[$1] }
            / (1 + h * Extended(spectrum.excess[j])).squareRoot()
        }
      }
      func unit(_ x: [Extended]) -> [Extended] {
        let length = x.reduce(Extended(0)) { $0 + $1 * $1 }.squareRoot()
        return x.map { $0 / length }
      }
      trait = unit(whiten(study.phenotypes.column(feature).map { $0.isNaN ? 0 : Extended($0) }))
      variants = small.variants.indices.map { unit(whiten(MixedModelScanTests.imputed(small, $0))) }
    }

    /// - Parameter order: of all samples.
    func best(_ order: [Int32], _ alternative: Alternative) -> Double {
      let own = order.filter { $0 < trait.count }.map { trait[Int($0)] }
      let all = variants.map { g in
        let r = zip(g, own).reduce(Extended(0)) { $0 + $1.0 * $1.1 }
        return switch alternative {
        case .twoSided: abs(r)
        case .greater: r
        case .less: -r
        }
      }
      return Double(all.max() ?? .nan)
    }
  }

  /// 1e-9: as for the rows themselves, what the rotations lose where h² nears 1.
  @Test(arguments: [StudyShape.MissingPhenotypes.none, .few], Alternative.allCases)
  func maximaAreThoseOfCopiesInTheEigenbasis(
    missing: StudyShape.MissingPhenotypes, alternative: Alternative
  ) throws {
    for encoding in [MemoryGenotypes.Encoding.hardCalls, .fractional] {
      let small = Self.study(seed: 5, missing: missing, encoding: encoding)
      let study = try small.study()
      var scan = Self.scan
      scan.options.alternative = alternative
      let shuffles = Permutations(seed: 3, sampleIDs: study.sampleIDs)
      let rows = try scan.pairs(in: study).batches.pairs
      var first: [[Double]]?
      for instructions in InstructionSet.available {
        for workers in [1, 3] {
          let outputs = try Self.run(
            CisPermutations(scan, plan: .fixed(130), seed: 3), study,
            Execution(workers: workers, instructions: instructions))
          #expect(outputs.count == study.features.count)
          if let first {
            #expect(outputs.map(\.maxima) == first)
            continue
          }
          first = outputs.map(\.maxima)
          for output in outputs {
            let feature = try #require(study.features.firstIndex { $0.id == output.result.id })
            let explicit = try Explicit(small, study, feature: feature)
            #expect(output.maxima.count == 130)
            for (k, r) in output.maxima.enumerated() {
              #expect(abs(r - explicit.best(shuffles.order(k + 1), alternative)) < 1e-9)
            }
            // The order of the data gives the trait itself.
            let lead = try #require(output.result.lead)
            let reached = BestPair(variant: lead.variant, row: lead.row).reached(alternative)
            #expect(abs(reached - explicit.best(shuffles.order(0), alternative)) < 1e-9)
            let own = rows.filter { $0.key.trait == feature }
            var best = try #require(own.min { $0.row.logP < $1.row.logP }).row
            #expect(best.variant == lead.variant.ordinal)
            best.variant = 0
            #expect(lead.row == best)
          }
        }
      }
    }
  }

  /// A relationship matrix that is singular (twins), and traits that are nearly all or not at all theirs: copies' lengths differ most.
  @Test(arguments: Alternative.allCases) func singularRelationships(alternative: Alternative) throws {
    var small = Self.study(seed: 8)
    let n = small.sampleCount
    small.kinship = (0..<n).map { a in (0..<n).map { b in a / 4 == b / 4 ? 1 : 0 } }
    var generator = SplitMix64(2)
    for t in 0..<3 {
      let shared = (0...n / 4).map { _ in generator.normal() }
      small.phenotypes[t] = (0..<n).map { shared[$0 / 4] + [1e-2, 1e-4, 1][t] * generator.normal() }
    }
    // Few variants, most of them of one sign in the direction that is not tested.
    small.variants.removeLast(37)
    small.dosages.removeLast(37)
    let study = try small.study()
    var scan = Self.scan
    scan.options.alternative = alternative
    let shuffles = Permutations(seed: 3, sampleIDs: study.sampleIDs)
    for output in try Self.run(CisPermutations(scan, plan: .fixed(200), seed: 3), study, Execution()) {
      let feature = try #require(study.features.firstIndex { $0.id == output.result.id })
      let explicit = try Explicit(small, study, feature: feature)
      for (k, r) in output.maxima.enumerated() {
        #expect(abs(r - explicit.best(shuffles.order(k + 1), alternative)) < 1e-9, "\(output.result.id)")
      }
    }
  }

  /// A gene's result depends on the gene, the samples and the seed alone.
  @Test(arguments: [StudyShape.MissingPhenotypes.none, .few])
  func identity(missing: StudyShape.MissingPhenotypes) throws {
    let study = try Self.study(seed: 6, missing: missing, encoding: .fractional).study(shuffled: 4)
    let permutations = CisPermutations(Self.scan, plan: .fixed(150))
    let whole = try Self.run(permutations, study, Execution(workers: 2))
    let subset = [5, 0, 3]
    let some = study.replacing(
      features: subset.map { study.features[$0] }, phenotypes: study.phenotypes.selectingColumns(subset))
    let outputs = try Self.run(permutations, some, Execution())
    #expect(outputs.count == 3)
    for output in outputs {
      let same = try #require(whole.first { $0.result.id == output.result.id })
      #expect(same.maxima == output.maxima)
      #expect(same.result.logBetaP == output.result.logBetaP)
    }
  }

  /// The group's maximum is that over its members, each with the same orders.
  @Test func groups() throws {
    var small = Self.study(seed: 7)
    for k in small.features.indices {
      small.features[k].start = 1000
      small.features[k].end = 1000
      small.features[k].group = k < 3 ? "a" : nil
    }
    let study = try small.study()
    let alone = try Self.run(CisPermutations(Self.scan, plan: .fixed(90)), study, Execution())
    let grouped = try Self.run(
      CisPermutations(Self.scan, plan: .fixed(90), isGrouped: true), study, Execution())
    let group = try #require(grouped.first { $0.result.id == "a" })
    let members = alone.filter { ["t0", "t1", "t2"].contains($0.result.id) }
    #expect(members.count == 3)
    #expect(group.maxima == (0..<90).map { copy in members.map { $0.maxima[copy] }.max() })
    #expect(group.result.lead?.row.logP == members.compactMap { $0.result.lead?.row.logP }.min())
  }

  @Test func scoreTestIsRefused() throws {
    let study = try Self.study(seed: 3).study()
    var scan = Self.scan
    scan.options.mixedModel.test = .score
    #expect(throws: StudyError.self) {
      try CisPermutations(scan, plan: .fixed(10)).run(in: study, execution: Execution())
    }
  }

  /// Null genes of h² 0.5 whose variants segregate in the same families: p is uniform with whitened residuals, too small without.
  @Test func nullGenesOfRelatedSamples() throws {
    let (families, size, genes, variants) = (20, 10, 200, 8)
    let n = families * size
    var generator = SplitMix64(41)
    var small = SmallStudy(samples: n)
    small.kinship = (0..<n).map { a in
      (0..<n).map { b in a == b ? 1 : a / size == b / size ? 0.5 : 0 }
    }
    for gene in 0..<genes {
      for v in 0..<variants {
        // Siblings: one of two alleles of either parent.
        let frequency = generator.uniform(0.2, 0.5)
        let parents = (0..<families).map { _ in (0..<4).map { _ in generator.bernoulli(frequency) } }
        small.addVariant(
          (0..<n).map { i in
            let own = parents[i / size]
            return (own[generator.bernoulli(0.5) ? 0 : 1] ? 1 : 0)
              + (own[generator.bernoulli(0.5) ? 2 : 3] ? 1 : 0)
          }, position: 10_000 * (gene + 1) + v)
      }
      let shared = (0..<families).map { _ in generator.normal() }
      small.addTrait(
        (0..<n).map { i in
          0.5 * shared[i / size] + 0.5 * generator.normal() + 0.5.squareRoot() * generator.normal()
        }, chromosome: "1", start: 10_000 * (gene + 1))
    }
    let permutations = CisPermutations(CisScan(radius: 1000, options: .unfiltered), plan: .fixed(300))
    func share(_ small: SmallStudy) throws -> Double {
      let (found, _) = try permutations.run(in: small.study(), execution: Execution(workers: 2))
      return Double(found.count { $0.logP <= log(0.05) }) / Double(found.count)
    }
    let error = (0.05 * 0.95 / Double(genes)).squareRoot()
    let mixed = try share(small)
    #expect(abs(mixed - 0.05) < 3 * error, "\(mixed)")
    var unrelated = small
    unrelated.kinship = []
    let plain = try share(unrelated)
    #expect(plain > 0.05 + 6 * error, "\(plain)")
  }
}
