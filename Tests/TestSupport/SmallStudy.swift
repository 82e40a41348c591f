internal import LinearAlgebra
public import StudyData

/// A study small enough to be regressed pair by pair. Everything is in canonical sample order.
public struct SmallStudy: Sendable {
  public var sampleIDs: [String]
  public var variants: [Variant] = []
  /// By variant; NaN is missing.
  public var dosages: [[Float]] = []
  public var encoding = MemoryGenotypes.Encoding.hardCalls
  public var features: [Feature] = []
  /// By trait; NaN is missing.
  public var phenotypes: [[Double]] = []
  public var covariateNames: [String] = []
  /// By covariate.
  public var covariates: [[Double]] = []
  public var interactionNames: [String] = []
  /// By term.
  public var interactions: [[Double]] = []
  /// By sample, then sample; empty for unrelated ones.
  public var kinship: [[Double]] = []

  public var sampleCount: Int { sampleIDs.count }

  public init(samples: Int) {
    sampleIDs = (0..<samples).map { "s" + String(100_000 + $0) }
  }

  public mutating func addVariant(_ dosages: [Float], chromosome: String = "1", position: Int = 0) {
    let number = variants.count
    variants.append(
      Variant(
        id: "v\(number)", chromosome: chromosome, position: position > 0 ? position : 1000 + number, ref: "A",
        alt: "G"))
    self.dosages.append(dosages)
  }

  /// The same with variants by chromosome and position, as scans by gene want them.
  public func sorted() -> SmallStudy {
    var study = self
    let order = variants.indices.sorted {
      (variants[$0].chromosome, variants[$0].position) < (variants[$1].chromosome, variants[$1].position)
    }
    study.variants = order.map { variants[$0] }
    study.dosages = order.map { dosages[$0] }
    return study
  }

  public mutating func addTrait(
    _ values: [Double], chromosome: String = "", start: Int = 0, end: Int? = nil, id: String? = nil
  ) {
    features.append(
      Feature(
        id: id ?? "t\(features.count)", chromosome: chromosome, start: start, end: end ?? start))
    phenotypes.append(values)
  }

  public mutating func addCovariate(_ values: [Double], name: String? = nil) {
    covariateNames.append(name ?? "c\(covariateNames.count)")
    covariates.append(values)
  }

  public mutating func addInteraction(_ values: [Double], name: String? = nil) {
    interactionNames.append(name ?? "i\(interactionNames.count)")
    interactions.append(values)
  }

  /// As the product takes it. With a seed, each file has its own sample order and a sample that the others lack.
  ///
  /// - Parameter relatedness: in place of `kinship`.
  public func study(shuffled seed: UInt64? = nil, relatedness: Relatedness? = nil) throws -> Study {
    let n = sampleCount
    func order(_ file: UInt64) -> (rows: [Int], ids: [String]) {
      guard let seed else { return (Array(0..<n), sampleIDs) }
      var generator = SplitMix64(seed &* 31 &+ file)
      var rows = Array(0...n)
      rows.shuffle(using: &generator)
      return (rows, rows.map { $0 == n ? "only in file \(file)" : sampleIDs[$0] })
    }
    func matrix(_ columns: [[Double]], _ rows: [Int]) -> Matrix {
      Matrix(
        rows: rows.count, columns: columns.count,
        storage: columns.flatMap { column in rows.map { $0 == n ? 7 : column[$0] } })
    }
    let (g, y, w, i, k) = (order(1), order(2), order(3), order(4), order(5))
    // A sample that the other files lack is related to none.
    let related =
      kinship.isEmpty
      ? [] : k.rows.flatMap { a in k.rows.map { b in a == n || b == n ? a == b ? 1 : 0 : kinship[a][b] } }
    return try Study(
      genotypes: MemoryGenotypes(
        sampleIDs: g.ids, variants: variants,
        dosages: dosages.map { row in g.rows.map { $0 == n ? 1 : row[$0] } }, encoding: encoding),
      phenotypes: Phenotypes(
        path: "phenotypes", sampleIDs: y.ids, features: features, values: matrix(phenotypes, y.rows)),
      covariates: covariates.isEmpty
        ? nil
        : Covariates(
          path: "covariates", sampleIDs: w.ids, names: covariateNames, values: matrix(covariates, w.rows)),
      interactions: interactions.isEmpty
        ? nil
        : Covariates(
          path: "interactions", sampleIDs: i.ids, names: interactionNames,
          values: matrix(interactions, i.rows)),
      relatedness: relatedness != nil || kinship.isEmpty
        ? relatedness
        : .kinship(
          Kinship(
            path: "kinship", sampleIDs: k.ids,
            matrix: Matrix(rows: k.rows.count, columns: k.rows.count, storage: related))))
  }
}

/// Every pair of a study regressed by plain loops.
public struct BruteForce {
  /// A pair of a variant and a trait that are both analysed; `fit` is nil where the variant does not vary among the trait's samples.
  public struct Pair: Sendable {
    public var variant: Int
    public var trait: Int
    public var fit: Fit?
  }
  /// In (variant, trait) order.
  public private(set) var pairs: [Pair] = []
  public private(set) var variants: [Int] = []
  public private(set) var traits: [Int] = []
  public private(set) var collinearVariants: [Int] = []

  /// - Parameter isAdmitted: the filter on (minor allele frequency, missing rate), beyond what cannot be tested at all.
  public init(_ study: SmallStudy, isAdmitted: (Double, Double) -> Bool = { _, _ in true }) {
    let all = Array(0..<study.sampleCount)
    let complete = Reflections(covariates: study.covariates, rows: all)
    var imputed: [[Extended]] = []
    var lengths: [Extended] = []
    for (j, row) in study.dosages.enumerated() {
      let observed = row.filter { !$0.isNaN }.map { Extended($0) }
      guard let first = observed.first, observed.contains(where: { $0 != first }) else { continue }
      let mean = observed.reduce(0, +) / Extended(observed.count)
      let missing = 1 - Double(observed.count) / Double(row.count)
      guard isAdmitted(Double(min(mean, 2 - mean)) / 2, missing) else { continue }
      let g = row.map { $0.isNaN ? mean : Extended($0) }
      let total = g.reduce(Extended(0)) { $0 + ($1 - mean) * ($1 - mean) }
      let length = Reflections.squares(complete.residual(g)[...])
      if length <= 1e-10 * total {
        collinearVariants.append(j)
      } else {
        variants.append(j)
        imputed.append(g)
        lengths.append(length)
      }
    }
    var fits: [[Fit?]] = []
    for (trait, y) in study.phenotypes.enumerated() {
      let rows = all.filter { !y[$0].isNaN }
      let reflections = Reflections(covariates: study.covariates, rows: rows)
      guard rows.count - reflections.rank - 1 >= 1 else { continue }
      let residual = reflections.residual(y.map { Extended($0) })
      let mean = rows.reduce(Extended(0)) { $0 + Extended(y[$1]) } / Extended(rows.count)
      let total = rows.reduce(Extended(0)) { $0 + (Extended(y[$1]) - mean) * (Extended(y[$1]) - mean) }
      guard total > 0, Reflections.squares(residual[...]) > 1e-10 * total else { continue }
      traits.append(trait)
      fits.append(
        zip(imputed, lengths).map { g, length in
          let e = reflections.residual(g)
          return Reflections.squares(e[...]) > 1e-10 * length ? reflections.fit(e, residual) : nil
        })
    }
    for (v, variant) in variants.enumerated() {
      for (k, trait) in traits.enumerated() {
        pairs.append(Pair(variant: variant, trait: trait, fit: fits[k][v]))
      }
    }
  }
}
