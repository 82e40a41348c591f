import StudyData

/// A record with several ALT alleles becomes one variant for each, that ALT counted against all other alleles.
///
/// The variants stand next to each other in the order of the ALTs, with consecutive ordinals. A record with one ALT keeps its id; of several,
/// each variant is called `id_ALT`. Without an id each gets the one that any variant without an id gets, which names its ALT.
///
/// - Parameter alts: one or more.
func splitAlleles(
  fileID: String, chromosome: String, position: Int, ref: String, alts: [String]
) -> [Variant] {
  alts.map { alt in
    Variant(
      fileID: alts.count == 1 || fileID == "." ? fileID : fileID + "_" + alt, chromosome: chromosome,
      position: position, ref: ref, alt: alt)
  }
}

/// Ordinals that a record takes, analysed or not: one for each ALT, and one where there is none.
///
/// The same for every format, since the sample of tests for π₀ is drawn by ordinals.
func ordinalCount(alternates: Int) -> Int { max(1, alternates) }
