// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import SwiftQTL

final class StudyHandle: Handle {
  let study: Study
  let notes: StringPool

  init(_ study: Study) {
    self.study = study
    notes = StringPool(study.alignment + study.genotypes.notes)
  }
}

@c @implementation
public func swiftqtl_study_create(
  _ genotypes: OpaquePointer!, _ phenotypes: OpaquePointer!, _ covariates: OpaquePointer!,
  _ kinship: OpaquePointer!, _ samples: UnsafePointer<swiftqtl_strings>!, _ shares_chromosomes: Int32,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  swiftqtl_study_create_with_interactions(
    genotypes, phenotypes, covariates, nil, kinship, samples, shares_chromosomes, out, error)
}

@c @implementation
public func swiftqtl_study_create_with_interactions(
  _ genotypes: OpaquePointer!, _ phenotypes: OpaquePointer!, _ covariates: OpaquePointer!,
  _ interactions: OpaquePointer!, _ kinship: OpaquePointer!, _ samples: UnsafePointer<swiftqtl_strings>!,
  _ shares_chromosomes: Int32, _ out: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    func optional<Value>(_ pointer: OpaquePointer?, _ name: String, _ type: Value.Type) throws -> Value? {
      try pointer.map { try object($0, name, as: Box<Value>.self).value }
    }
    var terms = try optional(interactions, "interactions", Covariates.self)
    if terms?.path == covariateArray { terms?.path = "the array of interaction terms" }
    return StudyHandle(
      try Study(
        genotypes: try object(genotypes, "genotypes", as: Box<any GenotypeSource>.self).value,
        phenotypes: try object(phenotypes, "phenotypes", as: Box<Phenotypes>.self).value,
        covariates: try optional(covariates, "covariates", Covariates.self), interactions: terms,
        relatedness: try optional(kinship, "kinship", Kinship.self).map { .kinship($0) },
        restrictedTo: samples == nil ? nil : Set(try Optional(samples).list("samples").all),
        requiringSharedChromosome: shares_chromosomes != 0))
  }
}

@c @implementation
public func swiftqtl_study_sample_count(_ study: OpaquePointer!) -> Int64 {
  Int64((try? object(study, "study", as: StudyHandle.self).study.sampleCount) ?? -1)
}

@c @implementation
public func swiftqtl_study_notes(_ study: OpaquePointer!) -> swiftqtl_strings {
  (try? object(study, "study", as: StudyHandle.self).notes.list) ?? swiftqtl_strings()
}

@c @implementation
public func swiftqtl_study_free(_ study: OpaquePointer!) { Handle.release(study) }
