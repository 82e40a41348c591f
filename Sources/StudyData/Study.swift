public import LinearAlgebra

/// Genotypes, phenotypes and covariates of the same samples, joined by id.
///
/// Samples are held in *canonical order* (ids sorted by UTF-8 bytes), whatever their order in the files, so that every
/// number computed from a study is independent of the files' order.
public struct Study: Sendable {
  /// Analysed samples in canonical order.
  public let sampleIDs: [String]
  public let genotypes: any GenotypeSource
  /// For each analysed sample its index in `genotypes.sampleIDs`.
  public let genotypeSamples: [Int]
  public private(set) var features: [Feature]
  /// samples × features; NaN is missing.
  public private(set) var phenotypes: Matrix
  public let covariateNames: [String]
  /// samples × covariates, without the intercept; complete.
  public let covariates: Matrix
  /// Terms that may interact with the genotype: samples × terms; complete. No scan but that of interactions takes them into its model.
  public let interactions: Matrix
  public let interactionNames: [String]
  /// Where there is one, scans fit mixed models; those that cannot refuse it. Samples in canonical order.
  public private(set) var relatedness: Relatedness?
  /// Samples left out, by file.
  public let drops: [Drop]
  /// What was joined, for the log: one line per file.
  public let alignment: [String]

  public var sampleCount: Int { sampleIDs.count }

  /// Joins the tables by sample id.
  ///
  /// - Parameters:
  ///   - interactions: terms that interact with the genotype.
  ///   - relatedness: makes scans fit mixed models; used up, to spare its memory.
  ///   - keep: only these samples; nil keeps all that are in every file.
  ///     Those of them that no file has are noted in `alignment`.
  ///   - requiringSharedChromosome: whether disjoint chromosome names are an error, as they are wherever near and far pairs are
  ///     told apart.
  ///   - chromosomeRemedy: what that error advises.
  /// - Missing: NaN phenotypes are kept (each trait is analysed on its observed samples); NaN covariates and terms are
  ///   refused.
  /// - Throws: ``StudyError`` of kind `inconsistent` when no sample (or no chromosome, where both sides name them) is
  ///   shared, `malformed` when a covariate or a term is missing for an analysed sample.
  /// - Complexity: O(samples × (features + covariates)); the phenotypes are put in order in place where the caller gives
  ///   them up (`consume`).
  public init(
    genotypes: any GenotypeSource, phenotypes: consuming Phenotypes, covariates: Covariates? = nil,
    interactions: Covariates? = nil, relatedness: consuming Relatedness? = nil,
    restrictedTo keep: Set<String>? = nil,
    requiringSharedChromosome: Bool = true,
    chromosomeRemedy: String = "name chromosomes alike in both files (a chr prefix is ignored)"
  ) throws(StudyError) {
    var shared = Set(genotypes.sampleIDs).intersection(phenotypes.sampleIDs)
    guard !shared.isEmpty else {
      throw Self.noOverlap(
        genotypes.path, genotypes.sampleIDs, phenotypes.path, phenotypes.sampleIDs)
    }
    for table in [covariates, interactions].compactMap(\.self) {
      let next = shared.intersection(table.sampleIDs)
      guard !next.isEmpty else {
        throw Self.noOverlap(phenotypes.path, phenotypes.sampleIDs, table.path, table.sampleIDs)
      }
      shared = next
    }
    if let ids = relatedness?.sampleIDs {
      let next = shared.intersection(ids)
      guard !next.isEmpty else {
        throw Self.noOverlap(phenotypes.path, phenotypes.sampleIDs, relatedness?.path ?? "", ids)
      }
      shared = next
    }
    let inEveryFile = shared
    if let keep {
      shared.formIntersection(keep)
      guard !shared.isEmpty else {
        throw StudyError(
          .inconsistent, "none of the samples asked for is in all files",
          remedy: "check the sample list against \(genotypes.path) and \(phenotypes.path)")
      }
    }
    let ids = shared.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }

    var drops: [Drop] = []
    var alignment: [String] = []
    func index(_ path: String, _ all: [String]) -> [Int] {
      var position: [String: Int] = [:]
      for (i, id) in all.enumerated() { position[id] = i }
      let lost = all.filter { !shared.contains($0) }
      drops += lost.map {
        let reason = inEveryFile.contains($0) ? "not asked for" : "not in every file"
        return Drop(.sample, id: $0, reason: reason, detail: "found in \(path)")
      }
      var line = "\(path): \(all.count) samples, \(ids.count) analysed"
      if !lost.isEmpty { line += ", \(lost.count) not used (\(firstNames(lost)))" }
      alignment.append(line)
      return ids.map { position[$0]! }
    }
    genotypeSamples = index(genotypes.path, genotypes.sampleIDs)
    let phenotypeRows = index(phenotypes.path, phenotypes.sampleIDs)
    func rows(_ table: Covariates?, _ what: String) throws(StudyError) -> (Matrix, [String]) {
      guard let table else { return (Matrix(rows: ids.count, columns: 0), []) }
      let values = table.values.selectingRows(index(table.path, table.sampleIDs))
      for column in 0..<values.columns {
        for row in 0..<ids.count where !values[row, column].isFinite {
          throw StudyError(
            .malformed, file: table.path,
            "\(what) \(table.names[column]) is missing for sample \(ids[row])",
            remedy: "fill it in, drop the \(what), or leave the sample out with --samples")
        }
      }
      return (values, table.names)
    }
    (self.covariates, covariateNames) = try rows(covariates, "covariate")
    (self.interactions, interactionNames) = try rows(interactions, "interaction term")
    if let path = relatedness?.path, let own = relatedness?.sampleIDs, path != genotypes.path {
      _ = index(path, own)
    }
    self.relatedness = try relatedness?.restricted(to: ids)
    if let keep {
      let found = [
        genotypes.sampleIDs, phenotypes.sampleIDs, covariates?.sampleIDs ?? [], interactions?.sampleIDs ?? [],
      ].joined()
      let absent = keep.subtracting(found).sorted()
      if !absent.isEmpty {
        alignment.append(
          "\(absent.count) of the samples asked for are in no file (\(firstNames(absent)))")
      }
    }
    sampleIDs = ids
    self.genotypes = genotypes
    features = phenotypes.features
    var values = Matrix(rows: 0, columns: 0)
    swap(&values, &phenotypes.values)
    self.phenotypes = (consume values).selectingRows(phenotypeRows)
    self.drops = drops + phenotypes.drops
    self.alignment = alignment
    if requiringSharedChromosome {
      try Self.checkChromosomes(genotypes, features, of: phenotypes.path, chromosomeRemedy)
    }
  }

  /// A study whose traits were made ready before: without covariates and relatedness.
  ///
  /// - Parameter phenotypes: samples × features, where they are wanted beside the traits that were made of them.
  /// - Throws: ``StudyError`` `inconsistent` when the genotypes lack a sample.
  public init(_ outline: StudyOutline, genotypes: any GenotypeSource, phenotypes: Matrix? = nil)
    throws(StudyError)
  {
    var position: [String: Int] = [:]
    for (i, id) in genotypes.sampleIDs.enumerated() { position[id] = i }
    let absent = outline.sampleIDs.filter { position[$0] == nil }
    guard absent.isEmpty else {
      throw StudyError(
        .inconsistent, file: genotypes.path,
        "\(absent.count) of \(outline.sampleIDs.count) samples are not there (\(firstNames(absent)))",
        remedy: "give the genotypes that the study was made with")
    }
    sampleIDs = outline.sampleIDs
    genotypeSamples = outline.sampleIDs.map { position[$0]! }
    features = outline.features
    drops = outline.drops
    alignment = outline.alignment
    self.genotypes = genotypes
    let nothing = Matrix(rows: outline.sampleIDs.count, columns: 0)
    precondition(phenotypes.map { $0.rows == nothing.rows && $0.columns == outline.features.count } ?? true)
    (self.phenotypes, covariates, interactions) = (phenotypes ?? nothing, nothing, nothing)
    (covariateNames, interactionNames) = ([], [])
    relatedness = nil
  }

  /// The same samples, genotypes and covariates with other traits.
  ///
  /// - Parameter phenotypes: samples in canonical order × features; NaN is missing.
  public func replacing(features: [Feature], phenotypes: Matrix) -> Study {
    precondition(phenotypes.rows == sampleCount && phenotypes.columns == features.count)
    var study = self
    study.features = features
    study.phenotypes = phenotypes
    return study
  }

  /// The same with another relationship of its samples, in canonical order.
  public func replacing(relatedness: Relatedness) -> Study {
    precondition(relatedness.sampleIDs == sampleIDs)
    var study = self
    study.relatedness = relatedness
    return study
  }

  private static func checkChromosomes(
    _ genotypes: any GenotypeSource, _ features: [Feature], of path: String, _ remedy: String
  ) throws(StudyError) {
    let ofFeatures = Set(
      features.lazy.filter(\.hasLocation).map { Chromosome.normalized($0.chromosome) })
    guard !ofFeatures.isEmpty, let ofVariants = try genotypes.chromosomes(), !ofVariants.isEmpty,
      ofVariants.isDisjoint(with: ofFeatures)
    else { return }
    throw StudyError(
      .inconsistent,
      "no chromosome is shared: \(genotypes.path) has \(firstNames(ofVariants.sorted())), "
        + "\(path) has \(firstNames(ofFeatures.sorted()))",
      remedy: remedy)
  }

  private static func noOverlap(_ a: String, _ inA: [String], _ b: String, _ inB: [String])
    -> StudyError
  {
    StudyError(
      .inconsistent,
      "no sample is shared: \(a) has \(firstNames(inA)), \(b) has \(firstNames(inB))",
      remedy: pastedFamilies(a, inA, inB) ?? pastedFamilies(b, inB, inA)
        ?? "use the same sample ids in both files")
  }

  /// What to do where ids are those of the other file behind a family id, as `plink2 --export` pastes them.
  private static func pastedFamilies(_ path: String, _ ids: [String], _ others: [String]) -> String? {
    let others = Set(others)
    let isPasted = ids.contains { id in
      id.indices.contains { id[$0] == "_" && others.contains(String(id[id.index(after: $0)...])) }
    }
    return isPasted
      ? "\(path) has family and individual ids pasted by '_': make it with individual ids alone (plink2 --export … id-paste=iid)"
      : nil
  }
}

/// The first few of many names, for messages.
package func firstNames(_ names: some Collection<String>, _ count: Int = 3) -> String {
  names.prefix(count).joined(separator: ", ") + (names.count > count ? ", …" : "")
}
