import LinearAlgebra
import StudyData
import Testing

@testable import Simulation

struct DeterminismTests {
  private static func options(genes: Int = 30, seed: UInt64 = 31) -> SimulationOptions {
    var options = SimulationOptions(samples: 60, variants: 400, genes: genes, covariates: 2, seed: seed)
    options.families = 5
    options.populations = 2
    options.missingGenotypes = 0.05
    options.missingPhenotypes = 0.05
    return options
  }

  @Test func sameSeedSameStudy() throws {
    let a = try Genotypes(Self.options())
    let b = try Genotypes(Self.options())
    #expect(a.codes == b.codes && a.variants == b.variants)
    let s = try Simulator(Self.options()).traits()
    let t = try Simulator(Self.options()).traits()
    #expect(bits(s) == bits(t) && s.truth == t.truth)
  }

  @Test func otherSeedOtherStudy() throws {
    let a = try Genotypes(Self.options())
    let b = try Genotypes(Self.options(seed: 32))
    #expect(a.codes != b.codes && a.variants != b.variants)
    #expect(try bits(Simulator(Self.options()).traits()) != bits(Simulator(Self.options(seed: 32)).traits()))
  }

  /// More genes change neither the genotypes nor the genes that were there.
  @Test func genesAreIndependentOfEachOther() throws {
    let few = try Simulator(Self.options(genes: 30))
    let many = try Simulator(Self.options(genes: 80))
    #expect(try Genotypes(few.genotypes).codes == Genotypes(many.genotypes).codes)
    let (a, b) = (try few.traits(), try many.traits())
    for (column, feature) in a.phenotypes.features.enumerated() {
      let other = try #require(b.phenotypes.features.firstIndex(of: feature))
      #expect(
        a.phenotypes.values.column(column).map(\.bitPattern)
          == b.phenotypes.values.column(other).map(\.bitPattern))
    }
    #expect(a.truth.allSatisfy(b.truth.contains))
    #expect(b.truth.count > a.truth.count)
  }

  @Test func traitOptionsDoNotChangeGenotypes() throws {
    var options = Self.options()
    let before = try Genotypes(options)
    options.covariates = 7
    options.cis.geneShare = 1
    options.hiddenFactors = 9
    #expect(try Genotypes(options).codes == before.codes)
  }

  /// Distal effects move the traits that have one, and nothing else.
  @Test func distalEffectsChangeOnlyTheirGenes() throws {
    var options = Self.options()
    (options.chromosomes, options.spacing) = (2, 30_000)
    let without = try Simulator(options)
    options.distal.geneShare = 0.4
    let with = try Simulator(options)
    #expect(try Genotypes(without.genotypes).codes == Genotypes(with.genotypes).codes)
    let (a, b) = (try without.traits(), try with.traits())
    #expect(a.covariates.values == b.covariates.values)
    #expect(a.phenotypes.features == b.phenotypes.features)
    #expect(a.truth == b.truth.filter { $0.kind != .distal })
    let moved = Set(b.truth.filter { $0.kind == .distal }.map(\.phenotypeID))
    #expect((5...20).contains(moved.count))
    for (column, feature) in a.phenotypes.features.enumerated() {
      let same =
        a.phenotypes.values.column(column).map(\.bitPattern)
        == b.phenotypes.values.column(column).map(\.bitPattern)
      #expect(same != moved.contains(feature.id))
    }
  }

  @Test(arguments: [1, 7, 512]) func blocksDoNotMatter(size: Int) throws {
    let simulator = try Simulator(Self.options())
    let whole = try Genotypes(simulator.genotypes)
    #expect(try Genotypes(simulator.genotypes, blockSize: size).codes == whole.codes)
  }

  @Test func samplesAndVariantsAreSelected() throws {
    let simulator = try Simulator(Self.options())
    let whole = try Genotypes(simulator.genotypes)
    let samples = [41, 3, 17]
    let some = try Genotypes(simulator.genotypes, samples: samples)
    #expect(some.codes == whole.codes.map { codes in samples.map { codes[$0] } })

    let region = GenomicRegion(chromosome: "chr2", start: 100_000, end: 300_000)
    let request = GenotypeRequest(samples: samples, selection: VariantSelection(regions: [region]))
    let stream = simulator.genotypes.stream(request)
    var ordinals: [Int] = []
    while let block = try stream.nextChunk()?.decode() { ordinals += block.ordinals }
    let expected = whole.variants.indices.filter {
      whole.variants[$0].chromosome == "2" && (100_000...300_000).contains(whole.variants[$0].position)
    }
    #expect(!expected.isEmpty)
    #expect(ordinals == expected)
    #expect(stream.fractionRead == 1)
  }

  private func bits(_ traits: SimulatedTraits) -> [UInt64] {
    (traits.phenotypes.values.storage + traits.covariates.values.storage).map(\.bitPattern)
  }
}
