public import StudyData

/// Several files of the same samples, one after the other: genotypes split by chromosome.
///
/// Samples may stand in a different order in each file; the first file's order counts. Ordinals continue from file to
/// file in steps of 2^40.
public struct ConcatenatedSource: GenotypeSource {
  private let sources: [any GenotypeSource]
  /// For each source where the first one's samples are.
  private let order: [[Int]]

  public var path: String { sources[0].path }
  public var paths: [String] { sources.flatMap(\.paths) }
  public var sampleIDs: [String] { sources[0].sampleIDs }
  public var notes: [String] { sources.flatMap(\.notes) }

  public var variantCount: Int? { sum(\.variantCount) }
  public var leastVariantCount: Int? { sum(\.leastVariantCount) }

  private func sum(_ count: (any GenotypeSource) -> Int?) -> Int? {
    var sum = 0
    for source in sources {
      guard let count = count(source) else { return nil }
      sum += count
    }
    return sum
  }

  /// - Precondition: there is a source.
  /// - Throws: `inconsistent` when the sets of samples differ.
  public init(_ sources: [any GenotypeSource]) throws(StudyError) {
    precondition(!sources.isEmpty)
    self.sources = sources
    let reference = sources[0].sampleIDs
    var order: [[Int]] = []
    for source in sources {
      var place: [String: Int] = [:]
      for (index, id) in source.sampleIDs.enumerated() { place[id] = index }
      let absent = reference.filter { place[$0] == nil }
      guard absent.isEmpty, source.sampleIDs.count == reference.count else {
        let known = Set(reference)
        let extra = source.sampleIDs.filter { !known.contains($0) }
        throw StudyError(
          .inconsistent, file: source.path,
          "its \(source.sampleIDs.count) samples are not the \(reference.count) of \(sources[0].path)"
            + Self.named(absent, "lacks") + Self.named(extra, "adds"),
          remedy: "give files of the same samples")
      }
      order.append(reference.map { place[$0]! })
    }
    self.order = order
  }

  private static func named(_ ids: [String], _ verb: String) -> String {
    ids.isEmpty ? "" : " (\(verb) \(firstNames(ids)))"
  }

  public func chromosomes() throws(StudyError) -> Set<String>? {
    var all: Set<String> = []
    for source in sources {
      guard let some = try source.chromosomes() else { return nil }
      all.formUnion(some)
    }
    return all
  }

  public func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    let requests = order.map { order in
      var own = request
      own.samples = request.samples.map { order[$0] }
      return own
    }
    return try ConcatenatedStream(Array(zip(sources, requests)))
  }
}

/// Opens a file when the one before it is finished, so that few are open. The state that ``nextChunk()`` changes is read by
/// ``fractionRead`` through a `ReadProgress`.
private final class ConcatenatedStream: GenotypeStream, @unchecked Sendable {
  private let parts: [(source: any GenotypeSource, request: GenotypeRequest)]
  private let progress: ReadProgress
  private var next: Int
  private var current: any GenotypeStream

  private static let resolution = 10_000

  init(_ parts: [(any GenotypeSource, GenotypeRequest)]) throws(StudyError) {
    self.parts = parts
    progress = ReadProgress(total: parts.count * Self.resolution)
    current = try parts[0].0.stream(parts[0].1)
    next = 1
  }

  var fractionRead: Double { progress.fraction }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    while true {
      if let chunk = try current.nextChunk() {
        let share = Double(next - 1) + current.fractionRead
        progress.reach(Int(share * Double(Self.resolution)))
        return ShiftedChunk(chunk: chunk, shift: (next - 1) << 40)
      }
      guard next < parts.count else {
        progress.reach(parts.count * Self.resolution)
        return nil
      }
      current = try parts[next].source.stream(parts[next].request)
      next += 1
    }
  }
}

private struct ShiftedChunk: GenotypeChunk {
  let chunk: any GenotypeChunk
  let shift: Int

  func decode() throws(StudyError) -> GenotypeBlock {
    var block = try chunk.decode()
    if shift > 0 { block.ordinals = block.ordinals.map { $0 + shift } }
    return block
  }
}
