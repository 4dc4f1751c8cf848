internal import CZinc

// How much memory a region really has, and how to give some of it back.
extension Attachment {
  /// Bytes, the header among them: of a sparse region the pages that were touched.
  func used() throws(Failure) -> UInt64 {
    _ = try heldDescriptor()  // It says what is wrong, if something is.
    switch descriptor {
    case .some(let descriptor): return try descriptor.status().memory
    case .none: return 0
    }
  }

  /// Zeroes `count` bytes of data from `offset` on, for all who are attached, and gives back the
  /// memory of the whole pages among them: from then on they are as those of a sparse region.
  func trim(offset: Int, count: Int) throws(Failure) {
    guard offset >= 0, count >= 0, offset <= capacity, count <= capacity - offset else {
      throw Failure(
        EINVAL, "% bytes from byte % on are not within the % that there are",
        UInt64(max(count, 0)), UInt64(max(offset, 0)), UInt64(capacity))
    }
    guard !isReadonly else {
      throw Failure(EACCES, "the data can't be written through this handle")
    }
    let descriptor = try heldDescriptor()
    if count == 0 { return }
    var end = file.dataOffset + offset + count
    if offset + count == capacity {
      // Nobody's bytes are in the rest of the last page.
      end = Mapping.wholePages(end)
    }
    let start = file.dataOffset + offset
    try check(czinc_punch(descriptor, Int64(start), Int64(end - start)), "fallocate")
  }
}
