import LinearAlgebra
import StudyData
import TestSupport
import Testing

@Suite struct StudyTests {
  private static func genotypes(_ ids: [String], chromosome: String = "chr1") -> MemoryGenotypes {
    MemoryGenotypes(
      sampleIDs: ids,
      variants: [Variant(id: "v", chromosome: chromosome, position: 7, ref: "A", alt: "C")],
      dosages: [ids.indices.map { Float($0 % 3) }], encoding: .hardCalls)
  }

  /// The value of a sample tells which sample it is.
  private static func phenotypes(
    _ ids: [String], _ values: [Double], features: [Feature] = [Feature(id: "t")]
  ) -> Phenotypes {
    Phenotypes(
      path: "expression.bed", sampleIDs: ids, features: features,
      values: Matrix(
        rows: ids.count, columns: features.count, storage: features.flatMap { _ in values }))
  }

  private static func covariates(_ ids: [String], _ values: [Double]) -> Covariates {
    Covariates(
      path: "covariates.tsv", sampleIDs: ids, names: ["age"],
      values: Matrix(rows: ids.count, columns: 1, storage: values))
  }

  @Test func samplesAreJoinedByIdInCanonicalOrder() throws {
    let study = try Study(
      genotypes: Self.genotypes(["b", "x", "a", "Z", "é"]),
      phenotypes: Self.phenotypes(["é", "a", "b", "Z", "y"], [5, 1, 2, 3, 9]),
      covariates: Self.covariates(["Z", "w", "b", "a", "é"], [30, 90, 20, 10, 50]))
    // UTF-8 bytes: capitals before small letters before accents.
    #expect(study.sampleIDs == ["Z", "a", "b", "é"])
    #expect(study.genotypeSamples == [3, 2, 0, 4])
    #expect(study.phenotypes.storage == [3, 1, 2, 5])
    #expect(study.covariates.storage == [30, 10, 20, 50])
    #expect(study.sampleCount == 4 && study.covariateNames == ["age"])
    #expect(Set(study.drops.map(\.id)) == ["x", "y", "w"])
    #expect(study.drops.allSatisfy { $0.item == .sample && $0.reason == "not in every file" })
    #expect(study.alignment.count == 3)
    #expect(study.alignment[1].contains("expression.bed") && study.alignment[1].contains("4 analysed"))
  }

  @Test func restrictionKeepsOnlyTheSamplesAskedFor() throws {
    let ids = ["a", "b", "c"]
    let study = try Study(
      genotypes: Self.genotypes(ids), phenotypes: Self.phenotypes(ids, [1, 2, 3]),
      restrictedTo: ["c", "a", "elsewhere"])
    #expect(study.sampleIDs == ["a", "c"] && study.phenotypes.storage == [1, 3])
    #expect(study.drops.map(\.id) == ["b", "b"] && study.drops.allSatisfy { $0.reason == "not asked for" })
    #expect(study.alignment.last == "1 of the samples asked for are in no file (elsewhere)")
    #expect(study.covariates.columns == 0 && study.covariates.rows == 2)
  }

  @Test func missingPhenotypesAreKept() throws {
    let study = try Study(
      genotypes: Self.genotypes(["a", "b"]), phenotypes: Self.phenotypes(["b", "a"], [.nan, 4]))
    #expect(study.phenotypes[0, 0] == 4 && study.phenotypes[1, 0].isNaN)
  }

  private static func kind(_ body: () throws -> Study) -> StudyError? {
    do {
      _ = try body()
      return nil
    } catch { return error as? StudyError }
  }

  @Test func studiesThatDoNotFitTogetherAreRefused() throws {
    let (g, y) = (Self.genotypes(["a", "b"]), Self.phenotypes(["a", "b"], [1, 2]))
    var error = try #require(Self.kind { try Study(genotypes: g, phenotypes: Self.phenotypes(["c"], [1])) })
    #expect(error.kind == .inconsistent)
    #expect(error.cause.contains("expression.bed has c"))

    error = try #require(
      Self.kind { try Study(genotypes: g, phenotypes: y, covariates: Self.covariates(["q"], [1])) })
    #expect(error.kind == .inconsistent && error.cause.contains("covariates.tsv has q"))

    error = try #require(Self.kind { try Study(genotypes: g, phenotypes: y, restrictedTo: ["q"]) })
    #expect(error.kind == .inconsistent)

    for value in [Double.nan, .infinity] {
      error = try #require(
        Self.kind {
          try Study(genotypes: g, phenotypes: y, covariates: Self.covariates(["a", "b"], [1, value]))
        })
      #expect(error.kind == .malformed && error.file == "covariates.tsv")
      #expect(error.cause.contains("age") && error.cause.contains("sample b"))
    }
    // Missing for a sample that is not analysed: no matter.
    #expect(
      Self.kind {
        try Study(genotypes: g, phenotypes: y, covariates: Self.covariates(["a", "b", "c"], [1, 2, .nan]))
      } == nil)
  }

  @Test func chromosomesMustOverlapWhereBothSidesNameThem() throws {
    func error(_ ofVariants: String, _ ofTrait: Feature) -> StudyError? {
      Self.kind {
        try Study(
          genotypes: Self.genotypes(["a"], chromosome: ofVariants),
          phenotypes: Self.phenotypes(["a"], [1], features: [ofTrait]))
      }
    }
    #expect(error("chr1", Feature(id: "t", chromosome: "2", start: 5, end: 5))?.kind == .inconsistent)
    #expect(error("chr1", Feature(id: "t", chromosome: "1", start: 5, end: 5)) == nil)
    #expect(error("chr1", Feature(id: "t")) == nil)
    #expect(error("", Feature(id: "t", chromosome: "2", start: 5, end: 5)) == nil)
  }

  @Test(arguments: [
    ("chr1", "1"), ("Chr1", "1"), ("CHRX", "X"), ("x", "X"), ("chrM", "MT"), ("M", "MT"), ("MT", "MT"),
    ("23", "23"), ("chr23", "23"), ("chr", "CHR"), ("", ""), ("chrUn_1", "UN_1"),
  ])
  func chromosomesAreNormalised(name: String, expected: String) {
    #expect(Chromosome.normalized(name) == expected)
  }

  @Test func regionsAndIdsSelect() {
    let selection = VariantSelection(
      regions: [GenomicRegion(chromosome: "chr2", start: 10, end: 20), GenomicRegion(chromosome: "X")],
      ids: ["a"])
    func admits(_ id: String, _ chromosome: String, _ position: Int) -> Bool {
      selection.admits(id: id, normalizedChromosome: chromosome, position: position)
    }
    #expect(admits("a", "2", 10) && admits("a", "2", 20) && admits("a", "X", 999))
    #expect(!admits("a", "2", 9) && !admits("a", "2", 21) && !admits("a", "1", 15) && !admits("b", "2", 15))
    #expect(VariantSelection().admits(id: "b", normalizedChromosome: "1", position: 0))
  }

  @Test func errorsSayWhereAndWhatToDo() {
    let error = StudyError(
      .malformed, file: "x.bim", line: 3, "a position is not a number", remedy: "correct it")
    #expect(error.description == "x.bim:3: a position is not a number\n  remedy: correct it")
    #expect(StudyError(.degenerate, "nothing", remedy: "more data").location == nil)
  }
}
