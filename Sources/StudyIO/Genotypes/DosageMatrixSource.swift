import CScanKernels
import Glibc
public import StudyData

/// A text matrix of dosages, variants in rows (Matrix eQTL's `SNP.txt`), plain or gzip.
///
/// The header names the samples; a row holds an id, optionally chr, pos, ref and alt (recognised by their names in the
/// header), and a dosage of ALT per sample. Cells are separated by tabs, commas or blanks, as the header is.
/// R's `write.table` form, whose header lacks the first cell, and its quotes are read too.
///
/// BIMBAM's mean genotypes (GEMMA's `-g`) have no header: rows of an id, two alleles, the first of them counted, and dosages.
/// A list beside the file, `FILE.samples` without `.gz`, names the samples.
///
/// - Missing: `NA`, `NaN`, `.` or an empty cell; without locations chromosome is empty and position 0, without alleles
///   they are `.`.
/// - Units: positions are 1-based, a fraction is cut off; dosages outside [0, 2] by more than 0.001 are refused (as is -9), the rest is clamped.
/// - Complexity: a stream holds one block of lines; a locations file is held whole.
public struct DosageMatrixSource: GenotypeSource {
  public let path: String
  public let paths: [String]
  public var sampleIDs: [String] { layout.sampleIDs }
  public var variantCount: Int? { nil }
  public var notes: [String] {
    layout.samplesPath.map { list in
      [
        "\(path): BIMBAM mean genotypes: the first allele is taken as ALT, the counted one; samples from \(list)"
      ]
    } ?? []
  }
  private let layout: MatrixLayout
  private let locations: VariantLocations?

  /// - Parameter locations: a file of id, chromosome, position; it goes before columns of the matrix.
  public init(path: String, locations: String? = nil) throws(StudyError) {
    let table: VariantLocations? = if let locations { try VariantLocations(path: locations) } else { nil }
    try self.init(path: path, table: table)
  }

  /// Matrices split by chromosome share one table.
  init(path: String, table: VariantLocations?) throws(StudyError) {
    self.path = path
    layout = try MatrixLayout(reader: TextBlockReader(path: path))
    locations = table
    paths = [path] + [layout.samplesPath, table?.path].compactMap(\.self)
  }

  public func chromosomes() throws(StudyError) -> Set<String>? {
    guard let locations else { return nil }
    return Set(Set(locations.places.values.map(\.chromosome)).map { Chromosome.normalized($0) })
  }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    try request.selection.refuseMinimumInfo(path)
    let reader = try TextBlockReader(path: path)
    try reader.skip(lines: layout.headerLines)
    let context = MatrixContext(
      path: path, layout: layout, locations: locations,
      gather: SampleGather(samples: request.samples, columns: sampleIDs.count),
      selector: RecordSelector(request.selection))
    return MatrixStream(reader: reader, context: context, blockSize: request.blockSize)
  }
}

private struct MatrixContext: Sendable {
  let path: String
  let layout: MatrixLayout
  let locations: VariantLocations?
  let gather: SampleGather
  let selector: RecordSelector
}

/// Its state is touched only by ``nextChunk()``, whose calls the caller serialises.
private final class MatrixStream: GenotypeStream, @unchecked Sendable {
  private let reader: TextBlockReader
  private let context: MatrixContext
  private let blockSize: Int
  private var nextOrdinal = 0

  init(reader: TextBlockReader, context: MatrixContext, blockSize: Int) {
    self.reader = reader
    self.context = context
    self.blockSize = blockSize
  }

  var fractionRead: Double { reader.progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    guard let block = try reader.nextBlock(lines: blockSize) else { return nil }
    defer { nextOrdinal += block.count }
    return MatrixChunk(context: context, block: block, firstOrdinal: nextOrdinal)
  }
}

private struct MatrixChunk: GenotypeChunk {
  let context: MatrixContext
  let block: TextBlock
  let firstOrdinal: Int

  func decode() throws(StudyError) -> GenotypeBlock {
    var selector = context.selector
    var rows = DosageRows<Float>(rows: block.count, gather: context.gather)
    var ordinals: [Int] = []
    var variants: [Variant] = []
    try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
      for index in 0..<block.count {
        let line = block.line(index, in: text)
        if line.allSatisfy(BlankFields.isBlank) { continue }
        let (variant, cells) = try split(line, index)
        guard selector.admits(variant) else { continue }
        _ = try rows.append { (row) throws(StudyError) in
          let result = gd_matrix_row(
            cells.baseAddress, Int64(cells.count), context.layout.separator,
            Int64(context.gather.columns), row)
          if result.status != Int32(gd_ok) { throw refusal(result, cells, index) }
          return true
        }
        ordinals.append(firstOrdinal + index)
        variants.append(variant)
      }
    }
    return GenotypeBlock(
      sampleCount: context.gather.count, ordinals: ordinals, variants: variants, dosages: rows.dosages())
  }

  /// A line's variant, and its text from the first dosage on.
  private func split(_ line: FieldBytes, _ index: Int) throws(StudyError) -> (Variant, FieldBytes) {
    let layout = context.layout
    var rest = line[...]
    func nextCell() throws(StudyError) -> FieldBytes {
      let isBlankSeparated = layout.separator == 32
      if isBlankSeparated { rest = rest.drop(while: BlankFields.isBlank) }
      let end = rest.firstIndex { isBlankSeparated ? BlankFields.isBlank($0) : $0 == layout.separator }
      guard let end else {
        throw malformed(index, "the row has fewer cells than the header", "complete the row")
      }
      defer { rest = rest[(end + 1)...] }
      return MatrixLayout.unquoted(FieldBytes(rebasing: rest[..<end]))
    }
    let id = try nextCell().string
    guard !id.isEmpty else { throw malformed(index, "the variant has no id", "give every row an id") }
    var chromosome = ""
    var position = 0
    var alleles = (ref: ".", alt: ".")
    for kind in layout.annotation {
      let cell = try nextCell()
      switch kind {
      case .chromosome: chromosome = cell.spells("NA") ? "" : cell.string
      case .position:
        guard let value = cell.spells("NA") ? 0 : cell.position else {
          throw malformed(
            index, "the position \(cell.quoted) is not a number of at least 0", "repair the row")
        }
        position = value
      case .ref: alleles.ref = cell.string
      case .alt: alleles.alt = cell.string
      }
    }
    if let locations = context.locations {
      (chromosome, position) = locations.places[id] ?? ("", 0)
    }
    let variant = Variant(
      fileID: id, chromosome: chromosome, position: position, ref: alleles.ref, alt: alleles.alt)
    return (variant, FieldBytes(rebasing: rest))
  }

  private func refusal(_ result: gd_result, _ cells: FieldBytes, _ index: Int) -> StudyError {
    let cell = FieldBytes(rebasing: cells[Int(result.start)..<Int(result.start + result.length)])
    let columns = context.gather.columns
    switch Int(result.status) {
    case gd_too_few_cells:
      return malformed(index, "the row has \(result.column) dosages, not \(columns)", "complete the row")
    case gd_too_many_cells:
      return malformed(
        index, "the row has more than the header's \(columns) dosages",
        "repair the row (a trailing separator counts as a cell)")
    case gd_out_of_range where cell.string.hasPrefix("-9"):
      return malformed(
        index, "the dosage of \(context.layout.sampleIDs[Int(result.column)]) is \(cell.quoted)",
        "write missing genotypes as NA")
    case gd_out_of_range:
      return malformed(
        index, "the dosage of \(context.layout.sampleIDs[Int(result.column)]) is outside 0…2: \(cell.quoted)",
        "dosages count ALT alleles; write missing genotypes as NA")
    default:
      return malformed(
        index,
        "the dosage of \(context.layout.sampleIDs[Int(result.column)]) is not a number: \(cell.quoted)",
        "give numbers; write missing genotypes as NA")
    }
  }

  private func malformed(_ index: Int, _ cause: String, _ remedy: String) -> StudyError {
    StudyError(.malformed, file: context.path, line: block.firstLine + index, cause, remedy: remedy)
  }
}
