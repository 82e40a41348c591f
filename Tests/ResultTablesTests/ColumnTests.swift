import Association
import Foundation
import StudyData
import StudyIO
import Synchronization
import TestSupport
import Testing

@testable import ResultTables

/// What columns hold is what the program prints of the same results.
@Suite struct ColumnTests {
  /// Every cell of the text must be what its column's value is printed as.
  private func check(_ table: some ResultColumns, rows: Int) throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "columns-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let writer = try TableWriter(path: path, compression: .none)
    try table.write(to: writer)
    try writer.commit()
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    let cells = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    #expect(cells.first == table.names)
    #expect(table.rowCount == rows && lines.count == rows + 1)
    for (c, name) in table.names.enumerated() {
      let column = table.column(c)
      #expect(column.count == rows)
      for row in 0..<rows {
        #expect(printed(column, row) == cells[row + 1][c], "\(name), row \(row)")
      }
    }
  }

  private func printed(_ column: ResultColumn, _ row: Int) -> String {
    var out = RowBuffer()
    switch column.kind {
    case .number: out.append(column.data.assumingMemoryBound(to: Double.self)[row])
    case .integer: out.append(Int(column.data.assumingMemoryBound(to: Int64.self)[row]))
    case .text: out.append(column.dictionary[Int(column.data.assumingMemoryBound(to: Int32.self)[row])])
    }
    return out.text
  }

  private func study(related: Bool = false, terms: Int = 0) throws -> Study {
    var shape = StudyShape()
    shape.missingPhenotypes = .few
    shape.missingGenotypes = 0.03
    var small = SmallStudy(shape, seed: 11).sorted()
    if related {
      // Pairs of siblings.
      small.kinship = (0..<small.sampleCount).map { i in
        (0..<small.sampleCount).map { j in i == j ? 1 : i / 2 == j / 2 ? 0.5 : 0 }
      }
    }
    for term in 0..<terms {
      small.addInteraction((0..<small.sampleCount).map { Double(($0 * (7 + term)) % 13) })
    }
    return try small.study()
  }

  private func blocks(
    _ run: (_ emit: @escaping @Sendable (PairBatch) -> Void) throws -> ScanSummary
  ) rethrows -> (blocks: [PairColumns.Block], rows: Int, summary: ScanSummary) {
    let batches = Mutex<[PairBatch]>([])
    let summary = try run { batch in batches.withLock { $0.append(batch) } }
    let all = batches.withLock { $0 }
    return (all.map(PairColumns.Block.init), all.reduce(0) { $0 + $1.rows.count }, summary)
  }

  @Test func pairsOfTrans() throws {
    let study = try study()
    let scan = TransScan(threshold: 0.3, exclusion: .none, options: ScanOptions(filter: .off))
    let (blocks, rows, summary) = try blocks { emit in
      try scan.run(in: study, execution: Execution(), render: { $0 }, emit: emit)
    }
    #expect(rows > 20)
    try check(
      PairColumns(.trans, study.features, blocks, exactFits: false, testCount: summary.counts.tests),
      rows: rows)
  }

  @Test func pairsOfMixedModels() throws {
    let study = try study(related: true)
    let scan = CisScan(
      radius: 20_000_000,
      options: ScanOptions(filter: .off, mixedModel: MixedModelOptions(refitsExactly: true)))
    let (blocks, rows, summary) = try blocks { emit in
      try scan.run(in: study, execution: Execution(), render: { $0 }, emit: emit)
    }
    #expect(rows > 20)
    try check(PairColumns(.cis, study.features, blocks, exactFits: true, testCount: nil), rows: rows)
    try check(VarianceColumns(summary.variances, study.features), rows: study.features.count)
  }

  @Test func genes() throws {
    let study = try study()
    let permutations = CisPermutations(
      CisScan(radius: 20_000_000, options: ScanOptions(filter: .off)), plan: .fixed(200))
    let (genes, _) = try permutations.run(in: study, execution: Execution())
    let significance = GeneSignificance(of: genes, method: .benjaminiHochberg)
    try check(
      GeneColumns(study, genes, significance, isGrouped: false), rows: genes.count { $0.lead != nil })
  }

  @Test func signals() throws {
    let study = try study()
    let scan = ConditionalScan(CisScan(radius: 20_000_000, options: ScanOptions(filter: .off)))
    var genes: [GeneSignals] = []
    _ = try scan.run(
      in: study, thresholds: Dictionary(uniqueKeysWithValues: study.features.map { ($0.id, log(0.5)) }),
      execution: Execution(), render: { $0 }, drop: { _ in }, emit: { gene, _ in genes.append(gene) })
    let rows = genes.reduce(0) { $0 + $1.signals.count }
    #expect(rows > study.features.count)
    for isGrouped in [false, true] {
      try check(SignalColumns(study.features, genes, isGrouped: isGrouped), rows: rows)
    }
  }

  @Test(arguments: [1, 2]) func interactions(terms: Int) throws {
    let study = try study(terms: terms)
    let options = ScanOptions(filter: .off)
    let scan = InteractionScan(radius: 20_000_000, options: options, minimumStratumFrequency: 0)
    let pairs = try scan.pairs(in: study)
    let rows = pairs.batches.reduce(0) { $0 + $1.rows.count }
    #expect(rows > 20)
    try check(InteractionColumns(.cis, study, pairs.batches), rows: rows)
    let (leads, _) = try scan.leads(in: study, execution: Execution(), emit: { _ in })
    #expect(leads.count > terms)
    try check(InteractionColumns(study, leads), rows: leads.count)
    let all = TransInteractionScan(
      threshold: 0.3, exclusion: .none, options: options, minimumStratumFrequency: 0)
    let hits = try all.hits(in: study)
    let columns = InteractionColumns(
      .trans, study, hits.batches, hits: (all.logThreshold, hits.summary.counts.tests))
    #expect(columns.rowCount > 5)
    try check(columns, rows: columns.rowCount)
  }

  @Test func drops() throws {
    try check(
      DropColumns([
        Drop(.variant, id: "v", reason: "monomorphic"), Drop(.sample, id: "s", reason: "r", detail: "d"),
        Drop(.variant, id: "v", reason: "monomorphic"),
      ]), rows: 3)
  }

  /// A p below the range of doubles is 0 in its column, though never in the text.
  @Test func tinyP() {
    let column = ResultColumn.probabilities([-2000, 0.1])
    #expect(column.data.assumingMemoryBound(to: Double.self)[0] == 0)
    #expect(column.data.assumingMemoryBound(to: Double.self)[1] == 1)
  }
}
