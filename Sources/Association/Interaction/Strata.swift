internal import StudyData

/// Two halves of the samples by an interaction term, in which a variant must be common for its interaction to be more than a few
/// samples' doing.
///
/// Below and above the (lower) median: ties with it lie below, unless nothing lies above; then they form the upper half. So a term of
/// two values gives its two groups, and no half depends on the order of samples.
struct Strata: Sendable {
  private let isUpper: [Bool]

  init(of term: [Double]) {
    let sorted = term.sorted()
    let median = sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2]
    isUpper = (sorted.last ?? 0) > median ? term.map { $0 > median } : term.map { $0 >= median }
  }

  /// The least of both halves' minor allele frequencies, from observed dosages; 0 where a half has none.
  func minorAlleleFrequency(_ variant: Int, of panel: VariantPanel) -> Double {
    var (sums, counts) = ((0.0, 0.0), (0, 0))
    let first = panel.columns[variant] * panel.sampleCount
    func add(_ dosage: Double, _ sample: Int) {
      if isUpper[sample] {
        sums.1 += dosage
        counts.1 += 1
      } else {
        sums.0 += dosage
        counts.0 += 1
      }
    }
    switch panel.block.dosages {
    case .hardCalls(let codes):
      for i in isUpper.indices where codes[first + i] < 3 { add(Double(codes[first + i]), i) }
    case .fractional(let values):
      for i in isUpper.indices where !values[first + i].isNaN { add(Double(values[first + i]), i) }
    }
    func frequency(_ sum: Double, _ count: Int) -> Double {
      // From the count of the rarer allele, so that both alleles' frequencies round alike.
      count == 0 ? 0 : min(sum, Double(2 * count) - sum) / Double(2 * count)
    }
    return min(frequency(sums.0, counts.0), frequency(sums.1, counts.1))
  }
}
