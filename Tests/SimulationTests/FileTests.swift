import Foundation
import LinearAlgebra
import StudyData
import StudyIO
import Testing

@testable import Simulation

struct FileTests {
  private static func options() -> SimulationOptions {
    // 41 samples: the last byte of each variant is not full.
    var options = SimulationOptions(samples: 41, variants: 300, genes: 20, covariates: 2, seed: 41)
    options.families = 4
    options.missingGenotypes = 0.05
    options.missingPhenotypes = 0.05
    return options
  }

  /// Runs `body` with a fresh directory.
  private func withDirectory(_ body: (URL) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appending(
      path: "simulation-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory)
  }

  private func lines(_ path: String) throws -> [[Substring]] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: "\t")
    }
  }

  @Test func plinkFilesHoldTheGenotypes() throws {
    try withDirectory { directory in
      let simulator = try Simulator(Self.options())
      let prefix = directory.appending(path: "study").path
      let paths = try simulator.write(prefix: prefix)
      #expect(
        Set(try FileManager.default.contentsOfDirectory(atPath: directory.path))
          == Set(
            paths.map { String($0.dropFirst(directory.path.count + 1)) }))

      let genotypes = try Genotypes(simulator.genotypes)
      let bed = [UInt8](try Data(contentsOf: URL(fileURLWithPath: prefix + ".bed")))
      #expect(bed.prefix(3) == [0x6C, 0x1B, 0x01])
      #expect(bed.count == 3 + 300 * 11)
      // Two bits: 00 two copies of A1, 01 missing, 10 one, 11 none (the format's definition).
      let codes = (0..<300).map { variant in
        (0..<41).map { sample -> UInt8 in
          [2, 3, 1, 0][Int(bed[3 + 11 * variant + sample / 4] >> UInt8(2 * (sample % 4)) & 3)]
        }
      }
      #expect(codes == genotypes.codes)

      let bim = try lines(prefix + ".bim")
      #expect(
        bim
          == genotypes.variants.map {
            [$0.chromosome, $0.id, "0", String($0.position), $0.alt, $0.ref].map { Substring($0) }
          })
      let fam = try lines(prefix + ".fam")
      #expect(fam.map { String($0[1]) } == simulator.sampleIDs)
      #expect(fam[2] == ["family1", "sample3", "sample1", "sample2", "1", "-9"])
      #expect(fam[16] == ["sample17", "sample17", "0", "0", "1", "-9"])
      // Fathers are men, mothers women.
      let sex = Dictionary(uniqueKeysWithValues: fam.map { ($0[1], $0[4]) })
      #expect(fam.allSatisfy { $0[2] == "0" || (sex[$0[2]] == "1" && sex[$0[3]] == "2") })
    }
  }

  /// Tables come back through the readers as they are in memory, up to the nine digits printed.
  @Test func tablesHoldTheTraits() throws {
    try withDirectory { directory in
      let simulator = try Simulator(Self.options())
      let prefix = directory.appending(path: "study").path
      try simulator.write(prefix: prefix)
      let traits = try simulator.traits()

      let phenotypes = try PhenotypeFile.read(prefix + ".phenotypes.bed.gz")
      #expect(phenotypes.sampleIDs == simulator.sampleIDs)
      #expect(phenotypes.features == traits.phenotypes.features)
      #expect(agree(phenotypes.values, traits.phenotypes.values))
      #expect(phenotypes.values.storage.contains { $0.isNaN })

      let covariates = try CovariateFile.read(
        prefix + ".covariates.tsv", sampleIDs: Set(simulator.sampleIDs))
      #expect(covariates.sampleIDs == simulator.sampleIDs)
      #expect(covariates.names == traits.covariates.names)
      #expect(agree(covariates.values, traits.covariates.values))

      let truth = try lines(prefix + ".truth.tsv")
      #expect(truth[0] == ["phenotype_id", "variant_id", "kind", "beta", "variance_explained"])
      #expect(truth.count == 1 + traits.truth.count)
      for (row, effect) in zip(truth.dropFirst(), traits.truth) {
        #expect(row[0] == effect.phenotypeID && row[1] == effect.variantID)
        #expect(row[2] == effect.kind.rawValue)
        let beta = try #require(Double(row[3]))
        #expect(abs(beta - effect.beta) <= 1e-8 * abs(effect.beta))
      }
    }
  }

  @Test func sameSeedSameBytes() throws {
    try withDirectory { directory in
      let a = try Simulator(Self.options()).write(prefix: directory.appending(path: "a").path)
      let b = try Simulator(Self.options()).write(prefix: directory.appending(path: "b").path)
      for (a, b) in zip(a, b) {
        #expect(FileManager.default.contentsEqual(atPath: a, andPath: b), "\(a)")
      }
    }
  }

  @Test func moreGenesSameGenotypeFiles() throws {
    try withDirectory { directory in
      var options = Self.options()
      let a = try Simulator(options).write(prefix: directory.appending(path: "a").path)
      options.genes = 33
      let b = try Simulator(options).write(prefix: directory.appending(path: "b").path)
      for (a, b) in zip(a, b)
      where [".bed", ".bim", ".fam"].contains(where: a.hasSuffix) && !a.contains("phenotypes") {
        #expect(FileManager.default.contentsEqual(atPath: a, andPath: b), "\(a)")
      }
    }
  }

  @Test func failureLeavesNothingBehind() throws {
    try withDirectory { directory in
      // The last file's name is taken by a directory.
      let taken = directory.appending(path: "study.truth.tsv")
      try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
      let error = #expect(throws: StudyError.self) {
        try Simulator(Self.options()).write(prefix: directory.appending(path: "study").path)
      }
      #expect(error?.kind == .environment)
      #expect(error?.file == taken.path)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["study.truth.tsv"])
    }
  }

  @Test func progressEndsAtOne() throws {
    try withDirectory { directory in
      var seen: [Double] = []
      try Simulator(Self.options()).write(prefix: directory.appending(path: "study").path) {
        seen.append($0)
      }
      #expect(seen.last == 1)
      #expect(seen == seen.sorted())
    }
  }

  private func agree(_ a: Matrix, _ b: Matrix) -> Bool {
    // Nine significant digits: half a unit of the ninth is at most 5e-9 of the number.
    a.rows == b.rows && a.columns == b.columns
      && zip(a.storage, b.storage).allSatisfy {
        $0.isNaN && $1.isNaN || abs($0 - $1) <= 5e-9 * abs($1)
      }
  }
}
