// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about seats and locks.

@c @implementation
public func zinc_seats(
  _ handle: ZincHandle?,
  _ tell: (@convention(c) (UnsafePointer<ZincSeat>?, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report("look at the seats of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    unsafe try tellEach {
      unsafe tell?($0, context)
    } look: { (visit: (ZincSeat) -> Void) throws(Failure) in
      unsafe try Attachment.visitSeats(handle, visit)
    }
  }
}

@c @implementation
public func zinc_seats_examine(
  _ name: UnsafePointer<CChar>?,
  _ tell: (@convention(c) (UnsafePointer<ZincSeat>?, UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  unsafe report("look at the seats of", name) { () throws(Failure) in
    let path = unsafe try path(name)
    unsafe try tellEach {
      unsafe tell?($0, context)
    } look: { (visit: (ZincSeat) -> Void) throws(Failure) in
      try RegionName.visitSeats(path, visit)
    }
  }
}

/// Tells of who sits once all are known: `tell` may do what it likes.
func tellEach<Told>(
  _ tell: (UnsafePointer<Told>) -> Void, look: ((Told) -> Void) throws(Failure) -> Void
) throws(Failure) {
  let memory = unsafe try allocate(UInt(SeatTable.count * MemoryLayout<Told>.stride))
  defer { unsafe czinc_free(memory) }
  let all = unsafe memory.assumingMemoryBound(to: Told.self)
  var count = 0
  try look { one in
    unsafe all[count] = one
    count += 1
  }
  for i in 0..<count { unsafe tell(all + i) }
}

@c @implementation
public func zinc_seat_descriptor(_ handle: ZincHandle?) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  let descriptor = unsafe handle.pointee.seat.descriptor
  return descriptor < 0 ? -ENOENT : descriptor
}

@c @implementation
public func zinc_lock_open(
  _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<ZincOptions>?,
  _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe zinc_primitive_open(name, UInt32(ZINC_LOCK), 0, options, out)
}

@_optimize(speed)
@c @implementation
public func zinc_lock_acquire(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  if unsafe offset == .max && wait == nil && Lock(handle).tryAcquire() { return 0 }
  return unsafe acquire(handle, offset, wait)
}

@inline(never)
private func acquire(
  _ handle: Attachment.Handle, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  var outcome = Lock.Outcome.acquired
  let status = unsafe report("acquire the lock of", handle.pointee.nameForMessages) {
    () throws(Failure) in
    let lock = unsafe try lock(handle, offset)
    let (how, deadline) = unsafe try parse(wait, flags: waitFlags | UInt32(ZINC_WAIT_RECOVER))
    outcome = try lock.acquire(
      how, recovers: how.rawValue & UInt32(ZINC_WAIT_RECOVER) != 0, deadline: deadline)
  }
  return status < 0 ? status : outcome.rawValue
}

let waitFlags = UInt32(ZINC_WAIT_INTERRUPTIBLE | ZINC_WAIT_SLEEP)

/// How long to wait; null is for ever. EINVAL for a flag that is not of `flags`.
func parse(_ wait: UnsafePointer<ZincWaitOptions>?, flags known: UInt32 = waitFlags) throws(Failure)
  -> (Notification.WaitOptions, deadline: UInt64)
{
  guard let wait = unsafe wait else { return ([], .max) }
  let flags = unsafe wait.pointee.flags
  guard unsafe Int(wait.pointee.size) >= MemoryLayout<ZincWaitOptions>.size, flags & ~known == 0
  else { throw Failure(EINVAL, "wait.size is wrong, or it has a flag of another call") }
  return unsafe (Notification.WaitOptions(rawValue: flags), wait.pointee.deadline_ns)
}

@_optimize(speed)
@c @implementation
public func zinc_lock_try(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  if offset == .max { return unsafe Lock(handle).tryAcquire() ? 0 : -EAGAIN }
  guard let lock = try? unsafe lock(handle, offset) else { return -EAGAIN }
  return lock.tryAcquire() ? 0 : -EAGAIN
}

@_optimize(speed)
@c @implementation
public func zinc_lock_release(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  if let handle = unsafe attachment(handle), offset == .max, unsafe Lock(handle).tryRelease() {
    return 0
  }
  return unsafe withLock("release the lock of", handle, offset) { lock throws(Failure) in
    try lock.release()
  }
}

@c @implementation
public func zinc_lock_repaired(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe withLock("repair the lock of", handle, offset) { lock throws(Failure) in
    try lock.repaired()
  }
}

@c @implementation
public func zinc_lock_abandon(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe withLock("abandon the lock of", handle, offset) { lock throws(Failure) in
    try lock.abandon()
  }
}

@c @implementation
public func zinc_lock_examine(
  _ handle: ZincHandle?, _ offset: UInt, _ info: UnsafeMutablePointer<ZincLockInfo>?
) -> Int32 {
  unsafe withLock("look at the lock of", handle, offset) { lock throws(Failure) in
    unsafe try fill(info, try lock.look(), isMine: lock.isMine)
  }
}

@c @implementation
public func zinc_lock_examine_name(
  _ name: UnsafePointer<CChar>?, _ info: UnsafeMutablePointer<ZincLockInfo>?
) -> Int32 {
  unsafe report("look at the lock of", name) { () throws(Failure) in
    let path = unsafe try path(name)
    unsafe try fill(info, try RegionName.look(path), isMine: false)
  }
}

private func fill(
  _ info: UnsafeMutablePointer<ZincLockInfo>?, _ look: LockRecord.Look, isMine: Bool
) throws(Failure) {
  guard let info = unsafe info, unsafe info.pointee.size >= MemoryLayout<ZincLockInfo>.size else {
    throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincLockInfo)")
  }
  unsafe info.pointee.state = look.state.rawValue
  unsafe info.pointee.pid = look.pid
  unsafe info.pointee.since = look.since
  unsafe info.pointee.is_mine = isMine ? 1 : 0
  unsafe info.pointee.reserved = 0
}

@inline(__always)
private func lock(_ handle: Attachment.Handle, _ offset: UInt) throws(Failure) -> Lock {
  if offset == .max { return unsafe Lock(handle) }
  return unsafe try Lock(handle, at: Int(clamping: offset))
}

@inline(__always)
private func withLock(
  _ operation: StaticString, _ handle: ZincHandle?, _ offset: UInt,
  _ body: (Lock) throws(Failure) -> Void
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  return unsafe report(operation, handle.pointee.nameForMessages) { () throws(Failure) in
    try body(unsafe lock(handle, offset))
  }
}
