internal import CZinc
internal import Synchronization

/// Who waits for a change that a lock guards, in the order in which they came.
///
///     u32 next    ticket
///     u32 unused
///     each place  u32 who, u32 state (0 free, 1 waiting, 2 notified), u32 ticket, u32 unused
///
/// Waiting is three steps, so that it works with any lock, and whatever interrupts it: `begin`
/// while the lock is held; then release it, and `sleep`; acquire it again, and `end`. A place is
/// taken and given back under the lock; to notify is one compare-and-exchange of its state, by who
/// has the lock. One that is killed after it was notified, and before `end`, has kept a
/// notification that is another's: the others look for such at the end of each nap.
@safe struct Condition {
  static let alignment = 8
  static let places = 128
  private static let stride = 16
  static let size = 8 + places * stride

  private enum State { static let free: UInt32 = 0, waiting: UInt32 = 1, notified: UInt32 = 2 }

  private let handle: Attachment.Handle
  private let base: UnsafeMutableRawPointer

  init(_ handle: Attachment.Handle, at offset: Int) throws(Failure) {
    unsafe self.handle = unsafe handle
    unsafe base = unsafe try Attachment.place(
      handle, offset, Condition.size, alignment: Condition.alignment)
  }

  private func word(_ place: Int, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + 8 + place * Condition.stride + index * 4).assumingMemoryBound(
      to: Atomic<UInt32>.self)
  }

  private func state(_ place: Int) -> UInt32 {
    unsafe word(place, 1).pointee.load(ordering: .acquiring)
  }

  private func change(_ place: Int, from old: UInt32, to new: UInt32) -> Bool {
    unsafe word(place, 1).pointee.compareExchange(
      expected: old, desired: new, ordering: .sequentiallyConsistent
    ).exchanged
  }

  private func isOver(_ place: Int) throws(Failure) -> Bool {
    let who = unsafe SeatIdentity(bits: word(place, 0).pointee.load(ordering: .acquiring))
    if who == .nobody { return true }
    return unsafe try Attachment.fate(of: who, handle) != .alive
  }

  // MARK: - Waiting

  /// Takes a place, by who has the lock. EAGAIN if all are taken.
  func begin() throws(Failure) -> Int {
    let me = unsafe try Attachment.seated(handle)
    for sweeps in [false, true] {
      for place in 0..<Condition.places {
        if sweeps, state(place) == State.waiting, try isOver(place) {
          _ = change(place, from: State.waiting, to: State.free)
        }
        guard state(place) == State.free else { continue }
        let next = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self)
        let ticket = unsafe next.pointee.wrappingAdd(1, ordering: .relaxed).oldValue
        unsafe word(place, 0).pointee.store(me.bits, ordering: .relaxed)
        unsafe word(place, 2).pointee.store(ticket, ordering: .relaxed)
        if change(place, from: State.free, to: State.waiting) { return place }
      }
    }
    throw Failure(
      EAGAIN, "% wait for it already, and there is no place for more", UInt64(Condition.places))
  }

  /// Without the lock, until somebody has notified the one at this place. Resumed by the same call.
  func sleep(_ place: Int, _ options: Notification.WaitOptions, deadline: UInt64) throws(Failure)
    -> Int32
  {
    try check(place)
    return unsafe try Attachment.wait(handle, options, until: deadline) {
      state(place) == State.waiting ? nil : 0
    } sweep: { () throws(Failure) in
      try inherit(place)
    }
  }

  /// Gives the place back, by who has the lock again: was it notified?
  func end(_ place: Int) throws(Failure) -> Bool {
    try check(place)
    let was = unsafe word(place, 1).pointee.exchange(State.free, ordering: .sequentiallyConsistent)
    return was == State.notified
  }

  private func check(_ place: Int) throws(Failure) {
    let me = unsafe Attachment.identity(handle)
    guard (0..<Condition.places).contains(place), me != .nobody, state(place) != State.free,
      unsafe word(place, 0).pointee.load(ordering: .relaxed) == me.bits
    else { throw Failure(EINVAL, "this handle has no place % there", UInt64(clamping: place)) }
  }

  /// Takes over the notification of a dead one. Ours first: killed in between, two wake, not none.
  private func inherit(_ place: Int) throws(Failure) -> Bool {
    for other in 0..<Condition.places where state(other) == State.notified && other != place {
      guard try isOver(other) else { continue }
      guard change(place, from: State.waiting, to: State.notified) else { return true }
      if change(other, from: State.notified, to: State.free) { return true }
      // Another was faster.
      if !change(place, from: State.notified, to: State.waiting) { return true }
    }
    return false
  }

  // MARK: - Notifying

  /// Notifies up to `count` of those who wait, who came first; how many. By who has the lock.
  func notify(_ count: UInt32) throws(Failure) -> UInt32 {
    var done: UInt32 = 0
    while done < count, let place = first() {
      if try isOver(place) {
        _ = change(place, from: State.waiting, to: State.free)
      } else if change(place, from: State.waiting, to: State.notified) {
        done += 1
      }
    }
    if done > 0 { unsafe Attachment.changed(handle) }
    return done
  }

  private func first() -> Int? {
    var found: Int?
    var ticket: UInt32 = 0
    for place in 0..<Condition.places where state(place) == State.waiting {
      let its = unsafe word(place, 2).pointee.load(ordering: .relaxed)
      if found == nil || Int32(bitPattern: its &- ticket) < 0 {
        found = place
        ticket = its
      }
    }
    return found
  }

  /// How many wait.
  var waiting: Int {
    var count = 0
    for place in 0..<Condition.places where state(place) == State.waiting { count += 1 }
    return count
  }
}
