import ArgumentParser
import SwiftQTL
import Synchronization

struct CisNominalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nominal",
    abstract: "Test every variant within a window of each phenotype; all pairs are written.",
    discussion: """
      Writes OUT.cis_nominal.tsv.gz, ordered by variant and, in our own format and if the genotypes are sorted, indexed for tabix.

      EXAMPLE
        swiftqtl cis nominal --genotypes chr22.vcf.gz --dosage-field DS \\
          --phenotypes expression.bed.gz --out study
        tabix study.cis_nominal.tsv.gz 22:17000000-17100000
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Tests") var test: TestOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp("Bases on either side of a phenotype; the window is closed.", valueName: "bases"))
  var window = 1_000_000

  func validate() throws {
    guard window >= 0 else { throw ValidationError("--window must not be negative.") }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    let study = try input.study(phenotypeRegions: true, workers: resources.workers)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }
    let table = ResultTable(.cis, resources.format, study.features)
    let scan = CisScan(
      radius: window, anchor: test.windowFrom ?? .automatic,
      options: test.scanOptions(try input.selection(margin: study.windowMargin(window))))

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.out + ".cis_nominal.tsv.gz"
    let index = resources.format == .swiftqtl ? TabixIndex(chromosomeColumn: 2, positionColumn: 3) : nil
    let pairs = try files.open(path, compression: resources.compression, index: index)
    let drops = try DropWriter(
      files.open(resources.out + ".drops.tsv.gz", compression: .bgzf(level: resources.compressionLevel)))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(input.files(of: study))
    try drops.append(study.drops)
    try pairs.append(bytes: table.headerLine())
    // QTLtools' rows carry the number of variants in the window and whether they are its best: known at the end.
    let spool = resources.format == .qtltools ? try RowSpool(prefix: resources.out, keepsP: false) : nil
    let windows = WindowTotals(study.features.count)
    let order = Mutex(RowOrder())

    let level = resources.compressionLevel
    let started = progress.elapsed
    let summary = try scan.run(
      in: study, execution: resources.execution,
      render: { batch in
        if spool != nil { windows.add(batch.rows) }
        return RenderedBatch(batch, table, level: level, spooled: spool != nil)
      },
      emit: { batch in
        if let spool { try spool.append(batch.spooled) } else { try batch.write(to: pairs) }
        try drops.append(batch.drops)
        order.withLock { $0.observe(batch.variants) }
        progress.advance(tests: batch.tests, rows: batch.rowCount, fraction: batch.fractionRead)
      })
    let scanned = progress.elapsed
    progress.finish()
    if let spool { try windows.complete(pairs, from: spool, table) }
    try drops.append(summary.drops)
    let notes = index == nil ? [] : Self.dropIndex(of: pairs, unless: order.withLock(\.isSorted))
    for note in summary.notes + notes { progress.note(note) }
    let indexSuffix = try pairs.finish()
    let manifest = Manifest(
      study: study, summary: summary, drops: drops.counts, run: resources,
      outputs: [path] + (indexSuffix.map { [path + $0] } ?? [])
        + [resources.out + ".drops.tsv.gz", resources.out + ".manifest.json"],
      seconds: ["read": started, "scan": scanned - started, "total": progress.elapsed], inputs: inputs,
      notes: notes)
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note(
      "\(summary.counts.tests) pairs (\(summary.counts.variants) variants, \(summary.traits) phenotypes) in "
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
    try spool.readRows { logP, feature, text in
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
