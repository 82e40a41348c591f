internal import CScanKernels
internal import Dispatch
internal import Synchronization

/// Traits as integers: ŷ = s·ỹ rounded, Σŷ = 0, for the integer screen.
///
/// |ŷ| ≤ 127 takes one digit. A trait with outliers would lose its precision to them, so codes may have a high digit,
/// ŷ = 254·high + low: for a few samples (cost in proportion to the groups of four that hold them) or for all (cost × 2), whichever
/// is cheapest for the trait. Sums are of 32 bits: largest genotype code × Σ|ŷ| < 2³¹ limits s.
struct TraitCodes: Sendable {
  /// How one trait is to be coded.
  struct Plan: Sendable {
    var scale: Double
    /// Largest |code|.
    var limit: Int32
    /// Samples beyond one digit; n for all.
    var outliers: Int
    /// In units of a trait with one digit, with the expected survivors.
    var cost: Double
  }

  /// Trait-panel index of each slot; -1 pads the last tile.
  let order: [Int32]
  /// λ = ‖δ‖, δ = s·ỹ − ŷ, rounded up, and s: by slot.
  let error: [Float]
  let scale: [Float]
  /// s times the share of its row's length that the trait's is at least.
  let reach: [Float]
  /// Row of length bounds.
  let lengthRow: [Int32]
  let groups: Int
  let tiles: Int
  /// ŷ as `sk_traits` describes it.
  let low: [Int8]
  let highStart: [Int64]
  let highGroup: [Int32]
  let high: [Int8]

  var count: Int { order.count }

  static let largestCode = Int(sk_largest_code)
  /// One survivor in fp64 costs as much as this many pairs in integers.
  static let survivorCost = 40.0

  /// - Parameters:
  ///   - plans: of the traits at `traits` (indices into the panel).
  init(
    _ plans: [(trait: Int32, plan: Plan)], of panel: TraitPanel, lengths: ResidualLengths,
    instructions: InstructionSet, workers: Int
  ) {
    let n = panel.sampleCount
    let groups = (n + 3) / 4
    let width = Int(instructions.shape.traits)
    // Traits with like numbers of outliers share tiles, so that few groups are united for each.
    let sorted = plans.sorted { ($0.plan.outliers, $0.trait) < ($1.plan.outliers, $1.trait) }
    let tiles = (sorted.count + width - 1) / width
    let slots = tiles * width

    struct Tile {
      var group: [Int32] = []
      var high: [Int8] = []
    }
    var low = [Int8](repeating: 0, count: tiles * groups * width * 4)
    // Padding: nothing reaches an infinite bound.
    var error = [Float](repeating: 0, count: slots)
    var scale = [Float](repeating: 1, count: slots)
    let parts = Mutex([Tile](repeating: Tile(), count: tiles))
    low.withUnsafeMutableBufferPointer { low in
      error.withUnsafeMutableBufferPointer { error in
        scale.withUnsafeMutableBufferPointer { scale in
          let shared = Shared(low: low.baseAddress, error: error.baseAddress!, scale: scale.baseAddress!)
          let lanes = max(1, min(workers, tiles))
          DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            var codes = [Int16](repeating: 0, count: width * groups * 4)
            var group = [Int32](repeating: 0, count: groups)
            var high = [Int8](repeating: 0, count: width * groups * 4)
            var own: [(Int, Tile)] = []
            for tile in stride(from: lane, to: tiles, by: lanes) {
              for i in codes.indices { codes[i] = 0 }
              for j in 0..<width where tile * width + j < sorted.count {
                let (trait, plan) = sorted[tile * width + j]
                let slot = tile * width + j
                let squared = panel.unit.withUnsafeBufferPointer { y in
                  codes.withUnsafeMutableBufferPointer {
                    sk_encode_trait(
                      y.baseAddress! + Int(trait) * n, Int64(n), plan.scale, plan.limit,
                      $0.baseAddress! + j * groups * 4)
                  }
                }
                // Codes that do not add up to zero decide nothing: an infinite error keeps every pair.
                shared.error[slot] =
                  squared < 0 ? .infinity : Float(squared.squareRoot() * (1 + 1e-6) + 1e-9)
                shared.scale[slot] = Float(plan.scale)
              }
              let entries = Int(
                sk_place_traits(
                  codes, Int64(groups), Int64(width), shared.low! + tile * groups * width * 4, &group, &high))
              if entries > 0 {
                own.append(
                  (tile, Tile(group: Array(group[..<entries]), high: Array(high[..<(entries * width * 4)])))
                )
              }
            }
            parts.withLock { for (tile, part) in own { $0[tile] = part } }
          }
        }
      }
    }
    var (start, group, high): ([Int64], [Int32], [Int8]) = ([0], [], [])
    for part in parts.withLock({ $0 }) {
      group += part.group
      high += part.high
      start.append(Int64(group.count))
    }
    (highStart, highGroup, self.high) = (start, group, high)
    self.low = low
    self.error = error
    self.scale = scale
    self.groups = groups
    self.tiles = tiles
    let padding = [Int32](repeating: -1, count: slots - sorted.count)
    order = sorted.map(\.trait) + padding
    lengthRow = sorted.map { lengths.rowOf[Int($0.trait)] } + padding.map { _ in 0 }
    reach =
      zip(sorted, scale).map { Float(Double($1) * lengths.share(Int($0.trait)) * (1 - 0x1p-23)) }
      + scale[sorted.count...]
  }

  private struct Shared: @unchecked Sendable {
    let low: UnsafeMutablePointer<Int8>?
    let error: UnsafeMutablePointer<Float>
    let scale: UnsafeMutablePointer<Float>
  }

  /// ``reach`` times floors, by slot.
  ///
  /// - Parameter floors: by trait of the panel; 0 counts as a little more, so that infinite bounds stay infinite.
  func reach(floors: [Float]) -> [Float] {
    order.indices.map { slot in
      order[slot] < 0 ? reach[slot] : reach[slot] * max(1e-30, floors[Int(order[slot])])
    }
  }

  /// Lends everything to C; `floored` replaces ``reach`` when floors are in force.
  func withTraits<R>(reach floored: [Float]?, _ body: (UnsafePointer<sk_traits>) -> R) -> R {
    low.withUnsafeBufferPointer { low in
      highStart.withUnsafeBufferPointer { start in
        highGroup.withUnsafeBufferPointer { group in
          high.withUnsafeBufferPointer { high in
            (floored ?? reach).withUnsafeBufferPointer { reach in
              scale.withUnsafeBufferPointer { scale in
                error.withUnsafeBufferPointer { error in
                  lengthRow.withUnsafeBufferPointer { row in
                    var traits = sk_traits(
                      groups: Int64(groups), low: low.baseAddress, high_start: start.baseAddress,
                      high_group: group.baseAddress, high: high.baseAddress, reach: reach.baseAddress,
                      scale: scale.baseAddress, error: error.baseAddress, length_row: row.baseAddress)
                    return body(&traits)
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /// Bytes of the codes with one digit, and with two.
  static func bytes(samples n: Int, traits t: Int) -> Int { 2 * n * t }

  // MARK: plans

  /// The cheapest coding of a unit trait whose predicted cost is below `limit`; nil when there is none.
  ///
  /// - Parameters:
  ///   - survival: share of pairs that survive when r may be off by this much.
  ///   - scratch: room for magnitudes.
  static func plan(
    _ y: UnsafeBufferPointer<Double>, largestGenotypeCode: Int, traitsPerTile: Int, limit: Double,
    survival: (Double) -> Double, scratch: inout [Double]
  ) -> Plan? {
    let n = Double(y.count)
    let largest = sk_largest_magnitude(y.baseAddress!, Int64(y.count))
    var total = 0.0
    for value in y { total += abs(value) }
    // largest genotype code × Σ|ŷ| < 2³¹, each code up to 1.5 from s·ỹ.
    let roof = (0x1p31 / Double(largestGenotypeCode) - 2 * n) / total
    func candidate(_ wanted: Double, outliers: Int, work: Double) -> Plan {
      // One below the limit leaves room for the step that makes codes add up to zero.
      let scale = min(wanted, roof, Double(largestCode - 1) / largest)
      let slack = (n / 12).squareRoot() / scale
      return Plan(
        scale: scale, limit: Int32(outliers == 0 ? 127 : largestCode), outliers: outliers,
        cost: work + survivorCost * survival(slack))
    }
    guard roof > 0 else { return nil }
    var best = candidate(127 / largest, outliers: 0, work: 1)
    // Past this, other codings cannot save more than the noise of the estimate.
    if best.cost > 1.05 {
      let all = candidate(.infinity, outliers: y.count, work: 2.02)
      if all.cost < best.cost { best = all }
      largestMagnitudes(y, y.count / 16, into: &scratch)
      var k = 1
      while k < scratch.count, scratch[k] > 0 {
        // Each outlier is in a group of its own, and a tile unites the groups of its traits.
        let work = 1 + min(1, Double(4 * k * traitsPerTile) / n)
        let some = candidate(127 / scratch[k], outliers: k, work: work)
        if some.cost < best.cost { best = some }
        k = k < 4 ? k + 1 : k + k / 2
      }
    }
    return best.cost < limit ? best : nil
  }

  /// Into `out` about the `count` largest |y| and no others, descending: what lies above a quantile of a sample of them.
  private static func largestMagnitudes(
    _ y: UnsafeBufferPointer<Double>, _ count: Int, into out: inout [Double]
  ) {
    let stride = max(1, y.count / 1024)
    out.removeAll(keepingCapacity: true)
    for i in Swift.stride(from: 0, to: y.count, by: stride) { out.append(abs(y[i])) }
    out.sort(by: >)
    let least = out[min(out.count - 1, count / stride + 1)]
    out.removeAll(keepingCapacity: true)
    for value in y where abs(value) >= least { out.append(abs(value)) }
    out.sort(by: >)
  }
}
