import ArgumentParser
import SwiftQTL

/// A command whose scan can be divided by `swiftqtl plan`.
protocol PlannedCommand: ParsableCommand {
  /// After `swiftqtl plan`.
  static var planName: String { get }
  var input: InputOptions { get }
  var effect: EffectOptions { get }
  var resources: RunOptions { get set }

  func study(_ progress: Progress) throws -> Study
  /// Every file a scan reads.
  func files(of study: Study) throws -> [String]
  func scanOptions(of study: Study) throws -> ScanOptions

  /// The scan of a study, in units.
  func divide(_ study: Study, effects: EffectColumns?, _ prepared: PreparedScan, _ progress: Progress) throws
    -> DividedScan
  /// The scan of a study of a plan.
  ///
  /// - Parameters:
  ///   - prepared: what shards need, a merge does not.
  ///   - archive: has at least the sections named ``outlineSections``.
  /// - Throws: `ByteDecoder.Failure` where the archive lacks something.
  func scan(
    of study: Study, effects: EffectColumns?, _ prepared: PreparedScan?, _ archive: Archive
  ) throws -> any JournalledScan
  /// Of ``DividedScan/sections`` those that merges read, too.
  static var outlineSections: [String] { get }
}

/// A scan to be divided into shards.
struct DividedScan {
  var scan: any JournalledScan
  /// Blocks or genes.
  var units: Int
  /// Variants or genes of a unit.
  var unitSize: Int
  var multiplications: Double
  /// What shards and merges are to know beside the study.
  var sections: [ArchiveSection] = []
}

extension TransCommand: PlannedCommand {
  static let planName = "trans"
  static let outlineSections: [String] = []

  func scanOptions(of study: Study) throws -> ScanOptions { try TransJob.options(of: self) }

  func divide(_ study: Study, effects: EffectColumns?, _ prepared: PreparedScan, _ progress: Progress) throws
    -> DividedScan
  {
    let blocks = try study.blockCount(scanOptions(of: study).selection)
    guard blocks > 0 else {
      throw StudyError(
        .inconsistent, file: study.genotypes.path, "there are no variants to divide",
        remedy: "check --region and --extract")
    }
    return DividedScan(
      scan: try TransJob(self, study, effects: effects, prepared: prepared), units: blocks,
      unitSize: Execution.blockSize,
      multiplications: Double(blocks * Execution.blockSize) * Double(study.features.count)
        * Double(study.sampleCount))
  }

  func scan(
    of study: Study, effects: EffectColumns?, _ prepared: PreparedScan?, _ archive: Archive
  ) throws -> any JournalledScan {
    try TransJob(self, study, effects: effects, prepared: prepared)
  }
}

extension CisPermuteCommand: PlannedCommand {
  static let planName = "cis-permute"
  static let outlineSections = ["genes", "drops"]

  func divide(_ study: Study, effects: EffectColumns?, _ prepared: PreparedScan, _ progress: Progress) throws
    -> DividedScan
  {
    var job = try PermuteJob(self, study, effects: effects, prepared: prepared)
    progress.note("reading the variants of each gene's window")
    var drops = DropRows(level: resources.rowCompressionLevel)
    let order = try job.permutations.order(in: study, prepared: prepared, execution: resources.execution) {
      drops.append($0)
    }
    job.order = order
    return DividedScan(
      scan: job, units: order.variants.count, unitSize: 1, multiplications: job.multiplications,
      sections: [
        ArchiveSection("genes") { order.encode(to: &$0) },
        ArchiveSection("drops") { drops.encode(to: &$0) },
      ] + (mixed.isMixed ? [] : [ArchiveSection("phenotypes", .doubles(study.phenotypes.storage))]))
  }

  func scan(
    of study: Study, effects: EffectColumns?, _ prepared: PreparedScan?, _ archive: Archive
  ) throws -> any JournalledScan {
    var job = try PermuteJob(self, study, effects: effects, prepared: prepared)
    job.order = try archive.decode("genes") { (decoder) throws(ByteDecoder.Failure) in
      try GeneOrder(&decoder)
    }
    // Shards write no tables.
    if prepared == nil {
      job.variantDrops = try archive.decode("drops") { (decoder) throws(ByteDecoder.Failure) in
        try DropRows(&decoder, level: resources.rowCompressionLevel)
      }
    }
    return job
  }
}
