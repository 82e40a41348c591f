import Association
import StudyData
import TestSupport
import Testing

/// What must not change a result, and by how much it may.
@Suite struct InvarianceTests {
  private static func shape(_ missing: StudyShape.MissingPhenotypes) -> StudyShape {
    var shape = StudyShape()
    shape.samples = 61
    shape.missingGenotypes = 0.05
    shape.missingPhenotypes = missing
    shape.covariates = 3
    return shape
  }

  private static func all(
    _ small: SmallStudy, shuffled seed: UInt64? = nil, alternative: Alternative = .twoSided
  ) throws -> [(key: Pair, row: PairRow)] {
    try TransScan(
      threshold: 1, exclusion: .none, options: ScanOptions(filter: .off, alternative: alternative)
    ).hits(in: small.study(shuffled: seed)).batches.pairs
  }

  /// Equal up to `relative`, and to the rounding of a sum that cancels.
  private static func areClose(_ a: PairRow, _ b: PairRow, sign: Double = 1, _ relative: Double) -> Bool {
    func close(_ x: Double, _ y: Double, _ scale: Double = 1) -> Bool {
      abs(x - y) <= relative * abs(y) + 1e-14 * scale * Double(b.n).squareRoot()
    }
    return close(a.t, sign * b.t) && close(a.beta, sign * b.beta, b.standardError)
      && close(a.standardError, b.standardError, b.standardError) && close(a.logP, b.logP)
      && close(a.r2, b.r2)
      && a.degreesOfFreedom == b.degreesOfFreedom && a.n == b.n
  }

  // MARK: bit for bit

  /// 2,000 variants are four blocks: workers take them in any order.
  @Test(arguments: StudyShape.MissingPhenotypes.allCases, [false, true])
  func workersDoNotMatter(missing: StudyShape.MissingPhenotypes, wholeRows: Bool) throws {
    var shape = Self.shape(missing)
    shape.variants = 2000
    shape.traits = 70
    shape.minimumFrequency = 0.02
    let study = try SmallStudy(shape, seed: 21).study()
    let scan = TransScan(
      threshold: 1e-3, exclusion: CisExclusion(radius: 1_000_000), reportsBest: wholeRows,
      countsAllP: wholeRows)
    let (batches, summary) = try scan.hits(in: study, workers: 1)
    #expect(summary.counts.rows > 100)
    for workers in 2...3 {
      let (others, other) = try scan.hits(in: study, workers: workers)
      #expect(others.pairs.map(\.row) == batches.pairs.map(\.row))
      #expect(others.bestOfVariants == batches.bestOfVariants)
      #expect(other.bestOfTraits == summary.bestOfTraits)
      #expect(others.drops == batches.drops)
      #expect(other.sampledLogP == summary.sampledLogP)
      #expect(other.histogram == summary.histogram)
      var (a, b) = (other.counts, summary.counts)
      // How many pairs are recomputed for `--best` depends on which bests a worker has seen.
      if wholeRows { (a.survivors, b.survivors) = (0, 0) }
      #expect(a == b)
    }
  }

  @Test(arguments: StudyShape.MissingPhenotypes.allCases)
  func orderOfSamplesInTheFilesDoesNotMatter(missing: StudyShape.MissingPhenotypes) throws {
    let small = SmallStudy(Self.shape(missing), seed: 22)
    let plain = try Self.all(small)
    for seed in 1...3 as ClosedRange<UInt64> {
      #expect(try Self.all(small, shuffled: seed).map(\.row) == plain.map(\.row))
    }
  }

  @Test(arguments: StudyShape.MissingPhenotypes.allCases)
  func aTraitAloneOrAmongAll(missing: StudyShape.MissingPhenotypes) throws {
    let small = SmallStudy(Self.shape(missing), seed: 23)
    let rows = try Self.all(small)
    for trait in small.features.indices {
      var one = small
      one.features = [small.features[trait]]
      one.phenotypes = [small.phenotypes[trait]]
      let alone = try Self.all(one).map { pair -> PairRow in
        var row = pair.row
        row.feature = trait
        return row
      }
      #expect(alone == rows.filter { $0.key.trait == trait }.map(\.row))
    }
  }

  @Test(arguments: StudyShape.MissingPhenotypes.allCases)
  func aVariantAloneOrAmongAll(missing: StudyShape.MissingPhenotypes) throws {
    let small = SmallStudy(Self.shape(missing), seed: 24)
    let rows = try Self.all(small)
    for variant in small.variants.indices {
      var one = small
      one.variants = [small.variants[variant]]
      one.dosages = [small.dosages[variant]]
      let alone = try Self.all(one).map { pair -> PairRow in
        var row = pair.row
        row.variant = variant
        return row
      }
      #expect(alone == rows.filter { $0.key.variant == variant }.map(\.row))
    }
  }

  // MARK: up to rounding

  /// Changes of the covariates that leave their span alone. 1e-12: the basis differs by rounding, 1e-16 times what the covariates
  /// amplify (their means are ten times their spread).
  @Test(arguments: StudyShape.MissingPhenotypes.allCases)
  func covariatesMatterOnlyThroughTheirSpan(missing: StudyShape.MissingPhenotypes) throws {
    let small = SmallStudy(Self.shape(missing), seed: 25)
    let plain = try Self.all(small)
    let n = small.sampleCount
    let changes: [(String, (inout SmallStudy) -> Void)] = [
      ("duplicate", { $0.addCovariate($0.covariates[1]) }),
      ("intercept", { $0.addCovariate([Double](repeating: 1, count: n)) }),
      ("rescaled", { $0.covariates[0] = $0.covariates[0].map { 1000 * $0 - 3 } }),
      ("mixed", { w in w.covariates[2] = zip(w.covariates[0], w.covariates[2]).map { $0.0 + $0.1 } }),
      ("reordered", { $0.covariates.reverse() }),
    ]
    for (name, change) in changes {
      var other = small
      change(&other)
      let rows = try Self.all(other)
      #expect(rows.count == plain.count)
      for (a, b) in zip(rows, plain) {
        #expect(Self.areClose(a.row, b.row, 1e-12), "\(name): \(a.row) for \(b.row)")
      }
    }
  }

  @Test(arguments: [MemoryGenotypes.Encoding.hardCalls, .fractional])
  func flippingAllelesFlipsSigns(encoding: MemoryGenotypes.Encoding) throws {
    var shape = Self.shape(.few)
    shape.encoding = encoding
    let small = SmallStudy(shape, seed: 26)
    var flipped = small
    // 2 − g is exact in single precision only down to its spacing near 2: quarter dosages keep this a test of the scan.
    if encoding == .fractional {
      flipped.dosages = small.dosages.map { $0.map { ($0 * 64).rounded() / 64 } }
    }
    var other = flipped
    other.dosages = flipped.dosages.map { $0.map { 2 - $0 } }
    for (alternative, opposite) in [(Alternative.twoSided, Alternative.twoSided), (.greater, .less)] {
      let plain = try Self.all(flipped, alternative: alternative)
      let rows = try Self.all(other, alternative: opposite)
      #expect(rows.count == plain.count)
      for (a, b) in zip(rows, plain) {
        #expect(Self.areClose(a.row, b.row, sign: -1, 1e-12), "\(a.row) for \(b.row)")
      }
    }
  }

  @Test func unitsOfATraitMatterToBetaAlone() throws {
    let small = SmallStudy(Self.shape(.few), seed: 27)
    var scaled = small
    scaled.phenotypes = small.phenotypes.map { $0.map { 1024 * $0 } }
    for (a, b) in zip(try Self.all(scaled), try Self.all(small)) {
      // A power of two changes no bit of a mantissa.
      var row = a.row
      row.beta /= 1024
      row.standardError /= 1024
      #expect(row == b.row)
    }
  }

  @Test func minusATraitIsTheOppositeAlternative() throws {
    let small = SmallStudy(Self.shape(.each), seed: 28)
    var negated = small
    negated.phenotypes = small.phenotypes.map { $0.map { -$0 } }
    let rows = try Self.all(negated, alternative: .less)
    for (a, b) in zip(rows, try Self.all(small, alternative: .greater)) {
      var row = a.row
      row.beta = -row.beta
      row.t = -row.t
      #expect(row == b.row)
    }
  }
}
