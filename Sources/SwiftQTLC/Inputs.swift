// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import SwiftQTL

// MARK: Genotypes

@c @implementation
public func swiftqtl_genotypes_open(
  _ paths: UnsafePointer<swiftqtl_strings>!, _ dosage_field: Int32, _ locations: UnsafePointer<CChar>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    let paths = try Optional(paths).list("paths").all
    guard !paths.isEmpty else { throw Refusal("paths: there are none") }
    let field: DosageField? =
      switch dosage_field {
      case SWIFTQTL_DOSAGE_FIELD_AUTOMATIC: nil
      case SWIFTQTL_DOSAGE_FIELD_GT: .gt
      case SWIFTQTL_DOSAGE_FIELD_DS: .ds
      case SWIFTQTL_DOSAGE_FIELD_GP: .gp
      default: throw Refusal("dosage_field is \(dosage_field)")
      }
    let source = try GenotypeFile.open(
      paths, dosageField: field, locations: locations.map { String(cString: $0) })
    return Box<any GenotypeSource>(source)
  }
}

@c @implementation
public func swiftqtl_genotypes_from_int8(
  _ values: UnsafePointer<Int8>!, _ variant_stride: Int64, _ sample_stride: Int64,
  _ samples: UnsafePointer<swiftqtl_strings>!, _ variants: UnsafePointer<swiftqtl_variants>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    guard let values else { throw Refusal("values is NULL") }
    return try borrowed(.int8(values), variant_stride, sample_stride, samples, variants)
  }
}

@c @implementation
public func swiftqtl_genotypes_from_float32(
  _ values: UnsafePointer<Float>!, _ variant_stride: Int64, _ sample_stride: Int64,
  _ samples: UnsafePointer<swiftqtl_strings>!, _ variants: UnsafePointer<swiftqtl_variants>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    guard let values else { throw Refusal("values is NULL") }
    return try borrowed(.float32(values), variant_stride, sample_stride, samples, variants)
  }
}

private func borrowed(
  _ values: BorrowedGenotypes.Values, _ variantStride: Int64, _ sampleStride: Int64,
  _ samples: UnsafePointer<swiftqtl_strings>?, _ variants: UnsafePointer<swiftqtl_variants>?
) throws -> Handle {
  Box<any GenotypeSource>(
    BorrowedGenotypes(
      values: values, variantStride: Int(variantStride), sampleStride: Int(sampleStride),
      sampleIDs: try samples.uniqueNames("samples"), names: try VariantNames(variants)))
}

@c @implementation
public func swiftqtl_genotypes_variant_count(_ genotypes: OpaquePointer!) -> Int64 {
  let source = try? object(genotypes, "genotypes", as: Box<any GenotypeSource>.self).value
  return Int64(source?.variantCount ?? -1)
}

@c @implementation
public func swiftqtl_genotypes_sample_count(_ genotypes: OpaquePointer!) -> Int64 {
  let source = try? object(genotypes, "genotypes", as: Box<any GenotypeSource>.self).value
  return Int64(source?.sampleIDs.count ?? -1)
}

@c @implementation
public func swiftqtl_genotypes_free(_ genotypes: OpaquePointer!) { Handle.release(genotypes) }

// MARK: Phenotypes

@c @implementation
public func swiftqtl_phenotypes_open(
  _ path: UnsafePointer<CChar>!, _ locations: UnsafePointer<CChar>!, _ threads: Int32,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    Box(
      try PhenotypeFile.read(
        try text(path, "path"), locations: locations.map { String(cString: $0) },
        workers: try workers(threads)))
  }
}

@c @implementation
public func swiftqtl_phenotypes_from_float64(
  _ values: UnsafePointer<Double>!, _ feature_stride: Int64, _ sample_stride: Int64,
  _ samples: UnsafePointer<swiftqtl_strings>!, _ features: UnsafePointer<swiftqtl_features>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    guard let values else { throw Refusal("values is NULL") }
    let sampleIDs = try Optional(samples).uniqueNames("samples")
    let features = try described(features)
    return Box(
      Phenotypes(
        path: "the phenotype array", sampleIDs: sampleIDs, features: features,
        values: Matrix(
          values, rows: sampleIDs.count, stride: Int(sample_stride), columns: features.count,
          stride: Int(feature_stride))))
  }
}

private func described(_ features: UnsafePointer<swiftqtl_features>?) throws -> [Feature] {
  var own = swiftqtl_features()
  try take(features, "features", over: &own)
  let ids = try StringList(own.ids, "features.ids")
  let chromosomes = try own.chromosomes.map {
    try StringList($0.pointee, "features.chromosomes", count: ids.count)
  }
  let groups = try own.groups.map { try StringList($0.pointee, "features.groups", count: ids.count) }
  guard (chromosomes == nil) == (own.starts == nil), (own.starts == nil) == (own.ends == nil) else {
    throw Refusal("features have chromosomes, starts and ends, or none of them")
  }
  var seen: Set<String> = []
  return try (0..<ids.count).map { k in
    var feature = Feature(id: ids[k])
    guard seen.insert(feature.id).inserted else {
      throw Refusal("features.ids: \(feature.id) occurs twice")
    }
    if let chromosomes, let starts = own.starts, let ends = own.ends {
      guard starts[k] >= 0, ends[k] >= starts[k] else {
        throw Refusal("features: \(feature.id) lies from \(starts[k]) to \(ends[k])")
      }
      (feature.chromosome, feature.start, feature.end) = (chromosomes[k], Int(starts[k]), Int(ends[k]))
    }
    if let groups, !groups.utf8(k).isEmpty { feature.group = groups[k] }
    return feature
  }
}

@c @implementation
public func swiftqtl_phenotypes_feature_count(_ phenotypes: OpaquePointer!) -> Int64 {
  Int64((try? object(phenotypes, "phenotypes", as: Box<Phenotypes>.self).value.features.count) ?? -1)
}

@c @implementation
public func swiftqtl_phenotypes_sample_count(_ phenotypes: OpaquePointer!) -> Int64 {
  Int64((try? object(phenotypes, "phenotypes", as: Box<Phenotypes>.self).value.sampleIDs.count) ?? -1)
}

@c @implementation
public func swiftqtl_phenotypes_free(_ phenotypes: OpaquePointer!) { Handle.release(phenotypes) }

// MARK: Covariates

/// What messages call it.
let covariateArray = "the covariate array"

@c @implementation
public func swiftqtl_covariates_open(
  _ path: UnsafePointer<CChar>!, _ phenotypes: OpaquePointer!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    let phenotypes = try object(phenotypes, "phenotypes", as: Box<Phenotypes>.self).value
    return Box(
      try CovariateFile.read(try text(path, "path"), sampleIDs: Set(phenotypes.sampleIDs)))
  }
}

@c @implementation
public func swiftqtl_covariates_from_float64(
  _ values: UnsafePointer<Double>!, _ sample_stride: Int64, _ covariate_stride: Int64,
  _ samples: UnsafePointer<swiftqtl_strings>!, _ names: UnsafePointer<swiftqtl_strings>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    guard let values else { throw Refusal("values is NULL") }
    let sampleIDs = try Optional(samples).uniqueNames("samples")
    let names = try Optional(names).list("names").all
    return Box(
      Covariates(
        path: covariateArray, sampleIDs: sampleIDs, names: names,
        values: Matrix(
          values, rows: sampleIDs.count, stride: Int(sample_stride), columns: names.count,
          stride: Int(covariate_stride))))
  }
}

@c @implementation
public func swiftqtl_covariates_free(_ covariates: OpaquePointer!) { Handle.release(covariates) }

// MARK: Kinship

@c @implementation
public func swiftqtl_kinship_open(
  _ path: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) { Box(try KinshipFile.read(try text(path, "path"))) }
}

@c @implementation
public func swiftqtl_kinship_from_float64(
  _ values: UnsafePointer<Double>!, _ samples: UnsafePointer<swiftqtl_strings>!,
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(out, error) {
    guard let values else { throw Refusal("values is NULL") }
    let sampleIDs = try Optional(samples).uniqueNames("samples")
    let n = sampleIDs.count
    for i in 0..<n {
      for j in 0...i {
        guard values[i * n + j].isFinite, values[i * n + j] == values[j * n + i] else {
          throw Refusal("the relationship of \(sampleIDs[i]) and \(sampleIDs[j]) is not finite and symmetric")
        }
      }
    }
    return Box(
      Kinship(
        path: "the kinship array", sampleIDs: sampleIDs,
        matrix: Matrix(values, rows: n, stride: 1, columns: n, stride: n)))
  }
}

@c @implementation
public func swiftqtl_kinship_free(_ kinship: OpaquePointer!) { Handle.release(kinship) }

extension Matrix {
  /// A copy of a caller's values.
  init(
    _ values: UnsafePointer<Double>, rows: Int, stride rowStride: Int, columns: Int, stride columnStride: Int
  ) {
    let storage = [Double](unsafeUninitializedCapacity: rows * columns) { out, count in
      for column in 0..<columns {
        let from = values + column * columnStride
        let to = out.baseAddress! + column * rows
        if rowStride == 1 {
          to.initialize(from: from, count: rows)
        } else {
          for row in 0..<rows { (to + row).initialize(to: from[row * rowStride]) }
        }
      }
      count = rows * columns
    }
    self.init(rows: rows, columns: columns, storage: storage)
  }
}
