internal import CZinc
internal import Synchronization

/// Descriptors that any event loop can poll: an eventfd(2) of each handle that was asked for one,
/// readable exactly while there is news that the handle has not seen.
///
/// `settle` makes one right. Two call it: whoever lets the handle see something, after that, and
/// one thread of the process, after the sequence moved. The thread is there while there are such
/// handles, and sleeps on those that have no news; who has some is left alone until they are seen,
/// so that notifiers need not wake anybody for a consumer that lags.
///
/// The lock is taken inside the `ForkGate` alone, so no child inherits it taken. A child has the
/// handles, but neither the thread nor may it share the parent's eventfds, which tell what the
/// parent has seen: it makes its own, with the same numbers, and starts a thread.
enum EventDescriptors {
  @safe struct Event {
    let words: NotificationWords
    let canNotify: Bool
    /// Nanoseconds.
    let longestNap: UInt64
    /// What the handle had seen when this was settled last: it is settled after each change.
    var seen: UInt32
    /// -1 in a child that could not have one.
    var descriptor: Int32
    var isReadable = false
    var next: Place?
  }
  typealias Place = UnsafeMutablePointer<Event>

  private static let isLocked = Atomic<Bool>(false)
  // Guarded by `isLocked`.
  private nonisolated(unsafe) static var first: Place?
  private nonisolated(unsafe) static var hasThread = false
  /// Moves, inside the lock, when the thread has other words to sleep on. Made once, and kept.
  private nonisolated(unsafe) static var changes: UnsafeMutablePointer<Atomic<UInt32>>?

  /// The descriptor of the event at `address`, made now and put there if there is none.
  static func descriptor(
    at address: borrowing Atomic<UInt>, _ event: Event, seen: () -> UInt32
  ) throws(Failure) -> Int32 {
    try locked { () throws(Failure) -> Int32 in
      if let place = unsafe place(at: address) {
        unsafe place.pointee.seen = seen()
        unsafe settle(place)
        if unsafe place.pointee.descriptor < 0 {
          unsafe place.pointee.descriptor = try check(
            czinc_event(place.pointee.isReadable ? 1 : 0), "eventfd")
        }
        try startThread()
        return unsafe place.pointee.descriptor
      }
      if unsafe changes == nil {
        unsafe changes = try allocate(4).assumingMemoryBound(to: Atomic<UInt32>.self)
        unsafe changes?.initialize(to: Atomic(0))
      }
      let place = unsafe try allocate(UInt(MemoryLayout<Event>.stride))
        .assumingMemoryBound(to: Event.self)
      unsafe place.initialize(to: event)
      do throws(Failure) {
        unsafe place.pointee.descriptor = try check(czinc_event(0), "eventfd")
        unsafe place.pointee.next = unsafe first
        unsafe first = unsafe place
        try startThread()
      } catch {
        if unsafe first == place { unsafe first = unsafe place.pointee.next }
        unsafe free(place)
        throw error
      }
      // Before the look at what was seen: who sees something later finds the event, and settles.
      address.store(UInt(bitPattern: place), ordering: .sequentiallyConsistent)
      unsafe place.pointee.seen = seen()
      unsafe settle(place)
      change()
      return unsafe place.pointee.descriptor
    }
  }

  /// After the handle has seen something, or looked: others may have, just before.
  @inline(never)
  static func settle(at address: borrowing Atomic<UInt>, seen: () -> UInt32) {
    locked {
      guard let place = unsafe place(at: address) else { return }
      unsafe place.pointee.seen = seen()
      let wasReadable = unsafe place.pointee.isReadable
      unsafe settle(place)
      if unsafe wasReadable && !place.pointee.isReadable { change() }
      try? startThread()
    }
  }

  /// Closes the descriptor, if there is one. No other is made afterwards: that is the caller's.
  @inline(never)
  static func remove(at address: borrowing Atomic<UInt>) {
    locked {
      guard let place = unsafe place(at: address) else { return }
      address.store(0, ordering: .relaxed)
      if unsafe first == place {
        unsafe first = unsafe place.pointee.next
      } else {
        var previous = unsafe first
        while let other = unsafe previous, unsafe other.pointee.next != place {
          unsafe previous = unsafe other.pointee.next
        }
        unsafe previous?.pointee.next = unsafe place.pointee.next
      }
      unsafe free(place)
      change()
    }
  }

  private static func place(at address: borrowing Atomic<UInt>) -> Place? {
    unsafe Place(bitPattern: address.load(ordering: .relaxed))
  }

  /// Whoever waits for a copy of the descriptor is woken, and finds the region closed.
  private static func free(_ place: Place) {
    unsafe czinc_event_set(place.pointee.descriptor, 1)
    if unsafe place.pointee.descriptor >= 0 {
      _ = unsafe czinc_close(place.pointee.descriptor)
    }
    unsafe czinc_free(place)
  }

  /// Makes it readable if there is news, and else not. The caller has the lock.
  private static func settle(_ place: Place) {
    let words = unsafe place.pointee.words
    let now = unsafe words.sequence.pointee.load(ordering: .sequentiallyConsistent)
    let isNew = unsafe now != place.pointee.seen
    if unsafe isNew == place.pointee.isReadable { return }
    unsafe place.pointee.isReadable = isNew
    unsafe czinc_event_set(place.pointee.descriptor, isNew ? 1 : 0)
  }

  // MARK: - The thread

  private static func startThread() throws(Failure) {
    if unsafe hasThread { return }
    let error = unsafe czinc_thread_start_detached(
      { _ in
        EventDescriptors.listen()
        return nil
      }, nil)
    if error < 0 { throw Failure(-error, "this process can have no thread for it; see ulimit -u") }
    unsafe hasThread = true
  }

  /// As any waiter of `Notification`: a ticket before the look, the look before the sleep, which
  /// does not begin if the sequence has moved since. Nothing of a region is touched outside of
  /// the lock, but as the address that a sleep is about: whatever comes to lie there after a
  /// close, the close has moved `changes`, and ends it.
  private static func listen() {
    while true {
      var nap: UInt64 = 1_000_000_000
      guard let sleepers = settleAll(&nap) else { return }
      _ = sleepers.sleep(until: czinc_monotonic() + nap)
    }
  }

  /// What is to be slept on, at most `nap` nanoseconds; nil once the thread is to end.
  private static func settleAll(_ nap: inout UInt64) -> Sleepers? {
    enter()
    defer { leave() }
    guard unsafe first != nil, let changes = unsafe changes else {
      unsafe hasThread = false
      return nil
    }
    var count = 1
    var next = unsafe first
    while let place = unsafe next {
      unsafe next = unsafe place.pointee.next
      if unsafe place.pointee.isReadable { continue }
      if unsafe place.pointee.canNotify {
        unsafe place.pointee.words.parked.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
      }
      unsafe settle(place)
      if unsafe place.pointee.isReadable { continue }
      nap = unsafe min(nap, place.pointee.longestNap)
      count += 1
    }
    let sleepers = Sleepers(count)
    unsafe sleepers.set(0, changes, changes.pointee.load(ordering: .relaxed))
    var i = 1
    unsafe next = unsafe first
    while let place = unsafe next {
      unsafe next = unsafe place.pointee.next
      if unsafe place.pointee.isReadable { continue }
      unsafe sleepers.set(i, place.pointee.words.sequence, place.pointee.seen)
      i += 1
    }
    return sleepers
  }

  private static func change() {
    guard let changes = unsafe changes else { return }
    unsafe changes.pointee.wrappingAdd(1, ordering: .releasing)
    unsafe czinc_futex_wake(changes)
  }

  // MARK: - The lock, and forks

  private static func locked<Value, Failure: Error>(_ body: () throws(Failure) -> Value)
    throws(Failure) -> Value
  {
    enter()
    defer { leave() }
    return try body()
  }

  @inline(never)
  private static func enter() {
    ForkGate.enter()
    poll { !isLocked.exchange(true, ordering: .acquiring) }
  }

  private static func leave() {
    isLocked.store(false, ordering: .releasing)
    ForkGate.leave()
  }

  fileprivate static func afterForkInChild() {
    guard unsafe first != nil else { return }
    var next = unsafe first
    while let place = unsafe next {
      let event = unsafe place.pointee
      unsafe place.pointee.descriptor = czinc_event_anew(
        event.descriptor, event.isReadable ? 1 : 0)
      unsafe next = unsafe event.next
    }
    unsafe hasThread = false
    try? startThread()  // Else the next call that settles one tries again.
  }

  /// Run as the library is loaded, as is the gate's.
  static func register() {
    _ = czinc_at_fork({}, {}, { EventDescriptors.afterForkInChild() })
  }
}
