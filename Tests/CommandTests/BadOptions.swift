import Foundation

extension BadInput {
  /// A list file of the text given to an option.
  private static func list(
    _ name: String, at location: String?, _ cause: String, status: Int32 = 65, command: [String] = ["trans"],
    _ option: String, _ text: String
  ) -> BadInput {
    BadInput(name, at: location, cause, status: status, command: command) { folder in
      try folder.file(text, "list.txt")
      return inputs(folder) + [option, folder.path("list.txt")]
    }
  }

  static let lists: [BadInput] = [
    list("--genes of unknown ids", at: "e.bed", "none of the phenotypes asked for", "--genes", "x\ny\n"),
    list("--samples of unknown ids", at: nil, "none of the samples asked for", "--samples", "x\ny\n"),
    list("--extract of unknown ids", at: "g.bed", "nothing was tested", "--extract", "x\ny\n"),
    list(
      "--extract of unknown ids, cis", at: nil, "no variant", command: ["cis", "nominal"], "--extract", "x\n"),
    list("--extract of no id", at: "list.txt", "no id", "--extract", "\n\n"),
    list("--genes of no byte", at: "list.txt", "no id", "--genes", ""),
    list("--exclude-pairs of one id a line", at: "list.txt:2", "one id only", "--exclude-pairs", "a b\nc\n"),
    BadInput("--exclude-pairs of an absent file", at: "absent", "No such file", status: 74) {
      inputs($0) + ["--exclude-pairs", $0.path("absent")]
    },
    BadInput("--genotype-list of no name", at: "list.txt", "names no file") { folder in
      try folder.file("# nothing\n", "list.txt")
      return ["--genotype-list", folder.path("list.txt"), "--phenotypes", folder.path("e.bed")]
    },
    BadInput("--genotype-list that is absent", at: "absent", "No such file", status: 74) {
      ["--genotype-list", $0.path("absent"), "--phenotypes", $0.path("e.bed")]
    },
    BadInput("--gene-locations with a short row", at: "list.txt:2", "not 4") { folder in
      try folder.file("gene1 1 10 20\ngene2 1 10\n", "list.txt")
      return inputs(folder) + ["--gene-locations", folder.path("list.txt")]
    },
    BadInput("--variant-locations for PLINK files", at: "g.bed", "locations of its own") { folder in
      try folder.file("rs1 1 10\n", "list.txt")
      return inputs(folder) + ["--variant-locations", folder.path("list.txt")]
    },
    BadInput("--min-info for PLINK files", at: "g.bed", "only VCF, BCF and PGEN") {
      inputs($0) + ["--min-info", "0.5"]
    },
    BadInput("--region of an unknown contig", at: "g.bed", "nothing was tested") {
      inputs($0) + ["--region", "17"]
    },
    BadInput(
      "--region of an unknown contig, cis", at: "e.bed", "no phenotype lies in the regions",
      command: ["cis", "nominal"]
    ) { inputs($0) + ["--region", "17:1-1000"] },
    BadInput("filters that nothing passes", at: "g.bed", "nothing was tested") {
      inputs($0) + ["--mac", "1000"]
    },
  ]

  /// Where results cannot be put. The folder `out` must stay empty.
  static let outputs: [BadInput] = [
    BadInput("--out in an absent directory", at: "none/result.trans.tsv.gz", "No such file", status: 74) {
      inputs($0) + ["--out", $0.path("none/result")]
    },
    BadInput("--out below a regular file", at: "c.tsv/result.trans.tsv.gz", "Not a directory", status: 74) {
      inputs($0) + ["--out", $0.path("c.tsv/result")]
    },
    BadInput("a directory where a result goes", at: "taken.trans.tsv.gz", "directory", status: 74) {
      _ = try $0.subfolder("taken.trans.tsv.gz")
      return inputs($0) + ["--out", $0.path("taken")]
    },
    BadInput("a directory where the manifest goes", at: "taken.manifest.json", "directory", status: 74) {
      _ = try $0.subfolder("taken.manifest.json")
      return inputs($0) + ["--out", $0.path("taken")]
    },
    BadInput(
      "simulate into an absent directory", at: "none/x.bed", "No such file", status: 74,
      command: ["simulate"]
    ) {
      ["--samples", "20", "--variants", "50", "--genes", "3", "--out", $0.path("none/x")]
    },
    BadInput("simulate two samples", at: nil, "2 samples", command: ["simulate"]) { _ in
      ["--samples", "2", "--variants", "50", "--genes", "3"]
    },
    BadInput("simulate shares above 1", at: nil, "shares of variance", command: ["simulate"]) { _ in
      ["--samples", "20", "--variants", "50", "--genes", "3", "--cis-variance", "0.95"]
    },
  ]

  private static func option(
    _ text: String, _ cause: String, status: Int32 = 64, command: [String] = ["trans"]
  )
    -> BadInput
  {
    BadInput(text, at: nil, cause, status: status, command: command) {
      inputs($0) + text.split(separator: " ").map(String.init)
    }
  }

  static let options: [BadInput] = [
    option("--pval-threshold 0", "--pval-threshold"),
    option("--pval-threshold 1.5", "--pval-threshold"),
    option("--pval-threshold nan", "--pval-threshold"),
    option("--pval-threshold small", "--pval-threshold"),
    option("--bonferroni --pval-threshold 1e-5", "--bonferroni"),
    option("--exclude-cis -1", "--exclude-cis"),
    option("--maf 0.7", "--maf"),
    option("--maf -0.1", "--maf"),
    option("--maf nan", "--maf"),
    option("--mac -1", "--mac"),
    option("--max-missing 1.5", "--max-missing"),
    option("--hwe 2", "--hwe"),
    option("--min-info inf", "--min-info"),
    option("--threads 0", "--threads"),
    option("--threads two", "--threads"),
    option("--memory 0", "--memory"),
    option("--memory much", "--memory"),
    option("--compression-level 12", "--compression-level"),
    option("--format excel", "--format"),
    option("--format fastqtl", "--format fastqtl"),
    option("--dosage-field HDS", "--dosage-field"),
    option("--alternative sideways", "--alternative"),
    option("--permutations 0", "--permutations"),
    option("--permutations many", "--permutations"),
    option("--permutations 18", "--permutations 18 are too few"),
    option("--permutation-level 1", "--permutation-level"),
    option("--backend gpu", "--backend"),
    option("--window -1", "--window", command: ["cis", "nominal"]),
    option("--frobnicate", "--frobnicate"),
    option("--memory 1M", "--memory allows 1", status: 74),
    option("--region chr1:5", "'chr1:5' is not a region", status: 65),
    option("--region 1:200-100", "'1:200-100' is not a region", status: 65),
    option("--region 1:-5-100", "is not a region", status: 65),
    BadInput("no --genotypes", at: nil, "--genotypes", status: 64) { ["--phenotypes", $0.path("e.bed")] },
    BadInput("no --phenotypes", at: nil, "--phenotypes", status: 64) { ["--genotypes", $0.path("g")] },
    BadInput("--out of a directory", at: nil, "--out", status: 64) {
      inputs($0) + ["--out", $0.path("out") + "/"]
    },
  ]
}
