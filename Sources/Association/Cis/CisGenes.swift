internal import StudyData

/// What is mapped as one: a phenotype, or the phenotypes of a group (the introns of a cluster, the transcripts of a gene), and the
/// window around it.
struct CisGene: Sendable {
  /// The phenotype's id or the group's name.
  var id: String
  /// Indices into the trait panel, ascending.
  var traits: [Int]
  /// Normalised.
  var chromosome: String
  /// The closed window; for a group from the first to the last base of its members' windows.
  var low: Int
  var high: Int

  /// The order in which genes of one chromosome come.
  func isBefore(_ other: CisGene) -> Bool { (high, low, id) < (other.high, other.low, other.id) }

  /// Genes of the analysed traits, and what was left out because it has no place or several.
  ///
  /// - Parameter isGrouped: whether traits with the same ``StudyData/Feature/group`` are one gene; others stand alone.
  static func all(
    of traits: TraitPanel, in study: Study, radius: Int, anchor: WindowAnchor, isGrouped: Bool
  ) -> (genes: [CisGene], drops: [Drop]) {
    let anchor = anchor.resolved(for: study.features)
    var genes: [CisGene] = []
    var drops = study.features.filter { !$0.hasLocation }
      .map { Drop(.phenotype, id: $0.id, reason: "no location") }
    var indexOfGroup: [String: Int] = [:]
    for (trait, ordinal) in traits.ordinals.enumerated() {
      let feature = study.features[ordinal]
      guard feature.hasLocation else { continue }
      let chromosome = Chromosome.normalized(feature.chromosome)
      let (low, high) = anchor.window(of: feature, radius: radius)
      guard isGrouped, let group = feature.group, let index = indexOfGroup[group] else {
        if isGrouped, let group = feature.group { indexOfGroup[group] = genes.count }
        let id = isGrouped ? feature.group ?? feature.id : feature.id
        genes.append(CisGene(id: id, traits: [trait], chromosome: chromosome, low: low, high: high))
        continue
      }
      guard genes[index].chromosome == chromosome else {
        drops.append(
          Drop(.phenotype, id: feature.id, reason: "another chromosome than its group", detail: group))
        continue
      }
      genes[index].traits.append(trait)
      genes[index].low = min(genes[index].low, low)
      genes[index].high = max(genes[index].high, high)
    }
    return (genes, drops)
  }
}

extension CisGene {
  /// As ``all(of:in:radius:anchor:isGrouped:)``.
  ///
  /// - Throws: ``StudyError`` `inconsistent` when no phenotype has a location.
  static func located(
    of traits: TraitPanel, in study: Study, radius: Int, anchor: WindowAnchor, isGrouped: Bool
  ) throws(StudyError) -> (genes: [CisGene], drops: [Drop]) {
    guard study.features.contains(where: \.hasLocation) else { throw CisScan.noLocation }
    return all(of: traits, in: study, radius: radius, anchor: anchor, isGrouped: isGrouped)
  }
}

/// A block of admitted variants that genes share, with their residual lengths.
struct WindowBlock: Sendable {
  let panel: VariantPanel
  /// ‖Mg‖² of each variant of the panel over all samples; 0 for those in the span of the covariates.
  let squaredNorms: [Double]
  /// Where the scan wants integers.
  let coded: CodedVariants?
  /// In a mixed model.
  let rotated: RotatedVariants?
  /// Place of each chromosome in the file.
  let chromosomeRanks: [Int]
}

/// The variants that are tested with one gene, in file order.
struct CisWindow: Sendable {
  let gene: CisGene
  private let blocks: [WindowBlock]
  private let places: [(block: Int32, variant: Int32)]

  var count: Int { places.count }

  init(_ gene: CisGene, rank: Int?, in live: some Sequence<WindowBlock>) {
    self.gene = gene
    var blocks: [WindowBlock] = []
    var places: [(block: Int32, variant: Int32)] = []
    for block in live {
      guard let rank else { break }
      let variants = block.panel.variants
      var isUsed = false
      for v in block.firstIndex(rank: rank, position: gene.low)..<variants.count {
        guard block.chromosomeRanks[v] == rank, variants[v].variant.position <= gene.high else { break }
        guard block.squaredNorms[v] > 0 else { continue }
        places.append((Int32(blocks.count), Int32(v)))
        isUsed = true
      }
      if isUsed { blocks.append(block) }
    }
    self.blocks = blocks
    self.places = places
  }

  /// Variant `k` as (panel, index), for ``PairEvaluator/load(_:of:)`` and the writers of ``VariantPanel``.
  func place(_ k: Int) -> (panel: VariantPanel, index: Int) {
    (blocks[Int(places[k].block)].panel, Int(places[k].variant))
  }

  func variant(_ k: Int) -> TestedVariant {
    blocks[Int(places[k].block)].panel.variants[Int(places[k].variant)]
  }

  /// Of a scan whose blocks are coded.
  func code(_ k: Int32) -> VariantCode {
    blocks[Int(places[Int(k)].block)].coded!.code[Int(places[Int(k)].variant)]
  }

  func hash(_ k: Int) -> UInt64 { blocks[Int(places[k].block)].coded!.hash[Int(places[k].variant)] }

  func withCodes(_ k: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
    let block = blocks[Int(places[k].block)]
    block.coded!.codes.withUnsafeBufferPointer {
      body($0.baseAddress! + Int(places[k].variant) * block.panel.sampleCount)
    }
  }

  /// Whether two variants are of one panel.
  func sharesPanel(_ k: Int, _ l: Int) -> Bool { places[k].block == places[l].block }

  /// In a mixed model: U'g by a pattern's U.
  func withRotated<R>(_ k: Int, pattern: Int, _ body: (UnsafePointer<Double>) -> R) -> R {
    blocks[Int(places[k].block)].rotated!.withVariant(Int(places[k].variant), pattern: pattern, body)
  }

  /// ‖Mg‖² over all samples.
  func squaredNorm(_ k: Int) -> Double { blocks[Int(places[k].block)].squaredNorms[Int(places[k].variant)] }
}

extension WindowBlock {
  /// Index of the first variant at or behind a place. Variants ascend by (rank, position).
  fileprivate func firstIndex(rank: Int, position: Int) -> Int {
    var (a, b) = (0, panel.count)
    while a < b {
      let middle = (a + b) / 2
      if (chromosomeRanks[middle], panel.variants[middle].variant.position) < (rank, position) {
        a = middle + 1
      } else {
        b = middle
      }
    }
    return a
  }
}
