import FoundationEssentials
import Glibc
import SwiftQTL

/// What `<out>.manifest.json` says about a run: enough to repeat it and to see what it left out.
struct Manifest: Encodable {
  struct Input: Encodable {
    var path: String
    /// 0 for what can be read only once, such as a pipe.
    var bytes: Int
    /// XXH3-128, as `xxhsum -H2` prints it; empty for a pipe.
    var xxh3: String
  }

  struct Counts: Encodable {
    var samples: Int
    var variantsTested: Int
    var variantsDropped: Int
    /// Of males on X, heterozygous and so missing (`--sex`).
    var callsMasked: Int
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

    init(_ study: Study, _ summary: ScanSummary) {
      let c = summary.counts
      samples = study.sampleCount
      variantsTested = c.variants
      variantsDropped = c.droppedVariants
      callsMasked = c.maskedCalls
      phenotypes = study.features.count
      phenotypesTested = summary.traits
      covariateRank = summary.covariateRank
      degreesOfFreedom = summary.degreesOfFreedom
      missingPatterns = summary.missingPatterns
      tests = c.tests
      pairsExcluded = c.excluded
      pairsUntestable = c.untestable
      pairsRecomputed = c.survivors
      rows = c.rows
      perfectFits = c.perfectFits
    }
  }

  struct Null: Encodable {
    /// Storey's π₀ at λ = 0.5 from the sampled tests, and its standard error if they were independent.
    var pi0: Double
    var standardError: Double
    var sampledTests: Int
  }

  /// How pairs were screened; absent where every pair is computed.
  struct Screen: Encodable {
    /// Pairs decided by products of integers, and by fp32 products.
    var integerPairs: Int
    var fp32Pairs: Int
    /// Share of them that had to be recomputed in fp64, and share of those that were reported.
    var survivorRate: Double
    var hitsAmongSurvivors: Double?

    /// - Parameter rows: that were reported; nil where none are.
    init?(_ counts: ScanCounts, rows: Int?) {
      let pairs = counts.integerPairs + counts.floatPairs
      guard pairs > 0 else { return nil }
      integerPairs = counts.integerPairs
      fp32Pairs = counts.floatPairs
      survivorRate = Double(counts.survivors) / Double(pairs)
      hitsAmongSurvivors = rows.map { Double($0) / Double(max(1, counts.survivors)) }
    }
  }

  struct Permutations: Encodable {
    /// Copies of each phenotype, and the error rate that its threshold stands for.
    var permutations: Int
    var level: Double
    var screen: Screen?
    var seconds: Double
  }

  /// Of merged shards.
  struct PlanReport: Encodable {
    var id: String
    var shards: Int
    /// Of the planned command.
    var arguments: [String]
  }

  var schema = 1
  var program = "swiftqtl"
  var version = swiftQTLVersion
  var command = CommandLine.arguments
  var inputs: [Input] = []
  var alignment: [String] = []
  /// Of a scan.
  var counts: Counts?
  var drops: [String: [String: Int]]
  /// Pairs with p at most this were reported; nil: all.
  var threshold: Double?
  var seed: UInt64
  /// Of a scan.
  var backend: String?
  var screen: Screen?
  var permutations: Permutations?
  var plan: PlanReport?
  /// `cis permute`.
  var genes: GeneReport?
  /// `classify`: hits by class.
  var classes: [String: Int]?
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

  /// - Parameter summary: nil where nothing was tested.
  init(
    study: Study, summary: ScanSummary?, drops: [String: [String: Int]], run: RunOptions, outputs: [String],
    seconds: [String: Double], inputs: [Input], threshold: Double? = nil, notes: [String] = [],
    permutations: Permutations? = nil
  ) {
    self.drops = drops
    self.inputs = inputs
    alignment = study.alignment + study.genotypes.notes + (summary?.allNotes ?? []) + notes
    self.threshold = threshold
    seed = run.seed
    self.permutations = permutations
    blas = BLAS.configuration
    blasCore = BLAS.coreName
    threads = run.workers
    self.outputs = outputs
    self.seconds = seconds
    peakResidentBytes = Machine.peakResident()
    guard let summary else { return }
    counts = Counts(study, summary)
    backend = summary.backend
    screen = Screen(summary.counts, rows: summary.counts.rows)
    histogram = summary.histogram.isEmpty ? nil : summary.histogram
    if !summary.sampledLogP.isEmpty {
      let proportion = NullProportion(logP: summary.sampledLogP)
      null = Null(
        pi0: proportion.estimate, standardError: proportion.standardError,
        sampledTests: summary.sampledLogP.count)
    }
  }

  /// Of a scan whose tables are written.
  init(_ scan: some JournalledScan, _ written: WrittenScan, seconds: [String: Double], inputs: [Input]) {
    self.init(
      study: scan.study, summary: written.summary, drops: written.drops, run: scan.resources,
      outputs: written.paths + [Self.path(scan.resources.out)], seconds: seconds, inputs: inputs,
      threshold: written.threshold, notes: written.notes)
    genes = written.genes
  }

  static func path(_ out: String) -> String { out + ".manifest.json" }

  func write(to files: OutputTransaction, _ out: String) throws {
    try files.open(Self.path(out), compression: .none).append(bytes: json())
  }

  /// Sizes and checksums of the files a run read, each once.
  static func inputs(_ paths: [String]) throws(StudyError) -> [Input] {
    var out: [Input] = []
    var seen: Set<String> = []
    for path in paths where seen.insert(path).inserted {
      var status = stat()
      let isFile = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      out.append(
        Input(
          path: path, bytes: isFile ? Int(status.st_size) : 0, xxh3: isFile ? try Checksum.xxh3(path) : "")
      )
    }
    return out
  }

  func json() throws -> [UInt8] { try Self.json(self) }

  static func json(_ manifest: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Inf", negativeInfinity: "-Inf", nan: "NA")
    return Array(try encoder.encode(manifest)) + [0x0A]
  }
}
