// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CZinc

// The part of zinc.h that is about the family of the lock.

@c @implementation
public func zinc_primitive_size(_ kind: UInt32, _ count: UInt32) -> UInt {
  guard let kind = Primitive(rawValue: kind), let size = try? kind.size(count) else { return 0 }
  return UInt(size)
}

@c @implementation
public func zinc_primitive_open(
  _ name: UnsafePointer<CChar>?, _ kind: UInt32, _ count: UInt32,
  _ options: UnsafePointer<ZincOptions>?, _ out: UnsafeMutablePointer<ZincHandle?>?
) -> Int32 {
  unsafe attachByName("open the lock", name, out) { path throws(Failure) in
    guard let kind = Primitive(rawValue: kind) else {
      throw Failure(EINVAL, "kind % is none of ZINC_LOCK to ZINC_BARRIER", UInt64(kind))
    }
    return unsafe try Attachment.openLock(path, kind, count, RegionOptions(options))
  }
}

@c @implementation
public func zinc_primitive_init(
  _ handle: ZincHandle?, _ offset: UInt, _ kind: UInt32, _ count: UInt32
) -> Int32 {
  unsafe with(handle, "begin") { handle throws(Failure) in
    guard let kind = Primitive(rawValue: kind) else {
      throw Failure(EINVAL, "kind % is none of ZINC_LOCK to ZINC_BARRIER", UInt64(kind))
    }
    unsafe try kind.begin(handle, at: place(offset), count)
    return 0
  }
}

/// ZINC_OWN_LOCK: the data of a region that is nothing else.
private func place(_ offset: UInt) -> Int { offset == .max ? 0 : Int(clamping: offset) }

/// The result of `body`, or a failure's number.
@inline(never)
private func with(
  _ handle: ZincHandle?, _ operation: StaticString,
  _ body: (Attachment.Handle) throws(Failure) -> Int32
) -> Int32 {
  guard let handle = unsafe attachment(handle) else { return -EINVAL }
  var result: Int32 = 0
  let status = unsafe report(operation, handle.pointee.nameForMessages) { () throws(Failure) in
    result = unsafe try body(handle)
  }
  return status < 0 ? status : result
}

// MARK: - Semaphores

@c @implementation
public func zinc_semaphore_acquire(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "acquire the semaphore") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Semaphore(handle, at: place(offset)).acquire(how, deadline: deadline)
  }
}

@c @implementation
public func zinc_semaphore_release(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "release the semaphore") { handle throws(Failure) in
    unsafe try Semaphore(handle, at: place(offset)).release()
    return 0
  }
}

@c @implementation
public func zinc_semaphore_value(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "look at the semaphore") { handle throws(Failure) in
    unsafe try Int32(Semaphore(handle, at: place(offset)).value)
  }
}

// MARK: - Readers and writers

private func readWriteLock(_ handle: Attachment.Handle, _ offset: UInt) throws(Failure)
  -> ReadWriteLock
{
  unsafe try ReadWriteLock(handle, at: offset == .max ? nil : Int(clamping: offset))
}

@c @implementation
public func zinc_rwlock_acquire_read(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "acquire for reading") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try readWriteLock(handle, offset).acquireRead(how, deadline: deadline)
  }
}

@c @implementation
public func zinc_rwlock_release_read(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "release from reading") { handle throws(Failure) in
    unsafe try readWriteLock(handle, offset).releaseRead()
    return 0
  }
}

@c @implementation
public func zinc_rwlock_acquire_write(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "acquire for writing") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait, flags: waitFlags | UInt32(ZINC_WAIT_RECOVER))
    return unsafe try readWriteLock(handle, offset).acquireWrite(
      how, recovers: how.rawValue & UInt32(ZINC_WAIT_RECOVER) != 0, deadline: deadline)
  }
}

@c @implementation
public func zinc_rwlock_wait_for_readers(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "acquire for writing") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try readWriteLock(handle, offset).waitForReaders(how, deadline: deadline)
  }
}

@c @implementation
public func zinc_rwlock_release_write(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "release from writing") { handle throws(Failure) in
    unsafe try readWriteLock(handle, offset).releaseWrite()
    return 0
  }
}

@c @implementation
public func zinc_rwlock_abandon_write(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "abandon the writing") { handle throws(Failure) in
    unsafe try readWriteLock(handle, offset).abandonWrite()
    return 0
  }
}

@c @implementation
public func zinc_rwlock_readers(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "look at the readers") { handle throws(Failure) in
    unsafe try Int32(readWriteLock(handle, offset).readers)
  }
}

// MARK: - Conditions

@c @implementation
public func zinc_condition_begin(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "wait for the condition") { handle throws(Failure) in
    unsafe try Int32(Condition(handle, at: place(offset)).begin())
  }
}

@c @implementation
public func zinc_condition_sleep(
  _ handle: ZincHandle?, _ offset: UInt, _ number: Int32, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "wait for the condition") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Condition(handle, at: place(offset)).sleep(
      Int(number), how, deadline: deadline)
  }
}

@c @implementation
public func zinc_condition_end(_ handle: ZincHandle?, _ offset: UInt, _ number: Int32) -> Int32 {
  unsafe with(handle, "wait for the condition") { handle throws(Failure) in
    unsafe try Condition(handle, at: place(offset)).end(Int(number)) ? 1 : 0
  }
}

@c @implementation
public func zinc_condition_notify(_ handle: ZincHandle?, _ offset: UInt, _ count: UInt32) -> Int32 {
  unsafe with(handle, "notify the condition") { handle throws(Failure) in
    unsafe try Int32(Condition(handle, at: place(offset)).notify(count))
  }
}

// MARK: - Events

@c @implementation
public func zinc_event_set(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "set the event") { handle throws(Failure) in
    unsafe try Event(handle, at: place(offset)).set()
    return 0
  }
}

@c @implementation
public func zinc_event_clear(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "clear the event") { handle throws(Failure) in
    unsafe try Event(handle, at: place(offset)).clear()
    return 0
  }
}

@c @implementation
public func zinc_event_is_set(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "look at the event") { handle throws(Failure) in
    unsafe try Event(handle, at: place(offset)).isSet ? 1 : 0
  }
}

@c @implementation
public func zinc_event_wait(
  _ handle: ZincHandle?, _ offset: UInt, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "wait for the event") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Event(handle, at: place(offset)).wait(how, deadline: deadline)
  }
}

// MARK: - Numbers

@c @implementation
public func zinc_number_wait(
  _ handle: ZincHandle?, _ offset: UInt, _ bytes: UInt32, _ value: UInt64,
  _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "wait for the number") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Attachment.wait(
      handle, whileNumberAt: Int(clamping: offset), bytes: Int(bytes), is: value, how,
      until: deadline)
  }
}

// MARK: - Barriers

@c @implementation
public func zinc_barrier_arrive(
  _ handle: ZincHandle?, _ offset: UInt, _ phase: UnsafeMutablePointer<UInt32>?,
  _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "come to the barrier") { handle throws(Failure) in
    guard let phase = unsafe phase else { throw Failure(EINVAL, "phase is null") }
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Barrier(handle, at: place(offset)).arrive(
      &phase.pointee, how, deadline: deadline)
  }
}

@c @implementation
public func zinc_barrier_release(_ handle: ZincHandle?, _ offset: UInt, _ phase: UInt32) -> Int32 {
  unsafe with(handle, "release the barrier") { handle throws(Failure) in
    unsafe try Barrier(handle, at: place(offset)).release(phase)
    return 0
  }
}

@c @implementation
public func zinc_barrier_wait(
  _ handle: ZincHandle?, _ offset: UInt, _ phase: UInt32, _ wait: UnsafePointer<ZincWaitOptions>?
) -> Int32 {
  unsafe with(handle, "wait at the barrier") { handle throws(Failure) in
    let (how, deadline) = unsafe try parse(wait)
    return unsafe try Barrier(handle, at: place(offset)).wait(phase, how, deadline: deadline)
  }
}

@c @implementation
public func zinc_barrier_abort(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "break the barrier") { handle throws(Failure) in
    unsafe try Barrier(handle, at: place(offset)).abort()
    return 0
  }
}

@c @implementation
public func zinc_barrier_reset(_ handle: ZincHandle?, _ offset: UInt) -> Int32 {
  unsafe with(handle, "reset the barrier") { handle throws(Failure) in
    unsafe try Barrier(handle, at: place(offset)).reset()
    return 0
  }
}

@c @implementation
public func zinc_barrier_examine(
  _ handle: ZincHandle?, _ offset: UInt, _ info: UnsafeMutablePointer<ZincBarrierInfo>?
) -> Int32 {
  unsafe with(handle, "look at the barrier") { handle throws(Failure) in
    let barrier = unsafe try Barrier(handle, at: place(offset))
    guard let info = unsafe info, unsafe info.pointee.size >= MemoryLayout<ZincBarrierInfo>.size
    else { throw Failure(EINVAL, "info is null, or info.size is not sizeof(ZincBarrierInfo)") }
    unsafe info.pointee.parties = UInt32(barrier.parties)
    unsafe info.pointee.waiting = UInt32(barrier.waiting)
    unsafe info.pointee.is_broken = barrier.isBroken ? 1 : 0
    unsafe info.pointee.reserved = 0
    return 0
  }
}
