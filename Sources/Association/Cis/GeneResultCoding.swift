internal import MultipleTesting
package import StudyData

extension CisPermutations.GeneResult {
  /// All of it, to the bit.
  package func encode(to encoder: inout ByteEncoder) {
    encoder.put(id)
    encoder.put([phenotypeCount, variantCount, permutations, asSignificant])
    encoder.put([logTrueP, logBetaP])
    encoder.put(lead != nil)
    if let (row, tested) = lead {
      row.encode(to: &encoder)
      tested.encode(to: &encoder)
    }
    encoder.put(approximation != nil)
    approximation?.encode(to: &encoder)
  }

  package init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let id = try decoder.text()
    let numbers = try decoder.values(Int.self, count: 4)
    let logs = try decoder.values(Double.self, count: 2)
    self.init(id: id, phenotypeCount: numbers[0], variantCount: numbers[1])
    (permutations, asSignificant) = (numbers[2], numbers[3])
    (logTrueP, logBetaP) = (logs[0], logs[1])
    if try decoder.flag() { lead = (try PairRow(&decoder), try TestedVariant(&decoder)) }
    if try decoder.flag() { approximation = try BetaApproximation(&decoder) }
  }
}

extension PairRow {
  fileprivate func encode(to encoder: inout ByteEncoder) {
    encoder.put([variant, feature, degreesOfFreedom, n])
    encoder.put([beta, standardError, t, logP, r2])
    encoder.put(isPerfectFit)
    encoder.put(exactFit.map { [$0.heritability, $0.logRatioP] } ?? [])
  }

  fileprivate init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let numbers = try decoder.values(Int.self, count: 4)
    let values = try decoder.values(Double.self, count: 5)
    let isPerfectFit = try decoder.flag()
    let exact: [Double] = try decoder.values()
    self.init(
      variant: numbers[0], feature: numbers[1], beta: values[0], standardError: values[1], t: values[2],
      degreesOfFreedom: numbers[2], logP: values[3], r2: values[4], n: numbers[3], isPerfectFit: isPerfectFit,
      exactFit: exact.count == 2 ? ExactFit(heritability: exact[0], logRatioP: exact[1]) : nil)
  }
}

extension TestedVariant {
  fileprivate func encode(to encoder: inout ByteEncoder) {
    encoder.put([ordinal, variant.position])
    encoder.put([variant.id, variant.chromosome, variant.ref, variant.alt])
    encoder.put(summary)
  }

  fileprivate init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let numbers = try decoder.values(Int.self, count: 2)
    let texts = try decoder.texts()
    guard texts.count == 4 else { throw ByteDecoder.Failure() }
    let variant = Variant(
      id: texts[0], chromosome: texts[1], position: numbers[1], ref: texts[2], alt: texts[3])
    self.init(ordinal: numbers[0], variant: variant, summary: try decoder.value())
  }
}

extension BetaApproximation {
  fileprivate func encode(to encoder: inout ByteEncoder) {
    encoder.put([status.rawValue, tail.rawValue])
    encoder.put([shape1, shape2, trueDegreesOfFreedom])
    encoder.put([degreesOfFreedom, copyCount, missingCount])
  }

  fileprivate init(_ decoder: inout ByteDecoder) throws(ByteDecoder.Failure) {
    let names = try decoder.texts()
    let shapes = try decoder.values(Double.self, count: 3)
    let counts = try decoder.values(Int.self, count: 3)
    guard names.count == 2, let status = Status(rawValue: names[0]), let tail = Tail(rawValue: names[1])
    else {
      throw ByteDecoder.Failure()
    }
    self.init(
      status: status, tail: tail, shape1: shapes[0], shape2: shapes[1], trueDegreesOfFreedom: shapes[2],
      degreesOfFreedom: counts[0], copyCount: counts[1], missingCount: counts[2])
  }
}

extension ByteDecoder {
  fileprivate mutating func values<Value: BitwiseCopyable>(_: Value.Type, count: Int) throws(Failure)
    -> [Value]
  {
    let values: [Value] = try self.values()
    guard values.count == count else { throw Failure() }
    return values
  }

  /// A Bool of any other byte would be undefined.
  fileprivate mutating func flag() throws(Failure) -> Bool {
    let byte = try value(UInt8.self)
    guard byte <= 1 else { throw Failure() }
    return byte == 1
  }
}
