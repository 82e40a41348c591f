// Type-I error of the trans scan in studies without any effect. Prints Markdown; exits 1 when an estimate is off.
// Usage: NullValidation [workers]
import BenchmarkSupport
import Glibc
import SwiftQTL

let seeds: [UInt64] = [101, 202, 303, 404, 505]
/// Of related samples, whose traits are of four kinds.
let relatedSeeds = (1...20).map { UInt64(101 * $0) }
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

let relatedDesigns = [
  RelatedDesign(name: "(d) families of four, mixed model", relatedness: .families),
  RelatedDesign(
    name: "(d') the same, h2 unconstrained", relatedness: .families, isConstrained: false),
  RelatedDesign(name: "(e) two populations, mixed model", relatedness: .populations),
  RelatedDesign(
    name: "(e') the same, a component as covariate, h2 unconstrained", relatedness: .populations,
    isConstrained: false, components: 1),
]
/// Wrong as well: least squares knows nothing of relatives.
let relatedControls = [
  RelatedDesign(name: "control: (d) by least squares", relatedness: .families, traits: 400, adjusts: false),
  RelatedDesign(
    name: "control: (e) by least squares", relatedness: .populations, traits: 400, adjusts: false),
]

func scientific(_ x: Double) -> String {
  let exponent = Int(log10(abs(x)).rounded(.down))
  return fixed(x / pow(10, Double(exponent)), 3) + "e\(exponent)"
}

/// Prints a row for each level; true when all are within the tolerance.
///
/// - Parameter mayBeLow: whether too few p are no failure: h² cannot be negative, and where it ends at 0 for want of a relationship that
///   the sample happens to lack, a mixed model is conservative for variants that follow the relationships.
@MainActor func report(_ name: String, _ tally: Tally, mayBeLow: Bool = false) -> Bool {
  var passed = true
  for (k, level) in Tally.levels.enumerated() {
    let (estimate, error) = tally.rate(k)
    let z = (estimate - level) / error
    if !(z <= tolerance && (mayBeLow || z >= -tolerance)) { passed = false }
    row(
      name, "\(level)", "\(tally.tests.reduce(0, +))", "\(tally.hits[k].reduce(0, +))",
      scientific(estimate), scientific(error), fixed(z, 2))
  }
  return passed
}

do {
  let first = designs[0]
  print(
    "Seeds \(seeds.map(String.init).joined(separator: ", ")); for each \(first.samples) samples, "
      + "\(first.variants) variants, \(first.traits) traits, \(first.covariates) covariates; (d), (e): \(relatedSeeds.count) seeds."
  )
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
    if !report(design.name, tally) { passed = false }
  }
  for design in relatedDesigns {
    var tally = Tally()
    for seed in relatedSeeds {
      let started = Clock.wall()
      tally += try Tally(
        scanning: design.study(seed: seed), isConstrained: design.isConstrained, workers: workers)
      note("\(design.name), seed \(seed): \(fixed(Clock.wall() - started, 1)) s")
    }
    let kinds = RelatedDesign.heritabilities
    for (k, h) in kinds.enumerated() {
      let own = report("\(design.name), h2 \(h)", tally.subset(from: k, step: kinds.count), mayBeLow: true)
      if !own { passed = false }
    }
  }
  let wrong = try Tally(scanning: control.study(seed: seeds[0]).study, workers: workers)
  var controlsPassed = report(control.name, wrong) ? 1 : 0
  for design in relatedControls {
    let tally = try Tally(scanning: design.study(seed: seeds[0]), workers: workers)
    controlsPassed += report(design.name, tally) ? 1 : 0
  }
  print(
    "\nWithin \(fixed(tolerance, 0)) SE (d and e: not above): \(passed ? "all" : "**NOT ALL**").")
  print("The three controls are off, as they must be: \(controlsPassed > 0 ? "**NO**" : "yes").")
  exit(passed && controlsPassed == 0 ? 0 : 1)
} catch {
  fail("\(error)")
}
