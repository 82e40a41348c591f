/// What a random study should hold.
public struct StudyShape: Sendable {
  public enum MissingPhenotypes: CaseIterable, Sendable {
    case none
    /// Two sets of samples, shared by traits.
    case few
    /// 10 % at random in every trait.
    case each
  }

  public var samples = 80
  public var variants = 20
  public var traits = 8
  public var covariates = 2
  public var encoding = MemoryGenotypes.Encoding.hardCalls
  public var missingGenotypes = 0.0
  public var missingPhenotypes = MissingPhenotypes.none
  public var heavyTails = false
  public var minimumFrequency = 0.05
  /// Covariates that share variance with genotypes (r about 0.7).
  public var correlatedCovariates = false
  /// Share of traits with a planted effect.
  public var planted = 0.7

  public init() {}

  /// Anything within the sizes that brute force can take.
  public static func random(_ generator: inout SplitMix64) -> StudyShape {
    var shape = StudyShape()
    shape.samples = Int(generator.logUniform(1.08, 2.477))
    shape.variants = Int.random(in: 5...30, using: &generator)
    shape.traits = Int.random(in: 2...12, using: &generator)
    shape.covariates = Int.random(in: 0...max(0, min(10, shape.samples - 8)), using: &generator)
    shape.encoding = generator.bernoulli(0.5) ? .hardCalls : .fractional
    shape.missingGenotypes = generator.bernoulli(0.5) ? 0 : generator.uniform(0, 0.2)
    shape.missingPhenotypes = StudyShape.MissingPhenotypes.allCases.randomElement(using: &generator) ?? .none
    shape.heavyTails = generator.bernoulli(0.3)
    shape.minimumFrequency = 0.002
    shape.correlatedCovariates = generator.bernoulli(0.5)
    return shape
  }
}

extension SmallStudy {
  public init(_ shape: StudyShape, seed: UInt64) {
    var generator = SplitMix64(seed)
    self.init(samples: shape.samples)
    encoding = shape.encoding
    for _ in 0..<shape.variants { addRandomVariant(shape, &generator) }
    for c in 0..<shape.covariates {
      let base = dosages[c % dosages.count]
      let scale = generator.logUniform(-2, 2)
      let binary = generator.bernoulli(0.2)
      addCovariate(
        (0..<shape.samples).map { i in
          let noise = generator.normal()
          if binary { return noise > 0.5 ? 1 : 0 }
          let shared = shape.correlatedCovariates && !base[i].isNaN ? Double(base[i]) : 0
          return scale * (10 + noise + 1.5 * shared)
        })
    }
    let patterns = (0..<2).map { _ in
      (0..<shape.samples).filter { _ in generator.bernoulli(0.08) }.prefix(shape.samples / 6)
    }
    for k in 0..<shape.traits {
      var y = randomTrait(shape, &generator)
      switch shape.missingPhenotypes {
      case .none: break
      case .few where k % 3 > 0: for i in patterns[k % 3 - 1] { y[i] = .nan }
      case .few: break
      case .each: for i in y.indices where generator.bernoulli(0.1) { y[i] = .nan }
      }
      let start = Int.random(in: 1...20_000_000, using: &generator)
      addTrait(
        y, chromosome: "\(Int.random(in: 1...3, using: &generator))", start: start,
        end: start + Int.random(in: 0...100_000, using: &generator))
    }
  }

  private mutating func addRandomVariant(_ shape: StudyShape, _ generator: inout SplitMix64) {
    let frequency = shape.minimumFrequency * generator.logUniform(0, 1) * generator.logUniform(0, 1.4)
    let p = min(0.5, frequency)
    let dosages = (0..<shape.samples).map { _ -> Float in
      let g = (generator.bernoulli(p) ? 1.0 : 0) + (generator.bernoulli(p) ? 1 : 0)
      let soft = min(2, max(0, g + 0.2 * generator.normal()))
      if generator.bernoulli(shape.missingGenotypes) { return .nan }
      return Float(shape.encoding == .hardCalls ? g : soft)
    }
    addVariant(
      dosages, chromosome: "chr\(Int.random(in: 1...3, using: &generator))",
      position: Int.random(in: 1...20_000_000, using: &generator))
  }

  private func randomTrait(_ shape: StudyShape, _ generator: inout SplitMix64) -> [Double] {
    let cause = generator.bernoulli(shape.planted) ? dosages.randomElement(using: &generator) : nil
    let effect = generator.logUniform(-1.5, 1.5) * (generator.bernoulli(0.5) ? 1 : -1)
    let scale = generator.logUniform(-3, 3)
    return (0..<shape.samples).map { i in
      var y = shape.heavyTails ? generator.heavyTailed() : generator.normal()
      if let cause, !cause[i].isNaN { y += effect * Double(cause[i]) }
      for column in covariates.prefix(3) { y += 0.3 * column[i] }
      return scale * (y + 5)
    }
  }
}
