import Association
import Foundation
import StudyData
import TestSupport
import Testing

/// Rows against R's lm (Tests/Oracles/interaction/lm).
@Suite struct InteractionOracleTests {
  private static func columns(_ file: String) throws -> (names: [String], [[Double]]) {
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Oracles/interaction/lm/\(file)")
    let table = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: "\t").map(String.init)
    }
    return (
      Array(table[0].dropFirst()),
      try (1..<table[0].count).map { j in
        try table.dropFirst().map { $0[j] == "NA" ? .nan : try #require(Double($0[j])) }
      }
    )
  }

  @Test(arguments: [1, 2]) func everyPair(terms: Int) throws {
    let genotypes = try Self.columns("genotypes.tsv").1
    var small = SmallStudy(samples: genotypes[0].count)
    small.encoding = .fractional
    for (v, dosages) in genotypes.enumerated() {
      small.addVariant(dosages.map(Float.init), chromosome: "chr1", position: 100 + v)
    }
    for values in try Self.columns("phenotypes.tsv").1 { small.addTrait(values, chromosome: "1", start: 100) }
    for values in try Self.columns("covariates.tsv").1 { small.addCovariate(values) }
    for values in try Self.columns("terms.tsv").1.prefix(terms) { small.addInteraction(values) }
    let rows = try InteractionScan.everywhere.pairs(in: small.study(shuffled: 1), workers: 2).batches.rowOf
    let expected = try OracleTable("interaction/lm/expected_\(terms).tsv").rows
    #expect(rows.count == 48 && expected.count == 48)
    let names = terms == 1 ? ["g", "i", "gi"] : ["g", "i1", "gi1", "i2", "gi2"]
    var worst = 0.0
    for line in expected {
      let key = Pair(variant: Int(line.number("variant")), trait: Int(line.number("trait")))
      let row = try #require(rows[key])
      #expect(row.status == .ok && row.degreesOfFreedom == Int(line.number("df")))
      for (name, c) in zip(names, row.coefficients) {
        let pairs = [
          ("beta", c.beta), ("se", c.standardError), ("t", c.t), ("log_p", c.logP),
        ]
        for (what, found) in pairs {
          let wanted = line.number("\(name)_\(what)")
          worst = max(worst, abs(found - wanted) / abs(wanted))
        }
      }
      #expect(row.coefficients.count == names.count)
    }
    // The promise of the module, lm's own rounding included: none of the statistics is near zero.
    #expect(worst < 1e-10, "\(worst)")
  }
}
