import CScanKernels
import TestSupport
import Testing

/// `exact_products.h`: eight lanes, no fused multiply-add, one fixed order; so the bits are those of this emulation on every CPU.
@Suite struct ExactProductTests {
  private static func lanes(_ n: Int, _ term: (Int) -> Double) -> Double {
    var lane = [Double](repeating: 0, count: 8)
    for k in 0..<n { lane[k % 8] += term(k) }
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]))
  }

  private static func numbers(_ count: Int, _ generator: inout SplitMix64) -> [Double] {
    (0..<count).map { _ in generator.normal() * generator.logUniform(-6, 6) }
  }

  @Test(arguments: [1, 2, 7, 8, 9, 31, 32, 33, 64, 100, 1003])
  func productsAreThoseOfTheEmulation(n: Int) {
    var generator = SplitMix64(UInt64(n))
    let count = 21
    let x = Self.numbers(3 * n, &generator)
    let y = Self.numbers(count * n, &generator)
    let expected = (0..<3).map { i in
      (0..<count).map { j in Self.lanes(n) { x[i * n + $0] * y[j * n + $0] } }
    }
    var panel = [Double](repeating: 0, count: 3 * count)
    sk_panel_products(x, 3, y, Int64(count), Int64(n), &panel)
    #expect(panel == expected.flatMap(\.self))

    // Any columns, in any order, with any number of neighbours.
    for width in [1, 2, 3, 4, 5, 6, 7, 16, 20] {
      let columns = (0..<width).map { _ in Int32.random(in: 0..<Int32(count), using: &generator) }
      var out = [Double](repeating: 0, count: width)
      sk_products(x, y, columns, Int64(width), Int64(n), &out)
      #expect(out == columns.map { expected[0][Int($0)] })
    }
  }

  @Test(arguments: [1, 7, 8, 9, 15, 16, 31, 32, 33, 41, 100]) func combinationsAreThoseOfTheEmulation(n: Int)
  {
    var generator = SplitMix64(UInt64(1000 + n))
    for rank in [0, 1, 5] {
      let x = Self.numbers(3 * n, &generator)
      let q = Self.numbers(rank * n, &generator)
      let c = Self.numbers(3 * rank, &generator)
      var out = x
      sk_subtract_combination(&out, 3, q, Int64(rank), c, Int64(n))
      var expected = x
      for i in 0..<3 {
        for k in 0..<n {
          for l in 0..<rank { expected[i * n + k] -= q[l * n + k] * c[l + rank * i] }
        }
      }
      #expect(out == expected)
    }
  }

  @Test(arguments: [1, 7, 8, 9, 100]) func residualSumsAreThoseOfTheEmulation(n: Int) {
    var generator = SplitMix64(UInt64(2000 + n))
    let (x, y) = (Self.numbers(n, &generator), Self.numbers(n, &generator))
    for r in [0, 1, -0.3] {
      let expected = Self.lanes(n) { k in
        let d = y[k] - x[k] * r
        return d * d
      }
      #expect(sk_residual_sum(x, y, r, Int64(n)) == expected)
    }
  }

  @Test func collectingFindsWhatIsLargeOrUndecided() {
    var generator = SplitMix64(7)
    for count in [0, 1, 63, 64, 65, 200] {
      let c = (0..<count).map { k in k % 50 == 17 ? Float.nan : Float(generator.normal()) }
      let bounds = (0..<count).map { k in k % 40 == 3 ? Float.nan : Float(generator.uniform(-0.5, 3)) }
      var out = [UInt32](repeating: 0, count: count + 1)
      var found = Int(sk_collect(c, Int64(count), 1.5, &out))
      #expect(out.prefix(found).map { Int($0) } == c.indices.filter { !(abs(c[$0]) < 1.5) })
      found = Int(sk_collect_bounds(c, bounds, Int64(count), &out))
      #expect(out.prefix(found).map { Int($0) } == c.indices.filter { !(abs(c[$0]) < bounds[$0]) })
      let numbers = c.filter { !$0.isNaN }
      let undecided = numbers.count < count
      #expect(sk_largest(c, Int64(count), 0) == (undecided ? .infinity : numbers.map(abs).max() ?? 0))
      #expect(
        sk_largest(c, Int64(count), -1) == (undecided ? .infinity : max(0, numbers.map { -$0 }.max() ?? 0)))
      #expect(sk_largest(numbers, Int64(numbers.count), 1) == max(0, numbers.max() ?? 0))
    }
  }

  @Test func codesAreCountedAndExpanded() {
    var generator = SplitMix64(9)
    for n in [0, 1, 127, 128, 129, 1000] {
      let codes = (0..<n).map { _ in UInt8.random(in: 0...3, using: &generator) }
      var counts = [Int64](repeating: 0, count: 4)
      sk_count_codes(codes, Int64(n), &counts)
      #expect(counts == (0..<4).map { code in Int64(codes.count { $0 == code }) })
      var panel = [Float](repeating: 0, count: n)
      sk_expand_codes(codes, [0.5, -1, 7, 0], Int64(n), &panel)
      #expect(panel == codes.map { [0.5, -1, 7, 0][Int($0)] })
      var centered = [Double](repeating: 0, count: n)
      sk_center_codes(codes, 0.3, Int64(n), &centered)
      #expect(centered == codes.map { $0 == 3 ? 0 : Double($0) - 0.3 })
    }
  }
}
