import CScanKernels
import StudyData

/// One variant's record within a PGEN.
struct PgenRecord: Sendable {
  /// 0-based number of the variant.
  let number: Int
  let type: Int32
  let start: Int
  let length: Int
}

/// An open PGEN: what its header says, and where its records are.
///
/// The header stays in the file, which is mapped: memory is independent of the number of variants.
/// - Source: PLINK 2 file format specification draft (chrchang/plink-ng, pgen_spec), §2.
final class PgenFile: Sendable {
  /// How variants are stored.
  enum Storage: Sendable {
    /// PLINK 1's two bits: its own codes.
    case plink
    /// Records of one type and size.
    case fixed(type: Int32, width: Int)
    /// Records of any type and size, listed in the header by blocks of 2^16.
    case listed(PgenIndex)
  }

  let data: MappedFile
  let storage: Storage
  let sampleCount: Int
  let variantCount: Int
  /// Of the first record, where records follow one another without a list.
  let firstRecord: Int

  var path: String { data.path }

  /// Of an index apart from the records.
  var indexPath: String? {
    if case .listed(let index) = storage, index.path != path { return index.path }
    return nil
  }

  /// - Parameters:
  ///   - samples: as the psam file has them.
  ///   - variants: as the pvar file has them.
  /// - Throws: `environment` when the file cannot be read, `malformed` when it breaks its format or is truncated,
  ///   `inconsistent` when it has other numbers of samples or variants.
  init(path: String, samples: Int, variants: Int) throws(StudyError) {
    data = try MappedFile(path: path)
    (sampleCount, variantCount) = (samples, variants)
    let bytes = data.bytes
    guard bytes.starts(with: [0x6C, 0x1B]) else {
      throw StudyError(
        .malformed, file: path, "not a PLINK 2 pgen file: it does not start with the bytes 6c 1b",
        remedy: "make it with plink2 --make-pgen")
    }
    let mode = bytes.count > 2 ? bytes[2] : 0
    switch mode {
    case 0x01:
      storage = .plink
      firstRecord = 3
    case 0x02, 0x03, 0x04:
      let header = try PgenHeader(data)
      try header.check(samples: samples, variants: variants)
      firstRecord = try header.endWithoutList()
      let packed = (samples + 3) / 4
      storage =
        switch mode {
        case 0x02: .fixed(type: 0, width: packed)
        case 0x03: .fixed(type: 0x40, width: packed + 2 * samples)
        default: .fixed(type: 0xC0, width: packed + 4 * samples)
        }
    case 0x10, 0x11:
      let header = try PgenHeader(data)
      try header.check(samples: samples, variants: variants)
      storage = .listed(try PgenIndex(header, records: data))
      firstRecord = 0
    case 0x20, 0x21:
      let beside = try MappedFile(path: path + ".pgi")
      guard beside.bytes.starts(with: [0x6C, 0x1B, mode + 0x10]) else {
        throw StudyError(
          .malformed, file: beside.path, "not the index of this pgen file",
          remedy: "make the file set again (plink2 --make-pgen)")
      }
      let header = try PgenHeader(beside)
      try header.check(samples: samples, variants: variants)
      storage = .listed(try PgenIndex(header, records: data))
      firstRecord = 0
    default:
      guard mode > 0 else {
        throw StudyError(
          .malformed, file: path, bytes.count > 2 ? "a sample-major bed file" : "truncated in its header",
          remedy: "make it again with plink2 --make-pgen")
      }
      throw StudyError(
        .malformed, file: path, "storage mode \(mode) is not known",
        remedy: "write the file again with plink2 --make-pgen")
    }
    switch storage {
    case .plink: try checkSize(width: (samples + 3) / 4)
    case .fixed(_, let width): try checkSize(width: width)
    case .listed(let index): try index.checkRecords()
    }
  }

  /// Of records of one size.
  private func checkSize(width: Int) throws(StudyError) {
    let expected = firstRecord + width * variantCount
    guard data.bytes.count != expected else { return }
    let counts =
      "\(sampleCount) samples × \(variantCount) variants need \(expected) bytes, found \(data.bytes.count)"
    guard case .plink = storage else {
      throw StudyError(
        .malformed, file: path, (data.bytes.count < expected ? "truncated: " : "") + counts,
        remedy: "copy or make the file set again")
    }
    throw StudyError(
      .inconsistent, file: path, counts + ": truncated, or the psam or pvar file belongs to another set",
      remedy: "give the pgen, pvar and psam files of one PLINK run")
  }
}

/// The twelve bytes at the start of a PGEN or of its index.
struct PgenHeader {
  let file: MappedFile
  let variantCount: Int
  let sampleCount: Int
  /// How what follows is laid out.
  private let format: UInt8

  static let size = 12

  init(_ file: MappedFile) throws(StudyError) {
    self.file = file
    guard file.bytes.count >= Self.size else { throw Self.truncated(file.path) }
    variantCount = Int(file.number(at: 3, width: 4))
    sampleCount = Int(file.number(at: 7, width: 4))
    format = file.bytes[11]
  }

  static func truncated(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "truncated in its header", remedy: "copy or make the file set again")
  }

  func check(samples: Int, variants: Int) throws(StudyError) {
    guard sampleCount != samples || variantCount != variants else { return }
    throw StudyError(
      .inconsistent, file: file.path,
      "it has \(sampleCount) samples × \(variantCount) variants, but the psam file has \(samples) and the pvar file "
        + "\(variants)", remedy: "give the pgen, pvar and psam files of one PLINK run")
  }

  /// Bytes of a list's entries: types of 4 bits or of 8, lengths, counts of alleles.
  func listWidths() throws(StudyError) -> (typeBits: Int, length: Int, alleles: Int) {
    let kind = Int(format & 15)
    guard kind < 8 else {
      throw StudyError(
        .malformed, file: file.path, "the header's format \(kind) is not known",
        remedy: "write the file again with plink2 --make-pgen")
    }
    return (kind < 4 ? 4 : 8, kind % 4 + 1, Int(format >> 4 & 3))
  }

  /// Whether a bit per variant says that its REF is provisional.
  var hasReferenceFlags: Bool { format >> 6 == 3 }

  /// The end of the header of a storage mode that lists no records.
  func endWithoutList() throws(StudyError) -> Int {
    guard format & 0x3F == 0 else {
      throw StudyError(
        .malformed, file: file.path, "its header lists records, which its storage mode does not have",
        remedy: "write the file again with plink2 --make-pgen")
    }
    return Self.size + (hasReferenceFlags ? (variantCount + 7) / 8 : 0)
  }
}

/// Types and lengths of a PGEN's records, as its header lists them by blocks of 2^16 variants.
///
/// Extensions of the header (storage modes 0x11 and 0x21) stand behind the lists and before the first record, so they need no reading.
final class PgenIndex: Sendable {
  private let lists: MappedFile
  private let records: MappedFile
  private let variantCount: Int
  private let typeBits: Int
  private let lengthWidth: Int
  private let alleleWidth: Int
  /// Of a whole block's lists.
  private let blockSize: Int
  /// Of the first block's lists.
  private let body: Int

  static let blockVariants = 1 << 16

  var path: String { lists.path }

  init(_ header: PgenHeader, records: MappedFile) throws(StudyError) {
    lists = header.file
    self.records = records
    variantCount = header.variantCount
    (typeBits, lengthWidth, alleleWidth) = try header.listWidths()
    let (typeBits, each) = (typeBits, lengthWidth + alleleWidth)
    let flags = header.hasReferenceFlags
    func size(of count: Int) -> Int {
      (count * typeBits + 7) / 8 + count * each + (flags ? (count + 7) / 8 : 0)
    }
    blockSize = size(of: Self.blockVariants)
    let blocks = (variantCount + Self.blockVariants - 1) / Self.blockVariants
    body = PgenHeader.size + 8 * blocks
    let last = variantCount - (blocks - 1) * Self.blockVariants
    guard lists.bytes.count >= body + (blocks - 1) * blockSize + size(of: last) else {
      throw PgenHeader.truncated(lists.path)
    }
  }

  /// Where in the file the lists of a variant's block are, and the variant within the block.
  private func place(_ number: Int) -> (lists: Int, count: Int, index: Int) {
    let (block, index) = number.quotientAndRemainder(dividingBy: Self.blockVariants)
    return (body + block * blockSize, min(Self.blockVariants, variantCount - number + index), index)
  }

  private func typeBytes(_ count: Int) -> Int { (count * typeBits + 7) / 8 }

  func type(_ number: Int) -> Int32 {
    let (lists, _, index) = place(number)
    if typeBits == 8 { return Int32(self.lists.bytes[lists + index]) }
    return Int32(self.lists.bytes[lists + index / 2] >> UInt8(index % 2 * 4) & 15)
  }

  func length(_ number: Int) -> Int {
    let (lists, count, index) = place(number)
    return Int(
      self.lists.number(at: lists + typeBytes(count) + index * lengthWidth, width: lengthWidth))
  }

  /// REF and the ALTs; nil where only the pvar file says.
  func alleleCount(_ number: Int) -> Int? {
    guard alleleWidth > 0 else { return nil }
    let (lists, count, index) = place(number)
    let counts = lists + typeBytes(count) + count * lengthWidth
    return Int(self.lists.number(at: counts + index * alleleWidth, width: alleleWidth))
  }

  /// Where a block's first record is; nil for what cannot be a place in the file.
  func start(ofBlock block: Int) -> Int? {
    Int(exactly: lists.number(at: PgenHeader.size + 8 * block, width: 8)).flatMap {
      $0 <= records.bytes.count ? $0 : nil
    }
  }

  /// - Throws: `malformed` when a record's end is beyond the file's.
  /// - Complexity: O(variants).
  func checkRecords() throws(StudyError) {
    for first in stride(from: 0, to: variantCount, by: Self.blockVariants) {
      let (lists, count, _) = place(first)
      let offset = lists + typeBytes(count)
      var sum = 0
      for index in 0..<count {
        sum += Int(self.lists.number(at: offset + index * lengthWidth, width: lengthWidth))
      }
      guard let start = start(ofBlock: first / Self.blockVariants), sum <= records.bytes.count - start else {
        throw StudyError(
          .malformed, file: records.path,
          "truncated: records \(first + 1)…\(first + count) end behind the file's last byte",
          remedy: "copy or make the file set again")
      }
    }
  }
}

/// Goes through the records of a PGEN in order, from any of them on.
struct PgenCursor: Sendable {
  private let file: PgenFile
  /// The number of the next record.
  private(set) var next: Int
  /// Where it is.
  private var offset = 0
  /// The last record before it that relative ones refer to.
  private(set) var anchor: PgenRecord?

  /// - Complexity: O(2^16): lengths are added up from the start of the variant's block.
  init(_ file: PgenFile, at number: Int = 0) throws(StudyError) {
    self.file = file
    guard case .listed = file.storage else {
      next = number
      return
    }
    next = number / PgenIndex.blockVariants * PgenIndex.blockVariants
    while next < number { _ = try advance() }
  }

  /// The next record.
  ///
  /// - Throws: `malformed` when it cannot be where the header puts it, or refers to none.
  mutating func advance() throws(StudyError) -> PgenRecord {
    defer { next += 1 }
    switch file.storage {
    case .plink:
      let width = (file.sampleCount + 3) / 4
      return PgenRecord(number: next, type: 0, start: file.firstRecord + next * width, length: width)
    case .fixed(let type, let width):
      return PgenRecord(number: next, type: type, start: file.firstRecord + next * width, length: width)
    case .listed(let index):
      if next % PgenIndex.blockVariants == 0 {
        guard let start = index.start(ofBlock: next / PgenIndex.blockVariants) else { throw misplaced() }
        offset = start
        anchor = nil
      }
      let record = PgenRecord(
        number: next, type: index.type(next), start: offset, length: index.length(next))
      guard record.length <= file.data.bytes.count - offset else { throw misplaced() }
      offset += record.length
      if pg_is_relative(record.type) == 0 {
        anchor = record
      } else if anchor == nil {
        throw StudyError(
          .malformed, file: file.path, line: next + 1, "the record refers to one before its block",
          remedy: "make the file set again")
      }
      return record
    }
  }

  private func misplaced() -> StudyError {
    StudyError(
      .malformed, file: file.path, line: next + 1, "the record's place is beyond the file's end",
      remedy: "copy or make the file set again")
  }
}
