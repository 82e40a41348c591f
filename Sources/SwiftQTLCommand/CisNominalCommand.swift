import ArgumentParser
import SwiftQTL
import Synchronization

struct CisNominalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nominal",
    abstract:
      "Test every variant within a window of each phenotype; all pairs are written, or the significant ones.",
    discussion: """
      Writes OUT.cis_nominal.tsv.gz, ordered by variant and, in our own format and if the genotypes are sorted, indexed for tabix.

      With --significant-from, OUT.cis_significant.tsv.gz instead: of the genes that cis permute calls significant, the pairs whose nominal p is at most the gene's threshold. Use the options of the permutations.

      With --grm the model is y ~ covariates + u + g + e, Var u = h2 * K, with h2 of each phenotype as OUT.heritability.tsv.gz has it. With --lmm-exact h2 is estimated for each pair by REML while the variant is in the model: beta, se, t and p are of that fit, h2 is its own, pval_lrt tests beta = 0 by maximum likelihood.

      With --loco each chromosome's variants are tested with the matrix of the other chromosomes, one decomposition for each.

      EXAMPLE
        swiftqtl cis nominal --genotypes chr22.vcf.gz --dosage-field DS \\
          --phenotypes expression.bed.gz --out study
        tabix study.cis_nominal.tsv.gz 22:17000000-17100000
        swiftqtl cis nominal --genotypes chr22.vcf.gz --dosage-field DS \\
          --phenotypes expression.bed.gz \\
          --significant-from study.cis_permute.tsv.gz --out study
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Relatedness") var mixed: MixedOptions
  @OptionGroup(title: "Significant pairs") var significance: SignificanceOptions
  @OptionGroup(title: "Effect sizes") var effect: EffectOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
    try effect.validate(resources.format, normal: test.normal)
    try mixed.validate(resources.format)
    if mixed.isMixed { try mixed.refuse([(effect.effectSizes, "--effect-sizes")]) }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    // The small tables first: what is wrong with them shows at once.
    let genes = try significance.genes()
    let all = try input.study(phenotypeRegions: true, workers: resources.workers, mixed: mixed)
    for line in all.alignment + all.genotypes.notes { progress.note(line) }
    let anchor = test.windowFrom ?? .automatic
    let selection = try genes?.select(from: all, anchor: anchor)
    for note in selection?.notes ?? [] { progress.note(note) }
    let study = selection?.study ?? all
    let placed = selection?.placed ?? all
    let logLimits = selection?.logLimits
    let scan = CisScan(
      radius: window, anchor: selection?.anchor ?? anchor,
      options: test.scanOptions(
        try input.selection(margin: placed.windowMargin(window)),
        mixedModel: mixed.modelOptions(resources.execution)))
    let table = ResultTable(
      .cis, resources.format, study.features,
      effects: try effect.columns(of: study, scan.options, workers: resources.workers), logLimits: logLimits,
      exactFits: mixed.lmmExact)

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.table(selection == nil ? "cis_nominal" : "cis_significant")
    let index = resources.pairIndex
    let pairs = try files.open(path, compression: resources.compression, index: index)
    let dropsPath = resources.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: resources.compression))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(input.files(of: study) + significance.files + mixed.files(of: study))
    try drops.append(study.drops)
    try pairs.append(bytes: table.headerLine())
    // QTLtools' rows carry the number of variants in the window and whether they are its best: known at the end.
    let spool = resources.format == .qtltools ? try RowSpool(prefix: resources.out, keyCount: 0) : nil
    let windows = WindowTotals(study.features.count)
    let order = Mutex(RowOrder())
    let rowCount = Mutex(0)

    let level = resources.rowCompressionLevel
    let started = progress.elapsed
    var summary = try scan.run(
      in: placed, leavingOut: mixed.leavingOut, execution: resources.execution,
      render: { batch in
        var batch = batch
        if spool != nil { windows.add(batch.rows) }
        if let logLimits { batch.keepRows(within: logLimits) }
        return RenderedBatch(batch, table, level: level, spooled: spool != nil)
      },
      emit: { batch in
        if let spool { try spool.append(batch.spooled) } else { try batch.write(to: pairs) }
        try drops.append(batch.drops)
        order.withLock { $0.observe(batch.variants) }
        rowCount.withLock { $0 += batch.rowCount }
        progress.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let scanned = progress.elapsed
    progress.finish()
    let variances = try VarianceTable.write(summary, study, resources, to: files)
    summary.counts.rows = rowCount.withLock(\.self)
    if let spool { try windows.complete(pairs, from: spool, table) }
    try drops.append(summary.drops)
    let notes = index == nil ? [] : Self.dropIndex(of: pairs, unless: order.withLock(\.isSorted))
    for note in summary.allNotes + notes { progress.note(note) }
    let indexSuffix = try pairs.finish()
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + (indexSuffix.map { [path + $0] } ?? [])
        + variances + [dropsPath, resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: (selection?.notes ?? []) + notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    let written = selection == nil ? "" : "\(summary.counts.rows) significant of "
    progress.note(
      "\(written)\(summary.counts.tests) pairs (\(summary.counts.variants) variants, \(summary.traits) phenotypes) in "
        + "\(Progress.duration(progress.elapsed)); written to \(path)")
  }

  /// - Returns: what there is to be said of it.
  static func dropIndex(of pairs: TableWriter, unless isSorted: Bool) -> [String] {
    if isSorted { return [] }
    pairs.dropIndex()
    return ["\(pairs.path) has no index: the genotypes are not sorted by chromosome and position"]
  }
}

extension Study {
  /// How far from a feature's start a variant of its window may lie.
  func windowMargin(_ window: Int) -> Int {
    let longest = features.lazy.map { $0.end - $0.start }.max() ?? 0
    let (margin, overflow) = window.addingReportingOverflow(longest)
    return overflow ? .max : margin
  }
}

/// Whether rows can be indexed: chromosomes in one piece each, positions ascending within.
struct RowOrder {
  private(set) var isSorted = true
  private var last: (chromosome: String, position: Int) = ("", 0)
  private var seen: Set<String> = []

  mutating func observe(_ variants: [TestedVariant]) {
    for variant in variants.lazy.map(\.variant) {
      if variant.chromosome == last.chromosome {
        if variant.position < last.position { isSorted = false }
      } else if !seen.insert(variant.chromosome).inserted {
        isSorted = false
      }
      last = (variant.chromosome, variant.position)
    }
  }
}

/// Size and best row of every phenotype's window, for QTLtools' table.
final class WindowTotals: Sendable {
  private struct Total {
    var count = 0
    var best = (logP: Double.infinity, absT: 0.0)
  }
  private let totals: Mutex<[Total]>

  init(_ count: Int) { totals = Mutex(Array(repeating: Total(), count: count)) }

  func add(_ rows: [PairRow]) {
    totals.withLock { totals in
      for row in rows {
        totals[row.feature].count += 1
        totals[row.feature].best.logP = min(totals[row.feature].best.logP, row.logP)
      }
    }
  }

  /// Ties for the best p are all marked.
  func complete(_ out: TableWriter, from spool: RowSpool, _ table: ResultTable) throws {
    let totals = self.totals.withLock { $0 }
    var buffer = RowBuffer(capacity: 1 << 17)
    try spool.readRows { row in
      let (logP, feature, text) = (row.logP(), row.feature, row.text)
      table.appendPhenotype(feature, variantsInWindow: totals[feature].count, to: &buffer)
      buffer.append(bytes: text)
      buffer.append(logP == totals[feature].best.logP ? "\t1\n" : "\t0\n")
      if buffer.count >= 1 << 16 {
        try out.append(buffer)
        buffer.removeAll()
      }
    }
    try out.append(buffer)
  }
}
