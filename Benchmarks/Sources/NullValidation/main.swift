// Type-I error of the trans scan in studies without any effect. Prints Markdown; exits 1 when an estimate is off.
// Usage: NullValidation [workers]
import BenchmarkSupport
import Glibc
import SwiftQTL

let seeds: [UInt64] = [101, 202, 303, 404, 505]
/// In standard errors.
let tolerance = 3.0
let workers = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? 2

let designs = [
  Design(name: "(a) plain"),
  Design(name: "(b) genotypes correlated with a covariate, r = 0.7", correlation: 0.7),
  Design(name: "(c) 10 % of phenotype values missing at random", missing: 0.1),
]
/// A wrong analysis, to see that the check can fail; fewer traits, since nearly every pair is a hit.
let control = Design(
  name: "control: (b) analysed without that covariate", traits: 200, correlation: 0.7, adjusts: false)

func scientific(_ x: Double) -> String {
  let exponent = Int(log10(abs(x)).rounded(.down))
  return fixed(x / pow(10, Double(exponent)), 3) + "e\(exponent)"
}

/// Prints a row for each level; true when all are within the tolerance.
@MainActor func report(_ design: Design, _ tally: Tally) -> Bool {
  var passed = true
  for (k, level) in Tally.levels.enumerated() {
    let (estimate, error) = tally.rate(k)
    let z = (estimate - level) / error
    if !(abs(z) <= tolerance) { passed = false }
    row(
      design.name, "\(level)", "\(tally.tests.reduce(0, +))", "\(tally.hits[k].reduce(0, +))",
      scientific(estimate), scientific(error), fixed(z, 2))
  }
  return passed
}

do {
  let first = designs[0]
  print(
    "Seeds \(seeds.map(String.init).joined(separator: ", ")); for each \(first.samples) samples, "
      + "\(first.variants) variants, \(first.traits) traits, \(first.covariates) covariates.")
  header("design", "level", "tests", "p ≤ level", "estimate", "SE", "z")
  var passed = true
  for design in designs {
    var tally = Tally()
    for seed in seeds {
      let started = Clock.wall()
      let (study, r) = try design.study(seed: seed)
      tally += try Tally(scanning: study, workers: workers)
      note("\(design.name), seed \(seed): mean r \(fixed(r, 4)), \(fixed(Clock.wall() - started, 1)) s")
    }
    if !report(design, tally) { passed = false }
  }
  let wrong = try Tally(scanning: control.study(seed: seeds[0]).study, workers: workers)
  let controlPassed = report(control, wrong)
  print("\nWithin \(fixed(tolerance, 0)) SE: \(passed ? "all nine" : "**NOT ALL**").")
  print("The control is off, as it must be: \(controlPassed ? "**NO**" : "yes").")
  exit(passed && !controlPassed ? 0 : 1)
} catch {
  fail("\(error)")
}
