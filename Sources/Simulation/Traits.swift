import Distributions
import LinearAlgebra
import StudyData

/// A causal variant of a trait, as planted.
public struct PlantedEffect: Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// Within 100 kb of the transcription start site.
    case cis
    /// On the gene's chromosome, farther than `distalDistance` from its start, at a log-uniform distance.
    case distal
    /// On another chromosome.
    case trans
  }

  public var phenotypeID: String
  public var variantID: String
  public var kind: Kind
  /// Change of the trait for each copy of ALT.
  public var beta: Double
  /// beta² · variance of the dosages in the sample, as a share of the trait's expected variance, which is 1.
  public var varianceExplained: Double
}

/// Traits of expected variance 1 that are built up while the genotypes go by.
///
/// Model: y = Σ gβ over causal variants + covariates·a + hidden factors·b + ε, with β such that each variant explains
/// its share of variance exactly in the sample; a and b are normal, scaled to their shares; ε is normal with the rest.
///
/// - Shapes: samples × genes values in memory; causal variants are chosen beforehand.
/// - Missing: genotypes act on traits before any is masked as missing.
struct TraitBuilder {
  static let cisRadius = 100_000

  private let options: SimulationOptions
  private let pedigree: Pedigree
  /// In order of position.
  let genes: [Genome.Gene]
  private var values: Matrix
  private var plans: [Int: [Plan]] = [:]
  private var planted: [[PlantedEffect]]

  /// A causal variant before its dosages are known.
  private struct Plan {
    var column: Int
    var kind: PlantedEffect.Kind
    /// Of its beta.
    var sign: Double
    var variance: Double
  }

  init(_ options: SimulationOptions, _ genome: Genome) {
    self.options = options
    pedigree = Pedigree(options)
    let drawn = (0..<options.genes).map { number in
      var random = Purpose.gene.random(options.seed, number)
      let gene = genome.gene(number, &random)
      return (gene: gene, effects: Self.effects(on: gene, options, genome, &random))
    }
    let sorted = drawn.sorted {
      ($0.gene.chromosome, $0.gene.tss, $0.gene.number)
        < ($1.gene.chromosome, $1.gene.tss, $1.gene.number)
    }
    genes = sorted.map(\.gene)
    values = Matrix(rows: options.samples, columns: options.genes)
    planted = Array(repeating: [], count: options.genes)
    for (column, item) in sorted.enumerated() {
      for (ordinal, kind, sign) in item.effects {
        let variance =
          switch kind {
          case .cis: options.cis.variance
          case .distal: options.distal.variance
          case .trans: options.trans.variance
          }
        guard variance > 0 else { continue }
        plans[ordinal, default: []].append(
          Plan(column: column, kind: kind, sign: sign, variance: variance))
      }
    }
  }

  /// The causal variants of a gene. Every draw is made whether it is used or not, so that shares of genes can be
  /// changed without moving the other effects.
  private static func effects(
    on gene: Genome.Gene, _ options: SimulationOptions, _ genome: Genome, _ random: inout CounterRNG
  ) -> [(ordinal: Int, kind: PlantedEffect.Kind, sign: Double)] {
    var effects: [(Int, PlantedEffect.Kind, Double)] = []
    func draw(_ count: Int) -> (chance: Double, choice: Int, sign: Double) {
      (
        random.nextUniform(), uniform(max(1, count), &random),
        random.nextUniform() < 0.5 ? -1.0 : 1
      )
    }
    let near = genome.ordinals(near: gene.tss, radius: cisRadius, on: gene.chromosome)
    let cis = draw(near.count)
    if cis.chance < options.cis.geneShare, !near.isEmpty {
      effects.append((near.lowerBound + cis.choice, .cis, cis.sign))
    }
    let own = genome.chromosomes[gene.chromosome].ordinals
    let elsewhere = genome.variantCount - own.count
    let trans = draw(elsewhere)
    if trans.chance < options.trans.geneShare, elsewhere > 0 {
      let ordinal = trans.choice < own.lowerBound ? trans.choice : trans.choice + own.count
      effects.append((ordinal, .trans, trans.sign))
    }
    // A stream of its own: what follows in the gene's stays what it is.
    var distalRandom = Purpose.distalEffect.random(options.seed, gene.number)
    let (chance, sign) = (distalRandom.nextUniform(), distalRandom.nextUniform() < 0.5 ? -1.0 : 1)
    if chance < options.distal.geneShare,
      let ordinal = genome.ordinal(beyond: options.distalDistance, of: gene, &distalRandom)
    {
      effects.append((ordinal, .distal, sign))
    }
    return effects
  }

  /// Adds the effects of a variant, if it has any.
  mutating func observe(_ ordinal: Int, _ variant: Variant, _ dosages: [UInt8]) {
    guard let plans = plans[ordinal] else { return }
    let n = Double(dosages.count)
    let mean = dosages.reduce(0) { $0 + Double($1) } / n
    let variance = dosages.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / n
    for plan in plans {
      // No variant is monomorphic, so that the variance is positive.
      let beta = plan.sign * (plan.variance / variance).squareRoot()
      let base = plan.column * values.rows
      for i in 0..<dosages.count { values.storage[base + i] += beta * (Double(dosages[i]) - mean) }
      planted[plan.column].append(
        PlantedEffect(
          phenotypeID: genes[plan.column].id, variantID: variant.id, kind: plan.kind, beta: beta,
          varianceExplained: plan.variance))
    }
  }

  /// Adds all that is not genetic. To be called once, after the last variant.
  mutating func finish() -> (phenotypes: Matrix, covariates: Matrix, truth: [PlantedEffect]) {
    let n = options.samples
    let covariates = Self.covariates(options, pedigree)
    var hidden = Matrix(rows: n, columns: options.hiddenFactors)
    for factor in 0..<hidden.columns {
      var random = Purpose.hiddenFactor.random(options.seed, factor)
      for i in 0..<n { hidden[i, factor] = random.nextNormal() }
    }
    for (column, gene) in genes.enumerated() {
      var random = Purpose.trait.random(options.seed, gene.number)
      var noise = 1 - planted[column].reduce(0) { $0 + $1.varianceExplained }
      for (factors, share) in [
        (covariates, options.covariateVariance), (hidden, options.hiddenVariance),
      ] where factors.columns > 0 {
        add(factors, share: share, to: column, &random)
        noise -= share
      }
      let scale = noise.squareRoot()
      for i in 0..<n { values[i, column] += scale * random.nextNormal() }
      mask(column, gene)
    }
    let truth = planted.flatMap { $0.sorted { $0.kind.rawValue < $1.kind.rawValue } }
    return (values, covariates, truth)
  }

  private mutating func add(
    _ factors: Matrix, share: Double, to column: Int, _ random: inout CounterRNG
  ) {
    let weights = (0..<factors.columns).map { _ in random.nextNormal() }
    let scale = (share / weights.reduce(0) { $0 + $1 * $1 }).squareRoot()
    for (factor, weight) in weights.enumerated() {
      for i in 0..<values.rows { values[i, column] += scale * weight * factors[i, factor] }
    }
  }

  private mutating func mask(_ column: Int, _ gene: Genome.Gene) {
    guard options.missingPhenotypes > 0 else { return }
    var random = Purpose.missingPhenotypes.random(options.seed, gene.number)
    for i in 0..<values.rows where random.nextUniform() < options.missingPhenotypes {
      values[i, column] = .nan
    }
  }

  /// Covariates of expected variance 1: first, for each population but one, its membership blurred by a little noise,
  /// as a principal component of the genotypes would show it; then independent normal ones.
  private static func covariates(_ options: SimulationOptions, _ pedigree: Pedigree) -> Matrix {
    let share = 1 / Double(options.populations)
    let spread = (share * (1 - share)).squareRoot()
    var covariates = Matrix(rows: options.samples, columns: options.covariates)
    for column in 0..<covariates.columns {
      var random = Purpose.covariate.random(options.seed, column)
      for i in 0..<options.samples {
        let normal = random.nextNormal()
        if column < options.populations - 1 {
          let member = pedigree.population(of: i) == column ? 1.0 : 0
          covariates[i, column] = 0.995 * (member - share) / spread + 0.1 * normal
        } else {
          covariates[i, column] = normal
        }
      }
    }
    return covariates
  }
}
