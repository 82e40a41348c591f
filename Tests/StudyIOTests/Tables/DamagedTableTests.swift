import Foundation
import LinearAlgebra
import StudyData
import Testing

@testable import StudyIO

/// Whatever bytes a table holds, a reader returns or throws a StudyError; it never traps.
@Suite struct DamagedTableTests {
  static let tables = [
    "#chr\tstart\tend\tid\tgid\tstrand\tS1\tS2\n1\t0\t9\tg1\tc\t+\t-9\t2e-3\n1\t5\t9\tg2\tc\t-\tNA\t.\n",
    "S1 S2\ng1 1 2\r\ng2 -9 4\r\n",
    "id\tchr\tstart\tend\tS1\tS2\ng1\t1\t9\t5\t1\tnan\ng2\tX\tNA\t1e5\t3\t\n",
    "#FID IID lab age\nF S1 a 1\nF S2 b -9\n",
    "id\tS1\tS2\nlab\ta\tb\nage\t+1\tNA\n",
  ]

  @Test(arguments: tables) func mutations(table: String) throws {
    let fixture = try TextFixture()
    let alphabet = Array("\t\n\r #0-+.e9NASinf\u{0}\u{FF}".utf8)
    var generator = SplitMix64(state: 11)
    var accepted = 0
    for _ in 0..<2_000 {
      var bytes = Array(table.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
        let position = Int.random(in: 0..<bytes.count, using: &generator)
        let byte = alphabet.randomElement(using: &generator) ?? 0
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes.remove(at: position)
        case 1: bytes.insert(byte, at: position)
        case 2: bytes = Array(bytes[..<max(position, 1)])
        default: bytes[position] = byte
        }
      }
      let path = try fixture.file(Data(bytes), "damaged.txt")
      for attempt in 0..<4 {
        do {
          switch attempt {
          case 0:
            let read = try PhenotypeFile.read(path)
            #expect(read.features.allSatisfy { $0.start <= $0.end && $0.start >= 0 })
            #expect(read.values.storage.allSatisfy { !$0.isInfinite })
          case 1: _ = try CovariateFile.read(path, sampleIDs: ["S1", "S2"])
          case 2: _ = try GenePairFile.read(path)
          default: _ = try PhenotypeFile.read(path, locations: path)
          }
          accepted += 1
        } catch {
          #expect(error.file == path)
        }
      }
    }
    #expect(accepted > 100, "some mutations are harmless")
  }
}
