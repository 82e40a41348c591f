import Foundation
import MultipleTesting
import TestSupport
import Testing

@Suite struct BHTests {
  /// Both sides round a product of three doubles and a logarithm: a few units of 1e-16 on |ln q| < 700.
  private let tolerance = 1e-12

  @Test func agreesWithPAdjust() throws {
    let lists = Dictionary(grouping: try OracleTable("distributions/bh.tsv").rows) { $0.text("list") }
    #expect(lists.count == 6)
    for (name, rows) in lists {
      let total = Int(rows[0].number("n"))
      let logP = rows.map { log($0.number("p")) }
      let table = BHTable(logP: logP, totalTests: total)
      for (row, lnP) in zip(rows, logP) {
        #expect(abs(table.logQ(lnP) - log(row.number("bh"))) < tolerance, "\(name) \(row.text("p"))")
        let bonferroni = Bonferroni.logP(lnP, totalTests: total)
        #expect(abs(bonferroni - log(row.number("bonferroni"))) < tolerance, "\(name) \(row.text("p"))")
      }
    }
  }

  /// Below double's range the definition itself: a shift of ln p shifts ln q, as long as no q reaches 1.
  @Test func worksBelowDoubleRange() {
    let logP = [-50.0, -40, -40, -33, -20.5, -20]
    let near = BHTable(logP: logP, totalTests: 1_000_000)
    let far = BHTable(logP: logP.map { $0 - 1e5 }, totalTests: 1_000_000)
    for lnP in logP {
      #expect(near.logQ(lnP) < 0)
      // At 1e5 a double rounds by 1.5e-11.
      #expect(abs(far.logQ(lnP - 1e5) + 1e5 - near.logQ(lnP)) < 1e-10)
    }
  }

  @Test func isAStepFunctionOfP() {
    let table = BHTable(logP: [-30, -20, -10], totalTests: 100)
    #expect(table.logQ(-25) == table.logQ(-20))
    #expect(table.logQ(-31) == table.logQ(-30))
    #expect(table.logQ(-9) == 0)
    #expect(table.logQ(.nan).isNaN)
  }

  @Test func edges() {
    #expect(BHTable(logP: [], totalTests: 0).logQ(-3) == 0)
    let withMissing = BHTable(logP: [-12, .nan, -7], totalTests: 50)
    let without = BHTable(logP: [-7, -12], totalTests: 50)
    #expect(withMissing.logQ(-7) == without.logQ(-7))
    #expect(withMissing.logQ(-12) == without.logQ(-12))
    // Two tests are worse than nothing else: q of the larger is p N/2.
    #expect(abs(without.logQ(-7) - (-7 + log(25))) < tolerance)
    #expect(BHTable(logP: [-.infinity, -12], totalTests: 50).logQ(-.infinity) == -.infinity)
  }
}
