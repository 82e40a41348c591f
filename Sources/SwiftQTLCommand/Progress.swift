import Glibc
import Synchronization

/// Progress on standard error: one rewritten line on a terminal, a line every 30 s otherwise.
final class Progress: Sendable {
  private struct State {
    var tests = 0
    var rows = 0
    var lastShown = 0.0
    var started: Double
  }
  private let state: Mutex<State>
  private let start: Double
  private let isTerminal = isatty(2) == 1
  private let quiet: Bool

  init(quiet: Bool) {
    self.quiet = quiet
    start = Self.now()
    state = Mutex(State(started: start))
  }

  /// Counts and time to go start anew.
  func beginPhase() {
    state.withLock { $0 = State(started: Self.now()) }
  }

  var elapsed: Double { Self.now() - start }

  static func now() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) + 1e-9 * Double(t.tv_nsec)
  }

  /// A line that is always shown unless `--quiet`.
  func note(_ line: String) {
    if !quiet { printError(line) }
  }

  func advance(tests: Int, rows: Int, fraction: Double) {
    guard !quiet else { return }
    let line = state.withLock { state -> String? in
      state.tests += tests
      state.rows += rows
      let now = Self.now()
      guard now - state.lastShown >= (isTerminal ? 0.2 : 30) else { return nil }
      if state.lastShown == 0, !isTerminal {
        // The first interval starts now.
        state.lastShown = now
        return nil
      }
      state.lastShown = now
      return Self.line(
        fraction: fraction, tests: state.tests, rows: state.rows, elapsed: now - state.started,
        bar: isTerminal)
    }
    if let line { isTerminal ? printError("\r\(line)\u{1B}[K", terminator: "") : printError(line) }
  }

  /// Clears the bar.
  func finish() {
    if isTerminal, !quiet { printError("\r\u{1B}[K", terminator: "") }
  }

  static func line(fraction: Double, tests: Int, rows: Int, elapsed: Double, bar: Bool) -> String {
    let share = min(1, max(0, fraction))
    let percent = Int(share * 100)
    let left = share > 0.005 ? duration(elapsed * (1 - share) / share) : "?"
    let filled = Int(share * 24)
    let picture =
      bar
      ? "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 24 - filled) + "] " : ""
    let rate = tests == 0 ? "" : "\(si(Double(tests) / max(elapsed, 1e-3))) tests/s  "
    return "\(picture)\(percent)%  \(rate)\(rows) rows  \(left) left"
  }

  static func duration(_ seconds: Double) -> String {
    let s = Int(seconds.rounded())
    if s >= 3600 { return "\(s / 3600) h \(s % 3600 / 60) min" }
    return s >= 60 ? "\(s / 60) min \(s % 60) s" : "\(s) s"
  }

  /// 12300000 as 12.3 M.
  static func si(_ x: Double) -> String {
    let (scaled, unit) =
      x >= 1e9 ? (x / 1e9, "G") : x >= 1e6 ? (x / 1e6, "M") : x >= 1e3 ? (x / 1e3, "k") : (x, "")
    let tenths = Int((scaled * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)" + (unit.isEmpty ? "" : " " + unit)
  }
}
