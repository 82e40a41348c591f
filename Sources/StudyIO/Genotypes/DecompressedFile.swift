import CHTSlib
import CZstd
import Glibc
import StudyData

/// The bytes within a file: plain, gzip, BGZF or zstd, as its first bytes say.
///
/// Truncation of a compressed file is an error: of BGZF at once, else where the bytes end. (A zstd file cut between two frames cannot be
/// told from a whole one.)
final class DecompressedFile {
  private enum Input {
    case bgzf(UnsafeMutablePointer<BGZF>)
    case zstd(ZstdInput)
  }
  let path: String
  private let input: Input

  /// - Parameter workers: threads that inflate BGZF; all else is read by the caller's alone.
  /// - Throws: `environment` if the file cannot be opened, `malformed` if its end is missing.
  init(path: String, workers: Int = 1) throws(StudyError) {
    self.path = path
    if let zstd = try ZstdInput(path: path) {
      input = .zstd(zstd)
      return
    }
    HTSLibrary.silence
    errno = 0
    guard let file = bgzf_open(path, "r") else { throw .unreadable(path, errno) }
    input = .bgzf(file)
    if bgzf_compression(file) == 2 {
      if bgzf_check_EOF(file) == 0 { throw .truncated(path) }
      // Without its threads htslib reads on, only slower.
      if workers > 1 { _ = bgzf_mt(file, Int32(workers), 0) }
    }
  }

  deinit {
    if case .bgzf(let file) = input { bgzf_close(file) }
  }

  /// Bytes of the file itself that have been read.
  var position: Int {
    switch input {
    case .bgzf(let file): Int(bgzf_position(file))
    case .zstd(let zstd): zstd.position
    }
  }

  /// Fills `bytes` as far as the file goes; 0 at its end.
  func read(into bytes: UnsafeMutableRawBufferPointer) throws(StudyError) -> Int {
    switch input {
    case .bgzf(let file):
      let count = bgzf_read(file, bytes.baseAddress, bytes.count)
      guard count >= 0 else { throw .damaged(path) }
      return count
    case .zstd(let zstd): return try zstd.read(into: bytes)
    }
  }
}

extension DecompressedFile {
  /// What is left of a file that is held in memory.
  func readAll() throws(StudyError) -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = try piece.withUnsafeMutableBufferPointer { (piece) throws(StudyError) in
        try read(into: UnsafeMutableRawBufferPointer(piece))
      }
      if count == 0 { return bytes }
      bytes += piece[..<count]
    }
  }
}

/// A file of zstd frames.
private final class ZstdInput {
  private let path: String
  private let descriptor: Int32
  private let context: OpaquePointer
  private var buffer: [UInt8]
  /// The compressed bytes `start..<end` of `buffer` are still to be used.
  private var start = 0
  private var end = 0
  private(set) var position = 0
  /// Whether a frame has begun that has not ended.
  private var isInFrame = false

  /// - Returns: nil when the file does not start like a zstd file.
  init?(path: String) throws(StudyError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    var magic = [UInt8](repeating: 0, count: 4)
    let count = pread(descriptor, &magic, 4, 0)
    guard count == 4, magic == [0x28, 0xB5, 0x2F, 0xFD], let context = ZSTD_createDCtx() else {
      close(descriptor)
      return nil
    }
    self.path = path
    self.descriptor = descriptor
    self.context = context
    buffer = Array(repeating: 0, count: ZSTD_DStreamInSize())
  }

  deinit {
    close(descriptor)
    ZSTD_freeDCtx(context)
  }

  func read(into bytes: UnsafeMutableRawBufferPointer) throws(StudyError) -> Int {
    var output = ZSTD_outBuffer(dst: bytes.baseAddress, size: bytes.count, pos: 0)
    while output.pos < output.size {
      if start < end || isInFrame {
        let before = (output.pos, start)
        let left = buffer.withUnsafeBytes { compressed -> Int in
          var input = ZSTD_inBuffer(src: compressed.baseAddress, size: end, pos: start)
          let left = ZSTD_decompressStream(context, &output, &input)
          start = input.pos
          return left
        }
        guard ZSTD_isError(left) == 0 else { throw .damaged(path) }
        isInFrame = left != 0
        // The decoder may hold output of bytes that are used up.
        if (output.pos, start) != before { continue }
      }
      try refill()
      guard end > 0 else {
        if isInFrame { throw .truncated(path) }
        break
      }
    }
    return output.pos
  }

  private func refill() throws(StudyError) {
    var count: Int
    repeat { count = Glibc.read(descriptor, &buffer, buffer.count) } while count < 0 && errno == EINTR
    guard count >= 0 else { throw .unreadable(path, errno) }
    (start, end) = (0, count)
    position += count
  }
}
