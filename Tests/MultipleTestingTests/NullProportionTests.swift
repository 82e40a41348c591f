import Foundation
import MultipleTesting
import Testing

@Suite struct NullProportionTests {
  /// 1,000 evenly spaced null p and 250 tiny ones: π₀ is 0.8 by construction.
  @Test func findsAPlantedShare() {
    let nulls = (0..<1000).map { log((Double($0) + 0.5) / 1000) }
    let signals = [Double](repeating: -200, count: 250)
    let found = NullProportion(logP: nulls + signals + [.nan], lambda: 0.5)
    #expect(found.sampleSize == 1250)
    // 500/(0.5 · 1250) and √(0.4 · 0.6/1250)/0.5, both rounded a few times.
    #expect(abs(found.estimate - 0.8) < 1e-14)
    #expect(abs(found.standardError - 0.027712812921102035) < 1e-14)
  }

  @Test func countsOnlyAboveLambda() {
    let logP = [0.1, 0.5, 0.9].map { log($0) }
    #expect(NullProportion(logP: logP, lambda: 0).estimate == 1)
    #expect(abs(NullProportion(logP: logP, lambda: 0.6).estimate - 1 / 1.2) < 1e-15)
    #expect(NullProportion(logP: []).estimate.isNaN)
  }
}
