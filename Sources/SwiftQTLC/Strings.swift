import CSwiftQTL
import SwiftQTL

/// A list of strings of the caller's, checked.
struct StringList: @unchecked Sendable {
  private let bytes: UnsafePointer<CChar>?
  private let offsets: UnsafePointer<Int64>?
  let count: Int

  /// - Throws: `Refusal` unless offsets ascend from 0.
  init(_ list: swiftqtl_strings, _ name: String) throws {
    count = Int(list.count)
    bytes = list.bytes
    offsets = list.offsets
    guard count >= 0 else { throw Refusal("\(name): the count is negative") }
    guard count > 0 else { return }
    guard let offsets else { throw Refusal("\(name): there are no offsets") }
    guard offsets[0] == 0, (0..<count).allSatisfy({ offsets[$0] <= offsets[$0 + 1] }) else {
      throw Refusal("\(name): offsets must ascend from 0")
    }
    guard bytes != nil || offsets[count] == 0 else { throw Refusal("\(name): there are no bytes") }
  }

  /// - Throws: `Refusal` unless there are `count` strings.
  init(_ list: swiftqtl_strings, _ name: String, count: Int) throws {
    try self.init(list, name)
    guard self.count == count else { throw Refusal("\(name): \(self.count) strings, not \(count)") }
  }

  func utf8(_ index: Int) -> UnsafeRawBufferPointer {
    guard let bytes, let offsets else { return .init(start: nil, count: 0) }
    return UnsafeRawBufferPointer(
      start: bytes + Int(offsets[index]), count: Int(offsets[index + 1] - offsets[index]))
  }

  subscript(index: Int) -> String { String(decoding: utf8(index), as: UTF8.self) }

  var all: [String] { (0..<count).map { self[$0] } }
}

extension UnsafePointer<swiftqtl_strings>? {
  /// - Throws: `Refusal` when it is NULL, or not of `count` strings.
  func list(_ name: String, count: Int? = nil) throws -> StringList {
    guard let self else { throw Refusal("\(name) is NULL") }
    if let count { return try StringList(self.pointee, name, count: count) }
    return try StringList(self.pointee, name)
  }

  /// Names that must differ.
  func uniqueNames(_ name: String) throws -> [String] {
    let all = try list(name).all
    var seen: Set<String> = []
    if let twice = all.first(where: { !seen.insert($0).inserted }) {
      throw Refusal("\(name): \(twice) occurs twice")
    }
    return all
  }
}

/// A text of the caller's.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws -> String {
  guard let pointer else { throw Refusal("\(name) is NULL") }
  return String(cString: pointer)
}

/// Strings for the caller, at an address of their own.
final class StringPool: @unchecked Sendable {
  private let bytes: UnsafeMutableBufferPointer<CChar>
  private let offsets: UnsafeMutableBufferPointer<Int64>

  init(_ strings: [String]) {
    offsets = .allocate(capacity: strings.count + 1)
    bytes = .allocate(capacity: max(1, strings.reduce(0) { $0 + $1.utf8.count }))
    var end = 0
    offsets[0] = 0
    for (k, string) in strings.enumerated() {
      for byte in string.utf8 {
        bytes[end] = CChar(bitPattern: byte)
        end += 1
      }
      offsets[k + 1] = Int64(end)
    }
  }

  deinit {
    bytes.deallocate()
    offsets.deallocate()
  }

  var list: swiftqtl_strings {
    swiftqtl_strings(
      bytes: bytes.baseAddress, offsets: offsets.baseAddress, count: Int64(offsets.count - 1))
  }
}
