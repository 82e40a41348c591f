import CDeflate
import CSQLite
import CZstd
import Foundation
import StudyData
import Testing

/// A BGEN file made by hand.
struct BGENText {
  struct Sample {
    var ploidy = 2
    var isMissing = false
    /// Those that are stored.
    var probabilities: [UInt64]
  }

  struct Record {
    var name = ""
    var rsName: String
    var chromosome = "1"
    var position: Int
    var alleles = ["A", "G"]
    var bits = 8
    var isPhased = false
    var samples: [Sample]

    /// The probabilities' block, not compressed.
    var block: [UInt8] {
      var bytes = little(samples.count, 4) + little(alleles.count, 2)
      bytes += [UInt8(samples.map(\.ploidy).min() ?? 0), UInt8(samples.map(\.ploidy).max() ?? 0)]
      bytes += samples.map { UInt8($0.ploidy) | ($0.isMissing ? 0x80 : 0) }
      bytes += [isPhased ? 1 : 0, UInt8(bits)]
      var bit = 0
      for value in samples.flatMap(\.probabilities) {
        for k in 0..<bits {
          if bit % 8 == 0 { bytes.append(0) }
          if value >> UInt64(k) & 1 == 1 { bytes[bytes.count - 1] |= 1 << UInt8(bit % 8) }
          bit += 1
        }
      }
      return bytes
    }
  }

  enum Compression: Int, CaseIterable { case none, zlib, zstd }

  var names: [String]?
  var compression = Compression.zlib
  var layout = 2
  var records: [Record]

  var bytes: [UInt8] { encoded.bytes }

  /// The file, and where each record starts.
  var encoded: (bytes: [UInt8], starts: [Int]) {
    let count = records.first?.samples.count ?? names?.count ?? 0
    var block: [UInt8] = []
    if let names {
      let body = names.flatMap { Self.text($0, 2) }
      block = little(body.count + 8, 4) + little(names.count, 4) + body
    }
    let flags = compression.rawValue | layout << 2 | (names == nil ? 0 : 1 << 31)
    var bytes = little(20 + block.count, 4) + little(20, 4) + little(records.count, 4) + little(count, 4)
    bytes += Array("bgen".utf8) + little(flags, 4) + block
    var starts: [Int] = []
    for record in records {
      starts.append(bytes.count)
      bytes += Self.head(record)
      bytes += Self.packed(record.block, compression)
    }
    return (bytes, starts)
  }

  static func head(_ record: Record) -> [UInt8] {
    text(record.name, 2) + text(record.rsName, 2) + text(record.chromosome, 2) + little(record.position, 4)
      + little(record.alleles.count, 2) + record.alleles.flatMap { text($0, 4) }
  }

  /// A block with its lengths.
  static func packed(_ block: [UInt8], _ compression: Compression) -> [UInt8] {
    guard compression != .none else { return little(block.count, 4) + block }
    let data = compression == .zlib ? zlib(block) : zstd(block)
    return little(data.count + 4, 4) + little(block.count, 4) + data
  }

  private static func zlib(_ bytes: [UInt8]) -> [UInt8] {
    let compressor = libdeflate_alloc_compressor(6)
    defer { libdeflate_free_compressor(compressor) }
    var out = [UInt8](repeating: 0, count: libdeflate_zlib_compress_bound(compressor, bytes.count))
    let count = libdeflate_zlib_compress(compressor, bytes, bytes.count, &out, out.count)
    return Array(out[..<count])
  }

  private static func zstd(_ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = ZSTD_compress(&out, out.count, bytes, bytes.count, 3)
    return Array(out[..<count])
  }

  private static func text(_ text: String, _ size: Int) -> [UInt8] {
    little(text.utf8.count, size) + Array(text.utf8)
  }

  /// Probabilities drawn so that no sum is above one.
  static func random(
    _ name: String, samples: Int, bits: Int, isPhased: Bool, alleles: Int, ploidies: [Int],
    _ random: inout GenotypeRandom
  ) -> Record {
    let one = UInt64(1) << UInt64(bits) - 1
    func draw(_ count: Int) -> [UInt64] {
      var left = one
      return (0..<count).map { _ in
        let edge = Int.random(in: 0..<4, using: &random)
        let p = edge == 0 ? left : edge == 1 ? 0 : UInt64.random(in: 0...left, using: &random)
        left -= p
        return p
      }
    }
    let rows = (0..<samples).map { _ in
      let ploidy = ploidies.randomElement(using: &random)!
      let isMissing = Int.random(in: 0..<10, using: &random) == 0
      let genotypes = [1, alleles, alleles * (alleles + 1) / 2][ploidy]
      var numbers: [UInt64] = []
      if isPhased {
        for _ in 0..<ploidy { numbers += draw(alleles - 1) }
      } else {
        numbers = draw(genotypes - 1)
      }
      if isMissing { numbers = numbers.map { _ in 0 } }
      return Sample(ploidy: ploidy, isMissing: isMissing, probabilities: numbers)
    }
    return Record(
      rsName: name, position: 100 * name.utf8.count,
      alleles: Array(["A", "C", "G", "TT", "ACGT"][..<alleles]),
      bits: bits, isPhased: isPhased, samples: rows)
  }
}

/// The lowest `size` bytes of a number, little-endian.
func little(_ value: Int, _ size: Int) -> [UInt8] {
  (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// What bgenix writes: `variants` by chromosome, position, offset and length.
func writeIndex(
  _ path: String, of file: String,
  _ variants: [(chromosome: String, position: Int, offset: Int, length: Int)],
  alleles: Int = 2
) throws {
  let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
  let start = bytes.prefix(1000).map { String(format: "%02x", $0) }.joined()
  var database: OpaquePointer?
  try #require(sqlite3_open(path, &database) == SQLITE_OK)
  defer { sqlite3_close(database) }
  var script = """
    CREATE TABLE Variant (chromosome TEXT NOT NULL, position INT NOT NULL, rsid TEXT NOT NULL,
      number_of_alleles INT NOT NULL, allele1 TEXT NOT NULL, allele2 TEXT NULL,
      file_start_position INT NOT NULL, size_in_bytes INT NOT NULL,
      PRIMARY KEY (chromosome, position, rsid, allele1, allele2, file_start_position)) WITHOUT ROWID;
    CREATE TABLE Metadata (filename TEXT NOT NULL, file_size INT NOT NULL, last_write_time INT NOT NULL,
      first_1000_bytes BLOB NOT NULL, index_creation_time INT NOT NULL);
    INSERT INTO Metadata VALUES ('x', \(bytes.count), 0, x'\(start)', 0);

    """
  for (k, it) in variants.enumerated() {
    script +=
      "INSERT INTO Variant VALUES ('\(it.chromosome)', \(it.position), 'r\(k)', \(alleles), 'A', 'G',"
      + " \(it.offset), \(it.length));\n"
  }
  try #require(sqlite3_exec(database, script, nil, nil, nil) == SQLITE_OK)
}

/// Another program; its standard output.
enum OtherTool {
  static func path(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
      .first(where: FileManager.default.isExecutableFile)
  }

  static func run(_ name: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: try #require(path(name)))
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(name) \(arguments)")
    return String(decoding: output, as: UTF8.self)
  }
}
