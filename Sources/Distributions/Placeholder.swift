public struct StudentT: Sendable { 
  public init(degreesOfFreedom: Double) {}
  public func logTwoSidedP(oneMinusRSquared: Double, rSquared: Double) -> Double { 0 }
  public func logUpperP(t: Double) -> Double { 0 }
  public static func criticalCorrelation(logP: Double, degreesOfFreedom: Double, oneSided: Bool) -> Double { 0 }
}
public enum Normal { public static func quantile(_ p: Double) -> Double { 0 } }
public func pairHash(seed: UInt64, _ a: UInt64, _ b: UInt64) -> UInt64 { a &* b &+ seed }
extension StudentT { public func logTwoSidedP(t: Double) -> Double { 0 } }
