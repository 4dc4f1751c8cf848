internal import CZinc

/// What can be a region of its own, or a part of one. The values are those of zinc.h.
enum Primitive: UInt32 {
  case lock = 3
  case readWriteLock = 4
  case condition = 5
  case semaphore = 6
  case event = 7
  case barrier = 8

  /// Is it for a number of permits or parties?
  var isCounted: Bool { self == .semaphore || self == .barrier }

  /// Bytes; for `count` permits or parties. EINVAL for a count that can't be.
  func size(_ count: UInt32) throws(Failure) -> Int {
    switch self {
    case .lock: return LockRecord.size
    case .readWriteLock: return ReadWriteLock.size
    case .condition: return Condition.size
    case .event: return Event.size
    case .semaphore: return Semaphore.size(try check(count))
    case .barrier: return Barrier.size(try check(count))
    }
  }

  static let most: UInt32 = 1 << 20

  private func check(_ count: UInt32) throws(Failure) -> UInt32 {
    if (1...Primitive.most).contains(count) { return count }
    throw Failure(
      EINVAL, "it is for 1 to % permits or parties, and % were asked for",
      UInt64(Primitive.most), UInt64(count))
  }

  /// Makes zeros one for so many, where that is to be said. EEXIST if it is for others.
  func begin(_ handle: Attachment.Handle, at offset: Int, _ count: UInt32) throws(Failure) {
    switch self {
    case .semaphore: _ = unsafe try Semaphore(handle, at: offset, permits: check(count))
    case .barrier: _ = unsafe try Barrier(handle, at: offset, parties: check(count))
    default: throw Failure(EINVAL, "this is for no number: zeros are one")
    }
  }
}
