import Foundation
import LinearAlgebra
import StudyData
import TestSupport
import Testing

@testable import Association

/// What goes to integers and what to fp32, and that codes are as precise as they need to be.
@Suite struct BackendChoiceTests {
  private static func sieve(
    _ small: SmallStudy, _ set: InstructionSet, _ backend: ScanBackend = .automatic
  ) throws -> (sieve: Sieve, traits: TraitPanel) {
    BLAS.useSingleThread()
    let prepared = try PreparedStudy(small.study(), .unfiltered, workers: 1)
    let sieve = Sieve(
      traits: prepared.traits, residualiser: prepared.residualiser, logThreshold: -11.5,
      alternative: .twoSided, backend: backend, instructions: set)
    return (sieve, prepared.traits)
  }

  private static func variant(_ n: Int, frequency p: Double, noise: Double, _ generator: inout SplitMix64)
    -> [Float]
  {
    (0..<n).map { _ in
      let g = (generator.bernoulli(p) ? 1.0 : 0) + (generator.bernoulli(p) ? 1 : 0)
      return Float(noise > 0 ? min(2, max(0, g + noise * generator.normal())) : g)
    }
  }

  /// An outlier that takes the whole of one digit leaves two codes per standard deviation to the rest.
  @Test(arguments: InstructionSet.available) func outliersGetASecondDigit(set: InstructionSet) throws {
    var generator = SplitMix64(1)
    let n = 1000
    var small = SmallStudy(samples: n)
    small.addVariant(Self.variant(n, frequency: 0.3, noise: 0, &generator))
    // Normal; one outlier; a tail all along.
    small.addTrait((0..<n).map { _ in generator.normal() })
    small.addTrait((0..<n).map { $0 == 7 ? 60 : generator.normal() })
    small.addTrait((0..<n).map { _ in generator.normal() / pow(generator.uniform(0.001, 1), 2) })
    let (sieve, traits) = try Self.sieve(small, set, .integer)
    let codes = try #require(sieve.integer).traits
    let largest = try (0..<3).map { trait -> Double in
      let slot = try #require(codes.order.firstIndex(of: Int32(trait)))
      return Double(codes.scale[slot]) * (0..<n).reduce(0) { max($0, abs(traits.unit[trait * n + $1])) }
    }
    #expect(largest[0] < 127.5)
    #expect(largest[1] > 1000, "\(largest)")
    #expect(largest[2] > 254, "\(largest)")
    // One sample of 1000 is in one group of four.
    let (one, _) = try Self.sieve(
      {
        var one = small
        (one.features, one.phenotypes) = ([small.features[1]], [small.phenotypes[1]])
        return one
      }(), set, .integer)
    let groups = try #require(one.integer).traits.highGroup
    #expect(groups.contains(1) && groups.count <= 4, "\(groups)")
  }

  /// One digit discards nearly all pairs of normal traits in 5000 samples.
  @Test(arguments: InstructionSet.available) func fewPairsSurviveOneDigit(set: InstructionSet) throws {
    var generator = SplitMix64(2)
    let n = 5000
    var small = SmallStudy(samples: n)
    for _ in 0..<256 {
      small.addVariant(Self.variant(n, frequency: generator.uniform(0.05, 0.5), noise: 0, &generator))
    }
    for _ in 0..<96 { small.addTrait((0..<n).map { _ in generator.normal() }) }
    let (sieve, traits) = try Self.sieve(small, set, .integer)
    let codes = try #require(sieve.integer).traits
    for (slot, trait) in codes.order.enumerated() where trait >= 0 {
      let largest = (0..<n).reduce(0) { max($0, abs(traits.unit[Int(trait) * n + $1])) }
      #expect(Double(codes.scale[slot]) * largest < 127.5)
    }
    let (_, summary) = try TransScan(exclusion: .none).hits(
      in: small.study(), execution: Execution(backend: .integer, instructions: set))
    #expect(summary.counts.tests == 256 * 96)
    // r* = 0.0624 at p* = 1e-5; one digit loses √(n/12)·max|ỹ|/127 = 0.0085, which makes p 1.4e-4: 3.5 pairs.
    #expect(summary.counts.survivors < 15, "\(summary.counts)")
  }

  /// Codes of 7 or 8 bits do not resolve rare imputed dosages in 20,000 samples: too many pairs would survive.
  @Test(arguments: InstructionSet.available) func blocksGoToWhatIsCheaper(set: InstructionSet) throws {
    var generator = SplitMix64(3)
    let n = 20_000
    let usesIntegers = set != .portable
    var small = SmallStudy(samples: n)
    for _ in 0..<16 { small.addTrait((0..<n).map { _ in generator.normal() }) }
    for _ in 0..<16 {
      small.addVariant(Self.variant(n, frequency: 0.3, noise: 0, &generator))
    }
    let execution = Execution(backend: .automatic, instructions: set)
    let pairs = 16 * 16
    let calls = try TransScan(exclusion: .none).hits(in: small.study(), execution: execution).summary
    #expect(calls.counts.integerPairs == (usesIntegers ? pairs : 0))
    #expect(calls.counts.floatPairs == pairs - calls.counts.integerPairs)

    small.encoding = .fractional
    let whole = try TransScan(exclusion: .none).hits(in: small.study(), execution: execution).summary
    #expect(whole.counts.integerPairs == calls.counts.integerPairs)

    small.dosages = small.dosages.map { _ in Self.variant(n, frequency: 0.003, noise: 0.01, &generator) }
    let scan = TransScan(exclusion: .none, options: .unfiltered)
    let rare = try scan.hits(in: small.study(), execution: execution).summary
    #expect(rare.counts.integerPairs == 0 && rare.counts.floatPairs == pairs)
    // Asked for, integers are used all the same; a tenth survives with 8 bits, nearly all with 7.
    let forced = try scan.hits(
      in: small.study(), execution: Execution(backend: .integer, instructions: set)
    ).summary
    #expect(forced.counts.integerPairs == pairs && forced.counts.floatPairs == 0)
    #expect(forced.counts.survivors > pairs / 20)
    #expect(forced.counts.rows == rare.counts.rows)
  }

  /// So many samples take several passes over them; the filter leaves nothing of the only block.
  @Test(arguments: InstructionSet.available) func emptyBlocksOfManySamples(set: InstructionSet) throws {
    var generator = SplitMix64(5)
    let n = 20_000
    // With what this machine has, one kind of instructions at least.
    #expect(InstructionSet.available.contains { !CacheBlocking(groups: n / 4, shape: $0.shape).isWhole })
    var small = SmallStudy(samples: n)
    for _ in 0..<4 { small.addTrait((0..<n).map { _ in generator.normal() }) }
    small.addVariant([Float](repeating: 1, count: n))
    let error = #expect(throws: StudyError.self) {
      try TransScan(exclusion: .none).hits(
        in: small.study(), execution: Execution(backend: .integer, instructions: set))
    }
    #expect(error?.kind == .inconsistent)
  }

  /// Blocks of one scan may go different ways.
  @Test(arguments: InstructionSet.available) func everyPairIsScreenedOnce(set: InstructionSet) throws {
    var generator = SplitMix64(4)
    let n = 5000
    var small = SmallStudy(samples: n)
    small.encoding = .fractional
    // Two blocks of 512: whole dosages, then imputed ones with one carrier, whom the codes serve and nobody else.
    let common = (0..<8).map { _ in Self.variant(n, frequency: 0.3, noise: 0, &generator) }
    let rare = (0..<8).map { v in
      var g = (0..<n).map { _ in Float(generator.uniform(0, 0.02)) }
      g[v] = 1
      return g
    }
    for v in 0..<1024 { small.addVariant((v < 512 ? common : rare)[v % 8]) }
    small.addTrait((0..<n).map { _ in generator.normal() })
    small.addTrait((0..<n).map { i in generator.normal() + Double(rare[3][i]) * 60 })
    small.addTrait((0..<n).map { i in generator.normal() + Double(common[2][i]) })
    let study = try small.study()
    let scan = TransScan(exclusion: .none, options: .unfiltered)
    let (expected, blas) = try scan.hits(in: study, execution: Execution(backend: .blas))
    #expect(blas.counts.rows >= 128)
    let (batches, summary) = try scan.hits(
      in: study, execution: Execution(workers: 2, backend: .automatic, instructions: set))
    #expect(batches.pairs.map(\.row) == expected.pairs.map(\.row))
    #expect(summary.counts.integerPairs + summary.counts.floatPairs == 3 * 1024)
    #expect(summary.counts.integerPairs == (set == .portable ? 0 : 3 * 512))
  }

  /// Every product is wanted, or r of different ν: fp32 does it whatever is asked for.
  @Test func whatIntegersCannotDoIsDoneInFloat() throws {
    var shape = StudyShape()
    shape.missingPhenotypes = .few
    let incomplete = try SmallStudy(shape, seed: 5).study()
    shape.missingPhenotypes = .none
    let complete = try SmallStudy(shape, seed: 5).study()
    func integerPairs(
      _ study: Study, bests: Bool, all: Bool, _ alternative: Alternative = .twoSided
    ) throws -> Int {
      let scan = TransScan(
        exclusion: .none, options: ScanOptions(filter: .off, alternative: alternative), reportsBest: bests,
        countsAllP: all)
      let summary = try scan.hits(in: study, execution: Execution(backend: .integer)).summary
      #expect(summary.counts.integerPairs + summary.counts.floatPairs == 20 * 8)
      return summary.counts.integerPairs
    }
    #expect(try integerPairs(complete, bests: false, all: false, .greater) == 160)
    #expect(try integerPairs(complete, bests: true, all: false) == 160)
    #expect(try integerPairs(incomplete, bests: false, all: false) == 160)
    #expect(try integerPairs(incomplete, bests: true, all: false) == 0)
    #expect(try integerPairs(complete, bests: true, all: false, .greater) == 0)
    #expect(try integerPairs(complete, bests: false, all: true) == 0)
  }
}
