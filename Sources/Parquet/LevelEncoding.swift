/// Parquet's hybrid of run lengths and packed bits: small numbers, such as places in a dictionary and whether a value is there.
///
/// - Parameter width: bits of each number, 0…32.
func appendHybrid(_ values: [UInt32], width: Int, to bytes: inout [UInt8]) {
  var groups: [UInt32] = []
  var start = 0
  while start < values.count {
    var end = start + 1
    while end < values.count, values[end] == values[start] { end += 1 }
    if end - start >= 8 || end == values.count && groups.isEmpty {
      appendPacked(&groups, width, to: &bytes)
      appendVarint(UInt64(end - start) << 1, to: &bytes)
      for byte in 0..<(width + 7) / 8 { bytes.append(UInt8(truncatingIfNeeded: values[start] >> (8 * byte))) }
      start = end
    } else {
      // Whole groups of 8, but for the last.
      end = min(start + 8, values.count)
      groups += values[start..<end]
      start = end
    }
  }
  appendPacked(&groups, width, to: &bytes)
}

/// The least bits that hold numbers up to `most`.
func bitWidth(_ most: Int) -> Int { Int.bitWidth - most.leadingZeroBitCount }

private func appendPacked(_ values: inout [UInt32], _ width: Int, to bytes: inout [UInt8]) {
  guard !values.isEmpty else { return }
  let groups = (values.count + 7) / 8
  appendVarint(UInt64(groups) << 1 | 1, to: &bytes)
  var (pending, bits): (UInt64, Int) = (0, 0)
  for index in 0..<8 * groups {
    pending |= UInt64(index < values.count ? values[index] : 0) << bits
    bits += width
    while bits >= 8 {
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      bits -= 8
    }
  }
  values.removeAll(keepingCapacity: true)
}
