import Glibc
import SwiftQTL
import Synchronization

/// Tests with p at most each level, by trait.
struct Tally: Sendable {
  static let levels = [0.05, 1e-3, 1e-5]

  /// For each level, the hits of every trait.
  var hits: [[Int]] = Array(repeating: [], count: levels.count)
  /// Tests of every trait.
  var tests: [Int] = []

  /// Scans a null study at the highest level and counts.
  ///
  /// - Throws: whatever the scan throws, and `inconsistent` when it left out any pair: all designs are free of reasons to.
  init(scanning study: Study, isConstrained: Bool = true, workers: Int) throws {
    let traits = study.features.count
    let limits = Self.levels.map { log($0) }
    let counted = Mutex(Array(repeating: [Int](repeating: 0, count: traits), count: limits.count))
    let scan = TransScan(
      threshold: Self.levels[0], exclusion: .none,
      options: ScanOptions(filter: .off, mixedModel: MixedModelOptions(isConstrained: isConstrained)))
    let summary = try scan.run(
      in: study, execution: Execution(workers: workers), render: { $0.rows },
      emit: { rows in
        counted.withLock { counted in
          for row in rows {
            for (level, limit) in limits.enumerated() where row.logP <= limit {
              counted[level][row.feature] += 1
            }
          }
        }
      })
    let variants = study.genotypes.variantCount ?? 0
    guard summary.counts.tests == variants * traits else {
      throw StudyError(
        .inconsistent, "\(summary.counts.tests) tests of \(variants) variants × \(traits) traits",
        remedy: "find out which pairs the scan left out, and why")
    }
    hits = counted.withLock { $0 }
    tests = Array(repeating: variants, count: traits)
  }

  init() {}

  /// Traits of different seeds are different traits.
  static func += (a: inout Self, b: Self) {
    for level in levels.indices { a.hits[level] += b.hits[level] }
    a.tests += b.tests
  }

  /// Of every `step`th trait, from `first`.
  func subset(from first: Int, step: Int) -> Tally {
    var out = Tally()
    let kept = stride(from: first, to: tests.count, by: step)
    out.tests = kept.map { tests[$0] }
    out.hits = hits.map { hits in kept.map { hits[$0] } }
    return out
  }

  /// The share of tests with p at most the level, and its standard error by the jackknife over traits (tests of one trait share its
  /// values, so they are not independent of each other; different traits are).
  func rate(_ level: Int) -> (estimate: Double, standardError: Double) {
    let h = hits[level]
    let (allHits, allTests) = (h.reduce(0, +), tests.reduce(0, +))
    let without = h.indices.map { Double(allHits - h[$0]) / Double(allTests - tests[$0]) }
    let k = Double(without.count)
    let mean = without.reduce(0, +) / k
    let squares = without.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (Double(allHits) / Double(allTests), ((k - 1) / k * squares).squareRoot())
  }
}
