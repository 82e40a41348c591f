internal import CScanKernels
internal import Distributions
internal import Glibc
internal import LinearAlgebra
internal import StudyData

/// The largest correlation of each permuted copy of a trait with the variants of a window, exactly.
///
/// A copy is the raw trait in another order among its observed samples, residualised anew and scaled to length 1:
/// r_b = g'MP_b y/(‖Mg‖‖MP_b y‖). (Permuting residuals instead is wrong where variants correlate with covariates.) Copies are the
/// traits of an integer product with the window's raw codes; its certificate (``IntegerScreen``) leaves the few pairs that may be a
/// copy's largest, and those are computed in fp64.
///
/// In a mixed model what is permuted are the whitened residuals (``WhitenedTrait``), and r_b = g'z_b/(√(g'Pg)·‖e‖).
///
/// One worker's: it holds the scratch of a batch of copies.
struct PermutationMaxima {
  /// Orders of the samples, n of each copy, shared by all genes and workers.
  struct Orders: Sendable {
    let sampleCount: Int
    fileprivate let order: [Int32]

    /// - Complexity: O(n log n) a copy, 4 bytes each.
    init(seed: UInt64, sampleIDs: [String], count: Int, workers: Int) throws {
      let shuffles = Permutations(seed: seed, sampleIDs: sampleIDs)
      sampleCount = sampleIDs.count
      order = try parallel(Array(1...max(1, count)), workers: workers) { shuffles.order($0) }.flatMap(\.self)
    }
  }

  /// Columns of one call of dgemm: the same for every copy, so that its bits depend on the copy alone.
  private static let panelWidth = WhitenedTrait.width

  private let orders: Orders
  private let residualiser: Residualiser
  let instructions: InstructionSet
  private let alternative: Alternative
  private let blocking: CacheBlocking
  private(set) var window: WindowCodes
  private var copies: CopyCodes
  /// n × batch: copies, then their residuals.
  private var residuals: [Double]
  /// What r of each copy is g'x over, with the variant's length: ‖MP_b y‖, 0 where nothing is left.
  private var norms: [Double]
  private var coefficients: [Double] = []
  private var adjusted: [Double] = []
  private var sums: [Int32] = []
  private var found: [UInt64] = []
  private var upper: [Float] = []
  private var floors: [Float]
  private var candidates: [(place: UInt64, upper: Float)] = []
  private var genotype: [Double]
  private var columns: [Int32] = []
  private var products: [Double] = []
  /// Pairs × copies decided by integers, and recomputed.
  private(set) var pairs = 0
  private(set) var recomputed = 0

  mutating func resetCounts() { (pairs, recomputed) = (0, 0) }

  /// Copies in a batch.
  var batch: Int { copies.capacity }

  init(orders: Orders, residualiser: Residualiser, instructions: InstructionSet, alternative: Alternative) {
    self.orders = orders
    self.residualiser = residualiser
    self.instructions = instructions
    self.alternative = alternative
    let n = orders.sampleCount
    blocking = CacheBlocking(groups: (n + 3) / 4, shape: self.instructions.shape)
    let wanted = blocking.tiles * Int(self.instructions.shape.traits) / Self.panelWidth
    copies = CopyCodes(
      sampleCount: n, capacity: Self.panelWidth * max(1, min(16, wanted)), instructions: self.instructions)
    window = WindowCodes(instructions: self.instructions)
    residuals = [Double](repeating: 0, count: n * copies.capacity)
    norms = [Double](repeating: 0, count: copies.capacity)
    floors = [Float](repeating: 0, count: copies.slots)
    genotype = [Double](repeating: 0, count: n)
  }

  /// A trait, and the variants it is tested with.
  struct Subject {
    /// Raw, centred over the observed samples and 0 elsewhere.
    var values: [Double]
    /// In a mixed model, in place of the raw values.
    var whitened: WhitenedTrait?
    var pattern: MissingPattern
    /// Indices of the observed samples, ascending, and whether each sample is one; nil where all are.
    var observed: [Int32]?
    var isObserved: [Bool] = []
    var window: CisWindow
    /// ‖M_p g‖ of each variant of the window, ρ·√(g'Pg) in a mixed model; 0 for those that are not tested.
    var lengths: [Double]
    var plan: TraitCodes.Plan
    /// At least that of every copy's residuals.
    var length: Double

    init(
      _ trait: Int, of prepared: PreparedStudy, in study: Study, _ transform: TraitTransform,
      window: CisWindow, lengths: [Double], instructions: InstructionSet
    ) {
      whitened = WhitenedTrait(trait, of: prepared.traits)
      let typical =
        whitened?.reversedCopy() ?? prepared.traits.centered(trait, of: study, transform: transform)
      values = whitened == nil ? typical : []
      self.window = window
      self.lengths = lengths
      let variants = lengths.count { $0 > 0 }
      let traits = prepared.traits
      let pattern = traits.patterns[Int(traits.patternOf[trait])]
      self.pattern = pattern
      if !pattern.missing.isEmpty {
        var isObserved = [Bool](repeating: true, count: typical.count)
        for i in pattern.missing { isObserved[Int(i)] = false }
        observed = typical.indices.filter { isObserved[$0] }.map(Int32.init)
        self.isObserved = isObserved
      }
      let length = typical.reduce(0) { $0 + $1 * $1 }.squareRoot()
      self.length = whitened == nil ? length : 1
      plan = Self.plan(typical, length, pattern, variants: variants, instructions)
    }

    /// Codes of a precision that pays where the largest of so many correlations will lie.
    private static func plan(
      _ y: [Double], _ length: Double, _ pattern: MissingPattern, variants: Int,
      _ instructions: InstructionSet
    ) -> TraitCodes.Plan {
      let nu = Double(max(1, pattern.degreesOfFreedom))
      let distribution = StudentT(degreesOfFreedom: nu)
      let limit = StudentT.criticalCorrelation(
        logP: -log(Double(max(20, variants)) / 2), degreesOfFreedom: nu, oneSided: false)
      let table = SurvivalTable(limit: limit) { r in
        guard r > 0 else { return 1 }
        return exp(distribution.logTwoSidedP(t: r * (nu / max(1e-300, 1 - r * r)).squareRoot()))
      }
      var scratch: [Double] = []
      let unit = y.map { $0 / length }
      return unit.withUnsafeBufferPointer {
        TraitCodes.plan(
          $0, largestGenotypeCode: instructions.largestGenotypeCode,
          traitsPerTile: Int(instructions.shape.traits),
          limit: .infinity, survival: { table[$0] }, scratch: &scratch)
      } ?? TraitCodes.Plan(scale: 1, limit: 127, outliers: 0, cost: .infinity)
    }
  }

  /// Takes the window of a subject; those that follow with the same window and lengths need not.
  mutating func load(_ subject: Subject) {
    window.fill(subject.window, lengths: subject.lengths, sampleCount: orders.sampleCount)
  }

  /// r of the best variant of each copy in `range` (0-based), at most ``batch`` of them, from the first of a panel: |r|, or r in the
  /// direction that is tested. NaN for copies that lie in the span of the covariates.
  mutating func maxima(_ subject: Subject, copies range: Range<Int>) -> [Double] {
    precondition(range.count <= batch && range.lowerBound % Self.panelWidth == 0)
    let n = orders.sampleCount
    makeResiduals(subject, range)
    residuals.withUnsafeBufferPointer {
      copies.fill(
        $0.baseAddress!, count: range.count, sampleCount: n, length: subject.length, plan: subject.plan)
    }
    screen(count: range.count)
    return decide(subject, count: range.count)
  }

  // MARK: copies

  private mutating func makeResiduals(_ subject: Subject, _ range: Range<Int>) {
    if let whitened = subject.whitened {
      makeResiduals(whitened, range)
    } else {
      projectCopies(subject, range)
    }
  }

  /// z_b at length 1, whose r is g'x/(ρ·√(g'Pg)·‖z_b‖⁻¹).
  private mutating func makeResiduals(_ trait: WhitenedTrait, _ range: Range<Int>) {
    let (n, m) = (orders.sampleCount, trait.spectrum.size)
    grow(&coefficients, m * Self.panelWidth)
    for first in stride(from: 0, to: range.count, by: Self.panelWidth) {
      coefficients.withUnsafeMutableBufferPointer { a in
        orders.order.withUnsafeBufferPointer { order in
          for k in 0..<Self.panelWidth {
            let own = a.baseAddress! + k * m
            if first + k < range.count {
              trait.permute(order.baseAddress! + (range.lowerBound + first + k) * n, to: own)
            } else {
              own.update(repeating: 0, count: m)
            }
          }
        }
      }
      residuals.withUnsafeMutableBufferPointer { residuals in
        let z = residuals.baseAddress! + first * n
        z.update(repeating: 0, count: n * Self.panelWidth)
        trait.spectrum.subtractCombination(coefficients, width: Self.panelWidth, from: z)
      }
    }
    residuals.withUnsafeMutableBufferPointer { residuals in
      for k in range.indices.map({ $0 - range.lowerBound }) {
        let z = residuals.baseAddress! + k * n
        var squared = 0.0
        sk_panel_products(z, 1, z, 1, Int64(n), &squared)
        norms[k] = 1 / squared.squareRoot()
        for i in 0..<n { z[i] *= norms[k] }
      }
    }
  }

  private mutating func projectCopies(_ subject: Subject, _ range: Range<Int>) {
    let (n, rank) = (orders.sampleCount, residualiser.rank)
    grow(&coefficients, rank * Self.panelWidth)
    grow(&adjusted, rank * Self.panelWidth)
    // Lent out, so that the methods below may use the rest of self.
    var own: [Double] = []
    swap(&own, &residuals)
    defer { swap(&own, &residuals) }
    own.withUnsafeMutableBufferPointer { residuals in
      let base = residuals.baseAddress!
      for (k, copy) in range.enumerated() { permute(subject, copy, to: base + k * n) }
      let padded = (range.count + Self.panelWidth - 1) / Self.panelWidth * Self.panelWidth
      (base + range.count * n).update(repeating: 0, count: (padded - range.count) * n)
      for first in stride(from: 0, to: padded, by: Self.panelWidth) {
        project(base + first * n, subject.pattern)
      }
      for k in range.indices {
        let x = base + (k - range.lowerBound) * n
        var squared = 0.0
        sk_panel_products(x, 1, x, 1, Int64(n), &squared)
        let isLeft = squared > PairEvaluator.collinearity * subject.length * subject.length
        norms[k - range.lowerBound] = isLeft ? squared.squareRoot() : 0
      }
    }
  }

  private func permute(_ subject: Subject, _ copy: Int, to out: UnsafeMutablePointer<Double>) {
    let n = orders.sampleCount
    orders.order.withUnsafeBufferPointer { order in
      subject.values.withUnsafeBufferPointer { y in
        let order = order.baseAddress! + copy * n
        guard let observed = subject.observed else {
          for i in 0..<n { out[i] = y[Int(order[i])] }
          return
        }
        // Values move among the observed samples, in the order in which those appear.
        out.update(repeating: 0, count: n)
        var next = 0
        for i in observed {
          while !subject.isObserved[Int(order[next])] { next += 1 }
          out[Int(i)] = y[Int(order[next])]
          next += 1
        }
      }
    }
  }

  /// x ← Mx of a panel of columns: coefficients Q'x, for incomplete traits times (Q'Q over the observed)⁺.
  private mutating func project(_ x: UnsafeMutablePointer<Double>, _ pattern: MissingPattern) {
    let (n, rank, width) = (orders.sampleCount, residualiser.rank, Self.panelWidth)
    let isComplete = pattern.missing.isEmpty
    // Of an incomplete pattern the inverse has errors: a second pass takes them away.
    for _ in 0..<(isComplete ? 1 : 2) {
      BLAS.multiplyTransposed(
        rows: rank, columns: width, inner: n, residualiser.q, n, x, n, into: &coefficients, rank)
      if isComplete {
        BLAS.subtractProduct(
          rows: n, columns: width, inner: rank, residualiser.q, n, coefficients, rank, from: x, n)
        continue
      }
      BLAS.multiplyTransposed(
        rows: rank, columns: width, inner: rank, pattern.inverse, rank, coefficients, rank, into: &adjusted,
        rank)
      BLAS.subtractProduct(
        rows: n, columns: width, inner: rank, residualiser.q, n, adjusted, rank, from: x, n)
      for column in 0..<width { for i in pattern.missing { x[column * n + Int(i)] = 0 } }
    }
  }

  // MARK: maxima

  /// Leaves in `candidates` what may be the largest r of a copy.
  private mutating func screen(count: Int) {
    let width = Int(instructions.shape.width)
    let side: Int32 =
      switch alternative {
      case .twoSided: 0
      case .greater: 1
      case .less: -1
      }
    for slot in floors.indices { floors[slot] = slot < count ? (side == 0 ? 0 : -.infinity) : .infinity }
    grow(&sums, copies.slots * width)
    grow(&found, copies.slots * width)
    grow(&upper, copies.slots * width)
    candidates.removeAll(keepingCapacity: true)
    let tiles = copies.tiles
    for p in 0..<window.panelCount {
      let reported = copies.withTraits { traits in
        window.withPanel(p, sampleCount: orders.sampleCount) { panel in
          Int(
            sk_screen_maxima(
              instructions.kernel, panel, traits, 0, Int64(tiles), Int64(blocking.groups), side, &sums,
              &floors,
              &found, &upper))
        }
      }
      for k in 0..<reported {
        let slot = found[k] >> 32
        guard slot < count else { continue }
        let variant = UInt64(window.lanes[p * width + Int(found[k] & 0xFFFF_FFFF)])
        candidates.append((variant << 32 | slot, upper[k]))
      }
    }
    pairs += count * window.panelCount * width
    // The floors are final now: most of what came early falls away.
    candidates.removeAll { $0.upper < floors[Int($0.place & 0xFFFF_FFFF)] }
    candidates.sort { $0.place < $1.place }
  }

  /// The largest r of each copy among its candidates, in fp64.
  private mutating func decide(_ subject: Subject, count: Int) -> [Double] {
    let n = orders.sampleCount
    var best = [Double](repeating: -.infinity, count: count)
    var position = 0
    while position < candidates.count {
      let k = Int(candidates[position].place >> 32)
      columns.removeAll(keepingCapacity: true)
      while position < candidates.count, Int(candidates[position].place >> 32) == k {
        let slot = Int32(truncatingIfNeeded: candidates[position].place & 0xFFFF_FFFF)
        // Lanes that pad a panel repeat a pair.
        if columns.last != slot { columns.append(slot) }
        position += 1
      }
      let (panel, index) = subject.window.place(k)
      genotype.withUnsafeMutableBufferPointer { panel.writeCentered(index, to: $0.baseAddress!) }
      grow(&products, columns.count)
      sk_products(genotype, residuals, columns, Int64(columns.count), Int64(n), &products)
      recomputed += columns.count
      for (j, slot) in columns.enumerated() {
        let r = products[j] / (subject.lengths[k] * norms[Int(slot)])
        let reached =
          switch alternative {
          case .twoSided: abs(r)
          case .greater: r
          case .less: -r
          }
        if reached > best[Int(slot)] { best[Int(slot)] = min(1, reached) }
      }
    }
    for slot in 0..<count where norms[slot] == 0 || best[slot] == -.infinity { best[slot] = .nan }
    return best
  }
}
