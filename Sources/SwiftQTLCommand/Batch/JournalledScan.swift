import Glibc
import SwiftQTL

/// What a finished unit of a scan leaves in a journal.
protocol JournalEntry: Sendable {
  var head: [UInt8] { get }
  var body: [UInt8] { get }
  /// For the progress.
  var tests: Int { get }
  var rowCount: Int { get }
  /// Of the scan's work.
  var fractionDone: Double { get }
}

/// A scan in numbered units, blocks of variants or genes, whose results are kept one by one: what a whole run, the shards of a plan and
/// their merge have in common.
protocol JournalledScan {
  /// For messages.
  static var units: String { get }
  var study: Study { get }
  var resources: RunOptions { get }

  /// What units take, in any measure.
  func cost(of units: Range<Int>) -> Double

  /// - Parameter emit: gets the entries in order.
  /// - Returns: what there is to say of all runs of the scan.
  func run(
    _ units: Range<Int>, _ execution: Execution,
    emit: @escaping @Sendable (any JournalEntry) throws -> Void
  ) throws -> ScanSummary

  /// Writes the tables of shards.
  ///
  /// - Parameters:
  ///   - journals: complete, in the order of the units.
  ///   - summary: of any run of the scan.
  func write(_ journals: [String], _ summary: ScanSummary, to files: OutputTransaction) throws -> WrittenScan
}

extension JournalledScan {
  /// Runs the units that the journal lacks, and puts them there.
  ///
  /// - Parameter units: from the journal's first record on.
  func run(
    _ units: Range<Int> = 0..<Int.max, into journal: Journal, _ execution: Execution, _ progress: Progress
  ) throws -> ScanSummary {
    let done = min(units.lowerBound + journal.count, units.upperBound)
    if journal.count > 0 { progress.note("going on after \(journal.count) \(Self.units)") }
    let pause = UnitPause()
    return try run(done..<units.upperBound, execution) { entry in
      try journal.append(head: entry.head, body: entry.body)
      progress.advance(tests: entry.tests, rows: entry.rowCount, fraction: entry.fractionDone)
      pause()
    }
  }
}

/// What is to be said of a scan when its tables are written.
struct WrittenScan {
  var summary: ScanSummary
  /// What was left out, by kind and reason.
  var drops: [String: [String: Int]]
  /// Of the tables, that of the results first.
  var paths: [String]
  var threshold: Double?
  var notes: [String] = []
  var genes: GeneReport?
  /// What was found.
  var finding: String
}

extension Progress {
  /// The last lines of a scan.
  func report(_ written: WrittenScan) {
    for note in written.summary.allNotes + written.notes { self.note(note) }
    note("\(written.finding) in \(Self.duration(elapsed)); written to \(written.paths[0])")
  }
}

/// Slows a scan down so that tests can end it half-way: SWIFTQTL_TEST_BLOCK_DELAY_MS after each unit.
private struct UnitPause: Sendable {
  private let microseconds: UInt32

  init() {
    let value = getenv("SWIFTQTL_TEST_BLOCK_DELAY_MS").flatMap { UInt32(String(cString: $0)) } ?? 0
    microseconds = min(value, 60_000) * 1_000
  }

  func callAsFunction() { if microseconds > 0 { usleep(microseconds) } }
}

/// A whole run of a command that keeps what it has finished in a journal beside its outputs, to go on there.
struct JournalledRun {
  let path: String
  /// For messages.
  let units: String
  /// Of the command.
  let name: String
  /// ``MixedOptions/decomposition(samples:_:)``.
  let decomposition: String
  /// Whether one can go on with the journal.
  var isResumable = true

  private var hint: String {
    "\(path) keeps the finished \(units): the same command with --resume goes on there"
  }

  /// - Parameters:
  ///   - paths: what the run is going to write, and what it reads.
  ///   - files: given up when the run is ended by a signal.
  ///   - body: fills the journal and commits the files.
  func execute(
    resuming: Bool, writing paths: [String], reading inputs: [String], _ files: OutputTransaction,
    _ progress: Progress, _ body: (Journal, [Manifest.Input]) throws -> Void
  ) throws {
    let (path, hint) = (path, isResumable ? hint : nil)
    // Before the first file is there.
    let interruption = Interruption(givingUp: files) { LocalFile.exists(path) ? hint : nil }
    defer { withExtendedLifetime(interruption) {} }
    for path in paths { try TableWriter.requireWritable(path) }
    let inputs = try Manifest.inputs(inputs)
    let identity = RunIdentity(
      command: name, arguments: CommandLine.arguments, decomposition: decomposition, inputs)
    let journal =
      resuming
      ? try Journal.resume(
        path, identity: identity.text,
        remedy: "run without --resume to start anew, or with the options and inputs it was begun with")
      : try Journal.create(path, identity: identity.text)
    do {
      try body(journal, inputs)
      journal.remove()
    } catch {
      // What the user must change would make it another run; a full disk or a signal does not.
      if (error as? StudyError)?.kind == .environment, journal.count > 0, let hint {
        progress.note(hint)
      } else {
        journal.remove()
      }
      throw error
    }
  }
}

/// Calls `body` with the head of each finished unit, and what reads its body.
///
/// - Throws: ``StudyError`` `malformed` when a journal is damaged, or `body` throws `ByteDecoder.Failure`.
func forEachUnit(of journals: [String], _ body: ([UInt8], () throws -> [UInt8]) throws -> Void) throws {
  for path in journals {
    var records = try JournalRecords(path: path)
    do throws(any Error) {
      while case .record(let record) = try records.next(), record.kind == .block {
        try body(record.head) {
          guard let bytes = try records.body(of: record) else { throw ByteDecoder.Failure() }
          return bytes
        }
      }
    } catch is ByteDecoder.Failure {
      throw StudyError.damagedJournal(path)
    }
  }
}

/// The finished units of journals, one after the other.
///
/// Calls of ``next()`` come one at a time.
final class FinishedUnits: @unchecked Sendable {
  struct Unit: Sendable {
    let path: String
    let head: [UInt8]
    let body: [UInt8]

    /// - Throws: ``StudyError`` `malformed` when `decode` throws `ByteDecoder.Failure`.
    func decoded<Value>(_ decode: (_ head: [UInt8], _ body: [UInt8]) throws -> Value) throws -> Value {
      do throws(any Error) {
        return try decode(head, body)
      } catch is ByteDecoder.Failure {
        throw StudyError.damagedJournal(path)
      }
    }
  }

  private var paths: ArraySlice<String>
  private var records: JournalRecords?

  init(_ paths: [String]) { self.paths = paths[...] }

  /// - Throws: ``StudyError`` `malformed` when a journal is damaged.
  func next() throws -> Unit? {
    while true {
      if records == nil {
        guard let path = paths.first else { return nil }
        records = try JournalRecords(path: path)
      }
      if case .record(let record)? = try records?.next(), record.kind == .block {
        let path = paths.first ?? ""
        guard let body = try records?.body(of: record) else { throw StudyError.damagedJournal(path) }
        return Unit(path: path, head: record.head, body: body)
      }
      records = nil
      paths.removeFirst()
    }
  }
}

extension StudyError {
  static func damagedJournal(_ path: String) -> StudyError {
    StudyError(
      .malformed, file: path, "the file is damaged: its checksums do not fit its content",
      remedy: "remove it and run that part again")
  }
}
