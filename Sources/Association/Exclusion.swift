internal import StudyData

/// Which features may not be tested against which variants: those near the variant, and those cross-mappable with one that is.
struct Exclusion: Sendable {
  /// Windows around each feature; nil when nothing is excluded.
  private let windows: CisWindows?
  private let excludesNear: Bool
  /// Features not to be tested against variants near feature A, by A.
  private let crossMappable: [Int32: [Int32]]

  init(_ exclusion: CisExclusion, features: [Feature]) {
    var crossMappable: [Int32: [Int32]] = [:]
    var ordinalOf: [String: Int32] = [:]
    if !exclusion.pairs.isEmpty {
      for (ordinal, feature) in features.enumerated() { ordinalOf[feature.id] = Int32(ordinal) }
    }
    for (a, b) in exclusion.pairs {
      if let a = ordinalOf[a], let b = ordinalOf[b] { crossMappable[a, default: []].append(b) }
    }
    self.crossMappable = crossMappable
    excludesNear = exclusion.radius != nil
    windows =
      exclusion.radius == nil && crossMappable.isEmpty
      ? nil
      : CisWindows(
        features: features.enumerated().map { ($0.offset, $0.element) },
        radius: exclusion.radius ?? CisExclusion.crossMappingRadius, anchor: exclusion.anchor)
  }

  /// One worker's place along the genome.
  struct Cursor {
    /// Features excluded for the current variant, ascending.
    private(set) var features: [Int32] = []
    private var chromosome = ChromosomeCache()
    /// Features whose window holds the variant.
    private var nearby: [Int32] = []
    private var lastNearby: [Int32] = []

    /// Moves to a variant; whether `features` may have changed.
    mutating func move(to variant: Variant, _ exclusion: Exclusion) -> Bool {
      guard let windows = exclusion.windows else { return false }
      windows.collect(
        normalizedChromosome: chromosome(variant.chromosome), position: variant.position, into: &nearby)
      // Windows change rarely along a chromosome.
      guard nearby != lastNearby else { return false }
      swap(&lastNearby, &nearby)
      features.removeAll(keepingCapacity: true)
      if exclusion.excludesNear { features += lastNearby }
      guard !exclusion.crossMappable.isEmpty else { return true }
      let before = features.count
      for feature in lastNearby { features += exclusion.crossMappable[feature] ?? [] }
      if features.count > before { features = Set(features).sorted() }
      return true
    }
  }
}

/// Removes those of one ascending list that are in another.
func remove(_ excluded: [Int32], from candidates: inout [Int32]) {
  guard !excluded.isEmpty, !candidates.isEmpty else { return }
  var position = 0
  candidates.removeAll { trait in
    while position < excluded.count, excluded[position] < trait { position += 1 }
    return position < excluded.count && excluded[position] == trait
  }
}
