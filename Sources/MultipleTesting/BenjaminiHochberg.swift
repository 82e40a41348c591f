internal import Glibc

/// False discovery rates of a list of p values that is the significant end of a known number of tests.
///
/// q₍ᵢ₎ = min over j ≥ i of N p₍ⱼ₎/j, at most 1, as R's `p.adjust(p, "BH", n = N)`. On a truncated list this is an upper bound of the q
/// that all N p values would give: equal wherever q lies well below N p*/R for the R values with p ≤ p*.
///
/// - Source: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
public enum BenjaminiHochberg {
  /// ln q of each of the ascending `logP`, into `logQ`.
  ///
  /// - Precondition: as many places as values; `testCount` ≥ their number.
  /// - Complexity: O(values), one pass from the end; both may be mapped files.
  public static func adjust(
    sorted logP: UnsafeBufferPointer<Double>, testCount: Int, into logQ: UnsafeMutableBufferPointer<Double>
  ) {
    var pass = Pass(count: logP.count, testCount: testCount)
    pass.adjust(sorted: logP, into: logQ)
  }

  /// The adjustment of sorted values that come in pieces, from the largest values down: the same q, to the bit, however they are
  /// divided.
  public struct Pass: Sendable {
    private let logN: Double
    /// Values that are still to come.
    private var remaining: Int
    /// ln q of the smallest value so far; 0 before the first.
    public private(set) var logQ: Double

    /// - Parameter logQ: of the value with rank `count` + 1, for a pass that goes on where another one was.
    /// - Precondition: `testCount` ≥ `count`.
    public init(count: Int, testCount: Int, logQ: Double = 0) {
      precondition(count >= 0 && testCount >= count)
      logN = log(Double(testCount))
      remaining = count
      self.logQ = logQ
    }

    /// ln q of each of the ascending `logP`, into `logQ`: the largest values of those that are still to come.
    ///
    /// - Precondition: as many places as values.
    public mutating func adjust(
      sorted logP: UnsafeBufferPointer<Double>, into logQ: UnsafeMutableBufferPointer<Double>
    ) {
      precondition(logP.count == logQ.count && logP.count <= remaining)
      let rank = remaining - logP.count
      var least = self.logQ
      for i in stride(from: logP.count - 1, through: 0, by: -1) {
        least = min(least, logP[i] + logN - log(Double(rank + i + 1)))
        logQ[i] = least
      }
      (self.logQ, remaining) = (least, rank)
    }
  }

  /// ln q of each of `logP`, in their order.
  public static func logQ(_ logP: [Double], testCount: Int) -> [Double] {
    let order = logP.indices.sorted { logP[$0] < logP[$1] }
    let sorted = order.map { logP[$0] }
    var adjusted = [Double](repeating: 0, count: sorted.count)
    sorted.withUnsafeBufferPointer { sorted in
      adjusted.withUnsafeMutableBufferPointer { adjust(sorted: sorted, testCount: testCount, into: $0) }
    }
    var out = adjusted
    for (rank, index) in order.enumerated() { out[index] = adjusted[rank] }
    return out
  }
}
