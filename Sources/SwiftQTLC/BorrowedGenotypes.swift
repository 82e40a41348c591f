import CSwiftQTL
import SwiftQTL
import Synchronization

/// A caller's matrix of genotypes, used where it lies.
struct BorrowedGenotypes: GenotypeSource, @unchecked Sendable {
  enum Values {
    case int8(UnsafePointer<Int8>)
    case float32(UnsafePointer<Float>)
  }

  let values: Values
  /// In elements.
  let variantStride: Int
  let sampleStride: Int
  let sampleIDs: [String]
  let names: VariantNames

  let path = "the genotype array"
  var paths: [String] { [] }
  var variantCount: Int? { names.count }

  func chromosomes() throws(StudyError) -> Set<String>? { names.chromosomes() }

  func stream(_ request: GenotypeRequest) throws(StudyError) -> any GenotypeStream {
    guard request.selection.minimumInfo == nil else {
      throw StudyError(
        .inconsistent, file: path, "an array has no imputation quality", remedy: "filter the array")
    }
    return BorrowedStream(self, request)
  }
}

/// What a caller says of variants, read where it is needed.
struct VariantNames: Sendable {
  let count: Int
  private let ids: StringList
  private let chromosomeNames: StringList?
  private let positions: Positions?
  private let alleles: (ref: StringList?, alt: StringList?)

  private struct Positions: @unchecked Sendable {
    let values: UnsafePointer<Int64>
  }

  /// - Throws: `Refusal` unless all are lists of one length, with chromosomes and positions or neither.
  init(_ variants: UnsafePointer<swiftqtl_variants>?) throws {
    var own = swiftqtl_variants()
    try take(variants, "variants", over: &own)
    ids = try StringList(own.ids, "variants.ids")
    count = ids.count
    func optional(_ list: UnsafePointer<swiftqtl_strings>?, _ name: String) throws -> StringList? {
      guard let list else { return nil }
      return try StringList(list.pointee, name, count: Int(own.ids.count))
    }
    chromosomeNames = try optional(own.chromosomes, "variants.chromosomes")
    positions = own.positions.map { Positions(values: $0) }
    guard (chromosomeNames == nil) == (positions == nil) else {
      throw Refusal("variants have chromosomes and positions, or neither")
    }
    alleles = (try optional(own.ref, "variants.ref"), try optional(own.alt, "variants.alt"))
  }

  func variant(_ index: Int) -> Variant {
    Variant(
      id: ids[index], chromosome: chromosomeNames?[index] ?? "",
      position: positions.map { Int($0.values[index]) } ?? 0, ref: alleles.ref?[index] ?? ".",
      alt: alleles.alt?[index] ?? ".")
  }

  /// Normalised; empty where none is known.
  func chromosomes() -> Set<String> {
    guard let chromosomeNames else { return [] }
    var names: Set<String> = []
    for k in 0..<count
    where k == 0 || !chromosomeNames.utf8(k).elementsEqual(chromosomeNames.utf8(k - 1)) {
      names.insert(Chromosome.normalized(chromosomeNames[k]))
    }
    return names
  }
}

private final class BorrowedStream: GenotypeStream {
  private let source: BorrowedGenotypes
  private let request: GenotypeRequest
  private let normalized = ChromosomeNames()
  private let next = Mutex(0)

  init(_ source: BorrowedGenotypes, _ request: GenotypeRequest) {
    self.source = source
    self.request = request
  }

  var fractionRead: Double { next.withLock { Double($0) / Double(max(1, source.names.count)) } }

  func nextChunk() throws(StudyError) -> (any GenotypeChunk)? {
    let range = next.withLock { next in
      let start = next
      next = min(source.names.count, next + request.blockSize)
      return start..<next
    }
    return range.isEmpty
      ? nil : BorrowedChunk(source: source, request: request, normalized: normalized, range: range)
  }
}

/// Normalised names by those of the file: there are few.
private final class ChromosomeNames: Sendable {
  private let known = Mutex<[String: String]>([:])

  func callAsFunction(_ name: String) -> String {
    known.withLock { known in
      if let normalized = known[name] { return normalized }
      let normalized = Chromosome.normalized(name)
      known[name] = normalized
      return normalized
    }
  }
}

private struct BorrowedChunk: GenotypeChunk {
  let source: BorrowedGenotypes
  let request: GenotypeRequest
  let normalized: ChromosomeNames
  let range: Range<Int>

  func decode() throws(StudyError) -> GenotypeBlock {
    var ordinals: [Int] = []
    var variants: [Variant] = []
    for ordinal in range {
      let variant = source.names.variant(ordinal)
      guard
        request.selection.isEverything
          || request.selection.admits(
            id: variant.id, normalizedChromosome: normalized(variant.chromosome), position: variant.position)
      else { continue }
      ordinals.append(ordinal)
      variants.append(variant)
    }
    let dosages: GenotypeBlock.Dosages =
      switch source.values {
      case .int8(let values): .hardCalls(try gathered(values, ordinals, convert: Self.code))
      case .float32(let values): .fractional(try gathered(values, ordinals, convert: Self.dosage))
      }
    return GenotypeBlock(
      sampleCount: request.samples.count, ordinals: ordinals, variants: variants, dosages: dosages)
  }

  /// 0, 1, 2, or 3 of what is missing; and whether it is none of them.
  @inline(__always)
  private static func code(_ value: Int8) -> (UInt8, isWrong: Bool) {
    (min(UInt8(bitPattern: value), 3), value > 3)
  }

  @inline(__always)
  private static func dosage(_ value: Float) -> (Float, isWrong: Bool) {
    (value >= 0 ? value : .nan, value > 2)
  }

  /// The analysed samples of some variants, in the layout of a block; in memory order where variants lie side by side.
  @inline(__always)
  private func gathered<Value, Dosage>(
    _ values: UnsafePointer<Value>, _ ordinals: [Int], convert: (Value) -> (Dosage, isWrong: Bool)
  ) throws(StudyError) -> [Dosage] {
    let (samples, n) = (request.samples, request.samples.count)
    let (variantStride, sampleStride) = (source.variantStride, source.sampleStride)
    var wrong = false
    let dosages = [Dosage](unsafeUninitializedCapacity: n * ordinals.count) { out, count in
      if abs(variantStride) < abs(sampleStride) {
        for (i, sample) in samples.enumerated() {
          let column = values + sample * sampleStride
          for (k, ordinal) in ordinals.enumerated() {
            let (dosage, isWrong) = convert(column[ordinal * variantStride])
            (out.baseAddress! + k * n + i).initialize(to: dosage)
            wrong = wrong || isWrong
          }
        }
      } else {
        for (k, ordinal) in ordinals.enumerated() {
          let row = values + ordinal * variantStride
          for (i, sample) in samples.enumerated() {
            let (dosage, isWrong) = convert(row[sample * sampleStride])
            (out.baseAddress! + k * n + i).initialize(to: dosage)
            wrong = wrong || isWrong
          }
        }
      }
      count = n * ordinals.count
    }
    if wrong { throw refusal(values, ordinals, convert) }
    return dosages
  }

  private func refusal<Value, Dosage>(
    _ values: UnsafePointer<Value>, _ ordinals: [Int],
    _ convert: (Value) -> (Dosage, isWrong: Bool)
  ) -> StudyError {
    for ordinal in ordinals {
      for sample in request.samples {
        let value = values[ordinal * source.variantStride + sample * source.sampleStride]
        guard convert(value).isWrong else { continue }
        return StudyError(
          .malformed, file: source.path,
          "variant \(source.names.variant(ordinal).id) has the dosage \(value) in sample \(source.sampleIDs[sample])",
          remedy: "give 0 to 2 copies of ALT; negative numbers and NaN are missing")
      }
    }
    preconditionFailure("no dosage is wrong")
  }
}
