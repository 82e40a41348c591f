import CScanKernels
import Foundation
import TestSupport
import Testing

@testable import Association

/// `integer_products.h`: sums are exact, so every instruction set gives those of plain loops; what a comparison decides is the
/// documented inequality.
@Suite struct IntegerProductTests {
  /// An array at a fixed address.
  private final class Pinned<Element> {
    let at: UnsafeMutablePointer<Element>

    init(_ values: [Element]) {
      at = .allocate(capacity: max(1, values.count))
      at.initialize(from: values, count: values.count)
    }

    deinit { at.deallocate() }
  }

  /// A panel and three tiles, in plain order and as a kernel takes them.
  private struct Problem {
    static let tiles = 3
    let instructions: InstructionSet
    let n: Int
    let width: Int
    let perTile: Int
    let groups: Int
    /// By lane, and by slot.
    let genotypes: [[UInt8]]
    let low: [[Int8]]
    let high: [[Int8]]
    let codes: Pinned<UInt8>
    private let panelLow: Pinned<Int8>
    private let highStart: Pinned<Int64>
    private let highGroup: Pinned<Int32>
    private let panelHigh: Pinned<Int8>
    let reach: Pinned<Float>
    let scale: Pinned<Float>
    let error: Pinned<Float>
    let row: Pinned<Int32>

    var slots: Int { Problem.tiles * perTile }

    /// - Parameters:
    ///   - genotype: code of a sample.
    ///   - digits: low and high digit of a sample of a slot.
    init(
      _ instructions: InstructionSet, n: Int, genotype: () -> UInt8,
      digits: (_ slot: Int, _ sample: Int) -> (Int8, Int8)
    ) {
      self.instructions = instructions
      self.n = n
      let shape = instructions.shape
      let (width, perTile, groups) = (Int(shape.width), Int(shape.traits), (n + 3) / 4)
      (self.width, self.perTile, self.groups) = (width, perTile, groups)
      let slots = Problem.tiles * perTile
      genotypes = (0..<width).map { _ in (0..<n).map { _ in genotype() } }
      var (low, high): ([[Int8]], [[Int8]]) = ([], [])
      for slot in 0..<slots {
        let pairs = (0..<n).map { digits(slot, $0) }
        low.append(pairs.map(\.0))
        high.append(pairs.map(\.1))
      }
      (self.low, self.high) = (low, high)

      var codes = [UInt8](repeating: 0, count: groups * width * 4)
      for (lane, g) in genotypes.enumerated() {
        sk_place_codes(g, Int64(n), Int64(width), Int64(lane), &codes)
      }
      self.codes = Pinned(codes)
      func four(_ y: [Int8], _ k: Int) -> [Int8] { (4 * k..<4 * k + 4).map { $0 < n ? y[$0] : 0 } }
      var placed: [Int8] = []
      var (start, group, digit): ([Int64], [Int32], [Int8]) = ([0], [], [])
      for tile in 0..<Problem.tiles {
        let own = tile * perTile..<(tile + 1) * perTile
        for k in 0..<groups {
          for slot in own { placed += four(low[slot], k) }
          let digits = own.flatMap { four(high[$0], k) }
          guard digits.contains(where: { $0 != 0 }) else { continue }
          group.append(Int32(k))
          digit += digits
        }
        start.append(Int64(group.count))
      }
      panelLow = Pinned(placed)
      (highStart, highGroup, panelHigh) = (Pinned(start), Pinned(group), Pinned(digit))
      reach = Pinned([Float](repeating: 1, count: slots))
      scale = Pinned([Float](repeating: 1, count: slots))
      error = Pinned([Float](repeating: 0, count: slots))
      row = Pinned([Int32](repeating: 0, count: slots))
    }

    var traits: sk_traits {
      sk_traits(
        groups: Int64(groups), low: panelLow.at, high_start: highStart.at, high_group: highGroup.at,
        high: panelHigh.at, reach: reach.at, scale: scale.at, error: error.at, length_row: row.at)
    }

    /// Modulo 2³², by slot and lane.
    func plainSums() -> [Int32] {
      (0..<slots).flatMap { slot -> [Int32] in
        let y = zip(low[slot], high[slot]).map { Int32($0) + 254 * Int32($1) }
        return genotypes.map { g in
          var sum: Int32 = 0
          for i in 0..<n { sum &+= Int32(g[i]) &* y[i] }
          return sum
        }
      }
    }

    func sums(_ tiles: Range<Int>, block: Int, depth: Int64) -> [Int32] {
      var traits = traits
      let count = tiles.count * perTile * width
      // The last is not the kernel's to write.
      var sums = [Int32](repeating: -77, count: count + 1)
      var panel = sk_panel()
      (panel.codes, panel.depth) = (UnsafePointer(codes.at), depth)
      sk_integer_products(
        instructions.kernel, &panel, 1, &traits, Int64(tiles.lowerBound), Int64(tiles.upperBound),
        Int64(block), &sums)
      #expect(sums[count] == -77)
      return sums.dropLast()
    }
  }

  private static func extreme(_ largest: Int, _ generator: inout SplitMix64) -> UInt8 {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: 0
    case 1: UInt8(largest)
    case 2: UInt8((largest + 1) / 2)
    default: UInt8(Int.random(in: 0...largest, using: &generator))
    }
  }

  private static func digit(_ generator: inout SplitMix64) -> Int8 {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: -127
    case 1: 127
    case 2: 0
    default: Int8.random(in: -127...127, using: &generator)
    }
  }

  // MARK: what there is

  /// A processor that says it has the instructions must not fall back without a word.
  @Test func everySetOfTheProcessorIsAvailable() throws {
    #expect(InstructionSet.portable.isAvailable)
    guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return }
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
    let flags = Set((line ?? "").split(separator: " ").map(String.init))
    let needed: [(InstructionSet, Set<String>)] = [
      (.avx2, ["avx2", "fma"]),
      (.avxVNNI, ["avx2", "fma", "avx_vnni"]),
      (.avx512VNNI, ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"]),
      (.neonDot, ["asimddp"]),
    ]
    for (set, names) in needed where names.isSubset(of: flags) {
      #expect(set.isAvailable, "\(set.rawValue)")
    }
    if needed.contains(where: { $0.1.isSubset(of: flags) }) { #expect(InstructionSet.fastest != .portable) }
  }

  // MARK: sums

  @Test(
    arguments: InstructionSet.available,
    [1, 2, 3, 4, 5, 8, 63, 64, 65, 258, 515, 516, 517, 1030, 2999])
  func sumsAreThoseOfPlainLoops(set: InstructionSet, n: Int) {
    var generator = SplitMix64(UInt64(n))
    for largest in [1, 2, 4, 8, 16, 32, 63, 126, 127, 254, 255] where largest <= set.largestGenotypeCode {
      // Of groups: none, a few, all have high digits; and only one tile's.
      for share in [0, 0.02, 1] {
        let only = generator.bernoulli(0.3) ? 1 : -1
        let problem = Problem(set, n: n) {
          Self.extreme(largest, &generator)
        } digits: { slot, _ in
          let isHigh = generator.bernoulli(share) && (only < 0 || slot / Int(set.shape.traits) == only)
          return (Self.digit(&generator), isHigh ? Self.digit(&generator) : 0)
        }
        let plain = problem.plainSums()
        let size = problem.perTile * problem.width
        let block = max(1, [1, 3, problem.groups / 3, problem.groups - 1][n & 3])
        for (tiles, block) in [(0..<3, problem.groups), (1..<3, block), (1..<2, problem.groups + 5)] {
          let sums = problem.sums(tiles, block: block, depth: sk_depth(Int64(largest)))
          #expect(
            sums == Array(plain[tiles.lowerBound * size..<tiles.upperBound * size]),
            "codes to \(largest), blocks of \(block), high digits of \(share)")
        }
      }
    }
  }

  /// The largest codes all along, in both digits: sums of 16 bits are as large as they may be when they are widened.
  @Test(arguments: InstructionSet.available, [1, 2, 4, 8, 16, 32, 63, 126, 127])
  func largestSumsDoNotOverflow(set: InstructionSet, largest: Int) {
    let depth = sk_depth(Int64(largest))
    #expect(depth >= 1 && 2 * 127 * Int64(largest) * depth <= 32767)
    #expect(2 * 127 * Int64(largest) * (depth + 1) > 32767)
    for sign in [1, -1] as [Int8] {
      for n in [Int(4 * depth), Int(12 * depth) + 3] {
        let problem = Problem(set, n: n) {
          UInt8(largest)
        } digits: { _, _ in
          (127 * sign, 127 * sign)
        }
        let expected = Int32(truncatingIfNeeded: n * largest * 127 * 255 * Int(sign))
        for block in [problem.groups, Int(depth) + 1] {
          let sums = problem.sums(0..<3, block: block, depth: depth)
          #expect(sums.allSatisfy { $0 == expected })
        }
      }
    }
  }

  // MARK: comparison

  private struct Outcome {
    var found: [UInt64: Float]
    var best: [Float]
  }

  /// Bounds, random, of a panel.
  private struct Bounds {
    static let rows = 3
    let stride: Int
    let lower: Pinned<Float>
    let error: Pinned<Float>
    let offset: Pinned<Float>
    let excluded: [UInt64]

    /// About half of the pairs are to survive.
    init(_ problem: Problem, _ sums: [Int32], _ generator: inout SplitMix64) {
      let spread = 1 + sums.map { abs(Double($0)) }.reduce(0, +) / Double(sums.count)
      stride = problem.width + 5
      lower = Pinned(
        (0..<Bounds.rows * stride).map { k in
          k % 29 == 3 ? -.infinity : Float(spread * generator.uniform(0, 3))
        })
      error = Pinned((0..<problem.width).map { _ in Float(spread.squareRoot() * generator.uniform()) })
      offset = Pinned((0..<problem.width).map { _ in Float(0.1 * spread * generator.uniform()) })
      for slot in 0..<problem.slots {
        problem.scale.at[slot] = Float(generator.logUniform(-1, 1))
        problem.reach.at[slot] = problem.scale.at[slot] * Float(generator.uniform(0.3, 1))
        // An infinite error decides nothing.
        problem.error.at[slot] =
          slot == 4 ? .infinity : Float(spread.squareRoot() * generator.uniform(0, 0.2))
        problem.row.at[slot] = Int32.random(in: 0..<Int32(Bounds.rows), using: &generator)
      }
      excluded = (0..<problem.slots * problem.width).filter { _ in generator.bernoulli(0.05) }
        .map { UInt64($0 / problem.width) << 32 | UInt64($0 % problem.width) }
    }

    func screen(
      _ problem: Problem, _ tiles: Range<Int>, block: Int, depth: Int64, best start: [Float]?
    ) -> Outcome {
      var traits = problem.traits
      let room = tiles.count * problem.perTile * problem.width
      var sums = [Int32](repeating: 0, count: room)
      var found = [UInt64](repeating: .max, count: room)
      var upper = [Float](repeating: 0, count: room)
      let best = Pinned(start ?? [])
      let excluded = Pinned(excluded)
      var panel = sk_panel(
        codes: problem.codes.at, depth: depth, lower: lower.at, lower_stride: Int64(stride), error: error.at,
        offset: offset.at, best: start == nil ? nil : best.at, excluded: excluded.at,
        excluded_count: Int64(self.excluded.count))
      let count = Int(
        sk_screen(
          problem.instructions.kernel, &panel, 1, &traits, Int64(tiles.lowerBound), Int64(tiles.upperBound),
          Int64(block), &sums, &found, &upper))
      let pairs = found.prefix(count)
      #expect(Set(pairs).count == count, "a pair was found twice")
      return Outcome(
        found: Dictionary(zip(pairs, upper)) { a, _ in a },
        best: (0..<(start?.count ?? 0)).map { best.at[$0] })
    }
  }

  private static func problem(_ set: InstructionSet, _ n: Int, _ generator: inout SplitMix64) -> Problem {
    Problem(set, n: n) {
      extreme(set.largestGenotypeCode, &generator)
    } digits: { _, _ in
      (digit(&generator), generator.bernoulli(0.01) ? Int8.random(in: -3...3, using: &generator) : 0)
    }
  }

  /// 1e-5 of the terms is what fp32 may decide otherwise: a few roundings of 6e-8 each.
  @Test(arguments: InstructionSet.available, [1, 50, 203, 1001])
  func survivorsAreThoseOfTheInequality(set: InstructionSet, n: Int) {
    var generator = SplitMix64(UInt64(100 + n))
    let depth = sk_depth(Int64(set.largestGenotypeCode))
    var (kept, discarded) = (0, 0)
    for trial in 0..<10 {
      let problem = Self.problem(set, n, &generator)
      var sums = problem.plainSums()
      let bounds = Bounds(problem, sums, &generator)
      for pair in bounds.excluded { sums[Int(pair >> 32) * problem.width + Int(pair & 0xFFFF_FFFF)] = 0 }
      let tiles = [0..<3, 1..<3, 1..<2][trial % 3]
      let block = trial % 2 == 0 ? problem.groups : max(1, problem.groups / 3)
      let outcome = bounds.screen(problem, tiles, block: block, depth: depth, best: nil)
      for slot in 0..<problem.slots {
        for lane in 0..<problem.width {
          let isFound = outcome.found[UInt64(slot) << 32 | UInt64(lane)] != nil
          guard tiles.contains(slot / problem.perTile) else {
            #expect(!isFound)
            continue
          }
          let magnitude = abs(Double(sums[slot * problem.width + lane]))
          let terms = [
            Double(problem.reach.at[slot])
              * Double(bounds.lower.at[Int(problem.row.at[slot]) * bounds.stride + lane]),
            Double(problem.error.at[slot]) * Double(bounds.error.at[lane]),
            Double(problem.scale.at[slot]) * Double(bounds.offset.at[lane]),
          ]
          let bound = terms[0] - terms[1] - terms[2]
          let tolerance = 1e-5 * (magnitude + abs(terms[0]) + terms[1] + terms[2])
          if magnitude < bound - tolerance {
            #expect(!isFound, "slot \(slot), lane \(lane)")
            discarded += 1
          } else if !bound.isFinite || magnitude > bound + tolerance {
            #expect(isFound, "slot \(slot), lane \(lane)")
            kept += 1
          }
        }
      }
    }
    #expect(kept > 100 && discarded > 100)
  }

  /// Running maxima: at the end `best` is the largest certain value, never more; what could be larger was reported, and `upper` is
  /// never less than it may be.
  @Test(arguments: InstructionSet.available, [50, 203, 1001])
  func bestsBracketTheMaximum(set: InstructionSet, n: Int) {
    var generator = SplitMix64(UInt64(200 + n))
    let depth = sk_depth(Int64(set.largestGenotypeCode))
    var (reported, possible) = (0, 0)
    for trial in 0..<10 {
      let problem = Self.problem(set, n, &generator)
      var sums = problem.plainSums()
      let bounds = Bounds(problem, sums, &generator)
      for pair in bounds.excluded { sums[Int(pair >> 32) * problem.width + Int(pair & 0xFFFF_FFFF)] = 0 }
      let start = (0..<problem.width).map { $0 % 3 == 0 ? Float(generator.uniform(0, 500)) : 0 }
      let tiles = [0..<3, 1..<3][trial % 2]
      let block = trial % 4 < 2 ? problem.groups : max(1, problem.groups / 3)
      let outcome = bounds.screen(problem, tiles, block: block, depth: depth, best: start)
      for lane in 0..<problem.width {
        var certain = Double(start[lane])
        let own = tiles.lowerBound * problem.perTile..<tiles.upperBound * problem.perTile
        let values = own.map { slot -> (least: Double, most: Double) in
          let scale = Double(problem.scale.at[slot])
          let magnitude = abs(Double(sums[slot * problem.width + lane]))
          let slack = Double(problem.error.at[slot]) * Double(bounds.error.at[lane])
          let offset = Double(bounds.offset.at[lane])
          return ((magnitude - slack) / scale - offset, (magnitude + slack) / scale + offset)
        }
        for value in values where value.least > certain { certain = value.least }
        let best = Double(outcome.best[lane])
        #expect(best <= certain)
        // 1e-6 is taken off for safety, from a value that a slack was taken off after.
        #expect(
          best >= certain - 1e-5 * (certain + values.reduce(0) { $1.most.isFinite ? max($0, $1.most) : $0 }))
        for (slot, value) in zip(own, values) {
          let reach = Double(problem.reach.at[slot]) / Double(problem.scale.at[slot])
          let lower = reach * Double(bounds.lower.at[Int(problem.row.at[slot]) * bounds.stride + lane])
          let upper = outcome.found[UInt64(slot) << 32 | UInt64(lane)]
          possible += 1
          if let upper {
            reported += 1
            #expect(!(Double(upper) < value.most))
            if value.most.isFinite { #expect(Double(upper) <= value.most * (1 + 1e-5)) }
            #expect(!(value.most < min(lower, Double(start[lane])) * (1 - 1e-5)))
          } else {
            #expect(value.most <= min(lower, best) * (1 + 1e-5))
          }
        }
      }
    }
    #expect(reported > 0 && reported < possible)
  }

  // MARK: several panels

  /// 128 variants and any number of traits, with what a set of instructions makes of them.
  private struct Grid {
    static let variants = 128
    let n: Int
    let traits: Int
    let genotypes: [[UInt8]]
    let low: [[Int8]]
    let high: [[Int8]]
    /// ŷ'ĝ by trait and variant.
    let sums: [Int32]
    /// Powers of two and small integers: every product of two is exact, so that a comparison has one outcome.
    let scale: [Float]
    let reach: [Float]
    let lower: [Float]
    /// trait << 32 | variant.
    let excluded: Set<UInt64>

    init(n: Int, traits: Int, highShare: Double, _ generator: inout SplitMix64) {
      (self.n, self.traits) = (n, traits)
      // Alleles, so that a pair's sum stays within fp32's integers.
      let genotypes = (0..<Grid.variants).map { _ in
        (0..<n).map { _ in UInt8.random(in: 0...2, using: &generator) }
      }
      let low = (0..<traits).map { _ in (0..<n).map { _ in digit(&generator) } }
      let high = (0..<traits).map { _ in
        (0..<n).map { _ in generator.bernoulli(highShare) ? Int8.random(in: -9...9, using: &generator) : 0 }
      }
      let sums = zip(low, high).flatMap { low, high -> [Int32] in
        let y = zip(low, high).map { Int32($0) + 254 * Int32($1) }
        return genotypes.map { g in
          var sum: Int32 = 0
          for i in 0..<n { sum += Int32(g[i]) * y[i] }
          return sum
        }
      }
      #expect(sums.allSatisfy { abs($0) < 1 << 24 })
      (self.genotypes, self.low, self.high, self.sums) = (genotypes, low, high, sums)
      let spread = sums.reduce(0) { $0 + abs(Double($1)) } / Double(sums.count)
      let unit = Float(exp2(log2(spread).rounded(.down) - 2))
      scale = (0..<traits).map { _ in Float(1 << Int.random(in: 0...3, using: &generator)) }
      reach = (0..<traits).map { _ in unit * Float(Int.random(in: 1...3, using: &generator)) }
      lower = (0..<Grid.variants).map { _ in Float(Int.random(in: 1...15, using: &generator)) }
      excluded = Set(
        (0..<traits * Grid.variants).filter { _ in generator.bernoulli(0.02) }
          .map { UInt64($0 / Grid.variants) << 32 | UInt64($0 % Grid.variants) })
    }

    /// Calls the body with all panels and all traits, whose slots are in the order of the traits.
    func with(
      _ set: InstructionSet, best: UnsafeMutablePointer<Float>?,
      _ body: (_ panels: [sk_panel], _ traits: UnsafePointer<sk_traits>, _ tiles: Int) -> Void
    ) {
      let (width, perTile, groups) = (Int(set.shape.width), Int(set.shape.traits), (n + 3) / 4)
      let tiles = (traits + perTile - 1) / perTile
      let codes = Pinned([UInt8](repeating: 0, count: Grid.variants * groups * 4))
      for (v, g) in genotypes.enumerated() {
        sk_place_codes(
          g, Int64(n), Int64(width), Int64(v % width), codes.at + v / width * width * groups * 4)
      }
      let low = Pinned([Int8](repeating: 0, count: tiles * perTile * groups * 4))
      var (start, groupOf, digits): ([Int64], [Int32], [Int8]) = ([0], [], [])
      for tile in 0..<tiles {
        var own = [Int16](repeating: 0, count: perTile * groups * 4)
        for j in 0..<perTile where tile * perTile + j < traits {
          let (l, h) = (self.low[tile * perTile + j], high[tile * perTile + j])
          for i in 0..<n { own[j * groups * 4 + i] = 254 * Int16(h[i]) + Int16(l[i]) }
        }
        var group = [Int32](repeating: 0, count: groups)
        var high = [Int8](repeating: 0, count: perTile * groups * 4)
        let count = Int(
          sk_place_traits(
            own, Int64(groups), Int64(perTile), low.at + tile * perTile * groups * 4, &group, &high))
        groupOf += group[..<count]
        digits += high[..<(count * perTile * 4)]
        start.append(Int64(groupOf.count))
      }
      let (highStart, highGroup, placedHigh) = (Pinned(start), Pinned(groupOf), Pinned(digits))
      let padding = tiles * perTile - traits
      let pinnedReach = Pinned(reach + [Float](repeating: 1, count: padding))
      let pinnedScale = Pinned(scale + [Float](repeating: 1, count: padding))
      let zero = Pinned([Float](repeating: 0, count: max(Grid.variants, tiles * perTile)))
      let row = Pinned([Int32](repeating: 0, count: tiles * perTile))
      let pinnedLower = Pinned(lower)
      let lanes = (0..<Grid.variants / width).map { p in
        Pinned(
          excluded.filter { Int($0 & 0xFFFF_FFFF) / width == p }.map { $0 - UInt64(p * width) }.sorted())
      }
      let panels = lanes.indices.map { p in
        sk_panel(
          codes: codes.at + p * width * groups * 4, depth: sk_depth(2), lower: pinnedLower.at + p * width,
          lower_stride: 0, error: zero.at, offset: zero.at, best: best.map { $0 + p * width },
          excluded: lanes[p].at, excluded_count: Int64(excluded.count { Int($0 & 0xFFFF_FFFF) / width == p }))
      }
      var traits = sk_traits(
        groups: Int64(groups), low: low.at, high_start: highStart.at, high_group: highGroup.at,
        high: placedHigh.at, reach: pinnedReach.at, scale: pinnedScale.at, error: zero.at, length_row: row.at)
      withExtendedLifetime((codes, low, highStart, highGroup, placedHigh, pinnedReach, pinnedScale, zero)) {
        withExtendedLifetime((row, pinnedLower, lanes)) { body(panels, &traits, tiles) }
      }
    }

    /// As trait << 32 | variant, without the traits that pad the last tile, and `upper` of each.
    func screen(
      _ set: InstructionSet, block: Int, best: UnsafeMutablePointer<Float>? = nil
    ) -> [UInt64: Float] {
      var result: [UInt64: Float] = [:]
      with(set, best: best) { panels, traits, tiles in
        let room = tiles * Int(set.shape.traits) * Grid.variants
        var sums = [Int32](repeating: -77, count: room)
        var found = [UInt64](repeating: 0, count: room)
        var upper = [Float](repeating: 0, count: room)
        let count = Int(
          sk_screen(
            set.kernel, panels, Int64(panels.count), traits, 0, Int64(tiles), Int64(block), &sums, &found,
            &upper))
        for k in 0..<count where found[k] >> 32 < UInt64(self.traits) {
          #expect(result.updateValue(upper[k], forKey: found[k]) == nil, "a pair was found twice")
        }
      }
      return result
    }
  }

  /// Several passes over the samples, with blocks that do not divide them, and more tiles than wait for one another; and one pass.
  @Test(arguments: InstructionSet.available, [61, 1003])
  func panelsOfOneCallGiveWhatEachGives(set: InstructionSet, n: Int) {
    let (traitCount, blocks) = n == 61 ? (800, [5, 16]) : (30, [7, 100, 250, 251])
    for highShare in [0, 0.002, 1] {
      var generator = SplitMix64(UInt64(n))
      let grid = Grid(n: n, traits: traitCount, highShare: highShare, &generator)
      let (width, perTile) = (Int(set.shape.width), Int(set.shape.traits))
      func magnitude(_ trait: Int, _ v: Int) -> Float {
        grid.excluded.contains(UInt64(trait) << 32 | UInt64(v))
          ? 0 : Float(abs(grid.sums[trait * Grid.variants + v]))
      }
      let pairs = (0..<traitCount).flatMap { trait in (0..<Grid.variants).map { (trait, $0) } }
      let expected = Set(
        pairs.filter { trait, v in magnitude(trait, v) >= grid.reach[trait] * grid.lower[v] }
          .map { UInt64($0) << 32 | UInt64($1) })
      #expect(expected.count > 100 && expected.count < pairs.count - 100)
      let largest = (0..<Grid.variants).map { v in
        (0..<traitCount).map { magnitude($0, v) / grid.scale[$0] }.max() ?? 0
      }
      for block in blocks {
        grid.with(set, best: nil) { panels, traits, tiles in
          var sums = [Int32](repeating: -77, count: tiles * perTile * Grid.variants)
          sk_integer_products(
            set.kernel, panels, Int64(panels.count), traits, 0, Int64(tiles), Int64(block), &sums)
          let areEqual = pairs.allSatisfy { trait, v in
            sums[(v / width * tiles * perTile + trait) * width + v % width]
              == grid.sums[trait * Grid.variants + v]
          }
          #expect(areEqual, "blocks of \(block), high digits of \(highShare)")
        }
        #expect(Set(grid.screen(set, block: block).keys) == expected)
        #expect(Set(grid.screen(.portable, block: block).keys) == expected)
        let best = Pinned([Float](repeating: 0, count: Grid.variants))
        let candidates = grid.screen(set, block: block, best: best.at)
        for v in 0..<Grid.variants {
          // 1e-6 is taken off, and fp32 rounds.
          #expect(best.at[v] <= largest[v] && best.at[v] >= largest[v] * (1 - 2e-6))
        }
        for (trait, v) in pairs {
          let upper = candidates[UInt64(trait) << 32 | UInt64(v)]
          let value = magnitude(trait, v)
          if value >= min(grid.reach[trait] * grid.lower[v], grid.scale[trait] * best.at[v]) {
            #expect(upper != nil, "trait \(trait), variant \(v)")
          }
          if let upper { #expect(upper >= value / grid.scale[trait]) }
        }
      }
    }
  }

  // MARK: codes

  @Test(arguments: [1, 3, 4, 5, 97, 1000]) func codesAreScaledAndPlaced(n: Int) {
    var generator = SplitMix64(UInt64(n))
    let calls = (0..<n).map { _ in UInt8.random(in: 0...3, using: &generator) }
    for (level, missing) in [(1, 2), (4, 3), (63, 126), (127, 254), (127, 0)] as [(Int32, Int32)] {
      var codes = [UInt8](repeating: 9, count: n)
      sk_encode_calls(calls, Int64(n), level, missing, &codes)
      #expect(codes == calls.map { $0 == 3 ? UInt8(missing) : UInt8(Int32($0) * level) })
      for width in [16, 64] {
        let lane = Int.random(in: 0..<width, using: &generator)
        let groups = (n + 3) / 4
        var panel = [UInt8](repeating: 99, count: groups * width * 4)
        sk_place_codes(codes, Int64(n), Int64(width), Int64(lane), &panel)
        var expected = [UInt8](repeating: 99, count: groups * width * 4)
        for i in 0..<4 * groups { expected[(i / 4 * width + lane) * 4 + i % 4] = i < n ? codes[i] : 0 }
        #expect(panel == expected)
      }
    }
  }

  @Test(arguments: [1, 2, 7, 64, 1001]) func dosagesAreRoundedToTheNearestCode(n: Int) {
    var generator = SplitMix64(UInt64(n))
    for (center, spread) in [(0, 2), (0.7, 1e-3), (1.9, 1e-6), (1, 0)] as [(Float, Float)] {
      for largest in [2, 126, 254] {
        let g = (0..<n).map { i in
          i > 0 && generator.bernoulli(0.1) ? Float.nan : center + spread * Float(generator.uniform())
        }
        let numbers = g.filter { !$0.isNaN }
        var (low, high): (Float, Float) = (-1, -1)
        sk_range(g, Int64(n), &low, &high)
        #expect(low == numbers.min() && high == numbers.max())
        let mean = numbers.reduce(0) { $0 + Double($1) } / Double(numbers.count)
        let scale = Double(largest) / max(Double(high) - Double(low), 1e-30)
        var codes = [UInt8](repeating: 0, count: n)
        let sums = sk_encode_dosages(g, Int64(n), mean, Double(low), scale, Int32(largest), &codes)
        var (error, squares) = (0.0, 0.0)
        for (value, code) in zip(g, codes) {
          let dosage = value.isNaN ? mean : Double(value)
          let exact = (dosage - Double(low)) * scale
          #expect(abs(exact - Double(code)) <= 0.5 + 1e-9 && Int(code) <= largest)
          let delta = dosage - (Double(low) + Double(code) / scale)
          error += delta
          squares += delta * delta
        }
        #expect(sums.sum == codes.reduce(0) { $0 + Int64($1) })
        #expect(sums.squares == codes.reduce(0) { $0 + Int64($1) * Int64($1) })
        // Each δ is a difference of numbers near 2, so good to 4e-16.
        let count = Double(n)
        #expect(abs(sums.error - error) <= 1e-15 * count)
        #expect(abs(sums.squared_error.squareRoot() - squares.squareRoot()) <= 1e-15 * count)
      }
    }
    var (low, high): (Float, Float) = (-1, -1)
    sk_range([.nan, .nan], 2, &low, &high)
    #expect(low == 0 && high == 0)
  }

  /// Any kind of trait, centred.
  private static func trait(_ n: Int, _ kind: Int, _ generator: inout SplitMix64) -> [Double] {
    var y = (0..<n).map { i -> Double in
      switch kind {
      case 0: generator.normal()
      case 1: generator.heavyTailed()
      case 2: exp(generator.normal())
      case 3: i == 0 ? 1 : 0
      case 4: generator.bernoulli(0.5) ? 1 : 0
      default: Double(i % 5)
      }
    }
    let mean = y.reduce(0, +) / Double(n)
    for i in y.indices { y[i] -= mean }
    return y
  }

  @Test(arguments: [3, 4, 10, 61, 1000, 5000]) func traitCodesAddUpToZero(n: Int) throws {
    var generator = SplitMix64(UInt64(n))
    for kind in 0..<6 {
      let y = Self.trait(n, kind, &generator)
      let largest = sk_largest_magnitude(y, Int64(n))
      #expect(largest == y.map(abs).max())
      guard largest > 0 else { continue }
      for limit in [127, TraitCodes.largestCode] {
        for share in [1, 0.99, 0.3] {
          let scale = Double(limit == 127 ? 127 : limit - 1) / largest * share
          var codes = [Int16](repeating: 0, count: n)
          let squared = sk_encode_trait(y, Int64(n), scale, Int32(limit), &codes)
          #expect(squared >= 0, "n \(n), kind \(kind)")
          #expect(codes.reduce(0) { $0 + Int($1) } == 0)
          #expect(codes.allSatisfy { abs(Int($0)) <= limit })
          let errors = zip(y, codes).map { $0 * scale - Double($1) }
          // `TraitCodes.plan` allows for 1.5 when it keeps sums within 32 bits.
          #expect(errors.allSatisfy { abs($0) <= 1.5 })
          let exact = errors.reduce(0) { $0 + $1 * $1 }
          // y·s is good to 2⁻⁵³ of the code.
          #expect(abs(squared - exact) <= 1e-11 * (exact + Double(n)))
          // The step to zero costs little: √(n/12) entries are off by up to ¾ instead of ½.
          if kind == 0, n >= 1000 {
            let nearest = y.reduce(0) { $0 + pow($1 * scale - ($1 * scale).rounded(), 2) }
            #expect(exact <= 1.2 * nearest)
          }
        }
      }
    }
    // A sum that no step of one can undo.
    var codes = [Int16](repeating: 0, count: 5)
    #expect(sk_encode_trait([1, 1, 1], 3, 127, 127, &codes) == -1)
    // The first that would move is at the limit.
    #expect(sk_encode_trait([5.4, 1.3, 1.3, -4, -4], 5, 1, 5, &codes) > 0)
    #expect(codes == [5, 2, 1, -4, -4])
  }
}
