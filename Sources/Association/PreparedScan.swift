internal import Distributions
internal import LinearAlgebra
internal import MixedModels
public import StudyData

/// The traits of a study made ready for scans with the same options: once for all runs that share out the variants.
public struct PreparedScan: Sendable {
  let study: PreparedStudy

  /// - Throws: ``StudyError`` as a scan would.
  /// - Complexity: that of the beginning of a scan; in a mixed model it holds the decomposition.
  public init(_ study: Study, _ options: ScanOptions, workers: Int) throws(StudyError) {
    BLAS.useSingleThread()
    self.study = try PreparedStudy(study, options, workers: workers)
  }

  /// As sections of a file: the projector, the traits at unit length and, of a mixed model, variances and eigenvectors, all to the bit.
  ///
  /// - Precondition: pairs are not fitted anew (``MixedModelOptions/refitsExactly``).
  /// - Complexity: 8·n bytes a trait, and 8·n² for each pattern of missing phenotypes in a mixed model.
  public var sections: [ArchiveSection] {
    let (residualiser, traits) = (study.residualiser, study.traits)
    precondition(traits.mixed?.refit == nil)
    var sections = [
      ArchiveSection("projector") { residualiser.encode(to: &$0) },
      ArchiveSection("projector.basis", .doubles(residualiser.q)),
      ArchiveSection("traits") { traits.encode(to: &$0) },
      ArchiveSection("traits.unit", .doubles(traits.unit)),
    ]
    if let mixed = traits.mixed {
      sections.append(ArchiveSection("mixed") { mixed.encode(to: &$0) })
      for (pattern, spectrum) in mixed.spectra.enumerated() {
        guard let spectrum else { continue }
        sections.append(ArchiveSection("mixed.values.\(pattern)", .doubles(spectrum.excess)))
        sections.append(ArchiveSection("mixed.vectors.\(pattern)", .doubles(spectrum.vectors.storage)))
      }
    }
    return sections
  }

  /// What ``sections`` gave. Nil when it is not whole.
  public init?(_ archive: Archive) {
    do {
      study = try PreparedStudy(archive)
    } catch {
      return nil
    }
  }
}

extension PreparedStudy {
  fileprivate init(_ archive: Archive) throws(ByteDecoder.Failure) {
    residualiser = try Residualiser(archive)
    var traits = try TraitPanel(archive, residualiser)
    if archive.contains("mixed") {
      traits.mixed = try MixedTraits(
        archive, samples: residualiser.sampleCount, traits: traits.count, patterns: traits.patterns.count)
    }
    self.traits = traits
  }
}

extension MixedTraits {
  func encode(to encoder: inout ByteEncoder) {
    encoder.put(test.rawValue)
    encoder.put(spectra.map { $0?.size ?? -1 })
    encoder.put(spectra.map { $0?.absoluteNorm ?? 0 })
    encoder.put(heritability)
    encoder.put(ratio)
    estimates.encode(to: &encoder)
    encoder.put(notes)
  }

  init(_ archive: Archive, samples: Int, traits: Int, patterns: Int) throws(ByteDecoder.Failure) {
    var sizes: [Int] = []
    var norms: [Double] = []
    // Without its eigenvectors.
    let own = try archive.decode("mixed") { (decoder) throws(ByteDecoder.Failure) in
      let name = try decoder.text()
      sizes = try decoder.values()
      norms = try decoder.values()
      let (heritability, ratio): ([Double], [Double]) = (try decoder.values(), try decoder.values())
      let estimates = try [VarianceEstimate](&decoder)
      let notes = try decoder.texts()
      guard let test = MixedModelOptions.Test(rawValue: name), sizes.count == patterns,
        norms.count == patterns, heritability.count == traits, ratio.count == traits,
        estimates.count == traits
      else { throw ByteDecoder.Failure() }
      return MixedTraits(
        sampleCount: samples, test: test, spectra: [], heritability: heritability, ratio: ratio,
        estimates: estimates, refit: nil, notes: notes)
    }
    var spectra: [Spectrum?] = []
    for (pattern, size) in sizes.enumerated() {
      guard size > 0, size <= samples else {
        spectra.append(nil)
        continue
      }
      spectra.append(
        Spectrum(
          vectors: Matrix(
            rows: samples, columns: size,
            storage: try archive.doubles("mixed.vectors.\(pattern)", count: samples * size)),
          excess: try archive.doubles("mixed.values.\(pattern)", count: size), absoluteNorm: norms[pattern]))
    }
    self = MixedTraits(
      sampleCount: samples, test: own.test, spectra: spectra, heritability: own.heritability,
      ratio: own.ratio, estimates: own.estimates, refit: nil, notes: own.notes)
  }
}
