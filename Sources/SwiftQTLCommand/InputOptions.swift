public import ArgumentParser
public import SwiftQTL

extension DosageField: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument.uppercased() {
    case "GT": self = .gt
    case "DS": self = .ds
    case "GP": self = .gp
    default: return nil
    }
  }
}
extension Alternative: ExpressibleByArgument {}
extension WindowAnchor: ExpressibleByArgument {}
extension ScanBackend: ExpressibleByArgument {}
extension TableFormat: ExpressibleByArgument {}

/// Genotype files and which part of them to use.
struct GenotypeOptions: ParsableArguments {
  @Option(
    name: .long, parsing: .upToNextOption,
    help: ArgumentHelp(
      "PLINK 1 or 2 prefix (.bed, .pgen), VCF/BCF, BGEN, text dosages or BIMBAM; the kind is seen from the content. Several files (one per chromosome) are one source.",
      valueName: "file"))
  var genotypes: [String] = []

  @Option(help: ArgumentHelp("A text file that names one genotype file per line.", valueName: "file"))
  var genotypeList: String?

  @Option(
    help: ArgumentHelp(
      "VCF/BCF: what to read, GT, DS or GP (default: DS, else GT, else GP, as the header declares).",
      valueName: "field"))
  var dosageField: DosageField?

  @Option(help: ArgumentHelp("Text dosages: positions of the variants (id, chr, pos).", valueName: "file"))
  var variantLocations: String?

  @Option(
    help: ArgumentHelp(
      "Sex of the samples (id; 1 or M, 2 or F): males' heterozygous calls on X become missing.",
      valueName: "file"))
  var sex: String?

  @Option(help: ArgumentHelp("Only these samples (one id per line).", valueName: "file"))
  var samples: String?

  @Option(
    help: ArgumentHelp("Only this region, e.g. 22:17000000-18000000 (may be repeated).", valueName: "region"))
  var region: [String] = []

  @Option(help: ArgumentHelp("Only these variants (one id per line).", valueName: "file"))
  var extract: String?

  @Option(help: ArgumentHelp("VCF, BCF, PGEN: minimum imputation quality.", valueName: "quality"))
  var minInfo: Double?

  @Option(help: ArgumentHelp("The INFO field that --min-info reads.", valueName: "name"))
  var infoField = "INFO"

  func validate() throws {
    if let minInfo, !minInfo.isFinite { throw ValidationError("--min-info must be a number.") }
  }

  var isEmpty: Bool { genotypes.isEmpty && genotypeList == nil }

  var paths: [String] {
    get throws(StudyError) {
      guard let genotypeList else { return genotypes }
      return try genotypes + GenotypeFile.expandList(genotypeList)
    }
  }

  func open() throws(StudyError) -> any GenotypeSource {
    let source = try GenotypeFile.open(paths, dosageField: dosageField, locations: variantLocations)
    guard let sex else { return source }
    return try HemizygousSource(source, sexes: SexTable(path: sex))
  }

  func wantedSamples() throws(StudyError) -> Set<String>? {
    try samples.map { (path) throws(StudyError) in try IDListFile.read(path) }
  }

  func parsedRegions() throws(StudyError) -> [GenomicRegion] {
    var regions: [GenomicRegion] = []
    for text in region { regions.append(try Regions.parse(text)) }
    return regions
  }

  func selection(margin: Int = 0) throws(StudyError) -> VariantSelection {
    var regions = try parsedRegions()
    for k in regions.indices {
      regions[k].start = max(1, regions[k].start - margin)
      regions[k].end = regions[k].end > Int.max - margin ? .max : regions[k].end + margin
    }
    return VariantSelection(
      regions: regions,
      ids: try extract.map { (path) throws(StudyError) in try IDListFile.read(path) },
      minimumInfo: minInfo.map { .init(field: infoField, value: $0) })
  }

  /// What belongs to the genotypes beside their own files.
  var tables: [String] {
    genotypes.filter { $0.hasPrefix("@") }.map { String($0.dropFirst()) }
      + [genotypeList, variantLocations, sex].compactMap(\.self)
  }

  /// Of samples and variants.
  var lists: [String] { [samples, extract].compactMap(\.self) }
}

/// The files of a study and which part of them to use.
struct InputOptions: ParsableArguments {
  @OptionGroup var source: GenotypeOptions

  @Option(
    help: ArgumentHelp("BED (4 or 6 leading columns) or a matrix with a gene per row.", valueName: "file"))
  var phenotypes: String

  @Option(
    help: ArgumentHelp("Phenotype matrix: positions of the genes (id, chr, left, right).", valueName: "file"))
  var geneLocations: String?

  @Option(help: ArgumentHelp("Covariates, in rows or in columns; words become factors.", valueName: "file"))
  var covariates: String?

  @Option(help: ArgumentHelp("Only these phenotypes (one id per line).", valueName: "file"))
  var genes: String?

  func validate() throws {
    if source.isEmpty { throw ValidationError("--genotypes (or --genotype-list) is required.") }
  }

  /// Phenotypes first: they are small and name the samples; then the genotypes' header; then the join.
  ///
  /// - Parameters:
  ///   - phenotypeRegions: whether `--region` also picks the phenotypes.
  ///   - workers: threads that read the phenotypes.
  ///   - interaction: a table of terms that interact with the genotype.
  ///   - mixed: how samples are related.
  ///   - chromosomeRemedy: what to advise when genotypes and phenotypes share no chromosome; nil when they need not.
  func study(
    phenotypeRegions: Bool, workers: Int, interaction: String? = nil, mixed: MixedOptions? = nil,
    chromosomeRemedy: String? = Self.chromosomeRemedy
  ) throws(StudyError) -> Study {
    let regions = try source.parsedRegions()
    let wantedGenes = try genes.map { (path) throws(StudyError) in try IDListFile.read(path) }
    let keep = try source.wantedSamples()
    let opened = try source.open()
    let table = try PhenotypeFile.read(
      phenotypes, features: wantedGenes, regions: phenotypeRegions ? regions : [], locations: geneLocations,
      workers: workers)
    let sampleIDs = Set(table.sampleIDs)
    let relatedness = try mixed?.relatedness()
    let covariateTable = try covariates.map { (path) throws(StudyError) in
      try CovariateFile.read(path, sampleIDs: sampleIDs)
    }
    let terms = try interaction.map { (path) throws(StudyError) in
      try CovariateFile.read(path, sampleIDs: sampleIDs)
    }
    return try Study(
      genotypes: opened, phenotypes: consume table, covariates: covariateTable, interactions: terms,
      relatedness: consume relatedness, restrictedTo: keep,
      requiringSharedChromosome: chromosomeRemedy != nil,
      chromosomeRemedy: chromosomeRemedy ?? Self.chromosomeRemedy)
  }

  static let chromosomeRemedy = "name chromosomes alike in both files (a chr prefix is ignored)"

  /// - Parameter margin: bases added on both sides of `--region`.
  func selection(margin: Int = 0) throws(StudyError) -> VariantSelection {
    try source.selection(margin: margin)
  }

  /// Every file the run reads, for the manifest; lists of genotype files, too.
  func files(of study: Study) -> [String] {
    study.genotypes.paths + source.tables + [phenotypes, geneLocations, covariates].compactMap(\.self)
      + source.lists + [genes].compactMap(\.self)
  }
}

/// Which variants are used, decided from their dosages.
struct FilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Minimum minor allele frequency among the analysed samples.", valueName: "share"))
  var maf = 0.01

  @Option(help: ArgumentHelp("Minimum minor allele count among the analysed samples.", valueName: "count"))
  var mac = 0.0

  @Option(help: ArgumentHelp("Maximum share of samples without a genotype.", valueName: "share"))
  var maxMissing = 0.05

  @Option(help: ArgumentHelp("Minimum Hardy-Weinberg p (exact test).", valueName: "p"))
  var hwe = 0.0

  func validate() throws {
    guard (0...0.5).contains(maf) else { throw ValidationError("--maf must lie between 0 and 0.5.") }
    guard mac >= 0 else { throw ValidationError("--mac must not be negative.") }
    guard (0...1).contains(maxMissing) else {
      throw ValidationError("--max-missing must lie between 0 and 1.")
    }
    guard (0...1).contains(hwe) else { throw ValidationError("--hwe must lie between 0 and 1.") }
  }

  var filter: VariantFilter {
    VariantFilter(
      minimumFrequency: maf, minimumCount: mac, maximumMissing: maxMissing, minimumHardyWeinbergP: hwe)
  }
}

/// Which variants are tested and how.
struct TestOptions: ParsableArguments {
  @OptionGroup var filters: FilterOptions

  @Flag(help: "Rank-based inverse normal transform of each phenotype: quantile of (rank - 0.5)/n.")
  var normal = false

  @Option(help: ArgumentHelp("The alternative to beta = 0.", valueName: "side"))
  var alternative = Alternative.twoSided

  @Option(
    help: ArgumentHelp(
      "What windows surround: the start site (default of trans), the whole interval, or the interval if any phenotype is longer than 1 base (automatic, default of cis).",
      valueName: "place"))
  var windowFrom: WindowAnchor?

  func scanOptions(_ selection: VariantSelection, mixedModel: MixedModelOptions = .init()) -> ScanOptions {
    ScanOptions(
      selection: selection, filter: filters.filter, transform: normal ? .inverseNormal : .none,
      alternative: alternative, mixedModel: mixedModel)
  }
}

/// What a run may use of the machine.
struct MachineOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Worker threads (default: the cores this process may use).", valueName: "n"))
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Memory the scan may take, e.g. 8G (default: three quarters of the machine's).", valueName: "size"))
  var memory: MemorySize?

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func validate() throws {
    if let threads, !(1...4096).contains(threads) { throw ValidationError("--threads must be at least 1.") }
  }

  var workers: Int { threads ?? Machine.availableCores() }

  func execution(backend: ScanBackend = .automatic) -> Execution {
    Execution(workers: workers, memory: memory?.bytes ?? Machine.memory() / 4 * 3, backend: backend)
  }
}

/// What tables are written as.
enum OutFormat: String, ExpressibleByArgument, CaseIterable {
  case tsv
  case parquet

  /// The file of a table.
  ///
  /// - Parameter isSmall: its text is not compressed.
  func path(of table: String, at prefix: String, isSmall: Bool = false) -> String {
    switch self {
    case .tsv: "\(prefix).\(table).tsv" + (isSmall ? "" : ".gz")
    case .parquet: "\(prefix).\(table).parquet"
    }
  }

  /// - Parameter level: zlib's, 0…9; nil for a small table.
  func compression(level: Int?) -> TableWriter.Compression {
    switch self {
    case .tsv: level.map { .bgzf(level: $0) } ?? .none
    // zstd's levels begin with 1.
    case .parquet: level.map { .parquet(level: max($0, 1)) } ?? .parquet()
    }
  }
}

/// Where results go and what the run may use.
struct RunOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Prefix of all output files.", valueName: "prefix"))
  var out: String

  @Option(
    help: ArgumentHelp(
      "Columns of the result table: ours, or exactly those of another tool.", valueName: "tool"))
  var format = TableFormat.swiftqtl

  @Option(
    help: ArgumentHelp(
      "What tables are: text (.tsv.gz, from which later commands read) or Parquet (.parquet).",
      valueName: "kind"))
  var outFormat = OutFormat.tsv

  @Option(
    help: ArgumentHelp(
      "Compression of the tables, 0 to 9 (6 is a tenth smaller and half as fast).", valueName: "level"))
  var compressionLevel = 1

  @OptionGroup var machine: MachineOptions

  @Option(help: ArgumentHelp("How trans screens pairs; results do not depend on it.", valueName: "name"))
  var backend = ScanBackend.automatic

  @Option(help: ArgumentHelp("Seed of everything drawn at random.", valueName: "n"))
  var seed: UInt64 = 20_190_304

  func validate() throws {
    guard (0...9).contains(compressionLevel) else {
      throw ValidationError("--compression-level must lie between 0 and 9.")
    }
    try Self.validate(prefix: out)
  }

  static func validate(prefix: String) throws {
    guard !prefix.isEmpty, !prefix.hasSuffix("/") else {
      throw ValidationError("--out must be a file prefix.")
    }
  }

  var workers: Int { machine.workers }
  var quiet: Bool { machine.quiet }
  var execution: Execution { machine.execution(backend: backend) }

  var compression: TableWriter.Compression { outFormat.compression(level: compressionLevel) }
  /// Of ``smallTable(_:at:)``.
  var smallCompression: TableWriter.Compression { outFormat.compression(level: nil) }

  /// At which workers compress rows; nil where whoever writes the file does so.
  var rowCompressionLevel: Int? { outFormat == .tsv ? compressionLevel : nil }

  /// That of a table of pairs by variant, in our own columns.
  var pairIndex: TabixIndex? {
    format == .swiftqtl && outFormat == .tsv ? TabixIndex(chromosomeColumn: 2, positionColumn: 3) : nil
  }

  /// The file of a table.
  ///
  /// - Parameter prefix: nil for ``out``.
  func table(_ name: String, at prefix: String? = nil) -> String {
    outFormat.path(of: name, at: prefix ?? out)
  }

  /// The file of a table whose text is not compressed.
  func smallTable(_ name: String, at prefix: String? = nil) -> String {
    outFormat.path(of: name, at: prefix ?? out, isSmall: true)
  }
}

/// A number of bytes with an optional K, M, G or T (powers of 1024).
struct MemorySize: ExpressibleByArgument {
  var bytes: Int

  init?(argument: String) {
    let units: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40]
    var text = argument.uppercased()
    if text.hasSuffix("B") { text.removeLast() }
    if text.hasSuffix("I") { text.removeLast() }
    var shift = 0
    if let last = text.last, let unit = units[last] {
      shift = unit
      text.removeLast()
    }
    guard let value = Double(text), value * Double(1 << shift) >= 1, value * Double(1 << shift) < 0x1p62
    else { return nil }
    bytes = Int(value * Double(1 << shift))
  }
}
