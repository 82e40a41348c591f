import Distributions
import Foundation
import StudyData
import TestSupport
import Testing

@testable import Association

struct Pair: Hashable, Comparable, CustomStringConvertible {
  var variant: Int
  var trait: Int
  static func < (a: Pair, b: Pair) -> Bool { (a.variant, a.trait) < (b.variant, b.trait) }
  var description: String { "(\(variant), \(trait))" }
}

extension Sequence<PairBatch> {
  /// Rows by the ordinal of their variant, in the order they were emitted.
  var pairs: [(key: Pair, row: PairRow)] {
    flatMap { batch in
      batch.rows.map { row in
        var plain = row
        plain.variant = batch.variants[row.variant].ordinal
        return (Pair(variant: plain.variant, trait: row.feature), plain)
      }
    }
  }

  var bestOfVariants: [PairRow] {
    flatMap { batch in
      batch.bestRows.map { row in
        var plain = row
        plain.variant = batch.bestVariants[row.variant].ordinal
        return plain
      }
    }
  }

  var drops: [Drop] { flatMap(\.drops) }
}

extension ScanSummary {
  var bestOfTraits: [PairRow] {
    bestRows.map { row in
      var plain = row
      plain.variant = bestVariants[row.variant].ordinal
      return plain
    }
  }
}

extension TransScan {
  /// All hits in memory, by a chosen back end.
  func hits(in study: Study, execution: Execution) throws -> (batches: [PairBatch], summary: ScanSummary) {
    try collected { emit in try run(in: study, execution: execution, render: { $0 }, emit: emit) }
  }
}

extension ScanOptions {
  static let unfiltered = ScanOptions(filter: .off)
}

extension InstructionSet {
  static var available: [InstructionSet] { allCases.filter(\.isAvailable) }
}

extension Fit {
  func logP(_ alternative: Alternative = .twoSided) -> Double {
    let distribution = StudentT(degreesOfFreedom: Double(degreesOfFreedom))
    switch alternative {
    case .twoSided:
      return distribution.logTwoSidedP(oneMinusRSquared: oneMinusRSquared, rSquared: rSquared)
    case .greater: return distribution.logUpperP(t: t)
    case .less: return distribution.logUpperP(t: -t)
    }
  }
}

/// What fp64 may cost: 1e-10 relative as promised; a statistic near zero is a sum that cancels, so it also gets the rounding of that
/// sum, some units of 2⁻⁵³ of the largest it could be.
func disagreement(_ row: PairRow, _ fit: Fit, _ alternative: Alternative = .twoSided) -> String? {
  func differs(_ a: Double, _ b: Double, _ rounding: Double) -> Bool {
    !(abs(a - b) <= 1e-10 * abs(b) + rounding)
  }
  let noise = 1e-14 * Double(row.n).squareRoot()
  guard row.degreesOfFreedom == fit.degreesOfFreedom, row.n == fit.n else {
    return "n \(row.n), ν \(row.degreesOfFreedom) for \(fit.n), \(fit.degreesOfFreedom)"
  }
  if differs(row.t, fit.t, noise) { return "t \(row.t) for \(fit.t)" }
  if differs(row.beta, fit.beta, noise * fit.standardError) { return "beta \(row.beta) for \(fit.beta)" }
  if differs(row.standardError, fit.standardError, 0) {
    return "se \(row.standardError) for \(fit.standardError)"
  }
  if differs(row.r2, fit.rSquared, 1e-15) { return "r² \(row.r2) for \(fit.rSquared)" }
  let logP = fit.logP(alternative)
  if differs(row.logP, logP, noise) { return "ln p \(row.logP) for \(logP)" }
  return nil
}

/// Differences between rows and the brute-force pairs they should be, at most a few.
func disagreements(
  _ rows: [(key: Pair, row: PairRow)], _ expected: [BruteForce.Pair], _ alternative: Alternative = .twoSided
) -> [String] {
  var found: [String] = []
  let keys = rows.map(\.key)
  let wanted = expected.map { Pair(variant: $0.variant, trait: $0.trait) }
  if keys != wanted {
    let (extra, lost) = (Set(keys).subtracting(wanted), Set(wanted).subtracting(keys))
    found.append("extra \(extra.sorted().prefix(5)), lost \(lost.sorted().prefix(5)), or out of order")
  }
  let fits = Dictionary(uniqueKeysWithValues: zip(wanted, expected.map(\.fit)))
  for (key, row) in rows {
    guard let fit = fits[key] ?? nil else { continue }
    if let text = disagreement(row, fit, alternative) { found.append("\(key): \(text)") }
  }
  return Array(found.prefix(5))
}

/// Directory of a committed oracle.
func oracle(_ name: String, _ file: String) throws -> [[String]] {
  let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Oracles/association/\(name)/\(file)")
  let text = try String(contentsOf: url, encoding: .utf8)
  return text.split(separator: "\n").map {
    $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
  }
}
