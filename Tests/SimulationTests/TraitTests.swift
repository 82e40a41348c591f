import Glibc
import LinearAlgebra
import StudyData
import Testing

@testable import Simulation

struct TraitTests {
  private static func options() -> SimulationOptions {
    var options = SimulationOptions(samples: 500, variants: 2_000, genes: 400, covariates: 3, seed: 21)
    options.cis = .init(geneShare: 0.6, variance: 0.15)
    options.trans = .init(geneShare: 0.3, variance: 0.1)
    return options
  }

  /// Planted effects come back from a simple regression: unbiased, with the standard error that the rest explains.
  @Test(arguments: [PlantedEffect.Kind.cis, .distal, .trans])
  func plantedEffectsAreFound(kind: PlantedEffect.Kind) throws {
    var options = Self.options()
    if kind == .distal {
      // Two chromosomes of 3 Mb: from every gene on, one end at least is 1.5 Mb away.
      options.chromosomes = 2
      options.distal = .init(geneShare: 0.4, variance: 0.12)
    }
    let simulator = try Simulator(options)
    let traits = try simulator.traits()
    let genotypes = try Genotypes(simulator.genotypes)
    let row = Dictionary(uniqueKeysWithValues: genotypes.variants.enumerated().map { ($1.id, $0) })
    let column = Dictionary(
      uniqueKeysWithValues: traits.phenotypes.features.enumerated().map { ($1.id, $0) })
    let effects = traits.truth.filter { $0.kind == kind }
    let share =
      switch kind {
      case .cis: options.cis
      case .distal: options.distal
      case .trans: options.trans
      }
    let expectedCount = share.geneShare * Double(options.genes)
    // Genes without a variant near them miss out.
    #expect(abs(Double(effects.count) - expectedCount) < 4 * expectedCount.squareRoot())

    var z = Moments()
    var r2 = Moments()
    for effect in effects {
      let codes = genotypes.codes[row[effect.variantID]!]
      let variant = genotypes.variants[row[effect.variantID]!]
      let feature = traits.phenotypes.features[column[effect.phenotypeID]!]
      switch kind {
      case .cis:
        #expect(variant.chromosome == feature.chromosome)
        #expect(abs(variant.position - feature.tss) <= 100_000)
      case .distal:
        #expect(variant.chromosome == feature.chromosome)
        #expect(abs(variant.position - feature.tss) > 1_000_000)
      case .trans: #expect(variant.chromosome != feature.chromosome)
      }
      let fit = Regression(codes, traits.phenotypes.values.column(column[effect.phenotypeID]!))
      z.add((fit.slope - effect.beta) / fit.standardError)
      r2.add(fit.r2)
      #expect(abs(effect.beta * effect.beta * fit.variance - effect.varianceExplained) < 1e-12)
    }
    #expect(abs(z.mean) < 3 / z.count.squareRoot())
    // Var z is 1 up to 3 standard errors √(2/count) of a variance.
    #expect(abs(z.variance - 1) < 3 * (2 / z.count).squareRoot())
    // E R² is the share plus the noise of one parameter, (1 - share)/(n - 1).
    let expected = share.variance + (1 - share.variance) / 499
    #expect(abs(r2.mean - expected) < 4 * r2.standardError)
  }

  /// Distances of distal effects are log-uniform up to the end that is farther away, which may be on one side only.
  @Test(arguments: [1_000, 30_000_000, 52_000_000]) func distalDistances(tss: Int) throws {
    var options = SimulationOptions(samples: 3, variants: 20_000, genes: 1, seed: 25)
    options.chromosomes = 1
    let genome = Genome(options)
    let positions = genome.chromosomes[0].positions
    let gene = Genome.Gene(id: "g", number: 0, chromosome: 0, tss: tss)
    let reach = (before: tss - positions[0], after: positions[19_999] - tss)
    let farthest = max(reach.before, reach.after)
    var random = Purpose.distalEffect.random(1)
    var (uniform, before) = (Moments(), Moments())
    for _ in 0..<4_000 {
      let ordinal = try #require(genome.ordinal(beyond: 1_000_000, of: gene, &random))
      let distance = positions[ordinal] - tss
      #expect(abs(distance) > 1_000_000)
      uniform.add(log(Double(abs(distance)) / 1e6) / log(Double(farthest) / 1e6))
      // Where both sides reach.
      if abs(distance) < min(reach.before, reach.after) { before.add(distance < 0 ? 1 : 0) }
    }
    // The next variant is 3 kb behind the distance drawn: at most 3e-3/ln(30) of the logarithm's range.
    #expect(abs(uniform.mean - 0.5) < 4 * uniform.standardError + 0.001)
    // Of a uniform variable: 1/12, with a standard error of √(1/180/4000).
    #expect(abs(uniform.variance - 1.0 / 12) < 4 * 0.00118)
    if before.count > 0 {
      #expect(abs(before.mean - 0.5) < 4 * before.standardError)
    } else {
      #expect(tss == 1_000)
    }
    #expect(
      genome.ordinal(beyond: farthest - 1, of: gene, &random) == (reach.before > reach.after ? 0 : 19_999))
    #expect(genome.ordinal(beyond: farthest, of: gene, &random) == nil)
  }

  @Test func traitsHaveVarianceOne() throws {
    let traits = try Simulator(Self.options()).traits()
    let variances = Moments(
      traits.phenotypes.features.indices.map { Moments(traits.phenotypes.values.column($0)).variance })
    // Covariates and hidden factors are shared by all traits: their realised variance has √(2/500) of its own.
    #expect(abs(variances.mean - 1) < 4 * variances.standardError + 0.02)
  }

  /// Covariates explain their share: mean R² of the trait on three independent covariates.
  @Test func covariatesExplainTheirShare() throws {
    var options = Self.options()
    options.covariateVariance = 0.4
    let traits = try Simulator(options).traits()
    var r2 = Moments()
    for gene in traits.phenotypes.features.indices {
      let y = traits.phenotypes.values.column(gene)
      r2.add((0..<3).reduce(0) { $0 + Regression(traits.covariates.values.column($1), y).r2 })
    }
    // Three parameters add 3·0.6/499 each gene; sample correlation of covariates moves single genes, not the mean by
    // more than about 1/√500 of the share.
    #expect(abs(r2.mean - 0.4 - 3 * 0.6 / 499) < 4 * r2.standardError + 0.4 * 0.045)
  }

  @Test func missingPhenotypes() throws {
    var options = SimulationOptions(samples: 200, variants: 100, genes: 100, seed: 22)
    let complete = try Simulator(options).traits().phenotypes.values.storage
    options.missingPhenotypes = 0.1
    let gappy = try Simulator(options).traits().phenotypes.values.storage
    let missing = gappy.count(where: \.isNaN)
    #expect(abs(Double(missing) - 2_000) < 4 * (2_000 * 0.9).squareRoot())
    #expect(zip(complete, gappy).allSatisfy { $1.isNaN || $0 == $1 })
  }

  @Test func populationsDifferThroughCovariates() throws {
    var options = SimulationOptions(samples: 300, variants: 100, genes: 5, covariates: 3, seed: 23)
    options.populations = 3
    let covariates = try Simulator(options).traits().covariates
    #expect(covariates.names == ["population1", "population2", "covariate3"])
    let member = (0..<300).map { $0 % 3 == 0 ? 1.0 : 0 }
    #expect(Regression(member, covariates.values.column(0)).r2 > 0.95)
    #expect(Regression(member, covariates.values.column(2)).r2 < 0.1)
  }

  @Test func isAStudy() throws {
    let simulator = try Simulator(Self.options())
    let traits = try simulator.traits()
    let study = try Study(
      genotypes: simulator.genotypes, phenotypes: traits.phenotypes, covariates: traits.covariates)
    #expect(study.sampleCount == 500)
    #expect(study.drops.isEmpty)
  }
}

/// Least squares of y on x with an intercept, as in any textbook.
struct Regression {
  var slope: Double
  var standardError: Double
  var r2: Double
  /// Of x, with n as divisor.
  var variance: Double

  init(_ x: [UInt8], _ y: [Double]) { self.init(x.map(Double.init), y) }

  init(_ x: [Double], _ y: [Double]) {
    let n = Double(x.count)
    let meanX = x.reduce(0, +) / n
    let meanY = y.reduce(0, +) / n
    let sxx = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    let syy = y.reduce(0) { $0 + ($1 - meanY) * ($1 - meanY) }
    let sxy = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    slope = sxy / sxx
    r2 = sxy * sxy / (sxx * syy)
    standardError = ((1 - r2) * syy / (n - 2) / sxx).squareRoot()
    variance = sxx / n
  }
}
