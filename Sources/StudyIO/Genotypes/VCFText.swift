import CScanKernels
import Glibc
import StudyData

/// All records of a text VCF. State is touched only by ``nextChunk()``, whose calls the caller serialises.
final class VCFStream: GenotypeStream, @unchecked Sendable {
  private let reader: TextBlockReader
  private let context: VCFContext
  private let blockSize: Int
  private var nextOrdinal = 0

  init(reader: TextBlockReader, context: VCFContext, blockSize: Int) {
    self.reader = reader
    self.context = context
    self.blockSize = blockSize
  }

  var fractionRead: Double { reader.progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    guard let block = try reader.nextBlock(lines: blockSize) else { return nil }
    defer { nextOrdinal += VCFChunk.ordinals(of: block) }
    return VCFChunk(context: context, block: block, firstOrdinal: nextOrdinal, hasLineNumbers: true)
  }
}

/// Lines of a text VCF.
struct VCFChunk: GenotypeChunk {
  let context: VCFContext
  let block: TextBlock
  let firstOrdinal: Int
  /// False for records found through an index.
  let hasLineNumbers: Bool

  func decode() throws(StudyError) -> GenotypeBlock {
    let columns = Int64(context.gather.columns)
    switch context.field {
    case .gt:
      var rows = DosageRows<UInt8>(rows: block.count, gather: context.gather)
      return try decode(&rows) { cells, field, _, allele, row in
        gd_vcf_calls(cells.baseAddress, Int64(cells.count), Int64(field), allele, columns, row)
      } dosages: {
        $0.dosages()
      }
    case .ds, .gp:
      var rows = DosageRows<Float>(rows: block.count, gather: context.gather)
      let probabilities = context.field == .gp
      return try decode(&rows) { cells, field, hasCalls, allele, row in
        gd_vcf_dosages(
          cells.baseAddress, Int64(cells.count), Int64(field), hasCalls, allele, probabilities, columns, row)
      } dosages: {
        $0.dosages()
      }
    }
  }

  /// Ordinals that lines take, found without parsing them; those that are no records are for ``decode()`` to refuse.
  static func ordinals(of block: TextBlock) -> Int {
    block.bytes.withUnsafeBufferPointer { text in
      (0..<block.count).reduce(0) { sum, index in
        let line = block.line(index, in: text)
        if line.isEmpty { return sum }
        let alt = line.split(separator: 9, maxSplits: 5, omittingEmptySubsequences: false).dropFirst(4).first
        return sum + ordinalCount(alternates: 1 + (alt?.count { $0 == UInt8(ascii: ",") } ?? 0))
      }
    }
  }

  /// Decodes the sample columns given the field's number, whether GT comes first, and the allele that counts.
  private typealias RowDecoder<Value> = (FieldBytes, Int, Bool, gd_allele, UnsafeMutablePointer<Value>)
    -> gd_result

  private func decode<Value>(
    _ rows: inout DosageRows<Value>, row decodeRow: RowDecoder<Value>,
    dosages: (DosageRows<Value>) -> GenotypeBlock.Dosages
  ) throws(StudyError) -> GenotypeBlock {
    var selector = context.selector
    var ordinal = firstOrdinal
    var ordinals: [Int] = []
    var variants: [Variant] = []
    var drops: [Drop] = []
    try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
      for index in 0..<block.count {
        let line = block.line(index, in: text)
        if line.isEmpty { continue }
        let record = try VCFRecord(line) { malformed(index, line, $0, $1) }
        defer { ordinal += ordinalCount(alternates: record.alleleCount - 1) }
        for (number, variant) in record.variants.enumerated() where selector.admits(variant) {
          if let drop = try dropBeforeGenotypes(record, number, index) {
            drops.append(drop)
            continue
          }
          let field = try fieldNumber(record, index)
          let allele = gd_allele(alleles: Int32(record.alleleCount), counted: Int32(number + 1))
          let kept = try rows.append { (row) throws(StudyError) -> Bool in
            let cells = record.cells
            let result = decodeRow(cells, field, record.hasCalls, allele, row)
            switch Int(result.status) {
            case gd_ok: return true
            case gd_other_allele, gd_value_count: return false
            default: throw refusal(result, cells, index, line)
            }
          }
          guard kept else {
            drops.append(VCFContext.alleleMismatch(variant))
            continue
          }
          ordinals.append(ordinal + number)
          variants.append(variant)
        }
      }
    }
    return GenotypeBlock(
      sampleCount: context.gather.count, ordinals: ordinals, variants: variants, dosages: dosages(rows),
      drops: drops)
  }

  /// - Parameter number: of the ALT, from 0.
  private func dropBeforeGenotypes(_ record: VCFRecord, _ number: Int, _ index: Int) throws(StudyError)
    -> Drop?
  {
    let variant = record.variants[number]
    if record.alleleCount < 2 { return VCFContext.noAlternate(variant) }
    guard let minimum = context.selector.selection.minimumInfo else { return nil }
    let quality = try minimum.quality(in: record.info, of: number, among: record.alleleCount - 1) {
      malformed(index, record.line, $0, $1)
    }
    return minimum.drop(variant, quality: quality)
  }

  private func fieldNumber(_ record: VCFRecord, _ index: Int) throws(StudyError) -> Int {
    let name = context.field.rawValue
    var number = 0
    for part in record.format.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
      if part.elementsEqual(name.utf8) { return number }
      number += 1
    }
    throw malformed(
      index, record.line, "the record has no \(name): its FORMAT is \(record.format.quoted)",
      "choose another --dosage-field, or drop records without \(name) (bcftools view -i)")
  }

  private func refusal(_ result: gd_result, _ cells: FieldBytes, _ index: Int, _ line: FieldBytes)
    -> StudyError
  {
    let cell = FieldBytes(rebasing: cells[Int(result.start)..<Int(result.start + result.length)])
    let sample = "sample column \(result.column + 1)"
    let name = context.field.rawValue
    switch Int(result.status) {
    case gd_too_few_cells, gd_too_many_cells:
      let few = result.status == Int32(gd_too_few_cells)
      return malformed(
        index, line,
        "the record has \(few ? "fewer" : "more") sample columns than the header's \(context.gather.columns)",
        few ? "the file may be cut short: copy or make it again" : "repair the record")
    case gd_out_of_range:
      return malformed(
        index, line, "\(name) of \(sample) is outside 0…2: \(cell.quoted)",
        "dosages count ALT alleles: recode the field, or choose another --dosage-field")
    case gd_not_probabilities:
      return malformed(
        index, line, "\(name) of \(sample) is negative or does not add up to one: \(cell.quoted)",
        "probabilities are from 0 to 1, not Phred-scaled: recode the field, or choose another --dosage-field")
    case gd_ploidy:
      return malformed(
        index, line, "the call of \(sample) has more than two alleles: \(cell.quoted)",
        "only haploid and diploid calls can be analysed")
    case gd_not_a_call:
      return malformed(
        index, line, "\(sample) holds no genotype call: \(cell.quoted)", "repair the record")
    default:
      return malformed(
        index, line, "\(name) of \(sample) is not a number: \(cell.quoted)", "repair the record")
    }
  }

  private func malformed(_ index: Int, _ line: FieldBytes, _ cause: String, _ remedy: String)
    -> StudyError
  {
    if hasLineNumbers {
      return StudyError(
        .malformed, file: context.path, line: block.firstLine + index, cause, remedy: remedy)
    }
    let place = line.split(separator: 9, maxSplits: 2).prefix(2)
      .map { FieldBytes(rebasing: $0.prefix(40)).string }.joined(separator: ":")
    return StudyError(.malformed, file: context.path, "record \(place): \(cause)", remedy: remedy)
  }
}

/// A record's fixed columns, parsed, and the bytes of the rest.
private struct VCFRecord {
  let line: FieldBytes
  /// One for each ALT; one, too, where there is none.
  let variants: [Variant]
  /// REF and the ALTs.
  let alleleCount: Int
  let info: FieldBytes
  let format: FieldBytes
  /// From the first sample to the end of the line.
  let cells: FieldBytes

  /// GT is the first field wherever it is given.
  var hasCalls: Bool { format.spells("GT") || format.starts(with: "GT:".utf8) }

  init(_ line: FieldBytes, malformed: (String, String) -> StudyError) throws(StudyError) {
    self.line = line
    var starts = [0]
    starts.reserveCapacity(10)
    while starts.count < 10 {
      let from = starts[starts.count - 1]
      guard let tab = memchr(line.baseAddress! + from, 9, line.count - from) else { break }
      starts.append(UnsafeRawPointer(tab) - UnsafeRawPointer(line.baseAddress!) + 1)
    }
    guard starts.count == 10 else {
      throw malformed(
        "a record has at least 10 columns, this one has \(starts.count)",
        "the file may be cut short, or not separated by tabs: make it again")
    }
    func field(_ index: Int) -> FieldBytes {
      FieldBytes(rebasing: line[starts[index]..<(starts[index + 1] - 1)])
    }
    guard let position = field(1).wholeNumber else {
      throw malformed("POS is not a whole number of at least 0: \(field(1).quoted)", "repair the record")
    }
    let alt = field(4)
    if [field(0), field(2), field(3), alt].contains(where: \.isEmpty) {
      throw malformed("CHROM, ID, REF or ALT is empty", "repair the record (. stands for none)")
    }
    let alts = alt.string.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    variants = splitAlleles(
      fileID: field(2).string, chromosome: field(0).string, position: position, ref: field(3).string,
      alts: alts)
    alleleCount = alt.spells(".") ? 1 : 1 + alts.count
    info = field(7)
    format = field(8)
    cells = FieldBytes(rebasing: line[starts[9]...])
  }
}
