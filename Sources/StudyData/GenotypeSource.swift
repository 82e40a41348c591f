/// A file (or several) of genotypes: names first, dosages in blocks.
///
/// A pass over the variants has two halves so that decoding overlaps the product: ``GenotypeStream/nextChunk()``
/// is serial and cheap (reads bytes), ``GenotypeChunk/decode()`` is called by any worker and does the work.
public protocol GenotypeSource: Sendable {
  /// For messages and the manifest; the main file where there are several.
  var path: String { get }
  /// Every file that belongs to the source (bed, bim and fam; the VCF; …).
  var paths: [String] { get }
  /// In file order; unique.
  var sampleIDs: [String] { get }
  /// The number of variants before any selection, where it is known without reading the data.
  var variantCount: Int? { get }
  /// A number that ``variantCount`` is not below, where such a one is known without reading the data.
  var leastVariantCount: Int? { get }
  /// What the reader assumed, for the log: one line each.
  var notes: [String] { get }
  /// Normalised chromosome names, where they are known without reading the genotypes; nil where they are not.
  func chromosomes() throws(StudyError) -> Set<String>?
  /// Starts a pass over the variants that `request` selects, in file order.
  func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream
}

extension GenotypeSource {
  public var leastVariantCount: Int? { variantCount }
  public var notes: [String] { [] }
}

/// What a pass over a ``GenotypeSource`` should yield.
public struct GenotypeRequest: Sendable {
  /// For each analysed sample, in the order wanted, its index in ``GenotypeSource/sampleIDs``.
  public var samples: [Int]
  public var selection: VariantSelection
  /// Variants per block before selection: results never depend on it.
  public var blockSize: Int
  /// Threads that may decompress ahead of the reader, where the format allows it: results never depend on it.
  public var workers: Int

  public init(
    samples: [Int], selection: VariantSelection = .init(), blockSize: Int = 512, workers: Int = 1
  ) {
    precondition(blockSize > 0 && workers > 0)
    self.samples = samples
    self.selection = selection
    self.blockSize = blockSize
    self.workers = workers
  }
}

/// Which variants to read, decided from their records alone (filters on dosages: ``VariantFilter``).
public struct VariantSelection: Sendable {
  /// Any of these; empty means everywhere.
  public var regions: [GenomicRegion]
  /// Only these ids; nil means all.
  public var ids: Set<String>?
  /// VCF, BCF, PGEN: the INFO field that holds imputation quality and its minimum.
  public var minimumInfo: MinimumInfo?

  public struct MinimumInfo: Sendable, Equatable {
    public var field: String
    public var value: Double
    public init(field: String, value: Double) {
      self.field = field
      self.value = value
    }
  }

  public init(
    regions: [GenomicRegion] = [], ids: Set<String>? = nil, minimumInfo: MinimumInfo? = nil
  ) {
    self.regions = regions
    self.ids = ids
    self.minimumInfo = minimumInfo
  }

  /// Whether nothing is left out.
  public var isEverything: Bool { regions.isEmpty && ids == nil && minimumInfo == nil }

  /// Whether regions and ids admit the variant.
  public func admits(id: String, normalizedChromosome: String, position: Int) -> Bool {
    if let ids, !ids.contains(id) { return false }
    if regions.isEmpty { return true }
    return regions.contains {
      $0.contains(normalizedChromosome: normalizedChromosome, position: position)
    }
  }
}

/// One pass over a source. Calls to ``nextChunk()`` are serialised by the caller.
public protocol GenotypeStream: AnyObject, Sendable {
  /// The next chunk in file order; nil at the end, however often it is asked.
  func nextChunk() throws(StudyError) -> (any GenotypeChunk)?
  /// The share of the input read so far, 0…1, for progress.
  var fractionRead: Double { get }
}

/// Undecoded variants.
public protocol GenotypeChunk: Sendable {
  /// Decodes, on any thread. Variants that the selection refuses are absent.
  func decode() throws(StudyError) -> GenotypeBlock
}

/// Dosages of some variants for the analysed samples.
public struct GenotypeBlock: Sendable {
  /// Sample-major within a variant: the dosages of variant j are elements `j*sampleCount ..< (j+1)*sampleCount`.
  public enum Dosages: Sendable {
    /// 0, 1, 2 copies of ALT; 3 is missing.
    case hardCalls([UInt8])
    /// 0…2; NaN is missing.
    case fractional([Float])
  }

  public var sampleCount: Int
  /// Ordinal of each variant in its source, counted before any selection: rows are ordered by it. Each ALT allele of a record has
  /// its own, and a record without any takes one, so that the same data have the same ordinals in every format.
  public var ordinals: [Int]
  public var variants: [Variant]
  public var dosages: Dosages
  /// Records of the chunk that cannot be analysed (multiallelic, field absent, …), in file order.
  public var drops: [Drop]
  /// Heterozygous calls of males on X that were made missing.
  public var maskedCalls = 0

  public var count: Int { variants.count }

  public init(
    sampleCount: Int, ordinals: [Int], variants: [Variant], dosages: Dosages, drops: [Drop] = []
  ) {
    precondition(ordinals.count == variants.count)
    switch dosages {
    case .hardCalls(let codes): precondition(codes.count == variants.count * sampleCount)
    case .fractional(let values): precondition(values.count == variants.count * sampleCount)
    }
    self.sampleCount = sampleCount
    self.ordinals = ordinals
    self.variants = variants
    self.dosages = dosages
    self.drops = drops
  }
}

extension GenotypeBlock {
  /// - Parameter count: of all blocks.
  public static func notes(maskedCalls count: Int) -> [String] {
    count == 0 ? [] : ["\(count) heterozygous calls of males on X are missing"]
  }
}

/// Something that was left out of the analysis, and why.
public struct Drop: Sendable, Equatable {
  public enum Item: String, Sendable {
    case sample
    case variant
    case phenotype
    case covariate
  }
  public var item: Item
  public var id: String
  /// A short fixed phrase that can be counted, e.g. `monomorphic`.
  public var reason: String
  /// Particulars, may be empty.
  public var detail: String

  public init(_ item: Item, id: String, reason: String, detail: String = "") {
    self.item = item
    self.id = id
    self.reason = reason
    self.detail = detail
  }
}
