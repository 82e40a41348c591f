package import Association
import Distributions
import Glibc
import MultipleTesting
package import StudyData
package import StudyIO

/// Pairs of a scan in our own format.
///
/// A row takes 56 bytes until a column is asked for.
package struct PairColumns: ResultColumns {
  /// A block's rows as they are kept.
  package struct Block: Sendable {
    fileprivate var variants: [TestedVariant]
    fileprivate var rows: [Row]
    /// Where pairs are fitted anew: by row.
    fileprivate var fits: [PairRow.ExactFit?]

    package init(_ batch: PairBatch) {
      variants = batch.variants
      rows = batch.rows.map(Row.init)
      fits = batch.rows.contains { $0.exactFit != nil } ? batch.rows.map(\.exactFit) : []
    }
  }

  fileprivate struct Row: BitwiseCopyable {
    /// In the block.
    var variant: Int32
    var feature: Int32
    var degreesOfFreedom: Int32
    var n: Int32
    var beta: Double
    var standardError: Double
    var t: Double
    var logP: Double
    var r2: Double

    init(_ row: PairRow) {
      (variant, feature) = (Int32(row.variant), Int32(row.feature))
      (degreesOfFreedom, n) = (Int32(row.degreesOfFreedom), Int32(row.n))
      (beta, standardError, t, logP, r2) = (row.beta, row.standardError, row.t, row.logP, row.r2)
    }

    func pairRow(_ fit: PairRow.ExactFit?) -> PairRow {
      PairRow(
        variant: Int(variant), feature: Int(feature), beta: beta, standardError: standardError, t: t,
        degreesOfFreedom: Int(degreesOfFreedom), logP: logP, r2: r2, n: Int(n), isPerfectFit: false,
        exactFit: fit)
    }
  }

  package let names: [String]
  package let rowCount: Int
  private let table: ResultTable
  private let features: [Feature]
  private let blocks: [Block]
  /// By row, where there is a column of it.
  private let logQ: [Double]?

  /// - Parameters:
  ///   - blocks: in the order of the variants.
  ///   - exactFits: whether pairs were fitted anew.
  ///   - testCount: tests that q is over; nil for no q.
  package init(
    _ scan: ResultTable.Scan, _ features: [Feature], _ blocks: [Block], exactFits: Bool, testCount: Int?
  ) {
    table = ResultTable(scan, .swiftqtl, features, exactFits: exactFits)
    self.features = features
    self.blocks = blocks
    rowCount = blocks.reduce(0) { $0 + $1.rows.count }
    names = table.header.split(separator: " ").map(String.init) + (testCount == nil ? [] : ["q"])
    logQ = testCount.map { count in
      BenjaminiHochberg.logQ(blocks.flatMap { $0.rows.map(\.logP) }, testCount: count)
    }
  }

  package func column(_ index: Int) -> ResultColumn {
    switch names[index] {
    case "variant_id": variants(repeats: false, \.id)
    case "chromosome": variants(\.chromosome)
    case "position": integers { $1.variant.position }
    case "ref": variants(\.ref)
    case "alt": variants(\.alt)
    case "phenotype_id":
      .text(rowCount, dictionary: features.map(\.id)) { out in forEachRow { out[$0] = $1.feature } }
    case "start_distance": integers { $1.variant.position - features[Int($0.feature)].tss }
    case "beta": numbers { row, _ in row.beta }
    case "se": numbers { row, _ in row.standardError }
    case "t": numbers { row, _ in row.t }
    case "df": integers { row, _ in Int(row.degreesOfFreedom) }
    case "neg_log10_p": numbers { row, _ in LogP.negLog10(row.logP) }
    case "p": numbers { row, _ in exp(min(row.logP, 0)) }
    case "r2": numbers { row, _ in row.r2 }
    case "af": numbers { $1.summary.alleleFrequency }
    case "ma_samples": integers { $1.summary.minorAlleleSamples }
    case "ma_count": numbers { $1.summary.minorAlleleCount }
    case "n": integers { row, _ in Int(row.n) }
    case "h2": .numbers(fits.map { $0?.heritability ?? .nan })
    case "pval_lrt": .probabilities(fits.map { $0?.logRatioP ?? .nan })
    case "q": .probabilities(logQ ?? [])
    default: preconditionFailure("a column without values: \(names[index])")
    }
  }

  package func write(to writer: TableWriter) throws(StudyError) {
    try writer.append(bytes: names.headerLine)
    var buffer = RowBuffer(capacity: 1 << 17)
    var ordinal = 0
    for block in blocks {
      var current = Int32(-1)
      var text = ResultTable.VariantText()
      for (k, row) in block.rows.enumerated() {
        if row.variant != current {
          current = row.variant
          text = table.text(of: block.variants[Int(current)])
        }
        table.append(row.pairRow(block.fits.isEmpty ? nil : block.fits[k]), text, to: &buffer)
        if let logQ {
          buffer.appendTab()
          buffer.append(logP: logQ[ordinal])
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

  private var fits: [PairRow.ExactFit?] {
    blocks.flatMap { $0.fits.isEmpty ? [PairRow.ExactFit?](repeating: nil, count: $0.rows.count) : $0.fits }
  }

  private func forEachRow(_ body: (Int, Row, Block) -> Void) {
    var ordinal = 0
    for block in blocks {
      for row in block.rows {
        body(ordinal, row, block)
        ordinal += 1
      }
    }
  }

  private func forEachRow(_ body: (Int, Row) -> Void) { forEachRow { row, value, _ in body(row, value) } }

  private func numbers(_ value: (Row, TestedVariant) -> Double) -> ResultColumn {
    .numbers(rowCount) { out in forEachRow { out[$0] = value($1, $2.variants[Int($1.variant)]) } }
  }

  private func integers(_ value: (Row, TestedVariant) -> Int) -> ResultColumn {
    .integers(rowCount) { out in forEachRow { out[$0] = Int64(value($1, $2.variants[Int($1.variant)])) } }
  }

  /// What variants say of themselves: looked up once for each.
  private func variants(repeats: Bool = true, _ string: (Variant) -> String) -> ResultColumn {
    var index = StringIndex()
    var strings: [String] = []
    var codes: [Int32] = []
    for tested in blocks.lazy.flatMap(\.variants) {
      if repeats {
        codes.append(index.code(string(tested.variant)))
      } else {
        codes.append(Int32(strings.count))
        strings.append(string(tested.variant))
      }
    }
    return .text(rowCount, dictionary: repeats ? index.strings : strings) { out in
      var (ordinal, first) = (0, 0)
      for block in blocks {
        for row in block.rows {
          out[ordinal] = codes[first + Int(row.variant)]
          ordinal += 1
        }
        first += block.variants.count
      }
    }
  }
}
