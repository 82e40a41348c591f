import Foundation

extension BadInput {
  static let tables: [BadInput] = phenotypes + covariates

  /// The first cell of a line behind `columns` leading ones, replaced.
  private static func cell(_ line: String, after columns: Int, _ text: String) -> String {
    var cells = line.components(separatedBy: "\t")
    cells[columns] = text
    return cells.joined(separator: "\t")
  }

  private static let phenotypes: [BadInput] = [
    BadInput("phenotypes of no byte", at: "e.bed", "empty") { try $0.file("", "e.bed") },
    BadInput("phenotypes with a header only", at: "e.bed:1", "ends after its header") {
      try $0.edit("e.bed") { $0.components(separatedBy: "\n")[0] + "\n" }
    },
    BadInput("a word as phenotype", at: "e.bed:3", "'high'") {
      try $0.editLine(3, of: "e.bed") { cell($0, after: 6, "high") }
    },
    BadInput("an infinite phenotype", at: "e.bed:3", "'inf'") {
      try $0.editLine(3, of: "e.bed") { cell($0, after: 6, "inf") }
    },
    BadInput("-9 as missing phenotype", at: "e.bed:4", "-9") {
      try $0.editLine(4, of: "e.bed") { cell($0, after: 5, "-9") }
    },
    BadInput("phenotypes with a short row", at: "e.bed:5", "27 cells, the header 28") {
      try $0.editLine(5, of: "e.bed") { $0.components(separatedBy: "\t").dropLast().joined(separator: "\t") }
    },
    BadInput("phenotypes with a long row", at: "e.bed:5", "29 cells, the header 28") {
      try $0.editLine(5, of: "e.bed") { $0 + "\t0.5" }
    },
    BadInput("a sample twice in the phenotypes", at: "e.bed:1", "S000 twice") {
      try $0.editLine(1, of: "e.bed") { $0.replacing("S001", with: "S000") }
    },
    BadInput("a gene twice", at: "e.bed:3", "gene1 occurs twice") {
      try $0.editLine(3, of: "e.bed") { $0.replacing("gene2", with: "gene1") }
    },
    BadInput("a gene with a negative start", at: "e.bed:2", "-5") {
      try $0.editLine(2, of: "e.bed") { cell($0, after: 1, "-5") }
    },
    BadInput("a gene that ends before it starts", at: "e.bed:2", "ends at 1") {
      try $0.editLine(2, of: "e.bed") { cell($0, after: 2, "1") }
    },
    BadInput("all phenotypes missing", at: nil, "none of the 6 phenotypes can be analysed") {
      try $0.edit("e.bed") { text in
        let lines = text.split(separator: "\n")
        let rows = lines.dropFirst().map { line in
          (line.split(separator: "\t").prefix(4) + Array(repeating: "NA", count: 24)).joined(separator: "\t")
        }
        return ([String(lines[0])] + rows).joined(separator: "\n") + "\n"
      }
    },
    BadInput("gzipped phenotypes cut short", at: "e.bed.gz", "cut short") {
      try $0.file(Gzip.compressed($0.data("e.bed")).dropLast(20), "e.bed.gz")
      return inputs($0, phenotypes: "e.bed.gz")
    },
    BadInput("binary junk as phenotypes", at: "e.bed:1", "not a text file") { try $0.file(junk, "e.bed") },
    BadInput("no phenotype file", at: "absent", "No such file", status: 74) {
      inputs($0, phenotypes: "absent")
    },
    BadInput("a directory as phenotypes", at: "out", "directory", status: 74) {
      inputs($0, phenotypes: "out")
    },
    BadInput("PLINK's bed as phenotypes", at: "g.bed:1", "not a text file") {
      inputs($0, phenotypes: "g.bed")
    },
  ]

  private static let covariates: [BadInput] = [
    BadInput("covariates of no byte", at: "c.tsv", "empty") { try $0.file("", "c.tsv") },
    BadInput("covariates with a header only", at: "c.tsv:1", "ends after its header") {
      try $0.edit("c.tsv") { $0.components(separatedBy: "\n")[0] + "\n" }
    },
    BadInput("a covariate of numbers and words", at: "c.tsv:2", "mixes numbers and words") {
      try $0.editLine(2, of: "c.tsv") { cell($0, after: 3, "male") }
    },
    BadInput("a missing covariate", at: "c.tsv", "cov2 is missing for sample S003") {
      try $0.editLine(3, of: "c.tsv") { cell($0, after: 4, "NA") }
    },
    BadInput("an infinite covariate", at: "c.tsv:2", "Inf") {
      try $0.editLine(2, of: "c.tsv") { cell($0, after: 4, "Inf") }
    },
    BadInput("-9 as missing covariate", at: "c.tsv:2", "-9") {
      try $0.editLine(2, of: "c.tsv") { cell($0, after: 2, "-9") }
    },
    BadInput("covariates with a short row", at: "c.tsv:3", "24 cells, the header 25") {
      try $0.editLine(3, of: "c.tsv") { $0.components(separatedBy: "\t").dropLast().joined(separator: "\t") }
    },
    BadInput("covariates with a long row", at: "c.tsv:3", "26 cells, the header 25") {
      try $0.editLine(3, of: "c.tsv") { $0 + "\t1" }
    },
    BadInput("a sample twice in the covariates", at: "c.tsv:1", "S000 occurs twice") {
      try $0.editLine(1, of: "c.tsv") { $0.replacing("S001", with: "S000") }
    },
    BadInput("a covariate twice", at: "c.tsv:3", "cov1 occurs twice") {
      try $0.editLine(3, of: "c.tsv") { $0.replacing("cov2", with: "cov1") }
    },
    BadInput("as many covariates as samples", at: nil, "24 samples are too few") {
      try $0.file(SmallStudy(covariates: 24).covariateTable(), "c.tsv")
    },
    BadInput("no degree of freedom: n = rank + 1", at: nil, "24 samples are too few") {
      try $0.file(SmallStudy(covariates: 22).covariateTable(), "c.tsv")
    },
    BadInput("gzipped covariates cut short", at: "c.tsv.gz", "cut short") {
      try $0.file(Gzip.compressed($0.data("c.tsv")).dropLast(20), "c.tsv.gz")
      return inputs($0, covariates: "c.tsv.gz")
    },
    BadInput("no covariate file", at: "absent", "No such file", status: 74) {
      inputs($0, covariates: "absent")
    },
  ]

  static let joins: [BadInput] = [
    BadInput("no sample in genotypes and phenotypes", at: nil, "no sample is shared") {
      try $0.edit("g.fam") { $0.replacing("S0", with: "T0") }
    },
    BadInput(
      "samples of PLINK pasted with their families", at: nil, "no sample is shared", remedy: "id-paste=iid"
    ) { folder -> Void in
      for file in ["e.bed", "c.tsv"] {
        try folder.edit(file) { $0.replacing("S0", with: "F_1_S0") }
      }
    },
    BadInput("no sample in phenotypes and covariates", at: "c.tsv", "neither side holds sample ids") {
      try $0.edit("c.tsv") { $0.replacing("S0", with: "T0") }
    },
    BadInput("no sample in genotypes and covariates", at: nil, "no sample is shared") { folder -> Void in
      // Phenotypes share half of theirs with each.
      try folder.edit("g.fam") { $0.replacing("S01", with: "T01").replacing("S02", with: "T02") }
      try folder.edit("c.tsv") { $0.replacing("S00", with: "T00") }
    },
    BadInput("no chromosome shared", at: nil, "no chromosome is shared", remedy: "--no-exclude-cis") {
      try $0.edit("e.bed") { $0.replacing("\n1\t", with: "\n7\t").replacing("\n2\t", with: "\n8\t") }
    },
    BadInput("no chromosome shared, cis", at: nil, "no chromosome is shared", command: ["cis", "nominal"]) {
      try $0.edit("e.bed") { $0.replacing("\n1\t", with: "\n7\t").replacing("\n2\t", with: "\n8\t") }
    },
    BadInput("cis without locations", at: nil, "no phenotype has a location", command: ["cis", "nominal"]) {
      try $0.edit("e.bed") { text in
        text.split(separator: "\n").map { $0.split(separator: "\t").dropFirst(3).joined(separator: "\t") }
          .joined(separator: "\n")
      }
    },
    BadInput(
      "no variant near a gene", at: nil, "no variant lies in a cis window", command: ["cis", "nominal"]
    ) { folder in
      try folder.edit("g.bim") { $0.replacing("0000\t", with: "0000000\t") }
      return inputs(folder) + ["--window", "1000"]
    },
    BadInput("three samples for two covariates", at: nil, "3 samples are too few") {
      try $0.file("S000\nS001\nS002\n", "samples.txt")
      return inputs($0) + ["--samples", $0.path("samples.txt")]
    },
  ]
}
