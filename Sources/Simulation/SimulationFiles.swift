import LinearAlgebra
public import StudyData
public import StudyIO

extension Simulator {
  /// Writes the study to files, all of them or none.
  ///
  /// - `PREFIX.bed`, `.bim`, `.fam`: PLINK 1 genotypes, A1 being ALT; the .fam names parents.
  /// - `PREFIX.phenotypes.bed.gz`: BED with four leading columns, sorted by position.
  /// - `PREFIX.covariates.tsv`: covariates in rows, unless there are none.
  /// - `PREFIX.truth.tsv`: ``PlantedEffect``, a row each.
  ///
  /// - Parameters:
  ///   - output: is committed at the end. Give one of your own to be able to abort it.
  ///   - progress: is called now and then with the share done, 0…1.
  /// - Returns: the paths of the files.
  /// - Throws: ``StudyError``: `environment` when a file cannot be written, `degenerate` as ``traits()``.
  /// - Complexity: O(samples × (variants + genes)) time; memory holds traits and one buffer of genotypes.
  @discardableResult
  public func write(
    prefix: String, output: OutputTransaction = OutputTransaction(), progress: (Double) -> Void = { _ in }
  ) throws(StudyError) -> [String] {
    var paths: [String] = []
    func open(_ suffix: String, _ compression: TableWriter.Compression = .none) throws(StudyError)
      -> TableWriter
    {
      paths.append(prefix + suffix)
      return try output.open(prefix + suffix, compression: compression)
    }
    // All are opened first: a place that cannot be written to is known before the work.
    let bed = try open(".bed")
    let bim = try open(".bim")
    let fam = try open(".fam")
    let phenotypes = try open(".phenotypes.bed.gz", .bgzf())
    let covariates = options.covariates > 0 ? try open(".covariates.tsv") : nil
    let truth = try open(".truth.tsv")

    try fam.append(famRows())
    let traits = try writeGenotypes(bed, bim, progress)
    try Self.write(traits.phenotypes, to: phenotypes)
    try covariates?.append(Self.rows(of: traits.covariates))
    try truth.append(Self.rows(of: traits.truth))
    try output.commit()
    return paths
  }

  /// One pass over the genotypes, from which the traits arise too.
  private func writeGenotypes(
    _ bed: TableWriter, _ bim: TableWriter, _ progress: (Double) -> Void
  ) throws(StudyError) -> SimulatedTraits {
    var traits = TraitBuilder(options, genome)
    var pass = GenotypePass(options, genome)
    var codes: [UInt8] = []
    var packed: [UInt8] = [0x6C, 0x1B, 0x01]  // PLINK 1, variant by variant.
    var names = RowBuffer()
    while let variant = try pass.next() {
      traits.observe(pass.ordinal, variant, pass.dosages)
      codes.removeAll(keepingCapacity: true)
      pass.appendObserved(to: &codes)
      PlinkPacking.append(codes, to: &packed)
      Self.append(variant, to: &names)
      if packed.count >= 1 << 20 || names.count >= 1 << 20 {
        try bed.append(bytes: packed)
        try bim.append(names)
        packed.removeAll(keepingCapacity: true)
        names.removeAll()
        progress(Double(pass.ordinal + 1) / Double(options.variants))
      }
    }
    try bed.append(bytes: packed)
    try bim.append(names)
    progress(1)
    return finish(&traits)
  }

  private static func append(_ variant: Variant, to rows: inout RowBuffer) {
    for field in [variant.chromosome, variant.id, "0"] {
      rows.append(field)
      rows.appendTab()
    }
    rows.append(variant.position)
    rows.appendTab()
    rows.append(variant.alt)
    rows.appendTab()
    rows.append(variant.ref)
    rows.appendNewline()
  }

  /// Family, individual, father, mother, sex (1 male, 2 female), phenotype (-9: none).
  private func famRows() -> RowBuffer {
    let pedigree = Pedigree(options)
    var rows = RowBuffer()
    for (sample, id) in sampleIDs.enumerated() {
      let parents = pedigree.parents(of: sample)
      let father = parents.map { sampleIDs[$0.father] } ?? "0"
      let mother = parents.map { sampleIDs[$0.mother] } ?? "0"
      let family = pedigree.family(of: sample).map { "family\($0 + 1)" } ?? id
      rows.append("\(family)\t\(id)\t\(father)\t\(mother)\t\(1 + sample % 2)\t-9\n")
    }
    return rows
  }

  private static func write(_ phenotypes: Phenotypes, to file: TableWriter) throws(StudyError) {
    var rows = RowBuffer()
    rows.append("#chr\tstart\tend\tphenotype_id")
    appendRow(phenotypes.sampleIDs, to: &rows)
    for (column, feature) in phenotypes.features.enumerated() {
      rows.append(feature.chromosome)
      rows.appendTab()
      rows.append(feature.start - 1)
      rows.appendTab()
      rows.append(feature.end)
      rows.appendTab()
      rows.append(feature.id)
      appendColumn(column, of: phenotypes.values, to: &rows)
      try file.append(rows)
      rows.removeAll()
    }
    try file.append(rows)
  }

  private static func rows(of covariates: Covariates) -> RowBuffer {
    var rows = RowBuffer()
    rows.append("id")
    appendRow(covariates.sampleIDs, to: &rows)
    for (column, name) in covariates.names.enumerated() {
      rows.append(name)
      appendColumn(column, of: covariates.values, to: &rows)
    }
    return rows
  }

  private static func rows(of truth: [PlantedEffect]) -> RowBuffer {
    var rows = RowBuffer()
    rows.append("phenotype_id\tvariant_id\tkind\tbeta\tvariance_explained\n")
    for effect in truth {
      rows.append("\(effect.phenotypeID)\t\(effect.variantID)\t\(effect.kind.rawValue)\t")
      rows.append(effect.beta)
      rows.appendTab()
      rows.append(effect.varianceExplained)
      rows.appendNewline()
    }
    return rows
  }

  /// The rest of a row whose first cells are there.
  private static func appendRow(_ cells: [String], to rows: inout RowBuffer) {
    for cell in cells {
      rows.appendTab()
      rows.append(cell)
    }
    rows.appendNewline()
  }

  private static func appendColumn(_ column: Int, of matrix: Matrix, to rows: inout RowBuffer) {
    for row in 0..<matrix.rows {
      rows.appendTab()
      rows.append(matrix[row, column])
    }
    rows.appendNewline()
  }
}

/// The two-bit genotypes of a PLINK 1 .bed file.
enum PlinkPacking {
  /// By hard call 0, 1, 2 copies of A1 and missing.
  private static let twoBits: [UInt8] = [0b11, 0b10, 0b00, 0b01]

  /// Appends one variant: four samples to a byte, the first in the lowest bits, the last byte filled up with zeros.
  static func append(_ codes: [UInt8], to packed: inout [UInt8]) {
    for first in stride(from: 0, to: codes.count, by: 4) {
      var byte: UInt8 = 0
      for index in first..<min(first + 4, codes.count) {
        byte |= twoBits[Int(codes[index])] << UInt8(2 * (index - first))
      }
      packed.append(byte)
    }
  }
}
