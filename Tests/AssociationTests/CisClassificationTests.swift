import Association
import StudyData
import TestSupport
import Testing

@Suite struct CisClassificationTests {
  /// A gene at 10 Mb on chromosome 1 and one on chromosome 2. Variants of the first: near, at 0.4 Mb, 0.9 Mb and 3 Mb from it.
  private static func example() -> SmallStudy {
    var small = SmallStudy(samples: 8)
    let base: [Float] = [0, 1, 2, 0, 1, 2, 1, 1]
    // r² with base by hand: base has Σ(g − 1)² = 4; the next moves two samples, with Σ(g − 1)² = 4 and product 3.
    let close: [Float] = [0, 1, 2, 0, 1, 1, 1, 2]
    let other: [Float] = [0, 2, 1, 1, 0, 1, 2, 1]
    for (values, chromosome, position) in [
      (close, "chr1", 10_400_000), (base, "chr1", 10_900_000), (base, "chr1", 13_000_000),
      (other, "chr1", 13_000_001), (base, "chr2", 10_000_000),
    ] {
      small.addVariant(values, chromosome: chromosome, position: position)
    }
    for (id, chromosome) in [("a", "1"), ("b", "2")] {
      small.addTrait([1, 2, 3, 4, 5, 6, 7, 9], chromosome: chromosome, start: 10_000_000, id: id)
    }
    small.addTrait([1, 2, 3, 4, 5, 6, 7, 8], id: "nowhere")
    return small
  }

  private static func pairs(_ list: String) -> [CisClassification.Pair] {
    list.split(separator: ",").map {
      let parts = $0.split(separator: "/").map(String.init)
      return .init(variantID: parts[0], phenotypeID: parts[1])
    }
  }

  @Test(arguments: [1, 3]) func placesAndLinkage(workers: Int) throws {
    let pairs = Self.pairs("v0/a,v1/a,v2/a,v3/a,v4/a,v4/b,v2/nowhere,x/a,v0/x")
    let found = try CisClassification(
      of: pairs, in: Self.example().study(shuffled: 3), distances: [100_000, 500_000, 1_000_000],
      execution: Execution(workers: workers))
    let hits = found.hits
    #expect(hits.map { $0?.distance } == [400_000, 900_000, 3_000_000, 3_000_001, nil, 0, nil, nil, nil])
    #expect(hits[7] == nil && hits[8] == nil && hits[6] != nil)
    let far = try #require(hits[2])
    #expect(far.linkage[0].isNaN)
    // (3/4)² with the variant at 400 kb, 1 with the one at 900 kb; to the rounding of 8 products.
    #expect(abs(far.linkage[1] - 0.5625) < 1e-15 && abs(far.linkage[2] - 1) < 1e-15)
    #expect(try abs(#require(hits[1]).linkage[1] - 0.5625) < 1e-15)
    #expect(far.call(within: 100_000, 0, r2: 0.2) == .trans)
    #expect(far.call(within: 500_000, 1, r2: 0.5) == .cisByLD)
    #expect(far.call(within: 500_000, 1, r2: 0.6) == .trans)
    #expect(far.call(within: 1_000_000, 2, r2: 0.6) == .cisByLD)
    // r₀ = 1 leaves linkage out, even of identical variants.
    #expect(far.call(within: 1_000_000, 2, r2: 1) == .trans)
    #expect(try #require(hits[0]).call(within: 500_000, 1, r2: 1) == .cis)
    #expect(try #require(hits[0]).call(within: 400_000, 1, r2: 1) == .cis)
    #expect(try #require(hits[0]).call(within: 399_999, 1, r2: 1) == .trans)
    for k in [4, 6] { #expect(try #require(hits[k]).call(within: .max, 2, r2: 0.1) == .trans) }
  }

  @Test func causesAndRates() throws {
    // v1, v2 and v4 (on another chromosome) are explained by v0, which is near a; v3 is not; b has no cause.
    let pairs = Self.pairs("v2/a,v4/a,v3/a,v4/b,v1/a")
    let study = try Self.example().study()
    var found = try CisClassification(
      of: pairs, in: study, distances: [500_000], causes: Self.pairs("v0/a,v0/c,x/a"),
      execution: Execution())
    #expect(found.hits.map { $0?.cause?.isCis } == [true, true, nil, nil, true])
    #expect(try abs(#require(found.hits[0]?.cause).r2 - 0.5625) < 1e-15)
    // v4 is on another chromosome: a true cis hit that no rule calls; v1 and v2 are by linkage.
    var rates = found.rates(r2: [0.5, 0.6])
    #expect(rates.map(\.cis) == [3, 3] && rates.map(\.cisCalledCis) == [2, 0])
    #expect(rates.allSatisfy { $0.trans == 0 && $0.falseCisRate.isNaN })
    #expect(rates[0].sensitivity == 2.0 / 3)

    found = try CisClassification(
      of: pairs, in: study, distances: [500_000], causes: Self.pairs("v4/a"), execution: Execution())
    rates = found.rates(r2: [0.5, 0.6])
    #expect(rates.map(\.trans) == [3, 3] && rates.map(\.transCalledCis) == [2, 0])
    #expect(rates[0].falseCisRate == 2.0 / 3 && rates[0].sensitivity.isNaN)

    // A cause within the distance of the truth, or not.
    for (distance, isCis) in [(400_000, true), (399_999, false)] {
      let hits = try CisClassification(
        of: Self.pairs("v0/a"), in: study, distances: [1], causes: Self.pairs("v0/a"),
        causalDistance: distance, execution: Execution()
      ).hits
      #expect(hits[0]?.cause?.isCis == isCis)
    }
  }

  @Test func repeatedVariantsAreRefused() throws {
    var small = Self.example()
    small.variants[3].id = "v2"
    #expect(throws: StudyError.self) {
      try CisClassification(
        of: Self.pairs("v2/a"), in: small.study(), distances: [1], execution: Execution())
    }
  }
}
