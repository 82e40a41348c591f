import BenchmarkSupport
import Glibc
import SwiftQTL

/// A study of related samples in which no tested variant affects any trait, but others do.
///
/// Markers and variants pass through the same pedigree and populations; all are unlinked. The relationship matrix K (2pq form) is that of
/// the markers, which are not tested, and a trait is √h·a + √(1−h)·e with a ~ N(0, K/s): what a polygenic effect of the markers is.
struct RelatedDesign: Sendable {
  enum Relatedness: Sendable {
    /// Families of two parents and two children.
    case families
    /// Two populations of equal size, F_ST 0.1.
    case populations
  }

  var name: String
  var relatedness: Relatedness
  var samples = 500
  var variants = 5_000
  var traits = 4_000
  var markers = 10_000
  /// Whether the analysis knows of the relationships.
  var adjusts = true
  /// Whether h² is at least 0.
  var isConstrained = true
  /// Leading principal components of K that are covariates as well.
  var components = 0

  /// h² of trait t.
  static let heritabilities = [0, 0.3, 0.6, 0.9]

  func study(seed: UInt64) throws -> Study {
    let ids = numberedIDs("s", samples)
    let (markerCodes, variantCodes) = (codes(markers, seed: seed, 0), codes(variants, seed: seed, 1_000_000))
    func genotypes(_ codes: [UInt8], _ count: Int) -> MemoryGenotypes {
      MemoryGenotypes(
        sampleIDs: ids,
        variants: numberedIDs("v", count).map {
          Variant(id: $0, chromosome: "", position: 0, ref: "A", alt: "C")
        }, codes: codes)
    }
    let kinship = try KinshipScan(filter: .off).run(on: genotypes(markerCodes, markers)).kinship
    let leading = components > 0 ? try kinship.principalComponents(components) : nil
    return try Study(
      genotypes: genotypes(variantCodes, variants),
      phenotypes: Phenotypes(
        path: "simulated", sampleIDs: ids, features: numberedIDs("t", traits).map { Feature(id: $0) },
        values: phenotypes(kinship.matrix, seed: seed)),
      covariates: leading.map {
        Covariates(path: "K", sampleIDs: ids, names: numberedIDs("PC", components), values: $0.vectors)
      },
      relatedness: adjusts ? .kinship(kinship) : nil)
  }

  /// Copies of an allele, by variant and sample; variants that nobody or everybody has are drawn again.
  private func codes(_ count: Int, seed: UInt64, _ first: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(count * samples)
    for v in 0..<count {
      var random = CounterRandom(seed: seed, stream: first + v)
      var own: [UInt8] = []
      repeat {
        own = []
        let p = 0.05 + 0.45 * random.uniform()
        switch relatedness {
        case .families:
          while own.count < samples {
            let parents = (0..<4).map { _ in random.uniform() < p ? 1 : 0 }
            own += [UInt8(parents[0] + parents[1]), UInt8(parents[2] + parents[3])]
            for _ in 0..<2 {
              own.append(
                UInt8(parents[random.uniform() < 0.5 ? 0 : 1] + parents[random.uniform() < 0.5 ? 2 : 3]))
            }
          }
        case .populations:
          let spread = (0.1 * p * (1 - p)).squareRoot()
          let shares = (0..<2).map { _ in min(0.99, max(0.01, p + spread * random.normal())) }
          for i in 0..<samples {
            let share = shares[i % 2]
            own.append((random.uniform() < share ? 1 : 0) + (random.uniform() < share ? 1 : 0))
          }
        }
      } while Set(own.prefix(samples)).count < 2
      out += own.prefix(samples)
    }
    return out
  }

  private func phenotypes(_ kinship: Matrix, seed: UInt64) -> Matrix {
    let n = samples
    let eigen = SymmetricEigen(of: kinship)
    let scale = (0..<n).reduce(0) { $0 + kinship[$1, $1] } / Double(n)
    // Columns of a square root of K.
    var root = eigen.vectors
    for j in 0..<n {
      let length = (max(0, eigen.values[j]) / scale).squareRoot()
      for i in 0..<n { root[i, j] *= length }
    }
    var values = Matrix(rows: n, columns: traits)
    for t in 0..<traits {
      var random = CounterRandom(seed: seed, stream: 2_000_000 + t)
      let h = Self.heritabilities[t % Self.heritabilities.count]
      var y = (0..<n).map { _ in (1 - h).squareRoot() * random.normal() }
      guard h > 0 else {
        for i in 0..<n { values[i, t] = y[i] }
        continue
      }
      for j in 0..<n {
        let weight = h.squareRoot() * random.normal()
        for i in 0..<n { y[i] += weight * root.storage[j * n + i] }
      }
      for i in 0..<n { values[i, t] = y[i] }
    }
    return values
  }
}
