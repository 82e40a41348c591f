package import StudyData

/// The genes of a scan in the order in which their results come, and what each is tested with.
public struct GeneOrder: Sendable, Equatable {
  /// Normalised: those with variants as their file has them, then the others by name.
  private(set) var chromosomes: [String] = []
  /// Variants in the window of each gene.
  public private(set) var variants: [Int] = []
  /// Phenotypes of each gene: of a group several.
  public private(set) var phenotypes: [Int] = []
  /// Of all variants: those admitted, left out and without a position.
  public internal(set) var counts = ScanCounts()

  init() {}

  mutating func append(_ gene: CisGene, variants: Int) {
    if chromosomes.last != gene.chromosome { chromosomes.append(gene.chromosome) }
    self.variants.append(variants)
    phenotypes.append(gene.traits.count)
  }

  func sorted(_ genes: [CisGene]) -> [CisGene] {
    precondition(genes.count == variants.count, "the order of other genes")
    let byChromosome = Dictionary(grouping: genes, by: \.chromosome)
    return chromosomes.flatMap { (byChromosome[$0] ?? []).sorted { $0.isBefore($1) } }
  }

  package func encode(to encoder: inout ByteEncoder) {
    encoder.put(chromosomes)
    encoder.put(variants)
    encoder.put(phenotypes)
    encoder.put(counts)
  }

  package init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    chromosomes = try decoder.texts()
    variants = try decoder.values()
    phenotypes = try decoder.values()
    counts = try decoder.value()
    guard variants.count == phenotypes.count else { throw ByteDecoder.Failure() }
  }
}

extension VariantSelection {
  /// What of it lies between the first and the last base of some genes' windows, by chromosome; nil where there is nothing.
  ///
  /// One region for a chromosome: readers look through all of them for each variant.
  func narrowed(to genes: [CisGene]) -> VariantSelection? {
    let spans = Dictionary(grouping: genes, by: \.chromosome).map { chromosome, genes in
      GenomicRegion(
        chromosome: chromosome, start: genes.lazy.map(\.low).min() ?? 1,
        end: genes.lazy.map(\.high).max() ?? 0)
    }
    var narrowed = self
    narrowed.regions =
      regions.isEmpty
      ? spans
      : regions.flatMap { region in
        spans.filter { $0.chromosome == region.chromosome }.map {
          GenomicRegion(
            chromosome: $0.chromosome, start: max($0.start, region.start), end: min($0.end, region.end))
        }
      }.filter { $0.start <= $0.end }
    return narrowed.regions.isEmpty ? nil : narrowed
  }
}
