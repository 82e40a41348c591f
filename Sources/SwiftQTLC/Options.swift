// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import Glibc
import SwiftQTL
import Synchronization

@c @implementation
public func swiftqtl_options_init(_ options: UnsafeMutablePointer<swiftqtl_options>!, _ size: Int) {
  guard let options else { return }
  var own = swiftqtl_options.defaults
  own.size = size
  let known = min(size, MemoryLayout<swiftqtl_options>.size)
  memset(UnsafeMutableRawPointer(options), 0, size)
  memcpy(UnsafeMutableRawPointer(options), &own, known)
}

extension swiftqtl_options {
  static var defaults: swiftqtl_options {
    let (trans, cis) = (TransScan(), CisScan())
    let permutations = CisPermutations(cis)
    let (filter, mixed) = (cis.options.filter, cis.options.mixedModel)
    return swiftqtl_options(
      size: MemoryLayout<swiftqtl_options>.size, threads: 0, instructions: SWIFTQTL_INSTRUCTIONS_FASTEST,
      memory: 0, seed: permutations.seed, progress: nil, progress_data: nil, maf: filter.minimumFrequency,
      mac: filter.minimumCount, max_missing: filter.maximumMissing, hwe: filter.minimumHardyWeinbergP,
      normal: 0, alternative: SWIFTQTL_TWO_SIDED, window_from: SWIFTQTL_ANCHOR_DEFAULT, lmm_exact: 0,
      lmm_score: 0, max_patterns: Int32(mixed.maximumPatterns), pval_threshold: exp(trans.logThreshold),
      exclude_cis: Int64(trans.exclusion.radius ?? -1), q: 1, grouped: 0, window: Int64(cis.radius),
      permutations: Int64(permutations.plan.maximum), successes: 0, fdr: 0.05, qvalue_lambda: .nan,
      qvalue_method: SWIFTQTL_QVALUE_SMOOTHER, maf_interaction: InteractionScan().minimumStratumFrequency,
      best: 0, max_signals: 0, reml_no_constrain: 0)
  }

  /// Of the first version.
  static let leastSize = MemoryLayout<swiftqtl_options>.offset(of: \.maf_interaction)!
}

/// Threads to work with.
func workers(_ threads: Int32) throws -> Int {
  guard (0...4096).contains(threads) else { throw Refusal("threads is \(threads)") }
  return threads == 0 ? Machine.availableCores() : Int(threads)
}

/// A caller's options, checked.
struct Options {
  let given: swiftqtl_options

  init(_ options: UnsafePointer<swiftqtl_options>?) throws {
    var own = swiftqtl_options.defaults
    if options != nil {
      try take(options, "options", over: &own, least: swiftqtl_options.leastSize)
    }
    given = own
    try check()
  }

  private func check() throws {
    func require(_ isValid: Bool, _ name: String, _ value: some CustomStringConvertible) throws {
      if !isValid { throw Refusal("\(name) is \(value)") }
    }
    try require((0...0.5).contains(given.maf), "maf", given.maf)
    try require(given.mac >= 0, "mac", given.mac)
    try require((0...1).contains(given.max_missing), "max_missing", given.max_missing)
    try require((0...1).contains(given.hwe), "hwe", given.hwe)
    try require(given.memory >= 0, "memory", given.memory)
    try require(given.max_patterns > 0, "max_patterns", given.max_patterns)
    try require(given.pval_threshold > 0 && given.pval_threshold <= 1, "pval_threshold", given.pval_threshold)
    try require(given.window >= 0, "window", given.window)
    try require((1...100_000_000).contains(given.permutations), "permutations", given.permutations)
    try require((0...given.permutations).contains(given.successes), "successes", given.successes)
    try require(given.fdr > 0 && given.fdr < 1, "fdr", given.fdr)
    try require((0...0.5).contains(given.maf_interaction), "maf_interaction", given.maf_interaction)
    try require(given.max_signals >= 0, "max_signals", given.max_signals)
    if given.lmm_exact != 0, given.lmm_score != 0 {
      throw Refusal("lmm_exact and lmm_score exclude each other")
    }
  }

  /// - Throws: `Refusal` where they ask for tests of pairs alone.
  func refuseTestsOfPairs(_ scan: String) throws {
    guard given.lmm_exact == 0, given.lmm_score == 0 else {
      throw Refusal("lmm_exact and lmm_score are not for \(scan)")
    }
  }

  func execution() throws -> Execution {
    let instructions: InstructionSet? =
      switch given.instructions {
      case SWIFTQTL_INSTRUCTIONS_FASTEST: nil
      case SWIFTQTL_INSTRUCTIONS_PORTABLE: .portable
      default: throw Refusal("instructions is \(given.instructions)")
      }
    return Execution(
      workers: try workers(given.threads),
      memory: given.memory == 0 ? Machine.memory() / 4 * 3 : Int(given.memory), instructions: instructions)
  }

  /// - Throws: `Refusal` where they ask for mixed models of unrelated samples.
  func scanOptions(of study: Study, _ execution: Execution) throws -> ScanOptions {
    let alternative: Alternative =
      switch given.alternative {
      case SWIFTQTL_TWO_SIDED: .twoSided
      case SWIFTQTL_GREATER: .greater
      case SWIFTQTL_LESS: .less
      default: throw Refusal("alternative is \(given.alternative)")
      }
    if study.relatedness == nil {
      if given.lmm_exact != 0 { throw Refusal("lmm_exact needs a kinship") }
      if given.lmm_score != 0 { throw Refusal("lmm_score needs a kinship") }
      if given.reml_no_constrain != 0 { throw Refusal("reml_no_constrain needs a kinship") }
    }
    return ScanOptions(
      filter: VariantFilter(
        minimumFrequency: given.maf, minimumCount: given.mac, maximumMissing: given.max_missing,
        minimumHardyWeinbergP: given.hwe),
      transform: given.normal != 0 ? .inverseNormal : .none, alternative: alternative,
      mixedModel: MixedModelOptions(
        test: given.lmm_score != 0 ? .score : .wald, refitsExactly: given.lmm_exact != 0,
        isConstrained: given.reml_no_constrain == 0, maximumPatterns: Int(given.max_patterns),
        threads: execution.workers, memory: execution.memory))
  }

  /// - Parameter automatic: what the default is.
  func anchor(_ automatic: WindowAnchor) throws -> WindowAnchor {
    switch given.window_from {
    case SWIFTQTL_ANCHOR_DEFAULT: automatic
    case SWIFTQTL_ANCHOR_TSS: .tss
    case SWIFTQTL_ANCHOR_INTERVAL: .interval
    default: throw Refusal("window_from is \(given.window_from)")
    }
  }

  /// Of trans scans.
  func exclusion() throws -> CisExclusion {
    CisExclusion(
      radius: given.exclude_cis < 0 ? nil : Int(given.exclude_cis), anchor: try anchor(.tss))
  }

  func significance(of genes: [CisPermutations.GeneResult]) throws -> GeneSignificance {
    let method: GeneSignificance.Method =
      given.qvalue_method == SWIFTQTL_QVALUE_BH
      ? .benjaminiHochberg : .storey(try estimator(given.qvalue_method, lambda: given.qvalue_lambda))
    return GeneSignificance(of: genes, fdr: given.fdr, method: method)
  }
}

/// What π₀ comes from.
func estimator(_ method: Int32, lambda: Double) throws -> StoreyQ.Estimator {
  if !lambda.isNaN {
    guard lambda >= 0, lambda < 1 else { throw Refusal("qvalue_lambda is \(lambda)") }
    return .fixed(lambda: lambda)
  }
  switch method {
  case SWIFTQTL_QVALUE_SMOOTHER: return .smoother()
  case SWIFTQTL_QVALUE_BOOTSTRAP: return .bootstrap()
  case SWIFTQTL_QVALUE_BH: return .given(1)
  default: throw Refusal("qvalue_method is \(method)")
  }
}

/// Tells the caller how far a scan is, and learns from it whether to go on.
final class Reporter: @unchecked Sendable {
  private struct State {
    var tests = 0
    var rows = 0
    /// Seconds.
    var last = -Double.infinity
  }
  private let callback: swiftqtl_progress?
  private let data: UnsafeMutableRawPointer?
  private let state = Mutex(State())

  private static let interval = 0.1

  init(_ options: Options) {
    callback = options.given.progress
    data = options.given.progress_data
  }

  /// - Throws: `Cancellation`.
  func advance(tests: Int, rows: Int, fraction: Double) throws {
    guard let callback else { return }
    let isCancelled = state.withLock { state in
      state.tests += tests
      state.rows += rows
      let now = Self.now()
      guard now - state.last >= Self.interval || fraction >= 1 else { return false }
      state.last = now
      return callback(data, min(1, max(0, fraction)), Int64(state.tests), Int64(state.rows)) != 0
    }
    if isCancelled { throw Cancellation() }
  }

  private static func now() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) + 1e-9 * Double(t.tv_nsec)
  }
}
