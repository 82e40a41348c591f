internal import Distributions
internal import Glibc

/// Counts p values in equal bins from correlations known up to an error: bins where the error cannot matter, else nil.
struct PValueBins: Sendable {
  static let count = 20
  private static let cells = 1 << 17
  /// Largest error of r this table allows for.
  let tolerance: Double
  /// Bin of each cell of r in [−1, 1]; 255 where it is undecided.
  private let table: [UInt8]

  init(distribution: StudentT, degreesOfFreedom: Int, alternative: Alternative, tolerance: Double) {
    self.tolerance = tolerance
    let nu = Double(degreesOfFreedom)
    func bin(_ r: Double) -> UInt8 {
      let r = max(-1, min(1, r))
      let t = r * (nu / max(1e-300, 1 - r * r)).squareRoot()
      let logP =
        switch alternative {
        case .twoSided: distribution.logTwoSidedP(t: t)
        case .greater: distribution.logUpperP(t: t)
        case .less: distribution.logUpperP(t: -t)
        }
      return UInt8(Self.bin(logP: logP))
    }
    let width = 2 / Double(Self.cells)
    // A cell more than the error on both sides, for the rounding of the index itself. Two-sided p is largest at 0, which may lie
    // between two ends of one bin.
    table = (0..<Self.cells).map { cell in
      let left = -1 + Double(cell) * width
      let (low, high) = (left - tolerance - width, left + tolerance + 2 * width)
      let (a, b) = (bin(low), bin(high))
      return a == b && (low > 0 || high < 0 || a == bin(0)) ? a : 255
    }
  }

  static func bin(logP: Double) -> Int {
    min(count - 1, Int(exp(logP) * Double(count)))
  }

  func bin(_ r: Double) -> Int? {
    guard !r.isNaN else { return nil }
    let cell = Int((r + 1) * (0.5 * Double(Self.cells)))
    let bin = table[max(0, min(Self.cells - 1, cell))]
    return bin == 255 ? nil : Int(bin)
  }
}
