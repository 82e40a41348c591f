internal import StudyData

/// Which pairs a trans scan leaves out: they are neither tested nor counted.
public struct CisExclusion: Sendable, Equatable {
  /// Bases on either side; nil excludes nothing.
  public var radius: Int?
  public var anchor: WindowAnchor
  /// (A, B): variants in the window of A are not tested against B (cross-mappable genes).
  public var pairs: [(String, String)]

  public init(radius: Int? = 5_000_000, anchor: WindowAnchor = .tss, pairs: [(String, String)] = []) {
    self.radius = radius
    self.anchor = anchor
    self.pairs = pairs
  }

  /// Window of gene A in `pairs` when the cis exclusion is off.
  static let crossMappingRadius = 1_000_000

  public static let none = CisExclusion(radius: nil)

  public static func == (a: Self, b: Self) -> Bool {
    a.radius == b.radius && a.anchor == b.anchor
      && a.pairs.elementsEqual(b.pairs) { $0.0 == $1.0 && $0.1 == $1.1 }
  }
}

extension CisExclusion {
  /// An exclusion that could never exclude anything is a mistake, not a choice.
  func check(_ study: Study) throws(StudyError) {
    if radius != nil, !study.features.contains(where: \.hasLocation) {
      throw StudyError(
        .inconsistent, "no phenotype has a location, so near pairs cannot be told from far ones",
        remedy:
          "give phenotypes as BED or their locations (--gene-locations), or test all pairs (--no-exclude-cis)"
      )
    }
    let ids = Set(study.features.lazy.map(\.id))
    if let first = pairs.first,
      !pairs.contains(where: { ids.contains($0.0) && ids.contains($0.1) })
    {
      throw StudyError(
        .inconsistent,
        "none of the \(pairs.count) gene pairs to exclude is among the phenotypes (\(first.0), \(first.1), …)",
        remedy: "use the phenotypes' ids, with or without version as they have it")
    }
  }

  /// What the user should know about it after a scan.
  func notes(_ study: Study, _ counts: ScanCounts) -> [String] {
    var notes: [String] = []
    let unplaced = study.features.lazy.filter { !$0.hasLocation }.count
    if radius != nil, unplaced > 0 {
      notes.append(
        "\(unplaced) of \(study.features.count) phenotypes have no location: all their pairs count as far")
    }
    if radius != nil, counts.unplacedVariants > 0 {
      notes.append("\(counts.unplacedVariants) variants have no position: all their pairs count as far")
    }
    if !pairs.isEmpty {
      let ids = Set(study.features.lazy.map(\.id))
      let known = pairs.count { ids.contains($0.0) && ids.contains($0.1) }
      notes.append("\(known) of \(pairs.count) gene pairs to exclude are among the phenotypes")
    }
    return notes
  }
}

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
