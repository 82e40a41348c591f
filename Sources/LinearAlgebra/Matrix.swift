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

  /// The rows at `indices`, at most as many as there are, in that order.
  ///
  /// In place where this is the last use of the matrix: fresh memory for a large one costs more than the moves.
  public consuming func selectingRows(_ indices: [Int]) -> Matrix {
    let (rows, columns, kept) = (rows, columns, indices.count)
    precondition(kept <= rows && indices.allSatisfy { (0..<rows).contains($0) })
    if indices.elementsEqual(0..<rows) { return self }
    var values = storage
    storage = []
    var column = [Double](repeating: 0, count: kept)
    values.withUnsafeMutableBufferPointer { values in
      for j in 0..<columns {
        for (i, row) in indices.enumerated() { column[i] = values[j * rows + row] }
        // Never ahead of what is still to be read: kept ≤ rows.
        for i in 0..<kept { values[j * kept + i] = column[i] }
      }
    }
    values.removeSubrange((kept * columns)...)
    return Matrix(rows: kept, columns: columns, storage: values)
  }

  /// The columns at `indices`, in that order.
  public func selectingColumns(_ indices: [Int]) -> Matrix {
    var out = [Double]()
    out.reserveCapacity(rows * indices.count)
    for column in indices { out.append(contentsOf: storage[column * rows..<(column + 1) * rows]) }
    return Matrix(rows: rows, columns: indices.count, storage: out)
  }
}
