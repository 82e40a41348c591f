import CScanKernels
import Dispatch
import Foundation
import StudyData
import Synchronization
import Testing

@testable import StudyIO

/// File sets that plink2 makes of random VCFs, against its own export of them.
struct PgenOracleTests {
  static let plink2: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { $0 + "/plink2" }.first { FileManager.default.isExecutableFile(atPath: $0) }

  @Test(.enabled(if: plink2 != nil, "no plink2 (Debian: plink2): nothing to compare with"))
  func agreesWithPlink2() throws {
    let sizes = [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 255, 256, 257, 700, 1999]
    var draws: [RandomVCF] = []
    for index in 0..<510 {
      var random = GenotypeRandom(seed: UInt64(index))
      let samples = index % 3 == 0 ? sizes[index / 3 % sizes.count] : Int.random(in: 1...300, using: &random)
      let kind = RandomVCF.Kind.allCases[index % RandomVCF.Kind.allCases.count]
      draws.append(RandomVCF(kind, seed: index, samples: samples, variants: 12_000 / (samples + 200) + 4))
    }
    // Sample numbers of two bytes and of three.
    for (index, kind) in [RandomVCF.Kind.calls, .phased, .dosages, .alleles].enumerated() {
      draws.append(RandomVCF(kind, seed: 1_000 + index, samples: 65_536 + index, variants: 5))
      draws.append(RandomVCF(kind, seed: 2_000 + index, samples: 100_000, variants: 5))
    }
    let all = draws
    let types = Mutex<Set<Int32>>([])
    let differences = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 2) { half in
      for index in stride(from: half, to: all.count, by: 2) {
        do {
          let found = try Self.compare(all[index])
          types.withLock { $0.formUnion(found) }
        } catch {
          differences.withLock { $0.append("\(all[index]): \(error)") }
        }
      }
    }
    #expect(differences.withLock(\.self).isEmpty)
    // plink2 has written every kind of record that it can.
    let found = types.withLock(\.self)
    #expect(Set(found.map { $0 & 7 }) == [0, 1, 2, 3, 4, 6, 7])
    #expect(Set(found.map { $0 & 0x60 }).isSuperset(of: [0, 0x20, 0x60]))
    for bit: Int32 in [8, 0x10, 0x80] { #expect(found.contains { $0 & bit != 0 }, "\(bit)") }
  }

  /// A record's INFO chooses the same variants from a VCF and from the set that plink2 makes of it.
  @Test(.enabled(if: plink2 != nil, "no plink2 (Debian: plink2): nothing to compare with"))
  func imputationQualityOfTheSameVCF() throws {
    let fixture = try GenotypeFixture()
    let (alts, info) = (
      ["G", "G,T", "T", "G,T", "C", "G", "C,G", "T", "."],
      [
        "R2=0.3", "AF=1;R2=0.29,0.31", "AR2=1", "R2=0.5", "IMP;R2=1e0", ".", "R2=.,0.9;AF=0.1,0.2", "R2=0.2",
        "R2=1",
      ]
    )
    let records = alts.enumerated().map { record, alt in
      let alleles = alt == "." ? 0 : alt.count { $0 == "," } + 1
      return (alt, (0..<6).map { "\(($0 + record) % (alleles + 1))/\($0 * record % (alleles + 1))" })
    }
    let text = vcfText(
      samples: (0..<6).map { "s\($0)" }, format: "GT", records: records, declared: ["GT"], info: info
    ).replacingOccurrences(of: "ID=R2,Number=1", with: "ID=R2,Number=A")
    let vcf = try fixture.write("in.vcf", text)
    for (name, writing) in [("plain", ["--make-pgen"]), ("zstd", ["--make-pgen", "vzs"])] {
      _ = try OtherTool.run(
        "plink2",
        ["--vcf", vcf] + writing
          + ["--out", fixture.path(name), "--silent", "--threads", "1", "--memory", "900"])
      let sources: [any GenotypeSource] = [
        try VCFSource(path: vcf), try PgenSource(prefix: fixture.path(name)),
      ]
      let selection = VariantSelection(minimumInfo: .init(field: "R2", value: 0.3))
      let readings = try sources.map { try GenotypeReading($0, selection: selection, blockSize: 3) }
      #expect(readings[1] == readings[0])
      #expect(readings[1].ids == ["rs0", "rs1_T", "rs3_G", "rs3_T", "rs4", "rs6_G"])
    }
  }

  /// What is found on a thread that knows no test.
  private struct Difference: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
  }

  /// - Returns: the types of the records.
  private static func compare(_ draw: RandomVCF) throws -> Set<Int32> {
    let fixture = try GenotypeFixture()
    try fixture.write("in.vcf", draw.text())
    let process = Process()
    process.executableURL = URL(fileURLWithPath: plink2!)
    process.arguments =
      ["--vcf", fixture.path("in.vcf")] + draw.kind.importing + draw.kind.writing
      + ["--export", "vcf"] + (draw.kind == .alleles ? [] : ["vcf-dosage=DS-force"])
      + ["--out", fixture.path("set"), "--silent", "--threads", "1", "--memory", "900"]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Difference("plink2 fails") }

    let source = try PgenSource(prefix: fixture.path("set"))
    let expected = try ExportedVCF(fixture.path("set.vcf"))
    var row = 0
    var isSame = source.sampleIDs == expected.samples
    let blockSize = [512, 1, 7][draw.seed % 3]
    let stream = try source.stream(
      GenotypeRequest(samples: Array(expected.samples.indices), blockSize: blockSize))
    while let chunk = try stream.nextChunk() {
      let block = try chunk.decode()
      for j in 0..<block.count {
        let range = j * block.sampleCount..<(j + 1) * block.sampleCount
        let variant = expected.variants[row]
        isSame = isSame && block.ordinals[j] == row
        isSame =
          isSame && block.variants[j].position == variant.position && block.variants[j].alt == variant.alt
        isSame = isSame && block.variants[j].id == variant.id
        switch block.dosages {
        case .hardCalls(let codes):
          isSame = isSame && codes[range].elementsEqual(variant.dosages) { isEqual($0, $1) }
        case .fractional(let values):
          isSame = isSame && values[range].elementsEqual(variant.dosages) { $0 == $1 || $0.isNaN && $1 < 0 }
        }
        guard isSame else { throw Difference("variant \(row + 1) differs") }
        row += 1
      }
    }
    guard row == expected.variants.count, row == source.variantCount else {
      throw Difference("\(row) variants")
    }

    let file = try PgenFile(
      path: source.path, samples: source.sampleIDs.count, variants: expected.recordCount)
    var cursor = try PgenCursor(file)
    var types: Set<Int32> = []
    for _ in 0..<expected.recordCount { types.insert(try cursor.advance().type) }
    return types
  }

  private static func isEqual(_ code: UInt8, _ dosage: Float) -> Bool {
    code == 3 ? dosage < 0 : Float(code) == dosage
  }
}

/// A VCF of random genotypes, some rare, some common, some in linkage disequilibrium with the one before.
struct RandomVCF: CustomStringConvertible {
  enum Kind: CaseIterable {
    case calls
    case phased
    case alleles
    case dosages
    case phasedDosages
    case fixedWidth
    case compressedPvar
    case bim

    var importing: [String] {
      switch self {
      case .dosages: ["dosage=DS"]
      case .phasedDosages: ["dosage=HDS"]
      default: []
      }
    }
    var writing: [String] {
      switch self {
      case .fixedWidth: ["--make-pgen", "format=2"]
      case .compressedPvar: ["--make-pgen", "vzs"]
      case .bim: ["--make-bpgen"]
      default: ["--make-pgen"]
      }
    }
    var isPhased: Bool { self == .phased || self == .phasedDosages || self == .compressedPvar }
  }

  let kind: Kind
  let seed: Int
  let samples: Int
  let variants: Int

  init(_ kind: Kind, seed: Int, samples: Int, variants: Int) {
    (self.kind, self.seed, self.samples, self.variants) = (kind, seed, samples, variants)
  }

  var description: String { "\(kind), seed \(seed), \(samples) samples × \(variants) variants" }

  func text() -> [UInt8] {
    var random = GenotypeRandom(seed: UInt64(seed) << 32)
    let field: String? =
      switch kind {
      case .dosages: "DS"
      case .phasedDosages: "HDS"
      default: nil
      }
    var text = "##fileformat=VCFv4.3\n##contig=<ID=1>\n"
    for name in ["GT", "DS", "HDS"] {
      text +=
        "##FORMAT=<ID=\(name),Number=\(name == "GT" ? "1" : name == "DS" ? "A" : "."),"
        + "Type=\(name == "GT" ? "String" : "Float"),Description=\"\">\n"
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
    for s in 0..<samples { text += "\tS\(s)" }
    var bytes = Array(text.utf8) + [10]
    var last: [(UInt32, UInt32)] = []
    for v in 0..<variants {
      let alternates =
        kind == .alleles ? [1, 2, 2, 3, 4, 5, 6, 16, 17, 18, 254].randomElement(using: &random)! : 1
      let calls = calls(like: last, alternates: alternates, &random)
      if alternates == 1 { last = calls }
      let alts = (0..<alternates).map {
        String(repeating: "C", count: $0 / 2 + 1) + ($0 % 2 == 0 ? "G" : "T")
      }
      bytes +=
        "1\t\(v + 10)\tv\(v)\tA\t\(alts.joined(separator: ","))\t.\t.\t.\tGT\(field.map { ":" + $0 } ?? "")"
        .utf8
      // How many samples have a dosage of their own; with one the call is left to the dosage.
      let share = [0, 0.02, 0.5, 0.98, 1].randomElement(using: &random)!
      for call in calls {
        bytes.append(9)
        append(call, &bytes, &random)
        if field != nil { appendDosage(call, share, &bytes, &random) }
      }
      bytes.append(10)
    }
    return bytes
  }

  private static let missing = UInt32.max

  /// Two alleles per sample.
  private func calls(
    like last: [(UInt32, UInt32)], alternates: Int, _ random: inout GenotypeRandom
  ) -> [(UInt32, UInt32)] {
    func other(_ allele: UInt32) -> UInt32 { allele == Self.missing ? allele : 1 - min(allele, 1) }
    let choice = Int.random(in: 0..<10, using: &random)
    let frequency = [0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.98, 1].randomElement(using: &random)!
    let missing = [0, 0, 0.01, 0.3, 0.99].randomElement(using: &random)!
    let change = [0, 0.01, 0.03].randomElement(using: &random)!
    // Mostly the first, or any of them.
    let firstOnly = Double.random(in: 0...1, using: &random)
    let homozygous = Bool.random(using: &random)
    func allele(_ random: inout GenotypeRandom) -> UInt32 {
      guard Double.random(in: 0..<1, using: &random) < frequency else { return 0 }
      guard alternates > 1, Double.random(in: 0..<1, using: &random) > firstOnly else { return 1 }
      return UInt32.random(in: 1...UInt32(alternates), using: &random)
    }
    return (0..<samples).map { s in
      if choice < 5, alternates == 1, !last.isEmpty, Double.random(in: 0..<1, using: &random) >= change {
        return choice < 3 ? last[s] : (other(last[s].0), other(last[s].1))
      }
      if Double.random(in: 0..<1, using: &random) < missing { return (Self.missing, Self.missing) }
      let first = allele(&random)
      return (first, homozygous && choice < 7 ? first : allele(&random))
    }
  }

  private func append(_ call: (UInt32, UInt32), _ bytes: inout [UInt8], _ random: inout GenotypeRandom) {
    guard call.0 != Self.missing else {
      bytes += "./.".utf8
      return
    }
    bytes += "\(call.0)".utf8
    let isPhased = kind.isPhased || kind == .alleles && seed % 2 == 0
    bytes.append(UInt8(ascii: isPhased && Int.random(in: 0..<8, using: &random) > 0 ? "|" : "/"))
    bytes += "\(call.1)".utf8
  }

  private func appendDosage(
    _ call: (UInt32, UInt32), _ share: Double, _ bytes: inout [UInt8], _ random: inout GenotypeRandom
  ) {
    bytes.append(UInt8(ascii: ":"))
    guard call.0 != Self.missing else {
      bytes.append(UInt8(ascii: "."))
      return
    }
    func haplotype(_ allele: UInt32, _ own: Bool) -> Double {
      guard own else { return Double(allele) }
      let offset = Double(Int.random(in: 0...9_999, using: &random)) / 40_000
      return allele == 0 ? offset : 1 - offset
    }
    let own = Double.random(in: 0..<1, using: &random) < share
    let pair = (haplotype(call.0, own), haplotype(call.1, own && Bool.random(using: &random)))
    bytes += (kind == .dosages ? "\(pair.0 + pair.1)" : "\(pair.0),\(pair.1)").utf8
  }
}

/// A VCF of plink2, one variant per ALT allele.
struct ExportedVCF {
  struct Row {
    var id: String
    var position: Int
    var alt: String
    /// Of ALT, from DS where it is given; missing is -1.
    var dosages: [Float]
  }
  var samples: [String] = []
  var variants: [Row] = []
  var recordCount = 0

  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    try bytes.withUnsafeBufferPointer { bytes in
      for line in bytes.split(separator: 10) where !line.starts(with: "##".utf8) {
        if line.first == UInt8(ascii: "#") {
          samples = String(decoding: line, as: UTF8.self).split(separator: "\t").dropFirst(9).map(String.init)
          continue
        }
        recordCount += 1
        let cells = line.split(separator: 9)
        let fixed = cells[..<9].map { String(decoding: $0, as: UTF8.self) }
        let alts = fixed[4].split(separator: ",").map(String.init)
        try #require(cells.count == 9 + samples.count)
        let hasDosages = fixed[8] == "GT:DS"
        for (k, alt) in alts.enumerated() {
          let id = alts.count == 1 ? fixed[2] : fixed[2] + "_" + alt
          variants.append(
            Row(
              id: id, position: Int(fixed[1])!, alt: alt,
              dosages: cells[9...].map { hasDosages ? Self.dosage($0) : Self.copies(of: k + 1, in: $0) }))
        }
      }
    }
  }

  private static func copies(of allele: Int, in cell: Slice<UnsafeBufferPointer<UInt8>>) -> Float {
    if cell.first == UInt8(ascii: ".") { return -1 }
    var (count, number): (Float, Int) = (0, 0)
    for byte in cell {
      if byte >= 48, byte <= 57 {
        number = number * 10 + Int(byte - 48)
      } else {
        if number == allele { count += 1 }
        number = 0
      }
    }
    return number == allele ? count + 1 : count
  }

  /// plink2 prints as few decimals as tell one multiple of 2^-14 from the next.
  private static func dosage(_ cell: Slice<UnsafeBufferPointer<UInt8>>) -> Float {
    guard let colon = cell.firstIndex(of: UInt8(ascii: ":")) else { return -1 }
    let text = cell[(colon + 1)...]
    if text.first == UInt8(ascii: ".") { return -1 }
    var (digits, scale) = (0.0, 1.0)
    var isFraction = false
    for byte in text {
      if byte == UInt8(ascii: ".") {
        isFraction = true
      } else {
        digits = digits * 10 + Double(byte - 48)
        if isFraction { scale *= 10 }
      }
    }
    return Float((digits / scale * 16_384).rounded() / 16_384)
  }
}
