import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

@Suite struct SpectralFileTests {
  let fixture: TextFixture

  init() throws { fixture = try TextFixture() }

  /// Any numbers: the file does not look at what they mean.
  private static func decomposition(_ n: Int, rank q: Int, own: Bool) -> SpectralDecomposition {
    var random = SplitMix64(state: 8)
    func values(_ count: Int) -> [Double] {
      (0..<count).map { _ in Double.random(in: -1...1, using: &random) }
    }
    return SpectralDecomposition(
      sampleIDs: (0..<n).map { "Prøve \($0)" },
      covariateBasis: Matrix(rows: n, columns: q, storage: values(n * q)),
      values: values(n - q), vectors: Matrix(rows: n, columns: n - q, storage: values(n * (n - q))),
      kinshipValues: own ? values(n) : [], scale: 0.75, clampedCount: 3, lowestValue: -1e-17)
  }

  private func write(_ decomposition: SpectralDecomposition) throws -> String {
    let output = OutputTransaction()
    let path = fixture.path("k.eigen")
    try SpectralFile.write(decomposition, to: output.open(path, compression: .none))
    try output.commit()
    return path
  }

  @Test(arguments: [(1, 0, false), (9, 3, true), (400, 2, false)])
  func roundTrip(n: Int, q: Int, own: Bool) throws {
    let made = Self.decomposition(n, rank: q, own: own)
    let read = try SpectralFile.read(write(made))
    #expect(read.sampleIDs == made.sampleIDs && read.values == made.values && read.vectors == made.vectors)
    #expect(read.covariateBasis == made.covariateBasis && read.kinshipValues == made.kinshipValues)
    #expect(read.scale == made.scale && read.clampedCount == 3 && read.lowestValue == made.lowestValue)
  }

  /// Every byte is covered, by the checksum or by what it must be.
  @Test func damage() throws {
    let path = try write(Self.decomposition(5, rank: 1, own: true))
    let good = try Data(contentsOf: URL(filePath: path))
    for offset in good.indices {
      var bad = good
      bad[offset] ^= 0x10
      try bad.write(to: URL(filePath: path))
      let error = try studyError("byte \(offset)") { try SpectralFile.read(path) }
      #expect(error.kind == .malformed && error.file == path)
      if offset < 16 {
        #expect(error.cause.contains(offset < 8 ? "not a decomposition" : "of version"), "\(error)")
      }
    }
    for count in [0, 7, 50, 103, good.count - 1] {
      try good.prefix(count).write(to: URL(filePath: path))
      #expect(try studyError("\(count) bytes") { try SpectralFile.read(path) }.kind == .malformed)
    }
    try (good + [0]).write(to: URL(filePath: path))
    #expect(try studyError { try SpectralFile.read(path) }.cause.contains("need \(good.count) bytes"))
    try good.write(to: URL(filePath: path))
    #expect(try SpectralFile.read(path).sampleCount == 5)
    #expect(try studyError { try SpectralFile.read(fixture.path("absent")) }.kind == .environment)
  }

  /// With a checksum that fits.
  @Test func moreClampedValuesThanAnyNumber() throws {
    let path = try write(Self.decomposition(5, rank: 1, own: true))
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    bytes.replaceSubrange(48..<56, with: [UInt8](repeating: 0xFF, count: 8))
    let hash = RunningHash.value(of: Array(bytes.dropLast(16)))
    bytes.replaceSubrange((bytes.count - 16)..., with: hash.flatMap { little(Int(bitPattern: UInt($0)), 8) })
    try Data(bytes).write(to: URL(filePath: path))
    #expect(try studyError { try SpectralFile.read(path) }.cause.contains("damaged"))
  }
}
