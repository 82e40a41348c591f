public import LinearAlgebra

/// A molecular phenotype and where it lies.
public struct Feature: Sendable, Equatable {
  public var id: String
  /// As the file spells it; empty when the format carries no location.
  public var chromosome: String
  /// 1-based closed interval; BED's start + 1 … end. Zero when the format carries no location.
  public var start: Int
  public var end: Int
  /// QTLtools' sixth column; nil where it is not given.
  public var strand: Character?
  /// QTLtools' fifth column (gid); nil where it is not given.
  public var group: String?

  public init(
    id: String, chromosome: String = "", start: Int = 0, end: Int = 0, strand: Character? = nil,
    group: String? = nil
  ) {
    self.id = id
    self.chromosome = chromosome
    self.start = start
    self.end = end
    self.strand = strand
    self.group = group
  }

  /// FastQTL's and tensorQTL's transcription start site: BED start + 1.
  public var tss: Int { start }
  public var hasLocation: Bool { !chromosome.isEmpty && start > 0 }
}

/// Phenotypes as read: one column per feature, one row per sample of the file.
public struct Phenotypes: Sendable {
  public var path: String
  public var sampleIDs: [String]
  public var features: [Feature]
  /// samples × features; NaN is missing.
  public var values: Matrix
  public var drops: [Drop]

  public init(
    path: String, sampleIDs: [String], features: [Feature], values: Matrix, drops: [Drop] = []
  ) {
    precondition(values.rows == sampleIDs.count && values.columns == features.count)
    self.path = path
    self.sampleIDs = sampleIDs
    self.features = features
    self.values = values
    self.drops = drops
  }
}

/// Covariates as read (factors expanded): one column per covariate, one row per sample of the file.
public struct Covariates: Sendable {
  public var path: String
  public var sampleIDs: [String]
  public var names: [String]
  /// samples × covariates; NaN is missing (the study refuses it).
  public var values: Matrix

  public init(path: String, sampleIDs: [String], names: [String], values: Matrix) {
    precondition(values.rows == sampleIDs.count && values.columns == names.count)
    self.path = path
    self.sampleIDs = sampleIDs
    self.names = names
    self.values = values
  }
}
