/// A dense fp64 matrix, column-major: samples are rows, variables are columns.
public struct Matrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  /// `storage[row + rows * column]`
  public var storage: [Double]

  public init(rows: Int, columns: Int, storage: [Double]) {
    precondition(rows >= 0 && columns >= 0 && storage.count == rows * columns)
    self.rows = rows
    self.columns = columns
    self.storage = storage
  }

  public init(rows: Int, columns: Int, repeating value: Double = 0) {
    self.init(
      rows: rows, columns: columns, storage: [Double](repeating: value, count: rows * columns))
  }

  public subscript(row: Int, column: Int) -> Double {
    get { storage[row + rows * column] }
    set { storage[row + rows * column] = newValue }
  }

  /// A copy of one column.
  public func column(_ index: Int) -> [Double] {
    Array(storage[index * rows..<(index + 1) * rows])
  }

  /// The rows at `indices`, in that order.
  public func selectingRows(_ indices: [Int]) -> Matrix {
    var out = [Double]()
    out.reserveCapacity(indices.count * columns)
    for column in 0..<columns {
      let base = column * rows
      for row in indices { out.append(storage[base + row]) }
    }
    return Matrix(rows: indices.count, columns: columns, storage: out)
  }

  /// The columns at `indices`, in that order.
  public func selectingColumns(_ indices: [Int]) -> Matrix {
    var out = [Double]()
    out.reserveCapacity(rows * indices.count)
    for column in indices { out.append(contentsOf: storage[column * rows..<(column + 1) * rows]) }
    return Matrix(rows: rows, columns: indices.count, storage: out)
  }
}
