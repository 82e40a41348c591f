import SwiftQTL

/// A permutation scan of a study, gene by gene.
struct PermuteJob: JournalledScan {
  static let units = "genes"

  let command: CisPermuteCommand
  let study: Study
  let permutations: CisPermutations
  let effects: EffectColumns?
  /// Traits that were made ready before.
  var prepared: PreparedScan?
  /// Of a plan.
  var order: GeneOrder?
  /// Variants left out, where that is known before.
  var variantDrops = DropRows(level: nil)
  /// Gets the variants that a run leaves out, in file order.
  var drop: ([Drop]) throws -> Void = { _ in }

  init(_ command: CisPermuteCommand, _ study: Study, effects: EffectColumns?, prepared: PreparedScan? = nil)
    throws
  {
    self.command = command
    self.study = study
    self.effects = effects
    self.prepared = prepared
    permutations = CisPermutations(
      CisScan(
        radius: command.window, anchor: command.test.windowFrom ?? .automatic,
        options: try command.scanOptions(of: study)),
      plan: command.permutation.permutations.plan, seed: command.resources.seed,
      isGrouped: command.permutation.phenotypeGroups != nil)
  }

  var resources: RunOptions { command.resources }

  func run(
    _ genes: Range<Int>, _ execution: Execution,
    emit: @escaping @Sendable (any JournalEntry) throws -> Void
  ) throws -> ScanSummary {
    let count = order == nil ? nil : genes.count
    var done = 0
    return try permutations.run(
      in: study, prepared: prepared, genes: genes, of: order, execution: execution, drop: drop
    ) { result, counts, fractionRead in
      done += 1
      let fraction = count.map { Double(done) / Double($0) } ?? fractionRead
      try emit(GeneRecord(result, counts, fractionDone: fraction))
    }
  }

  /// Tests of each copy, and what making a copy takes in the same measure.
  func cost(of genes: Range<Int>) -> Double {
    guard let order else { return Double(genes.count) }
    return genes.reduce(0) {
      $0 + Double(order.phenotypes[$1]) * (Double(order.variants[$1]) + Self.costOfCopy)
    }
  }

  /// 700 to 1,200 by the time that 500 samples with 5 to 60 covariates take.
  private static let costOfCopy = 800.0

  /// Of all copies: tests × samples.
  var multiplications: Double {
    guard let order else { return 0 }
    let tests = zip(order.variants, order.phenotypes).reduce(0) { $0 + $1.0 * $1.1 }
    return Double(tests) * Double(permutations.plan.maximum) * Double(study.sampleCount)
  }

  func write(_ journals: [String], _ summary: ScanSummary, to files: OutputTransaction) throws -> WrittenScan
  {
    let tables = PermuteTables(job: self, files: files)
    let drops = try tables.openDrops()
    try drops.append(variantDrops)
    var summary = summary
    if let order { summary.counts = order.counts }
    return try tables.write(journals, summary, drops)
  }
}

/// A gene as it stands in a journal: all in the head.
struct GeneRecord: JournalEntry {
  let head: [UInt8]
  var body: [UInt8] { [] }
  let tests: Int
  let rowCount = 1
  let fractionDone: Double

  init(_ result: CisPermutations.GeneResult, _ counts: ScanCounts, fractionDone: Double) {
    var encoder = ByteEncoder()
    encoder.put(counts)
    result.encode(to: &encoder)
    head = encoder.bytes
    tests = counts.integerPairs
    self.fractionDone = fractionDone
  }

  static func decode(_ head: [UInt8]) throws -> (CisPermutations.GeneResult, ScanCounts) {
    try head.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      let counts = try decoder.value(ScanCounts.self)
      let result = try CisPermutations.GeneResult(&decoder)
      guard decoder.isAtEnd else { throw ByteDecoder.Failure() }
      return (result, counts)
    }
  }
}

extension CisPermuteCommand {
  /// The study as its files have it.
  func study(_ progress: Progress) throws -> Study {
    let study = try input.study(phenotypeRegions: true, workers: resources.workers, mixed: mixed)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    guard let path = permutation.phenotypeGroups else { return study }
    return try PhenotypeGroups.apply(PhenotypeGroups.read(path), of: path, to: study)
  }

  /// Every file a scan reads.
  func files(of study: Study) throws -> [String] {
    try input.files(of: study) + [permutation.phenotypeGroups].compactMap(\.self) + mixed.files(of: study)
  }

  func scanOptions(of study: Study) throws -> ScanOptions {
    test.scanOptions(
      try input.selection(margin: study.windowMargin(window)),
      mixedModel: mixed.modelOptions(resources.execution))
  }
}
