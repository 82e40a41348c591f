import SwiftQTL

/// A block of a trans scan as it stands in a journal, made on the workers.
///
/// The head holds what all blocks must be known for before the first row is written; the body the rows.
struct TransRecord: JournalEntry {
  var head: [UInt8]
  var body: [UInt8]
  var tests: Int
  var rowCount: Int
  var fractionDone: Double

  /// How rows stand in a body.
  enum Rows: UInt8 {
    /// Lengths and texts, to be completed by q.
    case withoutQ
    case text
    /// BGZF blocks, where there is enough text to fill them.
    case blocks
  }

  /// Text of at least so many bytes fills blocks, which workers compress.
  static let leastCompressed = 1 << 16

  /// Nil for less text than that, and without a level.
  static func compressed(_ text: borrowing RowBuffer, _ level: Int?) -> BGZFBlocks? {
    guard let level, text.count >= leastCompressed else { return nil }
    return BGZFBlocks(text, level: level)
  }

  /// - Parameter needsQ: whether a column with q is to follow.
  init(_ batch: PairBatch, _ table: ResultTable, level: Int?, needsQ: Bool) {
    tests = batch.counts.tests
    rowCount = batch.rows.count
    fractionDone = batch.fractionRead
    var head = ByteEncoder()
    head.put(batch.counts)
    head.put(batch.histogram)
    head.put(batch.sampled.map { Int64($0.ordinal) })
    head.put(batch.sampled.map { Int64($0.logP.count) })
    head.put(batch.sampled.flatMap(\.logP))
    head.put(needsQ ? batch.rows.map(\.logP) : [])
    batch.drops.encode(to: &head)
    self.head = head.bytes

    var text = RowBuffer(capacity: 1 << 12)
    var ends: [Int64] = []
    var current = -1
    var variant = ResultTable.VariantText()
    for row in batch.rows {
      if row.variant != current {
        current = row.variant
        variant = table.text(of: batch.variants[current])
      }
      table.append(row, variant, to: &text)
      if needsQ { ends.append(Int64(text.count)) } else { text.appendNewline() }
    }
    var body = ByteEncoder(capacity: text.count + 64)
    let blocks = needsQ ? nil : Self.compressed(text, level)
    body.put((needsQ ? Rows.withoutQ : blocks == nil ? .text : .blocks).rawValue)
    body.put(ends)
    if let blocks { body.put(blocks.bytes) } else { text.withUnsafeBytes { body.put(bytes: $0) } }

    text.removeAll()
    for row in batch.bestRows {
      table.append(row, table.text(of: batch.bestVariants[row.variant]), to: &text)
      text.appendNewline()
    }
    text.withUnsafeBytes { body.put(bytes: $0) }

    body.put(Int64(batch.traitLeads.count))
    for lead in batch.traitLeads {
      text.removeAll()
      table.append(lead.row, table.text(of: lead.variant), to: &text)
      body.put(TraitLead.Key(lead))
      text.withUnsafeBytes { body.put(bytes: $0) }
    }
    self.body = body.bytes
  }

  /// What is read first.
  struct Head {
    var counts: ScanCounts
    var histogram: [Int]
    var sampled: [SampledVariant]
    /// ln p of each row, where q is to follow.
    var logP: [Double]
    var drops: [Drop]

    init(_ bytes: [UInt8]) throws {
      var counts = ScanCounts()
      var (histogram, logP): ([Int], [Double]) = ([], [])
      var sampled: [SampledVariant] = []
      var drops: [Drop] = []
      try bytes.withUnsafeBytes { bytes in
        var decoder = ByteDecoder(bytes)
        counts = try decoder.value()
        histogram = try decoder.values()
        let (ordinals, sizes) = (try decoder.values(Int64.self), try decoder.values(Int64.self))
        let values = try decoder.values(Double.self)
        var first = 0
        for (ordinal, size) in zip(ordinals, sizes) {
          guard size >= 0, size <= values.count - first else { throw ByteDecoder.Failure() }
          sampled.append(
            SampledVariant(ordinal: Int(ordinal), logP: Array(values[first..<first + Int(size)])))
          first += Int(size)
        }
        logP = try decoder.values()
        drops = try [Drop](&decoder)
        guard decoder.isAtEnd else { throw ByteDecoder.Failure() }
      }
      (self.counts, self.histogram, self.sampled, self.logP, self.drops) =
        (counts, histogram, sampled, logP, drops)
    }
  }
}

/// What a record says in the tables, made on the workers.
struct TransRows: Sendable {
  private enum Hits {
    case text([UInt8])
    case blocks(BGZFBlocks)
  }

  private let hits: Hits
  let bests: [UInt8]
  let leads: [TraitLead]

  /// - Parameters:
  ///   - head, body: of the record.
  ///   - logQ: of a ln p.
  /// - Throws: `ByteDecoder.Failure` when they do not fit each other.
  init(head: [UInt8], body: [UInt8], level: Int?, logQ: (Double) throws -> Double) throws {
    let logP = try TransRecord.Head(head).logP
    (hits, bests, leads) = try body.withUnsafeBytes { bytes in
      var decoder = ByteDecoder(bytes)
      let rows = TransRecord.Rows(rawValue: try decoder.value())
      let ends = try decoder.values(Int64.self)
      let text = try decoder.slice()
      let hits: Hits
      switch rows {
      case .withoutQ:
        let complete = try Self.completed(text, ends, logP, logQ)
        hits =
          TransRecord.compressed(complete, level).map(Hits.blocks)
          ?? .text(complete.withUnsafeBytes { Array($0) })
      case .text: hits = .text(Array(text))
      case .blocks: hits = .blocks(BGZFBlocks(compressed: Array(text)))
      case nil: throw ByteDecoder.Failure()
      }
      let bests = Array(try decoder.slice())
      var leads: [TraitLead] = []
      for _ in 0..<(try decoder.value(Int64.self)) {
        leads.append(TraitLead(key: try decoder.value(), text: Array(try decoder.slice())))
      }
      guard decoder.isAtEnd else { throw ByteDecoder.Failure() }
      return (hits, bests, leads)
    }
  }

  private static func completed(
    _ text: UnsafeRawBufferPointer, _ ends: [Int64], _ logP: [Double], _ logQ: (Double) throws -> Double
  ) throws -> RowBuffer {
    guard ends.count == logP.count else { throw ByteDecoder.Failure() }
    var buffer = RowBuffer(capacity: text.count + 32 * ends.count)
    var start = 0
    for (k, end) in ends.enumerated() {
      guard end >= start, end <= text.count else { throw ByteDecoder.Failure() }
      buffer.append(bytes: UnsafeRawBufferPointer(rebasing: text[start..<Int(end)]))
      buffer.appendTab()
      buffer.append(logP: try logQ(logP[k]))
      buffer.appendNewline()
      start = Int(end)
    }
    return buffer
  }

  func write(to table: TableWriter) throws(StudyError) {
    switch hits {
    case .text(let text): try table.append(bytes: text)
    case .blocks(let blocks): try table.append(blocks)
    }
  }
}

/// The most significant pair of a phenotype so far, as text.
struct TraitLead: Sendable {
  /// What decides between two, as ``BestPair`` does.
  struct Key: BitwiseCopyable {
    var feature: Int64
    var ordinal: Int64
    var logP: Double
    var absoluteT: Double

    init(_ lead: BestPair) {
      feature = Int64(lead.row.feature)
      ordinal = Int64(lead.variant.ordinal)
      logP = lead.row.logP
      absoluteT = abs(lead.row.t)
    }

    func isBetter(than other: Key) -> Bool {
      if logP != other.logP { return logP < other.logP }
      if absoluteT != other.absoluteT { return absoluteT > other.absoluteT }
      return ordinal < other.ordinal
    }
  }

  var key: Key
  var text: [UInt8]
}
