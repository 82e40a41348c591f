internal import CScanKernels
internal import Glibc
internal import LinearAlgebra
public import StudyData
internal import Synchronization

/// All variants against all traits as one dense matrix in memory, for studies whose matrix fits (mouse and plant panels, say): by least
/// squares, or by mixed models where the study has a relationship matrix, each trait at the h² of its own model without a variant.
///
/// - Missing: genotypes are imputed to the variant's mean over the analysed samples; a trait is analysed on its observed samples exactly.
/// - Accuracy: fp32 products of fp64 vectors that are rotated to where errors are independent: |δr| ≤ ``correlationError(samples:)``, and by
///   first order |δLOD| ≤ N/ln 10·|r|·|δr|/(1 − r²), |δt| ≤ √ν·|δr|/(1 − r²)^1.5. r² ends at 1 − 2⁻²⁴. ``TransScan`` gives pairs in fp64.
///   Last bits depend on the CPU and on the other variants and traits.
/// - Complexity: 2nmt flop in fp32, in a mixed model up to twice that (g'Pg of every pair, which many traits of like h² have for less), what
///   ``HeritabilityScan`` takes, 2n²m flop and 4n² a trait; 4·m·t bytes for the matrix, (8·m + 24·t)·n for what it is made of.
/// - Source: as ``TransScan``; Kang et al. 2010, doi:10.1038/ng.548.
public struct DenseScan: Sendable {
  public enum Statistic: String, Sendable, CaseIterable {
    /// r, the partial correlation; in a mixed model that of the whitened trait and variant.
    case correlation
    /// r·√(ν/(1 − r²)), as ``PairRow/t``.
    case t
    /// The log of the ratio of likelihoods to base 10, −N/2·log₁₀(1 − r²) with the N samples that the trait has: in a mixed model of those
    /// at the same h².
    case lod
  }

  public var statistic: Statistic
  /// Selection, filter, transform and mixed model; statistics have no side.
  public var options: ScanOptions

  public init(_ statistic: Statistic = .lod, options: ScanOptions = .init()) {
    self.statistic = statistic
    self.options = options
  }

  /// A bound of |δr| at n samples.
  ///
  /// Components are off by 2u of themselves, u = 2⁻²⁴, and Σ|aᵢbᵢ| ≤ ‖a‖·‖b‖ in the metric of D⁻¹ as well: the product is off by γ, the squared
  /// length by γ as well, and where it is interpolated by that and the sum over the nodes, amplified; the length by half as much. Roundings follow.
  public static func correlationError(samples n: Int) -> Double {
    let error = BlockedProduct(sampleCount: n, isTight: false).error
    let overNodes = BlockedProduct(sampleCount: WeightNodes.most, isTight: false).error
    return error + 0.5 * (WeightNodes.amplification * (error + overNodes) + WeightNodes.error) + 4 * 0x1p-24
  }

  /// - Precondition: Wald's test, without exact refits.
  /// - Throws: ``StudyError``: `environment` when `execution.memory` does not do, before work where the source knows its number of variants;
  ///   what the readers and ``HeritabilityScan`` throw.
  public func run(in study: Study, execution: Execution = .init()) throws -> DenseStatistics {
    precondition(options.mixedModel.test == .wald && !options.mixedModel.refitsExactly)
    BLAS.useSingleThread()
    let known = options.selection.isEverything ? study.genotypes.variantCount : nil
    try require(known ?? 0, study, execution)
    let prepared = try PreparedStudy(study, options, workers: execution.workers)
    var summary = ScanSummary(prepared)
    let variants = try DenseVariants(study, prepared.residualiser, options, execution, &summary)
    try TransScan.checkAnyTested(summary.counts, study)
    try require(variants.count, study, execution)
    let traits = prepared.traits
    let (m, t) = (variants.count, traits.count)
    let values = try [Float](unsafeUninitializedCapacity: m * t) { values, count in
      count = m * t
      guard let base = values.baseAddress else { return }
      try values.makePresent(workers: execution.workers)
      for p in traits.patterns.indices {
        let columns = (0..<t).filter { traits.patternOf[$0] == Int32(p) }
        guard !columns.isEmpty else { continue }
        let product = try DenseProduct(
          variants, prepared, pattern: p, columns, workers: execution.workers)
        try product.run(statistic, into: base, workers: execution.workers)
      }
    }
    return DenseStatistics(
      variants: variants.tested, features: traits.ordinals, values: values, summary: summary)
  }

  private func require(_ m: Int, _ study: Study, _ execution: Execution) throws(StudyError) {
    let (n, t) = (study.sampleCount, study.features.count)
    try execution.require(
      4 * m * t + 9 * m * n + 8 * n * t + execution.workers * DenseProduct.tileBytes, samples: n, traits: t)
  }
}

/// Statistics of all pairs.
public struct DenseStatistics: Sendable {
  /// In the order of rows; those that the filter refuses or the covariates explain are left out.
  public let variants: [TestedVariant]
  /// Index in the study's features of each column, ascending.
  public let features: [Int]
  /// m × t, column-major, a trait a column; NaN where the variant does not vary among the trait's samples.
  public let values: [Float]
  /// Traits, variants and covariates left out are in its drops.
  public let summary: ScanSummary

  /// - Parameters:
  ///   - variant: index in ``variants``.
  ///   - trait: index in ``features``.
  public subscript(variant: Int, trait: Int) -> Float { values[trait * variants.count + variant] }
}

/// The tested variants of a study, as codes.
private struct DenseVariants: Sendable {
  /// Of each, its panel and its place there.
  private(set) var places: [(panel: VariantPanel, k: Int)] = []
  /// ‖Mg‖² of each.
  private(set) var squaredNorms: [Double] = []

  var count: Int { places.count }
  var tested: [TestedVariant] { places.map { $0.panel.variants[$0.k] } }

  func writeCentered(_ v: Int, to out: UnsafeMutablePointer<Double>) {
    places[v].panel.writeCentered(places[v].k, to: out)
  }

  init(
    _ study: Study, _ residualiser: Residualiser, _ options: ScanOptions, _ execution: Execution,
    _ summary: inout ScanSummary
  ) throws {
    let panels = Mutex<[(panel: VariantPanel, squaredNorms: [Double])]>([])
    let filter = options.filter
    try scanBlocks(
      of: study, options.selection, execution,
      scratch: { ([Double](repeating: 0, count: study.sampleCount), [Double]()) },
      work: { scratch, block, _ in
        let panel = VariantPanel(block: block, filter: filter)
        return (
          panel,
          (0..<panel.count).map { k in
            scratch.0.withUnsafeMutableBufferPointer { e in
              guard let e = e.baseAddress else { return 0 }
              panel.writeCentered(k, to: e)
              residualiser.project(e, width: 1, scratch: &scratch.1)
              return squaredNorm(e, study.sampleCount)
            }
          }
        )
      },
      emit: { panel in panels.withLock { $0.append(panel) } })
    for (panel, norms) in panels.withLock(\.self) {
      summary.drops += panel.drops
      summary.counts.droppedVariants += panel.drops.count
      summary.counts.maskedCalls += panel.block.maskedCalls
      for (k, norm) in norms.enumerated() {
        let variant = panel.variants[k]
        if norm > PairEvaluator.collinearity * variant.summary.centeredSumOfSquares {
          places.append((panel, k))
          squaredNorms.append(norm)
        } else {
          summary.counts.droppedVariants += 1
          summary.drops.append(
            Drop(.variant, id: variant.variant.id, reason: "collinear with the covariates"))
        }
      }
    }
    (summary.counts.variants, summary.counts.tests) = (count, count * summary.traits)
  }
}

/// The traits of one pattern of missing samples against all variants, as products of k numbers: residuals, or U'g and D⁻¹U'y.
private struct DenseProduct: Sendable {
  /// k.
  private let size: Int
  /// Columns of the matrix that these traits are, in a mixed model by h².
  private let columns: [Int]
  private let rowCount: Int
  /// k × m, of length 1; NaN for what cannot be tested.
  private let variants: [Float]
  /// k × t: products with `variants` are r, in a mixed model r·√(g'Pg).
  private let traits: [Float]
  /// In a mixed model squares of `variants`, whose products with 1/d are g'Pg; else empty.
  private let squares: [Float]
  /// In a mixed model 1/d of each tile of traits; else empty.
  private let weights: [Weights]
  private let observed: Int
  private let degreesOfFreedom: Int

  /// Variants and traits of a tile: its products stay in the second-level cache, and sgemm has enough to do for all that it packs.
  private static let (tileRows, tileColumns) = (256, 256)
  static let tileBytes = 3 * 4 * tileRows * tileColumns

  /// 1/d of a tile's traits.
  private struct Weights {
    /// 1/d at the nodes, k × c; without interpolation of the traits themselves.
    let values: [Float]
    /// c × traits: the share of each node in 1/d of a trait; empty without interpolation.
    let factors: [Float]
    /// c.
    let count: Int

    init(_ heritabilities: [Double], excess: [Double]) {
      let atNodes = { (nodes: [Double]) in nodes.flatMap { h in excess.map { Float(1 / (1 + h * $0)) } } }
      if let least = heritabilities.min(), let most = heritabilities.max(),
        let interpolation = WeightNodes(least...most, excess: excess)
      {
        values = atNodes(interpolation.nodes)
        factors = heritabilities.flatMap { interpolation.factors($0).map { Float($0) } }
        count = interpolation.nodes.count
      } else {
        (values, factors, count) = (atNodes(heritabilities), [], heritabilities.count)
      }
    }
  }

  /// Written by disjoint parts.
  private struct Output: @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
  }

  init(_ all: DenseVariants, _ prepared: PreparedStudy, pattern p: Int, _ columns: [Int], workers: Int)
    throws
  {
    let (panel, residualiser) = (prepared.traits, prepared.residualiser)
    let (n, pattern) = (panel.sampleCount, panel.patterns[p])
    let spectrum = panel.mixed?.spectra[p]
    size = spectrum?.size ?? n
    let columns =
      panel.mixed.map { mixed in
        columns.sorted { (mixed.heritability[$0], $0) < (mixed.heritability[$1], $1) }
      } ?? columns
    self.columns = columns
    rowCount = all.count
    (observed, degreesOfFreedom) = panel.sizes[p]
    variants = try Self.vectors(
      all.count, n, spectrum, workers,
      write: { v, x in
        all.writeCentered(v, to: x)
        guard spectrum == nil else { return }
        var scratch: [Double] = []
        residualiser.project(x, pattern: pattern, scratch: &scratch)
      },
      scale: { v, x, k in
        let left = squaredNorm(x, k)
        return left > PairEvaluator.collinearity * all.squaredNorms[v] ? 1 / left.squareRoot() : .nan
      })
    traits = try Self.vectors(
      columns.count, n, spectrum, workers,
      write: { j, x in panel.copyUnit(columns[j], to: x) },
      scale: { j, _, _ in panel.mixed.map { 1 / $0.ratio[columns[j]] } ?? 1 })
    guard let spectrum, let mixed = panel.mixed else {
      (squares, weights) = ([], [])
      return
    }
    squares = variants.map { $0 * $0 }
    weights = stride(from: 0, to: columns.count, by: Self.tileColumns).map { first in
      let own = columns[first..<min(first + Self.tileColumns, columns.count)]
      return Weights(own.map { mixed.heritability[$0] }, excess: spectrum.excess)
    }
  }

  /// `count` vectors of n numbers, rotated where there is a spectrum, in fp32: k × count.
  private static func vectors(
    _ count: Int, _ n: Int, _ spectrum: Spectrum?, _ workers: Int,
    write: @Sendable (_ index: Int, _ to: UnsafeMutablePointer<Double>) -> Void,
    scale: @Sendable (_ index: Int, _ vector: UnsafePointer<Double>, _ size: Int) -> Double
  ) throws -> [Float] {
    let (k, width) = (spectrum?.size ?? n, Spectrum.width)
    return try [Float](unsafeUninitializedCapacity: k * count) { out, initialized in
      initialized = k * count
      guard let base = out.baseAddress else { return }
      let out = Output(base: base)
      var scratches = (0..<workers).map { _ in
        (
          columns: [Double](repeating: 0, count: n * width),
          rotated: [Double](repeating: 0, count: spectrum == nil ? 0 : k * width)
        )
      }
      _ = try parallel(Array(stride(from: 0, to: count, by: width)), &scratches) { scratch, first in
        let own = min(width, count - first)
        scratch.columns.withUnsafeMutableBufferPointer { columns in
          scratch.rotated.withUnsafeMutableBufferPointer { rotated in
            guard let columns = columns.baseAddress else { return }
            for i in 0..<own { write(first + i, columns + i * n) }
            // Columns beyond hold numbers of others, or 0: rotated for nothing.
            if let spectrum, let rotated = rotated.baseAddress { spectrum.rotate(columns, into: rotated) }
            let vectors = spectrum == nil ? columns : rotated.baseAddress ?? columns
            for i in 0..<own {
              let factor = scale(first + i, vectors + i * k, k)
              for l in 0..<k { out.base[(first + i) * k + l] = Float(factor * vectors[i * k + l]) }
            }
          }
        }
      }
    }
  }

  /// Fills these traits' columns of `values`, m numbers each.
  func run(_ statistic: DenseScan.Statistic, into values: UnsafeMutablePointer<Float>, workers: Int) throws {
    let product = BlockedProduct(sampleCount: size, isTight: false)
    let (k, m) = (size, rowCount)
    let tiles = stride(from: 0, to: columns.count, by: Self.tileColumns).flatMap { column in
      stride(from: 0, to: m, by: Self.tileRows).map { (row: $0, column: column) }
    }
    let empty = [Float](repeating: 0, count: Self.tileRows * Self.tileColumns)
    let isMixed = !squares.isEmpty
    let lengthScratch = isMixed ? empty : []
    var scratches = (0..<workers).map { _ in
      (products: empty, lengths: lengthScratch, atNodes: lengthScratch)
    }
    let out = Output(base: values)
    _ = try parallel(tiles, &scratches) { scratch, tile in
      let rows = min(Self.tileRows, m - tile.row)
      let width = min(Self.tileColumns, columns.count - tile.column)
      scratch.products.withUnsafeMutableBufferPointer { products in
        guard let products = products.baseAddress else { return }
        variants.withUnsafeBufferPointer { g in
          traits.withUnsafeBufferPointer { y in
            product(
              rows: rows, columns: width, g.baseAddress! + tile.row * k, y.baseAddress! + tile.column * k,
              into: products)
          }
        }
        scratch.lengths.withUnsafeMutableBufferPointer { lengths in
          scratch.atNodes.withUnsafeMutableBufferPointer { atNodes in
            if isMixed, let lengths = lengths.baseAddress, let atNodes = atNodes.baseAddress {
              writeSquaredLengths(
                of: rows, from: tile.row, weights[tile.column / Self.tileColumns], width, product,
                to: lengths,
                atNodes: atNodes)
            }
          }
          let lengths = isMixed ? lengths.baseAddress : nil
          for j in 0..<width {
            finish(
              statistic, products + j * rows, lengths.map { UnsafePointer($0 + j * rows) }, rows,
              to: out.base + columns[tile.column + j] * m + tile.row)
          }
        }
      }
    }
  }

  /// g'Pg of `rows` variants and `width` traits.
  private func writeSquaredLengths(
    of rows: Int, from row: Int, _ weights: Weights, _ width: Int, _ product: BlockedProduct,
    to lengths: UnsafeMutablePointer<Float>, atNodes: UnsafeMutablePointer<Float>
  ) {
    let isInterpolated = !weights.factors.isEmpty
    squares.withUnsafeBufferPointer { squares in
      weights.values.withUnsafeBufferPointer { values in
        let g = squares.baseAddress! + row * size
        guard isInterpolated else {
          product(rows: rows, columns: width, g, values.baseAddress!, into: lengths)
          return
        }
        product(rows: weights.count, columns: rows, values.baseAddress!, g, into: atNodes)
      }
    }
    guard isInterpolated else { return }
    weights.factors.withUnsafeBufferPointer {
      BlockedProduct(sampleCount: weights.count, isTight: false)(
        rows: rows, columns: width, atNodes, $0.baseAddress!, into: lengths)
    }
  }

  private func finish(
    _ statistic: DenseScan.Statistic, _ products: UnsafePointer<Float>, _ lengths: UnsafePointer<Float>?,
    _ count: Int, to out: UnsafeMutablePointer<Float>
  ) {
    switch statistic {
    case .correlation: sk_dense_root(products, lengths, Int64(count), out)
    case .t: sk_dense_ratio(products, lengths, Int64(count), Float(degreesOfFreedom), out)
    case .lod:
      sk_dense_log(products, lengths, Int64(count), Float(0.5 * Double(observed) / log(10)), out)
    }
  }
}

private func squaredNorm(_ x: UnsafePointer<Double>, _ count: Int) -> Double {
  var sum = 0.0
  sk_panel_products(x, 1, x, 1, Int64(count), &sum)
  return sum
}

extension UnsafeMutableBufferPointer<Float> {
  /// Asks the kernel for huge pages, now and each by one worker: the first touch of small ones costs as much as a product, and workers that
  /// touch a huge one together clear it twice.
  fileprivate func makePresent(workers: Int) throws {
    let page = 1 << 21
    guard let base = baseAddress.map({ Int(bitPattern: $0) }) else { return }
    let (first, end) = ((base + page - 1) / page * page, base + 4 * count)
    _ = try parallel(Array(stride(from: first, to: end, by: 8 * page)), workers: workers) { start in
      let part = UnsafeMutableRawPointer(bitPattern: start)
      let length = Swift.min(8 * page, end - start) / page * page
      // Advice: nothing hangs on it.
      _ = madvise(part, length, MADV_HUGEPAGE)
      _ = madvise(part, length, MADV_POPULATE_WRITE)
    }
  }
}

extension TraitPanel {
  fileprivate func copyUnit(_ trait: Int, to out: UnsafeMutablePointer<Double>) {
    unit.withUnsafeBufferPointer {
      out.update(from: $0.baseAddress! + trait * sampleCount, count: sampleCount)
    }
  }
}
