import CHTSlib
import Glibc
public import StudyData

/// A VCF, plain or compressed, or a BCF.
///
/// Hard calls from GT, or fractional dosages from DS or GP. A record with several ALT alleles is a variant for each, named
/// `id_ALT`, its dosage the copies of that ALT; one without any is dropped with a reason. With regions and an index (`.csi`, `.tbi`) only those
/// parts are read; ordinals then count what is read. An index that is older than the file or damaged is not used, and a note says so.
///
/// - Missing: `.`, an omitted trailing field, or a call that misses any of its alleles. A haploid call (chromosome X)
///   counts its allele twice, as PLINK does. A missing DS or GP takes the record's GT: PLINK 2 writes no DS where it equals it.
/// - Units: dosages outside [0, 2] by more than 0.001 are refused, the rest is clamped.
/// - Complexity: a stream holds one block of records; a chunk its own bytes.
/// - Source: VCF 4.3 and BCF 2.2 specifications (samtools/hts-specs).
public struct VCFSource: GenotypeSource {
  public let path: String
  public let sampleIDs: [String]
  /// The field that is read.
  public let field: DosageField
  private let header: VCFHeader
  private let isBinary: Bool
  /// Nil where there is none to be trusted.
  private let index: String?
  public let notes: [String]

  public var paths: [String] { [path] }
  public var variantCount: Int? { nil }

  /// - Parameter dosageField: nil takes DS where the header declares it, else GT.
  /// - Throws: `environment` when the file cannot be opened, `malformed` when it is truncated or its header is broken,
  ///   `inconsistent` when the header does not declare the field.
  public init(path: String, dosageField: DosageField? = nil) throws(StudyError) {
    self.path = path
    isBinary = try GenotypeFile.kind(of: path) == .bcf
    header =
      isBinary
      ? try BCFFile(path: path).textHeader() : try VCFHeader(reader: TextBlockReader(path: path))
    field = try DosageField(asked: dosageField, declared: header.formats, path: path)
    sampleIDs = header.samples
    let beside = IndexFile(of: path, extensions: isBinary ? [".csi"] : [".csi", ".tbi"])
    if let beside, beside.isStale {
      index = nil
      notes = ["\(beside.path): the index is older than the file and is not used; make it again"]
    } else if let beside, !beside.isWhole {
      index = nil
      notes = ["\(beside.path): the index is damaged and is not used; make it again"]
    } else {
      index = beside?.path
      notes = []
    }
  }

  public func chromosomes() throws(StudyError) -> Set<String>? {
    let names = indexedNames() ?? header.contigs
    return names.isEmpty ? nil : Set(names.map { Chromosome.normalized($0) })
  }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    let context = VCFContext(
      path: path, field: field, gather: SampleGather(samples: request.samples, columns: sampleIDs.count),
      selector: RecordSelector(request.selection))
    try request.selection.minimumInfo?.require(in: header.infos, of: path)
    let regions = request.selection.regions
    if isBinary {
      let file = try BCFFile(path: path, workers: request.workers)
      let query = index.flatMap {
        regions.isEmpty ? nil : BCFQuery(file: file, index: $0, regions: regions)
      }
      return BCFStream(file: file, query: query, context: context, blockSize: request.blockSize)
    }
    if !regions.isEmpty, let index, let query = TabixQuery(path: path, index: index, regions: regions) {
      return VCFRegionStream(query: query, context: context, blockSize: request.blockSize)
    }
    let reader = try TextBlockReader(path: path, workers: request.workers)
    try reader.skip(lines: header.lineCount)
    return VCFStream(reader: reader, context: context, blockSize: request.blockSize)
  }

  /// Contigs with records, from the index.
  private func indexedNames() -> [String]? {
    guard let index else { return nil }
    guard isBinary else { return RegionIndex(path: path, index: index)?.names }
    return (try? BCFFile(path: path)).flatMap { BCFIndex(file: $0, index: index)?.names }
  }
}

/// What the chunks of a VCF or BCF share.
struct VCFContext: Sendable {
  let path: String
  let field: DosageField
  let gather: SampleGather
  let selector: RecordSelector

  static func noAlternate(_ variant: Variant) -> Drop {
    Drop(.variant, id: variant.id, reason: "no alternate allele")
  }

  /// A call of an allele that the record does not name, or a number of values that does not fit its alleles.
  static func alleleMismatch(_ variant: Variant) -> Drop {
    Drop(.variant, id: variant.id, reason: "genotypes do not fit the alleles", detail: "ALT \(variant.alt)")
  }
}

/// Regions without overlap, in the order of an index's contigs.
func mergedRegions(_ regions: [GenomicRegion], contigs: [String]) -> [(contig: Int, start: Int, end: Int)] {
  var merged: [(contig: Int, start: Int, end: Int)] = []
  for (contig, name) in contigs.enumerated() {
    let normalized = Chromosome.normalized(name)
    let here = regions.filter { $0.chromosome == normalized && $0.start <= $0.end }
      .sorted { $0.start < $1.start }
    for region in here {
      if let last = merged.last, last.contig == contig, region.start <= last.end {
        merged[merged.count - 1].end = max(last.end, region.end)
      } else {
        merged.append((contig, region.start, region.end))
      }
    }
  }
  return merged
}
