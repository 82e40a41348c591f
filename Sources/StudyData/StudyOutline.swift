/// A study without its numbers: what runs need to know of it that get traits made ready before.
public struct StudyOutline: Sendable, Equatable {
  public var sampleIDs: [String]
  public var features: [Feature]
  public var drops: [Drop]
  public var alignment: [String]

  public init(_ study: Study) {
    sampleIDs = study.sampleIDs
    features = study.features
    drops = study.drops
    alignment = study.alignment
  }

  package init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    sampleIDs = try decoder.texts()
    let cells = [try decoder.texts(), try decoder.texts(), try decoder.texts(), try decoder.texts()]
    let places = [try decoder.values(Int64.self), try decoder.values(Int64.self)]
    let count = places[0].count
    guard places[1].count == count, cells.allSatisfy({ $0.count == count }) else {
      throw ByteDecoder.Failure()
    }
    features = (0..<count).map { k in
      Feature(
        id: cells[0][k], chromosome: cells[1][k], start: Int(places[0][k]), end: Int(places[1][k]),
        strand: cells[2][k].first, group: cells[3][k].isEmpty ? nil : cells[3][k])
    }
    drops = try [Drop](&decoder)
    alignment = try decoder.texts()
  }

  package func encode(to encoder: inout ByteEncoder) {
    encoder.put(sampleIDs)
    encoder.put(features.map(\.id))
    encoder.put(features.map(\.chromosome))
    encoder.put(features.map { $0.strand.map(String.init) ?? "" })
    encoder.put(features.map { $0.group ?? "" })
    encoder.put(features.map { Int64($0.start) })
    encoder.put(features.map { Int64($0.end) })
    drops.encode(to: &encoder)
    encoder.put(alignment)
  }
}

extension [Drop] {
  package init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let cells = [try decoder.texts(), try decoder.texts(), try decoder.texts(), try decoder.texts()]
    guard cells.allSatisfy({ $0.count == cells[0].count }) else { throw ByteDecoder.Failure() }
    self = []
    for k in cells[0].indices {
      guard let item = Drop.Item(rawValue: cells[0][k]) else { throw ByteDecoder.Failure() }
      append(Drop(item, id: cells[1][k], reason: cells[2][k], detail: cells[3][k]))
    }
  }

  package func encode(to encoder: inout ByteEncoder) {
    encoder.put(map(\.item.rawValue))
    encoder.put(map(\.id))
    encoder.put(map(\.reason))
    encoder.put(map(\.detail))
  }
}
