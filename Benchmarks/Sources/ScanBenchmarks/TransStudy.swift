import BenchmarkSupport
import Glibc

func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// A simulated study with linkage disequilibrium and planted effects.
struct TransStudy {
  var samples: Int
  var variants: Int
  var genes: Int
  var missingGenotypes = 0.0
  /// Whether OpenBLAS scans it too.
  var isCompared = true

  var name: String { "\(samples) × \(variants) × \(genes)" + (missingGenotypes > 0 ? ", 2 % missing" : "") }

  /// Prefix of its files, which are made when they are absent.
  func files(program: String, cache: String, log: String) -> String {
    let study = "\(cache)/study-\(samples)-\(variants)-\(genes)-\(missingGenotypes)"
    if !exists(study + ".truth.tsv") {
      _ = runChild(
        [
          program, "simulate", "--samples", "\(samples)", "--variants", "\(variants)", "--genes", "\(genes)",
          "--covariates", "20", "--missing-genotypes", "\(missingGenotypes)", "--seed", "1", "--out", study,
          "--quiet",
        ], log: log)
    }
    return study
  }
}

/// The numbers of a manifest, by key.
struct Manifest {
  private var values: [Substring: Double] = [:]

  init(_ path: String) {
    guard let file = fopen(path, "r") else { fail("no \(path)") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 1 << 16)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
      guard parts.count == 3, let value = Double(parts[2].filter { "0123456789.e-+".contains($0) }) else {
        continue
      }
      values[parts[1]] = value
    }
  }

  subscript(key: String) -> Double { values[Substring(key)] ?? 0 }
}
