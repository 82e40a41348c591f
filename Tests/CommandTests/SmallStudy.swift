import Foundation

/// Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Near enough to a normal variate: a sum of twelve uniform ones.
  mutating func normal() -> Double {
    (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &self) }
  }
}

/// A study in memory, to be written in any format and with any damage.
struct SmallStudy {
  struct Site {
    var id: String
    var chromosome: String
    var position: Int
    var ref = "A"
    var alt = "G"
  }

  struct Gene {
    var id: String
    var chromosome: String
    var start: Int
    var end: Int
  }

  var samples: [String]
  var sites: [Site] = []
  /// Copies of alt by site and sample; nil is missing.
  var dosages: [[Int?]] = []
  var genes: [Gene] = []
  /// By gene and sample; nil is missing.
  var values: [[Double?]] = []
  var covariates: [(name: String, values: [Double])] = []

  /// Random genotypes on two chromosomes; gene k is moved by variant k and by the covariates.
  init(
    samples n: Int = 24, variants: Int = 30, genes geneCount: Int = 6, covariates covariateCount: Int = 2,
    missing: Double = 0, seed: UInt64 = 1
  ) {
    var random = SplitMix64(state: seed)
    samples = (0..<n).map { String(format: "S%03d", $0) }
    for k in 0..<covariateCount {
      covariates.append(("cov\(k + 1)", (0..<n).map { _ in Self.rounded(random.normal()) }))
    }
    for v in 0..<variants {
      let half = (variants + 1) / 2
      sites.append(
        Site(id: "rs\(v + 1)", chromosome: v < half ? "1" : "2", position: 10_000 * (v % half + 1)))
      let frequency = Double.random(in: 0.2...0.8, using: &random)
      // The first two samples differ, so that no variant is monomorphic.
      dosages.append(
        (0..<n).map { sample in
          if sample < 2 { return 2 * sample }
          if Double.random(in: 0..<1, using: &random) < missing { return nil }
          return (0..<2).count { _ in Double.random(in: 0..<1, using: &random) < frequency }
        })
    }
    for g in 0..<geneCount {
      let site = sites[g * variants / geneCount]
      genes.append(
        Gene(id: "gene\(g + 1)", chromosome: site.chromosome, start: site.position, end: site.position + 999))
      let effect = Double(g % 3)
      let genotype = dosages[g * variants / geneCount]
      values.append(
        (0..<n).map { s in
          let noise = random.normal()
          if s > 1, Double.random(in: 0..<1, using: &random) < missing / 2 { return nil }
          let common = covariates.reduce(0.0) { $0 + 0.5 * $1.values[s] }
          return Self.rounded(effect * Double(genotype[s] ?? 1) + common + noise)
        })
    }
  }

  private static func rounded(_ x: Double) -> Double { (x * 1e6).rounded() / 1e6 }

  /// The same study with samples in another order in all files.
  func reordered(_ order: [Int]) -> SmallStudy {
    var other = self
    other.samples = order.map { samples[$0] }
    other.dosages = dosages.map { row in order.map { row[$0] } }
    other.values = values.map { row in order.map { row[$0] } }
    other.covariates = covariates.map { covariate in (covariate.name, order.map { covariate.values[$0] }) }
    return other
  }

  /// Only the sites of one chromosome.
  func sites(on chromosome: String) -> SmallStudy {
    var other = self
    let kept = sites.indices.filter { sites[$0].chromosome == chromosome }
    other.sites = kept.map { sites[$0] }
    other.dosages = kept.map { dosages[$0] }
    return other
  }

  /// The same genotypes counted by their other allele.
  func withAllelesSwapped() -> SmallStudy {
    var other = self
    for k in sites.indices { (other.sites[k].ref, other.sites[k].alt) = (sites[k].alt, sites[k].ref) }
    other.dosages = dosages.map { $0.map { $0.map { 2 - $0 } } }
    return other
  }
}

// MARK: - Files

extension SmallStudy {
  func bed() -> Data {
    var bytes: [UInt8] = [0x6C, 0x1B, 0x01]
    for row in dosages {
      for first in stride(from: 0, to: samples.count, by: 4) {
        var byte: UInt8 = 0
        for s in first..<min(first + 4, samples.count) {
          let code: UInt8 = row[s].map { [3, 2, 0][$0] } ?? 1
          byte |= code << UInt8(2 * (s - first))
        }
        bytes.append(byte)
      }
    }
    return Data(bytes)
  }

  /// PLINK 2's fixed widths: hard calls, or with dosages behind them.
  func pgen(dosages withDosages: Bool = false) -> Data {
    var bytes: [UInt8] = [0x6C, 0x1B, withDosages ? 3 : 2]
    for count in [sites.count, samples.count] { bytes += (0..<4).map { UInt8(count >> (8 * $0) & 255) } }
    bytes.append(0x40)
    for row in dosages {
      for first in stride(from: 0, to: samples.count, by: 4) {
        let codes = row[first..<min(first + 4, samples.count)].map { UInt8($0 ?? 3) }
        bytes.append(codes.reversed().reduce(0) { $0 << 2 | $1 })
      }
      // Of 16 bits, in units of 2^-14; the last value stands for none.
      if withDosages { bytes += row.flatMap { $0.map { [0, UInt8($0 << 6)] } ?? [255, 255] } }
    }
    return Data(bytes)
  }

  func bim() -> String {
    sites.map { "\($0.chromosome)\t\($0.id)\t0\t\($0.position)\t\($0.alt)\t\($0.ref)\n" }.joined()
  }

  func fam() -> String { samples.map { "\($0)\t\($0)\t0\t0\t0\t-9\n" }.joined() }

  /// With GT, or DS of one decimal place.
  func vcf(field: String = "GT") -> String {
    var text = "##fileformat=VCFv4.2\n"
    for name in ["1", "2"] { text += "##contig=<ID=\(name)>\n" }
    let type = field == "GT" ? "Type=String" : "Type=Float"
    text += "##FORMAT=<ID=\(field),Number=1,\(type),Description=\"Genotype\">\n"
    text += row(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"] + samples)
    for (site, row) in zip(sites, dosages) {
      let cells = row.map { dosage in
        guard let dosage else { return field == "GT" ? "./." : "." }
        return field == "GT" ? ["0/0", "0/1", "1|1"][dosage] : "\(dosage).0"
      }
      text += self.row(
        [site.chromosome, "\(site.position)", site.id, site.ref, site.alt, ".", "PASS", ".", field] + cells)
    }
    return text
  }

  func matrix() -> String {
    var text = row(["id", "chr", "pos", "ref", "alt"] + samples)
    for (site, dosages) in zip(sites, dosages) {
      text += row(
        [site.id, site.chromosome, "\(site.position)", site.ref, site.alt]
          + dosages.map { $0.map(String.init) ?? "NA" })
    }
    return text
  }

  /// FastQTL's BED with 4 leading columns, or QTLtools' with 6.
  func phenotypes(columns: Int = 4) -> String {
    let leading = ["#chr", "start", "end", "id", "gid", "strand"].prefix(columns)
    var text = row(leading + samples)
    for (k, (gene, values)) in zip(genes, values).enumerated() {
      let place = [
        gene.chromosome, "\(gene.start - 1)", "\(gene.end)", gene.id, "group\(k)", k % 2 == 0 ? "+" : "-",
      ]
      text += row(place.prefix(columns) + values.map { $0.map { "\($0)" } ?? "NA" })
    }
    return text
  }

  func covariateTable(samplesInRows: Bool = false) -> String {
    if samplesInRows {
      return row(["id"] + covariates.map(\.name))
        + samples.indices.map { s in row([samples[s]] + covariates.map { "\($0.values[s])" }) }.joined()
    }
    return row(["id"] + samples) + covariates.map { row([$0.name] + $0.values.map { "\($0)" }) }.joined()
  }

  private func row(_ cells: some Sequence<String>) -> String { cells.joined(separator: "\t") + "\n" }

  /// Writes `g.bed/.bim/.fam`, `e.bed` (phenotypes) and `c.tsv`.
  func write(to folder: Folder) throws {
    try writePlink(to: folder)
    try folder.file(phenotypes(), "e.bed")
    try folder.file(covariateTable(), "c.tsv")
  }

  func writePlink(to folder: Folder, _ prefix: String = "g") throws {
    try folder.file(bed(), prefix + ".bed")
    try folder.file(bim(), prefix + ".bim")
    try folder.file(fam(), prefix + ".fam")
  }
}
