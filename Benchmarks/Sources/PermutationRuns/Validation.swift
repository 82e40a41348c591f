import BenchmarkSupport
import Glibc

/// Our p beside FastQTL's and beside our own with other seeds and with more permutations.
struct Validation {
  static let permutations = 1_000
  static let seeds = Array(1...20)
  static let more = (permutations: 10_000, seeds: [101, 102, 103, 104, 105])
  static let most = (permutations: 100_000, seed: 1_001)

  let ours: PermutationTool
  /// Tables with ``permutations`` each; the first is compared in detail.
  let peers: [(name: String, table: GeneTable)]

  /// Prints Markdown; whether every lead is the peers' first table's.
  func report() -> Bool {
    let own = Self.seeds.map { ours.map(permutations: Self.permutations, seed: $0).table }
    let agree = leads(own[0])
    spread(own)
    reproducibility()
    return agree
  }

  private func leads(_ own: GeneTable) -> Bool {
    header(
      "leads against", "genes", "same variant", "another of equal p", "other",
      "largest relative difference of nominal p")
    var agree = true
    for peer in peers {
      let leads = LeadAgreement(own, peer.table)
      row(
        peer.name, "\(leads.genes)", "\(leads.same)", "\(leads.tied)", "\(leads.other)",
        scientific(leads.largestDifference))
      if leads.genes < own.count || leads.other > 0 || leads.largestDifference > nominalTolerance {
        agree = false
      }
    }
    return agree
  }

  private func spread(_ own: [GeneTable]) {
    let genes = own[0].keys.filter { gene in peers.allSatisfy { $0.table[gene] != nil } }.sorted()
    let spread = Spread(own, genes: genes)
    header("-log₁₀ p_beta, \(Self.permutations) permutations", "genes", "Pearson correlation")
    for peer in peers {
      let theirs = logBeta(peer.table, genes)
      let (r, count) = pearson(spread.runs[0], theirs)
      row("ours, seed \(Self.seeds[0]), and \(peer.name)", "\(count)", fixed(r, 6))
      row(
        "ours, mean of \(own.count) seeds, and \(peer.name)", "\(count)",
        fixed(pearson(spread.means, theirs).r, 6))
    }
    for i in peers.indices {
      for j in peers.indices where j > i {
        let (r, count) = pearson(logBeta(peers[i].table, genes), logBeta(peers[j].table, genes))
        row("\(peers[i].name) and \(peers[j].name)", "\(count)", fixed(r, 6))
      }
    }
    let pairwise = spread.pairwise
    row("every two of ours: median (range)", "\(genes.count)", self.range(pairwise, 6))

    header(
      "distance from the mean of our \(own.count) runs, in SD", "values", "within 3", "2.5 %", "50 %",
      "97.5 %")
    func distances(_ name: String, _ z: [Double]) {
      let within = Double(z.count { abs($0) <= 3 }) / Double(z.count)
      row(
        [name, "\(z.count)", fixed(100 * within, 2) + " %"]
          + quantiles(z, [0.025, 0.5, 0.975]).map { fixed($0, 3) })
    }
    for peer in peers { distances(peer.name, spread.z(logBeta(peer.table, genes))) }
    distances("each of ours, from the other \(own.count - 1)", spread.ownZ)
  }

  /// Ours with 10,000 permutations beside ours with 100,000.
  private func reproducibility() {
    let reference = ours.map(permutations: Self.most.permutations, seed: Self.most.seed).table
    let tables = Self.more.seeds.map { ours.map(permutations: Self.more.permutations, seed: $0).table }
    let shares = [0.025, 0.25, 0.5, 0.75, 0.975]
    let genes = reference.keys.sorted()
    // An empirical p is a yardstick where enough permutations were as good: 1/√100 is its relative standard error.
    let common = genes.filter { reference[$0]!.empirical * Double(Self.most.permutations) >= 100 }
    header(
      "\(Self.more.permutations) permutations, \(tables.count) seeds, and \(Self.most.permutations)",
      "values", "2.5 %",
      "25 %", "50 %", "75 %", "97.5 %", "Pearson correlation of -log₁₀")
    func line(
      _ name: String, _ genes: [String], _ reference: [Double],
      _ value: (_ run: Double, _ reference: Double) -> Double
    ) {
      let runs = tables.map { table in genes.map { table[$0]?.beta ?? .nan } }
      let values = runs.flatMap { zip($0, reference).map(value) }.filter(\.isFinite)
      let logs = reference.map { -log10($0) }
      row(
        [name, "\(values.count)"] + quantiles(values, shares).map { fixed($0, 4) }
          + [range(runs.map { pearson($0.map { -log10($0) }, logs).r }, 6)])
    }
    let beta = genes.map { reference[$0]!.beta }
    let empirical = common.map { reference[$0]!.empirical }
    line("log₁₀ (p_beta ÷ p_beta of \(Self.most.permutations))", genes, beta) { log10($0 / $1) }
    line(
      "the same, p_beta of \(Self.most.permutations) ≥ 1e-6", genes.filter { reference[$0]!.beta >= 1e-6 },
      beta.filter { $0 >= 1e-6 }
    ) { log10($0 / $1) }
    line("log₁₀ (p_beta ÷ empirical p of \(Self.most.permutations))", common, empirical) { log10($0 / $1) }
    let n = 1 / Double(Self.more.permutations) + 1 / Double(Self.most.permutations)
    line("(p_beta - empirical p) ÷ binomial SE of both", common, empirical) {
      ($0 - $1) / ($1 * (1 - $1) * n).squareRoot()
    }
  }

  private func range(_ values: [Double], _ digits: Int) -> String { BenchmarkSupport.spread(values, digits) }
}
