import StudyData
import TestSupport
import Testing

@testable import Association

@Suite struct VariantPanelTests {
  private static func panel(_ rows: [[Float]]) -> VariantPanel {
    let variants = rows.indices.map {
      Variant(id: "v\($0)", chromosome: "1", position: $0 + 1, ref: "A", alt: "G")
    }
    return VariantPanel(
      block: GenotypeBlock(
        sampleCount: rows[0].count, ordinals: Array(rows.indices), variants: variants,
        dosages: .fractional(rows.flatMap(\.self))), filter: .off)
  }

  /// Longer than the piece that is looked at in one go, so that what is fractional may lie in any.
  private static func whole(_ count: Int) -> [[Float]] {
    var generator = SplitMix64(5)
    return (0..<count).map { _ in
      (0..<700).map { _ in [0, 1, 2, .nan][Int.random(in: 0..<4, using: &generator)] }
    }
  }

  @Test func wholeDosagesAreHardCalls() throws {
    let rows = Self.whole(5)
    guard case .hardCalls(let codes) = Self.panel(rows).block.dosages else {
      Issue.record("whole dosages stayed fractional")
      return
    }
    #expect(codes == rows.flatMap(\.self).map { $0.isNaN ? 3 : UInt8($0) })
  }

  /// One fractional dosage, of any size, anywhere: the block stays what it is, and the other variants' summaries are those of hard calls.
  @Test(arguments: [0, 1, 4], [Float(0.5), 1.0000001, 1e-30])
  func oneFractionalDosage(variant: Int, value: Float) throws {
    for sample in [0, 255, 256, 699] {
      var rows = Self.whole(5)
      rows[variant][sample] = value
      let panel = Self.panel(rows)
      guard case .fractional(let kept) = panel.block.dosages else {
        Issue.record("a fractional dosage became a call")
        continue
      }
      #expect(zip(kept, rows.flatMap(\.self)).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
      for k in rows.indices where k != variant {
        let codes = rows[k].map { $0.isNaN ? 3 : UInt8($0) }
        #expect(panel.variants[k].summary == codes.withUnsafeBufferPointer { VariantSummary(codes: $0) })
      }
      let own = rows[variant].filter { !$0.isNaN }.map(Double.init)
      // Sums of 700 numbers, rounded 700 times at most.
      #expect(abs(panel.variants[variant].summary.altSum - own.reduce(0, +)) < 1e-10)
    }
  }
}
