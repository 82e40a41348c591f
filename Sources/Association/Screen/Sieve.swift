internal import CScanKernels
internal import Dispatch
internal import Distributions
internal import Glibc
internal import StudyData
internal import Synchronization

/// What computes the product that screens the pairs. The hits are the same.
public enum ScanBackend: String, Sendable, CaseIterable {
  /// Integers for every trait and block of variants where they are predicted to be faster, else fp32.
  case automatic
  /// fp32 products by OpenBLAS.
  case blas
  /// Products of 8-bit integers wherever the scan can use them, whether or not they pay.
  case integer
}

/// Decides which pairs cannot be hits (|r| < r*); the others are recomputed in fp64, so that the hits are those of a scan in fp64.
///
/// Pairs go to the ``IntegerScreen`` or the ``FloatScreen``: by trait, as the precision of its codes allows, and by block, as that
/// of its dosages does. Both certify what they discard.
struct Sieve: Sendable {
  /// What a scan wants to know.
  enum Demand {
    /// Pairs with |r| ≥ r*.
    case hits
    /// Also the largest |r| of each variant and trait.
    case bests
    /// Every product.
    case allPairs
  }

  let lengths: ResidualLengths
  /// The traits that integers do not screen; all when ``Demand/allPairs`` are wanted.
  let float: FloatScreen
  let integer: IntegerScreen?
  /// r* of each pattern.
  let criticalR: [Double]
  /// fp32 columns of all traits, for blocks whose dosages integers do not resolve.
  private let allFloat: OnDemand<FloatScreen>
  private let traits: TraitPanel
  private let adapts: Bool

  /// - Parameters:
  ///   - logThreshold: ln p*; 0 makes every pair survive.
  ///   - instructions: of the integer products; nil for the fastest here.
  init(
    traits: TraitPanel, residualiser: Residualiser, logThreshold: Double, alternative: Alternative,
    demand: Demand = .hits, backend: ScanBackend = .automatic, instructions: InstructionSet? = nil,
    workers: Int = 1
  ) {
    let isOneSided = alternative != .twoSided
    // r* = 0 (p* = 1) would divide by zero; the smallest length makes the slack dominate, and everything survives.
    criticalR = traits.patterns.map { pattern in
      max(1e-30, traits.criticalR(pattern, logP: logThreshold, oneSided: isOneSided))
    }
    lengths = ResidualLengths(
      traits: traits, residualiser: residualiser,
      product: BlockedProduct(sampleCount: traits.sampleCount, isTight: demand == .allPairs))
    self.traits = traits
    adapts = backend == .automatic && demand == .hits

    precondition(instructions?.isAvailable ?? true, "this processor lacks the instructions asked for")
    let instructions = instructions ?? .fastest
    let all = (0..<traits.count).map { Int32($0) }
    var planned: [(trait: Int32, plan: TraitCodes.Plan)] = []
    if Self.canUseIntegers(
      demand, backend, instructions, traits, alternative: alternative)
    {
      let tail = Self.tail(traits, criticalR)
      let table = SurvivalTable(limit: criticalR[0], share: tail)
      // A trait stays with fp32 when that is predicted to cost less, hits included.
      let limit =
        demand == .hits && backend == .automatic
        ? instructions.floatCost + TraitCodes.survivorCost * tail(criticalR[0]) : .infinity
      planned = Self.plans(traits, table, instructions, limit: limit, workers: workers)
      if demand == .bests, planned.count < traits.count { planned = [] }
    }
    if planned.isEmpty {
      integer = nil
      float = FloatScreen(all, of: traits, criticalR: criticalR, lengths: lengths)
    } else {
      let codes = TraitCodes(
        planned, of: traits, lengths: lengths, instructions: instructions, workers: workers)
      let slack = Self.median(planned.map { (Double(traits.sampleCount) / 12).squareRoot() / $0.plan.scale })
      integer = IntegerScreen(
        traits: codes, instructions: instructions, lengths: lengths, criticalR: criticalR,
        survival: SurvivalTable(limit: max(1e-30, criticalR[0] - slack), share: Self.tail(traits, criticalR)))
      let chosen = Set(planned.map(\.trait))
      float = FloatScreen(
        all.filter { !chosen.contains($0) }, of: traits, criticalR: criticalR, lengths: lengths)
    }
    let (lengths, criticalR) = (lengths, criticalR)
    allFloat = OnDemand { FloatScreen(all, of: traits, criticalR: criticalR, lengths: lengths) }
  }

  /// Share of pairs without association that reach |r|, on the ν of complete traits.
  private static func tail(_ traits: TraitPanel, _ criticalR: [Double]) -> (Double) -> Double {
    let (nu, distribution) = (Double(max(1, traits.patterns[0].degreesOfFreedom)), traits.distributions[0])
    return { r in
      guard r > 0 else { return 1 }
      let rest = max(1e-300, 1 - r * r)
      return exp(distribution.logTwoSidedP(t: r * (nu / rest).squareRoot()))
    }
  }

  private static func plans(
    _ traits: TraitPanel, _ table: SurvivalTable, _ instructions: InstructionSet, limit: Double, workers: Int
  ) -> [(trait: Int32, plan: TraitCodes.Plan)] {
    let n = traits.sampleCount
    let lanes = max(1, min(workers, traits.count))
    let parts = Mutex<[(trait: Int32, plan: TraitCodes.Plan)]>([])
    DispatchQueue.concurrentPerform(iterations: lanes) { lane in
      var scratch: [Double] = []
      var own: [(trait: Int32, plan: TraitCodes.Plan)] = []
      for trait in stride(from: lane, to: traits.count, by: lanes) {
        let plan = traits.unit.withUnsafeBufferPointer { y in
          TraitCodes.plan(
            UnsafeBufferPointer(rebasing: y[trait * n..<(trait + 1) * n]),
            largestGenotypeCode: instructions.largestGenotypeCode,
            traitsPerTile: Int(instructions.shape.traits), limit: limit, survival: { table[$0] },
            scratch: &scratch)
        }
        if let plan { own.append((Int32(trait), plan)) }
      }
      parts.withLock { $0 += own }
    }
    return parts.withLock { $0 }.sorted { $0.trait < $1.trait }
  }

  private static func median(_ values: [Double]) -> Double {
    values.sorted()[values.count / 2]
  }

  /// In a sentence, for the manifest.
  func description(blasCore: String) -> String {
    let blas = "fp32 by OpenBLAS, \(blasCore)"
    guard let integer else { return "blas (\(blas))" }
    let integers = "8-bit integers, \(integer.instructions.rawValue)"
    return adapts || float.count > 0 ? "automatic (\(integers); \(blas))" : "integer (\(integers))"
  }

  /// Whether integers are wanted and can tell what is asked for: bests are compared by |g'ỹ|, which orders pairs of one ν and length.
  private static func canUseIntegers(
    _ demand: Demand, _ backend: ScanBackend, _ instructions: InstructionSet, _ traits: TraitPanel,
    alternative: Alternative
  ) -> Bool {
    guard backend == .integer || backend == .automatic && instructions != .portable else { return false }
    let isUniform = traits.patterns.count == 1 && traits.mixed == nil
    return demand == .hits || demand == .bests && isUniform && alternative == .twoSided
  }

  /// Bytes that the screens and their workspaces take, for `--memory`.
  ///
  static func bytes(
    _ traits: TraitPanel, rank: Int, alternative: Alternative, execution: Execution, demand: Demand
  ) -> Int {
    let (n, t, patterns, block) = (
      traits.sampleCount, traits.count, traits.patterns.count, Execution.blockSize
    )
    let instructions = execution.instructions ?? .fastest
    let hasIntegers = canUseIntegers(
      demand, execution.backend, instructions, traits, alternative: alternative)
    // Some or all traits of a scan for hits may go to fp32 after all.
    let hasFloats = !hasIntegers || demand == .hits && execution.backend == .automatic
    var parts = [
      traits.mixed == nil
        ? ResidualLengths.bytes(samples: n, rank: rank, patterns: patterns, block: block)
        : SpectralBounds.bytes(samples: n, patterns: patterns, block: block)
    ]
    if hasFloats {
      parts.append(
        FloatScreen.bytes(
          samples: n, traits: t, block: block, tile: demand == .hits ? FloatScreen.tileTraits : t))
    }
    if hasIntegers {
      parts.append(
        IntegerScreen.bytes(
          samples: n, traits: t, patterns: patterns, block: block, shape: instructions.shape,
          tracksBest: demand == .bests))
    }
    return parts.reduce(0) { $0 + $1.shared + execution.workers * $1.each }
  }

  /// One worker's scratch.
  struct Workspace {
    var block = ResidualLengths.Block()
    var float = FloatScreen.Workspace()
    var integer = IntegerScreen.Workspace()
    /// Whether the encoded panel goes to fp32 with all traits.
    fileprivate var isFloatOnly = false
  }

  /// Makes the bounds of a panel; returns the variants in the span of the covariates. See ``ResidualLengths``.
  func prepare(_ panel: VariantPanel, _ w: inout Workspace, exactLength: (Int) -> Double?) -> [Int] {
    lengths.prepare(panel, &w.block, exactLength: exactLength)
  }

  /// Codes the prepared panel, and decides whether integers resolve its dosages.
  func encode(_ panel: VariantPanel, _ w: inout Workspace) {
    w.isFloatOnly = integer == nil
    guard let integer else { return }
    let cost = integer.encode(panel, w.block, &w.integer)
    let floatCost = integer.instructions.floatCost + TraitCodes.survivorCost * integer.leastSurvival
    w.isFloatOnly = adapts && cost > floatCost
  }

  /// Variants to screen with the same floors when `seen` were before: the floors are as good as those are many.
  func group(after seen: Int) -> Int {
    let width = integer.map { Int($0.instructions.shape.width) } ?? 16
    return max(width, seen / width * width)
  }

  /// Pairs of the encoded panel that may have |r| ≥ r*·floor, as variant << 32 | trait, ascending.
  ///
  /// - Parameters:
  ///   - variants: its start is a multiple of the kernel's width, as with ``group(after:)``.
  ///   - skip: variants that are not tested.
  ///   - floors: by trait; nil for 1.
  func survivors(
    _ variants: Range<Int>, of panel: VariantPanel, skip: Set<Int>, floors: [Float]? = nil,
    _ w: inout Workspace, counts: inout ScanCounts, into survivors: inout [UInt64]
  ) {
    survivors.removeAll(keepingCapacity: true)
    let tested = variants.count - skip.count { variants.contains($0) }
    let float = w.isFloatOnly && integer != nil ? allFloat.value : float
    if let integer, !w.isFloatOnly {
      let reach = floors.map { integer.traits.reach(floors: $0) }
      integer.collect(variants: variants, skip: skip, reach: reach, &w.integer, into: &survivors)
      counts.integerPairs += tested * (traits.count - float.count)
    }
    if float.count > 0 {
      counts.floatPairs += tested * float.count
      let order = float.order
      let columnFloors = floors.map { floors in order.map { floors[Int($0)] } }
      float.forEachRow(
        variants: variants, tileTraits: FloatScreen.tileTraits, w.block, &w.float
      ) { v, columns, c, own in
        guard !skip.contains(v) else { return }
        let found = float.collect(variant: v, columns: columns, c, floors: columnFloors, w.block, &own)
        for k in 0..<found {
          survivors.append(UInt64(v) << 32 | UInt64(order[columns.lowerBound + Int(own.found[k])]))
        }
      }
    }
    survivors.sort()
  }
}

/// A value made when it is first asked for.
private final class OnDemand<Value: Sendable>: Sendable {
  private let made = Mutex<Value?>(nil)
  private let make: @Sendable () -> Value

  init(_ make: @escaping @Sendable () -> Value) { self.make = make }

  var value: Value {
    made.withLock { known in
      if let known { return known }
      let value = make()
      known = value
      return value
    }
  }
}
