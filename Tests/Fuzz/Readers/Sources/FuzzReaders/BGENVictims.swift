import CFuzzing
import SwiftQTL

/// A BGEN of random probabilities, and where its records lie.
private struct Draft {
  static let sampleCount = 6
  var bytes: [UInt8]
  var records: [(chromosome: String, position: Int, range: Range<Int>)] = []

  /// - Parameter compression: 0 none, 1 zlib, 2 zstd.
  init(compression: Int, isNamed: Bool, _ random: inout CounterRNG) {
    let count = 12
    var names: [UInt8] = []
    if isNamed {
      for k in 0..<Self.sampleCount { names += little(3, 2) + Array("S0\(k)".utf8) }
      names = little(names.count + 8, 4) + little(Self.sampleCount, 4) + names
    }
    bytes = little(20 + names.count, 4) + little(20, 4) + little(count, 4) + little(Self.sampleCount, 4)
    bytes += Array("bgen".utf8) + little(compression | 2 << 2 | (isNamed ? 1 << 31 : 0), 4) + names
    for k in 0..<count {
      let (chromosome, position) = (k < 6 ? "21" : "22", 1000 + 500 * k)
      let alleles = Array(["A", "G", "TTC"][..<(k % 3 == 2 ? 3 : 2)])
      let start = bytes.count
      for name in ["n\(k)", "rs\(k)", chromosome] { bytes += little(name.utf8.count, 2) + Array(name.utf8) }
      bytes += little(position, 4) + little(alleles.count, 2)
      for allele in alleles { bytes += little(allele.utf8.count, 4) + Array(allele.utf8) }
      let block = Self.block(k, alleles: alleles.count, &random)
      switch compression {
      case 0: bytes += little(block.count, 4) + block
      default:
        let packed = pack(block, compression == 1 ? fuzz_zlib : fuzz_zstd)
        bytes += little(packed.count + 4, 4) + little(block.count, 4) + packed
      }
      records.append((chromosome, position, start..<bytes.count))
    }
  }

  private static func block(_ k: Int, alleles: Int, _ random: inout CounterRNG) -> [UInt8] {
    let (isPhased, width) = (k % 2 == 1, [1, 2, 4][k % 3])
    var bytes = little(sampleCount, 4) + little(alleles, 2) + [2, 2]
    bytes += (0..<sampleCount).map { _ in random.oneIn(5) ? 0x82 : 2 }
    bytes += [isPhased ? 1 : 0, UInt8(8 * width)]
    let values = isPhased ? 2 * (alleles - 1) : alleles * (alleles + 1) / 2 - 1
    // Below an eighth each: no sum is above one.
    for _ in 0..<(sampleCount * values) {
      bytes += little(random.next() >> UInt64(64 - 8 * width + 3), width)
    }
    return bytes
  }

  /// What bgenix writes.
  func writeIndex(_ path: String) {
    let start = bytes.prefix(1000).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    var script = """
      PRAGMA page_size = 512;
      CREATE TABLE Variant (chromosome TEXT NOT NULL, position INT NOT NULL, rsid TEXT NOT NULL,
        number_of_alleles INT NOT NULL, allele1 TEXT NOT NULL, allele2 TEXT NULL,
        file_start_position INT NOT NULL, size_in_bytes INT NOT NULL,
        PRIMARY KEY (chromosome, position, rsid, allele1, allele2, file_start_position)) WITHOUT ROWID;
      CREATE TABLE Metadata (filename TEXT NOT NULL, file_size INT NOT NULL, last_write_time INT NOT NULL,
        first_1000_bytes BLOB NOT NULL, index_creation_time INT NOT NULL);
      INSERT INTO Metadata VALUES ('x', \(bytes.count), 0, x'\(start)', 0);

      """
    for (k, it) in records.enumerated() {
      script +=
        "INSERT INTO Variant VALUES ('\(it.chromosome)', \(it.position), 'rs\(k)', \(k % 3 == 2 ? 3 : 2), 'A', 'G',"
        + " \(it.range.lowerBound), \(it.range.count));\n"
    }
    precondition(fuzz_database(path, script), path)
  }
}

private let regions = [
  GenomicRegion(chromosome: "21", start: 1400, end: 2600), GenomicRegion(chromosome: "22", start: 1),
]

func bgenVictims(_ folder: Folder) -> [Victim] {
  var random = CounterRNG(seed: 7)
  var victims: [Victim] = []
  func reader(_ path: String, _ regions: [GenomicRegion]) -> (inout CounterRNG) throws(StudyError) -> Void {
    { (random) throws(StudyError) in try GenotypeReading.read(path, regions: regions, &random) }
  }
  let list = "ID_1 ID_2 missing\n0 0 0\n" + (0..<Draft.sampleCount).map { "f S\($0) 0\n" }.joined()
  for (compression, name) in ["uncompressed", "zlib", "zstd"].enumerated() {
    let set = folder.folder(name)
    let draft = Draft(compression: compression, isNamed: compression != 2, &random)
    let path = set.add("set.bgen", draft.bytes)
    if compression == 2 { set.add("set.sample", list) }
    var victim = Victim(name, path, draft.bytes, read: reader(path, []))
    let first = draft.records[0].range
    victim.parts = [0..<24, 0..<first.lowerBound, first, first.lowerBound..<draft.bytes.count]
    victims.append(victim)
    if compression == 2 {
      let list = folder.folder("list")
      list.add("set.bgen", draft.bytes)
      victims.append(
        Victim(
          "sample file", list("set.sample"), Array(contents(set("set.sample"))), headerSize: 30,
          read: reader(list("set.bgen"), [])))
    }
    guard compression != 1 else { continue }
    // Read by regions: damage behind what the index knows of the file, or in the index.
    let indexed = folder.folder(name + " indexed")
    indexed.add("set.bgen", draft.bytes)
    if compression == 2 { indexed.add("set.sample", list) }
    draft.writeIndex(indexed("set.bgen.bgi"))
    var behind = Victim(
      name + ", indexed", indexed("set.bgen"), draft.bytes, read: reader(indexed("set.bgen"), regions))
    behind.parts = [min(1000, draft.bytes.count - 200)..<draft.bytes.count]
    victims.append(behind)
    let index = folder.folder(name + " index")
    index.add("set.bgen", draft.bytes)
    if compression == 2 { index.add("set.sample", list) }
    victims.append(
      Victim(
        name + " index", index("set.bgen.bgi"), contents(indexed("set.bgen.bgi")), headerSize: 100,
        read: reader(index("set.bgen"), regions)))
  }
  return victims
}
