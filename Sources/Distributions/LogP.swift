internal import CText
internal import Glibc

/// P values held as natural logarithms, so that none is ever rounded to zero.
public enum LogP {
  /// −log₁₀ p.
  public static func negLog10(_ lnP: Double) -> Double {
    // Adding zero turns −0 into 0.
    -lnP / ln10 + 0
  }

  /// Appends p = exp(`lnP`) as C's `%.<precision>g` would, also where p is below double's range (`4.18544511e-1234`).
  ///
  /// Never prints zero: ln p is taken as at least −1e15 (its mantissa has no digits left long before that) and at most 0.
  /// - Parameter precision: significant digits, 1…17. Of these, log₁₀|ln p| or so are lost to the rounding of ln p itself.
  /// - Missing: NaN prints as `nan`.
  public static func appendP(_ lnP: Double, precision: Int = 9, to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: maximumWidth) { text in
      let count = format(lnP, precision: precision, into: text.baseAddress!)
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[..<count]))
    }
  }

  /// Room that ``format(_:precision:into:)`` may need, in bytes.
  public static let maximumWidth = 64

  /// As ``appendP(_:precision:to:)``, into memory of at least ``maximumWidth`` bytes. Returns the length.
  public static func format(_ lnP: Double, precision: Int = 9, into text: UnsafeMutablePointer<CChar>) -> Int
  {
    // Above this p is a normal number: exp keeps its digits.
    guard lnP < -708 else { return Int(ctext_format_g(exp(min(lnP, 0)), Int32(precision), text)) }
    let lnP = max(lnP, -1e15)
    var exponent = (lnP / ln10).rounded(.down)
    // ln p − k ln 10 with ln 10 in two parts: the first product is exact inside the fused operation.
    var mantissa = exp(lnP.addingProduct(-exponent, ln10) - exponent * ln10Low)
    if mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    var count = Int(ctext_format_g(mantissa, Int32(precision), text))
    if count > 1, text[1] != CChar(UInt8(ascii: ".")) {
      // Rounded up to 10, or 1e+01.
      exponent += 1
      count = 1
    }
    text[count] = CChar(UInt8(ascii: "e"))
    return count + 1 + Int(ctext_format_int(Int64(exponent), text + count + 1))
  }
}

/// ln 10 and what its rounding left.
private let ln10 = 0x1.26bb1bbb55516p+1
private let ln10Low = -0x1.f48ad494ea3e9p-53
