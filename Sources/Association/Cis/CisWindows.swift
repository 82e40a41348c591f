public import StudyData

/// Where a cis window starts and ends.
public enum WindowAnchor: String, Sendable, CaseIterable {
  /// `interval` if any feature is longer than one base, else `tss` (as tensorQTL and QTLtools).
  case automatic
  /// [tss − w, tss + w].
  case tss
  /// [start − w, end + w].
  case interval

  /// Decides `automatic`. Give it all features of the study, so that leaving one out of the analysis moves no window.
  public func resolved(for features: [Feature]) -> WindowAnchor {
    guard self == .automatic else { return self }
    return features.contains { $0.hasLocation && $0.end > $0.start } ? .interval : .tss
  }

  /// The closed window of a feature. `automatic` must have been decided.
  func window(of feature: Feature, radius: Int) -> (low: Int, high: Int) {
    let end = self == .interval ? max(feature.end, feature.start) : feature.start
    return (max(1, feature.start - radius), end.addingClamped(radius))
  }
}

/// Which features have a given position in their window. Windows are closed; positions are 1-based.
struct CisWindows: Sendable {
  private struct Entry {
    var low: Int
    var high: Int
    /// As given with the feature.
    var trait: Int32
  }
  /// By normalised chromosome, ascending `low`.
  private let entries: [String: [Entry]]
  /// Length of the longest window: bounds the search.
  private let longest: Int

  /// - Parameter features: with the indices that `collect` returns; those without a location have no window.
  init(features: [(index: Int, feature: Feature)], radius: Int, anchor: WindowAnchor) {
    let anchor = anchor.resolved(for: features.map(\.feature))
    var entries: [String: [Entry]] = [:]
    var longest = 0
    for (index, feature) in features where feature.hasLocation {
      let (low, high) = anchor.window(of: feature, radius: radius)
      let entry = Entry(low: low, high: high, trait: Int32(index))
      longest = max(longest, entry.high - entry.low)
      entries[Chromosome.normalized(feature.chromosome), default: []].append(entry)
    }
    self.init(entries, longest: longest)
  }

  /// Windows of genes; `collect` returns their indices.
  init(_ genes: [CisGene]) {
    let entries = genes.enumerated().map { (index, gene) in
      (gene.chromosome, Entry(low: gene.low, high: gene.high, trait: Int32(index)))
    }
    self.init(
      Dictionary(grouping: entries, by: \.0).mapValues { $0.map(\.1) },
      longest: entries.lazy.map { $0.1.high - $0.1.low }.max() ?? 0)
  }

  private init(_ entries: [String: [Entry]], longest: Int) {
    self.entries = entries.mapValues { $0.sorted { ($0.low, $0.trait) < ($1.low, $1.trait) } }
    self.longest = longest
  }

  /// Indices of features whose window holds the position, ascending, into `out`.
  func collect(normalizedChromosome: String, position: Int, into out: inout [Int32]) {
    out.removeAll(keepingCapacity: true)
    guard position > 0, let list = entries[normalizedChromosome] else { return }
    // low ≤ position and high ≥ position imply low ≥ position − longest.
    let least = position - longest
    var (a, b) = (0, list.count)
    while a < b {
      let middle = (a + b) / 2
      if list[middle].low < least { a = middle + 1 } else { b = middle }
    }
    while a < list.count, list[a].low <= position {
      if list[a].high >= position { out.append(list[a].trait) }
      a += 1
    }
    out.sort()
  }
}

extension Int {
  fileprivate func addingClamped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}

/// Remembers the last normalisation: variants come chromosome by chromosome.
struct ChromosomeCache {
  private var name = ""
  private var normalized = ""

  mutating func callAsFunction(_ name: String) -> String {
    if name != self.name {
      self.name = name
      normalized = Chromosome.normalized(name)
    }
    return normalized
  }
}
