internal import CScanKernels
internal import StudyData

/// Allele counts of one variant over the analysed samples.
public struct VariantSummary: Sendable, Equatable, BitwiseCopyable {
  /// Samples with a dosage.
  public var observed = 0
  public var sampleCount = 0
  /// Sum of ALT dosages over the observed samples.
  public var altSum = 0.0
  /// Σ(g − ḡ)² over the observed samples; missing ones are imputed to the mean and add nothing.
  public var centeredSumOfSquares = 0.0
  /// Observed samples whose dosage rounds to 0, 1, 2.
  public var rounded = (0, 0, 0)
  /// Samples with dosage > 0.5 and < 1.5: carriers of ALT and of REF.
  public var carriers = (alt: 0, ref: 0)
  /// Σ g over samples with g > 0.5.
  public var carrierSum = 0.0

  public var mean: Double { altSum / Double(observed) }
  /// Frequency of ALT.
  public var alleleFrequency: Double { altSum / Double(2 * observed) }
  /// From the count, so that both alleles' frequencies round alike.
  public var minorAlleleFrequency: Double { minorAlleleCount / Double(2 * observed) }
  public var altIsMinor: Bool { alleleFrequency <= 0.5 }
  /// Sum of minor-allele dosages.
  public var minorAlleleCount: Double { altIsMinor ? altSum : Double(2 * observed) - altSum }
  public var minorAlleleSamples: Int { altIsMinor ? carriers.alt : carriers.ref }
  public var missingRate: Double { Double(sampleCount - observed) / Double(sampleCount) }

  public static func == (a: Self, b: Self) -> Bool {
    a.observed == b.observed && a.sampleCount == b.sampleCount && a.altSum == b.altSum
      && a.centeredSumOfSquares == b.centeredSumOfSquares && a.rounded == b.rounded
      && a.carriers == b.carriers && a.carrierSum == b.carrierSum
  }

  /// Counts hard calls (0, 1, 2 copies of ALT; 3 missing).
  public init(codes: UnsafeBufferPointer<UInt8>) {
    var c: (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &c) {
      sk_count_codes(
        codes.baseAddress!, Int64(codes.count), $0.assumingMemoryBound(to: Int64.self).baseAddress!)
    }
    let (n0, n1, n2) = (Int(c.0), Int(c.1), Int(c.2))
    sampleCount = codes.count
    observed = n0 + n1 + n2
    altSum = Double(n1 + 2 * n2)
    // Σg² − (Σg)²/n in integers until the one division: no cancellation.
    if observed > 0 {
      let numerator = observed * (n1 + 4 * n2) - (n1 + 2 * n2) * (n1 + 2 * n2)
      centeredSumOfSquares = Double(numerator) / Double(observed)
    }
    rounded = (n0, n1, n2)
    carriers = (n1 + n2, n0 + n1)
    carrierSum = altSum
  }

  /// Counts dosages (NaN missing), summed in sample order.
  public init(dosages: UnsafeBufferPointer<Float>) {
    sampleCount = dosages.count
    guard let base = dosages.baseAddress else { return }
    var c = sk_dosage_counts()
    sk_count_dosages(base, Int64(dosages.count), &c)
    observed = Int(c.observed)
    altSum = c.sum
    rounded = (Int(c.observed - c.rounded1 - c.rounded2), Int(c.rounded1), Int(c.rounded2))
    carriers = (Int(c.above_half), Int(c.below_one_and_half))
    carrierSum = c.sum_above_half
    if observed > 0 { centeredSumOfSquares = sk_centered_squares(base, mean, Int64(dosages.count)) }
  }
}

/// Which variants are worth testing, decided from the dosages of the analysed samples.
public struct VariantFilter: Sendable, Equatable {
  /// Minimum minor allele frequency, inclusive.
  public var minimumFrequency: Double
  /// Minimum minor allele count (dosage sum), inclusive.
  public var minimumCount: Double
  /// Maximum share of samples without a dosage, inclusive.
  public var maximumMissing: Double
  /// Minimum exact Hardy–Weinberg p (of rounded dosages), inclusive; 0 is off.
  public var minimumHardyWeinbergP: Double

  public init(
    minimumFrequency: Double = 0.01, minimumCount: Double = 0, maximumMissing: Double = 0.05,
    minimumHardyWeinbergP: Double = 0
  ) {
    self.minimumFrequency = minimumFrequency
    self.minimumCount = minimumCount
    self.maximumMissing = maximumMissing
    self.minimumHardyWeinbergP = minimumHardyWeinbergP
  }

  /// Admits everything that can be tested at all.
  public static let off = VariantFilter(minimumFrequency: 0, minimumCount: 0, maximumMissing: 1)

  /// Why the variant is left out, nil when it is admitted.
  func reasonToDrop(_ s: VariantSummary) -> (reason: String, detail: String)? {
    if s.observed == 0 { return ("no observed genotype", "") }
    if s.missingRate > maximumMissing {
      return ("missing rate", "\(s.sampleCount - s.observed) of \(s.sampleCount) samples")
    }
    if !(s.centeredSumOfSquares > 0) { return ("monomorphic", "") }
    if s.minorAlleleFrequency < minimumFrequency {
      return ("minor allele frequency", "\(s.minorAlleleFrequency)")
    }
    if s.minorAlleleCount < minimumCount { return ("minor allele count", "\(s.minorAlleleCount)") }
    if minimumHardyWeinbergP > 0 {
      let p = hardyWeinbergP(homozygotes: s.rounded.0, heterozygotes: s.rounded.1, s.rounded.2)
      if p < minimumHardyWeinbergP { return ("Hardy-Weinberg", "p \(p)") }
    }
    return nil
  }
}

/// Exact Hardy–Weinberg test: the probability, given the allele counts, of heterozygote counts no more likely than the one observed.
///
/// - Complexity: O(minor allele count).
/// - Source: Wigginton, Cutler & Abecasis 2005, doi:10.1086/429864.
public func hardyWeinbergP(homozygotes aa: Int, heterozygotes ab: Int, _ bb: Int) -> Double {
  let n = aa + ab + bb
  guard n > 0 else { return 1 }
  let rare = 2 * min(aa, bb) + ab
  // Start at the most likely heterozygote count of the right parity and walk both ways by the ratio of neighbours.
  var mode = Int(Double(rare) * Double(2 * n - rare) / Double(2 * n))
  if (mode ^ rare) & 1 == 1 { mode += 1 }
  var weights: [(het: Int, weight: Double)] = [(mode, 1)]
  var (het, weight) = (mode, 1.0)
  while het >= 2 {
    let minor = Double((rare - het) / 2)
    let major = Double(n - het) - minor
    weight *= Double(het) * Double(het - 1) / (4 * (minor + 1) * (major + 1))
    het -= 2
    weights.append((het, weight))
  }
  (het, weight) = (mode, 1.0)
  while het <= rare - 2 {
    let minor = Double((rare - het) / 2)
    let major = Double(n - het) - minor
    weight *= 4 * minor * major / (Double(het + 2) * Double(het + 1))
    het += 2
    weights.append((het, weight))
  }
  let total = weights.reduce(0) { $0 + $1.weight }
  guard let observed = weights.first(where: { $0.het == ab })?.weight else { return 1 }
  // Ties count as "no more likely" up to rounding.
  let tail = weights.reduce(0) { $1.weight <= observed * (1 + 1e-12) ? $0 + $1.weight : $0 }
  return min(1, tail / total)
}
