internal import LinearAlgebra
public import StudyData

/// Makes a scan of mixed models leave the tested variant's chromosome out of the relationship matrix, so that the variant does not
/// compete with itself: K₋c = (K·N − K_c·N_c)/(N − N_c) for each pair of samples, N the variants behind it.
///
/// Scans run chromosome by chromosome, in file order. Variants of sex chromosomes and such, which K does not hold, are tested with the whole K.
///
/// - Complexity: a decomposition for each chromosome, one at a time in memory; the genotypes are read once more for their chromosomes, and
///   once for each (of PLINK files and indexed VCF only its own part).
/// - Source: Yang et al. 2014, doi:10.1038/ng.2876.
public struct LeaveOneChromosomeOut: Sendable {
  private let path: @Sendable (_ chromosome: String) throws(StudyError) -> String?
  private let read: @Sendable (_ path: String) throws(StudyError) -> Kinship

  /// - Parameters:
  ///   - path: where the part of a chromosome (its normalised name) is; nil where K holds nothing of it. Asked for all before any is read.
  ///   - read: a part, with its numbers of variants.
  public init(
    path: @escaping @Sendable (_ chromosome: String) throws(StudyError) -> String?,
    read: @escaping @Sendable (_ path: String) throws(StudyError) -> Kinship
  ) {
    self.path = path
    self.read = read
  }

  /// Chromosomes that share a matrix, consecutive in the file.
  struct Group {
    var chromosomes: [String]
    /// Of the part that is left out.
    var path: String?

    /// Of those variants that `selection` admits.
    func selection(_ selection: VariantSelection) -> VariantSelection {
      var own = selection
      own.regions =
        selection.regions.isEmpty
        // From 0, where variants without a position are.
        ? chromosomes.map { GenomicRegion(chromosome: $0, start: 0) }
        : selection.regions.filter { chromosomes.contains($0.chromosome) }
      return own
    }
  }

  /// - Parameters:
  ///   - wanted: chromosomes without which a scan does; nil wants all.
  ///   - scan: a study with its own relationship matrix, the variants to test with it, and what a share of them is of all.
  /// - Returns: the sum of the summaries.
  /// - Throws: ``StudyError`` `inconsistent`: when the relationship is no matrix with numbers of variants, a part does not belong to it, or a
  ///   chromosome is in several pieces.
  func run(
    _ study: Study, _ selection: VariantSelection, only wanted: Set<String>? = nil,
    scan: (
      _ study: Study, _ selection: VariantSelection, _ share: @escaping @Sendable (Double) -> Double
    ) throws -> ScanSummary
  ) throws -> ScanSummary? {
    guard case .kinship(let whole)? = study.relatedness else {
      throw StudyError(
        .inconsistent, "leaving chromosomes out takes the relationship matrix itself",
        remedy: "give the matrix and those of its chromosomes, not a decomposition")
    }
    let groups = try groups(of: study, selection).filter { group in
      wanted.map { !$0.isDisjoint(with: group.chromosomes) } ?? true
    }
    var total: ScanSummary?
    for (k, group) in groups.enumerated() {
      var own = study
      if let path = group.path {
        let part = try read(path).restricted(to: study.sampleIDs)
        own = study.replacing(relatedness: .kinship(try whole.without(part)))
      }
      let count = Double(groups.count)
      var summary = try scan(own, group.selection(selection)) { (Double(k) + $0) / count }
      for i in summary.variances.indices {
        summary.variances[i].leftOut = group.path == nil ? nil : group.chromosomes[0]
      }
      if total == nil { total = summary } else { total?.add(summary) }
    }
    let unheld = groups.filter { $0.path == nil }.flatMap(\.chromosomes)
    if !unheld.isEmpty {
      let names = unheld.map { $0.isEmpty ? "none" : $0 }.joined(separator: ", ")
      total?.notes.append("variants of chromosome \(names) are tested with the whole relationship matrix")
    }
    return total
  }

  /// One pass over the genotypes of a single sample.
  private func groups(of study: Study, _ selection: VariantSelection) throws -> [Group] {
    let stream = try study.genotypes.stream(
      GenotypeRequest(
        samples: Array(study.genotypeSamples.prefix(1)), selection: selection,
        blockSize: Execution.blockSize))
    var names: [String] = []
    var normalized = ChromosomeCache()
    while let chunk = try stream.nextChunk() {
      for variant in try chunk.decode().variants {
        let name = normalized(variant.chromosome)
        if name == names.last { continue }
        guard !names.contains(name) else {
          throw StudyError(
            .inconsistent, file: study.genotypes.path,
            "chromosome \(name) is in several pieces: chromosomes are left out one by one, in file order",
            remedy: "sort the genotypes by chromosome")
        }
        names.append(name)
      }
    }
    var groups: [Group] = []
    for name in names {
      let path = try name.isEmpty ? nil : self.path(name)
      if path == nil, let last = groups.last, last.path == nil {
        groups[groups.count - 1].chromosomes.append(name)
      } else {
        groups.append(Group(chromosomes: [name], path: path))
      }
    }
    return groups
  }
}

extension Kinship {
  /// The matrix of the variants that are not behind `part`, of the same samples.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when numbers of variants are unknown, or `part` has as many as the whole.
  func without(_ part: Kinship) throws(StudyError) -> Kinship {
    precondition(part.sampleIDs == sampleIDs)
    for kinship in [self, part] where kinship.variantCounts == .uniform(0) {
      throw StudyError(
        .inconsistent, file: kinship.path,
        "the matrix has no numbers of variants (.grm.N.bin), without which no chromosome can be left out",
        remedy: "make the matrices with swiftqtl grm --by-chromosome")
    }
    let n = sampleCount
    var left = matrix
    for i in 0..<n {
      for j in 0...i {
        let (all, own) = (variantCounts.count(i, j), part.variantCounts.count(i, j))
        guard all > own else {
          throw StudyError(
            .inconsistent, file: part.path,
            "\(Int(own)) variants are behind samples \(sampleIDs[i]) and \(sampleIDs[j]), \(Int(all)) in the whole matrix: none is left without this chromosome",
            remedy: "give matrices of one run of swiftqtl grm --by-chromosome, of several chromosomes")
        }
        let value = (matrix[i, j] * all - part.matrix[i, j] * own) / (all - own)
        left[i, j] = value
        left[j, i] = value
      }
    }
    return Kinship(path: path, sampleIDs: sampleIDs, matrix: left)
  }
}

extension Kinship.VariantCounts {
  fileprivate func count(_ i: Int, _ j: Int) -> Double {
    switch self {
    case .uniform(let count): count
    case .pairwise(let counts): Double(counts[i * (i + 1) / 2 + j])
    }
  }
}

extension ScanSummary {
  /// Of the same study with other variants; what is drawn, and bests, are not added up.
  fileprivate mutating func add(_ other: ScanSummary) {
    counts += other.counts
    drops += other.drops.filter { !drops.contains($0) }
    notes += other.notes.filter { !notes.contains($0) }
    variances += other.variances
    traits = Set(variances.map(\.feature)).count
    missingPatterns = max(missingPatterns, other.missingPatterns)
  }
}
