internal import Glibc
public import MultipleTesting

/// Which genes have a cis-QTL at a false discovery rate, and the nominal p that a variant of each gene needs.
///
/// Storey's q over the genes' p (``CisPermutations/GeneResult/logP``); genes in which nothing could be tested take no part.
/// - Source: Storey & Tibshirani 2003, doi:10.1073/pnas.1530509100; thresholds as GTEx 2020, doi:10.1126/science.aaz1776.
public struct GeneSignificance: Sendable {
  /// How q is made.
  public enum Method: Sendable, Equatable {
    case storey(StoreyQ.Estimator)
    case benjaminiHochberg
  }

  public let fdr: Double
  /// ln q of each gene; NaN for those that take no part.
  public let logQ: [Double]
  /// ln of the gene-level p at which q reaches the FDR; nil when no gene is significant.
  public let logCut: Double?
  /// The π₀ that went into q.
  public let nullProportion: Double
  /// Whether π₀ could be estimated; if not, q is Benjamini & Hochberg's.
  public let status: StoreyQ.Status
  private let genes: [CisPermutations.GeneResult]

  public init(
    of genes: [CisPermutations.GeneResult], fdr: Double = 0.05, method: Method = .storey(.smoother())
  ) {
    let estimator: StoreyQ.Estimator =
      switch method {
      case .storey(let estimator): estimator
      case .benjaminiHochberg: .given(1)
      }
    let storey = StoreyQ(logP: genes.map(\.logP), estimator: estimator)
    self.fdr = fdr
    self.genes = genes
    logQ = storey.logQ
    nullProportion = storey.nullProportion
    status = storey.status
    logCut = GeneLevel.logCut(logP: genes.map(\.logP), logQ: storey.logQ, fdr: fdr)
  }

  public var significantCount: Int { logQ.indices.count { isSignificant($0) } }

  /// Whether the q of gene `index` is at most the FDR.
  public func isSignificant(_ index: Int) -> Bool { logQ[index] <= log(fdr) }

  /// ln of the nominal p that a variant of gene `index` needs; NaN where no gene is significant or the gene has no fit.
  public func nominalLogThreshold(_ index: Int, scale: BetaApproximation.Scale = .nominal) -> Double {
    guard let logCut, let approximation = genes[index].approximation else { return .nan }
    return approximation.nominalLogThreshold(logGeneP: logCut, scale: scale)
  }
}
