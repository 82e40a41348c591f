import Foundation
import TestSupport
import Testing

/// The same tables as text and as Parquet.
@Suite(.enabled(if: TableReaders.python != nil, "Scripts/bootstrap --readers installs what reads Parquet"))
struct OutFormatTests {
  let folder: Folder
  let inputs: [String]

  init() throws {
    folder = try Folder()
    // Phenotypes miss some samples, so that cells differ in n and some are NA.
    try SmallStudy(samples: 50, variants: 1_500, genes: 24, covariates: 3, missing: 0.02).write(to: folder)
    inputs = BadInput.inputs(folder)
  }

  /// Cells of both kinds of every table, by what text means: the folder, the tables that have rows, and files of text.
  private static let script = """
    import gzip, sys, polars
    folder, names, files = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
    count, rows = 0, {}
    for path in files:
        name = path.split(".")[1]
        with (gzip.open if path.endswith(".gz") else open)(f"{folder}/{path}", "rt") as file:
            lines = [line.rstrip("\\n").split("\\t") for line in file]
        table = polars.read_parquet(f"{folder}/binary.{name}.parquet")
        assert table.columns == lines[0], name
        assert len(table) == len(lines) - 1, name
        rows[name] = len(table)
        for column, kind in table.schema.items():
            place = lines[0].index(column)
            for line, value in zip(lines[1:], table[column].to_list()):
                cell = line[place]
                if kind == polars.String: same = value == cell
                elif cell == "NA": same = value is None
                elif kind == polars.Int64: same = value == int(cell)
                else: same = value == float(cell)
                assert same, f"{name}, {column}: {cell} and {value}"
                count += 1
    assert all(rows[name] > 0 for name in names), rows
    print(count)
    """

  /// The tables that the manifests of both runs name.
  private func check(_ command: [String], _ names: [String], _ options: [String]) throws {
    // Heritability needs no genotypes, which come first, and relationship matrices nothing else.
    let inputs =
      switch command {
      case ["heritability"]: Array(inputs.dropFirst(2))
      case ["grm"]: Array(inputs.prefix(2))
      default: inputs
      }
    var outputs: [[String]] = []
    for (prefix, format) in [("text", "tsv"), ("binary", "parquet")] {
      try Program.run(
        command + inputs + options + ["--quiet", "--out-format", format, "--out", folder.path(prefix)]
      ).expectSuccess()
      let manifest = try Manifest.read(folder.path(prefix + ".manifest.json"))
      outputs.append(
        try #require(manifest["outputs"] as? [String]).map { URL(filePath: $0).lastPathComponent })
    }
    let renamed = outputs[0].filter { !$0.hasSuffix(".tbi") }.map {
      $0.replacing(/^text/, with: "binary").replacing(/\.tsv(\.gz)?$/, with: ".parquet")
    }
    #expect(outputs[1] == renamed)
    let present = try folder.contents()
    #expect(outputs[1].allSatisfy(present.contains))
    #expect(!present.contains { $0.hasPrefix("binary.") && $0.contains(".tsv") })
    let tables = outputs[0].filter { $0.hasSuffix(".tsv") || $0.hasSuffix(".tsv.gz") }
    let found = try TableReaders.run(
      ["-c", Self.script, folder.url.path, names.joined(separator: " ")] + tables)
    #expect((Int(found.output.dropLast()) ?? 0) > 20, "\(names): \(found.errors)")
  }

  @Test func trans() throws {
    let names = ["trans", "trans_best_by_variant", "trans_best_by_phenotype", "trans_qq", "drops"]
    let options = ["--exclude-cis", "200000", "--pval-threshold", "0.2", "--best"]
    try check(["trans"], names, options)
    try check(["trans"], names, options + ["--no-q"])
    for format in ["tensorqtl", "qtltools"] { try check(["trans"], names, options + ["--format", format]) }
    try check(["trans"], ["trans_permutations"], ["--permutations", "19"])
  }

  @Test func mixedModels() throws {
    try Program.run(
      ["grm", "--genotypes", inputs[1], "--quiet", "--out", folder.path("k")]
    ).expectSuccess()
    let options = ["--grm", folder.path("k"), "--max-patterns", "100"]
    try check(["trans"], ["trans", "heritability"], options + ["--pval-threshold", "0.01", "--lmm-exact"])
    try check(["heritability"], ["heritability"], options)
  }

  @Test func cis() throws {
    let window = ["--window", "1500000"]
    for format in ["swiftqtl", "tensorqtl", "fastqtl", "qtltools"] {
      try check(["cis", "nominal"], ["cis_nominal"], window + ["--format", format])
      try check(
        ["cis", "permute"], ["cis_permute"], window + ["--permutations", "50", "--format", format])
    }
    let significant = window + ["--significant-from", folder.path("text.cis_permute.tsv.gz"), "--fdr", "1"]
    try check(["cis", "permute"], ["cis_permute"], window + ["--permutations", "50"])
    try check(["cis", "nominal"], ["cis_significant"], significant)
    try check(["cis", "independent"], ["cis_independent", "cis_conditional"], significant + ["--all-pairs"])
  }

  @Test func interaction() throws {
    let names = SmallStudy(samples: 50, variants: 1_500, genes: 24, covariates: 3, missing: 0.02).samples
    let term = try folder.file(
      "id\tage\n" + names.enumerated().map { "\($1)\t\(($0 * 7) % 13)\n" }.joined(), "term.tsv")
    let options = ["--interaction", term, "--window", "1500000"]
    try check(["cis", "interaction"], ["cis_interaction"], options)
    try check(["cis", "interaction"], ["cis_interaction_best"], options + ["--best"])
    try check(["trans"], ["trans_interaction"], ["--interaction", term, "--pval-threshold", "0.1"])
  }

  @Test func classify() throws {
    try check(["trans"], ["trans"], ["--pval-threshold", "0.2"])
    let hits = folder.path("text.trans.tsv.gz")
    try check(["classify"], ["classify", "classify_grid"], ["--hits", hits, "--truth", hits])
  }

  @Test func components() throws {
    try check(["grm"], ["pcs", "eigenvalues", "drops"], ["--pcs", "3"])
    let manifest = try Manifest.read(folder.path("binary.manifest.json"))
    let notes = try #require(manifest["notes"] as? [String])
    #expect(notes.contains { $0.contains("binary.pcs.parquet is for other programs") })
    // What the note says.
    let result = try Program.run(
      ["trans"] + BadInput.inputs(folder, covariates: "binary.pcs.parquet") + ["--out", folder.path("r")])
    #expect(result.status == 65)
    #expect(result.errors.contains("binary.pcs.parquet:1: not a text file"), "\(result.errors)")
    #expect(result.errors.contains("Parquet"))
  }
}
