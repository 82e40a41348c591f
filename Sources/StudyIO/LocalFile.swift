import Glibc
public import StudyData

/// Checks that come before any reader.
public enum LocalFile {
  /// The size of a regular file that can be read.
  static func size(of path: String) throws(StudyError) -> Int {
    // A pipe without a writer must not block.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int(status.st_size)
    case S_IFDIR: throw .unreadable(path, EISDIR)
    default:
      throw StudyError(
        .environment, file: path, "is not a regular file",
        remedy: "genotypes are read more than once: write the stream to a file first")
    }
  }

  /// Whether there is a regular file, readable or not.
  public static func exists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// When the file was last written, in whole seconds, as htslib compares them; 0 where there is none.
  static func modified(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mtim.tv_sec : 0
  }

  /// All bytes of a small file.
  ///
  /// - Throws: ``StudyError`` `environment` when it is no regular file or cannot be read.
  public static func contents(_ path: String) throws(StudyError) -> [UInt8] {
    try start(of: path, count: size(of: path))
  }

  /// The first `count` bytes, fewer where the file ends before.
  static func start(of path: String, count: Int) throws(StudyError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path, errno) }
    defer { close(descriptor) }
    return try readBytes(descriptor, at: 0, count: count, path)
  }

  /// Size, and nanoseconds since 1970 when the file was last written.
  ///
  /// - Throws: ``StudyError`` `environment` when it is no regular file or cannot be read.
  public static func state(of path: String) throws(StudyError) -> (bytes: Int, modified: Int) {
    let size = try size(of: path)
    var status = stat()
    guard stat(path, &status) == 0 else { throw .unreadable(path, errno) }
    return (size, status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec)
  }
}
