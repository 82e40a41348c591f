internal import CScanKernels

/// The 8-bit dot products that an integer screen can be made of. All give the same sums.
public enum InstructionSet: String, Sendable, CaseIterable {
  case portable
  case avx2
  case avxVNNI = "avx-vnni"
  case avx512VNNI = "avx512-vnni"
  case neonDot = "neon-dot"

  var kernel: sk_isa {
    switch self {
    case .portable: SK_PORTABLE
    case .avx2: SK_AVX2
    case .avxVNNI: SK_AVX_VNNI
    case .avx512VNNI: SK_AVX512_VNNI
    case .neonDot: SK_NEON_DOT
    }
  }

  /// Whether this build and this processor have it.
  public var isAvailable: Bool { sk_shape(kernel) != nil }

  /// The fastest there is; ``portable`` where no other is.
  public static var fastest: InstructionSet {
    [.avx512VNNI, .avxVNNI, .avx2, .neonDot].first(where: \.isAvailable) ?? .portable
  }

  /// Panel sizes of the kernel; only of one that is available.
  var shape: sk_isa_shape { sk_shape(kernel).pointee }

  /// Codes of 8 bits where the instruction takes unsigned genotypes and does not saturate, else of 7.
  var largestGenotypeCode: Int { self == .avx2 || self == .neonDot ? 127 : 255 }

  /// What a pair costs as an fp32 product by OpenBLAS, in units of this one's: 2.4 to 3.0 measured with AVX2 and
  /// small codes; about 4 expected of VNNI, where it was not timed.
  var floatCost: Double { self == .portable ? 0.1 : 3 }
}
