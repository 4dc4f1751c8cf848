// The library for C and Python has no use for Swift's strings.
#if !hasFeature(Embedded)
  internal import CZinc

  // The family of the lock. Each is opened by name, or a part of a region; what a dead one has is
  // noticed within 20 ms. All throw `ZincError`: `invalidArgument` for an offset that can't be and
  // a region that is closed, `notPermitted` where this user may only read, `noSeat`.

  /// A number of permits. Those of a holder that dies come back, and there are never more.
  @safe public struct SharedSemaphore: ~Copyable, Sendable {
    private let place: LockPlace

    /// Opens the semaphore of this name, or creates it with so many permits, 1 to 2²⁰; otherwise as
    /// `SharedLock.open`. `alreadyExists` if it has another number of them.
    public static func open(
      _ name: String, permits: Int, mode: UInt32 = 0o600, group: UInt32? = nil,
      anyUser: Bool = false
    ) throws(ZincError) -> SharedSemaphore {
      SharedSemaphore(try LockPlace(opening: name, .semaphore, permits, mode, group, anyUser))
    }

    /// How many bytes one of so many permits takes inside a region; 0 for what can't be.
    public static func size(permits: Int) -> Int {
      (try? Primitive.semaphore.size(UInt32(clamping: permits))) ?? 0
    }

    /// The one at byte `offset`, a multiple of 8, of a region's data, which is made of zeros, or is
    /// one of so many permits already.
    public init(in region: borrowing SharedRegion, at offset: Int, permits: Int) throws(ZincError) {
      place = LockPlace(region, offset)
      unsafe try place.with("begin the semaphore") { handle throws(Failure) in
        unsafe try Primitive.semaphore.begin(handle, at: offset, UInt32(clamping: permits))
      }
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func with<Value>(
      _ operation: StaticString, _ body: (Semaphore) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      unsafe try place.with(operation) { handle throws(Failure) in
        unsafe try body(Semaphore(handle, at: place.offset ?? 0))
      }
    }

    /// Takes a permit, within `timeout`; nil waits for ever. False if there was none in time.
    public func acquire(timeout: Duration? = nil) throws(ZincError) -> Bool {
      let deadline = SharedRegion.deadline(timeout)
      return try with("acquire the semaphore") { semaphore throws(Failure) in
        try LockPlace.done(semaphore.acquire([], deadline: deadline))
      }
    }

    /// Gives a permit back. `notPermitted` if this value has none.
    public func release() throws(ZincError) {
      try with("release the semaphore") { semaphore throws(Failure) in try semaphore.release() }
    }

    /// How many are free.
    public var value: Int {
      get throws(ZincError) {
        try with("look at the semaphore") { semaphore throws(Failure) in semaphore.value }
      }
    }
  }

  /// Set or not, for who waits for it to be set.
  @safe public struct SharedEvent: ~Copyable, Sendable {
    private let place: LockPlace

    /// As `SharedLock.open`.
    public static func open(
      _ name: String, mode: UInt32 = 0o600, group: UInt32? = nil, anyUser: Bool = false
    ) throws(ZincError) -> SharedEvent {
      SharedEvent(try LockPlace(opening: name, .event, 0, mode, group, anyUser))
    }

    /// How many bytes it takes inside a region.
    public static var size: Int { Event.size }

    /// The one at byte `offset`, a multiple of 8, of a region's data, zeros at first.
    public init(in region: borrowing SharedRegion, at offset: Int) {
      place = LockPlace(region, offset)
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func with<Value>(
      _ operation: StaticString, _ body: (Event) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      unsafe try place.with(operation) { handle throws(Failure) in
        unsafe try body(Event(handle, at: place.offset ?? 0))
      }
    }

    /// Sets it, and wakes who waits.
    public func set() throws(ZincError) {
      try with("set the event") { event throws(Failure) in event.set() }
    }

    public func clear() throws(ZincError) {
      try with("clear the event") { event throws(Failure) in event.clear() }
    }

    public var isSet: Bool {
      get throws(ZincError) {
        try with("look at the event") { event throws(Failure) in event.isSet }
      }
    }

    /// Waits until it is set, or was meanwhile, within `timeout`; nil waits for ever.
    public func wait(timeout: Duration? = nil) throws(ZincError) -> Bool {
      let deadline = SharedRegion.deadline(timeout)
      return try with("wait for the event") { event throws(Failure) in
        try LockPlace.done(event.wait([], deadline: deadline))
      }
    }
  }

  /// Who waits for a change of what a lock guards. A notification that a dead one was given goes to
  /// the next.
  @safe public struct SharedCondition: ~Copyable, Sendable {
    private let place: LockPlace

    /// As `SharedLock.open`.
    public static func open(
      _ name: String, mode: UInt32 = 0o600, group: UInt32? = nil, anyUser: Bool = false
    ) throws(ZincError) -> SharedCondition {
      SharedCondition(try LockPlace(opening: name, .condition, 0, mode, group, anyUser))
    }

    /// How many bytes it takes inside a region.
    public static var size: Int { Condition.size }

    /// The one at byte `offset`, a multiple of 8, of a region's data, zeros at first.
    public init(in region: borrowing SharedRegion, at offset: Int) {
      place = LockPlace(region, offset)
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func with<Value>(
      _ operation: StaticString, _ body: (Condition) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      unsafe try place.with(operation) { handle throws(Failure) in
        unsafe try body(Condition(handle, at: place.offset ?? 0))
      }
    }

    /// Releases `lock`, which is held, waits for a notification, within `timeout`, and acquires the
    /// lock again: was it notified? At most 128 wait at once: EAGAIN.
    ///
    /// - Throws: `ZincError`; with `ownerDied`, when another died with the lock meanwhile, it is not
    ///   held; nor if the region of the lock is closed.
    public func wait(_ lock: borrowing SharedLock, timeout: Duration? = nil) throws(ZincError)
      -> Bool
    {
      let deadline = SharedRegion.deadline(timeout)
      let number = try with("wait for the condition") { condition throws(Failure) in
        try condition.begin()
      }
      func end() throws(ZincError) -> Bool {
        try with("wait for the condition") { condition throws(Failure) in
          try condition.end(number)
        }
      }
      do throws(ZincError) {
        try lock.release()
        _ = try with("wait for the condition") { condition throws(Failure) in
          try LockPlace.done(condition.sleep(number, [], deadline: deadline))
        }
        _ = try lock.acquire()
      } catch {
        _ = try end()
        throw error
      }
      return try end()
    }

    /// Notifies at most `count` of those who wait, who came first, by who holds the lock: how many.
    @discardableResult
    public func notify(_ count: Int = 1) throws(ZincError) -> Int {
      try with("notify the condition") { condition throws(Failure) in
        Int(try condition.notify(UInt32(clamping: count)))
      }
    }

    /// Notifies all who wait.
    @discardableResult
    public func notifyAll() throws(ZincError) -> Int { try notify(.max) }
  }

  /// A number of parties that wait for each other. It breaks when one of them dies.
  @safe public struct SharedBarrier: ~Copyable, Sendable {
    private let place: LockPlace

    /// Opens the barrier of this name, or creates it for so many parties, 1 to 2²⁰; otherwise as
    /// `SharedLock.open`. `alreadyExists` if it is for another number of them.
    public static func open(
      _ name: String, parties: Int, mode: UInt32 = 0o600, group: UInt32? = nil,
      anyUser: Bool = false
    ) throws(ZincError) -> SharedBarrier {
      SharedBarrier(try LockPlace(opening: name, .barrier, parties, mode, group, anyUser))
    }

    /// How many bytes one for so many parties takes inside a region; 0 for what can't be.
    public static func size(parties: Int) -> Int {
      (try? Primitive.barrier.size(UInt32(clamping: parties))) ?? 0
    }

    /// The one at byte `offset`, a multiple of 8, of a region's data, which is made of zeros, or is
    /// one for so many parties already.
    public init(in region: borrowing SharedRegion, at offset: Int, parties: Int) throws(ZincError) {
      place = LockPlace(region, offset)
      unsafe try place.with("begin the barrier") { handle throws(Failure) in
        unsafe try Primitive.barrier.begin(handle, at: offset, UInt32(clamping: parties))
      }
    }

    private init(_ place: consuming LockPlace) { self.place = place }

    private func with<Value>(
      _ operation: StaticString, _ body: (Barrier) throws(Failure) -> Value
    ) throws(ZincError) -> Value {
      unsafe try place.with(operation) { handle throws(Failure) in
        unsafe try body(Barrier(handle, at: place.offset ?? 0))
      }
    }

    /// Waits until all parties are there: a number from 0, another for each. Who comes last, with
    /// the highest number, calls `action` before the others go on. Who gives up at the end of
    /// `timeout` breaks it.
    ///
    /// - Throws: `ZincError`: `broken` if it is, or breaks meanwhile, at the end of `timeout` too;
    ///   what `action` throws, which breaks it.
    public func wait(timeout: Duration? = nil, action: (() throws -> Void)? = nil) throws -> Int {
      let deadline = SharedRegion.deadline(timeout)
      var phase: UInt32 = 0
      var parties = 0
      let number = try with("wait at the barrier") { barrier throws(Failure) -> Int32 in
        parties = barrier.parties
        let number = try barrier.arrive(&phase, [], deadline: deadline)
        if number < 0 {
          _ = try LockPlace.done(number)
          throw Barrier.isBroken
        }
        return number
      }
      if number == parties - 1 {
        do {
          try action?()
        } catch {
          _ = try with("break the barrier") { barrier throws(Failure) in barrier.breakUp(phase) }
          throw error
        }
        try with("release the barrier") { barrier throws(Failure) in try barrier.release(phase) }
      } else {
        try with("wait at the barrier") { barrier throws(Failure) in
          let isThere = try LockPlace.done(barrier.wait(phase, [], deadline: deadline))
          if !isThere { throw Barrier.isBroken }
        }
      }
      return Int(number)
    }

    /// Breaks it, until it is reset.
    public func abort() throws(ZincError) {
      try with("break the barrier") { barrier throws(Failure) in barrier.abort() }
    }

    /// Begins anew, whole; for those who wait it breaks.
    public func reset() throws(ZincError) {
      try with("reset the barrier") { barrier throws(Failure) in try barrier.reset() }
    }

    /// Is it broken?
    public var isBroken: Bool {
      get throws(ZincError) {
        try with("look at the barrier") { barrier throws(Failure) in barrier.isBroken }
      }
    }

    /// How many are there, and wait.
    public var waiting: Int {
      get throws(ZincError) {
        try with("look at the barrier") { barrier throws(Failure) in barrier.waiting }
      }
    }
  }
#endif
