internal import Glibc

/// Runs a program to its end and says what it took, as the kernel counted it. Its output goes to `log`.
///
/// The kernel starts a child's peak memory at this process's own peak: keep that small.
public func runChild(_ arguments: [String], log: String) -> Cost {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  posix_spawn_file_actions_adddup2(&actions, 1, 2)

  var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for argument in argv { free(argument) } }
  var child = pid_t()
  let started = Clock.wall()
  let error = posix_spawnp(&child, arguments[0], &actions, nil, &argv, environ)
  guard error == 0 else { fail("cannot run \(arguments[0]): \(String(cString: strerror(error)))") }
  var (status, usage) = (Int32(0), rusage())
  while wait4(child, &status, 0, &usage) < 0 {
    guard errno == EINTR else { fail("wait4: \(String(cString: strerror(errno)))") }
  }
  let wall = Clock.wall() - started
  guard status == 0 else { fail("\(arguments.joined(separator: " ")) failed (status \(status)); see \(log)") }
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
  return Cost(
    wall: wall, cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
    peakResident: Int(usage.ru_maxrss) * 1024)
}
