internal import CScanKernels
internal import LinearAlgebra

/// U'g of the variants of a block that are looked at in fp64, 32 at a time.
///
/// Rotating is 2n² flop, which only BLAS on several columns does at speed: so variants are announced, and a group is rotated when
/// its first is asked for. Bits of a variant do not depend on the others in its group.
struct VariantRotation: Sendable {
  private struct Group {
    /// Of the announced variants; −1 for none.
    var index = -1
    /// m × 32: U'g, and its squares.
    var rotated: [Double] = []
    var squares: [Double] = []
  }

  private let mixed: MixedTraits
  private var announced: [Int] = []
  /// By pattern.
  private var groups: [Group]
  private var columns: [Double]

  init(_ mixed: MixedTraits) {
    self.mixed = mixed
    groups = mixed.spectra.map { _ in Group() }
    columns = [Double](repeating: 0, count: mixed.sampleCount * Spectrum.width)
  }

  /// - Parameter variants: of the next block, ascending, that will be asked for; others may be, one by one.
  mutating func announce(_ variants: [Int]) {
    announced = variants
    for p in groups.indices { groups[p].index = -1 }
  }

  /// Place of variant `v` among the announced ones.
  mutating func place(of v: Int) -> Int {
    var (low, high) = (0, announced.count)
    while low < high {
      let middle = (low + high) / 2
      if announced[middle] < v { low = middle + 1 } else { high = middle }
    }
    if low < announced.count, announced[low] == v { return low }
    announce([v])
    return 0
  }

  /// Calls `body` with U'g and its squares, m numbers each.
  mutating func withRotated<R>(
    _ place: Int, of panel: VariantPanel, pattern p: Int,
    _ body: (_ spectrum: Spectrum, _ rotated: UnsafePointer<Double>, _ squares: UnsafePointer<Double>) -> R
  ) -> R {
    guard let spectrum = mixed.spectra[p] else { preconditionFailure("a pattern without traits") }
    let (m, n) = (spectrum.size, mixed.sampleCount)
    let group = place / Spectrum.width
    if groups[p].index != group {
      let first = group * Spectrum.width
      let members = announced[first..<min(first + Spectrum.width, announced.count)]
      columns.withUnsafeMutableBufferPointer { columns in
        for (k, v) in members.enumerated() { panel.writeCentered(v, to: columns.baseAddress! + k * n) }
        for i in members.count * n..<columns.count { columns[i] = 0 }
      }
      grow(&groups[p].rotated, m * Spectrum.width)
      grow(&groups[p].squares, m * Spectrum.width)
      spectrum.rotate(columns, into: &groups[p].rotated)
      for i in 0..<m * members.count {
        groups[p].squares[i] = groups[p].rotated[i] * groups[p].rotated[i]
      }
      groups[p].index = group
    }
    let offset = place % Spectrum.width * m
    return groups[p].rotated.withUnsafeBufferPointer { rotated in
      groups[p].squares.withUnsafeBufferPointer { squares in
        body(spectrum, rotated.baseAddress! + offset, squares.baseAddress! + offset)
      }
    }
  }
}
