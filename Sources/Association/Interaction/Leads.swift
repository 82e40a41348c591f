internal import MultipleTesting
internal import Synchronization

/// The most significant interaction of each trait with each term, so far.
struct Leads: Sendable {
  private struct Entry: Sendable {
    var variant: TestedVariant
    var row: InteractionRow
    /// p falls with it: ν is the same for all tests of a trait.
    var score: Double
  }
  private let terms: Int
  /// By trait, then term.
  private var entries: [Entry?]
  /// Tests of each trait.
  private(set) var counts: [Int]

  init(traits: Int, terms: Int) {
    self.terms = terms
    entries = Array(repeating: nil, count: traits * terms)
    counts = Array(repeating: 0, count: traits)
  }

  /// Takes the evaluator's fit if it beats what is there.
  mutating func consider(_ evaluator: InteractionEvaluator, trait: Int, _ variant: TestedVariant) {
    counts[trait] += 1
    for term in 0..<terms {
      let score = evaluator.score(InteractionRow.product(term), trait: trait)
      replace(trait * terms + term, if: score, variant.ordinal) {
        Entry(variant: variant, row: evaluator.row(trait: trait, variant: 0), score: score)
      }
    }
  }

  /// Ties go to the variant that comes first.
  private mutating func replace(_ index: Int, if score: Double, _ ordinal: Int, by entry: () -> Entry) {
    if let old = entries[index], (old.score, -old.variant.ordinal) >= (score, -ordinal) { return }
    entries[index] = entry()
  }

  mutating func merge(_ other: Leads) {
    for trait in counts.indices { counts[trait] += other.counts[trait] }
    for (index, entry) in other.entries.enumerated() {
      if let entry { replace(index, if: entry.score, entry.variant.ordinal) { entry } }
    }
  }

  /// Corrected within genes by `effectiveTests` (by trait), then over genes, each term by itself.
  func corrected(_ effectiveTests: [Int]) -> [InteractionLead] {
    var leads: [InteractionLead] = []
    for (index, entry) in entries.enumerated() {
      guard let entry else { continue }
      let (trait, term) = index.quotientAndRemainder(dividingBy: terms)
      let logP = entry.row.coefficients[InteractionRow.product(term)].logP
      let corrected = Bonferroni.logP(logP, testCount: effectiveTests[trait])
      leads.append(
        InteractionLead(
          variant: entry.variant, row: entry.row, term: term, variantCount: counts[trait],
          effectiveTests: effectiveTests[trait], correctedLogP: corrected, logQ: corrected))
    }
    for term in 0..<terms {
      let own = leads.indices.filter { leads[$0].term == term }
      let q = BenjaminiHochberg.logQ(own.map { leads[$0].correctedLogP }, testCount: own.count)
      for (index, logQ) in zip(own, q) { leads[index].logQ = logQ }
    }
    return leads
  }
}

/// Where workers leave their leads.
final class LeadCollector: Sendable {
  private let state: Mutex<Leads>

  init(traits: Int, terms: Int) { state = Mutex(Leads(traits: traits, terms: terms)) }

  func merge(_ leads: Leads) { state.withLock { $0.merge(leads) } }

  var leads: Leads { state.withLock { $0 } }
}
