import StudyData

@testable import Simulation

/// All genotypes of a simulation, for studies small enough.
struct Genotypes {
  var variants: [Variant] = []
  /// A row of dosages for each variant; 3 is missing.
  var codes: [[UInt8]] = []

  init(_ source: SimulatedGenotypes, samples: [Int]? = nil, blockSize: Int = 64) throws {
    let request = GenotypeRequest(
      samples: samples ?? Array(0..<source.sampleIDs.count), blockSize: blockSize)
    let stream = source.stream(request)
    while let block = try stream.nextChunk()?.decode() {
      guard case .hardCalls(let codes) = block.dosages else { preconditionFailure() }
      for row in 0..<block.count {
        variants.append(block.variants[row])
        self.codes.append(
          Array(codes[row * block.sampleCount..<(row + 1) * block.sampleCount]))
      }
    }
  }

  init(_ options: SimulationOptions) throws { try self.init(Simulator(options).genotypes) }

  /// Dosages of each variant, centred and of length 1 over the samples.
  var standardized: [[Double]] { codes.map(Self.standardized) }

  static func standardized(_ codes: [UInt8]) -> [Double] {
    let mean = codes.reduce(0) { $0 + Double($1) } / Double(codes.count)
    let centred = codes.map { Double($0) - mean }
    let length = centred.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return centred.map { $0 / length }
  }

  func minorAlleleFrequency(_ variant: Int) -> Double {
    let af =
      Double(codes[variant].reduce(0) { $0 + Int($1) }) / Double(2 * codes[variant].count)
    return min(af, 1 - af)
  }
}

struct Moments {
  var count = 0.0
  var sum = 0.0
  var squares = 0.0

  init(_ values: some Sequence<Double> = []) { for value in values { add(value) } }

  mutating func add(_ value: Double) {
    count += 1
    sum += value
    squares += value * value
  }
  var mean: Double { sum / count }
  var variance: Double { (squares - sum * sum / count) / (count - 1) }
  var standardError: Double { (variance / count).squareRoot() }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
