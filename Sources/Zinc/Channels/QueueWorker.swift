internal import CZinc
internal import Synchronization

/// Who takes messages of a queue: one thread at a time takes, any does all else.
@safe struct QueueWorker: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<QueueWorker>

  let end: ChannelEnd
  /// The identity of the seat that all this is about; in a forked child it is its parent's at first.
  private let owner = Atomic<UInt32>(0)
  private let returnedSeen = Atomic<UInt32>(0)
  /// How many it is at work on, or reads that are done.
  private let held = Atomic<Int>(0)
  /// Until then it leaves what is left to others, since it has given something back; 0 if it has not.
  private let restsUntil = Atomic<UInt64>(0)
  /// How many it has given back that may still be left. They have the slots that it might hold, so it
  /// takes no others beside as many: else it would take all slots of the writers.
  private let given = Atomic<Int>(0)
  /// Where it looks first for what is left, so that each comes once in a while.
  private let nextLeft = Atomic<Int>(0)
  /// When it looked last whether somebody has died who was at work.
  private let sweptAt = Atomic<UInt64>(0)

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
  private func begin() throws(Failure) {
    _ = try end.sit()
    owner.store(unsafe Attachment.identity(end.handle).bits, ordering: .relaxed)
    held.store(0, ordering: .relaxed)
    restsUntil.store(0, ordering: .relaxed)
    given.store(0, ordering: .relaxed)
    sweptAt.store(czinc_wall_coarse(), ordering: .relaxed)  // as it sat
    returnedSeen.store(
      unsafe end.memory.returned.pointee.load(ordering: .relaxed) &- 1, ordering: .relaxed)
  }

  /// Nobody in a child that has not begun yet.
  @inline(__always)
  private var identity: SeatIdentity {
    let now = unsafe Attachment.identity(end.handle)
    return now.bits == owner.load(ordering: .relaxed) ? now : .nobody
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
  func take() throws(Failure) -> Outcome {
    let memory = end.memory
    if identity == .nobody { try begin() }
    let owner = identity
    guard held.load(ordering: .relaxed) < memory.geometry.views else {
      throw Failure(
        ENOBUFS, "it is at work on % messages, and may be on % at once; say that some are done",
        UInt64(memory.geometry.views), UInt64(memory.geometry.views))
    }
    // Who always finds something to do never waits, which is when the others look. A clock that is set
    // back counts as much time.
    let now = czinc_wall_coarse()
    if now &- sweptAt.load(ordering: .relaxed) > Attachment.longestNap {
      sweptAt.store(now, ordering: .relaxed)
      _ = try end.sweep()
    }
    let returned = unsafe memory.returned.pointee.load(ordering: .acquiring)  // a1
    if returned != returnedSeen.load(ordering: .relaxed) {
      if isResting {
        if isPaused { return .nothing }
      } else {
        if let task = takeLeft(owner) { return .task(task) }
        given.store(0, ordering: .relaxed)
        returnedSeen.store(returned, ordering: .relaxed)
      }
    }
    switch try memory.take(owner.seat) {
    case .claim(let slot, let claim):
      let task = begun(slot, claim, owner)
      end.tellOfRoom()
      return .task(task)
    case .nothing: return .nothing
    case .closed: return .closed
    }
  }

  private func takeLeft(_ owner: SeatIdentity) -> Task? {
    let first = nextLeft.load(ordering: .relaxed)
    guard let (slot, claim) = end.memory.takeLeft(owner.seat, from: first) else { return nil }
    nextLeft.store(slot + 1, ordering: .relaxed)
    if given.load(ordering: .relaxed) > 0 { given.wrappingSubtract(1, ordering: .relaxed) }
    return begun(slot, claim, owner)
  }

  @inline(__always)
  private func begun(_ slot: Int, _ claim: ChannelMemory.Claim, _ owner: SeatIdentity) -> Task {
    held.wrappingAdd(1, ordering: .relaxed)
    return Task(slot: slot, claim: claim, owner: owner)
  }

  private var isResting: Bool {
    let until = restsUntil.load(ordering: .relaxed)
    if until == 0 || czinc_monotonic() < until { return until != 0 }
    _ = restsUntil.compareExchange(expected: until, desired: 0, ordering: .relaxed)
    return false
  }

  /// While it rests: are as many left as it may hold?
  private var isPaused: Bool {
    let count = held.load(ordering: .relaxed) + given.load(ordering: .relaxed)
    if count < end.memory.geometry.views { return false }
    if end.memory.count().left > 0 { return true }
    given.store(0, ordering: .relaxed)
    return false
  }

  // MARK: - The end of a task, by any thread

  /// What a worker is, or was, at work on.
  struct Reference {
    let slot: Int
    let number: UInt64
    let owner: SeatIdentity
  }

  /// False if it is none that this worker is at work on, as in a child whose parent is, or the second
  /// time.
  private func end(_ task: Reference, _ next: (ChannelMemory.Claim) -> UInt64) -> Bool {
    let memory = end.memory
    guard isMine(task),
      let claim = ChannelMemory.Claim(
        unsafe memory.owner(task.slot).pointee.load(ordering: .relaxed)),
      claim.seat == task.owner.seat, claim.number == task.number
    else { return false }
    return unsafe memory.owner(task.slot).pointee.compareExchange(
      expected: claim.bits, desired: next(claim), ordering: .sequentiallyConsistent  // d1
    ).exchanged
  }

  private func isMine(_ task: Reference) -> Bool {
    let identity = unsafe Attachment.identity(end.handle)
    return (0..<end.memory.geometry.slots).contains(task.slot) && task.owner != .nobody
      && identity == task.owner
  }

  /// Its slot is free.
  private func freed() {
    held.wrappingSubtract(1, ordering: .relaxed)
    end.tellOfRoom()
  }

  func done(_ task: Reference) -> Bool {
    guard end(task, { _ in 0 }) else { return false }
    freed()
    return true
  }

  /// Done for all others, and stays as it is until `release`.
  func finish(_ task: Reference) -> Bool {
    guard end(task, { _ in UInt64(task.owner.seat + 1) }) else { return false }
    end.tellOfRoom()
    return true
  }

  /// False if it is none that this worker has finished.
  func release(_ task: Reference) -> Bool {
    let memory = end.memory
    let mine = UInt64(truncatingIfNeeded: task.owner.seat + 1)
    guard isMine(task), unsafe memory.owner(task.slot).pointee.load(ordering: .relaxed) == mine,
      unsafe memory.slot(task.slot).load(as: UInt64.self) == task.number,
      unsafe memory.owner(task.slot).pointee.compareExchange(
        expected: mine, desired: 0, ordering: .sequentiallyConsistent  // d2
      ).exchanged
    else { return false }
    freed()
    return true
  }

  /// To others, who come first. Where each is handed out once at most, nobody gets it.
  func giveBack(_ task: Reference) -> Bool {
    let memory = end.memory
    guard end(task, memory.left) else { return false }
    if memory.geometry.isOnce {
      freed()
      return true
    }
    given.wrappingAdd(1, ordering: .relaxed)
    held.wrappingSubtract(1, ordering: .relaxed)
    restsUntil.store(czinc_monotonic() + Attachment.longestNap, ordering: .relaxed)
    unsafe memory.returned.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // b1
    unsafe Attachment.changed(end.handle)
    return true
  }

  // MARK: - Waiting

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

  /// Waits until `take` may find something, or tell the end, by any thread.
  func wait(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure) -> Int32 {
    unsafe try Attachment.wait(end.handle, options, until: deadline) {
      () throws(Failure) -> Int32? in
      canTake ? 0 : nil
    } sweep: { () throws(Failure) -> Bool in
      try sweep()
    }
  }

  private var canTake: Bool {
    let memory = end.memory
    if identity == .nobody { return true }
    let returned = unsafe memory.returned.pointee.load(ordering: .acquiring)
    if returned != returnedSeen.load(ordering: .relaxed) {
      if isResting {
        if isPaused { return false }
      } else if memory.count().left > 0 {
        return true
      }
    }
    return memory.isWaiting || isOver
  }

  /// Is the queue closed, and can't anything come? Who is at work itself is not to wait for the others,
  /// which may wait for it.
  var isOver: Bool {
    guard end.memory.isClosed, !end.memory.isWaiting else { return false }
    if end.memory.geometry.isOnce { return true }
    var isAtWork = false
    end.memory.visitClaims { (_, claim) in if claim.seat == identity.seat { isAtWork = true } }
    let (waiting, held, left) = end.memory.count()
    return waiting + left == 0 && (isAtWork || held == 0)
  }

  /// Looks whether somebody has died who was at work.
  private func sweep() throws(Failure) -> Bool {
    guard end.memory.isHeld(byOthersThan: identity.seat) else { return false }
    return try end.sweep() == .cleaned
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

  /// Waits until all that was published is done: 0, or what a wait ends with.
  static func waitUntilDone(
    _ handle: Handle, _ options: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> Int32 {
    let memory = unsafe try ChannelMemory.queue(of: handle)
    let room = Notification(
      memory.roomWords, canNotify: unsafe handle.pointee.notification.canNotify, wakesAlways: false)
    let seats = unsafe handle.pointee.header.seats
    return unsafe try wait(handle, on: room, quiet: true, options, until: deadline) {
      memory.isDone ? 0 : nil
    } sweep: { () throws(Failure) -> Bool in
      guard memory.isHeld(byOthersThan: unsafe identity(handle).seat) else { return false }
      let count = unsafe try sweepSeats(handle) { seat in
        memory.clean(seat, { unsafe isTaken($0, handle) }, seats)
      }
      if count == 0 { return false }
      unsafe changed(handle)
      _ = room.notify()
      return true
    }
  }

  /// Who has a message that was published: ZINC_TASK_GONE, _WAITS, _HELD or _LEFT.
  static func find(_ number: UInt64, _ handle: Handle) throws(Failure) -> UInt32 {
    let memory = unsafe try ChannelMemory.queue(of: handle)
    guard number != 0, number <= memory.newest() else {
      throw Failure(EINVAL, "there was no message % yet", number)
    }
    guard let owner = memory.find(number) else { return UInt32(ZINC_TASK_GONE) }
    guard let claim = ChannelMemory.Claim(owner) else { return UInt32(ZINC_TASK_WAITS) }
    if claim.isLeft { return UInt32(ZINC_TASK_LEFT) }
    let isAlive = unsafe isTaken(claim.seat, handle)
    return UInt32(isAlive ? ZINC_TASK_HELD : ZINC_TASK_LEFT)
  }
}
