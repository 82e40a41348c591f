import CScanKernels
import Glibc
public import StudyData

/// A PLINK 1 file set: `prefix.bed`, `prefix.bim` and `prefix.fam`.
///
/// A1 (column 5 of the bim file) is ALT, the counted allele; A2 is REF. Samples are named by IID, or by `FID_IID` where
/// IIDs repeat. Chromosomes 23 to 26 get their names unless the file has higher numbers. Names and counts are read at once, genotypes and variants only as a stream asks for them.
///
/// - Missing: code 01 becomes hard call 3.
/// - Complexity: opening is one pass over the bim and fam files; a stream holds a block of bim lines, a chunk
///   its own genotypes, so memory is independent of the number of variants.
/// - Source: PLINK 1.9 file formats (Chang et al. 2015, doi:10.1186/s13742-015-0047-8), variant-major only.
public struct PlinkSource: GenotypeSource {
  public let path: String
  public let sampleIDs: [String]
  public let notes: [String]
  private let bimPath: String
  private let famPath: String
  private let summary: BimSummary

  public var paths: [String] { [path, bimPath, famPath] }
  public var variantCount: Int? { summary.variantCount }

  /// - Parameter prefix: the common path without `.bed`, `.bim`, `.fam`.
  /// - Throws: `environment` when a file is missing or unreadable, `malformed` when one breaks its format,
  ///   `inconsistent` when the bed file's size does not fit the numbers of samples and variants.
  public init(prefix: String) throws(StudyError) {
    path = prefix + ".bed"
    bimPath = prefix + ".bim"
    famPath = prefix + ".fam"
    let bed = try BedFile(path: path)
    let samples = try FamSamples(path: famPath)
    let summary = try BimSummary(path: bimPath)
    sampleIDs = samples.ids
    self.summary = summary
    try bed.checkSize(samples: samples.ids.count, variants: summary.variantCount)
    var notes = ["\(bimPath): A1 (column 5) is taken as ALT, the counted allele"]
    if samples.usesFamilyIDs {
      notes.append("\(famPath): individual ids repeat between families: samples are named FID_IID")
    }
    if let note = summary.codes.note { notes.append("\(bimPath): \(note)") }
    self.notes = notes
  }

  public func chromosomes() throws(StudyError) -> Set<String>? { summary.chromosomes }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    try request.selection.refuseMinimumInfo(path)
    let bed = try BedFile(path: path)
    try bed.checkSize(samples: sampleIDs.count, variants: summary.variantCount)
    return PlinkStream(
      bed: bed, bim: try TextBlockReader(path: bimPath), variantCount: summary.variantCount,
      gather: SampleGather(samples: request.samples, columns: sampleIDs.count),
      codes: summary.codes, selector: RecordSelector(request.selection), blockSize: request.blockSize)
  }
}

/// An open `.bed` file; positioned reads, so that chunks can share it.
private final class BedFile: Sendable {
  let path: String
  let size: Int
  private let descriptor: Int32

  init(path: String) throws(StudyError) {
    self.path = path
    size = try LocalFile.size(of: path)
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    guard size > 0 else {
      throw StudyError(.malformed, file: path, "the file is empty", remedy: "make the file set again")
    }
    let magic = try read(offset: 0, count: min(size, 3))
    guard magic.starts(with: [0x6C, 0x1B]), magic.count == 3 else {
      throw StudyError(
        .malformed, file: path, "not a PLINK bed file: it does not start with the bytes 6c 1b",
        remedy: "give a variant-major bed file (plink2 --make-bed)")
    }
    switch magic[2] {
    case 1: break
    case 0:
      throw StudyError(
        .malformed, file: path, "a sample-major bed file", remedy: "transpose it with plink --make-bed")
    default:
      throw StudyError(
        .malformed, file: path, "a PLINK 2 pgen file or an unknown kind of bed file",
        remedy: "name it PREFIX.pgen if it is one, or convert it with plink2 --make-bed")
    }
  }

  deinit { close(descriptor) }

  func checkSize(samples: Int, variants: Int) throws(StudyError) {
    let stride = (samples + 3) / 4
    let expected = 3 + stride * variants
    guard size != expected else { return }
    let counts = "\(samples) samples × \(variants) variants need \(expected) bytes, found \(size)"
    let data = size - 3
    if data > 0, data % variants == 0 {
      let most = data / variants * 4
      throw mismatch(
        counts + ": the fam file belongs to another set (the bed file has \(most - 3)…\(most) samples)")
    }
    if data > 0, data % stride == 0 {
      let cause = size < expected ? "truncated, or the bim file" : "the bim file"
      throw mismatch(
        counts + ": \(cause) belongs to another set (the bed file has \(data / stride) variants)")
    }
    guard size < expected else { throw mismatch(counts + ": the fam or bim file belongs to another set") }
    throw StudyError(
      .malformed, file: path, "truncated: \(counts)", remedy: "copy or make the file set again")
  }

  private func mismatch(_ cause: String) -> StudyError {
    StudyError(
      .inconsistent, file: path, cause, remedy: "give the bed, bim and fam files of one PLINK run")
  }

  func read(offset: Int, count: Int) throws(StudyError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let read = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + filled, count - filled, offset + filled)
      }
      if read < 0, errno == EINTR { continue }
      guard read > 0 else {
        if read < 0 { throw .unreadable(path, errno) }
        throw StudyError(
          .malformed, file: path, "truncated while it was read",
          remedy: "leave the file as it is during a run")
      }
      filled += read
    }
    return bytes
  }
}

/// Its state is touched only by ``nextChunk()``, whose calls the caller serialises.
private final class PlinkStream: GenotypeStream, @unchecked Sendable {
  private let context: PlinkContext
  private let bim: TextBlockReader
  private let blockSize: Int
  private let variantCount: Int
  private let progress: ReadProgress
  private var next = 0

  init(
    bed: BedFile, bim: TextBlockReader, variantCount: Int, gather: SampleGather,
    codes: ChromosomeCodes, selector: RecordSelector, blockSize: Int
  ) {
    context = PlinkContext(
      bed: bed, bimPath: bim.path, gather: gather, codes: codes, selector: selector)
    self.bim = bim
    self.blockSize = blockSize
    self.variantCount = variantCount
    progress = ReadProgress(total: variantCount)
  }

  var fractionRead: Double { progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    guard next < variantCount else { return nil }
    guard let block = try bim.nextBlock(lines: min(blockSize, variantCount - next)) else {
      throw StudyError(
        .malformed, file: bim.path, "truncated while it was read",
        remedy: "leave the file as it is during a run")
    }
    defer {
      next += block.count
      progress.reach(next)
    }
    return PlinkChunk(context: context, bim: block, firstOrdinal: next)
  }
}

private struct PlinkContext: Sendable {
  let bed: BedFile
  let bimPath: String
  let gather: SampleGather
  let codes: ChromosomeCodes
  let selector: RecordSelector
}

private struct PlinkChunk: GenotypeChunk {
  let context: PlinkContext
  let bim: TextBlock
  let firstOrdinal: Int

  func decode() throws(StudyError) -> GenotypeBlock {
    let (ordinals, variants) = try selected()
    let gather = context.gather
    guard let first = ordinals.first, let last = ordinals.last else {
      return GenotypeBlock(sampleCount: gather.count, ordinals: [], variants: [], dosages: .hardCalls([]))
    }
    let stride = (gather.columns + 3) / 4
    let packed = try context.bed.read(offset: 3 + first * stride, count: (last - first + 1) * stride)
    var rows = DosageRows<UInt8>(rows: ordinals.count, gather: gather)
    try packed.withUnsafeBufferPointer { (bytes) throws(StudyError) in
      for ordinal in ordinals {
        _ = try rows.append { (row) throws(StudyError) in
          gd_plink_codes(bytes.baseAddress! + (ordinal - first) * stride, Int64(gather.columns), row)
          return true
        }
      }
    }
    return GenotypeBlock(
      sampleCount: gather.count, ordinals: ordinals, variants: variants, dosages: rows.dosages())
  }

  private func selected() throws(StudyError) -> (ordinals: [Int], variants: [Variant]) {
    var selector = context.selector
    var ordinals: [Int] = []
    var variants: [Variant] = []
    try bim.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
      for index in 0..<bim.count {
        let row = try BimRow(
          bim.line(index, in: text), path: context.bimPath, number: bim.firstLine + index)
        // The first pass refused blank lines; the file has changed since.
        guard let variant = row?.variant(context.codes) else { continue }
        guard selector.admits(variant) else { continue }
        ordinals.append(firstOrdinal + index)
        variants.append(variant)
      }
    }
    return (ordinals, variants)
  }
}
