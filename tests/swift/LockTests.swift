import Foundation
import Synchronization
import Testing
import Zinc

/// What the Swift interface does; with processes that are killed, tests/c/primitives.c.
@Suite struct LockTests {
  struct Mishap: Error {}

  /// What a thread of its own comes to: tasks have as many threads as there are processors, and
  /// those that wait for each other keep them.
  private final class Other<Value: Sendable>: @unchecked Sendable {
    private var result: Result<Value, any Error>?
    private let isDone = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) {
      Thread.detachNewThread {
        self.result = Result { try body() }
        self.isDone.signal()
      }
    }

    func value() throws -> Value {
      isDone.wait()
      return try #require(result).get()
    }
  }

  /// The lock of this name, whose holder has gone with it.
  private func abandoned(_ name: String) throws -> SharedLock {
    let lock = try SharedLock.open(name)
    let other = try SharedLock.open(name)
    #expect(try other.acquire() == .acquired)
    return lock
  }

  private func code(_ body: () throws -> Void) -> ZincError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? ZincError)?.code
    }
  }

  @Test func excludesAndTellsWhoHasIt() throws {
    let name = uniqueName()
    let lock = try SharedLock.open(name)
    let other = try SharedLock.open(name)
    #expect(try lock.holder == nil)
    try lock.withLock {
      #expect(try other.acquire(timeout: .zero) == .timedOut)
      let holder = try #require(try other.holder)
      #expect(holder.pid == getpid() && !holder.isDead)
      let age = Date().timeIntervalSince1970 - Double(try #require(holder.since)) / 1e9
      #expect(-1..<3600 ~= age)
      #expect(code { try other.release() } == .notPermitted)
    }
    #expect(throws: Mishap.self) { try lock.withLock { throw Mishap() } }
    #expect(try other.acquire() == .acquired)
    try other.release()
  }

  @Test func tellsOfADeadHolderUntilItIsRepaired() throws {
    let name = uniqueName()
    let lock = try abandoned(name)
    #expect(try #require(try lock.holder).isDead)
    #expect(code { try lock.withLock {} } == .ownerDied)
    #expect(throws: Mishap.self) { try lock.withLock(repair: { throw Mishap() }, {}) }
    #expect(code { try lock.withLock {} } == .ownerDied)
    var repairs = 0
    for _ in 0..<2 { try lock.withLock(repair: { repairs += 1 }, {}) }
    #expect(repairs == 1)
    #expect(try lock.acquire(recovers: true) == .acquired)
    try lock.abandon()
    #expect(try lock.acquire(recovers: true) == .ownerDied)
    try lock.release()
    #expect(try lock.acquire() == .acquired)
    try lock.release()
  }

  @Test(.timeLimit(.minutes(1))) func countsWithThreadsInsideARegion() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 4096)
    let count = 20_000
    let others = (0..<4).map { _ in
      Other {
        let own = try SharedRegion.open(name)
        let lock = SharedLock(in: own, at: 64)
        for _ in 0..<count {
          try lock.withLock {
            unsafe own.withUnsafeMutableBytes {
              let value = unsafe $0.load(as: Int.self)
              unsafe $0.storeBytes(of: value + 1, as: Int.self)
            }
          }
        }
      }
    }
    for other in others { try other.value() }
    let sum = unsafe region.withUnsafeBytes { unsafe $0.load(as: Int.self) }
    #expect(sum == 4 * count)
    #expect(code { try SharedLock(in: region, at: 4).withLock {} } == .invalidArgument)
    #expect(code { try SharedLock(in: region, at: 4088).withLock {} } == .invalidArgument)
    try SharedLock(in: region).withLock {}  // the region's own
  }

  @Test func readersShareAndWritersDoNot() throws {
    let name = uniqueName()
    let lock = try SharedReadWriteLock.open(name)
    let other = try SharedReadWriteLock.open(name)
    try lock.withReading { try other.withReading {} }
    #expect(try lock.withWriting { 5 } == 5)
    #expect(throws: Mishap.self) { try lock.withWriting { throw Mishap() } }
    try other.withWriting {}
    #expect(code { _ = try SharedLock.open(name) } == .alreadyExists)
    let region = try SharedRegion.create(uniqueName(), capacity: SharedReadWriteLock.size + 64)
    try SharedReadWriteLock(in: region, at: 64).withWriting {}
    #expect(code { try SharedReadWriteLock(in: region, at: 8).withReading {} } == .invalidArgument)
  }

  @Test func permitsAreCounted() throws {
    let name = uniqueName()
    let semaphore = try SharedSemaphore.open(name, permits: 2)
    do {
      let other = try SharedSemaphore.open(name, permits: 2)
      #expect(try other.acquire() && other.acquire())
      #expect(try semaphore.value == 0 && !semaphore.acquire(timeout: .zero))
      #expect(code { try semaphore.release() } == .notPermitted)
    }
    // The other has gone with them.
    #expect(try semaphore.acquire() && semaphore.acquire())
    try semaphore.release()
    #expect(try semaphore.value == 1)
    #expect(code { _ = try SharedSemaphore.open(name, permits: 3) } == .alreadyExists)
    let region = try SharedRegion.create(uniqueName(), capacity: SharedSemaphore.size(permits: 5))
    #expect(try SharedSemaphore(in: region, at: 0, permits: 5).value == 5)
    #expect(code { _ = try SharedSemaphore(in: region, at: 0, permits: 4) } == .alreadyExists)
    #expect(code { _ = try SharedSemaphore(in: region, at: 0, permits: 0) } == .invalidArgument)
  }

  @Test(.timeLimit(.minutes(1))) func conditionsAndEventsWake() throws {
    let name = uniqueName()
    let condition = try SharedCondition.open("\(name)-condition")
    let lock = try SharedLock.open("\(name)-lock")
    let event = try SharedEvent.open("\(name)-event")
    let isNotified = try lock.withLock { try condition.wait(lock, timeout: .zero) }
    #expect(!isNotified)
    let waiter = Other {
      let condition = try SharedCondition.open("\(name)-condition")
      let lock = try SharedLock.open("\(name)-lock")
      let event = try SharedEvent.open("\(name)-event")
      return try lock.withLock {
        try event.set()
        return try condition.wait(lock)
      }
    }
    #expect(try event.wait())
    // It has the lock until it waits.
    let notified = try lock.withLock { try condition.notifyAll() }
    #expect(notified == 1)
    #expect(try waiter.value())
    try event.clear()
    #expect(try !event.isSet && !event.wait(timeout: .zero))
    #expect(code { _ = try condition.wait(lock) } == .notPermitted)
  }

  @Test(.timeLimit(.minutes(1))) func barriersReleaseAndBreak() throws {
    let name = uniqueName()
    let barrier = try SharedBarrier.open(name, parties: 2)
    let other = Other {
      let barrier = try SharedBarrier.open(name, parties: 2)
      return [try barrier.wait(), try barrier.wait()]
    }
    let own = [try barrier.wait(), try barrier.wait()]
    let others = try other.value()
    #expect(zip(own, others).allSatisfy { Set([$0, $1]) == [0, 1] })
    #expect(code { _ = try barrier.wait(timeout: .zero) } == .broken)
    #expect(try barrier.isBroken)
    try barrier.reset()
    #expect(try !barrier.isBroken && barrier.waiting == 0)
    let one = try SharedBarrier.open("\(name)-one", parties: 1)
    var calls = 0
    for _ in 0..<2 { #expect(try one.wait { calls += 1 } == 0) }
    #expect(calls == 2)
    #expect(throws: Mishap.self) { try one.wait { throw Mishap() } }
    #expect(code { _ = try one.wait() } == .broken)
  }

  @Test(.timeLimit(.minutes(1))) func numbersAreChangedAndWaitedFor() throws {
    let name = uniqueName()
    let region = try SharedRegion.create(name, capacity: 24)
    let others = (0..<4).map { _ in
      Other {
        let own = try SharedRegion.open(name)
        for _ in 0..<1000 {
          _ = try own.withAtomic(at: 8, as: UInt64.self) { $0.add(1, ordering: .relaxed) }
          own.notify()
        }
      }
    }
    var seen: UInt64 = 0
    while seen < 4000 {
      #expect(try region.waitWhile(seen, at: 8))
      seen = try region.withAtomic(at: 8, as: UInt64.self) { $0.load(ordering: .relaxed) }
    }
    for other in others { try other.value() }
    #expect(try !region.waitWhile(Int32(0), at: 20, timeout: .zero))
    try region.withAtomic(at: 20, as: Int32.self) { $0.store(-1, ordering: .relaxed) }
    #expect(try !region.waitWhile(Int32(-1), at: 20, timeout: .zero))
    #expect(code { _ = try region.waitWhile(0, at: 4) } == .invalidArgument)
    #expect(code { _ = try region.waitWhile(UInt8(0), at: 4) } == .invalidArgument)
    let reader = try SharedRegion.open(name, isReadonly: true)
    #expect(try reader.waitWhile(Int32(0), at: 20, timeout: .zero))
    #expect(code { try reader.withAtomic(at: 8, as: Int.self) { _ in } } == .notPermitted)
  }
}
