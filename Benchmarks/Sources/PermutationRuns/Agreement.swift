import BenchmarkSupport
import Glibc

/// Tables print p to six digits, and FastQTL keeps dosages and residuals in single precision.
let nominalTolerance = 1e-4

/// The best variants and their nominal p, which are the same in every run.
struct LeadAgreement {
  var genes = 0
  var same = 0
  /// Another variant with the same p, within ``nominalTolerance``.
  var tied = 0
  var other = 0
  /// Of nominal p.
  var largestDifference = 0.0

  init(_ a: GeneTable, _ b: GeneTable) {
    for (id, row) in a {
      guard let theirs = b[id] else { continue }
      genes += 1
      let difference = row.nominal == theirs.nominal ? 0 : abs(theirs.nominal / row.nominal - 1)
      largestDifference = max(largestDifference, difference)
      if row.variant == theirs.variant {
        same += 1
      } else if difference <= nominalTolerance {
        tied += 1
      } else {
        other += 1
      }
    }
  }
}

/// -log₁₀ of the beta-approximated p; NaN where a tool gives none.
func logBeta(_ table: GeneTable, _ genes: [String]) -> [Double] { genes.map { -log10(table[$0]!.beta) } }

/// Over finite pairs; with how many of them.
func pearson(_ x: [Double], _ y: [Double]) -> (r: Double, count: Int) {
  let pairs = zip(x, y).filter { $0.isFinite && $1.isFinite }
  let n = Double(pairs.count)
  let (mx, my) = (pairs.reduce(0) { $0 + $1.0 } / n, pairs.reduce(0) { $0 + $1.1 } / n)
  var (xx, yy, xy) = (0.0, 0.0, 0.0)
  for (a, b) in pairs {
    xx += (a - mx) * (a - mx)
    yy += (b - my) * (b - my)
    xy += (a - mx) * (b - my)
  }
  return (xy / (xx * yy).squareRoot(), pairs.count)
}

/// Mean and standard deviation of one gene's values over runs.
struct Moments {
  var mean: Double
  var deviation: Double

  init(_ values: [Double]) {
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    self.mean = mean
    deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)).squareRoot()
  }
}

/// By linear interpolation between the ordered values; NaN of nothing.
func quantiles(_ values: [Double], _ shares: [Double]) -> [Double] {
  let sorted = values.sorted()
  guard let last = sorted.indices.last else { return shares.map { _ in .nan } }
  return shares.map { share in
    let position = share * Double(last)
    let below = Int(position)
    return sorted[below] + (position - Double(below)) * (sorted[min(below + 1, last)] - sorted[below])
  }
}

/// How runs with fewer permutations spread, and where a peer lies in it.
struct Spread {
  let genes: [String]
  /// -log₁₀ p_beta of each run, gene by gene.
  let runs: [[Double]]

  init(_ tables: [GeneTable], genes: [String]) {
    self.genes = genes
    runs = tables.map { logBeta($0, genes) }
  }

  var means: [Double] { genes.indices.map { gene in runs.reduce(0) { $0 + $1[gene] } / Double(runs.count) } }

  /// Correlations of every two runs.
  var pairwise: [Double] {
    runs.indices.flatMap { i in runs.indices.filter { $0 > i }.map { pearson(runs[i], runs[$0]).r } }
  }

  /// Standard deviations from the mean of the runs, or of all but one.
  func z(_ values: [Double], without left: Int? = nil) -> [Double] {
    genes.indices.compactMap { gene in
      let moments = Moments(runs.indices.filter { $0 != left }.map { runs[$0][gene] })
      let z = (values[gene] - moments.mean) / moments.deviation
      return z.isFinite ? z : nil
    }
  }

  /// Of each run against the others: what to expect of a tool with the same distribution.
  var ownZ: [Double] { runs.indices.flatMap { z(runs[$0], without: $0) } }
}
