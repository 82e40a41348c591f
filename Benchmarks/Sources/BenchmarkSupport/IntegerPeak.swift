internal import CPeakLoops
public import SwiftQTL

/// What one core can do at most with the instructions of the integer screen.
public enum IntegerPeak {
  public static var name: String { InstructionSet.fastest.rawValue }

  /// 10⁹ operations per second of CPU time.
  public static func measure(_ instructions: InstructionSet = .fastest, seconds: Double = 0.5) -> Double {
    guard let loop = loop(instructions) else { return 0 }
    var (done, elapsed) = (0.0, 0.0)
    let started = Clock.cpu()
    repeat {
      done += Double(loop(1_000_000))
      elapsed = Clock.cpu() - started
    } while elapsed < seconds
    return 1e-9 * done / elapsed
  }

  private static func loop(_ instructions: InstructionSet) -> ((Int64) -> Int64)? {
    switch instructions {
    case .portable: nil
    case .avx2: peak_avx2_16
    case .avxVNNI: peak_avx_vnni
    case .avx512VNNI: peak_avx512_vnni
    case .neonDot: peak_neon_dot
    }
  }
}
