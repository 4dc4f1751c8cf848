internal import CZinc
internal import Synchronization

/// Who waits for a change that a lock guards, in the order in which they came.
///
///     u32 next    ticket
///     u32 unused
///     each place  u32 who, u32 state: ticket << 2 | 1 waiting, 2 notified; 0 free
///
/// Waiting is three steps, so that it works with any lock, and whatever interrupts it: `begin`
/// while the lock is held; then release it, and `sleep`; acquire it again, and `end`. A place is
/// taken and given back under the lock; to notify is one compare-and-exchange of its state, by who
/// has the lock. One that is killed after it was notified, and before `end`, has kept a
/// notification that is another's: the others look for such at the end of each nap. They do
/// without the lock, and the place may be another's by then: the ticket tells them.
///
/// tests/model searches this with kills.
@safe struct Condition {
  static let alignment = 8
  static let places = 128
  private static let stride = 8
  static let size = 8 + places * stride

  /// What a place says.
  private struct State: Equatable {
    let bits: UInt32

    static let free = State(bits: 0)
    static func waiting(_ ticket: UInt32) -> State { State(bits: ticket << 2 | 1) }

    var isWaiting: Bool { bits & 3 == 1 }
    var isNotified: Bool { bits & 3 == 2 }
    /// Of one that waits.
    var notified: State { State(bits: bits + 1) }

    /// Of two that wait: tickets wrap.
    func isBefore(_ other: State) -> Bool { Int32(bitPattern: bits &- other.bits) < 0 }
  }

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

  private func state(_ place: Int) -> State {
    State(bits: unsafe word(place, 1).pointee.load(ordering: .acquiring))
  }

  private func change(_ place: Int, from old: State, to new: State) -> Bool {
    unsafe word(place, 1).pointee.compareExchange(
      expected: old.bits, desired: new.bits, ordering: .sequentiallyConsistent
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
        let state = state(place)
        if sweeps, state.isWaiting, try isOver(place) {
          _ = change(place, from: state, to: .free)
        }
        guard self.state(place) == .free else { continue }
        let next = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self)
        let ticket = unsafe next.pointee.wrappingAdd(1, ordering: .relaxed).oldValue
        unsafe word(place, 0).pointee.store(me.bits, ordering: .relaxed)
        if change(place, from: .free, to: .waiting(ticket)) { return place }
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
      state(place).isWaiting ? nil : 0
    } sweep: { () throws(Failure) in
      try inherit(place)
    }
  }

  /// Gives the place back, by who has the lock again: was it notified?
  func end(_ place: Int) throws(Failure) -> Bool {
    try check(place)
    let was = unsafe word(place, 1).pointee.exchange(
      State.free.bits, ordering: .sequentiallyConsistent)
    return State(bits: was).isNotified
  }

  private func check(_ place: Int) throws(Failure) {
    let me = unsafe Attachment.identity(handle)
    guard (0..<Condition.places).contains(place), me != .nobody, state(place) != .free,
      unsafe word(place, 0).pointee.load(ordering: .relaxed) == me.bits
    else { throw Failure(EINVAL, "this handle has no place % there", UInt64(clamping: place)) }
  }

  /// Takes over the notification of a dead one. Ours first: killed in between, two wake, not none.
  /// So they do where another was faster: had this one gone back to waiting, a notification
  /// meanwhile could have found nobody.
  private func inherit(_ place: Int) throws(Failure) -> Bool {
    let own = state(place)
    guard own.isWaiting else { return true }
    for other in 0..<Condition.places where other != place {
      let kept = state(other)
      guard kept.isNotified, try isOver(other) else { continue }
      if change(place, from: own, to: own.notified) { _ = change(other, from: kept, to: .free) }
      return true
    }
    return false
  }

  // MARK: - Notifying

  /// Notifies up to `count` of those who wait, who came first; how many. By who has the lock.
  func notify(_ count: UInt32) throws(Failure) -> UInt32 {
    var done: UInt32 = 0
    while done < count, let (place, state) = first() {
      if try isOver(place) {
        _ = change(place, from: state, to: .free)
      } else if change(place, from: state, to: state.notified) {
        done += 1
      }
    }
    if done > 0 { unsafe Attachment.changed(handle) }
    return done
  }

  private func first() -> (place: Int, state: State)? {
    var found: (place: Int, state: State)?
    for place in 0..<Condition.places {
      let its = state(place)
      guard its.isWaiting else { continue }
      if let earliest = found, !its.isBefore(earliest.state) { continue }
      found = (place, its)
    }
    return found
  }

  /// How many wait.
  var waiting: Int {
    var count = 0
    for place in 0..<Condition.places where state(place).isWaiting { count += 1 }
    return count
  }
}
