import Distributions
import StudyData
import TestSupport

@testable import Association

extension Sequence<InteractionBatch> {
  /// Rows by the ordinal of their variant, in the order they were emitted.
  var pairs: [(key: Pair, row: InteractionRow)] {
    flatMap { batch in
      batch.rows.map { row in
        var plain = row
        plain.variant = batch.variants[row.variant].ordinal
        return (Pair(variant: plain.variant, trait: row.feature), plain)
      }
    }
  }

  var rowOf: [Pair: InteractionRow] { Dictionary(uniqueKeysWithValues: pairs.map { ($0.key, $0.row) }) }
  var drops: [Drop] { flatMap(\.drops) }
}

extension InteractionScan {
  /// Everything is near everything and nothing is left out for being rare.
  static let everywhere = InteractionScan(radius: .max, options: .unfiltered, minimumStratumFrequency: 0)
}

extension SmallStudy {
  /// Puts all variants and traits on one chromosome, variants in order, so that windows hold all of them.
  mutating func gatherOnOneChromosome() {
    for v in variants.indices {
      variants[v].chromosome = "1"
      variants[v].position = 1000 + v
    }
    for t in features.indices {
      features[t].chromosome = "1"
      (features[t].start, features[t].end) = (1000, 1000)
    }
  }

  /// Random terms: one of two values, others continuous and far from zero or not.
  mutating func addRandomInteractions(_ count: Int, _ generator: inout SplitMix64) {
    for term in 0..<count {
      let offset = generator.bernoulli(0.5) ? 0 : generator.uniform(-5, 5)
      addInteraction(
        (0..<sampleCount).map { _ in
          term == 0 && count > 1 ? (generator.bernoulli(0.4) ? 1 : 0) : offset + generator.normal()
        })
    }
  }

  /// Fits of g, then i and g·i of each term, each from the regression of y and that column on all others, by plain loops; nil where the
  /// columns depend on each other.
  func interactionFits(variant: Int, trait: Int) -> [Fit]? {
    let observed = dosages[variant].filter { !$0.isNaN }.map(Double.init)
    let mean = observed.reduce(0, +) / Double(observed.count)
    let g = dosages[variant].map { $0.isNaN ? mean : Double($0) }
    var columns = [g]
    for term in interactions {
      columns.append(term)
      columns.append(zip(g, term).map { $0 * $1 })
    }
    let rows = (0..<sampleCount).filter { !phenotypes[trait][$0].isNaN }
    var fits: [Fit] = []
    for c in columns.indices {
      var others = columns
      others.remove(at: c)
      let base = Reflections(covariates: covariates, rows: rows)
      let full = Reflections(covariates: covariates + others, rows: rows)
      let x = full.residual(columns[c].map { Extended($0) })
      let total = Reflections.squares(base.residual(columns[c].map { Extended($0) })[...])
      guard full.rank == base.rank + others.count, Reflections.squares(x[...]) > 1e-10 * total else {
        return nil
      }
      fits.append(full.fit(x, full.residual(phenotypes[trait].map { Extended($0) })))
    }
    return fits
  }
}

/// Differences between a row and the fits it should hold.
///
/// 1e-9 relative: products of a term far from zero cost a digit more than a plain pair; a statistic near zero is a sum that cancels, so
/// it gets the rounding of that sum, too.
func disagreement(_ row: InteractionRow, _ fits: [Fit], tolerance: Double = 1e-9) -> String? {
  guard row.coefficients.count == fits.count else {
    return "\(row.status), \(row.coefficients.count) coefficients"
  }
  for (index, (found, wanted)) in zip(row.coefficients, fits).enumerated() {
    guard row.degreesOfFreedom == wanted.degreesOfFreedom, row.n == wanted.n else {
      return "n \(row.n), ν \(row.degreesOfFreedom) for \(wanted.n), \(wanted.degreesOfFreedom)"
    }
    let noise = 1e-13 * Double(row.n).squareRoot()
    let pairs = [
      ("t", found.t, wanted.t, noise),
      ("beta", found.beta, wanted.beta, noise * wanted.standardError),
      ("se", found.standardError, wanted.standardError, 0), ("ln p", found.logP, wanted.logP(), noise),
    ]
    for (name, a, b, rounding) in pairs where !(abs(a - b) <= tolerance * abs(b) + rounding) {
      return "coefficient \(index): \(name) \(a) for \(b)"
    }
  }
  return nil
}
