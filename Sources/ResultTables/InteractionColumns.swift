package import Association
import Distributions
import MultipleTesting
package import StudyData
package import StudyIO

/// Pairs of a scan for interactions, or its leads, in our own format.
package struct InteractionColumns: ResultColumns {
  package let names: [String]
  package let rowCount: Int
  private let table: InteractionTable
  private let features: [Feature]
  private let terms: [String]
  private let blocks: [Block]
  /// What is known of leads beside their rows, by row.
  private let leads: [InteractionLead]?
  /// For each term ln q of its product, by row; NaN of what is no hit.
  private let logQ: [[Double]]
  /// Where coefficients begin among the columns, and how many columns they have.
  private let coefficients: Range<Int>

  private typealias Block = (variants: [TestedVariant], rows: [InteractionRow])
  private static let columnsOfCoefficient = 5

  /// Pairs.
  ///
  /// - Parameters:
  ///   - batches: in the order of the variants.
  ///   - hits: of a scan of all pairs: the largest ln p of a hit, and how many tests q is over; nil for no q.
  package init(
    _ scan: ResultTable.Scan, _ study: Study, _ batches: [InteractionBatch],
    hits: (logThreshold: Double, testCount: Int)? = nil
  ) {
    let logQ = hits.map { hits in
      study.interactionNames.indices.map { term in
        let logP = batches.flatMap { $0.rows.map { $0.coefficients[InteractionRow.product(term)].logP } }
        let own = logP.indices.filter { logP[$0] <= hits.logThreshold }
        var logQ = [Double](repeating: .nan, count: logP.count)
        let ofHits = BenjaminiHochberg.logQ(own.map { logP[$0] }, testCount: hits.testCount)
        for (index, value) in zip(own, ofHits) { logQ[index] = value }
        return logQ
      }
    }
    self.init(scan, study, batches.map { ($0.variants, $0.rows) }, leads: nil, logQ: logQ)
  }

  /// Leads.
  package init(_ study: Study, _ leads: [InteractionLead]) {
    let rows = leads.enumerated().map { index, lead in
      var row = lead.row
      row.variant = index
      return row
    }
    self.init(.cis, study, [(leads.map(\.variant), rows)], leads: leads, logQ: nil)
  }

  private init(
    _ scan: ResultTable.Scan, _ study: Study, _ blocks: [Block], leads: [InteractionLead]?, logQ: [[Double]]?
  ) {
    table = InteractionTable(scan, .swiftqtl, study)
    names = table.columns(best: leads != nil, adding: logQ == nil ? nil : "q_")
    features = study.features
    terms = study.interactionNames
    self.blocks = blocks
    self.leads = leads
    self.logQ = logQ ?? []
    rowCount = blocks.reduce(0) { $0 + $1.rows.count }
    let first = names.firstIndex(of: "beta_g") ?? names.count
    coefficients = first..<first + (1 + 2 * terms.count) * Self.columnsOfCoefficient
  }

  package func column(_ index: Int) -> ResultColumn {
    // By place: terms may have any name.
    if coefficients.contains(index) { return coefficient(index - coefficients.lowerBound) }
    if index >= names.count - logQ.count { return .probabilities(logQ[index - (names.count - logQ.count)]) }
    return switch names[index] {
    case "term": .text((leads ?? []).map { terms[$0.term] })
    case "variant_id": .text(rows { $1.variant.id })
    case "chromosome": .text(rows { $1.variant.chromosome })
    case "position": .integers(rows { $1.variant.position })
    case "ref": .text(rows { $1.variant.ref })
    case "alt": .text(rows { $1.variant.alt })
    case "phenotype_id": .text(rows { row, _ in features[row.feature].id })
    case "start_distance": .integers(rows { $1.variant.position - features[$0.feature].tss })
    case "df": .integers(rows { row, _ in row.degreesOfFreedom })
    case "af": .numbers(rows { $1.summary.alleleFrequency })
    case "ma_samples": .integers(rows { $1.summary.minorAlleleSamples })
    case "ma_count": .numbers(rows { $1.summary.minorAlleleCount })
    case "n": .integers(rows { row, _ in row.n })
    case "status": .text(rows { row, _ in row.status.rawValue })
    case "num_var": .integers((leads ?? []).map(\.variantCount))
    case "tests_emt": .integers((leads ?? []).map(\.effectiveTests))
    case "pval_emt": .probabilities((leads ?? []).map(\.correctedLogP))
    case "pval_adj_bh": .probabilities((leads ?? []).map(\.logQ))
    default: preconditionFailure("a column without values: \(names[index])")
    }
  }

  /// - Parameter place: among the columns of coefficients. A singular design has no numbers.
  private func coefficient(_ place: Int) -> ResultColumn {
    let (index, what) = place.quotientAndRemainder(dividingBy: Self.columnsOfCoefficient)
    func values(_ value: (CoefficientEstimate) -> Double) -> [Double] {
      rows { row, _ in row.status == .singular ? .nan : value(row.coefficients[index]) }
    }
    return switch what {
    case 0: .numbers(values(\.beta))
    case 1: .numbers(values(\.standardError))
    case 2: .numbers(values(\.t))
    case 3: .numbers(values { LogP.negLog10($0.logP) })
    default: .probabilities(values(\.logP))
    }
  }

  private func rows<Value>(_ value: (InteractionRow, TestedVariant) -> Value) -> [Value] {
    blocks.flatMap { block in block.rows.map { value($0, block.variants[$0.variant]) } }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try writer.append(bytes: names.headerLine)
    if let leads { return try writer.append(table.text(of: leads)) }
    var buffer = RowBuffer(capacity: 1 << 17)
    var ordinal = 0
    for block in blocks {
      var current = -1
      var variant = ResultTable.VariantText()
      for row in block.rows {
        if row.variant != current {
          current = row.variant
          variant = table.text(of: block.variants[current])
        }
        table.append(row, variant, to: &buffer)
        for logQ in logQ {
          buffer.appendTab()
          buffer.append(lnP: logQ[ordinal], isLast: true)
        }
        buffer.appendNewline()
        ordinal += 1
        if buffer.count >= 1 << 16 {
          try writer.append(buffer)
          buffer.removeAll()
        }
      }
    }
    try writer.append(buffer)
  }
}
