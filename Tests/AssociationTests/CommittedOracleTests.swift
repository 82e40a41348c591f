import Association
import Foundation
import StudyData
import TestSupport
import Testing

/// Rows against R and mpmath (Tests/Oracles/association).
@Suite struct CommittedOracleTests {
  private static func columns(_ name: String, _ file: String) throws -> (names: [String], [[Double]]) {
    let table = try oracle(name, file)
    let columns = (1..<table[0].count).map { j in
      table.dropFirst().map { $0[j] == "NA" ? .nan : Double($0[j]) ?? .infinity }
    }
    return (Array(table[0].dropFirst()), columns)
  }

  private static func study(_ name: String, _ encoding: MemoryGenotypes.Encoding) throws -> SmallStudy {
    let genotypes = try columns(name, "genotypes.tsv").1
    var small = SmallStudy(samples: genotypes[0].count)
    small.encoding = encoding
    for dosages in genotypes { small.addVariant(dosages.map(Float.init)) }
    for values in try columns(name, "phenotypes.tsv").1 { small.addTrait(values) }
    let (names, values) = try columns(name, "covariates.tsv")
    for (id, column) in zip(names, values) { small.addCovariate(column, name: id) }
    return small
  }

  private func check(_ row: PairRow?, _ expected: ArraySlice<String>, _ comment: String) {
    guard let row else {
      Issue.record("no row: \(comment)")
      return
    }
    let values = expected.compactMap { Double($0) }
    // The promise of the module: 1e-10 relative in every statistic. None of these is near zero.
    for (found, wanted) in zip([row.beta, row.standardError, row.t, row.logP], values[..<3] + values[4...]) {
      #expect(abs(found - wanted) <= 1e-10 * abs(wanted), "\(comment): \(found) for \(wanted)")
    }
    #expect(row.degreesOfFreedom == Int(values[3]), "\(comment)")
  }

  @Test(arguments: [
    ("lm_hard_calls", MemoryGenotypes.Encoding.hardCalls, 96),
    ("normal_equations", .fractional, 48),
  ])
  func everyPairOfAStudy(name: String, encoding: MemoryGenotypes.Encoding, count: Int) throws {
    let small = try Self.study(name, encoding)
    let (batches, _) = try TransScan(threshold: 1, exclusion: .none, options: .unfiltered)
      .hits(in: small.study(shuffled: 1), workers: 2)
    let rows = Dictionary(uniqueKeysWithValues: batches.pairs.map { ($0.key, $0.row) })
    let expected = try oracle(name, "expected.tsv").dropFirst()
    #expect(expected.count == count && rows.count == count)
    for line in expected {
      let key = Pair(variant: Int(line[0]) ?? -1, trait: Int(line[1]) ?? -1)
      check(rows[key], line[2...], "\(name) \(key)")
    }
  }

  /// ln p from −5,000 to −103,000: the study is a formula, given in the oracle's script.
  @Test func nearlyPerfectFits() throws {
    let expected = try oracle("near_perfect", "expected.tsv").dropFirst()
    let numbers = (0..<9000).map { seed in
      var generator = SplitMix64(UInt64(seed))
      return generator.next()
    }
    var small = SmallStudy(samples: numbers.count)
    small.addVariant(numbers.map { Float(($0 >> 62) % 3) })
    small.addCovariate(numbers.map { Double(($0 >> 40) % 64) })
    for line in expected {
      let scale = pow(2, -(Double(line[0]) ?? 0))
      small.addTrait(
        numbers.map { u in
          Double((u >> 62) % 3) + Double((u >> 40) % 64) / 64 + (Double((u >> 20) % 2048) - 1024) * scale
        })
    }
    var scan = TransScan(exclusion: .none)
    scan.logThreshold = -5000
    let rows = try scan.hits(in: small.study()).batches.pairs
    #expect(rows.count == expected.count)
    for (line, row) in zip(expected, rows) { check(row.row, line[1...], "step \(line[0])") }
    #expect((rows.last?.row.logP ?? 0) < -1e5)
  }

  @Test func hardyWeinbergAgainstFullEnumeration() throws {
    let lines = try oracle("hardy_weinberg", "expected.tsv").dropFirst()
    #expect(lines.count == 52)
    for line in lines {
      let counts = line.prefix(3).compactMap { Int($0) }
      let p = try #require(Double(line[3]))
      // A sum of ratios built by up to n multiplications: 1e-12 is a few hundred roundings.
      let found = hardyWeinbergP(homozygotes: counts[0], heterozygotes: counts[1], counts[2])
      #expect(abs(found - p) <= 1e-12 * p, "\(counts): \(found) for \(p)")
      let swapped = hardyWeinbergP(homozygotes: counts[2], heterozygotes: counts[1], counts[0])
      #expect(abs(swapped - p) <= 1e-12 * p)
    }
  }
}
