// Feeds whole files, damaged, through our readers; built with the address sanitizer by Scripts/fuzz.
// usage: FuzzReaders INPUTS SEED [TARGET…]
import CFuzzing
import Foundation
import SwiftQTL

private let targets: [(name: String, victims: (Folder) -> [Victim])] = [
  ("bed", bedVictims), ("pgen", pgenVictims), ("bgen", bgenVictims), ("bcf", bcfVictims), ("vcf", vcfVictims),
  ("phenotypes", phenotypeVictims), ("tables", tableVictims), ("kinship", kinshipVictims),
  ("stored", storedVictims),
]

/// Seconds that an input may take: thousands of times what it does take.
private let patience: UInt32 = 60

/// - Returns: whether the set was read; an error says what and where in one line.
private func isRead(_ victim: Victim, _ random: inout CounterRNG) -> Bool {
  do throws(StudyError) {
    try victim.read(&random)
    return true
  } catch {
    require(
      !error.cause.isEmpty && !error.cause.contains("\n") && !error.remedy.isEmpty, "the error \(error)")
    return false
  }
}

private func run(_ name: String, _ victims: [Victim], inputs: Int, seed: UInt64) {
  fuzz_watch(name)
  for victim in victims {
    fuzz_begin(seed, patience)
    victim.restore()
    var random = CounterRNG(seed: seed)
    // Some options leave nothing of a small set.
    let isGood = (0..<32).contains { _ in isRead(victim, &random) }
    require(isGood, "\(name): \(victim.name) is refused undamaged")
  }
  var counts = Array(repeating: (inputs: 0, accepted: 0), count: victims.count)
  for seed in seed..<(seed + UInt64(inputs)) {
    fuzz_begin(seed, patience)
    // Each input has its own seed: `FuzzReaders 1 SEED TARGET` repeats one.
    var random = CounterRNG(seed: seed)
    let k = random.below(victims.count)
    let victim = victims[k]
    var content = victim.content
    Damage.change(&content, victim.parts, &random)
    write(victim.form.encode(content, &random), to: victim.path)
    counts[k].inputs += 1
    if isRead(victim, &random) { counts[k].accepted += 1 }
  }
  fuzz_begin(0, 0)
  report(name, counts.reduce((0, 0)) { ($0.0 + $1.inputs, $0.1 + $1.accepted) })
  for (victim, count) in zip(victims, counts) { report("  " + victim.name, count) }
}

private func report(_ name: String, _ count: (inputs: Int, accepted: Int)) {
  let share = count.inputs > 0 ? 100 * Double(count.accepted) / Double(count.inputs) : 0
  print("\(name): \(count.inputs) mutated inputs, \((10 * share).rounded() / 10) % accepted")
  fflush(nil)
}

let arguments = CommandLine.arguments
guard arguments.count >= 3, let inputs = Int(arguments[1]), let seed = UInt64(arguments[2]) else {
  FileHandle.standardError.write(Data("usage: FuzzReaders INPUTS SEED [TARGET...]\n".utf8))
  exit(2)
}
let wanted = arguments.dropFirst(3)
if let unknown = wanted.first(where: { name in !targets.contains { $0.name == name } }) {
  FileHandle.standardError.write(Data("fuzz: no target \(unknown)\n".utf8))
  exit(2)
}
let folder = Folder()
for (name, victims) in targets where wanted.isEmpty || wanted.contains(name) {
  run(name, victims(folder.folder(name)), inputs: inputs, seed: seed)
}
folder.remove()
