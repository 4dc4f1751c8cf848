internal import CZinc
internal import Synchronization

/// Who takes messages of a queue: one thread at a time takes, any says that one is done.
@safe struct QueueWorker: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<QueueWorker>

  // The first, as of a reader: any thread says that something is done.
  private var owner = SeatIdentity.nobody
  let end: ChannelEnd
  private var returnedSeen: UInt32 = 0
  /// How many it is at work on.
  private let held = Atomic<Int>(0)

  private init(_ end: consuming ChannelEnd) throws(Failure) {
    self.end = end
    try self.end.protectSlots()
    try begin()
  }

  /// Sits. The handle stays the caller's, and lasts longer.
  static func make(_ handle: Attachment.Handle) throws(Failure) -> UnsafeMutableRawPointer {
    _ = unsafe try ChannelMemory.queue(of: handle)
    let memory = unsafe try allocate(UInt(MemoryLayout<QueueWorker>.stride))
    let place = unsafe memory.assumingMemoryBound(to: QueueWorker.self)
    do throws(Failure) {
      unsafe place.initialize(to: try QueueWorker(ChannelEnd(handle, .works)))
    } catch {
      unsafe czinc_free(memory)
      throw error
    }
    return unsafe memory
  }

  static func free(_ worker: Pointer) {
    unsafe worker.pointee.end.leave()
    unsafe czinc_free(worker)
  }

  /// Sits, in a forked child for itself: what its parent is at work on stays its parent's.
  @inline(never)
  private mutating func begin() throws(Failure) {
    _ = try end.sit()
    owner = unsafe Attachment.identity(end.handle)
    held.store(0, ordering: .relaxed)
    returnedSeen = unsafe end.memory.returned.pointee.load(ordering: .relaxed) &- 1
  }

  /// A message that it is at work on, until `done`.
  struct Task {
    let slot: Int
    let claim: ChannelMemory.Claim
    let owner: SeatIdentity
  }

  enum Outcome {
    case task(Task)
    case nothing
    case closed
  }

  /// The next message. ENOBUFS if it is at work on as many as it may.
  mutating func take() throws(Failure) -> Outcome {
    let memory = end.memory
    if unsafe Attachment.identity(end.handle) != owner { try begin() }
    guard held.load(ordering: .relaxed) < memory.geometry.views else {
      throw Failure(
        ENOBUFS, "it is at work on % messages, and may be on % at once; say that some are done",
        UInt64(memory.geometry.views), UInt64(memory.geometry.views))
    }
    let returned = unsafe memory.returned.pointee.load(ordering: .acquiring)  // a1
    if returned != returnedSeen {
      if let (slot, claim) = memory.takeLeft(owner.seat) { return .task(begun(slot, claim)) }
      returnedSeen = returned
    }
    switch try memory.take(owner.seat) {
    case .claim(let slot, let claim):
      let task = begun(slot, claim)
      end.tellOfRoom()
      return .task(task)
    case .nothing: return .nothing
    case .closed: return .closed
    }
  }

  @inline(__always)
  private func begun(_ slot: Int, _ claim: ChannelMemory.Claim) -> Task {
    held.wrappingAdd(1, ordering: .relaxed)
    return Task(slot: slot, claim: claim, owner: owner)
  }

  /// A message is done, by any thread: false if it is none that this worker is at work on, as in a
  /// child whose parent is, or the second time.
  func done(_ slot: Int, _ number: UInt64, of owner: SeatIdentity) -> Bool {
    let memory = end.memory
    guard (0..<memory.geometry.slots).contains(slot), owner != .nobody,
      unsafe Attachment.identity(end.handle) == owner,
      let claim = ChannelMemory.Claim(
        unsafe memory.owner(slot).pointee.load(ordering: .relaxed)),
      claim.seat == owner.seat, claim.number == number
    else { return false }
    let isDone = unsafe memory.owner(slot).pointee.compareExchange(
      expected: claim.bits, desired: 0, ordering: .sequentiallyConsistent  // d1
    ).exchanged
    guard isDone else { return false }
    held.wrappingSubtract(1, ordering: .relaxed)
    end.tellOfRoom()
    return true
  }

  /// As `take`, and waits for a message until `deadline`: 0 with one, or what a wait ends with. EPIPE
  /// once the queue is closed and nothing is left that could come to this worker.
  static func take(
    _ worker: Pointer, _ options: Notification.WaitOptions, deadline: UInt64, _ task: inout Task?
  ) throws(Failure) -> Int32 {
    let handle = unsafe worker.pointee.end.handle
    var found: Task?
    let result = unsafe try Attachment.wait(handle, options, until: deadline) {
      () throws(Failure) -> Int32? in
      switch unsafe try worker.pointee.take() {
      case .task(let task):
        found = task
        return 0
      case .nothing: return nil
      case .closed:
        guard unsafe worker.pointee.isOver else { return nil }
        throw Failure(EPIPE, "the queue is closed, and nothing is left of it")
      }
    } sweep: { () throws(Failure) -> Bool in
      unsafe try worker.pointee.sweep()
    }
    task = found
    return result
  }

  /// Of a closed queue: can't anything come back? Who is at work itself is not to wait for the others,
  /// which may wait for it.
  private var isOver: Bool {
    if end.memory.geometry.isOnce || held.load(ordering: .relaxed) > 0 { return true }
    let (waiting, held, left) = end.memory.count()
    return waiting + held + left == 0
  }

  /// Looks whether somebody has died who was at work.
  private func sweep() throws(Failure) -> Bool {
    var isHeld = false
    end.memory.visitClaims { (_, claim) in if claim.seat != owner.seat { isHeld = true } }
    return isHeld ? try end.sweep() == .cleaned : false
  }
}

extension Attachment {
  /// No message comes to the queue any more; who waits is told.
  static func closeQueue(_ handle: Handle) throws(Failure) {
    let memory = unsafe try ChannelMemory.queue(of: handle)
    guard unsafe handle.pointee.notification.canNotify else {
      throw Failure(EACCES, "this user may only read the queue")
    }
    memory.close()
    unsafe changed(handle)
    _ = Notification(memory.roomWords, canNotify: true, wakesAlways: false).notify()
  }

  /// Waits until all that was published is done: 0, or what a wait ends with. Of those who died at
  /// work only who sits clears away.
  static func waitUntilDone(
    _ handle: Handle, _ options: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> Int32 {
    let memory = unsafe try ChannelMemory.queue(of: handle)
    guard unsafe handle.pointee.notification.waits.count() else {
      return Notification.WaitResult.closed.rawValue
    }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    let room = Notification(
      memory.roomWords, canNotify: unsafe handle.pointee.notification.canNotify, wakesAlways: false)
    let seats = unsafe handle.pointee.header.seats
    func sweep() throws(Failure) -> Bool {
      let count = unsafe try sweepSeats(handle) { seat in
        memory.clean(seat, { unsafe isTaken($0, handle) }, seats)
      }
      if count == 0 { return false }
      unsafe changed(handle)
      _ = room.notify()
      return true
    }
    while true {
      let seen = room.sequence
      if memory.isDone { return 0 }
      let now = deadline == 0 ? 0 : czinc_clock(CLOCK_MONOTONIC)
      if now >= deadline {
        if try sweep() { continue }
        return Notification.WaitResult.timedOut.rawValue
      }
      room.takeTicket()
      atomicMemoryFence(ordering: .sequentiallyConsistent)
      if memory.isDone { return 0 }
      let wakeUp = min(deadline, now + longestNap)
      let result = room.wait(past: seen, options, deadline: wakeUp)
      if unsafe handle.pointee.notification.waits.isClosing {
        return Notification.WaitResult.closed.rawValue
      }
      if result == .notified { continue }
      if result != .timedOut { return result.rawValue }
      if try sweep() { continue }
      // A signal may have come just before the nap.
      if options.contains(.interruptible) && wakeUp != deadline {
        return Notification.WaitResult.interrupted.rawValue
      }
    }
  }
}
