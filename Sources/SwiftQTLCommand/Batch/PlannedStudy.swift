import SwiftQTL

/// The file that a plan's shards read instead of phenotypes and covariates.
enum PlannedStudy {
  static func sections(
    _ study: Study, _ prepared: PreparedScan, _ effects: EffectColumns?, _ base: ScanSummary,
    _ own: [ArchiveSection]
  ) -> [ArchiveSection] {
    var sections = [
      ArchiveSection("study") { StudyOutline(study).encode(to: &$0) },
      ArchiveSection("summary") { base.encode(to: &$0) },
    ]
    if let effects {
      let scales = effects.traits.flatMap { scale in
        scale.map { [$0.mean, $0.variance, $0.residualSumOfSquares] } ?? [.nan, .nan, .nan]
      }
      sections.append(ArchiveSection("effects", .doubles(scales)))
    }
    return sections + own + prepared.sections
  }

  /// What a shard scans.
  static func scan(_ file: PlanFile, _ command: any PlannedCommand) throws -> any JournalledScan {
    let archive = try ArchiveFile.read(file.studyPath)
    guard let prepared = PreparedScan(archive) else { throw damaged(file) }
    return try scan(file, command, archive, prepared)
  }

  /// What a merge needs to know of the study, and of any of the shards.
  static func outline(_ file: PlanFile, _ command: any PlannedCommand) throws -> (
    any JournalledScan, ScanSummary
  ) {
    let archive = try ArchiveFile.read(
      file.studyPath, sections: Set(["study", "summary", "effects"] + type(of: command).outlineSections))
    do {
      let summary = try archive.decode("summary") { (decoder) throws(ByteDecoder.Failure) in
        try ScanSummary(&decoder)
      }
      return (try scan(file, command, archive, nil), summary)
    } catch is ByteDecoder.Failure {
      throw damaged(file)
    }
  }

  private static func scan(
    _ file: PlanFile, _ command: any PlannedCommand, _ archive: Archive, _ prepared: PreparedScan?
  ) throws -> any JournalledScan {
    do throws(any Error) {
      let outline = try archive.decode("study") { (decoder) throws(ByteDecoder.Failure) in
        try StudyOutline(&decoder)
      }
      var effects: EffectColumns?
      if command.effect.effectSizes {
        let numbers = try archive.doubles("effects", count: 3 * outline.features.count)
        effects = EffectColumns(
          traits: outline.features.indices.map { k in
            numbers[3 * k].isNaN
              ? nil
              : TraitScale(
                mean: numbers[3 * k], variance: numbers[3 * k + 1], residualSumOfSquares: numbers[3 * k + 2])
          }, expression: command.effect.afc)
      }
      let (samples, features) = (outline.sampleIDs.count, outline.features.count)
      var phenotypes: Matrix?
      if archive.contains("phenotypes") {
        phenotypes = Matrix(
          rows: samples, columns: features,
          storage: try archive.doubles("phenotypes", count: samples * features))
      }
      let study = try Study(outline, genotypes: command.input.source.open(), phenotypes: phenotypes)
      return try command.scan(of: study, effects: effects, prepared, archive)
    } catch is ByteDecoder.Failure {
      throw damaged(file)
    }
  }

  private static func damaged(_ file: PlanFile) -> StudyError {
    StudyError(
      .malformed, file: file.studyPath, "the prepared study is not that of the plan",
      remedy: "make the plan anew")
  }
}
