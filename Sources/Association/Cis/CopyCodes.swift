internal import CScanKernels
internal import Glibc

/// Permuted copies of one trait as integers, the traits of an integer product: as ``TraitCodes``, made anew for every batch.
struct CopyCodes {
  let instructions: InstructionSet
  let groups: Int
  let capacity: Int
  private var low: [Int8]
  private var high: [Int8]
  private var highStart: [Int64]
  private var highGroup: [Int32]
  /// s in units of the trait's length, and λ.
  private var scale: [Float]
  private var error: [Float]
  /// The trait is the only one, so has the only pattern.
  private let lengthRow: [Int32]
  private var codes: [Int16]

  private var perTile: Int { Int(instructions.shape.traits) }
  /// Tiles that hold the copies of the last `fill`.
  private(set) var tiles = 0
  var slots: Int { scale.count }

  /// - Parameter capacity: copies in a batch.
  init(sampleCount n: Int, capacity: Int, instructions: InstructionSet) {
    self.instructions = instructions
    self.capacity = capacity
    groups = (n + 3) / 4
    let perTile = Int(instructions.shape.traits)
    let tiles = (capacity + perTile - 1) / perTile
    let digits = tiles * groups * perTile * 4
    low = [Int8](repeating: 0, count: digits)
    high = low
    highStart = [Int64](repeating: 0, count: tiles + 1)
    highGroup = [Int32](repeating: 0, count: tiles * groups)
    scale = [Float](repeating: 1, count: tiles * perTile)
    error = [Float](repeating: 0, count: tiles * perTile)
    lengthRow = [Int32](repeating: 0, count: tiles * perTile)
    codes = [Int16](repeating: 0, count: perTile * groups * 4)
  }

  static func bytes(samples n: Int, capacity: Int) -> Int { 2 * (n + 4) * capacity }

  /// Codes `count` residuals, n × count; what is left of the last tile becomes copies of zeros.
  ///
  /// - Parameters:
  ///   - length: of the trait, which `plan` is for.
  mutating func fill(
    _ residuals: UnsafePointer<Double>, count: Int, sampleCount n: Int, length: Double, plan: TraitCodes.Plan
  ) {
    // Residuals of copies reach a little further than the trait itself.
    let wanted = 0.9 * plan.scale
    let (groups, size) = (self.groups, perTile * 4)
    var entries = 0
    tiles = (count + perTile - 1) / perTile
    for tile in 0..<tiles {
      for j in 0..<perTile {
        let slot = tile * perTile + j
        codes.withUnsafeMutableBufferPointer { codes in
          let own = codes.baseAddress! + j * groups * 4
          if slot < count {
            let squared = sk_encode_trait(
              residuals + slot * n, Int64(n), wanted / length, plan.limit, own)
            // Sums of 32 bits; the plan saw to it for the trait, whose copies' residuals may be longer.
            var magnitude = 0
            for k in 0..<n { magnitude += Int(own[k].magnitude) }
            let fits = magnitude * instructions.largestGenotypeCode < 1 << 31
            // Codes that overflow or do not add up to zero decide nothing: an infinite error keeps every pair.
            error[slot] = squared < 0 || !fits ? .infinity : Float(squared.squareRoot() * (1 + 1e-6) + 1e-9)
            scale[slot] = Float(wanted)
          } else {
            own.update(repeating: 0, count: groups * 4)
            error[slot] = 0
            scale[slot] = 1
          }
        }
      }
      low.withUnsafeMutableBufferPointer { low in
        highGroup.withUnsafeMutableBufferPointer { group in
          high.withUnsafeMutableBufferPointer { high in
            entries += Int(
              sk_place_traits(
                codes, Int64(groups), Int64(size / 4), low.baseAddress! + tile * groups * size,
                group.baseAddress! + entries, high.baseAddress! + entries * size))
          }
        }
      }
      highStart[tile + 1] = Int64(entries)
    }
  }

  /// Lends everything to C.
  func withTraits<R>(_ body: (UnsafePointer<sk_traits>) -> R) -> R {
    low.withUnsafeBufferPointer { low in
      high.withUnsafeBufferPointer { high in
        highStart.withUnsafeBufferPointer { start in
          highGroup.withUnsafeBufferPointer { group in
            scale.withUnsafeBufferPointer { scale in
              error.withUnsafeBufferPointer { error in
                lengthRow.withUnsafeBufferPointer { row in
                  var traits = sk_traits(
                    groups: Int64(groups), low: low.baseAddress, high_start: start.baseAddress,
                    high_group: group.baseAddress, high: high.baseAddress, reach: scale.baseAddress,
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
