public import StudyData

/// Who is male: rows of a sample's id and its sex, 1 or M for male, 2 or F for female, 0 or NA where it is not known.
public struct SexTable: Sendable {
  public let path: String
  /// By id.
  public private(set) var isMale: [String: Bool] = [:]

  /// - Throws: `environment` when the file cannot be read, `malformed` for a row without a known code (the first may be a
  ///   header), or a sample of both sexes.
  public init(path: String) throws(StudyError) {
    self.path = path
    let reader = try TextBlockReader(path: path)
    while let block = try reader.nextBlock(lines: 8192) {
      try block.bytes.withUnsafeBufferPointer { (text) throws(StudyError) in
        for index in 0..<block.count {
          try add(BlankFields(block.line(index, in: text)), number: block.firstLine + index)
        }
      }
    }
    guard !isMale.isEmpty else {
      throw StudyError(
        .malformed, file: path, "no sample has a sex", remedy: "give rows of id and sex (1 or M, 2 or F)")
    }
  }

  private mutating func add(_ fields: BlankFields, number: Int) throws(StudyError) {
    func malformed(_ cause: String) -> StudyError {
      StudyError(
        .malformed, file: path, line: number, cause, remedy: "give rows of id and sex (1 or M, 2 or F)")
    }
    if fields.count == 0 { return }
    guard fields.count >= 2 else { throw malformed("the row has one field, not two") }
    let id = fields[0].string
    let sex: Bool
    switch fields[1].string.uppercased() {
    case "1", "M", "MALE": sex = true
    case "2", "F", "FEMALE": sex = false
    case "0", "NA": return
    default:
      if number == 1 { return }
      throw malformed("the sex of \(id) is \(fields[1].quoted)")
    }
    guard isMale.updateValue(sex, forKey: id) ?? sex == sex else { throw malformed("\(id) has two sexes") }
  }
}

/// Genotypes whose males have one X: their heterozygous calls on X, which cannot be, are missing.
///
/// Haploid calls count twice at every reader, so males' copies are 0 or 2, as if X were inactivated in females. Fractional
/// dosages stay as they are. Blocks count what they made missing. The pseudoautosomal regions are left alone, both of GRCh37 and of
/// GRCh38, since files do not say which they use; so are samples whose sex is not known.
public struct HemizygousSource: GenotypeSource {
  private let source: any GenotypeSource
  private let isMale: [Bool]
  public let notes: [String]

  public var path: String { source.path }
  public var paths: [String] { source.paths }
  public var sampleIDs: [String] { source.sampleIDs }
  public var variantCount: Int? { source.variantCount }
  public var leastVariantCount: Int? { source.leastVariantCount }

  /// Where X and Y recombine, in either build of the human genome.
  static let pseudoautosomal = [10_001...2_781_479, 154_931_044...156_030_895]

  /// - Throws: `inconsistent` when the table knows none of the samples.
  public init(_ source: any GenotypeSource, sexes: SexTable) throws(StudyError) {
    self.source = source
    let known = source.sampleIDs.map { sexes.isMale[$0] }
    let (males, unknown) = (known.count { $0 == true }, known.count { $0 == nil })
    guard unknown < known.count else {
      throw StudyError(
        .inconsistent, file: sexes.path, "it knows none of the \(known.count) samples of \(source.path)",
        remedy: "name the samples as in the genotypes")
    }
    isMale = known.map { $0 ?? false }
    notes =
      source.notes + [
        "\(sexes.path): heterozygous calls of \(males) males on X outside the pseudoautosomal regions are missing; "
          + "\(unknown) samples have no sex there"
      ]
  }

  public func chromosomes() throws(StudyError) -> Set<String>? { try source.chromosomes() }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    HemizygousStream(
      stream: try source.stream(request),
      males: request.samples.indices.filter { isMale[request.samples[$0]] })
  }
}

private final class HemizygousStream: GenotypeStream {
  private let stream: any GenotypeStream
  private let males: [Int]

  init(stream: any GenotypeStream, males: [Int]) {
    self.stream = stream
    self.males = males
  }

  var fractionRead: Double { stream.fractionRead }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    try stream.nextChunk().map { HemizygousChunk(chunk: $0, males: males) }
  }
}

private struct HemizygousChunk: GenotypeChunk {
  let chunk: any GenotypeChunk
  /// Places in a row.
  let males: [Int]

  func decode() throws(StudyError) -> GenotypeBlock {
    var block = try chunk.decode()
    guard case .hardCalls(var codes) = block.dosages else { return block }
    // The array is ours alone while it is changed.
    block.dosages = .hardCalls([])
    var (last, isX) = ("", false)
    for (row, variant) in block.variants.enumerated() {
      if variant.chromosome != last {
        last = variant.chromosome
        isX = Chromosome.normalized(last) == "X"
      }
      guard isX, !HemizygousSource.pseudoautosomal.contains(where: { $0.contains(variant.position) }) else {
        continue
      }
      let start = row * block.sampleCount
      for male in males where codes[start + male] == 1 {
        codes[start + male] = 3
        block.maskedCalls += 1
      }
    }
    block.dosages = .hardCalls(codes)
    return block
  }
}
