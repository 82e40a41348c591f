import Association
import Distributions
import StudyData

/// A row of a table of genes that is about one pair.
protocol PairEntry {
  var row: PairRow { get }
  var tested: TestedVariant { get }
}

extension Array where Element: PairEntry {
  /// A column that tables of pairs share, by its name; nil for others.
  func column(_ name: String, _ features: [Feature]) -> ResultColumn? {
    switch name {
    case "variant_id": .text(map(\.tested.variant.id))
    case "chromosome": .text(map(\.tested.variant.chromosome))
    case "position": .integers(map(\.tested.variant.position))
    case "ref": .text(map(\.tested.variant.ref))
    case "alt": .text(map(\.tested.variant.alt))
    case "start_distance": .integers(map { $0.tested.variant.position - features[$0.row.feature].tss })
    case "beta": .numbers(map(\.row.beta))
    case "se": .numbers(map(\.row.standardError))
    case "t": .numbers(map(\.row.t))
    case "df": .integers(map(\.row.degreesOfFreedom))
    case "neg_log10_p": .numbers(map { LogP.negLog10($0.row.logP) })
    case "p": .probabilities(map(\.row.logP))
    case "r2": .numbers(map(\.row.r2))
    case "af": .numbers(map(\.tested.summary.alleleFrequency))
    case "ma_samples": .integers(map(\.tested.summary.minorAlleleSamples))
    case "ma_count": .numbers(map(\.tested.summary.minorAlleleCount))
    case "n": .integers(map(\.row.n))
    default: nil
    }
  }
}
