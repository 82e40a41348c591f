import StudyData

/// A least value of an INFO field, of VCF, BCF or the pvar file of a PGEN.
extension VariantSelection.MinimumInfo {
  /// - Parameter declared: INFO fields of the header.
  /// - Throws: `inconsistent` when the field is none of them.
  func require(in declared: Set<String>, of path: String) throws(StudyError) {
    guard !declared.contains(field) else { return }
    let found = declared.isEmpty ? "none" : declared.sorted().prefix(10).joined(separator: ", ")
    throw StudyError(
      .inconsistent, file: path, "the header declares no INFO field \(field) (it declares \(found))",
      remedy: "name the field that holds the imputation quality")
  }

  /// The value in an INFO column: one for the record, or one for each ALT.
  ///
  /// - Parameter number: of the ALT, from 0, of `alternates`.
  /// - Returns: nil where the record has none, NaN where it is missing.
  /// - Throws: what `malformed` makes of a cause and a remedy.
  func quality(
    in info: FieldBytes, of number: Int, among alternates: Int, malformed: (String, String) -> StudyError
  ) throws(StudyError) -> Double? {
    guard let text = value(in: info) else { return nil }
    let values = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    let isForEach = values.count > 1 && values.count == alternates
    guard let quality = CellValue.number(isForEach ? FieldBytes(rebasing: values[number]) : text) else {
      throw malformed(
        "INFO \(field) is \(text.quoted), not one number",
        "name a field with one number per record or per ALT")
    }
    return quality
  }

  /// The text behind `field=`.
  private func value(in info: FieldBytes) -> FieldBytes? {
    for entry in info.split(separator: UInt8(ascii: ";")) where entry.starts(with: field.utf8) {
      let rest = entry.dropFirst(field.utf8.count)
      if rest.first == UInt8(ascii: "=") { return FieldBytes(rebasing: rest.dropFirst()) }
    }
    return nil
  }

  /// - Parameter quality: nil or NaN where the record has none.
  /// - Returns: nil for a variant that stays.
  func drop(_ variant: Variant, quality: Double?) -> Drop? {
    guard let quality, !quality.isNaN else {
      return Drop(.variant, id: variant.id, reason: "no INFO value", detail: field)
    }
    if quality >= value { return nil }
    return Drop(.variant, id: variant.id, reason: "low imputation quality", detail: "\(field) \(quality)")
  }
}
