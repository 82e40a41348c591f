/// A biallelic variant as its file names it.
public struct Variant: Sendable, Equatable {
  /// As in the file; `.` is replaced by `chromosome_position_ref_alt` at the reader.
  public var id: String
  /// As the file spells it, but PLINK's codes of X, Y, XY and MT by name; compare through
  /// ``Chromosome/normalized(_:)``.
  public var chromosome: String
  /// 1-based; 0 when the format carries no position.
  public var position: Int
  public var ref: String
  /// The effect allele: dosages count it.
  public var alt: String

  public init(id: String, chromosome: String, position: Int, ref: String, alt: String) {
    self.id = id
    self.chromosome = chromosome
    self.position = position
    self.ref = ref
    self.alt = alt
  }

  /// The id a variant without one gets.
  public static func synthesizedID(
    chromosome: String, position: Int, ref: String, alt: String
  ) -> String {
    "\(chromosome)_\(position)_\(ref)_\(alt)"
  }
}

/// Chromosome names are compared after normalisation: `chr1`, `Chr1` and `1` are the same.
public enum Chromosome {
  /// Without a `chr` prefix, upper case, and M as MT. Numbers stay: what 23 is depends on the species.
  public static func normalized(_ name: String) -> String {
    var name = Substring(name)
    if name.count > 3, name.prefix(3).lowercased() == "chr" { name = name.dropFirst(3) }
    let upper = name.uppercased()
    return upper == "M" ? "MT" : upper
  }

  /// Whether a normalised name is not one of X, Y, the pseudoautosomal regions and MT.
  public static func isAutosome(_ normalized: String) -> Bool {
    !["X", "Y", "XY", "MT", "PAR1", "PAR2"].contains(normalized)
  }
}

/// A closed interval of 1-based positions on one chromosome.
public struct GenomicRegion: Sendable, Equatable {
  /// Normalised name.
  public var chromosome: String
  public var start: Int
  public var end: Int

  public init(chromosome: String, start: Int = 1, end: Int = .max) {
    self.chromosome = Chromosome.normalized(chromosome)
    self.start = start
    self.end = end
  }

  /// `normalizedChromosome` must have gone through ``Chromosome/normalized(_:)``.
  public func contains(normalizedChromosome: String, position: Int) -> Bool {
    position >= start && position <= end && normalizedChromosome == chromosome
  }
}
