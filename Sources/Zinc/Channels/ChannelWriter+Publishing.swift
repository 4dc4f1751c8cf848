internal import CZinc
internal import Synchronization

extension ChannelWriter {
  enum Outcome: Int32 {
    case published = 0
    case timedOut = -110
    case closed = -125
    case interrupted = -4
  }

  /// Publishes a loan, whose payload is written; `head` gets its number then. Where
  /// writers wait for readers, until `deadline`: if that is over, it still is the writer's.
  mutating func publish(
    _ slot: Int, _ head: UnsafeMutablePointer<ZincMessageHead>, _ options: Notification.WaitOptions,
    deadline: UInt64
  ) throws(Failure) -> Outcome {
    while true {
      enter()
      let seat: Int
      do throws(Failure) {
        seat = try check(slot)
      } catch {
        leave()
        throw error
      }
      guard !end.memory.geometry.waits || roomBefore() else {
        let evictAt = beginWaiting(seat)
        leave()
        let outcome = try waitForRoom(options, deadline: deadline, evictAt)
        if outcome != .published { return outcome }
        continue
      }
      let isPublished = unsafe publish(slot, seat, head)
      if isPublished { endWaiting(seat) }
      leave()
      if isPublished {
        _ = unsafe end.handle.pointee.notification.notify()  // w8
        return .published
      }
    }
  }

  /// Have all readers read what the next message would displace?
  private mutating func roomBefore() -> Bool {
    let memory = end.memory
    let number = memory.newest() &+ 1
    let messages = UInt64(memory.geometry.messages)
    guard number > messages else { return true }
    let members = unsafe memory.members.pointee.load(ordering: .sequentiallyConsistent)  // w3
    if members == membersSeen && number &- messages < gate { return true }
    membersSeen = members
    gate = memory.leastCursor(end.seats)
    return number &- messages < gate
  }

  /// False if another was faster, or there is no room for the number that is next by now.
  private mutating func publish(
    _ slot: Int, _ seat: Int, _ head: UnsafeMutablePointer<ZincMessageHead>
  ) -> Bool {
    let memory = end.memory
    let messages = UInt64(memory.geometry.messages)
    while true {
      let next = memory.newest() &+ 1  // w2
      let place = unsafe memory.ring(next)
      let old = unsafe place.pointee.load(ordering: .sequentiallyConsistent)
      if memory.number(of: old, near: next) >= next { continue }
      if memory.geometry.waits && next > messages {
        // Once more, now that `old` is known: whoever joined before it stood there is counted.
        let members = unsafe memory.members.pointee.load(ordering: .sequentiallyConsistent)  // w3
        if members != membersSeen || next &- messages >= gate { return false }
      }
      let other = memory.slot(of: old)
      unsafe head.pointee.number = next
      unsafe memory.slot(slot).storeBytes(of: head.pointee, as: ZincMessageHead.self)
      unsafe memory.givingNumber(seat).pointee.store(next, ordering: .relaxed)  // w4
      unsafe memory.giving(seat).pointee.store(UInt32(slot + 1), ordering: .releasing)
      unsafe memory.taking(seat).pointee.store(
        UInt32(truncatingIfNeeded: other + 1), ordering: .releasing)
      unsafe memory.owner(slot).pointee.store(ChannelMemory.published | next, ordering: .releasing)
      let isPublished = unsafe place.pointee.compareExchange(
        expected: old, desired: memory.entry(next, slot), ordering: .sequentiallyConsistent  // w5
      ).exchanged
      if isPublished {
        if other >= 0 && other < memory.geometry.slots {
          unsafe memory.owner(other).pointee.store(UInt64(seat + 1), ordering: .releasing)  // w6
          keep(displaced: other)
        }
      } else {
        unsafe memory.owner(slot).pointee.store(UInt64(seat + 1), ordering: .releasing)
      }
      unsafe memory.taking(seat).pointee.store(0, ordering: .releasing)  // w7
      unsafe memory.giving(seat).pointee.store(0, ordering: .releasing)
      if isPublished {
        unsafe memory.head.pointee.store(next, ordering: .releasing)
        return true
      }
    }
  }

  /// Until readers have gone on, or have gone: at the end of each nap it looks who has died.
  private func waitForRoom(
    _ options: Notification.WaitOptions, deadline: UInt64, _ evictAt: UInt64
  ) throws(Failure) -> Outcome {
    let memory = end.memory
    let messages = UInt64(memory.geometry.messages)
    func isRoom() -> Bool {
      memory.newest() &+ 1 &- messages < memory.leastCursor(end.seats)
    }
    let seen = end.room.sequence
    if isRoom() { return .published }
    let isLook = deadline == 0 && evictAt == .max
    let now = isLook ? 0 : czinc_clock(CLOCK_MONOTONIC)
    // Costs less than the sleep that it may save.
    if try end.sweep() == .cleaned { return .published }
    if now >= evictAt {
      memory.evict(before: memory.newest() &+ 1, end.seats)
      return .published
    }
    if now >= deadline { return .timedOut }
    end.room.takeTicket()
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if isRoom() { return .published }
    let wakeUp = min(deadline, now + Attachment.longestNap, evictAt)
    switch end.room.wait(past: seen, options, deadline: wakeUp) {
    case .notified: return .published
    case .closed: return .closed
    case .interrupted: return .interrupted
    case .timedOut:
      // A signal may have come just before the nap. Else it looks again, and sweeps.
      return options.contains(.interruptible) && wakeUp != deadline ? .interrupted : .published
    }
  }

  /// When to evict who holds up the next message: for each number anew, since a slow reader that
  /// goes on is waited for.
  private mutating func beginWaiting(_ seat: Int) -> UInt64 {
    let number = end.memory.newest() &+ 1
    if waitingFor.number != number {
      if waitingFor.number == 0 {
        unsafe end.memory.waiting(seat).pointee.store(
          czinc_clock(CLOCK_REALTIME), ordering: .relaxed)
      }
      let now = czinc_clock(CLOCK_MONOTONIC)
      waitingFor = (number, evictAfter < .max - now ? now + evictAfter : .max)
    }
    return waitingFor.evictAt
  }

  /// What it has waited for is published, or given up.
  @inline(__always)
  mutating func endWaiting(_ seat: Int) {
    if waitingFor.number == 0 { return }
    waitingFor.number = 0
    unsafe end.memory.waiting(seat).pointee.store(0, ordering: .relaxed)
  }
}
