// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are those of swiftqtl.h.

public import CSwiftQTL
import Glibc
import SwiftQTL
import Synchronization

final class TableHandle: Handle {
  let table: any ResultColumns
  let names: [UnsafeMutablePointer<CChar>]
  /// Those that were asked for.
  private let columns = Mutex<[Int: Column]>([:])

  struct Column: Sendable {
    let values: ResultColumn
    let dictionary: StringPool
  }

  init(_ table: any ResultColumns) {
    self.table = table
    names = table.names.map { strdup($0) }
  }

  deinit { for name in names { free(name) } }

  func column(_ index: Int) -> Column {
    columns.withLock { columns in
      if let known = columns[index] { return known }
      let values = table.column(index)
      let column = Column(values: values, dictionary: StringPool(values.dictionary))
      columns[index] = column
      return column
    }
  }
}

@c @implementation
public func swiftqtl_results_table(_ results: OpaquePointer!, _ kind: Int32) -> OpaquePointer! {
  guard let results = try? object(results, "results", as: ResultsHandle.self) else { return nil }
  let table: (any ResultColumns)? =
    switch kind {
    case SWIFTQTL_TABLE_MAIN: results.main
    case SWIFTQTL_TABLE_DROPS: DropColumns(results.drops)
    case SWIFTQTL_TABLE_HERITABILITY where !results.summary.variances.isEmpty:
      VarianceColumns(results.summary.variances, results.features)
    default: nil
    }
  return table.map { TableHandle($0).handedOut() }
}

@c @implementation
public func swiftqtl_table_row_count(_ table: OpaquePointer!) -> Int64 {
  Int64((try? object(table, "table", as: TableHandle.self).table.rowCount) ?? -1)
}

@c @implementation
public func swiftqtl_table_column_count(_ table: OpaquePointer!) -> Int32 {
  Int32((try? object(table, "table", as: TableHandle.self).names.count) ?? -1)
}

@c @implementation
public func swiftqtl_table_column(
  _ table: OpaquePointer!, _ index: Int32, _ column: UnsafeMutablePointer<swiftqtl_column>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(error) {
    let table = try object(table, "table", as: TableHandle.self)
    guard table.names.indices.contains(Int(index)) else { throw Refusal("there is no column \(index)") }
    let own = table.column(Int(index))
    let type =
      switch own.values.kind {
      case .number: SWIFTQTL_FLOAT64
      case .integer: SWIFTQTL_INT64
      case .text: SWIFTQTL_STRING
      }
    let described = swiftqtl_column(
      size: 0, name: table.names[Int(index)], type: type, count: Int64(own.values.count),
      data: own.values.data, dictionary: own.dictionary.list)
    try give(described, to: column, "column")
  }
}

@c @implementation
public func swiftqtl_table_write(
  _ table: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ level: Int32,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(error) {
    let table = try object(table, "table", as: TableHandle.self).table
    guard (-1...9).contains(level) else { throw Refusal("level is \(level)") }
    let writer = try TableWriter(
      path: try text(path, "path"), compression: level < 0 ? .none : .bgzf(level: Int(level)))
    try table.write(to: writer)
    try writer.commit()
  }
}

@c @implementation
public func swiftqtl_table_free(_ table: OpaquePointer!) { Handle.release(table) }

@c @implementation
public func swiftqtl_qvalues(
  _ p: UnsafePointer<Double>!, _ count: Int64, _ method: Int32, _ lambda: Double,
  _ q: UnsafeMutablePointer<Double>!, _ pi0: UnsafeMutablePointer<Double>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  status(error) {
    guard count >= 0, count == 0 || (p != nil && q != nil) else { throw Refusal("p or q is NULL") }
    let storey = StoreyQ(
      logP: UnsafeBufferPointer(start: p, count: Int(count)).map { log($0) },
      estimator: try estimator(method, lambda: lambda))
    for (k, logQ) in storey.logQ.enumerated() { q[k] = exp(min(logQ, 0)) }
    pi0?.pointee = storey.nullProportion
  }
}

@c @implementation
public func swiftqtl_beta_quantile(_ p: Double, _ shape1: Double, _ shape2: Double) -> Double {
  guard (0...1).contains(p), shape1 > 0, shape2 > 0 else { return .nan }
  return exp(Beta.logQuantile(logP: log(p), shape1, shape2))
}

@c @implementation
public func swiftqtl_beta_cdf(_ x: Double, _ shape1: Double, _ shape2: Double) -> Double {
  guard (0...1).contains(x), shape1 > 0, shape2 > 0 else { return .nan }
  return exp(Beta.logCDF(logX: log(x), shape1, shape2))
}
