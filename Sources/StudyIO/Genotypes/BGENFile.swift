import Glibc
import StudyData

/// An open BGEN and its header; positioned reads, so that chunks could share it.
///
/// Nothing in the file is trusted: every length is checked against the size of the file before it is used.
final class BGENFile: Sendable {
  let path: String
  let size: Int
  let variantCount: Int
  let sampleCount: Int
  let compression: Compression
  /// Offset of the first variant's record.
  let firstRecord: Int
  /// Offset of the block of sample names; nil where the file has none.
  private let namesOffset: Int?
  private let descriptor: Int32

  enum Compression: UInt32 {
    case none = 0
    case zlib = 1
    case zstd = 2
  }

  static func isBGEN(_ start: [UInt8]) -> Bool {
    start.count >= 20 && start[16..<20].elementsEqual("bgen".utf8)
  }

  init(path: String) throws(StudyError) {
    self.path = path
    size = try LocalFile.size(of: path)
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    let start = try readBytes(descriptor, at: 0, count: min(size, 20), path)
    guard Self.isBGEN(start) else {
      throw Self.malformed(path, "not a BGEN file: bytes 17 to 20 are not 'bgen'", "give a BGEN v1.2 file")
    }
    let offset = Int(start.number(UInt32.self, at: 0))
    let headerLength = Int(start.number(UInt32.self, at: 4))
    variantCount = Int(start.number(UInt32.self, at: 8))
    sampleCount = Int(start.number(UInt32.self, at: 12))
    firstRecord = offset + 4
    guard headerLength >= 20, headerLength <= offset, firstRecord <= size else {
      throw Self.malformed(
        path, "the header is damaged or the file is cut short (\(size) bytes)", "copy or make the file again")
    }
    // The flags are the last four bytes of the header.
    let flags = try readBytes(descriptor, at: headerLength, count: 4, path).number(UInt32.self, at: 0)
    guard flags >> 2 & 15 == 2 else {
      throw Self.malformed(
        path, "a BGEN file of layout \(flags >> 2 & 15); only layout 2 (BGEN v1.2 and v1.3) is read",
        "convert it: plink2 --bgen FILE ref-first --export bgen-1.2 ref-first bits=8")
    }
    guard let compression = Compression(rawValue: flags & 3) else {
      throw Self.malformed(path, "the compression is of an unknown kind (3)", "make the file again")
    }
    self.compression = compression
    namesOffset = flags >> 31 == 1 ? headerLength + 4 : nil
    guard sampleCount > 0 else {
      throw Self.malformed(path, "the file has no samples", "give a BGEN file with genotypes")
    }
    guard variantCount <= (size - firstRecord) / BGENRecord.shortest else {
      throw Self.malformed(
        path, "truncated: \(variantCount) variants do not fit \(size) bytes", "copy or make the file again")
    }
  }

  deinit { close(descriptor) }

  /// The names of the samples, nil where the file has none.
  func sampleNames() throws(StudyError) -> [String]? {
    guard let namesOffset else { return nil }
    func damaged(_ cause: String) -> StudyError {
      Self.malformed(path, "the block of sample names \(cause)", "make the file again")
    }
    guard firstRecord - namesOffset >= 8 else { throw damaged("does not fit the header") }
    let head = try read(at: namesOffset, count: 8)
    let length = Int(head.number(UInt32.self, at: 0))
    guard length >= 8, length <= firstRecord - namesOffset else { throw damaged("does not fit the header") }
    let named = Int(head.number(UInt32.self, at: 4))
    guard named == sampleCount else {
      throw damaged("names \(named) samples; the header counts \(sampleCount)")
    }
    let bytes = try read(at: namesOffset + 8, count: length - 8)
    guard sampleCount <= bytes.count / 2 else { throw damaged("is cut short") }
    var names: [String] = []
    names.reserveCapacity(sampleCount)
    var at = 0
    for _ in 0..<sampleCount {
      guard bytes.count - at >= 2 else { throw damaged("is cut short") }
      let end = at + 2 + Int(bytes.number(UInt16.self, at: at))
      guard end <= bytes.count else { throw damaged("is cut short") }
      names.append(String(decoding: bytes[(at + 2)..<end], as: UTF8.self))
      at = end
    }
    guard !names.contains("") else { throw damaged("has an empty name") }
    if let duplicate = firstDuplicate(names) { throw damaged("names \(duplicate) twice") }
    return names
  }

  /// - Throws: `malformed` where the file ends before.
  func read(at offset: Int, count: Int) throws(StudyError) -> [UInt8] {
    let bytes = try readBytes(descriptor, at: offset, count: count, path)
    guard bytes.count == count else { throw truncated() }
    return bytes
  }

  func truncated() -> StudyError {
    Self.malformed(path, "truncated: the file ends within a variant", "copy or make the file again")
  }

  private static func malformed(_ path: String, _ cause: String, _ remedy: String) -> StudyError {
    StudyError(.malformed, file: path, cause, remedy: remedy)
  }
}

extension [UInt8] {
  /// A number that lies in these bytes, little-endian.
  fileprivate func number<Number: FixedWidthInteger>(_: Number.Type, at offset: Int) -> Number {
    precondition(offset + MemoryLayout<Number>.size <= count)
    return withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
  }
}

/// Where the parts of a variant's record lie, by offsets from its start.
struct BGENRecord {
  let position: Int
  let alleleCount: Int
  /// The compressed block, behind its length.
  let genotypes: Range<Int>
  private let name: Range<Int>
  private let rsName: Range<Int>
  private let chromosome: Range<Int>
  private let firstAllele: Int

  /// Three empty names, position, no allele, and the length of an empty block.
  static let shortest = 3 * 2 + 4 + 2 + 4

  /// - Returns: nil where the bytes end before the genotypes begin.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var at = 0
    func number<Number: FixedWidthInteger>(_: Number.Type) -> Int? {
      guard bytes.count - at >= MemoryLayout<Number>.size else { return nil }
      defer { at += MemoryLayout<Number>.size }
      return Int(Number(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: Number.self)))
    }
    func text<Number: FixedWidthInteger>(_: Number.Type) -> Range<Int>? {
      guard let length = number(Number.self), length <= bytes.count - at else { return nil }
      defer { at += length }
      return at..<(at + length)
    }
    guard let name = text(UInt16.self), let rsName = text(UInt16.self), let chromosome = text(UInt16.self),
      let position = number(UInt32.self), let alleleCount = number(UInt16.self)
    else { return nil }
    (self.name, self.rsName, self.chromosome) = (name, rsName, chromosome)
    (self.position, self.alleleCount, firstAllele) = (position, alleleCount, at)
    for _ in 0..<alleleCount { guard text(UInt32.self) != nil else { return nil } }
    guard let length = number(UInt32.self) else { return nil }
    genotypes = at..<(at + length)
  }

  var length: Int { genotypes.upperBound }

  /// Whether the alleles can be counted.
  var isAnalysable: Bool { (2...BGENSource.mostAlleles).contains(alleleCount) }

  /// One for each allele but the first; one, too, where there are none or too many of them.
  ///
  /// - Parameter bytes: those the record was made from.
  /// - Returns: nil where a name is no text.
  func variants(_ bytes: UnsafeRawBufferPointer) -> [Variant]? {
    func string(_ range: Range<Int>) -> String? {
      for at in range where bytes[at] < 32 || bytes[at] == 127 { return nil }
      return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }
    var at = firstAllele
    func allele() -> String? {
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      defer { at += 4 + length }
      return length == 0 ? "." : string((at + 4)..<(at + 4 + length))
    }
    guard let name = string(name), let rsName = string(rsName), let chromosome = string(chromosome),
      let ref = alleleCount > 0 ? allele() : "."
    else { return nil }
    let id = rsName.isEmpty || rsName == "." ? (name.isEmpty ? "." : name) : rsName
    var alts: [String] = isAnalysable ? [] : ["."]
    while alts.count < alleleCount - 1, isAnalysable {
      guard let alt = allele() else { return nil }
      alts.append(alt)
    }
    return splitAlleles(
      fileID: id, chromosome: Self.chromosomeName(chromosome), position: position, ref: ref, alts: alts)
  }

  /// UK Biobank's `01` is 1; `NA` is none.
  static func chromosomeName(_ spelling: String) -> String {
    if spelling == "NA" { return "" }
    let bytes = spelling.utf8
    guard bytes.count == 2, bytes.first == UInt8(ascii: "0"), spelling != "00" else { return spelling }
    return String(spelling.dropFirst())
  }
}
