import Distributions
import Foundation
import Testing

@Suite struct LogPTests {
  private func text(_ lnP: Double, _ precision: Int = 9) -> String {
    var bytes = Array("x".utf8)
    LogP.appendP(lnP, precision: precision, to: &bytes)
    #expect(bytes[0] == UInt8(ascii: "x"))
    return String(decoding: bytes.dropFirst(), as: UTF8.self)
  }

  @Test func printsAsCInDoubleRange() {
    for lnP in [-1e-300, -1e-9, -0.3, -5, -11.512925464970229, -171.26256, -600, -707.9] {
      for precision in [1, 3, 9, 17] {
        #expect(text(lnP, precision) == String(format: "%.\(precision)g", exp(lnP)))
      }
    }
    #expect(text(0) == "1")
    #expect(text(1e-16) == "1")
    #expect(text(.nan) == "nan")
  }

  /// ln p of a·10^k, rounded from 50 digits (mpmath): log(mpf('4.18544511e-1234')) and so on.
  @Test(arguments: [
    (-2839.9583916979436, "4.18544511e-1234"), (-100_000.0, "3.56294957e-43430"),
    (-708.3964185315932, "2.22507386e-308"), (-2302.5850929940457, "1e-1000"),
  ])
  func printsBelowDoubleRange(_ lnP: Double, _ expected: String) {
    #expect(text(lnP) == expected)
  }

  /// Where both ways apply, a shift by ln 10 · 400 changes the exponent only.
  @Test func mantissaIsKeptAcrossTheBorder() {
    for k in 0..<2000 {
      let lnP = -300 - Double(k) * 0.173
      let (near, far) = (text(lnP, 6), text(lnP - 400 * log(10), 6))
      let (a, b) = (near.split(separator: "e"), far.split(separator: "e"))
      #expect(Int(b[1])! == Int(a[1])! - 400 && a[0] == b[0], "\(near) \(far)")
    }
  }

  @Test func neverPrintsZero() {
    for lnP in [-744.4, -745.2, -1e4, -1e9, -1e15, -1e300, -.infinity] {
      for precision in [1, 9, 17] {
        let printed = text(lnP, precision)
        #expect(
          printed.contains("e-") && printed.first != "0" && printed.utf8.count < LogP.maximumWidth,
          "\(printed)")
        #expect(printed.split(separator: "e")[0].utf8.count <= precision + 1)
      }
    }
    // A mantissa that rounds up to 10.
    #expect(text(-1000 * log(10) - 1e-11) == "1e-1000")
    #expect(text(-1000 * log(10) - 0.03, 1) == "1e-1000")
  }

  @Test func negLog10() {
    #expect(LogP.negLog10(0).sign == .plus)
    // One division: 2 ulp.
    #expect(abs(LogP.negLog10(-2302.5850929940457) - 1000) < 1e-12)
    #expect(LogP.negLog10(.nan).isNaN)
  }
}
