import StudyData
import Testing

@testable import Simulation

struct GenotypeTests {
  /// Mean r² of common variants by distance falls from strong to the sampling noise 1/(n - 1): it depends on the recombinations
  /// between them.
  @Test(arguments: [1, 10]) func linkageDecaysWithDistance(scale: Int) throws {
    var options = SimulationOptions(samples: 400, variants: 8_000, genes: 1, seed: 3)
    options.chromosomes = 2
    options.spacing = 500 * Double(scale)
    options.recombination = 1 / Double(scale)
    options.minimumMAF = 0.05
    let genotypes = try Genotypes(options)
    let g = genotypes.standardized
    let first = genotypes.variants.indices.filter { genotypes.variants[$0].chromosome == "1" }
    let second = genotypes.variants.indices.filter { genotypes.variants[$0].chromosome == "2" }
    func meanSquare(_ distances: ClosedRange<Int>) -> Double {
      var r2 = Moments()
      for i in stride(from: 0, to: first.count, by: 4) {
        for j in first[i...].dropFirst() {
          let distance = genotypes.variants[j].position - genotypes.variants[first[i]].position
          if distance > distances.upperBound { break }
          if distance < distances.lowerBound { continue }
          let r = dot(g[first[i]], g[j])
          r2.add(r * r)
        }
      }
      return r2.mean
    }
    var unlinked = Moments()
    for (i, j) in zip(first, second) {
      let r = dot(g[i], g[j])
      unlinked.add(r * r)
    }
    let near = meanSquare(500 * scale...1_500 * scale)
    let middle = meanSquare(98_000 * scale...102_000 * scale)
    let far = meanSquare(990_000 * scale...1_010_000 * scale)
    let noise = 1 / Double(options.samples - 1)
    #expect(near > 0.15)
    #expect(near > 8 * middle)
    #expect(middle > 2 * far)
    // E r² of independent variables is 1/(n - 1). Neighbouring pairs depend on each other: hence a fifth.
    #expect(abs(far / noise - 1) < 0.2)
    #expect(abs(unlinked.mean / noise - 1) < 0.2)
  }

  @Test func withoutLinkageNeighboursAreIndependent() throws {
    var options = SimulationOptions(samples: 300, variants: 3_000, genes: 1, seed: 4)
    options.linkage = .none
    let g = try Genotypes(options).standardized
    var r2 = Moments()
    for i in 1..<g.count {
      let r = dot(g[i - 1], g[i])
      r2.add(r * r)
    }
    #expect(abs(r2.mean - 1 / 299) < 4 * r2.standardError)
  }

  /// Kinship by KING's robust estimator (Manichaikul 2010, doi:10.1093/bioinformatics/btq559), which needs no allele
  /// frequencies: 1/4 (a correlation of 1/2) for siblings and for parent and child, 0 for spouses and strangers.
  @Test func relatives() throws {
    var options = SimulationOptions(samples: 300, variants: 3_000, genes: 1, seed: 5)
    options.families = 50
    options.linkage = .none
    let genotypes = try Genotypes(options)
    func kinship(_ a: Int, _ b: Int) -> Double {
      var bothHeterozygous = 0
      var opposite = 0
      var heterozygous = 0
      for codes in genotypes.codes {
        if codes[a] == 1 { heterozygous += 1 }
        if codes[b] == 1 { heterozygous += 1 }
        if codes[a] == 1 && codes[b] == 1 { bothHeterozygous += 1 }
        if codes[a] + codes[b] == 2 && codes[a] != 1 { opposite += 1 }
      }
      return Double(bothHeterozygous - 2 * opposite) / Double(heterozygous)
    }
    let families = (0..<50).map { 4 * $0 }
    let kinds: [(String, Double, Moments)] = [
      ("siblings", 0.25, Moments(families.map { kinship($0 + 2, $0 + 3) })),
      ("father and child", 0.25, Moments(families.map { kinship($0, $0 + 2) })),
      ("mother and child", 0.25, Moments(families.map { kinship($0 + 1, $0 + 3) })),
      ("spouses", 0, Moments(families.map { kinship($0, $0 + 1) })),
      ("strangers", 0, Moments((200..<299).map { kinship($0, $0 + 1) })),
    ]
    for (name, expected, found) in kinds {
      #expect(abs(found.mean - expected) < 4 * found.standardError, "\(name): \(found.mean)")
      #expect(found.standardError < 0.005)
    }
  }

  /// A child has one allele of each parent.
  @Test func childrenAreMendelian() throws {
    var options = SimulationOptions(samples: 40, variants: 2_000, genes: 1, seed: 6)
    options.families = 10
    options.populations = 2
    let genotypes = try Genotypes(options)
    var impossible = 0
    for codes in genotypes.codes {
      for family in 0..<10 {
        // What a parent of dosage d can hand on: 0 unless d = 2, 1 unless d = 0.
        let (father, mother) = (codes[4 * family], codes[4 * family + 1])
        let least = (father == 2 ? 1 : 0) + (mother == 2 ? 1 : 0)
        let most = (father > 0 ? 1 : 0) + (mother > 0 ? 1 : 0)
        for child in 2...3 where !(least...most).contains(Int(codes[4 * family + child])) {
          impossible += 1
        }
      }
    }
    #expect(impossible == 0)
  }

  /// Hudson's F_ST as a ratio of sums (Bhatia 2013, doi:10.1101/gr.154831.113).
  @Test(arguments: [(2, 0.05), (3, 0.2)]) func fst(populations: Int, fst: Double) throws {
    var options = SimulationOptions(samples: 600, variants: 6_000, genes: 1, seed: 7)
    options.linkage = .none
    options.minimumMAF = 0
    options.populations = populations
    options.fst = fst
    let genotypes = try Genotypes(options)
    let size = Double(2 * options.samples / populations)
    let terms = genotypes.codes.map { codes in
      let p = (0..<2).map { population in
        stride(from: population, to: codes.count, by: populations).reduce(0) {
          $0 + Double(codes[$1])
        } / size
      }
      let between = p[0] * (1 - p[1]) + p[1] * (1 - p[0])
      let within = p.map { 2 * $0 * (1 - $0) * size / (size - 1) }
      return (between - (within[0] + within[1]) / 2, between)
    }
    let sum = terms.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
    let found = sum.0 / sum.1
    let error = terms.reduce(0) { $0 + ($1.0 - found * $1.1) * ($1.0 - found * $1.1) }.squareRoot() / sum.1
    #expect(abs(found - fst) < 4 * error)
    #expect(error < fst / 10)
  }

  @Test(arguments: [0, 0.01, 0.05, 0.4]) func everyVariantReachesTheMinimumFrequency(minimum: Double) throws {
    var options = SimulationOptions(samples: 200, variants: 1_500, genes: 1, seed: 8)
    options.minimumMAF = minimum
    let genotypes = try Genotypes(options)
    let maf = genotypes.codes.indices.map(genotypes.minorAlleleFrequency)
    #expect(maf.count == 1_500)
    #expect(maf.allSatisfy { $0 > 0 && $0 >= minimum })
    if minimum <= 0.01 {
      // Rare variants are the most frequent: under 1/x the ratio is 6 from 0.01 on.
      #expect(maf.count { $0 < 0.1 } > 2 * maf.count { $0 > 0.4 })
    }
  }

  @Test func hardyWeinberg() throws {
    var options = SimulationOptions(samples: 500, variants: 2_000, genes: 1, seed: 9)
    options.linkage = .none
    // Observed over expected heterozygosity, with the expectation corrected for the finite sample.
    let ratio = Moments(
      try Genotypes(options).codes.map { codes in
        let n = Double(codes.count)
        let p = codes.reduce(0) { $0 + Double($1) } / (2 * n)
        return Double(codes.count { $0 == 1 }) / n / (2 * p * (1 - p) * 2 * n / (2 * n - 1))
      })
    #expect(abs(ratio.mean - 1) < 4 * ratio.standardError)
  }

  @Test func missingGenotypes() throws {
    var options = SimulationOptions(samples: 250, variants: 2_000, genes: 1, seed: 10)
    let complete = try Genotypes(options)
    options.missingGenotypes = 0.03
    let gappy = try Genotypes(options)
    var missing = 0
    for (a, b) in zip(complete.codes.joined(), gappy.codes.joined()) {
      if b == 3 { missing += 1 } else if a != b { Issue.record("a genotype changed") }
    }
    let expected = 0.03 * 500_000
    #expect(abs(Double(missing) - expected) < 4 * (expected * 0.97).squareRoot())
    #expect(!complete.codes.joined().contains(3))
  }

  @Test func variantsAreNamedUniquelyAndInOrder() throws {
    let options = SimulationOptions(samples: 5, variants: 3_000, genes: 1, seed: 2)
    let genotypes = try Genotypes(options)
    #expect(Set(genotypes.variants.map(\.id)).count == 3_000)
    #expect(Set(genotypes.variants.map(\.chromosome)) == Set((1...22).map(String.init)))
    for (a, b) in zip(genotypes.variants, genotypes.variants.dropFirst()) {
      #expect(
        Int(a.chromosome)! < Int(b.chromosome)! || (a.chromosome == b.chromosome && a.position < b.position))
    }
    #expect(genotypes.variants.allSatisfy { $0.ref != $0.alt })
  }

  /// The longest genome that can be asked for fits the coordinates of a tabix index.
  @Test func positionsAreBounded() throws {
    let options = SimulationOptions(samples: 3, variants: 3_000_000, genes: 1, seed: 2)
    let genome = Genome(options)
    #expect(genome.chromosomes.allSatisfy { $0.length < 1 << 29 })
    #expect(genome.chromosomes.reduce(0) { $0 + $1.positions.count } == 3_000_000)
  }
}
