import StudyData

/// A record with several ALT alleles becomes one variant for each, that ALT counted against all other alleles.
///
/// The variants stand next to each other in the order of the ALTs and share the record's ordinal. A record with one ALT
/// keeps its id; of several, each variant is called `id_ALT`. Without an id each gets the one that any variant without an
/// id gets, which names its ALT.
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
