import ArgumentParser
import SwiftQTL

/// Whether only the pairs that make genes significant are written, and what says so.
struct SignificanceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Only significant pairs: a table of cis permute (phenotype_id or group_id, qval, pval_nominal_threshold). Its genes with q up to --fdr are tested, and pairs with p up to their gene's threshold written.",
      valueName: "file"))
  var significantFrom: String?

  @Option(
    help: ArgumentHelp(
      "Largest q of a significant gene, with --significant-from (default: 0.05).", valueName: "share"))
  var fdr: Double?

  @Option(
    help: ArgumentHelp(
      "Two columns, phenotype and group, where the permutations were of groups.", valueName: "file"))
  var phenotypeGroups: String?

  func validate() throws {
    if significantFrom == nil {
      if fdr != nil { throw ValidationError("--fdr is for --significant-from.") }
      if phenotypeGroups != nil { throw ValidationError("--phenotype-groups is for --significant-from.") }
    }
    if let fdr, !(fdr > 0 && fdr <= 1) { throw ValidationError("--fdr must be above 0 and at most 1.") }
  }

  /// Reads the tables; nil where all pairs are wanted.
  func genes() throws(StudyError) -> SignificantGenes? {
    guard let significantFrom else { return nil }
    return try SignificantGenes(from: significantFrom, fdr: fdr ?? 0.05, groups: phenotypeGroups)
  }

  var files: [String] { [significantFrom, phenotypeGroups].compactMap(\.self) }
}

/// Genes that a table of permutations calls significant.
struct SignificantGenes {
  /// What a scan of their pairs needs.
  struct Selection {
    /// The phenotypes of significant genes alone.
    var study: Study
    /// The same, placed so that `anchor`'s windows are those of the permutations: a phenotype of a group has the window of the group.
    var placed: Study
    var anchor: WindowAnchor
    /// Largest ln p of a significant pair, by phenotype.
    var logLimits: [Double]
    var notes: [String]
  }

  private let path: String
  private let fdr: Double
  private let geneCount: Int
  /// Largest ln p of a significant pair, by gene.
  let thresholds: [String: Double]
  private let groups: (path: String, ofPhenotypes: [String: String])?

  /// - Parameter groups: the file of groups, for a table of groups.
  /// - Throws: ``StudyError``: as the readers; `inconsistent` when one of table and groups lacks the other, `degenerate` when no gene
  ///   is significant.
  init(from path: String, fdr: Double, groups groupPath: String?) throws(StudyError) {
    let table = try GeneTable.read(path)
    if table.isGrouped != (groupPath != nil) {
      throw StudyError(
        .inconsistent, file: path,
        table.isGrouped
          ? "its genes are groups of phenotypes"
          : "its genes are phenotypes, but --phenotype-groups is given",
        remedy: table.isGrouped
          ? "give the groups with --phenotype-groups, as for the permutations"
          : "leave --phenotype-groups out, or give the permutation table of groups (with a column group_id)")
    }
    thresholds = table.significant(fdr: fdr)
    guard !thresholds.isEmpty else {
      throw StudyError(
        .degenerate, file: path, "none of its \(table.genes.count) genes has q <= \(fdr) and a threshold",
        remedy: "raise --fdr, or there is nothing to find")
    }
    self.path = path
    self.fdr = fdr
    geneCount = table.genes.count
    groups = try groupPath.map { (path) throws(StudyError) in (path, try PhenotypeGroups.read(path)) }
  }

  /// - Parameter anchor: is decided by all phenotypes, so that leaving some out moves no window.
  /// - Throws: ``StudyError`` `inconsistent` when none of the genes is in the study.
  func select(from all: Study, anchor: WindowAnchor) throws(StudyError) -> Selection {
    let all = try grouped(all)
    let anchor = anchor.resolved(for: all.features)
    var spans = GroupSpans(anchor)
    var found: Set<String> = []
    var kept: [Int] = []
    var elsewhere = 0
    for (index, feature) in all.features.enumerated() {
      let gene = gene(of: feature)
      guard thresholds[gene] != nil else { continue }
      found.insert(gene)
      if !isGrouped || spans.include(feature, in: gene) { kept.append(index) } else { elsewhere += 1 }
    }
    let absent = Set(thresholds.keys).subtracting(found).sorted()
    guard !found.isEmpty else {
      throw StudyError(
        .inconsistent, file: path,
        "none of its \(thresholds.count) significant genes is among the \(all.features.count) phenotypes "
          + "(\(Self.names(absent)))",
        remedy: "use the same ids in both")
    }
    let features = kept.map { all.features[$0] }
    let study = all.replacing(features: features, phenotypes: all.phenotypes.selectingColumns(kept))
    var notes = [note]
    if !absent.isEmpty {
      notes.append("\(absent.count) of them are not among the phenotypes (\(Self.names(absent)))")
    }
    if elsewhere > 0 { notes.append("\(elsewhere) phenotypes lie on another chromosome than their group") }
    return Selection(
      study: study,
      placed: !isGrouped
        ? study
        : study.replacing(
          features: features.map { spans.placed($0, in: gene(of: $0)) }, phenotypes: study.phenotypes),
      anchor: isGrouped ? .interval : anchor, logLimits: features.compactMap { thresholds[gene(of: $0)] },
      notes: notes)
  }

  var isGrouped: Bool { groups != nil }
  var note: String { "\(thresholds.count) of \(geneCount) genes in \(path) have q <= \(fdr) and a threshold" }

  /// The study with the groups that the genes are, if they are.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype is in a group.
  func grouped(_ study: Study) throws(StudyError) -> Study {
    guard let groups else { return study }
    return try PhenotypeGroups.apply(groups.ofPhenotypes, of: groups.path, to: study)
  }

  private func gene(of feature: Feature) -> String {
    isGrouped ? feature.group ?? feature.id : feature.id
  }

  private static func names(_ ids: [String]) -> String {
    ids.prefix(3).joined(separator: ", ") + (ids.count > 3 ? ", …" : "")
  }
}

/// From the first to the last base of what the windows of a group's phenotypes surround.
private struct GroupSpans {
  private let anchor: WindowAnchor
  private var spans: [String: (chromosome: String, start: Int, end: Int)] = [:]

  init(_ anchor: WindowAnchor) { self.anchor = anchor }

  /// False for a phenotype on another chromosome than those before it.
  mutating func include(_ feature: Feature, in group: String) -> Bool {
    guard feature.hasLocation else { return true }
    let chromosome = Chromosome.normalized(feature.chromosome)
    let end = anchor == .interval ? max(feature.start, feature.end) : feature.start
    guard let span = spans[group] else {
      spans[group] = (chromosome, feature.start, end)
      return true
    }
    guard span.chromosome == chromosome else { return false }
    spans[group] = (chromosome, min(span.start, feature.start), max(span.end, end))
    return true
  }

  func placed(_ feature: Feature, in group: String) -> Feature {
    guard feature.hasLocation, let span = spans[group] else { return feature }
    var feature = feature
    (feature.start, feature.end) = (span.start, span.end)
    return feature
  }
}
