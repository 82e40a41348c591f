import CScanKernels
import Glibc
import StudyData

/// Takes a row in file order to the order of the analysed samples.
struct SampleGather: Sendable {
  /// Samples of the file.
  let columns: Int
  let index: [Int32]
  let isIdentity: Bool

  init(samples: [Int], columns: Int) {
    precondition(samples.allSatisfy { $0 >= 0 && $0 < columns })
    self.columns = columns
    index = samples.map(Int32.init)
    isIdentity = samples.count == columns && samples.enumerated().allSatisfy { $0.offset == $0.element }
  }

  var count: Int { index.count }
}

/// The rows of a block under construction: decoded in file order, stored in the order of the analysis.
struct DosageRows<Value: BitwiseCopyable> {
  private var storage: [Value]
  private var scratch: [Value]
  private(set) var count = 0
  private let gather: SampleGather
  private let reorder:
    (UnsafePointer<Value>, UnsafePointer<Int32>, Int64, UnsafeMutablePointer<Value>) -> Void

  /// Runs `decode` on a row of the file's samples; the row is kept unless it returns false.
  mutating func append(_ decode: (UnsafeMutablePointer<Value>) throws(StudyError) -> Bool) throws(StudyError)
    -> Bool
  {
    let offset = count * gather.count
    // Records with several ALT alleles have more rows than were foreseen.
    if offset + gather.count > storage.count { grow() }
    let isIdentity = gather.isIdentity
    let kept = try storage.withUnsafeMutableBufferPointer { (rows) throws(StudyError) -> Bool in
      // An empty buffer may have no address, but then nothing is written.
      guard let base = rows.baseAddress else { return true }
      if isIdentity { return try decode(base + offset) }
      return try scratch.withUnsafeMutableBufferPointer { (row) throws(StudyError) -> Bool in
        guard let file = row.baseAddress else { return true }
        guard try decode(file) else { return false }
        gather.index.withUnsafeBufferPointer { index in
          guard let first = index.baseAddress else { return }
          reorder(file, first, Int64(index.count), base + offset)
        }
        return true
      }
    }
    if kept { count += 1 }
    return kept
  }

  private mutating func grow() {
    let larger = storage.count + max(storage.count / 2, gather.count)
    storage = Array(unsafeUninitializedCapacity: larger) { [storage] in
      _ = $0.update(from: storage)
      $1 = larger
    }
  }

  fileprivate func finished() -> [Value] {
    count * gather.count == storage.count ? storage : Array(storage[..<(count * gather.count)])
  }

  fileprivate init(
    rows: Int, gather: SampleGather,
    reorder:
      @escaping (UnsafePointer<Value>, UnsafePointer<Int32>, Int64, UnsafeMutablePointer<Value>) ->
      Void
  ) {
    // Every row is written before it is read: clearing would cost more than decoding hard calls does.
    storage = Array(unsafeUninitializedCapacity: rows * gather.count) { values, count in
      count = rows * gather.count
      UnsafeMutableRawBufferPointer(values).preferLargePages()
    }
    scratch =
      gather.isIdentity ? [] : Array(unsafeUninitializedCapacity: gather.columns) { $1 = gather.columns }
    self.gather = gather
    self.reorder = reorder
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Asks the kernel for huge pages: of 100,000 samples the first touch of a block costs several times its decoding.
  fileprivate func preferLargePages() {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    guard count >= 1 << 24, let base = baseAddress.map({ Int(bitPattern: $0) }) else { return }
    let first = (base + page - 1) / page * page
    // Advice: nothing hangs on it.
    _ = madvise(UnsafeMutableRawPointer(bitPattern: first), base + count - first, MADV_HUGEPAGE)
  }
}

extension DosageRows<UInt8> {
  init(rows: Int, gather: SampleGather) {
    self.init(rows: rows, gather: gather, reorder: gd_gather_codes)
  }
  func dosages() -> GenotypeBlock.Dosages { .hardCalls(finished()) }
}

extension DosageRows<Float> {
  init(rows: Int, gather: SampleGather) {
    self.init(rows: rows, gather: gather, reorder: gd_gather_dosages)
  }
  func dosages() -> GenotypeBlock.Dosages { .fractional(finished()) }
}

/// Tells whether a request selects a record; normalises a chromosome's name once per run of records.
struct RecordSelector: Sendable {
  let selection: VariantSelection
  private var lastName = ""
  private var lastNormalized = ""

  init(_ selection: VariantSelection) { self.selection = selection }

  mutating func admits(_ variant: Variant) -> Bool {
    if selection.ids == nil, selection.regions.isEmpty { return true }
    if variant.chromosome != lastName {
      lastName = variant.chromosome
      lastNormalized = Chromosome.normalized(lastName)
    }
    return selection.admits(
      id: variant.id, normalizedChromosome: lastNormalized, position: variant.position)
  }
}

/// Texts of the fields of a line.
typealias FieldBytes = UnsafeBufferPointer<UInt8>

extension FieldBytes {
  var string: String { String(decoding: self, as: UTF8.self) }

  func spells(_ text: String) -> Bool { elementsEqual(text.utf8) }

  /// A whole number of at most 18 digits, nil for anything else.
  var wholeNumber: Int? {
    guard count > 0, count <= 18 else { return nil }
    var value = 0
    for byte in self {
      guard byte >= 48, byte <= 57 else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    return value
  }

  /// A position as text tables have it: R writes 100000 as `1e+05`, and midpoints of markers have a fraction, which is cut off.
  var position: Int? {
    if let wholeNumber { return wholeNumber }
    guard let value = decimal, value >= 0, value < 0x1p53 else { return nil }
    return Int(value)
  }

  /// For messages: the text, cut short.
  var quoted: String {
    let text = String(decoding: prefix(40), as: UTF8.self)
    let printable = text.unicodeScalars.map { $0.value < 32 ? "?" : String($0) }.joined()
    return "'" + printable + (count > 40 ? "…'" : "'")
  }
}

/// Whether ids are distinct; the first that is not.
func firstDuplicate(_ ids: [String]) -> String? {
  var seen = Set<String>(minimumCapacity: ids.count)
  return ids.first { !seen.insert($0).inserted }
}

extension Variant {
  /// Replaces the id `.`.
  init(fileID: String, chromosome: String, position: Int, ref: String, alt: String) {
    let id =
      fileID == "."
      ? Variant.synthesizedID(chromosome: chromosome, position: position, ref: ref, alt: alt) : fileID
    self.init(id: id, chromosome: chromosome, position: position, ref: ref, alt: alt)
  }
}

extension VariantSelection {
  /// For formats without INFO fields.
  func refuseMinimumInfo(_ path: String) throws(StudyError) {
    guard minimumInfo != nil else { return }
    throw StudyError(
      .inconsistent, file: path,
      "an imputation quality is asked for, but only VCF, BCF and PGEN have INFO fields",
      remedy: "filter the genotypes before conversion, or give the VCF")
  }
}
