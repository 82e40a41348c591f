import FoundationEssentials
import Glibc
import SwiftQTL

let swiftQTLVersion = "0.1.0"

/// What `<out>.manifest.json` says about a run: enough to repeat it and to see what it left out.
struct Manifest: Encodable {
  struct Input: Encodable {
    var path: String
    var bytes: Int
    /// XXH3-128, as `xxhsum -H2` prints it.
    var xxh3: String
  }

  struct Counts: Encodable {
    var samples: Int
    var variantsTested: Int
    var variantsDropped: Int
    var phenotypes: Int
    var phenotypesTested: Int
    var covariateRank: Int
    var degreesOfFreedom: Int
    var missingPatterns: Int
    var tests: Int
    var pairsExcluded: Int
    var pairsUntestable: Int
    var pairsRecomputed: Int
    var rows: Int
    var perfectFits: Int
  }

  struct Null: Encodable {
    /// Storey's π₀ at λ = 0.5 from the sampled tests, and its standard error if they were independent.
    var pi0: Double
    var standardError: Double
    var sampledTests: Int
  }

  var schema = 1
  var program = "swiftqtl"
  var version = swiftQTLVersion
  var command = CommandLine.arguments
  var inputs: [Input] = []
  var alignment: [String] = []
  var counts: Counts
  var drops: [String: [String: Int]]
  var seed: UInt64
  var backend: String
  var blas: String
  var blasCore: String
  var threads: Int
  var null: Null?
  /// Tests with p in [k/20, (k + 1)/20) (`--histogram full`).
  var histogram: [Int]?
  var outputs: [String]
  /// Seconds by the wall clock.
  var seconds: [String: Double]
  var peakResidentBytes: Int

  init(
    study: Study, summary: ScanSummary, drops: [String: [String: Int]], run: RunOptions, outputs: [String],
    seconds: [String: Double], inputs: [Input]
  ) {
    let c = summary.counts
    counts = Counts(
      samples: study.sampleCount, variantsTested: c.variants, variantsDropped: c.droppedVariants,
      phenotypes: study.features.count, phenotypesTested: summary.traits,
      covariateRank: summary.covariateRank,
      degreesOfFreedom: summary.degreesOfFreedom, missingPatterns: summary.missingPatterns, tests: c.tests,
      pairsExcluded: c.excluded, pairsUntestable: c.untestable, pairsRecomputed: c.survivors, rows: c.rows,
      perfectFits: c.perfectFits)
    self.drops = drops
    self.inputs = inputs
    alignment = study.alignment + study.genotypes.notes
    seed = run.seed
    backend = summary.backend
    blas = BLAS.configuration
    blasCore = BLAS.coreName
    threads = run.workers
    self.outputs = outputs
    self.seconds = seconds
    histogram = summary.histogram.isEmpty ? nil : summary.histogram
    peakResidentBytes = Machine.peakResident()
    if !summary.sampledLogP.isEmpty {
      let proportion = NullProportion(logP: summary.sampledLogP)
      null = Null(
        pi0: proportion.estimate, standardError: proportion.standardError,
        sampledTests: summary.sampledLogP.count)
    }
  }

  /// Sizes and checksums of the files a run read.
  static func inputs(_ paths: [String]) throws(StudyError) -> [Input] {
    var out: [Input] = []
    for path in paths {
      var status = stat()
      stat(path, &status)
      out.append(Input(path: path, bytes: Int(status.st_size), xxh3: try Checksum.xxh3(path)))
    }
    return out
  }

  func json() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Inf", negativeInfinity: "-Inf", nan: "NA")
    // Nothing in a manifest can fail to encode.
    let data = (try? encoder.encode(self)) ?? Data("{}".utf8)
    return Array(data) + [0x0A]
  }
}
