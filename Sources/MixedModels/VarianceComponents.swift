internal import CScanKernels
internal import Dispatch
internal import Distributions
internal import Glibc
public import LinearAlgebra
public import StudyData
internal import Synchronization

/// Which likelihood is maximised.
public enum Likelihood: String, Sendable, CaseIterable {
  /// Restricted (residual) maximum likelihood.
  case reml
  /// Maximum likelihood, of CKC as GEMMA's. It has no bound at h = 1, where the intercept's own direction has no variance left; a
  /// maximum below is taken where there is one. Small studies, and those of unrelated samples, may have none.
  case ml
}

/// The variance components of one trait: y ~ W, Var y = σ²·((1 − h)I + h·CKC/s).
public struct VarianceEstimate: Sendable, Equatable {
  /// Where h² ended up.
  public enum Status: String, Sendable {
    case interior
    /// The likelihood falls from h² = 0 on.
    case zero
    /// Where h² may be negative: it falls from its least value on.
    case lowest
    /// It still rises at h² = 1 − 1e-5.
    case one
  }

  /// h²: the share of variance that the relationship explains (GEMMA's pve, GCTA's V(G)/Vp for a matrix with mean diagonal 1). Where it
  /// may be negative (``VarianceComponents/init(_:likelihood:isConstrained:)``) relatives that are less alike than strangers make it so.
  public var heritability: Double
  /// Of h², from the observed information; NaN at a boundary.
  public var standardError: Double
  /// σ².
  public var variance: Double
  /// y'Py in units of σ²: P at (1 − h)I + hK/s.
  public var quadraticForm: Double
  public var logLikelihood: Double
  /// At h² = 0.
  public var nullLogLikelihood: Double
  public var status: Status

  package init(
    heritability: Double, standardError: Double, variance: Double, quadraticForm: Double,
    logLikelihood: Double, nullLogLikelihood: Double, status: Status
  ) {
    self.heritability = heritability
    self.standardError = standardError
    self.variance = variance
    self.quadraticForm = quadraticForm
    self.logLikelihood = logLikelihood
    self.nullLogLikelihood = nullLogLikelihood
    self.status = status
  }

  /// 2·(ln L − ln L₀).
  public var likelihoodRatio: Double { max(0, 2 * (logLikelihood - nullLogLikelihood)) }
  /// ln p of h² = 0 against h² > 0, on ½χ²₀ + ½χ²₁ (Self & Liang 1987, doi:10.1080/01621459.1987.10478472); where h² is negative the
  /// other half, p > ½.
  public var logP: Double {
    guard likelihoodRatio > 0 else { return 0 }
    let half = log(0.5) + ChiSquared.logUpperP(likelihoodRatio, degreesOfFreedom: 1)
    return heritability < 0 ? log1p(-exp(half)) : half
  }
}

/// REML and ML in the eigenbasis of a relationship matrix.
///
/// With y' = U'y (n − q numbers) and dᵢ = 1 + h(λᵢ − 1) the profile is −2·ln L = N·ln Σ y'ᵢ²/dᵢ + Σ ln dᵢ + const: N = n − q and the
/// eigenvalues of MKM for REML, n and those of CKC for ML. It equals the likelihood with W written out, REML with its +½ln|W'W| (as GEMMA).
///
/// - Missing: none; a trait that misses samples needs the decomposition of its own samples.
/// - Complexity: 2n² flop to rotate a trait, and about 60 sums over n − q.
/// - Source: Kang et al. 2008, doi:10.1534/genetics.107.080101; Zhou & Stephens 2012, doi:10.1038/ng.2310.
public struct VarianceComponents: Sendable {
  public let decomposition: SpectralDecomposition
  public let likelihood: Likelihood
  /// λ − 1 of MKM.
  let excess: [Double]
  let determinant: LogDeterminant
  let search: ProfileSearch

  /// - Parameter isConstrained: whether h² is at least 0. Where it is 0 in truth, half of such estimates are at that end, and tests of
  ///   variants that follow the relationship are then conservative. Unconstrained, it may fall until 1 + h²(λ − 1) is 0.1 at the largest λ.
  /// - Precondition: ML needs a decomposition made for it.
  public init(
    _ decomposition: SpectralDecomposition, likelihood: Likelihood = .reml, isConstrained: Bool = true
  ) {
    self.decomposition = decomposition
    self.likelihood = likelihood
    excess = decomposition.values.map { $0 - 1 }
    precondition(likelihood == .reml || !decomposition.kinshipValues.isEmpty)
    let ofKinship = decomposition.kinshipValues.map { $0 - 1 }
    search = ProfileSearch(
      isUnbounded: likelihood == .ml,
      largestExcess: isConstrained ? nil : (likelihood == .reml ? excess : excess + ofKinship).max())
    determinant = LogDeterminant(likelihood == .reml ? excess : ofKinship, grid: search.grid)
  }

  /// 256 KiB, a share of the second-level cache.
  private static let cachedValues = 1 << 15

  /// U'y of each column, (n − q) × columns.
  ///
  /// Bits of a column depend on that column alone.
  public func rotate(_ columns: Matrix) -> Matrix {
    let (n, left) = (decomposition.sampleCount, excess.count)
    precondition(columns.rows == n)
    var out = Matrix(rows: left, columns: columns.columns)
    // Columns of U by the few, so that they stay in the cache while all of `columns` pass.
    let width = max(2, Self.cachedValues / n)
    var block = [Double](repeating: 0, count: width * columns.columns)
    decomposition.vectors.storage.withUnsafeBufferPointer { vectors in
      for first in stride(from: 0, to: left, by: width) {
        let own = min(width, left - first)
        sk_panel_products(
          columns.storage, Int64(columns.columns), vectors.baseAddress! + first * n, Int64(own), Int64(n),
          &block)
        for j in 0..<columns.columns {
          for k in 0..<own { out.storage[j * left + first + k] = block[j * own + k] }
        }
      }
    }
    return out
  }

  /// - Parameter rotated: U'y, n − q numbers, not all zero.
  public func estimate(rotated: [Double]) -> VarianceEstimate {
    estimate(squares: rotated.map { $0 * $0 })
  }

  /// - Parameter traits: n × t, complete.
  /// - Returns: in order; nil for a trait of which the covariates leave nothing.
  public func estimates(of traits: Matrix, workers: Int = 1) -> [VarianceEstimate?] {
    let t = traits.columns
    let lanes = max(1, min(workers, t))
    let parts = Mutex([VarianceEstimate?](repeating: nil, count: t))
    DispatchQueue.concurrentPerform(iterations: lanes) { lane in
      let own = t * lane / lanes..<t * (lane + 1) / lanes
      for first in stride(from: own.lowerBound, to: own.upperBound, by: 32) {
        let columns = Array(first..<min(first + 32, own.upperBound))
        let panel = traits.selectingColumns(columns)
        let rotated = rotate(panel)
        let found = columns.indices.map { k -> VarianceEstimate? in
          let y = rotated.column(k)
          let (total, left) = (panel.column(k).reduce(0) { $0 + $1 * $1 }, y.reduce(0) { $0 + $1 * $1 })
          return left > 1e-20 * total ? estimate(rotated: y) : nil
        }
        parts.withLock { for (k, estimate) in zip(columns, found) { $0[k] = estimate } }
      }
    }
    return parts.withLock(\.self)
  }

  /// The estimate of a trait that is `factor` times as large.
  public func scaled(_ estimate: VarianceEstimate, by factor: Double) -> VarianceEstimate {
    var scaled = estimate
    scaled.variance *= factor * factor
    scaled.quadraticForm *= factor * factor
    scaled.logLikelihood -= determinant.count * log(factor)
    scaled.nullLogLikelihood -= determinant.count * log(factor)
    return scaled
  }

  func estimate(squares w: [Double]) -> VarianceEstimate {
    let best = search.minimum(
      slope: {
        determinant.count * slope(SpectralSums(w, excess, search.grid[$0])) + determinant.slopes[$0]
      },
      derivatives: { derivatives(w, $0) }, value: { profile(w, $0).value })
    let null = profile(w, 0)
    var (h, at) = (best, profile(w, best))
    // What rounding could gain is nothing: where all eigenvalues are alike the profile is flat.
    if !(null.value - at.value > 1e-12 * determinant.count) { (h, at) = (0, null) }
    let status: VarianceEstimate.Status =
      h == 0 ? .zero : h <= search.lowest ? .lowest : h >= ProfileSearch.largest ? .one : .interior
    let count = determinant.count
    let constant = count * (log(2 * .pi / count) + 1)
    return VarianceEstimate(
      heritability: h,
      standardError: status == .interior ? (2 / derivatives(w, h).second).squareRoot() : .nan,
      variance: at.sum / count, quadraticForm: at.sum, logLikelihood: -0.5 * (at.value + constant),
      nullLogLikelihood: -0.5 * (null.value + constant), status: status)
  }

  /// N·ln s + Σ ln d, and s = Σ w/d.
  private func profile(_ w: [Double], _ h: Double) -> (value: Double, sum: Double) {
    let sum = sk_spectral_sum(w, excess, Int64(excess.count), h)
    return (determinant.count * log(sum) + determinant.value(h), sum)
  }

  /// Of ln Σ w/d.
  private func slope(_ sums: SpectralSums) -> Double { -sums.first / sums.zeroth }

  private func derivatives(_ w: [Double], _ h: Double) -> (first: Double, second: Double) {
    let sums = SpectralSums(w, excess, h)
    let (slope, curvature) = (slope(sums), 2 * sums.second / sums.zeroth)
    let ofDeterminant = determinant.derivatives(h)
    return (
      determinant.count * slope + ofDeterminant.first,
      determinant.count * (curvature - slope * slope) + ofDeterminant.second
    )
  }
}
