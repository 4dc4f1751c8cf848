internal import CZinc
internal import Synchronization

// Numbers in the data that several processes change at once: by atomic operations of whoever does
// so. Here is what these lack, a wait for a change.
extension Attachment {
  /// Where a number of `bytes`, 4 or 8, is. EINVAL for an offset that is not aligned or not inside.
  static func number(_ handle: Handle, at offset: Int, bytes: Int) throws(Failure)
    -> UnsafeMutableRawPointer
  {
    let capacity = unsafe handle.pointee.capacity
    guard bytes == 4 || bytes == 8 else {
      throw Failure(EINVAL, "a number has 4 or 8 bytes, not %", UInt64(clamping: bytes))
    }
    guard offset >= 0, bytes <= capacity, offset <= capacity - bytes, offset % bytes == 0 else {
      throw Failure(
        EINVAL, "byte % is not inside, or not aligned: this has % bytes, and the region %",
        UInt64(clamping: offset), UInt64(bytes), UInt64(capacity))
    }
    return unsafe handle.pointee.data + offset
  }

  /// Waits until the number is not `value`: 0. Who changes it notifies.
  static func wait(
    _ handle: Handle, whileNumberAt offset: Int, bytes: Int, is value: UInt64,
    _ options: Notification.WaitOptions, until deadline: UInt64
  ) throws(Failure) -> Int32 {
    let place = unsafe try number(handle, at: offset, bytes: bytes)
    let long = unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self)
    let short = unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self)
    return unsafe try wait(handle, options, until: deadline) {
      let now =
        bytes == 8
        ? unsafe long.pointee.load(ordering: .sequentiallyConsistent)
        : UInt64(unsafe short.pointee.load(ordering: .sequentiallyConsistent))
      return now == value ? nil : 0
    } sweep: {
      false
    }
  }
}
