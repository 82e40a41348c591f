import BenchmarkSupport
import Glibc

struct Pair: Hashable {
  var variant: String
  var gene: String
}

/// A table of hits with a header, as a tool has written it.
struct HitTable {
  enum Gene {
    case column(String)
    /// The whole table is of one gene.
    case named(String)
  }

  var path: String
  var variant: String
  var gene: Gene
  var p: String

  init(path: String, variant: String, gene: Gene, p: String) {
    self.path = path
    self.variant = variant
    self.gene = gene
    self.p = p
  }

  /// Of `swiftqtl trans --out OUT`.
  init(ofOurs out: String) {
    self.init(path: out + ".trans.tsv.gz", variant: "variant_id", gene: .column("phenotype_id"), p: "p")
  }

  func rows() -> [(pair: Pair, p: Double)] {
    var columns = [variant, p]
    if case .column(let name) = gene { columns.append(name) }
    var rows: [(pair: Pair, p: Double)] = []
    forEachRow(of: path, columns: columns) { cells in
      guard let p = Double(cells[1]) else { fail("\(path): p is \(cells[1])") }
      let gene =
        switch gene {
        case .column: String(cells[2])
        case .named(let name): name
        }
      rows.append((Pair(variant: String(cells[0]), gene: gene), p))
    }
    return rows
  }
}

/// Relative distance of p from the threshold within which fp32 may decide otherwise than fp64. An error of r becomes one of p that is
/// t × df^½ / (1 - r²)^1.5 times as large, 150 times at 1,000 degrees of freedom: 1e-4 where fp32 gives r to 5e-7.
let cutTolerance = 1e-3

/// What a tool reported beside what our reference says.
struct Agreement {
  var hits = 0
  /// Hits of the reference that the tool lacks.
  var missing = 0
  /// Hits of the tool that the reference has beyond the threshold.
  var extra = 0
  /// Missing or extra, but so near the threshold that rounding decides: not counted among those two.
  var atCut = 0
  /// Of log p, over pairs that both have; where the tool's p is 0, it has no logarithm and is left out.
  var largestDifference = 0.0

  /// - Parameter reference: p of all pairs up to `threshold * (1 + cutTolerance)` or further.
  init(of tool: Tool, with reference: [Pair: Double]) {
    var seen: Set<Pair> = []
    for (pair, p) in tool.hits.flatMap({ $0.rows() }) {
      hits += 1
      seen.insert(pair)
      let expected = reference[pair] ?? 1
      if expected > threshold * (1 + cutTolerance) {
        extra += 1
      } else if expected > threshold {
        atCut += 1
      }
      if reference[pair] != nil, p > 0, expected > 0 {
        largestDifference = max(largestDifference, abs(log(p) / log(expected) - 1))
      }
    }
    let genes = Set(tool.geneIDs)
    for (pair, p) in reference where p <= threshold && !seen.contains(pair) && genes.contains(pair.gene) {
      if p >= threshold * (1 - cutTolerance) { atCut += 1 } else { missing += 1 }
    }
  }
}
