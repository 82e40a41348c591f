/// What is wrong with the data, where, and what the user can do about it.
///
/// One error type serves every reader and scan so that the program can print any of them the same way:
/// one line of cause with `file:line`, one line of remedy.
public struct StudyError: Error, Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// A file breaks its own format.
    case malformed
    /// Files are well formed but disagree with each other or with the options.
    case inconsistent
    /// Well formed, but there is nothing to estimate.
    case degenerate
    /// The machine refuses: a path cannot be read or written, memory or disk is short.
    case environment
  }

  public var kind: Kind
  public var file: String?
  /// 1-based line (text) or record number (binary) in `file`.
  public var line: Int?
  public var cause: String
  public var remedy: String

  public init(
    _ kind: Kind, file: String? = nil, line: Int? = nil, _ cause: String, remedy: String
  ) {
    self.kind = kind
    self.file = file
    self.line = line
    self.cause = cause
    self.remedy = remedy
  }

  /// `file:line` as far as it is known.
  public var location: String? {
    guard let file else { return nil }
    guard let line else { return file }
    return "\(file):\(line)"
  }
}

extension StudyError: CustomStringConvertible {
  public var description: String {
    (location.map { "\($0): " } ?? "") + cause + "\n  remedy: " + remedy
  }
}
