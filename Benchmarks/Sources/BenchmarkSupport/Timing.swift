internal import Glibc

/// Seconds by a clock of the system.
public enum Clock {
  public static func wall() -> Double { read(CLOCK_MONOTONIC) }
  /// Of all threads of this process.
  public static func cpu() -> Double { read(CLOCK_PROCESS_CPUTIME_ID) }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// One measurement.
public struct Cost: Sendable {
  public var wall: Double
  public var cpu: Double
  /// Bytes; 0 where it was not measured.
  public var peakResident = 0

  public static func of(_ body: () throws -> Void) rethrows -> Cost {
    let (wall, cpu) = (Clock.wall(), Clock.cpu())
    try body()
    return Cost(wall: Clock.wall() - wall, cpu: Clock.cpu() - cpu)
  }
}

public func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// `value` with `digits` digits behind the point.
public func fixed(_ value: Double, _ digits: Int) -> String {
  let scale = pow(10, Double(digits))
  guard value.isFinite, abs(value) * scale < 1e15 else { return "\(value)" }
  let units = Int((abs(value) * scale).rounded())
  let sign = value < 0 && units > 0 ? "-" : ""
  guard digits > 0 else { return sign + "\(units)" }
  let text = String(repeating: "0", count: max(0, digits + 1 - "\(units)".count)) + "\(units)"
  return sign + text.dropLast(digits) + "." + text.suffix(digits)
}

/// Two digits and a power of ten.
public func scientific(_ value: Double) -> String {
  guard value > 0 else { return "\(value)" }
  let exponent = log10(value).rounded(.down)
  return fixed(value / pow(10, exponent), 1) + "e\(Int(exponent))"
}

/// `median (least…most)`.
public func spread(_ values: [Double], _ digits: Int) -> String {
  "\(fixed(median(values), digits)) (\(fixed(values.min()!, digits))…\(fixed(values.max()!, digits)))"
}

/// Prints the head of a Markdown table.
public func header(_ cells: String...) {
  print("\n| " + cells.joined(separator: " | ") + " |\n|" + String(repeating: "---|", count: cells.count))
}

/// Prints a row of a Markdown table at once, so that a long run shows where it is.
public func row(_ cells: String...) { row(cells) }

public func row(_ cells: [String]) {
  print("| " + cells.joined(separator: " | ") + " |")
  fflush(nil)
}

/// Writes a line to standard error.
public func note(_ message: String) {
  let bytes = Array((message + "\n").utf8)
  _ = write(2, bytes, bytes.count)
}

/// Says why on standard error and ends the program.
public func fail(_ message: String) -> Never {
  note("benchmark: \(message)")
  exit(1)
}

/// The value behind `name` on the command line.
public func option(_ name: String) -> String? {
  let arguments = CommandLine.arguments
  guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return nil }
  return arguments[index + 1]
}

/// The whole number from 1 on behind `name`.
public func count(_ name: String, _ standard: Int) -> Int {
  guard let text = option(name) else { return standard }
  guard let value = Int(text), value > 0 else { fail("\(name) must be a whole number from 1 on") }
  return value
}
