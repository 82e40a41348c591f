import Distributions
import Glibc

/// The genealogy of the ancestral haplotypes at one place, which changes by recombination along a chromosome.
///
/// Model: Kingman's coalescent with 64 haplotypes for each population, time in units of 2·Ne generations. Populations
/// are of size Ne and split from one ancestral population of the same size at one time, so that the mean time to the
/// common ancestor is 1 within and 1 + split between them and F_ST follows. Along the chromosome the tree is a Markov
/// process: at a recombination the lineage above a uniform point of the tree leaves it and coalesces anew with the
/// lineages then present, its own old one included (SMC').
///
/// A mutation on a uniform point of the tree is carried by the haplotypes below it: derived alleles found i times are
/// in number ∝ 1/i, and neighbouring variants are in the linkage disequilibrium of a real population.
///
/// - Complexity: O(haplotypes) for each recombination or mutation.
/// - Source: McVean & Cardin 2005 (doi:10.1098/rstb.2005.1673), Marjoram & Wall 2006 (doi:10.1186/1471-2156-7-16);
///   F_ST from coalescence times: Slatkin 1991 (doi:10.1017/S0016672300029827).
struct Genealogy {
  /// Ancestral haplotypes of a population: one bit each in a word.
  static let haplotypes = UInt64.bitWidth
  /// Ne of a human population.
  static let effectiveSize = 10_000.0

  let populations: Int
  /// Per base and generation.
  private let recombinationRate: Double
  private let leaves: Int
  private let splitTime: Double
  private var random: CounterRNG

  // Nodes 0 ..< leaves are haplotypes (those of a population are contiguous), the others are ancestors.
  private var time: [Double]
  private var parent: [Int]
  private var child: [(Int, Int)]
  private var root = 0
  /// The population whose lineages meet at or below the node; common to all above the split.
  private var population: [Int]
  /// Ancestors by age, the youngest first.
  private var byAge: [Int] = []
  /// Of all branches.
  private(set) var totalLength = 0.0
  /// Until the next recombination, in recombinations expected of the present tree.
  private var distanceLeft = 0.0

  private static let noNode = -1
  private static let beforeSplit = -1

  /// - Parameter fst: F_ST that samples which copy these haplotypes will show. They have their common ancestor at
  ///   once with probability 1/64, which counts towards it.
  /// - Parameter recombinationRate: per base and generation; 1e-8 is 1 cM/Mb.
  init(populations: Int, fst: Double, recombinationRate: Double = 1e-8, random: CounterRNG) {
    self.populations = populations
    self.recombinationRate = recombinationRate
    self.random = random
    leaves = populations * Self.haplotypes
    let within = 1 - 1 / Double(Self.haplotypes)
    splitTime = populations == 1 ? 0 : max(0, within / (1 - fst) - 1)
    time = Array(repeating: 0, count: 2 * leaves - 1)
    parent = Array(repeating: Self.noNode, count: 2 * leaves - 1)
    child = Array(repeating: (Self.noNode, Self.noNode), count: 2 * leaves - 1)
    population =
      (0..<populations).flatMap { Array(repeating: $0, count: Self.haplotypes) }
      + Array(repeating: Self.beforeSplit, count: leaves - 1)
    restart()
  }

  // MARK: - Along the chromosome

  /// Replaces the tree by an independent one.
  mutating func restart() {
    byAge.removeAll(keepingCapacity: true)
    var next = leaves
    var survivors: [Int] = []
    for p in 0..<populations {
      let own = Array(p * Self.haplotypes..<(p + 1) * Self.haplotypes)
      let limit = populations == 1 ? Double.infinity : splitTime
      survivors += coalesce(own, from: 0, until: limit, population: p, next: &next)
    }
    if populations > 1 {
      survivors = coalesce(
        survivors, from: splitTime, until: .infinity, population: Self.beforeSplit, next: &next)
    }
    root = survivors[0]
    parent[root] = Self.noNode
    byAge = Array(leaves..<2 * leaves - 1).sorted { time[$0] < time[$1] }
    measure()
    distanceLeft = exponential()
  }

  /// Moves `bases` along the chromosome.
  mutating func advance(by bases: Double) {
    var rate = recombinationsPerBase
    var left = bases * rate
    while left >= distanceLeft {
      left -= distanceLeft
      recombine()
      // The rest of the way is measured in the new tree's expected recombinations.
      left *= recombinationsPerBase / rate
      rate = recombinationsPerBase
      distanceLeft = exponential()
    }
    distanceLeft -= left
  }

  private var recombinationsPerBase: Double {
    2 * Self.effectiveSize * recombinationRate * totalLength
  }

  /// One recombination at a uniform point of the tree.
  mutating func recombine() {
    let (node, start) = uniformPoint()
    let (target, age) = coalescence(
      from: start, population: start < splitTime ? population[node] : Self.beforeSplit)
    if target != node { regraft(node, onto: target, at: age) }
  }

  /// The derived alleles of a new mutation: a word for each population, a bit for each haplotype.
  mutating func mutate(into alleles: inout [UInt64]) {
    for p in 0..<populations { alleles[p] = 0 }
    mark(below: uniformPoint().node, in: &alleles)
  }

  private func mark(below node: Int, in alleles: inout [UInt64]) {
    if node < leaves {
      alleles[node / Self.haplotypes] |= 1 << UInt64(node % Self.haplotypes)
    } else {
      mark(below: child[node].0, in: &alleles)
      mark(below: child[node].1, in: &alleles)
    }
  }

  // MARK: - Pieces

  /// Joins pairs of `lineages` until one is left or `limit` is reached; returns those left.
  private mutating func coalesce(
    _ lineages: [Int], from start: Double, until limit: Double, population p: Int, next: inout Int
  ) -> [Int] {
    var lineages = lineages
    var now = start
    while lineages.count > 1 {
      let k = Double(lineages.count)
      now += exponential() / (k * (k - 1) / 2)
      if now >= limit { break }
      let first = lineages.remove(at: uniform(lineages.count, &random))
      let at = uniform(lineages.count, &random)
      join(first, lineages[at], in: next, at: now)
      population[next] = p
      lineages[at] = next
      next += 1
    }
    return lineages
  }

  private mutating func join(_ a: Int, _ b: Int, in node: Int, at age: Double) {
    time[node] = age
    child[node] = (a, b)
    parent[a] = node
    parent[b] = node
  }

  /// A uniform point of the tree: the node below it, and its age.
  private mutating func uniformPoint() -> (node: Int, age: Double) {
    var left = random.nextUniform() * totalLength
    var last = 0
    for node in 0..<parent.count where node != root {
      let length = time[parent[node]] - time[node]
      if left < length { return (node, time[node] + left) }
      left -= length
      last = node
    }
    // Rounding of the sum can leave a remainder past the last branch.
    return (last, time[parent[last]])
  }

  /// Where a lineage that is free from `start` on meets the tree: the node below the point, and its age.
  ///
  /// It meets each lineage of its own population, before the split any lineage, at rate 1.
  private mutating func coalescence(from start: Double, population p: Int) -> (Int, Double) {
    var left = exponential()
    var now = start
    var p = p
    var count = lineages(of: p, at: now)
    var next = byAge.count - agedOver(now)
    while true {
      let event = next < byAge.count ? time[byAge[next]] : .infinity
      let split = p == Self.beforeSplit ? .infinity : splitTime
      let end = min(event, split)
      if left < Double(count) * (end - now) { break }
      left -= Double(count) * (end - now)
      now = end
      if split <= event {
        p = Self.beforeSplit
        count = lineages(of: p, at: now)
      } else {
        if p == Self.beforeSplit || population[byAge[next]] == p { count -= 1 }
        next += 1
      }
    }
    now += left / Double(count)
    var skip = uniform(count, &random)
    for node in 0..<parent.count where isPresent(node, at: now, population: p) {
      if skip == 0 { return (node, now) }
      skip -= 1
    }
    // Rounding of `now` onto a node's age can leave one lineage fewer than counted; above the root there is one.
    return (root, max(now, time[root]))
  }

  private func isPresent(_ node: Int, at age: Double, population p: Int) -> Bool {
    time[node] <= age && (node == root || time[parent[node]] > age)
      && (p == Self.beforeSplit || population[node] == p)
  }

  private func lineages(of p: Int, at age: Double) -> Int {
    var count = 0
    for node in 0..<parent.count where isPresent(node, at: age, population: p) { count += 1 }
    return count
  }

  /// How many ancestors are older than `age`.
  private func agedOver(_ age: Double) -> Int {
    var count = 0
    while count < byAge.count, time[byAge[byAge.count - 1 - count]] > age { count += 1 }
    return count
  }

  /// Moves the branch above `node` so that it joins the branch above `target` at `age`.
  private mutating func regraft(_ node: Int, onto target: Int, at age: Double) {
    let joint = parent[node]
    let sibling = child[joint].0 == node ? child[joint].1 : child[joint].0
    replace(joint, by: sibling)
    byAge.remove(at: byAge.firstIndex(of: joint)!)
    // The joint is gone: what was above it is above the sibling now.
    let target = target == joint ? sibling : target
    replace(target, by: joint)
    join(node, target, in: joint, at: age)
    population[joint] = age < splitTime ? population[node] : Self.beforeSplit
    byAge.insert(joint, at: byAge.count - agedOver(age))
    measure()
  }

  /// Puts `new` in the place that `old` has under its parent.
  private mutating func replace(_ old: Int, by new: Int) {
    let above = parent[old]
    parent[new] = above
    if above == Self.noNode {
      root = new
    } else if child[above].0 == old {
      child[above].0 = new
    } else {
      child[above].1 = new
    }
  }

  /// Each ancestor of age t ends two branches and starts one, the root none: the total is Σt + t(root).
  private mutating func measure() {
    totalLength = time[root]
    for node in byAge { totalLength += time[node] }
  }

  private mutating func exponential() -> Double { -log(random.nextUniform()) }
}
