import CHTSlib
import CScanKernels
import Glibc
import StudyData

/// An open BCF and its header. The header is not written after opening, so chunks share it.
final class BCFFile: @unchecked Sendable {
  let path: String
  let size: Int
  let header: UnsafeMutablePointer<bcf_hdr_t>
  fileprivate let file: UnsafeMutablePointer<htsFile>

  /// - Parameter workers: threads that inflate.
  init(path: String, workers: Int = 1) throws(StudyError) {
    size = try LocalFile.size(of: path)
    HTSLibrary.silence
    errno = 0
    guard let file = hts_open(path, "r") else { throw .unreadable(path, errno) }
    if let compressed = hts_get_bgzfp(file), bgzf_compression(compressed) == 2,
      bgzf_check_EOF(compressed) == 0
    {
      hts_close(file)
      throw .truncated(path)
    }
    guard let header = bcf_hdr_read(file) else {
      hts_close(file)
      throw StudyError(
        .malformed, file: path, "the BCF header cannot be read (damaged, or a sample occurs twice)",
        remedy: "make the file again")
    }
    // Without its threads htslib reads on, only slower.
    if workers > 1 { _ = hts_set_threads(file, Int32(workers)) }
    self.path = path
    self.file = file
    self.header = header
  }

  deinit {
    bcf_hdr_destroy(header)
    hts_close(file)
  }

  var sampleCount: Int { Int(header.pointee.n.2) }

  /// The header as a VCF has it, so that one reader serves both.
  func textHeader() throws(StudyError) -> VCFHeader {
    var text = kstring_t()
    defer { free(text.s) }
    guard bcf_hdr_format(header, 0, &text) == 0, text.s != nil else { throw .damaged(path) }
    return try VCFHeader(text: String(cString: text.s), path: path)
  }

  fileprivate func malformed(_ record: Int?, _ cause: String, _ remedy: String) -> StudyError {
    StudyError(.malformed, file: path, line: record, cause, remedy: remedy)
  }
}

/// The CSI index of a BCF.
final class BCFIndex {
  fileprivate let handle: OpaquePointer
  let names: [String]
  fileprivate let ids: [Int]

  /// Nil where the index cannot be read.
  init?(file: BCFFile, index: String) {
    guard let handle = bcf_index_load3(file.path, index, HTS_IDX_SILENT_FAIL) else { return nil }
    self.handle = handle
    var names: [String] = []
    var ids: [Int] = []
    for id in 0..<Int(hts_idx_nseq(handle)) {
      var mapped: UInt64 = 0
      var unmapped: UInt64 = 0
      guard hts_idx_get_stat(handle, Int32(id), &mapped, &unmapped) == 0,
        let name = bcf_contig_name(file.header, Int32(id))
      else { continue }
      names.append(String(cString: name))
      ids.append(id)
    }
    self.names = names
    self.ids = ids
  }

  deinit { hts_idx_destroy(handle) }
}

/// Walks the records of some regions through the index.
final class BCFQuery {
  private let file: BCFFile
  private let index: BCFIndex
  private let regions: [(contig: Int, start: Int, end: Int)]
  private var nextRegion = 0
  private var iterator: UnsafeMutablePointer<hts_itr_t>?

  init?(file: BCFFile, index: String, regions: [GenomicRegion]) {
    guard let index = BCFIndex(file: file, index: index) else { return nil }
    self.file = file
    self.index = index
    self.regions = mergedRegions(regions, contigs: index.names)
  }

  deinit { if let iterator { hts_itr_destroy(iterator) } }

  var fraction: Double { Double(nextRegion) / Double(max(regions.count, 1)) }

  func next(into record: UnsafeMutablePointer<bcf1_t>) throws(StudyError) -> Bool {
    while true {
      guard let iterator else {
        guard nextRegion < regions.count else { return false }
        let region = regions[nextRegion]
        nextRegion += 1
        self.iterator = bcf_query(
          index.handle, Int32(index.ids[region.contig]), Int64(max(region.start, 1) - 1),
          Int64(region.end))
        if self.iterator == nil { throw LocalFile.staleIndex(file.path) }
        continue
      }
      let code = bcf_query_next(file.file, iterator, record)
      if code < -1 { throw .damaged(file.path) }
      if code < 0 {
        hts_itr_destroy(iterator)
        self.iterator = nil
        continue
      }
      // A long deletion is found by every region it overlaps; it belongs to the one where it starts.
      if Int(record.pointee.pos) + 1 >= regions[nextRegion - 1].start { return true }
    }
  }
}

/// Records of a BCF, all or some regions. State is touched only by ``nextChunk()``, whose calls the caller serialises.
final class BCFStream: GenotypeStream, @unchecked Sendable {
  private let file: BCFFile
  private let query: BCFQuery?
  private let context: VCFContext
  private let blockSize: Int
  private let progress: ReadProgress
  private var nextRecord = 0
  private var nextOrdinal = 0

  init(file: BCFFile, query: BCFQuery?, context: VCFContext, blockSize: Int) {
    self.file = file
    self.query = query
    self.context = context
    self.blockSize = blockSize
    progress = ReadProgress(total: query == nil ? file.size : 1_000_000)
  }

  var fractionRead: Double { progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    let records = BCFRecords()
    while records.count < blockSize {
      guard let record = bcf_init() else {
        throw StudyError(
          .environment, file: file.path, "no memory for a record", remedy: "make more memory available")
      }
      records.append(record)
      guard try read(record) else {
        records.removeLast()
        break
      }
    }
    if let query {
      progress.reach(Int(query.fraction * 1_000_000))
    } else if let compressed = hts_get_bgzfp(file.file) {
      progress.reach(Int(bgzf_position(compressed)))
    }
    guard records.count > 0 else { return nil }
    defer {
      nextRecord += records.count
      nextOrdinal += (0..<records.count).reduce(0) { $0 + records.ordinals(of: $1) }
    }
    return BCFChunk(
      file: file, context: context, records: records, firstOrdinal: nextOrdinal,
      firstRecord: query == nil ? nextRecord : nil)
  }

  private func read(_ record: UnsafeMutablePointer<bcf1_t>) throws(StudyError) -> Bool {
    if let query { return try query.next(into: record) }
    let code = bcf_read(file.file, file.header, record)
    guard code >= -1 else { throw .damaged(file.path) }
    return code == 0
  }
}

/// Records as read; each chunk's are unpacked by the one thread that decodes it.
private final class BCFRecords: @unchecked Sendable {
  private var records: [UnsafeMutablePointer<bcf1_t>] = []

  var count: Int { records.count }
  subscript(index: Int) -> UnsafeMutablePointer<bcf1_t> { records[index] }
  func append(_ record: UnsafeMutablePointer<bcf1_t>) { records.append(record) }
  func removeLast() { bcf_destroy(records.removeLast()) }

  func ordinals(of index: Int) -> Int {
    ordinalCount(alternates: Int(records[index].pointee.n_allele) - 1)
  }

  deinit { for record in records { bcf_destroy(record) } }
}

private struct BCFChunk: GenotypeChunk {
  let file: BCFFile
  let context: VCFContext
  let records: BCFRecords
  let firstOrdinal: Int
  /// From 0; nil for records found through an index.
  let firstRecord: Int?

  func decode() throws(StudyError) -> GenotypeBlock {
    switch context.field {
    case .gt:
      var rows = DosageRows<UInt8>(rows: records.count, gather: context.gather)
      return try decode(&rows, readCalls) { $0.dosages() }
    case .ds, .gp:
      var rows = DosageRows<Float>(rows: records.count, gather: context.gather)
      return try decode(&rows, readDosages) { $0.dosages() }
    }
  }

  /// Fills a row with the dosages of an allele; false where the genotypes do not fit the record's alleles.
  private typealias RowReader<Value> = (Int, gd_allele, inout BCFScratch, UnsafeMutablePointer<Value>)
    throws(StudyError) -> Bool

  private func decode<Value>(
    _ rows: inout DosageRows<Value>, _ readRow: RowReader<Value>,
    _ dosages: (DosageRows<Value>) -> GenotypeBlock.Dosages
  ) throws(StudyError) -> GenotypeBlock {
    var selector = context.selector
    var scratch = BCFScratch()
    defer { scratch.release() }
    var ordinal = firstOrdinal
    var ordinals: [Int] = []
    var variants: [Variant] = []
    var drops: [Drop] = []
    for index in 0..<records.count {
      defer { ordinal += records.ordinals(of: index) }
      let (alternates, alleles) = try alternates(index)
      for (number, variant) in alternates.enumerated() where selector.admits(variant) {
        var drop = alleles < 2 ? VCFContext.noAlternate(variant) : nil
        if drop == nil { drop = try qualityDrop(index, number, alleles, variant, &scratch) }
        if let drop {
          drops.append(drop)
          continue
        }
        let allele = gd_allele(alleles: Int32(alleles), counted: Int32(number + 1))
        let kept = try rows.append { (row) throws(StudyError) in
          try readRow(index, allele, &scratch, row)
        }
        guard kept else {
          drops.append(VCFContext.alleleMismatch(variant))
          continue
        }
        ordinals.append(ordinal + number)
        variants.append(variant)
      }
    }
    return GenotypeBlock(
      sampleCount: context.gather.count, ordinals: ordinals, variants: variants, dosages: dosages(rows),
      drops: drops)
  }

  /// A variant for each ALT, one where there is none, and the number of alleles.
  private func alternates(_ index: Int) throws(StudyError) -> ([Variant], alleles: Int) {
    let record = records[index]
    guard bcf_unpack(record, BCF_UN_STR) == 0, Int(record.pointee.n_sample) == context.gather.columns,
      let contig = bcf_contig_name(file.header, record.pointee.rid), let id = record.pointee.d.id,
      record.pointee.pos >= -1
    else {
      throw malformed(index, "the record does not fit the header", "make the file again")
    }
    let alleles = (0..<Int(record.pointee.n_allele)).map { String(cString: record.pointee.d.allele[$0]!) }
    let alts = alleles.dropFirst().filter { $0 != "." }
    let variants = splitAlleles(
      fileID: String(cString: id), chromosome: String(cString: contig),
      position: Int(record.pointee.pos) + 1, ref: alleles.first ?? ".", alts: alts.isEmpty ? ["."] : alts)
    return (variants, 1 + alts.count)
  }

  /// - Parameter number: of the ALT, from 0.
  private func qualityDrop(
    _ index: Int, _ number: Int, _ alleles: Int, _ variant: Variant, _ scratch: inout BCFScratch
  ) throws(StudyError) -> Drop? {
    guard let minimum = context.selector.selection.minimumInfo else { return nil }
    let count = bcf_get_info_values(
      file.header, records[index], minimum.field, &scratch.info, &scratch.infoCapacity, BCF_HT_REAL)
    guard count != -2 else {
      throw malformed(
        index, "INFO \(minimum.field) is not a number in the header",
        "name a field of Type=Float with one number per record")
    }
    let own = count == 1 ? 0 : Int(count) == alleles - 1 ? number : nil
    let value = own.flatMap { scratch.info?.assumingMemoryBound(to: Float.self)[$0] }
    return minimum.drop(variant, quality: value.map(Double.init))
  }

  private func readCalls(
    _ index: Int, _ allele: gd_allele, _ scratch: inout BCFScratch, _ row: UnsafeMutablePointer<UInt8>
  ) throws(StudyError) -> Bool {
    let count = try values(index, &scratch, BCF_HT_INT)
    return try calls(index, allele, count, scratch, row)
  }

  /// Codes from the alleles that `scratch` holds.
  private func calls(
    _ index: Int, _ allele: gd_allele, _ count: Int, _ scratch: BCFScratch, _ row: UnsafeMutablePointer<UInt8>
  ) throws(StudyError) -> Bool {
    let columns = context.gather.columns
    guard count == columns || count == 2 * columns else {
      throw malformed(
        index, "a call has more than two alleles", "only haploid and diploid calls can be analysed")
    }
    let alleles = scratch.values!.assumingMemoryBound(to: Int32.self)
    return gd_bcf_calls(alleles, Int64(count / columns), allele, Int64(columns), row) == Int32(gd_ok)
  }

  private func readDosages(
    _ index: Int, _ allele: gd_allele, _ scratch: inout BCFScratch, _ row: UnsafeMutablePointer<Float>
  ) throws(StudyError) -> Bool {
    let columns = context.gather.columns
    let total = try values(index, &scratch, BCF_HT_REAL)
    let read = scratch.values!.assumingMemoryBound(to: Float.self)
    let width = total / columns
    guard total % columns == 0 else {
      throw malformed(index, "the record does not fit the header", "make the file again")
    }
    let result = gd_bcf_dosages(read, Int64(width), allele, context.field == .gp, Int64(columns), row)
    let name = context.field.rawValue
    switch Int(result.status) {
    case gd_ok: break
    case gd_value_count: return false
    case gd_not_probabilities:
      throw malformed(
        index, "\(name) of sample column \(result.column + 1) is negative or does not add up to one",
        "probabilities are from 0 to 1, not Phred-scaled: recode the field, or choose another --dosage-field")
    default:
      throw malformed(
        index,
        "\(name) of sample column \(result.column + 1) is outside 0…2: \(read[Int(result.column) * width])",
        "dosages count ALT alleles: recode the field, or choose another --dosage-field")
    }
    guard UnsafeBufferPointer(start: row, count: columns).contains(where: \.isNaN) else { return true }
    let count = try found(index, "GT", &scratch, BCF_HT_INT)
    guard count > 0 else { return true }
    var codes = [UInt8](repeating: 0, count: columns)
    return try codes.withUnsafeMutableBufferPointer { (codes) throws(StudyError) -> Bool in
      guard try calls(index, allele, count, scratch, codes.baseAddress!) else { return false }
      gd_fill_from_calls(row, codes.baseAddress!, Int64(columns))
      return true
    }
  }

  private func values(_ index: Int, _ scratch: inout BCFScratch, _ type: Int32) throws(StudyError) -> Int {
    let name = context.field.rawValue
    let count = try found(index, name, &scratch, type)
    guard count > 0 else {
      throw malformed(
        index, count == -2 ? "\(name) has another type in the header" : "the record has no \(name)",
        "choose another --dosage-field, or drop records without \(name) (bcftools view -i)")
    }
    return count
  }

  /// Puts a field's values into `scratch`; how many there are, negative where htslib finds none.
  private func found(_ index: Int, _ name: String, _ scratch: inout BCFScratch, _ type: Int32)
    throws(StudyError) -> Int
  {
    // htslib ends the process where the values are not numbers.
    switch bcf_get_fmt(file.header, records[index], name)?.pointee.type {
    case nil, BCF_BT_INT8, BCF_BT_INT16, BCF_BT_INT32, BCF_BT_FLOAT: break
    default: throw malformed(index, "the values of \(name) are not numbers", "make the file again")
    }
    return Int(
      bcf_get_format_values(file.header, records[index], name, &scratch.values, &scratch.capacity, type))
  }

  private func malformed(_ index: Int, _ cause: String, _ remedy: String) -> StudyError {
    let record = records[index]
    let contig = bcf_contig_name(file.header, record.pointee.rid).map { String(cString: $0) } ?? "?"
    return file.malformed(
      firstRecord.map { $0 + index + 1 },
      "record \(contig):\(record.pointee.pos + 1): \(cause)", remedy)
  }
}

/// Buffers that htslib grows.
private struct BCFScratch {
  var values: UnsafeMutableRawPointer?
  var capacity: Int32 = 0
  var info: UnsafeMutableRawPointer?
  var infoCapacity: Int32 = 0

  func release() {
    free(values)
    free(info)
  }
}
