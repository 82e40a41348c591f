import CDeflate
import CScanKernels
import CZstd
import Glibc
public import StudyData

/// A BGEN file of layout 2 (v1.2 and v1.3): probabilities of genotypes, phased or not, of 1 to 32 bits.
///
/// Dosages are the expected copies of ALT. The first allele is REF; each other one is an ALT, a variant of its own where
/// there are several. The samples' names come from the file, else from the Oxford sample file beside it. With regions and
/// the index of bgenix beside the file (`.bgi`) only those parts are read; ordinals then count what is read. An index
/// that does not belong to the file is not used, and a note says so.
///
/// - Missing: what the file marks as such, and samples of ploidy 0. A haploid sample counts twice; higher ploidy is refused.
/// - Units: a dosage is a whole number of 1/(2^bits − 1), rounded to `Float`.
/// - Complexity: a stream holds the compressed records of one block and a megabyte, a chunk one variant's probabilities beside its dosages.
/// - Source: BGEN specification v1.3 (Band & Marchini 2018, doi:10.1101/308296).
public struct BGENSource: GenotypeSource {
  public let path: String
  public let paths: [String]
  public let sampleIDs: [String]
  public let notes: [String]
  private let file: BGENFile
  /// Nil where there is none to be trusted.
  private let index: String?

  /// Records with more are dropped.
  static let mostAlleles = Int(bg_most_alleles)

  /// From the index; without one the number of alleles is not known.
  public var variantCount: Int? {
    index.flatMap { path in
      try? { () throws(StudyError) in try BGENIndex(path: path, file: file).variantCount() }()
    }
  }

  /// Its records.
  public var leastVariantCount: Int? { file.variantCount }

  /// - Throws: `environment` when a file cannot be opened, `malformed` when it is cut short or breaks the format,
  ///   `inconsistent` when the samples have no names.
  public init(path: String) throws(StudyError) {
    self.path = path
    file = try BGENFile(path: path)
    var paths = [path]
    var notes = [
      "\(path): the first allele of a variant is taken as REF, the others as ALT, the counted allele"
        + " (plink2 --export bgen-1.2 puts REF first with ref-first only)"
    ]
    if let names = try file.sampleNames() {
      sampleIDs = names
    } else {
      let beside = (path.hasSuffix(".bgen") ? String(path.dropLast(5)) : path) + ".sample"
      guard LocalFile.exists(beside) else {
        throw StudyError(
          .inconsistent, file: path, "the file does not name its samples, and there is no \(beside)",
          remedy: "put the Oxford sample file that belongs to it beside it under that name")
      }
      let samples = try OxfordSamples(path: beside)
      guard samples.ids.count == file.sampleCount else {
        throw StudyError(
          .inconsistent, file: beside,
          "it names \(samples.ids.count) samples; \(path) has \(file.sampleCount)",
          remedy: "give the sample file that was made with it")
      }
      sampleIDs = samples.ids
      paths.append(beside)
      notes.append("\(beside): samples are named by \(samples.source)")
    }
    var index: String?
    if let found = IndexFile(of: path, extensions: [".bgi"])?.path {
      do throws(StudyError) {
        _ = try BGENIndex(path: found, file: file)
        index = found
      } catch {
        notes.append("\(found): \(error.cause); it is not used: make it again (bgenix -index -clobber)")
      }
    }
    self.index = index
    self.paths = paths
    self.notes = notes
  }

  public func chromosomes() throws(StudyError) -> Set<String>? {
    guard let index else { return nil }
    let names = try BGENIndex(path: index, file: file).chromosomes()
    return Set(names.map { Chromosome.normalized(BGENRecord.chromosomeName($0)) })
  }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    try request.selection.refuseMinimumInfo(path)
    var places: [BGENIndex.Place]?
    if let index, !request.selection.regions.isEmpty {
      places = try BGENIndex(path: index, file: file).places(request.selection.regions)
    }
    let context = BGENContext(
      file: file, sampleIDs: sampleIDs,
      gather: SampleGather(samples: request.samples, columns: sampleIDs.count),
      selector: RecordSelector(request.selection), hasRecordNumbers: places == nil)
    return BGENStream(context: context, places: places, blockSize: request.blockSize)
  }
}

private struct BGENContext: Sendable {
  let file: BGENFile
  let sampleIDs: [String]
  let gather: SampleGather
  let selector: RecordSelector
  let hasRecordNumbers: Bool

  /// - Parameter record: its number from 0.
  func malformed(_ record: Int, _ variant: Variant?, _ cause: String, _ remedy: String) -> StudyError {
    let name = variant.map { "variant \($0.id) (\($0.chromosome):\($0.position)): " } ?? ""
    return StudyError(
      .malformed, file: file.path, line: hasRecordNumbers ? record + 1 : nil, name + cause, remedy: remedy)
  }

  func noText(_ record: Int) -> StudyError {
    malformed(
      record, nil, "a name or allele of the record holds control characters: the file is damaged",
      "copy or make the file again")
  }
}

/// Its state is touched only by ``nextChunk()``, whose calls the caller serialises.
private final class BGENStream: GenotypeStream, @unchecked Sendable {
  private let context: BGENContext
  private let places: [BGENIndex.Place]?
  private let blockSize: Int
  private let progress: ReadProgress
  private var selector: RecordSelector
  private var window: [UInt8] = []
  /// Offset of the window in the file.
  private var windowStart = 0
  /// Records read, and where the next one starts.
  private var count = 0
  /// Of the next record's first ALT.
  private var ordinal = 0
  private var offset: Int
  /// Bytes of the chunk before.
  private var chunkSize = 0

  private static let readSize = 1 << 20

  init(context: BGENContext, places: [BGENIndex.Place]?, blockSize: Int) {
    self.context = context
    self.places = places
    self.blockSize = blockSize
    selector = context.selector
    offset = context.file.firstRecord
    progress = ReadProgress(total: places?.count ?? context.file.size)
  }

  var fractionRead: Double { progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    var chunk = BGENChunk(context: context)
    chunk.bytes.reserveCapacity(chunkSize)
    defer { chunkSize = chunk.bytes.count }
    let total = places?.count ?? context.file.variantCount
    while count < total, chunk.rowCount < blockSize {
      let (record, isSelected) = try nextRecord()
      if isSelected {
        try append(record, to: &chunk)
        chunk.rowCount += record.isAnalysable ? record.alleleCount - 1 : 1
      }
      offset += record.length
      count += 1
      ordinal += ordinalCount(alternates: record.alleleCount - 1)
      progress.reach(places == nil ? offset : count)
    }
    if count == total, places == nil, offset != context.file.size {
      throw StudyError(
        .malformed, file: context.file.path,
        "the file goes on behind the \(total) variants that its header counts",
        remedy: "make the file again")
    }
    return chunk.places.isEmpty ? nil : chunk
  }

  /// The record at `offset` or the next place.
  private func nextRecord() throws(StudyError) -> (BGENRecord, isSelected: Bool) {
    let file = context.file
    if let place = places?[count] {
      guard place.offset >= file.firstRecord, place.offset < file.size else { throw wrongPlace() }
      offset = place.offset
    }
    var needed = BGENRecord.shortest
    while true {
      try load(needed)
      let found = try window.withUnsafeBufferPointer { (window) throws(StudyError) -> (BGENRecord, Bool)? in
        let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: window[(offset - windowStart)...]))
        guard let record = BGENRecord(bytes) else { return nil }
        return (record, try isSelected(record, bytes))
      }
      guard let found else {
        needed = 2 * (window.count - (offset - windowStart))
        guard windowStart + window.count < file.size else { throw file.truncated() }
        continue
      }
      guard found.0.length <= file.size - offset else { throw file.truncated() }
      if let place = places?[count], place.length != found.0.length { throw wrongPlace() }
      return found
    }
  }

  private func isSelected(_ record: BGENRecord, _ bytes: UnsafeRawBufferPointer) throws(StudyError) -> Bool {
    if context.selector.selection.isEverything { return true }
    guard let variants = record.variants(bytes) else { throw context.noText(count) }
    return variants.contains { selector.admits($0) }
  }

  /// Brings `needed` bytes from `offset` on, or those up to the end of the file, into the window.
  private func load(_ needed: Int) throws(StudyError) {
    let file = context.file
    let wanted = min(needed, file.size - offset)
    if offset >= windowStart, offset + wanted <= windowStart + window.count { return }
    window = try file.read(at: offset, count: min(max(needed, Self.readSize), file.size - offset))
    windowStart = offset
  }

  private func append(_ record: BGENRecord, to chunk: inout BGENChunk) throws(StudyError) {
    chunk.places.append((chunk.bytes.count, count, ordinal))
    let start = offset - windowStart
    if start + record.length <= window.count {
      window.withUnsafeBufferPointer { chunk.bytes.append(contentsOf: $0[start..<(start + record.length)]) }
    } else {
      chunk.bytes += try context.file.read(at: offset, count: record.length)
    }
  }

  private func wrongPlace() -> StudyError {
    BGENIndex.unusable(context.file.path + ".bgi", "does not fit the file's variants")
  }
}

private struct BGENChunk: GenotypeChunk {
  let context: BGENContext
  /// Selected records, whole.
  var bytes: [UInt8] = []
  /// Where each of them starts, its number, and the ordinal of its first ALT.
  var places: [(start: Int, record: Int, ordinal: Int)] = []
  /// At least the number of variants.
  var rowCount = 0

  init(context: BGENContext) { self.context = context }

  func decode() throws(StudyError) -> GenotypeBlock {
    var selector = context.selector
    var rows = DosageRows<Float>(rows: rowCount, gather: context.gather)
    let reader = try ProbabilityReader(context: context)
    var rowOrdinals: [Int] = []
    var variants: [Variant] = []
    var drops: [Drop] = []
    rowOrdinals.reserveCapacity(rowCount)
    variants.reserveCapacity(rowCount)
    try bytes.withUnsafeBufferPointer { (records) throws(StudyError) in
      for (start, number, ordinal) in places {
        let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: records[start...]))
        guard let record = BGENRecord(bytes), let alternates = record.variants(bytes) else {
          throw context.noText(number)
        }
        let admitted = alternates.indices.filter { selector.admits(alternates[$0]) }
        guard let first = admitted.first else { continue }
        guard record.isAnalysable else {
          drops.append(Self.drop(alternates[first], alleles: record.alleleCount))
          continue
        }
        let block = UnsafeRawBufferPointer(rebasing: bytes[record.genotypes])
        try reader.read(block, record.alleleCount, admitted, into: &rows) {
          context.malformed(number, alternates[first], $0, $1)
        }
        for index in admitted {
          rowOrdinals.append(ordinal + index)
          variants.append(alternates[index])
        }
      }
    }
    return GenotypeBlock(
      sampleCount: context.gather.count, ordinals: rowOrdinals, variants: variants, dosages: rows.dosages(),
      drops: drops)
  }

  private static func drop(_ variant: Variant, alleles: Int) -> Drop {
    if alleles < 2 { return Drop(.variant, id: variant.id, reason: "no alternate allele") }
    return Drop(.variant, id: variant.id, reason: "multiallelic", detail: "\(alleles) alleles")
  }
}

/// Decompresses and decodes blocks of probabilities; belongs to one thread.
private final class ProbabilityReader {
  private let context: BGENContext
  private var deflate: OpaquePointer?
  private var zstd: OpaquePointer?
  private var scratch: [UInt8] = []
  private var alternates: [Float] = []

  init(context: BGENContext) throws(StudyError) {
    self.context = context
    switch context.file.compression {
    case .none: return
    case .zlib: deflate = libdeflate_alloc_decompressor()
    case .zstd: zstd = ZSTD_createDCtx()
    }
    guard deflate != nil || zstd != nil else {
      throw StudyError(
        .environment, file: context.file.path, "no memory to decompress", remedy: "make more memory available"
      )
    }
  }

  deinit {
    libdeflate_free_decompressor(deflate)
    ZSTD_freeDCtx(zstd)
  }

  /// Appends a row for each of the ALT alleles in `wanted` (0 is the first).
  ///
  /// - Parameter malformed: makes an error from cause and remedy.
  func read(
    _ block: UnsafeRawBufferPointer, _ alleles: Int, _ wanted: [Int], into rows: inout DosageRows<Float>,
    malformed: (String, String) -> StudyError
  ) throws(StudyError) {
    guard context.file.compression != .none else {
      return try decode(block, alleles, wanted, into: &rows, malformed)
    }
    let size = try decompress(block, alleles, malformed)
    try scratch.withUnsafeBufferPointer { (bytes) throws(StudyError) in
      try decode(
        UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[..<size])), alleles, wanted, into: &rows,
        malformed)
    }
  }

  private func decode(
    _ block: UnsafeRawBufferPointer, _ alleles: Int, _ wanted: [Int], into rows: inout DosageRows<Float>,
    _ malformed: (String, String) -> StudyError
  ) throws(StudyError) {
    let samples = context.gather.columns
    func dosages(_ out: UnsafeMutablePointer<Float>) throws(StudyError) {
      let result = bg_dosages(
        block.bindMemory(to: UInt8.self).baseAddress, Int64(block.count), Int64(samples), Int32(alleles), out)
      guard result.status == Int32(bg_ok) else {
        let (cause, remedy) = refusal(result)
        throw malformed(cause, remedy)
      }
    }
    if alleles == 2 {
      _ = try rows.append { (row) throws(StudyError) in
        try dosages(row)
        return true
      }
      return
    }
    let room = (alleles - 1) * samples
    if alternates.count < room { alternates = [Float](repeating: 0, count: room) }
    try alternates.withUnsafeMutableBufferPointer { (all) throws(StudyError) in
      try dosages(all.baseAddress!)
      for index in wanted {
        _ = try rows.append { (row) throws(StudyError) in
          row.update(from: all.baseAddress! + index * samples, count: samples)
          return true
        }
      }
    }
  }

  /// - Returns: how many bytes of `scratch` the block takes.
  private func decompress(
    _ block: UnsafeRawBufferPointer, _ alleles: Int, _ malformed: (String, String) -> StudyError
  ) throws(StudyError) -> Int {
    let again = "copy or make the file again"
    guard block.count >= 4 else { throw malformed("the genotypes are cut short", again) }
    let size = Int(UInt32(littleEndian: block.loadUnaligned(as: UInt32.self)))
    // Diploid samples' probabilities of 32 bits, unphased or phased: more would be of a higher ploidy.
    let samples = context.gather.columns
    let most = 10 + samples * (1 + 4 * max(alleles * (alleles + 1) / 2 - 1, 2 * (alleles - 1)))
    guard size <= most else {
      throw malformed(
        "the genotypes take \(size) bytes decompressed, more than \(samples) diploid samples can", again)
    }
    if scratch.count < size { scratch = [UInt8](repeating: 0, count: size) }
    let isWhole = scratch.withUnsafeMutableBytes { out in
      let (data, length) = (block.baseAddress! + 4, block.count - 4)
      if let deflate {
        return libdeflate_zlib_decompress(deflate, data, length, out.baseAddress, size, nil)
          == LIBDEFLATE_SUCCESS
      }
      return ZSTD_decompressDCtx(zstd, out.baseAddress, size, data, length) == size
    }
    guard isWhole else { throw malformed("the genotypes cannot be decompressed: the file is damaged", again) }
    return size
  }

  private func refusal(_ result: bg_result) -> (cause: String, remedy: String) {
    let again = "copy or make the file again"
    switch Int(result.status) {
    case bg_samples: return ("the genotypes are those of another number of samples than the header's", again)
    case bg_alleles: return ("the genotypes have another number of alleles than the variant", again)
    case bg_ploidy:
      return (
        "sample \(context.sampleIDs[Int(result.sample)]) has more than two alleles",
        "only haploid and diploid genotypes can be analysed"
      )
    case bg_sum:
      return (
        "the probabilities of sample \(context.sampleIDs[Int(result.sample)]) add up to more than one", again
      )
    case bg_phase: return ("the genotypes are neither phased nor unphased: the flag is not 0 or 1", again)
    case bg_bits: return ("the probabilities do not have 1 to 32 bits", again)
    default: return ("the genotypes do not have the length that the samples need", again)
    }
  }
}
