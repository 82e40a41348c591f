import Foundation
import StudyData
import Synchronization
import TestSupport
import Testing

@testable import Association

/// Planted signals are found, and little else. Everything is drawn from fixed seeds.
@Suite struct ConditionalPowerTests {
  /// SWIFTQTL_SIMULATED_GENES asks for more than a test needs.
  static let genes =
    ProcessInfo.processInfo.environment["SWIFTQTL_SIMULATED_GENES"].flatMap(Int.init) ?? 60

  private static func rSquared(_ a: [Float], _ b: [Float]) -> Double {
    let n = Double(a.count)
    let (ma, mb) = (a.reduce(0.0) { $0 + Double($1) } / n, b.reduce(0.0) { $0 + Double($1) } / n)
    var (aa, bb, ab) = (0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) {
      let (x, y) = (Double(x) - ma, Double(y) - mb)
      (aa, bb, ab) = (aa + x * x, bb + y * y, ab + x * y)
    }
    return ab * ab / (aa * bb)
  }

  private static func variance(_ g: [Float]) -> Double {
    let mean = g.reduce(0.0) { $0 + Double($1) } / Double(g.count)
    return g.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(g.count)
  }

  /// 1 to 4 causal variants (r² < 0.1 between any two, minor allele frequency ≥ 0.05) of 5 to 10 % of the variance each, among 200 in
  /// linkage, n = 1000. The bounds are those a user may expect; seeds are fixed, so a failure is a change of the method.
  @Test func plantedSignalsAreRecovered() throws {
    var (planted, recovered, found, wrong) = (0, 0, 0, 0)
    for gene in 0..<Self.genes {
      var generator = SplitMix64(UInt64(90_000 + gene))
      var small = SmallStudy(
        linked: 1000, variants: 200, traits: 0, covariates: 2, effects: 0, seed: UInt64(50_000 + gene))
      let common = small.dosages.indices.filter { k in
        let frequency = small.dosages[k].reduce(0, +) / 2000
        return (0.05...0.95).contains(frequency)
      }
      var causes: [Int] = []
      for k in common.shuffled(using: &generator) where causes.count < 1 + gene % 4 {
        if causes.allSatisfy({ Self.rSquared(small.dosages[k], small.dosages[$0]) < 0.1 }) {
          causes.append(k)
        }
      }
      let shares = causes.map { _ in generator.uniform(0.05, 0.1) }
      let slopes = zip(causes, shares).map { cause, share in
        (generator.bernoulli(0.5) ? 1 : -1) * (share / Self.variance(small.dosages[cause])).squareRoot()
      }
      let noise = (1 - shares.reduce(0, +)).squareRoot()
      let y = (0..<1000).map { i in
        zip(causes, slopes).reduce(noise * generator.normal()) { $0 + $1.1 * Double(small.dosages[$1.0][i]) }
          + 0.3 * small.covariates[0][i]
      }
      small.addTrait(y, chromosome: "1", start: 10_000, id: "gene")
      let signals = Mutex<[Int]>([])
      _ = try ConditionalScan().run(
        in: small.study(), thresholds: ["gene": log(1e-5)], execution: Execution(), render: { $0 },
        drop: { _ in },
        emit: { gene, _ in signals.withLock { $0 += gene.variants.map(\.ordinal) } })
      let leads = signals.withLock { $0 }
      planted += causes.count
      recovered += causes.count { cause in
        leads.contains { Self.rSquared(small.dosages[$0], small.dosages[cause]) >= 0.8 }
      }
      found += leads.count
      wrong += leads.count { lead in
        causes.allSatisfy { Self.rSquared(small.dosages[lead], small.dosages[$0]) < 0.2 }
      }
    }
    if Self.genes != 60 {
      print("planted \(planted), recovered \(recovered), found \(found), false \(wrong)")
    }
    #expect(Double(recovered) >= 0.9 * Double(planted), "\(recovered) of \(planted)")
    #expect(Double(wrong) <= 0.1 * Double(found), "\(wrong) of \(found)")
  }
}
