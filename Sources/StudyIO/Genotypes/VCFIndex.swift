import CHTSlib
import Glibc
import StudyData

/// An index beside a VCF or BCF, as htslib finds it.
struct IndexFile: Sendable {
  let path: String
  /// Older than the data: records written since would be lost without a word.
  let isStale: Bool

  /// Nil where there is none.
  init?(of data: String, extensions: [String]) {
    guard let path = extensions.map({ data + $0 }).first(where: LocalFile.exists) else { return nil }
    self.path = path
    isStale = LocalFile.modified(path) < LocalFile.modified(data)
  }
}

extension IndexFile {
  /// Whether all is there that a tabix or CSI index counts. htslib takes that on trust: of an index that ends too early it may free what
  /// it never had.
  ///
  /// - Complexity: one pass; holds the index.
  var isWhole: Bool { (try? Self.walk(DecompressedFile(path: path).readAll())) != nil }

  private static func walk(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      func count() throws(ByteDecoder.Failure) -> Int {
        let count = try decoder.value(Int32.self)
        guard count >= 0 else { throw ByteDecoder.Failure() }
        return Int(count)
      }
      let magic = try decoder.value(UInt32.self)
      let isCSI = magic == 0x0149_5343
      guard isCSI || magic == 0x0149_4254 else { throw ByteDecoder.Failure() }
      var (levels, contigs) = (5, 0)
      if isCSI {
        guard try count() < 32 else { throw ByteDecoder.Failure() }
        levels = try count()
        guard levels < 10 else { throw ByteDecoder.Failure() }
        try decoder.skip(count())
        contigs = try count()
      } else {
        contigs = try count()
        // Which columns hold what; the contigs' names.
        try decoder.skip(24)
        try decoder.skip(count())
      }
      let bins = ((1 << (3 * levels + 3)) - 1) / 7
      for _ in 0..<contigs {
        for _ in 0..<(try count()) {
          let bin = Int(try decoder.value(UInt32.self))
          // One behind the last holds totals.
          guard bin < bins || bin == bins + 1 else { throw ByteDecoder.Failure() }
          if isCSI { try decoder.skip(8) }
          try decoder.skip(16 * count())
        }
        if !isCSI { try decoder.skip(8 * count()) }
      }
    }
  }
}

/// The tabix or CSI index of a VCF.
final class RegionIndex {
  fileprivate let handle: UnsafeMutablePointer<tbx_t>

  /// Nil where the index cannot be read.
  init?(path: String, index: String) {
    HTSLibrary.silence
    guard let handle = tbx_index_load3(path, index, HTS_IDX_SILENT_FAIL) else { return nil }
    self.handle = handle
  }

  deinit { tbx_destroy(handle) }

  /// Contigs with records.
  var names: [String] {
    var count: Int32 = 0
    guard let names = tbx_seqnames(handle, &count) else { return [] }
    defer { free(names) }
    return (0..<Int(count)).compactMap { names[$0].map { String(cString: $0) } }
  }
}

/// Walks the records of some regions through the index.
final class TabixQuery {
  let progress: ReadProgress
  private let path: String
  private let index: RegionIndex
  private let file: UnsafeMutablePointer<htsFile>
  private let regions: [(contig: Int, start: Int, end: Int)]
  private var nextRegion = 0
  private var iterator: UnsafeMutablePointer<hts_itr_t>?
  private var line = kstring_t()

  init?(path: String, index: String, regions: [GenomicRegion]) {
    guard let index = RegionIndex(path: path, index: index), let file = hts_open(path, "r") else {
      return nil
    }
    self.path = path
    self.index = index
    self.file = file
    let names = index.names
    self.regions = mergedRegions(regions, contigs: names).map { region in
      (Int(tbx_name2id(index.handle, names[region.contig])), region.start, region.end)
    }
    progress = ReadProgress(total: self.regions.count)
  }

  deinit {
    if let iterator { hts_itr_destroy(iterator) }
    hts_close(file)
    free(line.s)
  }

  /// Appends the next record, with a newline, to `text`.
  func next(into text: inout [UInt8]) throws(StudyError) -> Bool {
    while true {
      guard let iterator else {
        guard nextRegion < regions.count else { return false }
        let region = regions[nextRegion]
        nextRegion += 1
        self.iterator = tabix_query(
          index.handle, Int32(region.contig), Int64(max(region.start, 1) - 1), Int64(region.end))
        if self.iterator == nil { throw LocalFile.staleIndex(path) }
        continue
      }
      let code = tabix_next(file, index.handle, iterator, &line)
      if code < -1 { throw .damaged(path) }
      if code < 0 {
        hts_itr_destroy(iterator)
        self.iterator = nil
        progress.reach(nextRegion)
        continue
      }
      // A long deletion is found by every region it overlaps; it belongs to the one where it starts.
      guard Int(iterator.pointee.curr_beg) + 1 >= regions[nextRegion - 1].start else { continue }
      text.append(contentsOf: UnsafeRawBufferPointer(start: line.s, count: line.l))
      text.append(10)
      return true
    }
  }
}

/// Records of some regions of a text VCF. State is touched only by ``nextChunk()``, whose calls the caller serialises.
final class VCFRegionStream: GenotypeStream, @unchecked Sendable {
  private let query: TabixQuery
  private let context: VCFContext
  private let blockSize: Int
  private var nextOrdinal = 0

  init(query: TabixQuery, context: VCFContext, blockSize: Int) {
    self.query = query
    self.context = context
    self.blockSize = blockSize
  }

  var fractionRead: Double { query.progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    var text: [UInt8] = []
    var ends: [Int] = []
    while ends.count < blockSize, try query.next(into: &text) { ends.append(text.count - 1) }
    guard !ends.isEmpty else { return nil }
    let block = TextBlock(bytes: text, lineEnds: ends, firstLine: 1)
    defer { nextOrdinal += VCFChunk.ordinals(of: block) }
    return VCFChunk(context: context, block: block, firstOrdinal: nextOrdinal, hasLineNumbers: false)
  }
}

extension LocalFile {
  static func staleIndex(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "the index cannot be used",
      remedy: "make it again (tabix -f -p vcf, bcftools index -f)")
  }
}
