import CHTSlib
import Dispatch
import Foundation
import StudyData
import Synchronization
import Testing

@testable import StudyIO

/// A folder for one test's files, removed at the end.
final class GenotypeFixture: Sendable {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("genotypes-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: folder.appendingPathComponent(name))
    return path(name)
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  /// BGZF by htslib, or one plain gzip member.
  @discardableResult
  func writeCompressed(_ name: String, _ text: String, plainGzip: Bool = false) throws -> String {
    try writeCompressed(name, Array(text.utf8), plainGzip: plainGzip)
  }

  @discardableResult
  func writeCompressed(_ name: String, _ bytes: [UInt8], plainGzip: Bool = false) throws -> String {
    let file = try #require(bgzf_open(path(name), plainGzip ? "wg" : "w"))
    #expect(bgzf_write(file, bytes, bytes.count) == bytes.count)
    #expect(bgzf_close(file) == 0)
    return path(name)
  }

  /// A VCF as BCF, by htslib.
  @discardableResult
  func writeBCF(_ name: String, from vcf: String) throws -> String {
    let (input, output) = (try #require(hts_open(vcf, "r")), try #require(hts_open(path(name), "wb")))
    let (header, record) = (try #require(bcf_hdr_read(input)), try #require(bcf_init()))
    defer {
      bcf_destroy(record)
      bcf_hdr_destroy(header)
      hts_close(input)
    }
    #expect(bcf_hdr_write(output, header) == 0)
    while bcf_read(input, header, record) == 0 { #expect(bcf_write(output, header, record) == 0) }
    #expect(hts_close(output) == 0)
    return path(name)
  }

  /// `codes[variant][sample]`: copies of A1, 3 for missing.
  @discardableResult
  func writePlink(_ name: String, codes: [[UInt8]], chromosomes: [String]? = nil) throws -> String {
    let samples = codes[0].count
    var bed: [UInt8] = [0x6C, 0x1B, 1]
    let bits: [UInt8] = [3, 2, 0, 1]
    for row in codes {
      for start in stride(from: 0, to: samples, by: 4) {
        var byte: UInt8 = 0
        for k in start..<min(start + 4, samples) { byte |= bits[Int(row[k])] << UInt8(2 * (k - start)) }
        bed.append(byte)
      }
    }
    try write(name + ".bed", bed)
    let bim = codes.indices.map { "\(chromosomes?[$0] ?? "1")\trs\($0)\t0\t\(100 * $0 + 100)\tA\tG\n" }
    try write(name + ".bim", bim.joined())
    try write(name + ".fam", (0..<samples).map { "F\($0) S\($0) 0 0 0 -9\n" }.joined())
    return path(name)
  }

  /// Fixtures made by plink2.
  static func oracle(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Oracles/genotypes/\(name)").path
  }

  /// The bytes within a gzip or BGZF file.
  static func decompressed(_ path: String) throws -> [UInt8] {
    let file = try #require(bgzf_open(path, "r"))
    defer { bgzf_close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = bgzf_read(file, &bytes, bytes.count)
    #expect((0..<bytes.count).contains(count))
    return Array(bytes[..<max(count, 0)])
  }

  /// A file of the shared data, nil where they are absent.
  static func shared(_ name: String) -> String? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let root =
      ProcessInfo.processInfo.environment["SWIFTQTL_SHARED"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared").path
    let path = root + "/data/" + name
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}

/// What a pass over a source yields.
struct GenotypeReading: Equatable {
  struct Row: Equatable {
    var ordinal: Int
    var variant: Variant
    /// NaN as -1, so that rows compare.
    var dosages: [Float]
  }
  var rows: [Row] = []
  var drops: [Drop] = []
  var isFractional = false
  var maskedCalls = 0

  init(
    _ source: any GenotypeSource, samples: [Int]? = nil, selection: VariantSelection = .init(),
    blockSize: Int = 512, concurrently: Bool = false
  ) throws(StudyError) {
    let request = GenotypeRequest(
      samples: samples ?? Array(source.sampleIDs.indices), selection: selection, blockSize: blockSize)
    let stream = try source.stream(request)
    var chunks: [any GenotypeChunk] = []
    while let chunk = try stream.nextChunk() {
      chunks.append(chunk)
      #expect((0...1).contains(stream.fractionRead))
    }
    #expect(try stream.nextChunk() == nil)
    for block in try Self.decode(chunks, concurrently: concurrently) { add(block) }
  }

  private static func decode(_ chunks: [any GenotypeChunk], concurrently: Bool) throws(StudyError)
    -> [GenotypeBlock]
  {
    var blocks: [GenotypeBlock] = []
    guard concurrently else {
      for chunk in chunks { blocks.append(try chunk.decode()) }
      return blocks
    }
    let results = Mutex<[Int: Result<GenotypeBlock, StudyError>]>([:])
    DispatchQueue.concurrentPerform(iterations: chunks.count) { index in
      let result = Result { () throws(StudyError) in try chunks[index].decode() }
      results.withLock { $0[index] = result }
    }
    for index in chunks.indices { blocks.append(try results.withLock { $0[index]! }.get()) }
    return blocks
  }

  private mutating func add(_ block: GenotypeBlock) {
    drops += block.drops
    maskedCalls += block.maskedCalls
    let values: [Float]
    switch block.dosages {
    case .hardCalls(let codes): values = codes.map { $0 == 3 ? -1 : Float($0) }
    case .fractional(let dosages):
      isFractional = true
      values = dosages.map { $0.isNaN ? -1 : $0 }
    }
    for (index, variant) in block.variants.enumerated() {
      let from = index * block.sampleCount
      rows.append(
        Row(
          ordinal: block.ordinals[index], variant: variant,
          dosages: Array(values[from..<(from + block.sampleCount)])))
    }
  }

  var ids: [String] { rows.map(\.variant.id) }
  var dosages: [[Float]] { rows.map(\.dosages) }
}

/// The error of opening and reading a source to its end; nil when it reads.
func genotypeError(_ paths: [String], dosageField: DosageField? = nil, locations: String? = nil)
  -> StudyError?
{
  do throws(StudyError) {
    let source = try GenotypeFile.open(paths, dosageField: dosageField, locations: locations)
    _ = try GenotypeReading(source)
    return nil
  } catch {
    #expect(!error.cause.isEmpty && !error.cause.contains("\n") && !error.remedy.isEmpty)
    return error
  }
}

/// A small reproducible generator.
struct GenotypeRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A VCF's text from its FORMAT, and per record ALT and the samples' cells.
func vcfText(
  samples: [String], format: String, records: [(alt: String, cells: [String])],
  declared: [String] = ["GT", "DS"], info: [String] = []
) -> String {
  var text = "##fileformat=VCFv4.2\n"
  for name in declared {
    text += "##FORMAT=<ID=\(name),Number=1,Type=\(name == "GT" ? "String" : "Float"),Description=\"\">\n"
  }
  text += "##INFO=<ID=R2,Number=1,Type=Float,Description=\"Quality, of imputation\">\n"
  text += "##contig=<ID=1,length=1000000>\n"
  text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + samples.joined(separator: "\t") + "\n"
  for (index, record) in records.enumerated() {
    let fixed =
      "1\t\(100 + index)\trs\(index)\tA\t\(record.alt)\t.\tPASS\t\(index < info.count ? info[index] : ".")\t\(format)"
    text += ([fixed] + record.cells).joined(separator: "\t") + "\n"
  }
  return text
}
