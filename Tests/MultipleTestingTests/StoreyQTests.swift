import Foundation
import MultipleTesting
import TestSupport
import Testing

@Suite struct StoreyQTests {
  private static let estimators: [(column: String, estimator: StoreyQ.Estimator, relative: Double)] = [
    // As the product promises; the fixture has fifteen digits.
    ("given", .given(0.7), 1e-12),
    ("fixed", .fixed(lambda: 0.5), 1e-12),
    ("bootstrap", .bootstrap(), 1e-12),
    // R's smoothing spline has a df of 3.0003 or so.
    ("smoother", .smoother(), 1e-4),
    ("coarse", .smoother(lambda: [0.6, 0.1, 0.9, 0.35]), 1e-4),
  ]

  @Test func agreesWithBioconductor() throws {
    let lists = Dictionary(grouping: try OracleTable("multiple_testing/storey/values.tsv").rows) {
      $0.text("list")
    }
    let expected = try OracleTable("multiple_testing/storey/expected.tsv").rows
    #expect(lists.count == 8)
    for (name, rows) in lists {
      let logP = rows.map { log($0.number("p")) }
      for (column, estimator, relative) in Self.estimators {
        let result = StoreyQ(logP: logP, estimator: estimator)
        let row = try #require(expected.first { $0.text("list") == name && $0.text("method") == column })
        let proportion = row.number("pi0")
        if proportion.isNaN {
          // There qvalue stops.
          #expect(result.status != .ok && result.nullProportion == 1, "\(name) \(column)")
          #expect(result.logQ == BenjaminiHochberg.logQ(logP, testCount: logP.count))
          continue
        }
        #expect(result.status == .ok)
        // An absolute error of the spline counts more where π₀ is small.
        let tolerance = relative * (relative > 1e-12 ? 1 / min(1, proportion) : 1)
        #expect(
          abs(result.nullProportion / proportion - 1) < tolerance,
          "\(name) \(column): \(result.nullProportion), not \(proportion)")
        for (q, row) in zip(result.logQ, rows) {
          let expected = row.number(column)
          if expected.isNaN { #expect(q.isNaN) } else { #expect(abs(exp(q) / expected - 1) < tolerance) }
        }
      }
    }
  }

  @Test func fallsBackToBenjaminiHochberg() {
    #expect(StoreyQ(logP: []).status == .noTests)
    #expect(StoreyQ(logP: [.nan, .nan]).status == .noTests)
    #expect(StoreyQ(logP: [.nan, .nan]).logQ.allSatisfy { $0.isNaN })
    let small = [-30.0, -9, -4, .nan]
    let q = BenjaminiHochberg.logQ([-30, -9, -4], testCount: 3)
    for (estimator, status) in [
      (StoreyQ.Estimator.smoother(), StoreyQ.Status.noLargeP), (.bootstrap(), .noLargeP),
      (.fixed(lambda: 0.5), .notPositive),
    ] {
      let result = StoreyQ(logP: small, estimator: estimator)
      #expect(result.status == status)
      #expect(result.nullProportion == 1)
      #expect(Array(result.logQ[..<3]) == q)
      #expect(result.logQ[3].isNaN)
    }
    #expect(StoreyQ(logP: [-1, 0.1, -3]).status == .outOfRange)
    // A spline through values that fall to 0.02 in a curve bends below zero.
    let falling = (0..<400).map { log((Double($0) + 0.5) / 420) } + [log(0.951)]
    let result = StoreyQ(logP: falling.filter { $0 < log(0.6) || $0 > log(0.95) })
    #expect(result.status == .notPositive)
    #expect(result.nullProportion == 1)
  }

  /// Below double's range: π₀ = 1 keeps Benjamini & Hochberg's, and a shift of ln p shifts ln q.
  @Test func worksBelowDoubleRange() {
    let large = (0..<200).map { log((Double($0) + 0.5) / 200) }
    let result = StoreyQ(logP: large + [-2000, -1000], estimator: .fixed(lambda: 0.5))
    // 100/(202 · 0.5).
    #expect(abs(result.nullProportion - 100 / 101.0) < 1e-15)
    // ln q rounds at 2000 · 1e-16.
    #expect(abs(result.logQ[200] - (-2000 + log(202 * 100 / 101.0))) < 1e-12)
    #expect(abs(result.logQ[201] - (-1000 + log(101 * 100 / 101.0))) < 1e-12)
  }

  @Test func doesNotDependOnTheOrder() {
    var random = SplitMix64(4)
    let logP = (0..<300).map { _ in log(random.uniform()) }
    let order = logP.indices.shuffled(using: &random)
    for (_, estimator, _) in Self.estimators {
      let (one, other) = (
        StoreyQ(logP: logP, estimator: estimator), StoreyQ(logP: order.map { logP[$0] }, estimator: estimator)
      )
      #expect(one.nullProportion == other.nullProportion)
      #expect(order.map { one.logQ[$0] } == other.logQ)
    }
  }
}
