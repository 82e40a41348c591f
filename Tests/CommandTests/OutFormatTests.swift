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

  /// Cells of both kinds of every table, by what text means.
  private static let script = """
    import gzip, sys, polars
    count = 0
    for name in sys.argv[2:]:
        with gzip.open(f"{sys.argv[1]}/text.{name}.tsv.gz", "rt") as file:
            lines = [line.rstrip("\\n").split("\\t") for line in file]
        table = polars.read_parquet(f"{sys.argv[1]}/binary.{name}.parquet")
        assert table.columns == lines[0], name
        assert len(table) == len(lines) - 1 > 0, name
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
    print(count)
    """

  private func check(_ command: [String], _ names: [String], _ options: [String]) throws {
    // Heritability needs no genotypes, which come first.
    let inputs = command == ["heritability"] ? Array(inputs.dropFirst(2)) : inputs
    for (prefix, format) in [("text", "tsv"), ("binary", "parquet")] {
      try Program.run(
        command + inputs + options + ["--quiet", "--out-format", format, "--out", folder.path(prefix)]
      ).expectSuccess()
    }
    let found = try TableReaders.run(["-c", Self.script, folder.url.path] + names)
    #expect((Int(found.output.dropLast()) ?? 0) > 20, "\(names): \(found.errors)")
    for name in names { #expect(try !folder.contents().contains("binary.\(name).tsv.gz")) }
  }

  @Test func trans() throws {
    let names = ["trans", "trans_best_by_variant", "trans_best_by_phenotype"]
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
    try check(["classify"], ["classify"], ["--hits", folder.path("text.trans.tsv.gz")])
  }
}
