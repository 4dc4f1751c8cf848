internal import CZinc

// Regions that are no more than a lock, or another of its family.
extension Attachment {
  /// Opens what has this name, or creates it. EEXIST if it is of another kind.
  static func openLock(
    _ path: borrowing RegionPath, kind: UInt32, capacity: Int, _ options: RegionOptions
  ) throws(Failure) -> Handle {
    var options = options
    options.kind = kind
    let handle: Handle
    do throws(Failure) {
      unsafe handle = unsafe try openOrCreate(path, capacity: capacity, options)
    } catch  where error.code == EEXIST {
      throw Failure(EEXIST, "the name is taken by something else")
    }
    let found = unsafe handle.pointee.file.kind
    if found == kind { return unsafe handle }
    unsafe close(handle)
    throw Failure(EEXIST, "the name is taken by a region of kind %", UInt64(found))
  }
}
