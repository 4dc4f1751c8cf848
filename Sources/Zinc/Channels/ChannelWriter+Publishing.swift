internal import CZinc
internal import Synchronization

extension ChannelWriter {
  enum Outcome: Int32 {
    case isRoom = 0
    case timedOut = -110
    case closed = -125
    case interrupted = -4
  }

  /// Publishes a loan, whose payload is written, and whose `head` gets its number then. False if
  /// writers wait for readers and there is no room: it still is the writer's.
  @inline(__always)
  mutating func publish(_ slot: Int, _ head: UnsafeMutablePointer<ZincMessageHead>)
    throws(Failure) -> Bool
  {
    let seat = try check(slot)
    guard unsafe publish(slot, seat, head) || publishAgain(slot, seat, head) else { return false }
    _ = unsafe end.handle.pointee.notification.notify()  // w8
    return true
  }

  /// With another look at who reads.
  @inline(never)
  private mutating func publishAgain(
    _ slot: Int, _ seat: Int, _ head: UnsafeMutablePointer<ZincMessageHead>
  ) -> Bool {
    lookAtReaders()
    if unsafe publish(slot, seat, head) { return true }
    beginWaiting(seat)
    return false
  }

  /// How far have all readers come? Until another one joins.
  private mutating func lookAtReaders() {
    membersSeen = unsafe end.memory.members.pointee.load(ordering: .sequentiallyConsistent)  // w3
    if end.memory.geometry.isShared {
      gate = end.memory.handedOut() &+ 1
      // Others have scribbled there, and `isRoom` knows of no overflow.
      if gate == 0 { gate = .max }
      return
    }
    gate = end.memory.leastCursor(end.seats)
  }

  /// False if there is no room, for all that is known of who reads.
  @inline(__always)
  private mutating func publish(
    _ slot: Int, _ seat: Int, _ head: UnsafeMutablePointer<ZincMessageHead>
  ) -> Bool {
    let memory = end.memory
    let messages = UInt64(truncatingIfNeeded: memory.geometry.messages)
    let mine = UInt64(truncatingIfNeeded: seat &+ 1)
    while true {
      let (next, old) = memory.next()
      let place = unsafe memory.ring(next)
      if memory.geometry.waits && next > messages {
        // Now that `old` is known: whoever joined before it stood there is counted.
        let members = unsafe memory.members.pointee.load(ordering: .sequentiallyConsistent)  // w3
        if members != membersSeen || next &- messages >= gate { return false }
      }
      if memory.geometry.isShared && old & ChannelMemory.closed != 0 { return false }
      // Of a queue a slot is who takes the message's, and comes back from there.
      let other = memory.geometry.isShared ? -1 : memory.slot(of: old)
      unsafe head.pointee.number = next
      unsafe memory.slot(slot).storeBytes(of: head.pointee, as: ZincMessageHead.self)
      unsafe memory.givingNumber(seat).pointee.store(next, ordering: .relaxed)  // w4
      unsafe memory.giving(seat).pointee.store(
        UInt32(truncatingIfNeeded: slot &+ 1), ordering: .releasing)
      unsafe memory.taking(seat).pointee.store(
        UInt32(truncatingIfNeeded: other &+ 1), ordering: .releasing)
      unsafe memory.owner(slot).pointee.store(ChannelMemory.published | next, ordering: .releasing)
      let isPublished = unsafe place.pointee.compareExchange(
        expected: old, desired: memory.entry(next, slot), ordering: .sequentiallyConsistent  // w5
      ).exchanged
      if isPublished {
        if other >= 0 && other < memory.geometry.slots {
          unsafe memory.owner(other).pointee.store(mine, ordering: .releasing)  // w6
          keep(displaced: other)
        }
      } else {
        unsafe memory.owner(slot).pointee.store(mine, ordering: .releasing)
      }
      unsafe memory.taking(seat).pointee.store(0, ordering: .releasing)  // w7
      unsafe memory.giving(seat).pointee.store(0, ordering: .releasing)
      if isPublished {
        unsafe memory.head.pointee.store(next, ordering: .releasing)
        endWaiting(seat)
        return true
      }
    }
  }

  /// Until readers have gone on, or have gone, for who could not publish: at the end of each nap it
  /// looks who has died. Any thread may.
  func waitForRoom(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure)
    -> Outcome
  {
    let memory = end.memory
    let messages = UInt64(memory.geometry.messages)
    func isRoom(for count: UInt64 = 1) -> Bool {
      if memory.geometry.isShared {
        return memory.isRoom(for: count, lacksSlot: lacksSlot.load(ordering: .relaxed))
      }
      return memory.newest() &+ count &- messages < memory.leastCursor(end.seats)
    }
    if memory.geometry.isShared && memory.isClosed {
      throw Failure(EPIPE, "the queue is closed, and takes no more messages")
    }
    // One that reads on makes room for many soon. Then its cursor is fetched once for all of them,
    // and nobody has to be woken for each.
    if deadline != 0 && !options.contains(.sleep) {
      let isMuch = end.room.spin.spin(until: deadline) {
        for _ in 0..<8 { czinc_pause() }
        return isRoom(for: max(messages / 4, 1))
      }
      if isMuch { return .isRoom }
    }
    let seen = end.room.sequence
    if isRoom() { return .isRoom }
    let evictAt = evictAt.load(ordering: .relaxed)
    let isLook = deadline == 0 && evictAt == .max
    let now = isLook ? 0 : czinc_monotonic()
    // Costs less than the sleep that it may save.
    if try end.sweep() == .cleaned { return .isRoom }
    if now >= evictAt {
      memory.evict(before: memory.newest() &+ 1, end.seats)
      return .isRoom
    }
    if now >= deadline { return .timedOut }
    end.room.takeTicket()
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if isRoom() { return .isRoom }
    let wakeUp = min(deadline, now + Attachment.longestNap, evictAt)
    switch end.room.wait(past: seen, options.union(.sleep), deadline: wakeUp) {
    case .notified: return .isRoom
    case .closed: return .closed
    case .interrupted: return .interrupted
    case .timedOut:
      // A signal may have come just before the nap. Else it looks again, and sweeps.
      return options.contains(.interruptible) && wakeUp != deadline ? .interrupted : .isRoom
    }
  }

  /// Says so, and when to evict who holds the next message up: for each number anew, since a slow
  /// reader that goes on is waited for.
  private mutating func beginWaiting(_ seat: Int) {
    lacksSlot.store(false, ordering: .relaxed)
    let number = end.memory.newest() &+ 1
    if waitingFor == number { return }
    if waitingFor == 0 {
      unsafe end.memory.waiting(seat).pointee.store(
        czinc_wall(), ordering: .relaxed)
    }
    waitingFor = number
    let now = czinc_monotonic()
    let isEvicting = evictAfter < .max - now && !end.memory.geometry.isShared
    evictAt.store(isEvicting ? now + evictAfter : .max, ordering: .relaxed)
  }

  /// What it has waited for is published, or given up.
  @inline(__always)
  mutating func endWaiting(_ seat: Int) {
    if waitingFor == 0 { return }
    waitingFor = 0
    unsafe end.memory.waiting(seat).pointee.store(0, ordering: .relaxed)
  }
}
