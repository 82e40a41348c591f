internal import Glibc

/// From genes' q values to a p cut.
public enum GeneLevel {
  /// ln of the gene-level p at which q reaches `fdr`: the mean of the largest p with q ≤ `fdr` and the smallest with
  /// q > `fdr`; the former alone if every gene is significant, nil if none is.
  ///
  /// The nominal threshold of a gene is ``BetaApproximation/nominalLogThreshold(logGeneP:scale:)`` of it.
  ///
  /// - Shapes: `logP` and `logQ` by gene, natural logarithms.
  /// - Missing: genes with NaN in either are left out.
  /// - Source: as GTEx and tensorQTL; Ongen 2016, doi:10.1093/bioinformatics/btv722.
  public static func logCut(logP: [Double], logQ: [Double], fdr: Double) -> Double? {
    precondition(logP.count == logQ.count)
    let logFDR = log(fdr)
    var (largest, smallest) = (Double.nan, Double.nan)
    for (p, q) in zip(logP, logQ) where !p.isNaN && !q.isNaN {
      // Double.maximum and minimum take the number where the other is NaN.
      if q <= logFDR {
        largest = .maximum(largest, p)
      } else {
        smallest = .minimum(smallest, p)
      }
    }
    if largest.isNaN { return nil }
    if smallest.isNaN { return largest }
    let (low, high) = (min(largest, smallest), max(largest, smallest))
    return high == -.infinity ? high : high + log1p(exp(low - high)) - log(2)
  }
}
