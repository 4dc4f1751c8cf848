internal import CZinc
internal import Synchronization

/// A number of parties that wait for each other, phase after phase.
///
///     u32 parties     as many; 0 until the first one says
///     u32 state       phase (31 bits): + 2 when all are there, + 1 at a reset; 1 << 31 broken
///     u64 each place  the phase << 32 | who
///
/// Places are taken in order, so who has the last one knows that all are there, and ends the phase
/// once it has done what is to be done between two. It breaks when somebody dies who waits, or
/// who sits and has not come; when somebody gives up; and when somebody says so.
@safe struct Barrier {
  static let alignment = 8
  private static let broken: UInt32 = 1 << 31

  static func size(_ parties: UInt32) -> Int { 8 + Int(parties) * 8 }

  private let handle: Attachment.Handle
  private let state: UnsafeMutablePointer<Atomic<UInt32>>
  private let places: UnsafeMutablePointer<Atomic<UInt64>>
  let parties: Int

  /// As a semaphore's with its permits.
  init(_ handle: Attachment.Handle, at offset: Int, parties wanted: UInt32 = 0) throws(Failure) {
    let smallest = Barrier.size(max(wanted, 1))
    let base = unsafe try Attachment.place(
      handle, offset, smallest, alignment: Barrier.alignment)
    parties = unsafe try Attachment.agree(
      on: base, wanted, room: (handle.pointee.capacity - offset - 8) / 8)
    unsafe self.handle = unsafe handle
    unsafe state = unsafe (base + 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    unsafe places = unsafe (base + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private var now: UInt32 { unsafe state.pointee.load(ordering: .sequentiallyConsistent) }

  var isBroken: Bool { now & Barrier.broken != 0 }

  /// How many are there.
  var waiting: Int {
    let phase = now & ~Barrier.broken
    var count = 0
    while count < parties, who(count, phase) != .nobody { count += 1 }
    return count == parties ? 0 : count
  }

  /// Who has come to this place in this phase.
  private func who(_ place: Int, _ phase: UInt32) -> SeatIdentity {
    let word = unsafe places[place].load(ordering: .sequentiallyConsistent)
    return word >> 32 == UInt64(phase)
      ? SeatIdentity(bits: UInt32(truncatingIfNeeded: word)) : .nobody
  }

  /// Takes a place; who has the last one, `parties - 1`, calls `release`, the others `wait`, with
  /// the phase. EPIPE if it is broken. Waits only if there are more than it is for.
  func arrive(_ phase: inout UInt32, _ options: Notification.WaitOptions, deadline: UInt64)
    throws(Failure) -> Int32
  {
    let me = unsafe try Attachment.seated(handle)
    return unsafe try Attachment.wait(handle, options, until: deadline) {
      () throws(Failure) -> Int32? in
      while true {
        phase = now
        if phase & Barrier.broken != 0 { throw Barrier.isBroken }
        guard let place = (0..<parties).first(where: { who($0, phase) == .nobody }) else {
          return nil
        }
        let before = unsafe places[place].load(ordering: .sequentiallyConsistent)
        if who(place, phase) != .nobody { continue }
        let isTaken = unsafe places[place].compareExchange(
          expected: before, desired: UInt64(phase) << 32 | UInt64(me.bits),
          ordering: .sequentiallyConsistent
        ).exchanged
        if isTaken && now == phase { return Int32(truncatingIfNeeded: place) }
      }
    } sweep: { () throws(Failure) in
      try sweep(now)
    }
  }

  static var isBroken: Failure { Failure(EPIPE, "the barrier is broken; reset it") }

  /// By who came last: lets the others go. EPIPE if it has broken meanwhile.
  func release(_ phase: UInt32) throws(Failure) {
    guard change(phase, to: (phase &+ 2) & ~Barrier.broken) else { throw Barrier.isBroken }
  }

  /// Until all are there. Breaks it at the deadline. EPIPE if it is broken, or reset.
  func wait(_ phase: UInt32, _ options: Notification.WaitOptions, deadline: UInt64)
    throws(Failure) -> Int32
  {
    let result = unsafe try Attachment.wait(handle, options, until: deadline) {
      () throws(Failure) -> Int32? in
      let now = now
      if now == phase { return nil }
      let isReset = (now &- phase) & 1 != 0
      if now & Barrier.broken != 0 && now & ~Barrier.broken == phase || isReset {
        throw Barrier.isBroken
      }
      return 0
    } sweep: { () throws(Failure) in
      try sweep(phase)
    }
    if result == Notification.WaitResult.timedOut.rawValue {
      _ = change(phase, to: phase | Barrier.broken)
    }
    return result
  }

  func abort() {
    while true {
      let now = now
      if now & Barrier.broken != 0 || change(now, to: now | Barrier.broken) { return }
    }
  }

  /// Begins anew, whoever waits: for those it is broken.
  func reset() throws(Failure) {
    _ = unsafe try Attachment.sweepSeats(handle)
    while true {
      let now = now
      if change(now, to: (now &+ 1) & ~Barrier.broken) { return }
    }
  }

  private func change(_ old: UInt32, to new: UInt32) -> Bool {
    let isChanged = unsafe state.pointee.compareExchange(
      expected: old, desired: new, ordering: .sequentiallyConsistent
    ).exchanged
    if isChanged { unsafe Attachment.changed(handle) }
    return isChanged
  }

  /// Breaks it if somebody has died who sat, or has come and left: did it?
  private func sweep(_ phase: UInt32) throws(Failure) -> Bool {
    var isSome = unsafe try Attachment.sweepSeats(handle) > 0
    for place in 0..<parties where !isSome {
      let one = who(place, phase)
      if one == .nobody { break }
      isSome = unsafe try Attachment.fate(of: one, handle) != .alive
    }
    return isSome && phase & Barrier.broken == 0 && change(phase, to: phase | Barrier.broken)
  }
}
