internal import Glibc

/// Benjamini–Hochberg q values of a reported list, given the number of all tests performed, on the log scale.
///
/// As R's `p.adjust(p, "BH", n = totalTests)`: the tests not reported are taken to have larger p than any in the list,
/// so near the reporting cut q is an upper bound. Equal p share one q. The table is a step function of p, so that a
/// second pass over the rows looks q up; it holds only the steps.
///
/// - Source: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
public struct BHTable: Sendable {
  public let totalTests: Int
  /// For each step the largest ln p on it and its ln q, both ascending.
  private var bounds: [Double] = []
  private var logQs: [Double] = []

  /// - Precondition: `logP` ascends, holds no NaN and no more than `totalTests` values.
  /// - Complexity: O(count).
  public init(sortedLogP logP: UnsafeBufferPointer<Double>, totalTests: Int) {
    precondition(logP.count <= totalTests, "more p values than tests")
    self.totalTests = totalTests
    let logTotal = log(Double(totalTests))
    // q is the least p N / rank at or above: walk down from q = 1.
    var least = 0.0
    var above = Double.infinity
    for index in logP.indices.reversed() {
      precondition(logP[index] <= above, "p values are not sorted")
      above = logP[index]
      let logQ = above + logTotal - log(Double(index + 1))
      if logQ < least {
        least = logQ
        bounds.append(above)
        logQs.append(logQ)
      }
    }
    bounds.reverse()
    logQs.reverse()
  }

  /// In any order; NaN is left out, as a test without a result.
  ///
  /// - Precondition: no more than `totalTests` values.
  public init(logP: [Double], totalTests: Int) {
    let sorted = logP.filter { !$0.isNaN }.sorted()
    self = sorted.withUnsafeBufferPointer { BHTable(sortedLogP: $0, totalTests: totalTests) }
  }

  /// ln q of a listed ln p. In between, that of the next larger listed one; above all of them 0 (q = 1); NaN for NaN.
  ///
  /// - Complexity: O(log count).
  public func logQ(_ lnP: Double) -> Double {
    if lnP.isNaN { return .nan }
    var (low, high) = (0, bounds.count)
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < lnP { low = middle + 1 } else { high = middle }
    }
    return low < bounds.count ? logQs[low] : 0
  }
}

/// Bonferroni's bound.
public enum Bonferroni {
  /// ln min(1, p·`totalTests`); NaN for NaN.
  public static func logP(_ lnP: Double, totalTests: Int) -> Double {
    let bound = lnP + log(Double(totalTests))
    return bound > 0 ? 0 : bound
  }
}
