internal import CZinc
internal import Synchronization

/// Who reads a channel, from a message on: one thread at a time receives, any gives back.
@safe struct ChannelReader: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<ChannelReader>

  // The first, as of a writer: any thread releases.
  private var owner = SeatIdentity.nobody
  let end: ChannelEnd
  private(set) var next: UInt64 = 0
  private(set) var lost: UInt64 = 0

  /// Begins after the newest message, or so many before.
  private init(_ end: consuming ChannelEnd, history: UInt64) throws(Failure) {
    self.end = end
    guard !self.end.memory.geometry.isShared else {
      throw Failure(EINVAL, "it is a queue, whose messages go to one worker each: take them")
    }
    try self.end.protectSlots()
    let newest = self.end.memory.newest()
    try begin(newest >= history ? newest &- history &+ 1 : 1)
    unsafe self.end.memory.lost(owner.seat).pointee.store(0, ordering: .relaxed)
  }

  /// Sits. The handle stays the caller's, and lasts longer.
  static func make(_ handle: Attachment.Handle, history: UInt64) throws(Failure)
    -> UnsafeMutableRawPointer
  {
    let memory = unsafe try allocate(UInt(MemoryLayout<ChannelReader>.stride))
    let place = unsafe memory.assumingMemoryBound(to: ChannelReader.self)
    do throws(Failure) {
      unsafe place.initialize(to: try ChannelReader(ChannelEnd(handle, .reads), history: history))
    } catch {
      unsafe czinc_free(memory)
      throw error
    }
    return unsafe memory
  }

  static func free(_ reader: Pointer) {
    unsafe reader.pointee.end.leave()
    unsafe czinc_free(reader)
  }

  /// Sits, unless it does, and wants `first`, or the oldest there is. In a forked child, and after
  /// writers have waited long enough, where it was.
  private mutating func begin(_ first: UInt64) throws(Failure) {
    let seat = try end.sit()
    let memory = end.memory
    unsafe memory.cursor(seat).pointee.store(first, ordering: .sequentiallyConsistent)  // j1
    unsafe memory.evicted(seat).pointee.store(0, ordering: .sequentiallyConsistent)  // e1
    unsafe memory.members.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // j2
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    next = max(first, memory.oldest(memory.newest()))  // j3
    unsafe memory.cursor(seat).pointee.store(next, ordering: .sequentiallyConsistent)  // j4
    owner = unsafe Attachment.identity(end.handle)
  }

  /// As `begin`, and counts what it has lost meanwhile.
  @inline(never)
  private mutating func beginAgain() throws(Failure) {
    let wanted = next
    try begin(wanted)
    lost &+= next &- wanted
    unsafe end.memory.lost(owner.seat).pointee.store(lost, ordering: .relaxed)
  }

  /// Is it to begin again?
  @inline(__always)
  private var isOut: Bool {
    unsafe Attachment.identity(end.handle) != owner
      || end.memory.geometry.waits
        && end.memory.evicted(owner.seat).pointee.load(ordering: .relaxed) == owner.bits
  }

  /// A message that is received, and pinned until `release`.
  struct Message {
    let slot: Int
    let view: Int
    let number: UInt64
    /// Who holds it.
    let owner: SeatIdentity
  }

  /// The next message; nil if there is none yet. ENOBUFS if it holds as many as it may.
  mutating func receive() throws(Failure) -> Message? {
    let memory = end.memory
    if isOut { try beginAgain() }
    let seat = owner.seat
    var view = 0
    while unsafe view < memory.geometry.views
      && memory.pin(seat, view).pointee.load(ordering: .acquiring) != 0
    {
      view &+= 1
    }
    while true {
      let place = unsafe memory.ring(next)
      let entry = unsafe place.pointee.load(ordering: .acquiring)  // r1
      let there = memory.number(of: entry, near: next)
      if there < next { return nil }
      if there > next {
        guard there <= ChannelMemory.mostNumber else {
          throw Failure(EBADMSG, "damaged: a message has the number %", there)
        }
        // Not less than the place says, whatever others have scribbled elsewhere.
        let oldest = memory.oldest(max(memory.newest(), there))
        // Overtaken once more since: it looks again.
        let first = max(oldest, next &+ 1)
        lost &+= first &- next
        next = first
        unsafe memory.lost(seat).pointee.store(lost, ordering: .relaxed)
        advance(seat)
        continue
      }
      guard view < memory.geometry.views else {
        throw Failure(
          ENOBUFS, "it holds % messages, and may hold % at once; release some",
          UInt64(memory.geometry.views), UInt64(memory.geometry.views))
      }
      let slot = memory.slot(of: entry)
      guard (0..<memory.geometry.slots).contains(slot) else {
        throw Failure(EBADMSG, "damaged: a message stands in slot %", UInt64(clamping: slot))
      }
      // They come while the pin is set.
      unsafe czinc_prefetch(memory.slot(slot))
      unsafe czinc_prefetch(memory.payload(slot))
      _ = unsafe memory.pin(seat, view).pointee.exchange(
        UInt32(truncatingIfNeeded: slot &+ 1), ordering: .sequentiallyConsistent)  // r2
      guard unsafe place.pointee.load(ordering: .sequentiallyConsistent) == entry else {  // r3
        unsafe memory.pin(seat, view).pointee.store(0, ordering: .releasing)
        continue
      }
      let message = Message(slot: slot, view: view, number: next, owner: owner)
      next &+= 1
      advance(seat)
      return message
    }
  }

  /// What a message says of itself, and its payload.
  @inline(__always)
  func look(at message: Message) -> (head: ZincMessageHead, data: UnsafeRawPointer) {
    unsafe end.memory.look(at: message.slot, message.number)
  }

  @inline(__always)
  private func advance(_ seat: Int) {
    let cursor = unsafe end.memory.cursor(seat)
    guard end.memory.geometry.waits else {
      unsafe cursor.pointee.store(next, ordering: .relaxed)
      return
    }
    unsafe cursor.pointee.store(next, ordering: .sequentiallyConsistent)  // r4
    end.tellOfRoom()
  }

  /// On to the newest message: what lies before it counts as lost.
  mutating func skip() {
    let newest = end.memory.newest()
    guard newest > next else { return }
    lost &+= newest &- next
    next = newest
    // In a forked child that has not begun again the seat is its parent's.
    if isOut { return }
    unsafe end.memory.lost(owner.seat).pointee.store(lost, ordering: .relaxed)
    advance(owner.seat)
  }

  /// Wants no further message: no writer waits for it. What it holds stays as it is.
  func stop() {
    if isOut { return }
    unsafe end.memory.evicted(owner.seat).pointee.store(
      owner.bits, ordering: .sequentiallyConsistent)
    _ = end.room.notify()
  }

  /// Gives a message back, by any thread. No effect in a child whose parent received it.
  func release(_ view: Int, of owner: SeatIdentity) {
    guard (0..<end.memory.geometry.views).contains(view), owner != .nobody,
      unsafe Attachment.identity(end.handle) == owner
    else { return }
    unsafe end.memory.pin(owner.seat, view).pointee.store(0, ordering: .releasing)  // r5
  }

  /// As `receive`, and waits for a message until `deadline`. With `untilGone` EPIPE once all who
  /// have written are gone, and nothing is left of it.
  mutating func receive(
    _ options: Notification.WaitOptions, untilGone: Bool, deadline: UInt64,
    _ message: inout Message?
  ) throws(Failure) -> Notification.WaitResult {
    guard unsafe end.handle.pointee.notification.waits.count() else { return .closed }
    defer { unsafe end.handle.pointee.notification.waits.uncount() }
    var options = options
    while true {
      while spin(options, until: deadline) {
        message = try receive()
        if message != nil { return .notified }
      }
      let seen = unsafe end.handle.pointee.notification.sequence
      message = try receive()
      if message != nil { return .notified }
      if untilGone && !end.hasWriters {
        // What the last one published before it went comes first.
        message = try receive()
        if message != nil { return .notified }
        throw Failure(EPIPE, "who has written to it is gone, and nothing is left to read")
      }
      let now = deadline == 0 ? 0 : czinc_monotonic()
      if now >= deadline { return .timedOut }
      // Nobody tells of one that is killed.
      let wakeUp = untilGone ? min(deadline, now + Attachment.longestNap) : deadline
      let result = unsafe end.handle.pointee.notification.wait(
        past: seen, options.union(.sleep), deadline: wakeUp)
      if result == .timedOut && wakeUp != deadline {
        if options.contains(.interruptible) { return .interrupted }
        options.insert(.sleep)
      } else if result != .notified {
        return result
      }
    }
  }

  /// Looks for the message itself, which is there before the notification, and leaves that one's
  /// line to who writes.
  private func spin(_ options: Notification.WaitOptions, until deadline: UInt64) -> Bool {
    if deadline == 0 || options.contains(.sleep) { return false }
    let place = unsafe end.memory.ring(next)
    return unsafe end.handle.pointee.notification.spin.spin(until: deadline) {
      let entry = unsafe place.pointee.load(ordering: .acquiring)
      return end.memory.number(of: entry, near: next) >= next
    }
  }
}
