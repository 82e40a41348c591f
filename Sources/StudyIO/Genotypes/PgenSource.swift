import CScanKernels
public import StudyData

/// A PLINK 2 file set: `prefix.pgen`, `prefix.pvar` (or `.pvar.zst`, `.bim`) and `prefix.psam` (or `.fam`).
///
/// All storage modes are read, also those with an index of their own (`prefix.pgen.pgi`); phase is passed over. ALT is
/// counted (A1 of a bim file). A variant with k ALT alleles becomes k variants, each ALT against all other alleles, named
/// `ID_ALT`, with consecutive ordinals; the record's own id selects all of them. Samples are named by IID, or by `FID_IID`
/// where IIDs repeat. Blocks are hard calls unless a variant in them has dosages. A minimum of imputation quality reads the pvar's
/// INFO column.
///
/// - Missing: hard call 3, or NaN; a sample with no dosage of its own has that of its hard call.
/// - Units: dosages are multiples of 2^-14.
/// - Errors: dosages of a variant with several ALT alleles are refused: their format is not final.
/// - Complexity: opening is one pass over the pvar and psam files and the record lengths; a stream holds a block of pvar lines, a
///   chunk its own genotypes. The pgen file is mapped into memory and only the records asked for are touched.
/// - Source: PLINK 2 file format specification draft (chrchang/plink-ng, pgen_spec).
public struct PgenSource: GenotypeSource {
  public let path: String
  public let paths: [String]
  public let sampleIDs: [String]
  public let notes: [String]
  private let pvarPath: String
  private let summary: PvarSummary

  public var variantCount: Int? { summary.ordinal(ofRecord: summary.recordCount) }

  /// - Parameter prefix: the common path without `.pgen`, `.pvar`, `.psam`.
  /// - Throws: `environment` when a file is missing or unreadable, `malformed` when one breaks its format or is truncated,
  ///   `inconsistent` when they have different numbers of samples or variants.
  public init(prefix: String) throws(StudyError) {
    path = prefix + ".pgen"
    pvarPath = Self.firstFile(prefix, [".pvar", ".pvar.zst", ".bim"])
    let psamPath = Self.firstFile(prefix, [".psam", ".fam"])
    _ = try LocalFile.size(of: path)
    let samples = try PsamSamples(path: psamPath)
    summary = try PvarSummary(path: pvarPath)
    sampleIDs = samples.ids
    let file = try PgenFile(path: path, samples: samples.ids.count, variants: summary.recordCount)
    paths = [path] + [file.indexPath].compactMap(\.self) + [pvarPath, psamPath]
    var notes: [String] = []
    if pvarPath.hasSuffix(".bim") {
      notes.append("\(pvarPath): A1 (column 5) is taken as ALT, the counted allele")
    }
    if summary.multiallelicCount > 0 {
      notes.append(
        "\(pvarPath): \(summary.multiallelicCount) variants have several ALT alleles: each ALT is tested against all other "
          + "alleles, as ID_ALT")
    }
    if samples.usesFamilyIDs {
      notes.append("\(psamPath): individual ids repeat between families: samples are named FID_IID")
    }
    if let note = summary.codes.note { notes.append("\(pvarPath): \(note)") }
    self.notes = notes
  }

  /// The first that exists, else the first.
  private static func firstFile(_ prefix: String, _ suffixes: [String]) -> String {
    prefix + (suffixes.first { LocalFile.exists(prefix + $0) } ?? suffixes[0])
  }

  public func chromosomes() throws(StudyError) -> Set<String>? { summary.chromosomes }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    try checkInfo(request.selection.minimumInfo)
    let file = try PgenFile(path: path, samples: sampleIDs.count, variants: summary.recordCount)
    let pvar = try TextBlockReader(path: pvarPath)
    try pvar.skip(lines: summary.layout.headerLines)
    let context = PgenContext(
      file: file, pvarPath: pvarPath, summary: summary,
      gather: SampleGather(samples: request.samples, columns: sampleIDs.count),
      selector: RecordSelector(request.selection))
    return PgenStream(
      context: context, pvar: pvar, cursor: try PgenCursor(file), blockSize: request.blockSize)
  }
}

extension PgenSource {
  private func checkInfo(_ minimum: VariantSelection.MinimumInfo?) throws(StudyError) {
    guard let minimum else { return }
    guard summary.layout.info != nil else {
      throw StudyError(
        .inconsistent, file: pvarPath, "an imputation quality is asked for, but there is no INFO column",
        remedy: "keep it when the set is made (plink2 --make-pgen pvar-cols=xheader,info), or give the VCF")
    }
    try minimum.require(in: summary.layout.infos, of: pvarPath)
  }
}

/// Its state is touched only by ``nextChunk()``, whose calls the caller serialises.
private final class PgenStream: GenotypeStream, @unchecked Sendable {
  private let context: PgenContext
  private let pvar: TextBlockReader
  private let blockSize: Int
  private let progress: ReadProgress
  private var cursor: PgenCursor

  init(context: PgenContext, pvar: TextBlockReader, cursor: PgenCursor, blockSize: Int) {
    self.context = context
    self.pvar = pvar
    self.cursor = cursor
    self.blockSize = blockSize
    progress = ReadProgress(total: context.summary.recordCount)
  }

  var fractionRead: Double { progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    let next = cursor.next
    guard next < context.summary.recordCount else { return nil }
    let wanted = context.summary.recordCount(from: next, variants: blockSize)
    guard let block = try pvar.nextBlock(lines: wanted) else {
      throw StudyError(
        .malformed, file: pvar.path, "truncated while it was read",
        remedy: "leave the file as it is during a run")
    }
    let chunk = PgenChunk(context: context, pvar: block, cursor: cursor)
    for _ in 0..<block.count { _ = try cursor.advance() }
    progress.reach(cursor.next)
    return chunk
  }
}

private struct PgenContext: Sendable {
  let file: PgenFile
  let pvarPath: String
  let summary: PvarSummary
  let gather: SampleGather
  let selector: RecordSelector
}

/// A variant to be decoded.
private struct PgenPick {
  let record: PgenRecord
  /// What a relative record refers to.
  let anchor: PgenRecord?
  /// The ALT allele that is counted, from 1 on, of how many.
  let allele: Int
  let alternates: Int
}

private struct PgenChunk: GenotypeChunk {
  let context: PgenContext
  let pvar: TextBlock
  /// At the chunk's first record.
  let cursor: PgenCursor

  func decode() throws(StudyError) -> GenotypeBlock {
    let selected = try selected()
    let (file, gather) = (context.file, context.gather)
    try file.data.checkSize()
    var reader = PgenRowReader(file)
    let dosages: GenotypeBlock.Dosages
    if selected.picks.contains(where: { pg_has_dosages($0.record.type) != 0 }) {
      var rows = DosageRows<Float>(rows: selected.picks.count, gather: gather)
      for (pick, variant) in zip(selected.picks, selected.variants) {
        _ = try rows.append { (row) throws(StudyError) in
          try reader.dosages(pick, variant, into: row)
          return true
        }
      }
      dosages = rows.dosages()
    } else {
      var rows = DosageRows<UInt8>(rows: selected.picks.count, gather: gather)
      for (pick, variant) in zip(selected.picks, selected.variants) {
        _ = try rows.append { (row) throws(StudyError) in
          try reader.calls(pick, variant, into: row)
          return true
        }
      }
      dosages = rows.dosages()
    }
    return GenotypeBlock(
      sampleCount: gather.count, ordinals: selected.ordinals, variants: selected.variants, dosages: dosages,
      drops: selected.drops)
  }

  private struct Selected {
    var ordinals: [Int] = []
    var variants: [Variant] = []
    var picks: [PgenPick] = []
    var drops: [Drop] = []
  }

  private func selected() throws(StudyError) -> Selected {
    var (selector, cursor) = (context.selector, cursor)
    var selected = Selected()
    let minimum = selector.selection.minimumInfo
    try pvar.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
      for index in 0..<pvar.count {
        let line = pvar.firstLine + index
        let row = try PvarRow(
          pvar.line(index, in: text), context.summary.layout, path: context.pvarPath, number: line,
          readingInfo: minimum != nil)
        let record = try cursor.advance()
        let whole = row.variant(context.summary.codes)
        let isWanted = selector.admits(whole)
        let alternates = row.alternates
        func add(_ variant: Variant, _ allele: Int) throws(StudyError) {
          if let minimum {
            let quality = try minimum.quality(in: row.info, of: allele - 1, among: alternates) {
              StudyError(.malformed, file: context.pvarPath, line: line, $0, remedy: $1)
            }
            if let drop = minimum.drop(variant, quality: quality) {
              selected.drops.append(drop)
              return
            }
          }
          try check(record, variant, alternates)
          selected.ordinals.append(context.summary.ordinal(ofRecord: record.number) + allele - 1)
          selected.variants.append(variant)
          selected.picks.append(
            PgenPick(record: record, anchor: cursor.anchor, allele: allele, alternates: alternates))
        }
        switch alternates {
        case 0:
          if isWanted { selected.drops.append(Drop(.variant, id: whole.id, reason: "no alternate allele")) }
        case 1:
          if isWanted { try add(whole, 1) }
        default:
          // The row's own id selects all its alleles.
          for (k, variant) in row.alternateVariants(context.summary.codes).enumerated()
          where isWanted || selector.admits(variant) {
            try add(variant, k + 1)
          }
        }
      }
    }
    return selected
  }

  private func check(_ record: PgenRecord, _ variant: Variant, _ alternates: Int) throws(StudyError) {
    var count: Int?
    if case .listed(let index) = context.file.storage { count = index.alleleCount(record.number) }
    if alternates == 1 && pg_has_other_alleles(record.type) != 0
      || count.map({ $0 != alternates + 1 }) == true
    {
      throw StudyError(
        .inconsistent, file: context.file.path, line: record.number + 1,
        "variant \(variant.id) has another number of alleles than in \(context.pvarPath)",
        remedy: "give the pgen, pvar and psam files of one PLINK run")
    }
    guard alternates == 1 || pg_has_dosages(record.type) == 0 else {
      throw StudyError(
        .malformed, file: context.file.path, line: record.number + 1,
        "variant \(variant.id) has dosages and several ALT alleles, which is not read",
        remedy: "leave it out, or keep its hard calls only (plink2 --make-pgen erase-dosage)")
    }
  }
}

/// Decodes records one after the other, with the space that takes.
private struct PgenRowReader {
  private let file: PgenFile
  private let samples: Int
  /// Hard calls of the record that relative ones refer to.
  private var anchor: [UInt8] = []
  private var anchorNumber: Int?
  /// Hard calls of the last record with several ALT alleles, or of one with dosages.
  private var calls: [UInt8] = []
  private var callsNumber: Int?
  /// Calls of that record with ALT alleles beyond the first.
  private var others: [pg_other_call] = []
  private var otherCount: Int64 = 0
  /// Calls of one ALT allele of several.
  private var alleleCalls: [UInt8] = []

  init(_ file: PgenFile) {
    self.file = file
    samples = file.sampleCount
  }

  /// Copies of the picked ALT allele, 3 for missing.
  mutating func calls(_ pick: PgenPick, _ variant: Variant, into row: UnsafeMutablePointer<UInt8>)
    throws(StudyError)
  {
    guard pick.alternates > 1 else {
      _ = try decode(pick, variant, into: row)
      return
    }
    if callsNumber != pick.record.number {
      try keepCalls(pick, variant) { record, used, calls, reader in
        if reader.others.isEmpty { reader.others = Array(repeating: pg_other_call(), count: reader.samples) }
        return pg_other_calls(
          &record, used, Int64(pick.alternates), calls, &reader.others, &reader.otherCount)
      }
      callsNumber = pick.record.number
    }
    pg_allele_calls(calls, Int64(samples), others, otherCount, UInt32(pick.allele), row)
  }

  /// Dosages of the picked ALT allele, NaN for missing.
  mutating func dosages(_ pick: PgenPick, _ variant: Variant, into row: UnsafeMutablePointer<Float>)
    throws(StudyError)
  {
    guard pick.alternates > 1 else {
      callsNumber = nil
      return try keepCalls(pick, variant) { record, used, calls, _ in pg_dosages(&record, used, calls, row) }
    }
    if alleleCalls.isEmpty { alleleCalls = Array(repeating: 0, count: samples) }
    var scratch: [UInt8] = []
    swap(&scratch, &alleleCalls)
    defer { swap(&scratch, &alleleCalls) }
    try scratch.withUnsafeMutableBufferPointer { (scratch) throws(StudyError) in
      try calls(pick, variant, into: scratch.baseAddress!)
    }
    // A record without dosages: calls alone.
    var record = pg_record(bytes: nil, length: 0, samples: Int64(samples), type: 0)
    _ = pg_dosages(&record, 0, scratch, row)
  }

  /// Decodes the record's hard calls into `calls` and runs `then` on what follows them.
  private mutating func keepCalls(
    _ pick: PgenPick, _ variant: Variant,
    then: (inout pg_record, Int64, UnsafePointer<UInt8>, inout PgenRowReader) -> Int32
  ) throws(StudyError) {
    if calls.isEmpty { calls = Array(repeating: 0, count: samples) }
    var kept: [UInt8] = []
    swap(&kept, &calls)
    defer { swap(&kept, &calls) }
    let used = try kept.withUnsafeMutableBufferPointer { (row) throws(StudyError) in
      try decode(pick, variant, into: row.baseAddress!)
    }
    var record = raw(pick.record)
    try check(then(&record, used, kept, &self), pick.record, variant.id)
  }

  /// The record's own hard calls, of any ALT allele.
  ///
  /// - Returns: how many of its bytes they take.
  private mutating func decode(_ pick: PgenPick, _ variant: Variant, into row: UnsafeMutablePointer<UInt8>)
    throws(StudyError)
    -> Int64
  {
    var record = raw(pick.record)
    if case .plink = file.storage {
      gd_plink_codes(record.bytes, record.samples, row)
      return record.length
    }
    if pg_is_relative(record.type) != 0, let anchor = pick.anchor, anchorNumber != anchor.number {
      anchorNumber = nil
      if self.anchor.isEmpty { self.anchor = Array(repeating: 0, count: samples) }
      var (base, used) = (raw(anchor), Int64(0))
      try check(pg_calls(&base, nil, &self.anchor, &used), anchor, nil)
      anchorNumber = anchor.number
    }
    var used: Int64 = 0
    try check(pg_calls(&record, anchor, row, &used), pick.record, variant.id)
    return used
  }

  private func raw(_ record: PgenRecord) -> pg_record {
    pg_record(
      bytes: file.data.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + record.start,
      length: Int64(record.length), samples: Int64(samples), type: record.type)
  }

  private func check(_ status: Int32, _ record: PgenRecord, _ id: String?) throws(StudyError) {
    let reason: String
    switch Int(status) {
    case pg_ok: return
    case pg_short: reason = "ends before its data"
    case pg_undefined: reason = "is of a kind that the format leaves undefined"
    case pg_list: reason = "lists samples out of order or beyond the last"
    case pg_allele: reason = "has an allele that the variant does not have"
    default: reason = "has a dosage above 2"
    }
    throw StudyError(
      .malformed, file: file.path, line: record.number + 1,
      "the record of variant \(id ?? "\(record.number + 1)") " + reason,
      remedy: "copy or make the file set again; plink2 --validate checks it")
  }
}
