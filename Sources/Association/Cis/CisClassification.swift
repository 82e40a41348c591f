internal import CScanKernels
internal import LinearAlgebra
public import StudyData
internal import Synchronization

/// Which hits of a scan of all pairs are cis: near their gene, or in linkage disequilibrium with a variant that is.
///
/// A variant is near a gene within `distance` bases of its start site, on the same chromosome. A hit of a variant elsewhere on that
/// chromosome is cis if the variant's r² with any near variant reaches r₀ (the textbook rule has 500 kb and 0.6). r is the correlation
/// of dosages over the analysed samples, missing ones at the mean, covariates not taken out.
public struct CisClassification: Sendable {
  /// A variant and a phenotype.
  public struct Pair: Sendable, Hashable {
    public var variantID: String
    public var phenotypeID: String

    public init(variantID: String, phenotypeID: String) {
      self.variantID = variantID
      self.phenotypeID = phenotypeID
    }
  }

  public enum Call: String, Sendable {
    case cis
    case cisByLD = "cis_by_ld"
    case trans
  }

  /// A planted variant that explains a hit.
  public struct Cause: Sendable, Equatable {
    public var r2: Double
    public var isCis: Bool
  }

  /// A hit's place relative to its gene.
  public struct Hit: Sendable {
    /// Bases from the start site; nil on another chromosome or without a place.
    public var distance: Int?
    /// The largest r² with a variant near the gene, by the distances asked for; NaN where there is none.
    public var linkage: [Double]
    /// Of the gene's causal variants the one in the largest r² with the hit, and whether it lies within the distance that counts as
    /// cis in truth; nil where no r² reaches ``CisClassification/leastCausalR2``, or no truth was given.
    public var cause: Cause?

    /// - Parameters:
    ///   - r2: r₀; 1 leaves linkage out.
    ///   - index: of `distance` among the distances asked for.
    public func call(within distance: Int, _ index: Int, r2: Double) -> Call {
      guard let own = self.distance else { return .trans }
      if own <= distance { return .cis }
      return r2 < 1 && linkage[index] >= r2 ? .cisByLD : .trans
    }
  }

  /// A causal variant that explains a hit has at least this r² with it.
  public static let leastCausalR2 = 0.2

  /// Ascending.
  public let distances: [Int]
  /// By pair, in the order asked for; nil where the variant or the phenotype is not in the study.
  public let hits: [Hit?]

  /// Two passes over the genotypes: the hits' variants (and causal ones), then those near the genes of hits that lie farther away than
  /// the least distance.
  ///
  /// - Parameters:
  ///   - distances: ascending.
  ///   - causes: pairs of causal variants and their phenotypes; a hit of a phenotype is explained by one of them.
  ///   - causalDistance: bases from the start site within which a causal variant is cis.
  /// - Throws: ``StudyError`` `inconsistent` when a hit's variant occurs twice in the genotypes; what readers throw.
  /// - Complexity: memory n fp64 values for each variant of a hit (and its causes); 2n flop for each hit that is not near and variant near its gene.
  public init(
    of pairs: [Pair], in study: Study, distances: [Int], causes: [Pair] = [], causalDistance: Int = 1_000_000,
    execution: Execution
  ) throws {
    precondition(!distances.isEmpty && distances == distances.sorted())
    BLAS.useSingleThread()
    self.distances = distances
    var features: [String: Feature] = [:]
    for feature in study.features { features[feature.id] = feature }
    let causesOf = Dictionary(grouping: causes.filter { features[$0.phenotypeID] != nil }, by: \.phenotypeID)
    var wanted = Set(pairs.map(\.variantID))
    for phenotype in Set(pairs.map(\.phenotypeID)) {
      wanted.formUnion(causesOf[phenotype, default: []].map(\.variantID))
    }
    let variants = try Self.read(wanted, of: study, execution)

    var hits = pairs.map { pair -> Hit? in
      guard let variant = variants[pair.variantID], let feature = features[pair.phenotypeID] else {
        return nil
      }
      var hit = Hit(
        distance: variant.distance(to: feature), linkage: distances.map { _ in .nan }, cause: nil)
      for cause in causesOf[pair.phenotypeID, default: []] {
        guard let causal = variants[cause.variantID] else { continue }
        let r2 = variant.r2(with: causal)
        guard r2 >= Self.leastCausalR2, r2 > hit.cause?.r2 ?? 0 else { continue }
        hit.cause = Cause(
          r2: r2, isCis: causal.distance(to: feature).map { $0 <= causalDistance } ?? false)
      }
      return hit
    }
    let far = FarHits(pairs, hits.map { $0?.distance }, variants, features, distances)
    for (hit, bin, r2) in try far.linkage(in: study, execution) {
      // Near within one distance is near within the larger ones.
      for k in bin..<distances.count {
        let known = hits[hit]?.linkage[k] ?? .nan
        if !(known >= r2) { hits[hit]?.linkage[k] = r2 }
      }
    }
    self.hits = hits
  }

  /// The variants with these ids, by id.
  private static func read(_ ids: Set<String>, of study: Study, _ execution: Execution) throws -> [String:
    UnitVariant]
  {
    let found = Mutex<[UnitVariant]>([])
    try scanBlocks(
      of: study, VariantSelection(ids: ids), execution, scratch: { () },
      work: { _, block, _ in UnitVariant.all(of: block) },
      emit: { variants in found.withLock { $0 += variants } })
    var variants: [String: UnitVariant] = [:]
    for variant in found.withLock(\.self)
    where variants.updateValue(variant, forKey: variant.variant.id) != nil {
      throw StudyError(
        .inconsistent, file: study.genotypes.path, "variant \(variant.variant.id) of the hits occurs twice",
        remedy: "give every variant an id of its own")
    }
    return variants
  }
}

extension CisClassification {
  /// How often hits of known cause are called cis.
  public struct Rates: Sendable, Equatable {
    public var distance: Int
    public var r2: Double
    /// Hits whose cause is cis, and those of them called cis (near or by linkage).
    public var cis = 0
    public var cisCalledCis = 0
    /// Hits whose cause is not cis, and those of them called cis.
    public var trans = 0
    public var transCalledCis = 0

    /// Share of true cis hits that are called cis; NaN without any.
    public var sensitivity: Double { Double(cisCalledCis) / Double(cis) }
    /// Share of hits with a distant cause that are called cis; NaN without any.
    public var falseCisRate: Double { Double(transCalledCis) / Double(trans) }
  }

  /// By distance, then r₀. Hits without a known cause take no part.
  public func rates(r2 thresholds: [Double]) -> [Rates] {
    distances.enumerated().flatMap { index, distance in
      thresholds.map { r2 in
        var rates = Rates(distance: distance, r2: r2)
        for hit in hits.lazy.compactMap(\.self) {
          guard let cause = hit.cause else { continue }
          let isCalled = hit.call(within: distance, index, r2: r2) != .trans
          if cause.isCis {
            rates.cis += 1
            rates.cisCalledCis += isCalled ? 1 : 0
          } else {
            rates.trans += 1
            rates.transCalledCis += isCalled ? 1 : 0
          }
        }
        return rates
      }
    }
  }
}

/// Hits on their gene's chromosome that are not near it: their linkage with variants that are.
private struct FarHits: Sendable {
  private let distances: [Int]
  private let genes: [Feature]
  /// By gene: its hits, by index, and their variants.
  private let hits: [[(index: Int, variant: UnitVariant)]]
  private let windows: CisWindows

  init(
    _ pairs: [CisClassification.Pair], _ places: [Int?], _ variants: [String: UnitVariant],
    _ features: [String: Feature], _ distances: [Int]
  ) {
    self.distances = distances
    var hits: [String: [(index: Int, variant: UnitVariant)]] = [:]
    for (index, (pair, distance)) in zip(pairs, places).enumerated() {
      guard let distance, distance > distances[0], let variant = variants[pair.variantID] else { continue }
      hits[pair.phenotypeID, default: []].append((index, variant))
    }
    let ids = hits.keys.sorted()
    genes = ids.compactMap { features[$0] }
    self.hits = ids.map { hits[$0, default: []] }
    windows = CisWindows(
      features: genes.enumerated().map { ($0.offset, $0.element) }, radius: distances[distances.count - 1],
      anchor: .tss)
  }

  /// The largest r² of a hit with the variants of a block, by the first distance within which they are near; some hits come several times.
  func linkage(in study: Study, _ execution: Execution) throws -> [(hit: Int, bin: Int, r2: Double)] {
    guard !genes.isEmpty else { return [] }
    let found = Mutex<[(hit: Int, bin: Int, r2: Double)]>([])
    try scanBlocks(
      of: study, VariantSelection(regions: regions), execution, scratch: { () },
      work: { _, block, _ in linkage(with: UnitVariant.all(of: block)) },
      emit: { linkage in found.withLock { $0 += linkage } })
    return found.withLock(\.self)
  }

  private func linkage(with variants: [UnitVariant]) -> [(hit: Int, bin: Int, r2: Double)] {
    var best: [Int: [Double]] = [:]
    var chromosome = ChromosomeCache()
    var nearby: [Int32] = []
    for candidate in variants {
      let (name, position) = (candidate.variant.chromosome, candidate.variant.position)
      windows.collect(normalizedChromosome: chromosome(name), position: position, into: &nearby)
      for gene in nearby.map(Int.init) {
        let distance = abs(position - genes[gene].tss)
        guard let bin = distances.firstIndex(where: { distance <= $0 }) else { continue }
        for (hit, variant) in hits[gene] {
          let r2 = variant.r2(with: candidate)
          let known = best[hit]?[bin] ?? .nan
          if !(known >= r2) { best[hit, default: distances.map { _ in .nan }][bin] = r2 }
        }
      }
    }
    return best.flatMap { hit, bins in
      bins.enumerated().compactMap { $1.isNaN ? nil : (hit: hit, bin: $0, r2: $1) }
    }
  }

  /// The genes' surroundings, overlapping ones joined.
  private var regions: [GenomicRegion] {
    var regions: [GenomicRegion] = []
    let all = genes.map { gene in
      let (low, high) = WindowAnchor.tss.window(of: gene, radius: distances[distances.count - 1])
      return GenomicRegion(chromosome: gene.chromosome, start: low, end: high)
    }
    for region in all.sorted(by: { ($0.chromosome, $0.start) < ($1.chromosome, $1.start) }) {
      if let last = regions.last, last.chromosome == region.chromosome, region.start <= last.end {
        regions[regions.count - 1].end = max(last.end, region.end)
      } else {
        regions.append(region)
      }
    }
    return regions
  }
}

/// A variant's dosages, centred, missing ones at the mean, scaled to length 1.
private struct UnitVariant: Sendable {
  let variant: Variant
  private let values: [Double]

  /// Those of a block that vary.
  static func all(of block: GenotypeBlock) -> [UnitVariant] {
    let panel = VariantPanel(block: block, filter: .off)
    return panel.variants.enumerated().map { k, tested in
      var values = [Double](repeating: 0, count: panel.sampleCount)
      values.withUnsafeMutableBufferPointer { panel.writeCentered(k, to: $0.baseAddress!) }
      let norm = tested.summary.centeredSumOfSquares.squareRoot()
      for i in values.indices { values[i] /= norm }
      return UnitVariant(variant: tested.variant, values: values)
    }
  }

  func r2(with other: UnitVariant) -> Double {
    var r = 0.0
    sk_panel_products(values, 1, other.values, 1, Int64(values.count), &r)
    return min(1, r * r)
  }

  /// Bases from the feature's start site; nil on another chromosome or without a place.
  func distance(to feature: Feature) -> Int? {
    guard feature.hasLocation, variant.position > 0,
      Chromosome.normalized(variant.chromosome) == Chromosome.normalized(feature.chromosome)
    else { return nil }
    return abs(variant.position - feature.tss)
  }
}
