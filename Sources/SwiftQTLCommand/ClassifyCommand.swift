import ArgumentParser
import SwiftQTL

struct ClassifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Tell the cis hits of a scan of all pairs from the trans ones, by distance and linkage.",
    discussion: """
      Writes OUT.classify.tsv.gz: the rows of --hits with two more columns. class is cis (the variant lies within --distance of the phenotype's start), cis_by_ld (it lies elsewhere on that chromosome, and its r2 with a variant within --distance reaches --r2), trans, or NA where variant or phenotype is not in the files. ld_r2 is the largest r2 with a variant within --distance; 1 for cis.

      With --truth, OUT.classify_grid.tsv: how often hits are called cis that are, and that are not, for a grid of distances and r2. A hit's cause is the causal variant of its phenotype in the largest r2 with it, 0.2 at least; it is cis within --truth-distance of the start. Hits without a cause take no part.

      EXAMPLE
        swiftqtl trans --genotypes study --phenotypes expression.bed.gz \\
          --no-exclude-cis --out study
        swiftqtl classify --genotypes study --phenotypes expression.bed.gz \\
          --hits study.trans.tsv.gz --out classified
      """)

  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Output and resources") var resources: RunOptions

  @Option(
    help: ArgumentHelp(
      "Hits: a table with columns variant_id and phenotype_id, e.g. of trans --no-exclude-cis.",
      valueName: "file"))
  var hits: String

  @Option(
    help: ArgumentHelp("Bases from a phenotype's start within which a variant is cis.", valueName: "bases"))
  var distance = 500_000

  @Option(
    help: ArgumentHelp(
      "r2 with a near variant from which a hit on the same chromosome is cis; 1: distance alone counts.",
      valueName: "r2"))
  var r2 = 0.6

  @Option(
    help: ArgumentHelp(
      "Causal variants: a table with columns variant_id and phenotype_id, as simulate writes it.",
      valueName: "file"))
  var truth: String?

  @Option(
    help: ArgumentHelp(
      "With --truth: bases from a phenotype's start within which a causal variant is cis.", valueName: "bases"
    ))
  var truthDistance = 1_000_000

  private static let gridDistances = [100_000, 250_000, 500_000, 1_000_000, 2_000_000]
  private static let gridR2 = [0.2, 0.4, 0.6, 0.8, 1]

  func validate() throws {
    guard distance >= 0 else { throw ValidationError("--distance must not be negative.") }
    guard truthDistance >= 0 else { throw ValidationError("--truth-distance must not be negative.") }
    guard r2 > 0, r2 <= 1 else { throw ValidationError("--r2 must be above 0 and at most 1.") }
    guard resources.format == .swiftqtl else {
      throw ValidationError("classify has no other --format than swiftqtl.")
    }
    guard input.source.region.isEmpty, input.source.extract == nil, input.source.minInfo == nil else {
      throw ValidationError(
        "classify looks at all variants near a hit's phenotype: leave --region, --extract and --min-info out."
      )
    }
  }

  func run() throws {
    let progress = Progress(quiet: resources.quiet)
    let table = try HitTable.read(hits)
    let causes = try truth.map { (path) throws(StudyError) in try HitTable.read(path) }
    let study = try input.study(phenotypeRegions: false, workers: resources.workers, chromosomeRemedy: nil)
    for line in study.alignment + study.genotypes.notes { progress.note(line) }

    let files = OutputTransaction()
    let interruption = Interruption(givingUp: files)
    defer { withExtendedLifetime(interruption) {} }
    let path = resources.table("classify")
    let rows = try files.open(path, compression: resources.compression)
    let gridPath = causes.map { _ in resources.smallTable("classify_grid") }
    let grid = try gridPath.map { try files.open($0, compression: resources.smallCompression) }
    let dropsPath = resources.table("drops")
    let drops = try DropWriter(files.open(dropsPath, compression: resources.compression))
    let manifestFile = try files.open(resources.out + ".manifest.json", compression: .none)
    let inputs = try Manifest.inputs(input.files(of: study) + [hits, truth].compactMap(\.self))
    try drops.append(study.drops)
    let started = progress.elapsed
    let distances = Set([distance] + (causes == nil ? [] : Self.gridDistances)).sorted()
    let classification = try CisClassification(
      of: table.pairs, in: study, distances: distances, causes: causes?.pairs ?? [],
      causalDistance: truthDistance, execution: resources.execution)
    let calls = try write(classification, table, to: rows)
    try grid?.append(Self.grid(classification))
    let counts = Dictionary(calls.map { ($0, 1) }, uniquingKeysWith: +)
    var manifest = Manifest(
      study: study, summary: nil, drops: drops.counts, run: resources,
      outputs: [path] + [gridPath].compactMap(\.self)
        + [dropsPath, resources.out + ".manifest.json"],
      seconds: [
        "read": started, "classify": progress.elapsed - started, "total": progress.elapsed,
      ], inputs: inputs)
    manifest.classes = counts
    try manifestFile.append(bytes: manifest.json())
    try files.commit()
    progress.note(
      "\(calls.count) hits" + (counts.isEmpty ? "" : ": ")
        + counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        + "; \(Progress.duration(progress.elapsed)); written to \(path)")
  }

  /// - Returns: the class of each hit.
  private func write(_ classification: CisClassification, _ table: HitTable, to rows: TableWriter) throws
    -> [String]
  {
    let index = classification.distances.firstIndex(of: distance) ?? 0
    var calls: [String] = []
    var buffer = RowBuffer()
    buffer.append((table.header + ["class", "ld_r2"]).joined(separator: "\t"))
    buffer.appendNewline()
    for (row, hit) in zip(table.hits, classification.hits) {
      let call = hit?.call(within: distance, index, r2: r2)
      calls.append(call?.rawValue ?? "NA")
      buffer.append(row.text)
      buffer.appendTab()
      buffer.append(cells: calls[calls.count - 1])
      buffer.append(call == .cis ? 1 : hit?.linkage[index] ?? .nan)
      buffer.appendNewline()
      if buffer.count >= 1 << 16 {
        try rows.append(buffer)
        buffer.removeAll()
      }
    }
    try rows.append(buffer)
    return calls
  }

  private static func grid(_ classification: CisClassification) -> RowBuffer {
    var buffer = RowBuffer()
    buffer.append(
      "distance\tr2\tcis_hits\tcis_called_cis\tsensitivity\ttrans_hits\ttrans_called_cis\tfalse_cis_rate\n")
    for rates in classification.rates(r2: gridR2) where gridDistances.contains(rates.distance) {
      buffer.append(number: rates.distance)
      buffer.append(number: rates.r2)
      buffer.append(number: rates.cis)
      buffer.append(number: rates.cisCalledCis)
      buffer.append(number: rates.sensitivity)
      buffer.append(number: rates.trans)
      buffer.append(number: rates.transCalledCis)
      buffer.append(rates.falseCisRate)
      buffer.appendNewline()
    }
    return buffer
  }
}

extension HitTable {
  var pairs: [CisClassification.Pair] {
    hits.map { .init(variantID: $0.variantID, phenotypeID: $0.phenotypeID) }
  }
}
