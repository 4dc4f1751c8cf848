// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CZinc
public import CZincBench
internal import Synchronization

/// A way to exclude another process. `place` is what zincbench.h says of its kind.
protocol Exclusion {
  init(_ place: UInt)
  func acquire()
  func release()
}

@safe struct RegionLock: Exclusion {
  let handle: ZincHandle?
  init(_ place: UInt) { unsafe handle = ZincHandle(bitPattern: place) }
  func acquire() { _ = unsafe zinc_lock_acquire(handle, .max, nil) }
  func release() { _ = unsafe zinc_lock_release(handle, .max) }
}

struct Word: Exclusion {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func acquire() { while zincbench_word_take(place) == 0 {} }
  func release() { _ = zincbench_word_give(place) }
}

struct FutexLock: Exclusion {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func acquire() { zincbench_word_acquire(place) }
  func release() { zincbench_word_release(place) }
}

struct Mutex: Exclusion {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func acquire() { zincbench_mutex_acquire(place) }
  func release() { zincbench_mutex_release(place) }
}

struct SemaphoreLock: Exclusion {
  let place: UInt
  init(_ place: UInt) { self.place = place }
  func acquire() { zincbench_semaphore_hear(place, 0) }
  func release() { zincbench_semaphore_say(place, 0) }
}

extension Exclusion {
  func use(_ calls: UInt64) {
    for _ in 0..<calls {
      acquire()
      release()
    }
  }

  func contend(_ guarded: UnsafeMutablePointer<ZincBenchGuarded>, _ me: UInt64) -> UInt64 {
    var wrong: UInt64 = 0
    var isOver = false
    while !isOver {
      acquire()
      isOver = unsafe guarded.pointee.began != 0 && guarded.pointee.taken >= guarded.pointee.most
      if isOver {
        if unsafe guarded.pointee.ended == 0 { unsafe guarded.pointee.ended = zincbench_now() }
      } else {
        unsafe guarded.pointee.taken += 1
        if unsafe guarded.pointee.last != me { unsafe guarded.pointee.changed += 1 }
        unsafe guarded.pointee.last = me
        unsafe guarded.pointee.check += 1
        if unsafe guarded.pointee.check != guarded.pointee.taken { wrong += 1 }
        // Both are there by now.
        if unsafe guarded.pointee.began == 0 && guarded.pointee.changed >= 10 {
          unsafe guarded.pointee.taken = 0
          unsafe guarded.pointee.changed = 0
          unsafe guarded.pointee.check = 0
          unsafe guarded.pointee.began = zincbench_now()
        }
      }
      // What it does by itself; and before both have begun, as long as it takes to wake the other,
      // or one that does not wait for a turn would keep it out for ever.
      let pause = unsafe guarded.pointee.began == 0 ? 5_000 : 10
      release()
      for _ in 0..<pause { zincbench_pause() }
    }
    return wrong
  }
}

@c @implementation
public func zincbench_lock(_ kind: UInt32, _ place: UInt, _ calls: UInt64) {
  switch Int(kind) {
  case ZINCBENCH_ZINC_LOCK: RegionLock(place).use(calls)
  case ZINCBENCH_WORD: Word(place).use(calls)
  case ZINCBENCH_FUTEX_LOCK: FutexLock(place).use(calls)
  case ZINCBENCH_MUTEX: Mutex(place).use(calls)
  default: SemaphoreLock(place).use(calls)
  }
}

@c @implementation
public func zincbench_contend(
  _ kind: UInt32, _ place: UInt, _ guarded: UnsafeMutablePointer<ZincBenchGuarded>!, _ me: UInt64
) -> UInt64 {
  switch Int(kind) {
  case ZINCBENCH_ZINC_LOCK: unsafe RegionLock(place).contend(guarded, me)
  case ZINCBENCH_WORD: unsafe Word(place).contend(guarded, me)
  case ZINCBENCH_FUTEX_LOCK: unsafe FutexLock(place).contend(guarded, me)
  case ZINCBENCH_MUTEX: unsafe Mutex(place).contend(guarded, me)
  default: unsafe SemaphoreLock(place).contend(guarded, me)
  }
}

@c @implementation
public func zincbench_look(_ handle: UnsafeMutableRawPointer!, _ calls: UInt64) {
  var info = ZincLockInfo()
  info.size = UInt(MemoryLayout<ZincLockInfo>.size)
  for _ in 0..<calls { _ = unsafe zinc_lock_examine(handle, .max, &info) }
}

@c @implementation
public func zincbench_sit(_ descriptor: Int32, _ sits: Int32, _ rounds: UInt64) -> Int32 {
  var handle: ZincHandle? = nil
  for _ in 0..<rounds {
    guard unsafe zinc_region_open_descriptor(descriptor, nil, &handle) == 0 else { return -1 }
    if sits != 0 { RegionLock(UInt(bitPattern: handle)).use(1) }
    unsafe zinc_close(handle)
  }
  return 0
}
