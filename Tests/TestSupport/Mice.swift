internal import Foundation
public import LinearAlgebra
internal import Testing

/// One trait of the mice, and GEMMA's log of it.
public struct Mice: Sendable {
  public var trait: String
  public var column: Int
  public var pve: Double
  public var error: Double
  public var reml: Double
  public var ml: Double

  public struct Genotypes: Sendable {
    /// By SNP, then mouse.
    public var values: [Double]
    public var index: [String: Int]
    public var kinship: Matrix
  }

  public static let cd8 = Mice(
    trait: "CD8", column: 0, pve: 0.608801, error: 0.032774, reml: -1584.34, ml: -1584.72)
  public static let mch = Mice(
    trait: "MCH", column: 5, pve: 0.636128, error: 0.0314253, reml: -1971.87, ml: -1972.37)

  public static let genotypes = Result { try read() }

  /// By mouse; nil is missing.
  public func phenotypes() throws -> [Double?] {
    try SharedFolder.table("data/gemma_mouse_hs1940/mouse_hs1940.pheno.txt.gz").map { Double($0[column]) }
  }

  /// What `gemma -lmm 4` said, with the header.
  public func association() throws -> [[Substring]] {
    try SharedFolder.table("oracles/gemma_mouse/mouse_hs1940_\(trait)_lmm4.assoc.txt.gz")
  }

  private static func read() throws -> Genotypes {
    var values: [Double] = []
    var index: [String: Int] = [:]
    var data = try SharedFolder.unzipped("data/gemma_mouse_hs1940/mouse_hs1940.geno.txt.gz")
    data.append(0)
    data.withUnsafeBytes { bytes in
      var at = bytes.assumingMemoryBound(to: CChar.self).baseAddress!
      while at.pointee != 0 {
        let name = at
        while at.pointee != UInt8(ascii: ",") { at += 1 }
        index[String(decoding: UnsafeRawBufferPointer(start: name, count: at - name), as: UTF8.self)] =
          index.count
        // Two alleles.
        for _ in 0..<2 {
          at += 1
          while at.pointee != UInt8(ascii: ",") { at += 1 }
        }
        while at.pointee == UInt8(ascii: ",") {
          var end: UnsafeMutablePointer<CChar>?
          values.append(strtod(at + 1, &end))
          at = UnsafePointer(end!)
        }
        while at.pointee == 10 || at.pointee == 13 { at += 1 }
      }
    }
    let n = values.count / index.count
    // SNPs that GEMMA took: those of the table of the phenotype in the first column.
    let used = try SharedFolder.table("oracles/gemma_mouse/mouse_hs1940_CD8_lmm4.assoc.txt.gz").dropFirst()
      .map { index[String($0[1])]! }
    var centered = Matrix(rows: used.count, columns: n)
    for (k, j) in used.enumerated() {
      let mean = values[j * n..<(j + 1) * n].reduce(0, +) / Double(n)
      for i in 0..<n { centered[k, i] = values[j * n + i] - mean }
    }
    var kinship = centered.crossProduct
    for k in kinship.storage.indices { kinship.storage[k] /= Double(used.count) }
    let corner = try SharedFolder.table("oracles/gemma_mouse/mouse_hs1940.cXX.first60.txt.gz")
    for (i, row) in corner.enumerated() {
      for (j, cell) in row.enumerated() { try #require(abs(kinship[i, j] - Double(cell)!) < 1e-9) }
    }
    return Genotypes(values: values, index: index, kinship: kinship)
  }
}
