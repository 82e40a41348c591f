internal import LinearAlgebra
internal import StudyData

/// The admitted variants of one block as columns z, of which Σzz' is made.
struct StandardizedBlock: Sendable {
  /// n × count; missing genotypes are 0.
  let values: [Double]
  let panel: VariantPanel
  /// Samples without a genotype, ascending, by variant; empty where the form does not count pairs.
  let missing: [[Int32]]

  var count: Int { panel.count }

  init(_ panel: VariantPanel, form: KinshipForm) {
    let n = panel.sampleCount
    self.panel = panel
    values = [Double](unsafeUninitializedCapacity: n * panel.count) { values, count in
      count = n * panel.count
      for (k, variant) in panel.variants.enumerated() {
        guard let column = values.baseAddress.map({ $0 + k * n }) else { continue }
        panel.writeCentered(k, to: column)
        let scale = form.scale(variant.summary)
        if scale != 1 { for i in 0..<n { column[i] *= scale } }
      }
    }
    missing =
      form == .standardized2pq
      ? (0..<panel.count).map { panel.variants[$0].summary.observed < n ? panel.missingSamples(of: $0) : [] }
      : []
  }
}

extension VariantPanel {
  /// Samples without a dosage of variant `k`, ascending.
  fileprivate func missingSamples(of k: Int) -> [Int32] {
    let base = columns[k] * sampleCount
    let samples = 0..<Int32(sampleCount)
    return switch block.dosages {
    case .hardCalls(let codes): samples.filter { codes[base + Int($0)] == 3 }
    case .fractional(let values): samples.filter { values[base + Int($0)].isNaN }
    }
  }
}

/// Σzz' over variants and what the average needs: one n × n matrix, whatever the number of workers.
///
/// Workers take tiles of its lower triangle, each of which adds the blocks in file order: no bit depends on who took which.
struct KinshipSums {
  let sampleCount: Int
  /// n × n, column-major; the lower triangle (row ≥ column) is kept.
  private var products: Matrix
  private(set) var variants = 0
  /// By sample, variants without its genotype; stays zero where the form does not count pairs.
  private var missing: [Int]
  /// By pair, variants that neither has: (i, j ≤ i) at i(i + 1)/2 + j. Empty as long as nothing is missing. fp32 counts exactly to 2^24.
  private var bothMissing: [Float] = []

  init(sampleCount n: Int) {
    sampleCount = n
    products = Matrix(rows: n, columns: n)
    missing = [Int](repeating: 0, count: n)
  }

  /// Bytes of the sums themselves.
  static func bytes(samples n: Int, form: KinshipForm) -> Int {
    8 * n * n + (form == .standardized2pq ? 2 * n * (n + 1) : 0)
  }

  /// Rows and columns of a tile: with the depth of a block, enough arithmetic for each element that is packed.
  private static let edge = 256

  private struct Tile: Sendable {
    var rows: Range<Int>
    var columns: Range<Int>
  }

  /// Each tile touches its own elements.
  private struct Shared: @unchecked Sendable {
    var products: UnsafeMutablePointer<Double>
    var bothMissing: UnsafeMutablePointer<Float>?
  }

  /// Adds some variants of some blocks.
  ///
  /// - Complexity: n² flop a variant; where u samples lack it, u²/2 increments.
  mutating func add(_ parts: [(block: StandardizedBlock, variants: Range<Int>)], workers: Int) throws {
    let n = sampleCount
    for (block, range) in parts {
      variants += range.count
      for list in block.missing.isEmpty ? [] : block.missing[range] {
        for i in list { missing[Int(i)] += 1 }
        if !list.isEmpty, bothMissing.isEmpty { bothMissing = [Float](repeating: 0, count: n * (n + 1) / 2) }
      }
    }
    let starts = Array(stride(from: 0, to: n, by: Self.edge))
    let tiles = starts.flatMap { row in
      starts.prefix { $0 <= row }.map { column in
        Tile(rows: row..<min(row + Self.edge, n), columns: column..<min(column + Self.edge, n))
      }
    }
    try products.storage.withUnsafeMutableBufferPointer { products in
      try bothMissing.withUnsafeMutableBufferPointer { bothMissing in
        guard let base = products.baseAddress else { return }
        let shared = Shared(
          products: base, bothMissing: bothMissing.isEmpty ? nil : bothMissing.baseAddress)
        _ = try parallel(tiles, workers: workers) { tile in
          for (block, range) in parts {
            Self.addProducts(block, range, n, tile, to: shared.products)
            if let counts = shared.bothMissing, !block.missing.isEmpty {
              for list in block.missing[range] { Self.count(list, tile, in: counts) }
            }
          }
        }
      }
    }
  }

  private static func addProducts(
    _ block: StandardizedBlock, _ range: Range<Int>, _ n: Int, _ tile: Tile,
    to products: UnsafeMutablePointer<Double>
  ) {
    block.values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      let z = base + range.lowerBound * n
      let out = products + tile.columns.lowerBound * n + tile.rows.lowerBound
      if tile.rows == tile.columns {
        BLAS.addSquare(
          rows: tile.rows.count, inner: range.count, z + tile.rows.lowerBound, n, toLower: out, n)
      } else {
        BLAS.addProduct(
          rows: tile.rows.count, columns: tile.columns.count, inner: range.count, z + tile.rows.lowerBound, n,
          z + tile.columns.lowerBound, n, to: out, n)
      }
    }
  }

  private static func count(_ list: [Int32], _ tile: Tile, in counts: UnsafeMutablePointer<Float>) {
    guard !list.isEmpty else { return }
    func part(_ range: Range<Int>) -> ArraySlice<Int32> {
      let first = list.partitioningIndex { $0 >= range.lowerBound }
      return list[first...].prefix { $0 < range.upperBound }
    }
    let columns = part(tile.columns)
    for i in part(tile.rows) {
      let row = counts + Int(i) * (Int(i) + 1) / 2
      for j in columns where j <= i { row[Int(j)] += 1 }
    }
  }

  /// Adds the sums of other variants.
  mutating func add(_ other: KinshipSums) {
    variants += other.variants
    for i in missing.indices { missing[i] += other.missing[i] }
    for k in products.storage.indices { products.storage[k] += other.products.storage[k] }
    if bothMissing.isEmpty {
      bothMissing = other.bothMissing
    } else {
      for k in other.bothMissing.indices { bothMissing[k] += other.bothMissing[k] }
    }
  }

  /// The average over variants.
  ///
  /// - Throws: ``StudyError`` `degenerate` when two samples have no variant in common.
  consuming func kinship(path: String, sampleIDs: [String]) throws(StudyError) -> Kinship {
    let n = sampleCount
    let variants = variants
    var (matrix, counts) = (products, bothMissing)
    (products, bothMissing) = (Matrix(rows: 0, columns: 0), [])
    let isUniform = counts.isEmpty
    for j in 0..<n where isUniform {
      for i in j..<n { matrix.storage[j * n + i] /= Double(variants) }
    }
    if !isUniform {
      for i in 0..<n {
        let row = i * (i + 1) / 2
        for j in 0...i {
          // On the diagonal a variant that one lacks, the other lacks, too.
          let count = variants - missing[i] - missing[j] + Int(counts[row + j])
          guard count > 0 else {
            throw StudyError(
              .degenerate, file: path,
              "samples \(sampleIDs[i]) and \(sampleIDs[j]) have no variant in common",
              remedy: "leave samples or variants with many missing genotypes out (--samples, --max-missing)")
          }
          counts[row + j] = Float(count)
          matrix.storage[j * n + i] /= Double(count)
        }
      }
    }
    matrix.mirrorLowerTriangle()
    return Kinship(
      path: path, sampleIDs: sampleIDs, matrix: matrix,
      variantCounts: isUniform ? .uniform(Double(variants)) : .pairwise(counts))
  }
}

extension [Int32] {
  /// Of a sorted array, the first index whose element is in; its end when none is.
  fileprivate func partitioningIndex(_ isIn: (Int32) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isIn(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
