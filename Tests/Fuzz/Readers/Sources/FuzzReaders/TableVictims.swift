import SwiftQTL

/// A table as plain text, and compressed in the ways that its reader takes.
private func forms(
  _ name: String, _ text: String, in folder: Folder, file: String = "table.txt",
  _ forms: [Form] = [.plain, .bgzf, .gzip],
  read: @escaping (String, inout CounterRNG) throws(StudyError) -> Void
) -> [Victim] {
  let bytes = Array(text.utf8)
  let header = bytes.firstIndex(of: 10) ?? bytes.count
  return forms.map { form in
    let set = folder.folder("\(name) \(form)")
    let path = set(file)
    return Victim("\(name), \(form)", path, bytes, form, headerSize: header + 1) {
      (random) throws(StudyError) in
      try read(path, &random)
    }
  }
}

// MARK: - Phenotypes

private let samples = ["S1", "S2", "S3", "S4"]

private let phenotypeTables = [
  (
    "bed",
    "#chr\tstart\tend\tphenotype_id\tS1\tS2\tS3\tS4\n1\t0\t9\tg1\t-9.5\t2e-3\t0.5\t1.25\n1\t5\t9\tg2\tNA\t.\t-3.5\t4\n"
      + "2\t100000\t100001\tg3\t0\t1\t2\t3\nchrX\t7\t7\tg4\t1e-300\t-0\t12345678901234567890\t0.1\n"
  ),
  (
    "qtltools",
    "#chr\tstart\tend\tid\tgid\tstrand\tS1\tS2\n1\t0\t9\tg1\tc\t+\t-9.5\t2e-3\n1\t5\t9\tg2\tc\t-\tNA\t.\n"
  ),
  ("blanks", "S1 S2\ng1 1 2\r\ng2 -9.5 4\r\n"),
  (
    "matrix",
    "id\tchr\tstart\tend\tS1\tS2\ng1\t1\t9\t5\t1\tnan\ng2\tX\tNA\t1e5\t3\t\n"
  ),
]

private func check(_ read: Phenotypes) {
  require(read.features.allSatisfy { $0.start <= $0.end && $0.start >= 0 }, "features \(read.features)")
  require(read.values.storage.allSatisfy { !$0.isInfinite }, "values \(read.values.storage)")
  require(Set(read.sampleIDs).count == read.sampleIDs.count, "samples \(read.sampleIDs)")
  require(Set(read.features.map(\.id)).count == read.features.count, "features \(read.features)")
}

func phenotypeVictims(_ folder: Folder) -> [Victim] {
  let places = folder.add("places.txt", "id chr left right\ng1 1 5 9\ng2 2 7 3\n")
  func read(_ path: String, _ random: inout CounterRNG) throws(StudyError) {
    let regions = random.oneIn(4) ? [GenomicRegion(chromosome: "1", start: 1, end: 8)] : []
    let features: Set? = random.oneIn(4) ? ["g2", "g3"] : nil
    let table = random.oneIn(8) ? places : nil
    let read = try PhenotypeFile.read(path, features: features, regions: regions, locations: table)
    check(read)
    guard random.oneIn(16) else { return }
    let other = try PhenotypeFile.read(
      path, features: features, regions: regions, locations: table, workers: 2)
    require(
      read.features == other.features && read.sampleIDs == other.sampleIDs && read.drops == other.drops
        && read.values.storage.elementsEqual(other.values.storage) { $0.bitPattern == $1.bitPattern },
      "more workers give other phenotypes")
  }
  var victims = phenotypeTables.flatMap { forms($0, $1, in: folder, read: read) }
  let packed = victims[1].asItIs(in: folder.folder("packed")) { path in
    { (random) throws(StudyError) in try read(path, &random) }
  }
  victims.append(packed)
  let table = folder.add("table.txt", phenotypeTables[2].1)
  victims += forms("places", "id chr left right\ng1 1 5 9\ng2 X 7 3\ng3 NA NA 1e+05\n", in: folder) {
    (path, _) throws(StudyError) in
    check(try PhenotypeFile.read(table, locations: path))
  }
  return victims
}

// MARK: - Other tables

func tableVictims(_ folder: Folder) -> [Victim] {
  var victims: [Victim] = []
  let covariates = [
    "id\tS1\tS2\tS3\tS4\nlab\ta\tb\ta\tc\nage\t+1\tNA\t3\t-9.5\nPC1\t0.5\t-0.5\t1e-3\t2\n",
    "#FID IID lab age\nF S1 a 1\nF S2 b -9.5\nF S3 a 3\n", "S1 0.5\nS2 1.5\nS3 NA\n",
  ]
  for (k, table) in covariates.enumerated() {
    victims += forms("covariates \(k + 1)", table, in: folder) { (path, _) throws(StudyError) in
      let read = try CovariateFile.read(path, sampleIDs: Set(samples))
      require(read.values.storage.allSatisfy { !$0.isInfinite }, "values \(read.values.storage)")
    }
  }
  victims += forms(
    "hits", "phenotype_id\tvariant_id\tpval\ng1\trs1\t1e-8\ng2\trs2\t3e-400\n", in: folder
  ) { (path, _) throws(StudyError) in
    let read = try HitTable.read(path)
    require(!read.header.isEmpty, "no header")
  }
  victims += forms(
    "genes",
    "group_id\tphenotype_id\tqval\tpval_nominal_threshold\nA\tg1\t0.01\t1e-5\nNA\tg2\t3e-400\t0.25\n.\tg3\tNA\t\n",
    in: folder
  ) { (path, _) throws(StudyError) in
    let read = try GeneTable.read(path)
    require(
      read.genes.values.allSatisfy { ($0.lnQ ?? 0) <= 0 && ($0.lnThreshold ?? 0) <= 0 }, "genes \(read.genes)"
    )
    _ = read.significant(fdr: 0.05)
  }
  victims += forms("groups", "g1\tA\ng2\tA\n#c\ng3 B\n", in: folder) { (path, _) throws(StudyError) in
    _ = try PhenotypeGroups.read(path)
  }
  victims += forms("lists", "rs1\tx\nrs2 y\n# c\n\nrs3 z\n", in: folder) { (path, _) throws(StudyError) in
    _ = try IDListFile.read(path)
    _ = try GenePairFile.read(path)
  }
  victims += forms("sexes", "#IID SEX\nS1 1\nS2 F\nS3 NA\n", in: folder, [.plain, .bgzf, .zstd]) {
    (path, _) throws(StudyError) in
    _ = try SexTable(path: path)
  }
  return victims + matrixVictims(folder)
}

/// Genotypes as text.
private func matrixVictims(_ folder: Folder) -> [Victim] {
  var victims: [Victim] = []
  let all: [Form] = [.plain, .bgzf, .gzip, .zstd]
  let places = "snp chr pos\nrs1 1 5\nrs2 X 1e+05\nrs3 NA NA\n"
  let matrices = [
    "id\tchr\tpos\ta\tb\nrs1\t1\t5\t0.25\tNA\nrs2\t2\t7\t1\t2\n",
    "a b c\n\"rs1\" 0.5  1e-1 NA\n\"rs2\" 2 0 1\n",
    "id,ref,alt,a,b\nrs1,A,G,0,2.0005\nrs2,C,T,,.\n",
  ]
  let table = folder.add("places.txt", places)
  for (k, matrix) in matrices.enumerated() {
    victims += forms("matrix \(k + 1)", matrix, in: folder, all) { (path, random) throws(StudyError) in
      try GenotypeReading.read(path, locations: random.oneIn(2) ? table : nil, &random)
    }
  }
  let matrix = folder.add("matrix.txt", matrices[1])
  victims += forms("variants' places", places, in: folder, all) { (path, random) throws(StudyError) in
    try GenotypeReading.read(matrix, locations: path, &random)
  }
  let bimbam = "rs1, A, G, 0.5, 1, 2\nrs2, C, T, 0, NA, 1.5\n"
  for form in ["\(Form.plain)", "\(Form.gzip)"] {
    folder.folder("bimbam \(form)").add("table.samples", "a\nb\nc\n")
  }
  victims += forms("bimbam", bimbam, in: folder, file: "table", [.plain, .gzip]) {
    (path, random) throws(StudyError) in
    try GenotypeReading.read(path, &random)
  }
  folder.folder("list plain").add("a.txt", matrices[0])
  let list = folder.folder("list plain")("a.txt") + "\n# c\n"
  victims += forms("list", list, in: folder, [.plain]) { (path, random) throws(StudyError) in
    try GenotypeReading.read("@" + path, &random)
  }
  return victims
}

// MARK: - Relationship matrices and stored results

func kinshipVictims(_ folder: Folder) -> [Victim] {
  var victims: [Victim] = []
  let values: [Float] = [1, 0.25, 2, -0.5, 0.125, 3]
  let parts = [
    ("k.grm.bin", values.flatMap { little($0.bitPattern, 4) }),
    ("k.grm.N.bin", values.map { abs($0) * 64 }.flatMap { little($0.bitPattern, 4) }),
    ("k.grm.id", Array("F1 a\nF1 b\nF2 c\n".utf8)),
  ]
  for (name, content) in parts {
    let set = folder.folder(name)
    for (name, content) in parts { set.add(name, content) }
    victims.append(
      Victim(name, set(name), content) { (_) throws(StudyError) in check(try KinshipFile.read(set("k"))) })
  }
  let texts = [
    "id\ta\tb\tc\na\t1\t0.5\t0\nb\t0.5\t2\t-1e-3\nc\t0\t-0.001\t1\n", "a b\na 1 0.5\nb 0.5 2\n",
    "1 0.5 .25\n0.5 1 0\n.25 0 1\n",
  ]
  for (k, text) in texts.enumerated() {
    victims += forms("text \(k + 1)", text, in: folder) { (path, _) throws(StudyError) in
      check(try KinshipFile.read(path, ids: ["a", "b", "c"]))
    }
  }
  let (list, matrix) = (folder.folder("ids plain"), texts[2])
  list.add("table.txt", matrix)
  victims += forms("ids", "F1 a\nF1 b\nF2 c\n", in: folder, file: "table.id", [.plain]) {
    (_, _) throws(StudyError) in
    check(try KinshipFile.read(list("table.txt")))
  }
  return victims
}

private func check(_ kinship: Kinship) {
  let n = kinship.sampleCount
  require(kinship.matrix.storage.allSatisfy(\.isFinite), "entries \(kinship.matrix.storage)")
  for i in 0..<n { for j in 0..<i { require(kinship.matrix[i, j] == kinship.matrix[j, i], "not symmetric") } }
  if case .pairwise(let counts) = kinship.variantCounts {
    require(counts.count == n * (n + 1) / 2 && counts.allSatisfy { $0 >= 0 }, "counts \(counts)")
  }
}

/// Stored decompositions, archives and journals, which are sealed with checksums: damaged as they are, and with the seal made to fit.
func storedVictims(_ folder: Folder) -> [Victim] {
  let (n, q) = (5, 2)
  func values(_ count: Int) -> [Double] { (0..<count).map { Double($0) / 7 - 1 } }
  let decomposition = SpectralDecomposition(
    sampleIDs: (0..<n).map { "S\($0)" }, covariateBasis: Matrix(rows: n, columns: q, storage: values(n * q)),
    values: values(n - q), vectors: Matrix(rows: n, columns: n - q, storage: values(n * (n - q))),
    kinshipValues: values(n), scale: 0.75, clampedCount: 3, lowestValue: -1e-17)
  let sections = [
    ArchiveSection("text", .bytes(Array("some bytes".utf8))), ArchiveSection("numbers", .doubles(values(9))),
    ArchiveSection("empty", .bytes([])),
  ]
  var made: [(name: String, content: [UInt8])] = []
  do throws(StudyError) {
    let output = OutputTransaction()
    try SpectralFile.write(decomposition, to: output.open(folder("k.eigen"), compression: .none))
    try ArchiveFile.write(sections, to: output.open(folder("a.archive"), compression: .none))
    try output.commit()
    let journal = try Journal.create(folder("a.journal"), identity: "fuzz")
    for k in 0..<3 {
      try journal.append(head: Array("head \(k)".utf8), body: Array(repeating: UInt8(k), count: 40))
    }
  } catch { preconditionFailure("\(error)") }
  for name in ["k.eigen", "a.archive", "a.journal"] { made.append((name, contents(folder(name)))) }

  func victim(
    _ name: String, _ content: [UInt8], _ form: Form, _ headerSize: Int,
    read: @escaping (String) throws(StudyError) -> Void
  )
    -> Victim
  {
    let path = folder.folder("\(name) \(form)")(name)
    return Victim("\(name), \(form)", path, content, form, headerSize: headerSize) { (_) throws(StudyError) in
      try read(path)
    }
  }
  func readSpectrum(_ path: String) throws(StudyError) {
    let read = try SpectralFile.read(path)
    require(
      read.sampleCount == read.sampleIDs.count && read.clampedCount >= 0, "\(read.clampedCount) clamped")
  }
  func readArchive(_ path: String) throws(StudyError) { _ = try ArchiveFile.read(path) }
  func readJournal(_ path: String) throws(StudyError) {
    var records = try JournalRecords(path: path)
    var count = 0
    while case .record(let record) = try records.next() {
      count += try records.body(of: record) == nil || record.kind == .end ? 0 : 1
    }
    require(count <= 3, "\(count) records")
    _ = try Journal.resume(path, identity: "fuzz", remedy: "none")
  }
  return [
    victim("k.eigen", made[0].content, .plain, 104, read: readSpectrum),
    victim("k.eigen", made[0].content, .spectral, 104, read: readSpectrum),
    victim("a.archive", made[1].content, .plain, 200, read: readArchive),
    victim("a.archive", made[1].content, .archive, 200, read: readArchive),
    victim("a.journal", made[2].content, .plain, 140, read: readJournal),
  ]
}
