internal import CZinc
internal import Synchronization

/// A number of parties that wait for each other, phase after phase.
///
///     u32 parties     as many; 0 until the first one says
///     u32 deaths      of the region when this one began anew
///     u64 state       phase << 32 | how the last 31 ended << 1, the last one lowest: 1 is that all
///                     were there, 0 a reset | 1 if this one is broken
///     u64 each place  the phase << 32 | who
///
/// Places are taken in order, so who has the last one knows that all are there, and ends the phase
/// once it has done what is to be done between two. It breaks when somebody dies who waits, or
/// who sits and has not come; when somebody gives up; and when somebody says so. Who was stopped
/// learns how its own phase ended, whatever came after that.
///
/// A seat is cleared of a dead one by whoever finds it, who may wait for something else in the region,
/// or be killed or stopped before it has said so: so all count the deaths, and each barrier looks at
/// their number. tests/model searches this with kills.
@safe struct Barrier {
  static let alignment = 8

  static func size(_ parties: UInt32) -> Int { 16 + Int(parties) * 8 }

  private struct State {
    let bits: UInt64
    var phase: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
    var isBroken: Bool { bits & 1 == 1 }
    var broken: State { State(bits: bits | 1) }

    func next(isMet: Bool) -> State {
      let ends = UInt32(truncatingIfNeeded: bits) & ~1 | (isMet ? 1 : 0)
      return State(bits: UInt64(phase &+ 1) << 32 | UInt64(ends << 1))
    }
  }

  private enum Outcome: UInt32 { case open, broken, met, reset }

  private let handle: Attachment.Handle
  private let state: UnsafeMutablePointer<Atomic<UInt64>>
  private let places: UnsafeMutablePointer<Atomic<UInt64>>
  /// The number of deaths that have broken this one, or came before it.
  private let known: UnsafeMutablePointer<Atomic<UInt32>>
  let parties: Int

  /// As a semaphore's with its permits.
  init(_ handle: Attachment.Handle, at offset: Int, parties wanted: UInt32 = 0) throws(Failure) {
    let smallest = Barrier.size(max(wanted, 1))
    let base = unsafe try Attachment.place(
      handle, offset, smallest, alignment: Barrier.alignment)
    unsafe known = unsafe (base + 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    if wanted != 0 {
      // Read before it becomes one, so that none after that is taken for known.
      let earlier = unsafe handle.pointee.header.seats.deaths
      if unsafe base.load(as: UInt32.self) == 0 {
        _ = unsafe known.pointee.compareExchange(
          expected: 0, desired: earlier, ordering: .sequentiallyConsistent)
      }
    }
    parties = unsafe try Attachment.agree(
      on: base, wanted, room: (handle.pointee.capacity - offset - 16) / 8)
    unsafe self.handle = unsafe handle
    unsafe state = unsafe (base + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
    unsafe places = unsafe (base + 16).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private var now: State {
    State(bits: unsafe state.pointee.load(ordering: .sequentiallyConsistent))
  }

  var isBroken: Bool { now.isBroken }

  /// How many are there.
  var waiting: Int {
    let now = now
    if now.isBroken { return 0 }
    var count = 0
    while count < parties, who(count, now.phase) != .nobody { count += 1 }
    return count == parties ? 0 : count
  }

  /// Who has come to this place in this phase.
  private func who(_ place: Int, _ phase: UInt32) -> SeatIdentity {
    let word = unsafe places[place].load(ordering: .sequentiallyConsistent)
    return word >> 32 == UInt64(phase)
      ? SeatIdentity(bits: UInt32(truncatingIfNeeded: word)) : .nobody
  }

  private func outcome(of phase: UInt32) -> Outcome {
    let now = now
    let later = now.phase &- phase
    if later == 0 { return now.isBroken ? .broken : .open }
    // Whoever has slept for longer is not told that all were there if that is not known.
    return later < 32 && now.bits >> UInt64(later) & 1 == 1 ? .met : .reset
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
        let now = now
        if now.isBroken { throw Barrier.isBroken }
        phase = now.phase
        guard let place = (0..<parties).first(where: { who($0, phase) == .nobody }) else {
          return nil
        }
        let before = unsafe places[place].load(ordering: .sequentiallyConsistent)
        if who(place, phase) != .nobody { continue }
        let isTaken = unsafe places[place].compareExchange(
          expected: before, desired: UInt64(phase) << 32 | UInt64(me.bits),
          ordering: .sequentiallyConsistent
        ).exchanged
        guard isTaken else { continue }
        // Others have seen who has a place, so what they did then is meant for it, too: it is not to
        // come once more. Without it nobody can have ended the phase by being there.
        switch outcome(of: phase) {
        case .open, .met: return Int32(truncatingIfNeeded: place)
        case .broken, .reset: throw Barrier.isBroken
        }
      }
    } sweep: { () throws(Failure) in
      try sweep(now.phase)
    }
  }

  static var isBroken: Failure { Failure(EPIPE, "the barrier is broken; reset it") }

  /// By who came last: lets the others go. EPIPE if it has broken meanwhile.
  func release(_ phase: UInt32) throws(Failure) {
    while outcome(of: phase) == .open {
      let now = now
      if now.phase == phase && !now.isBroken && change(now, to: now.next(isMet: true)) { return }
    }
    throw Barrier.isBroken
  }

  /// Until all are there. Breaks it at the deadline. EPIPE if it is broken, or reset.
  func wait(_ phase: UInt32, _ options: Notification.WaitOptions, deadline: UInt64)
    throws(Failure) -> Int32
  {
    guard unsafe handle.pointee.notification.waits.count() else {
      return Notification.WaitResult.closed.rawValue
    }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    let result = unsafe try Attachment.wait(handle, options, until: deadline) {
      () throws(Failure) -> Int32? in
      try isMet(phase) ? 0 : nil
    } sweep: { () throws(Failure) in
      try sweep(phase)
    }
    if result != Notification.WaitResult.timedOut.rawValue || breakUp(phase) { return result }
    return try isMet(phase) ? 0 : result
  }

  private func isMet(_ phase: UInt32) throws(Failure) -> Bool {
    switch outcome(of: phase) {
    case .open: return false
    case .met: return true
    case .broken, .reset: throw Barrier.isBroken
    }
  }

  /// Breaks this phase, and no later one: did it?
  func breakUp(_ phase: UInt32) -> Bool {
    while true {
      let now = now
      if now.phase != phase || now.isBroken { return false }
      if change(now, to: now.broken) { return true }
    }
  }

  func abort() {
    while true {
      let now = now
      if now.isBroken || change(now, to: now.broken) { return }
    }
  }

  /// Begins anew, whoever waits: for those it is broken, at once, since they hear of no earlier death
  /// as soon as that is known.
  func reset() throws(Failure) {
    _ = unsafe try Attachment.seated(handle)
    abort()
    _ = unsafe try Attachment.sweepSeats(handle)
    unsafe known.pointee.store(deaths, ordering: .sequentiallyConsistent)
    while true {
      let now = now
      if change(now, to: now.next(isMet: false)) { return }
    }
  }

  private func change(_ old: State, to new: State) -> Bool {
    let isChanged = unsafe state.pointee.compareExchange(
      expected: old.bits, desired: new.bits, ordering: .sequentiallyConsistent
    ).exchanged
    if isChanged { unsafe Attachment.changed(handle) }
    return isChanged
  }

  private var deaths: UInt32 { unsafe handle.pointee.header.seats.deaths }

  /// Breaks it if somebody has died who sat, or has come and left: has something changed?
  private func sweep(_ phase: UInt32) throws(Failure) -> Bool {
    _ = unsafe try Attachment.sweepSeats(handle)
    if unsafe known.pointee.load(ordering: .sequentiallyConsistent) != deaths {
      return breakUp(phase)
    }
    for place in 0..<parties {
      let one = who(place, phase)
      if one == .nobody { break }
      if unsafe try Attachment.fate(of: one, handle) != .alive { return breakUp(phase) }
    }
    return false
  }
}
