// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

import CSwiftQTL
import Glibc
import SwiftQTL

/// What a handle of the C interface points at.
class Handle {
  /// For the caller, who owns it from here on.
  final func handedOut() -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

  static func release(_ pointer: OpaquePointer?) {
    if let pointer { Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).release() }
  }
}

/// A handle that holds a value.
final class Box<Value>: Handle {
  let value: Value

  init(_ value: Value) { self.value = value }
}

/// The object behind a handle.
///
/// - Throws: `Refusal` when there is none.
func object<Object: Handle>(_ pointer: OpaquePointer?, _ name: String, as type: Object.Type = Object.self)
  throws -> Object
{
  guard let pointer else { throw Refusal("\(name) is NULL") }
  return unsafeDowncast(
    Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue(), to: type)
}

/// A caller's struct over `own`, of which it may know only the first fields: an earlier version's, which had at least `least` bytes.
///
/// - Throws: `Refusal` when its size, its first field, is none, or it sets fields that are not known here.
func take<Value: BitwiseCopyable>(
  _ pointer: UnsafePointer<Value>?, _ name: String, over own: inout Value,
  least: Int = MemoryLayout<Value>.size
) throws {
  guard let pointer else { throw Refusal("\(name) is NULL") }
  let raw = UnsafeRawPointer(pointer)
  let (size, known) = (raw.load(as: Int.self), MemoryLayout<Value>.size)
  guard size >= least else { throw Refusal("\(name): its size is \(size)") }
  memcpy(&own, raw, min(size, known))
  for byte in min(size, known)..<size where raw.load(fromByteOffset: byte, as: UInt8.self) != 0 {
    throw Refusal("\(name): a field is set that this version does not know")
  }
}

/// Fills in as much of a caller's struct as it knows, but its size.
func give<Value: BitwiseCopyable>(
  _ own: Value, to pointer: UnsafeMutablePointer<Value>?, _ name: String,
  least: Int = MemoryLayout<Value>.size
) throws {
  guard let pointer else { throw Refusal("\(name) is NULL") }
  let raw = UnsafeMutableRawPointer(pointer)
  let (size, known) = (raw.load(as: Int.self), MemoryLayout<Value>.size)
  guard size >= least else { throw Refusal("\(name): its size is \(size)") }
  withUnsafeBytes(of: own) { bytes in
    raw.copyMemory(from: bytes.baseAddress!, byteCount: min(size, known))
  }
  raw.storeBytes(of: size, as: Int.self)
}

/// An argument that cannot be taken.
struct Refusal: Error {
  let message: String

  init(_ message: String) { self.message = message }
}

/// The progress function stopped the scan.
struct Cancellation: Error {}

final class ErrorHandle: Handle {
  let code: Int32
  let message: UnsafeMutablePointer<CChar>

  init(_ error: any Error) {
    let text: String
    switch error {
    case let error as StudyError:
      code =
        switch error.kind {
        case .malformed: SWIFTQTL_MALFORMED
        case .inconsistent: SWIFTQTL_INCONSISTENT
        case .degenerate: SWIFTQTL_DEGENERATE
        case .environment: SWIFTQTL_ENVIRONMENT
        }
      text = error.description
    case let error as Refusal: (code, text) = (SWIFTQTL_INVALID_ARGUMENT, error.message)
    case is Cancellation: (code, text) = (SWIFTQTL_CANCELLED, "the scan was cancelled")
    default: (code, text) = (SWIFTQTL_INTERNAL, "\(error)")
    }
    message = strdup(text)
  }

  deinit { free(message) }
}

/// Runs the body of a function of the interface: the status, and `error` filled in.
func status(_ error: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> Void) -> Int32 {
  do {
    try body()
    return SWIFTQTL_OK
  } catch let failure {
    let handle = ErrorHandle(failure)
    error?.pointee = handle.handedOut()
    return handle.code
  }
}

/// The same for functions that hand out an object.
func status(
  _ out: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
  _ body: () throws -> Handle
) -> Int32 {
  status(error) {
    guard let out else { throw Refusal("out is NULL") }
    out.pointee = try body().handedOut()
  }
}

@c @implementation
public func swiftqtl_abi_version() -> Int32 { SWIFTQTL_ABI_VERSION }

@c @implementation
public func swiftqtl_version() -> UnsafePointer<CChar>! {
  UnsafeRawPointer(version.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func swiftqtl_error_code(_ error: OpaquePointer!) -> Int32 {
  (try? object(error, "error", as: ErrorHandle.self))?.code ?? SWIFTQTL_OK
}

@c @implementation
public func swiftqtl_error_message(_ error: OpaquePointer!) -> UnsafePointer<CChar>! {
  guard let handle = try? object(error, "error", as: ErrorHandle.self) else {
    let empty: StaticString = ""
    return UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
  }
  return UnsafePointer(handle.message)
}

@c @implementation
public func swiftqtl_error_free(_ error: OpaquePointer!) { Handle.release(error) }
