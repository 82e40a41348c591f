/// Named values that belong together, to be kept in one file: by name, in the order given.
public struct ArchiveSection: Sendable {
  public enum Content: Sendable {
    case bytes([UInt8])
    case doubles([Double])
  }

  public var name: String
  public var content: Content

  public init(_ name: String, _ content: Content) {
    self.name = name
    self.content = content
  }

  package init(_ name: String, _ encode: (inout ByteEncoder) -> Void) {
    var encoder = ByteEncoder()
    encode(&encoder)
    self.init(name, .bytes(encoder.bytes))
  }
}

/// Sections by name, as they were read.
public struct Archive: Sendable {
  private var sections: [String: ArchiveSection.Content] = [:]

  public init(_ sections: [ArchiveSection]) {
    for section in sections { self.sections[section.name] = section.content }
  }

  package func decode<Value>(
    _ name: String, _ body: (inout ByteDecoder) throws(ByteDecoder.Failure) -> Value
  ) throws(ByteDecoder.Failure) -> Value {
    guard case .bytes(let bytes)? = sections[name] else { throw ByteDecoder.Failure() }
    return try bytes.withUnsafeBufferPointer { (bytes) throws(ByteDecoder.Failure) -> Value in
      var decoder = ByteDecoder(UnsafeRawBufferPointer(bytes))
      let value = try body(&decoder)
      guard decoder.isAtEnd else { throw ByteDecoder.Failure() }
      return value
    }
  }

  package func doubles(_ name: String, count: Int) throws(ByteDecoder.Failure) -> [Double] {
    guard case .doubles(let values)? = sections[name], values.count == count else {
      throw ByteDecoder.Failure()
    }
    return values
  }

  package func contains(_ name: String) -> Bool { sections[name] != nil }
}
