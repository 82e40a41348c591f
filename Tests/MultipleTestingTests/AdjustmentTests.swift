import Foundation
import MultipleTesting
import TestSupport
import Testing

@Suite struct AdjustmentTests {
  /// Both sides round a product of three doubles and a logarithm of at most 700: some units of 1e-13.
  private let tolerance = 1e-12

  @Test func agreesWithPAdjust() throws {
    let lists = Dictionary(grouping: try OracleTable("distributions/bh.tsv").rows) { $0.text("list") }
    #expect(lists.count == 6)
    for (name, rows) in lists {
      let testCount = Int(rows[0].number("n"))
      let logP = rows.map { log($0.number("p")) }
      let logQ = BenjaminiHochberg.logQ(logP, testCount: testCount)
      for (k, row) in rows.enumerated() {
        #expect(abs(logQ[k] - log(row.number("bh"))) < tolerance, "\(name) \(row.text("p"))")
        let bonferroni = Bonferroni.logP(logP[k], testCount: testCount)
        #expect(abs(bonferroni - log(row.number("bonferroni"))) < tolerance, "\(name) \(row.text("p"))")
      }
    }
  }

  /// Below double's range the definition itself: a shift of ln p shifts ln q, as long as no q reaches 1.
  @Test func worksBelowDoubleRange() {
    let logP = [-50.0, -40, -40, -33, -20.5, -20]
    let near = BenjaminiHochberg.logQ(logP, testCount: 1_000_000)
    let far = BenjaminiHochberg.logQ(logP.map { $0 - 1e5 }, testCount: 1_000_000)
    #expect(near.allSatisfy { $0 < 0 })
    // At 1e5 a double rounds by 1.5e-11.
    for (a, b) in zip(near, far) { #expect(abs(b + 1e5 - a) < 1e-10) }
  }

  @Test func equalPShareOneQ() {
    let logQ = BenjaminiHochberg.logQ([-12, -30, -12, -12, -9], testCount: 100)
    #expect(logQ[0] == logQ[2] && logQ[0] == logQ[3])
    // The last of the ties has rank 4.
    #expect(abs(logQ[0] - (-12 + log(25))) < tolerance)
    #expect(logQ[1] < logQ[0] && logQ[0] < logQ[4])
  }

  @Test func edges() {
    #expect(BenjaminiHochberg.logQ([], testCount: 0).isEmpty)
    #expect(BenjaminiHochberg.logQ([-0.1, -0.2], testCount: 1000) == [0, 0])
    #expect(BenjaminiHochberg.logQ([-.infinity, -12], testCount: 50)[0] == -.infinity)
    #expect(Bonferroni.logP(.nan, testCount: 5).isNaN)
  }
}
