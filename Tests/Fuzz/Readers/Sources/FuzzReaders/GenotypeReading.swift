import SwiftQTL

/// What a pass over genotypes gave; two passes are equal whatever their blocks.
struct GenotypeReading: Equatable {
  private var ordinals: [Int] = []
  private var variants: [Variant] = []
  /// Missing ones as -1, so that they compare.
  private var dosages: [Float] = []

  /// - Throws: as the source.
  init(_ source: any GenotypeSource, _ request: GenotypeRequest) throws(StudyError) {
    let stream = try source.stream(request)
    while let chunk = try stream.nextChunk() {
      require((0...1).contains(stream.fractionRead), "the fraction read is \(stream.fractionRead)")
      add(try chunk.decode(), samples: request.samples.count)
    }
    require(try stream.nextChunk() == nil, "a chunk behind the last")
    require(zip(ordinals, ordinals.dropFirst()).allSatisfy { $0 <= $1 }, "ordinals fall: \(ordinals)")
  }

  private mutating func add(_ block: GenotypeBlock, samples: Int) {
    ordinals += block.ordinals
    variants += block.variants
    require(
      block.sampleCount == samples && block.ordinals.count == block.variants.count, "a block of another size")
    let count = block.variants.count * samples
    switch block.dosages {
    case .hardCalls(let calls):
      require(calls.count == count && calls.allSatisfy { $0 <= 3 }, "calls \(calls)")
      dosages += calls.map { $0 == 3 ? -1 : Float($0) }
    case .fractional(let values):
      require(
        values.count == count && values.allSatisfy { $0.isNaN || (0...2).contains($0) }, "dosages \(values)")
      dosages += values.map { $0.isNaN ? -1 : $0 }
    }
  }

  /// Opens genotypes and reads them to their end.
  ///
  /// - Parameters:
  ///   - fields: of a VCF; nil lets the reader choose.
  ///   - regions: asked for now and then.
  static func read(
    _ path: String, fields: [DosageField?] = [nil], regions: [GenomicRegion] = [], locations: String? = nil,
    _ random: inout CounterRNG
  ) throws(StudyError) {
    let source = try GenotypeFile.open(
      [path], dosageField: fields[random.below(fields.count)], locations: locations)
    let ids = source.sampleIDs
    require(!ids.isEmpty && Set(ids).count == ids.count, "samples \(ids)")
    require(source.variantCount ?? 0 >= 0, "\(source.variantCount ?? 0) variants")
    require(source.notes.allSatisfy { !$0.contains("\n") }, "notes \(source.notes)")
    _ = try source.chromosomes()

    var samples = Array(ids.indices)
    if random.oneIn(2) { samples = samples.shuffled(using: &random).dropLast(random.below(ids.count)) }
    var selection = VariantSelection()
    if random.oneIn(2) { selection.regions = regions }
    if random.oneIn(8) { selection.ids = ["rs1", "rs3", "rs8_G", "m2"] }
    if fields.count > 1, random.oneIn(8) { selection.minimumInfo = .init(field: "R2", value: 0.3) }
    let reading = try GenotypeReading(
      source, GenotypeRequest(samples: samples, selection: selection, blockSize: 1 + random.below(70)))
    guard random.oneIn(4) else { return }
    var other: GenotypeReading?
    do throws(StudyError) {
      other = try GenotypeReading(
        source, GenotypeRequest(samples: samples, selection: selection, blockSize: 1 + random.below(70)))
    } catch { require(false, "another block size is refused: \(error)") }
    require(reading == other, "another block size gives other genotypes")
  }
}
