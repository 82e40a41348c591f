package import Association
import Distributions
package import StudyData
package import StudyIO

/// Columns of a result table.
package enum TableFormat: String, Sendable, CaseIterable {
  case swiftqtl
  case tensorqtl
  case fastqtl
  case qtltools
}

/// Writes rows of pairs in one of the formats. Rows are ordered by (variant, phenotype) in all of them.
///
/// Differences that remain from the tools named: QTLtools' and FastQTL's own rows are ordered by phenotype; FastQTL prints no header.
package struct ResultTable: Sendable {
  package enum Scan: Sendable {
    case trans
    case cis
  }

  package let scan: Scan
  package let format: TableFormat
  private let features: [Feature]
  /// What a row says of its phenotype before the numbers, and the phenotype's start.
  private let heads: [(text: [UInt8], tss: Int)]
  /// Further columns of our own format: effect sizes, and the ln p that each phenotype needs.
  private let effects: EffectColumns?
  private let logLimits: [Double]?
  /// Whether rows say what h² of the pair's own they are of.
  private let exactFits: Bool

  /// - Precondition: FastQTL's format is for cis scans only, effect sizes and exact fits are for our own.
  package init(
    _ scan: Scan, _ format: TableFormat, _ features: [Feature], effects: EffectColumns? = nil,
    logLimits: [Double]? = nil, exactFits: Bool = false
  ) {
    precondition(scan == .cis || format != .fastqtl)
    precondition((effects == nil && !exactFits) || format == .swiftqtl)
    self.exactFits = exactFits
    self.effects = effects
    self.logLimits = format == .swiftqtl ? logLimits : nil
    self.scan = scan
    self.format = format
    self.features = features
    heads = features.map { feature in
      var head = RowBuffer(capacity: 64)
      head.append(cells: feature.id)
      if scan == .trans, format == .qtltools {
        head.append(cells: feature.chromosome)
        head.append(number: feature.start)
      }
      return (head.withUnsafeBytes { Array($0) }, feature.tss)
    }
  }

  package var header: String {
    switch (format, scan) {
    case (.swiftqtl, let scan):
      "variant_id chromosome position ref alt phenotype_id \(scan == .cis ? "start_distance " : "")"
        + "beta se t df neg_log10_p p r2 af ma_samples ma_count n \(effects?.header ?? "")"
        + (exactFits ? " h2 pval_lrt" : "")
        + (logLimits == nil ? "" : " pval_nominal_threshold")
    case (.tensorqtl, .cis):
      "phenotype_id variant_id start_distance af ma_samples ma_count pval_nominal slope slope_se"
    case (.tensorqtl, .trans): "variant_id phenotype_id pval b b_se r2 af"
    case (.fastqtl, _): "gene_id variant_id tss_distance ma_samples ma_count maf pval_nominal slope slope_se"
    case (.qtltools, .cis):
      "phe_id phe_chr phe_from phe_to phe_strd n_var_in_cis dist_phe_var var_id var_chr var_from var_to "
        + "nom_pval r_squared slope slope_se best_hit"
    case (.qtltools, .trans): "PID PCHR PSTART VID VCHR VPOS NPVAL APVAL CORR SLOPE STD"
    }
  }

  /// - Parameter columns: further ones, separated by blanks.
  package func headerLine(adding columns: String = "") -> [UInt8] {
    Array((header.split(separator: " ") + columns.split(separator: " ")).joined(separator: "\t").utf8)
      + [0x0A]
  }

  /// What a row says of its variant, made once per variant.
  package struct VariantText: Sendable {
    package fileprivate(set) var head = RowBuffer(capacity: 128)
    package fileprivate(set) var tail = RowBuffer(capacity: 64)
    package fileprivate(set) var position = 0
    /// Where effect sizes are wanted.
    fileprivate var scale: VariantScale?

    package init() {}
  }

  package func text(of tested: TestedVariant) -> VariantText {
    var text = VariantText()
    let (variant, s) = (tested.variant, tested.summary)
    text.position = variant.position
    switch format {
    case .swiftqtl:
      text.head.append(cells: variant.id, variant.chromosome)
      text.head.append(variant.position)
      text.head.appendTab()
      text.head.append(cells: variant.ref, variant.alt)
      text.tail.append(number: s.alleleFrequency)
      text.tail.append(number: s.minorAlleleSamples)
      text.tail.append(number: s.minorAlleleCount)
      if effects != nil { text.scale = VariantScale(s) }
    case .tensorqtl where scan == .cis:
      text.head.append(cells: variant.id)
      text.tail.append(number: s.alleleFrequency)
      text.tail.append(number: s.minorAlleleSamples)
      text.tail.append(number: s.tensorQTLMinorAlleleCount)
    case .tensorqtl:
      text.head.append(cells: variant.id)
      text.tail.append(s.alleleFrequency)
    case .fastqtl:
      text.head.append(cells: variant.id)
      let minor = s.fastQTLMinorAllele
      text.tail.append(number: minor.samples)
      text.tail.append(number: minor.count)
      text.tail.append(number: minor.frequency, precision: 6)
    case .qtltools where scan == .cis:
      text.head.append(cells: variant.id, variant.chromosome)
      text.head.append(number: variant.position)
      text.head.append(number: variant.position + max(0, variant.ref.utf8.count - 1))
    case .qtltools:
      text.head.append(cells: variant.id, variant.chromosome)
      text.head.append(number: variant.position)
    }
    return text
  }

  /// Appends a row without its newline. QTLtools' cis table needs ``appendPhenotype(_:variantsInWindow:to:)`` before it.
  package func append(_ row: PairRow, _ variant: borrowing VariantText, to out: inout RowBuffer) {
    let (head, tss) = heads[row.feature]
    switch (format, scan) {
    case (.swiftqtl, _):
      out.append(variant.head)
      out.append(bytes: head)
      if scan == .cis { out.append(number: variant.position - tss) }
      out.append(number: row.beta)
      out.append(number: row.standardError)
      out.append(number: row.t)
      out.append(number: row.degreesOfFreedom)
      out.append(number: LogP.negLog10(row.logP))
      out.append(logP: row.logP)
      out.appendTab()
      out.append(number: row.r2)
      out.append(variant.tail)
      out.append(row.n)
      if let effects, let scale = variant.scale { effects.append(row, scale, to: &out) }
      if exactFits {
        out.appendTab()
        out.append(number: row.exactFit?.heritability ?? .nan)
        out.append(logP: row.exactFit?.logRatioP ?? .nan)
      }
      if let logLimits {
        out.appendTab()
        out.append(logP: logLimits[row.feature])
      }
    case (.tensorqtl, .cis):
      out.append(bytes: head)
      out.append(variant.head)
      out.append(number: variant.position - tss)
      out.append(variant.tail)
      out.append(logP: row.logP)
      out.appendTab()
      out.append(number: row.beta)
      out.append(row.standardError)
    case (.tensorqtl, .trans):
      out.append(variant.head)
      out.append(bytes: head)
      out.append(logP: row.logP)
      out.appendTab()
      out.append(number: row.beta)
      out.append(number: row.standardError)
      out.append(number: row.r2)
      out.append(variant.tail)
    case (.fastqtl, _):
      out.append(bytes: head)
      out.append(variant.head)
      out.append(number: variant.position - tss)
      out.append(variant.tail)
      out.append(logP: row.logP, precision: 6)
      out.appendTab()
      out.append(number: row.beta, precision: 6)
      out.append(row.standardError, precision: 6)
    case (.qtltools, .cis):
      // QTLtools measures along the strand.
      let feature = features[row.feature]
      let distance =
        feature.strand == "-" ? feature.end - variant.position : variant.position - feature.start
      out.append(number: distance)
      out.append(variant.head)
      out.append(logP: row.logP)
      out.appendTab()
      out.append(number: row.r2)
      out.append(number: row.beta)
      out.append(row.standardError)
    case (.qtltools, .trans):
      out.append(bytes: head)
      out.append(variant.head)
      out.append(logP: row.logP)
      out.append("\tNA\t")
      out.append(number: row.beta < 0 ? -row.r2.squareRoot() : row.r2.squareRoot())
      out.append(number: row.beta)
      out.append(row.standardError)
    }
  }

  /// The cells of QTLtools' cis table that precede `append`'s: they need the window's size.
  package func appendPhenotype(_ index: Int, variantsInWindow: Int, to out: inout RowBuffer) {
    let feature = features[index]
    out.append(cells: feature.id, feature.chromosome)
    out.append(number: feature.start)
    out.append(number: feature.end)
    out.append(cells: feature.strand.map(String.init) ?? "+")
    out.append(number: variantsInWindow)
  }
}

extension VariantSummary {
  /// tensorQTL truncates the carriers' dosage sum.
  var tensorQTLMinorAlleleCount: Int {
    let carried = Int(carrierSum)
    return altIsMinor ? carried : 2 * observed - carried
  }

  /// FastQTL counts alleles of rounded dosages, and divides in single precision, which shows in the last of its six digits.
  var fastQTLMinorAllele: (samples: Int, count: Int, frequency: Double, isAlt: Bool) {
    let (n0, n1, n2) = rounded
    let (ref, alt) = (2 * n0 + n1, n1 + 2 * n2)
    return (
      ref >= alt ? n1 + n2 : n0 + n1, min(ref, alt), Double(Float(min(ref, alt)) / Float(ref + alt)),
      ref >= alt
    )
  }
}

extension RowBuffer {
  package mutating func append(cells: String...) {
    for cell in cells {
      append(cell)
      appendTab()
    }
  }

  package mutating func append(number: Int) {
    append(number)
    appendTab()
  }

  package mutating func append(number: Double, precision: Int = 9) {
    append(number, precision: precision)
    appendTab()
  }

  package mutating func append(_ other: borrowing RowBuffer) {
    other.withUnsafeBytes { append(bytes: $0) }
  }

  /// p from ln p, however small: never 0.
  package mutating func append(logP: Double, precision: Int = 9) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: LogP.maximumWidth) { text in
      guard let base = text.baseAddress else { return }
      let count = LogP.format(logP, precision: precision, into: base)
      append(bytes: UnsafeRawBufferPointer(start: base, count: count))
    }
  }
}
