import Distributions
import Testing

@testable import Simulation

/// The coalescent's exact expectations as oracles.
struct GenealogyTests {
  /// Σ 1/i for i = 1 … 63: half the expected length of a tree of 64 haplotypes.
  private let harmonic = (1...63).reduce(0) { $0 + 1 / Double($1) }

  private func trees(_ count: Int, seed: UInt64, _ body: (inout Genealogy) -> Void) {
    var genealogy = Genealogy(
      populations: 1, fst: 0, random: CounterRNG(seed: seed, stream: 1))
    for _ in 0..<count {
      genealogy.restart()
      body(&genealogy)
    }
  }

  /// E length = 2 Σ 1/i (Watterson 1975), also after recombinations: SMC' keeps the distribution of the tree.
  @Test(arguments: [0.0, 2_000, 100_000]) func treeLength(bases: Double) {
    var lengths = Moments()
    trees(4_000, seed: 11) {
      $0.advance(by: bases)
      lengths.add($0.totalLength)
    }
    #expect(abs(lengths.mean - 2 * harmonic) < 4 * lengths.standardError)
    // A sanity check of the standard error itself: Var length = 4 Σ 1/i².
    let variance = 4 * (1...63).reduce(0) { $0 + 1 / Double($1 * $1) }
    #expect(abs(lengths.variance / variance - 1) < 0.15)
  }

  /// The expected length of branches above i haplotypes is 2/i (Fu 1995, doi:10.1006/tpbi.1995.1025): a uniform
  /// mutation, weighted by the length of its tree, is carried by i with weight 2/i.
  @Test(arguments: [0.0, 20_000]) func spectrum(bases: Double) {
    var weights = [Moments](repeating: Moments(), count: 65)
    trees(30_000, seed: 12) {
      $0.advance(by: bases)
      var word: [UInt64] = [0]
      $0.mutate(into: &word)
      for i in 1...64 { weights[i].add(word[0].nonzeroBitCount == i ? $0.totalLength : 0) }
    }
    #expect(weights[64].sum == 0)
    for i in [1, 2, 3, 5, 8, 13, 21, 34] {
      let error = weights[i].mean - 2 / Double(i)
      #expect(abs(error) < 4 * weights[i].standardError, "carried by \(i)")
    }
  }

  /// Trees far apart are independent, neighbouring ones alike: correlation of their lengths.
  @Test func memory() {
    func correlation(_ bases: Double) -> Double {
      var x = Moments()
      var y = Moments()
      var xy = Moments()
      trees(2_000, seed: 13) {
        let before = $0.totalLength
        $0.advance(by: bases)
        x.add(before)
        y.add($0.totalLength)
        xy.add(before * $0.totalLength)
      }
      return (xy.mean - x.mean * y.mean) / (x.variance * y.variance).squareRoot()
    }
    #expect(correlation(500) > 0.8)
    // 4 standard errors of a correlation of 2,000 pairs are 0.09.
    #expect(abs(correlation(500_000)) < 0.09)
  }

  /// Below the split no mutation is shared; above it populations mix.
  @Test func populationsShareOldMutationsOnly() {
    var genealogy = Genealogy(populations: 3, fst: 0.2, random: CounterRNG(seed: 5, stream: 2))
    var shared = 0
    var single = 0
    for _ in 0..<2_000 {
      genealogy.advance(by: 3_000)
      var words: [UInt64] = [0, 0, 0]
      genealogy.mutate(into: &words)
      #expect(words != [0, 0, 0])
      // A mutation of a branch that begins above the split is carried by some of several populations.
      if words.filter({ $0 != 0 }).count > 1 { shared += 1 } else { single += 1 }
    }
    #expect(shared > 200)
    #expect(single > 200)
  }
}
