import Foundation
import Testing

@testable import Simulation

@Suite struct ClusterRehearsalTests {
  /// All that can go wrong does.
  static func troubled(_ seed: UInt64 = 7) -> ClusterRehearsal {
    var rehearsal = ClusterRehearsal(workSeconds: 400_000)
    rehearsal.preparationSeconds = 60
    rehearsal.nodes = 12
    rehearsal.queueSeconds = 300
    rehearsal.timeLimit = 9000
    rehearsal.nodeFailureRate = 0.02 / 3600
    rehearsal.repairSeconds = 1800
    rehearsal.jobFailure = 0.05
    rehearsal.stragglerShare = 0.05
    rehearsal.stragglerFactor = 3
    rehearsal.noise = 0.1
    rehearsal.retries = 4
    rehearsal.journalSeconds = 20
    rehearsal.seed = seed
    return rehearsal
  }

  static let wallClock: [(shards: Int, nodes: Int, seconds: Double)] = [
    // Waves × (preparation of 10 s + a shard's part of 3600 s).
    (1, 1, 3610), (1, 9, 3610), (6, 1, 3660), (6, 6, 610), (6, 4, 1220), (7, 3, 3 * (10 + 3600.0 / 7)),
    (100, 8, 13 * 46), (100, 1000, 46),
  ]

  /// Without failures, noise or a queue. Sums of at most 100 terms round by less than 1e-13 relative.
  @Test(arguments: wallClock) func waves(shards: Int, nodes: Int, seconds: Double) {
    var rehearsal = ClusterRehearsal(workSeconds: 3600)
    rehearsal.preparationSeconds = 10
    rehearsal.nodes = nodes
    let outcome = rehearsal.outcome(shards: shards, repeat: 0)
    #expect(abs(outcome.makespan / seconds - 1) < 1e-12)
    #expect(abs(outcome.usedNodeSeconds / (3600 + 10 * Double(shards)) - 1) < 1e-12)
    #expect(outcome.wastedNodeSeconds == 0 && outcome.failedShards == 0 && outcome.retries == 0)
  }

  /// A time limit of half a shard: with a journal the second start finishes, without one none does.
  @Test func timeLimit() {
    var rehearsal = ClusterRehearsal(workSeconds: 1000)
    rehearsal.preparationSeconds = 100
    rehearsal.timeLimit = 655
    rehearsal.journalSeconds = 10
    // 655 s: prepared, 555 s of work of which 550 s are kept; then prepared again, the other 450 s.
    let resumed = rehearsal.outcome(shards: 1, repeat: 0)
    #expect(resumed.makespan == 655 + 550 && resumed.retries == 1 && resumed.failedShards == 0)
    #expect(resumed.wastedNodeSeconds == 105 && resumed.usefulNodeSeconds == 1100)

    rehearsal.journalSeconds = nil
    let lost = rehearsal.outcome(shards: 1, repeat: 0)
    #expect(lost.failedShards == 1 && lost.makespan == 4 * 655)
    #expect(lost.wastedNodeSeconds == 4 * 655 && lost.usefulNodeSeconds == 0)

    // Two shards on two nodes that fail never, killed and resumed together.
    rehearsal.journalSeconds = 10
    rehearsal.workSeconds = 2000
    rehearsal.nodes = 2
    #expect(rehearsal.outcome(shards: 2, repeat: 0).makespan == 655 + 550)
    // On one node the second shard's first start comes before the first shard's second.
    rehearsal.nodes = 1
    #expect(rehearsal.outcome(shards: 2, repeat: 0).makespan == 2 * (655 + 550))
  }

  /// Sums of some hundred terms of one sign: 1e-12 relative.
  @Test(arguments: [true, false]) func nodeSecondsAreConserved(hasJournal: Bool) {
    var rehearsal = Self.troubled()
    if !hasJournal { rehearsal.journalSeconds = nil }
    var hasWaste = false
    for shards in [1, 7, 50, 400] {
      for index in 0..<20 {
        let outcome = rehearsal.outcome(shards: shards, repeat: index)
        let sum = outcome.usefulNodeSeconds + outcome.wastedNodeSeconds
        #expect(abs(sum / outcome.usedNodeSeconds - 1) < 1e-12)
        #expect(outcome.makespan * Double(rehearsal.nodes) >= outcome.usedNodeSeconds)
        hasWaste = hasWaste || outcome.wastedNodeSeconds > 0
      }
    }
    #expect(hasWaste)
  }

  @Test func theSeedDecides() {
    let first = Self.troubled().summary(shards: 50, repeats: 30)
    #expect(first == Self.troubled().summary(shards: 50, repeats: 30))
    #expect(first != Self.troubled(8).summary(shards: 50, repeats: 30))
    #expect(Self.troubled().outcome(shards: 50, repeat: 3) != Self.troubled().outcome(shards: 50, repeat: 4))
  }

  /// The same random numbers: what must not get worse, course by course.
  @Test func monotone() {
    for index in 0..<40 {
      var rehearsal = Self.troubled()
      rehearsal.timeLimit = 12_000
      var fewer: ClusterRehearsal.Outcome?
      for retries in [0, 1, 2, 5, 20] {
        rehearsal.retries = retries
        let outcome = rehearsal.outcome(shards: 60, repeat: index)
        if let fewer {
          #expect(outcome.failedShards <= fewer.failedShards)
          #expect(outcome.usedNodeSeconds >= fewer.usedNodeSeconds)
          #expect(outcome.usefulNodeSeconds >= fewer.usefulNodeSeconds * (1 - 1e-12))
        }
        fewer = outcome
      }
      // A journal never makes a start longer.
      var forgetful = rehearsal
      forgetful.journalSeconds = nil
      let (with, without) = (
        rehearsal.outcome(shards: 60, repeat: index), forgetful.outcome(shards: 60, repeat: index)
      )
      #expect(with.usedNodeSeconds <= without.usedNodeSeconds && with.failedShards <= without.failedShards)
      // What becomes of the starts does not depend on the nodes.
      var wide = rehearsal
      wide.nodes = 1000
      let (narrow, free) = (with, wide.outcome(shards: 60, repeat: index))
      #expect(free.makespan <= narrow.makespan && free.retries == narrow.retries)
      #expect(abs(free.usedNodeSeconds / narrow.usedNodeSeconds - 1) < 1e-12)
    }
  }

  @Test func certainFailureNeverFinishes() {
    var rehearsal = ClusterRehearsal(workSeconds: 1000)
    rehearsal.jobFailure = 1
    rehearsal.retries = 0
    let summary = rehearsal.summary(shards: 10, repeats: 20)
    #expect(summary.completeShare == 0 && summary.medianMakespan.isNaN && summary.upperRetries == nil)
    #expect(summary.usedNodeSeconds > 0 && summary.usedNodeSeconds == summary.wastedNodeSeconds)
    #expect(ClusterRehearsal.best(of: [summary]) == nil)
  }

  /// A shard of T seconds on one node that fails at the rate λ, begun anew each time: with N failures, of mean e^λT − 1, it
  /// takes (e^λT − 1)(1/λ + repair) in the mean.
  ///
  /// The mean of 20,000 courses is compared within five of its standard errors (its own sample's): one in two million fails by
  /// chance, and the seed is fixed.
  @Test(arguments: [0.2, 1, 2.5], [0.0, 500]) func beginningAnew(failures: Double, repair: Double) {
    var rehearsal = ClusterRehearsal(workSeconds: 900)
    rehearsal.preparationSeconds = 100
    rehearsal.nodeFailureRate = failures / 1000
    rehearsal.repairSeconds = repair
    rehearsal.retries = 10_000
    let times = (0..<20_000).map { rehearsal.outcome(shards: 1, repeat: $0).makespan }
    expectMean(of: times, expm1(failures) * (1000 / failures + repair))
  }

  /// With a journal of the finest step and no preparation nothing is lost: T, and repair for each of λT failures.
  @Test func goingOn() {
    var rehearsal = ClusterRehearsal(workSeconds: 1000)
    rehearsal.nodeFailureRate = 2.0 / 1000
    rehearsal.repairSeconds = 300
    rehearsal.retries = 10_000
    rehearsal.journalSeconds = 1e-6
    let times = (0..<20_000).map { rehearsal.outcome(shards: 1, repeat: $0).makespan }
    expectMean(of: times, 1000 + 2 * 300)
  }

  /// Slow starts and noise keep their means, 1 + share (factor − 1) and 1; so does the queue.
  @Test func slowStarts() {
    var rehearsal = ClusterRehearsal(workSeconds: 1000)
    rehearsal.stragglerShare = 0.3
    rehearsal.stragglerFactor = 4
    rehearsal.noise = 0.5
    rehearsal.queueSeconds = 700
    let times = (0..<20_000).map { rehearsal.outcome(shards: 1, repeat: $0).makespan }
    expectMean(of: times, 1000 * 1.9 + 700)
  }

  private func expectMean(
    of values: [Double], _ expected: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    #expect(
      abs(mean - expected) < 5 * (variance / count).squareRoot(), "\(mean), not \(expected)",
      sourceLocation: sourceLocation)
  }

  /// Quantiles by hand: of 20 courses the 10th and the 19th.
  @Test func summaries() {
    let rehearsal = Self.troubled()
    let outcomes = (0..<20).map { rehearsal.outcome(shards: 100, repeat: $0) }
    let complete = outcomes.filter { $0.failedShards == 0 }
    let summary = rehearsal.summary(shards: 100, repeats: 20)
    #expect(complete.count == 20 && summary.completeShare == 1)
    let makespans = outcomes.map(\.makespan).sorted()
    #expect(summary.medianMakespan == makespans[9] && summary.upperMakespan == makespans[18])
    #expect(summary.upperRetries == outcomes.map(\.retries).sorted()[18])
  }

  @Test func theBest() {
    func summary(_ shards: Int, _ makespan: Double, _ used: Double, _ share: Double = 1)
      -> ClusterRehearsal.Summary
    {
      .init(
        shards: shards, medianMakespan: makespan, upperMakespan: makespan, upperRetries: 0,
        usedNodeSeconds: used, wastedNodeSeconds: 0, completeShare: share)
    }
    let all = [
      summary(10, 5, 1, 0.94), summary(30, 103, 1), summary(100, 101, 9), summary(300, 100, 9, 0.95),
      summary(1000, 100, 10), summary(3000, .nan, 1, 1),
    ]
    #expect(ClusterRehearsal.best(of: all)?.shards == 100)
    #expect(ClusterRehearsal.best(of: Array(all[3...]))?.shards == 300)
    #expect(ClusterRehearsal.best(of: [all[0]]) == nil)
  }
}
