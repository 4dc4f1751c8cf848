internal import CZinc
internal import Synchronization

// The lock. Its word says who has it, as a `SeatIdentity`: whoever waits can prove that one dead,
// and take the lock from it, so it is lost to nobody. What the dead one was at work on may be half
// done: who gets the lock is told so, until somebody has repaired it.
//
//     acquire                                     release
//     a1  word 0 -> me                            r1  word -> 0
//     a2  nobody's: word -> me, or it is          r2  there were waiters: FUTEX_WAKE one
//         abandoned and I do not repair: no       abandon
//     a3  word -> word | waiters                  r3  word -> died
//     a4  FUTEX_WAIT on it, for 20 ms at most     r4  there were waiters: FUTEX_WAKE all
//     a5  not woken, and who has it is over:      repaired
//         word -> me | died | waiters, or         r5  word -> word without died
//         word -> died where I do not repair,
//     a6  and FUTEX_WAKE all
//     a7  woken, but it gives up: the wake is somebody else's
//
// a1 and a2 acquire what r1 and r3 release; what a dead one wrote comes with the proof of its death.
// Nobody but the owner changes the word of an owner that lives, the waiters' bit excepted, so r1 can
// exchange it. a5 asks for who has it at the end of a nap, not for who had it when that began, and
// may have handed it to one that has died since: a death costs one nap. Who has slept can't know
// whether others still do, and takes it with the bit set. One that is killed between r1 and r2, or
// just as it was woken, takes a wake-up along: the others look after their nap.
//
// tests/model searches this with kills and reordering, and finds what breaks when any of it is less.
// It is read out of here: each line that is a step says which.
@safe struct Lock {
  /// The lock is held from 0 on; the values are those of zinc.h.
  enum Outcome: Int32 {
    case acquired = 0
    /// Held, but its last owner died with it.
    case ownerDied = 1
    case timedOut = -110
    case closed = -125
    case interrupted = -4
  }

  let record: LockRecord
  private let handle: Attachment.Handle

  /// The region's own.
  @inline(__always)
  init(_ handle: Attachment.Handle) {
    unsafe self.init(handle, LockRecord(handle.pointee.header.lock))
  }

  @inline(__always)
  init(_ handle: Attachment.Handle, _ record: LockRecord) {
    unsafe self.handle = unsafe handle
    self.record = record
  }

  /// At byte `offset` of the data, as `Attachment.place` has it.
  @inline(__always)
  init(_ handle: Attachment.Handle, at offset: Int) throws(Failure) {
    let place = unsafe try Attachment.place(
      handle, offset, LockRecord.size, alignment: LockRecord.alignment)
    unsafe self.init(handle, LockRecord(place))
  }

  /// If it is free, and this handle sits.
  @inline(__always)
  func tryAcquire() -> Bool {
    let me = unsafe Attachment.identity(handle)
    guard me != .nobody && record.tryAcquire(me) else { return false }
    unsafe record.sign(handle.pointee.seat.pid)
    return true
  }

  /// `recovers` takes it from a dead owner, too; else that is EOWNERDEAD, and it is not held.
  /// `deadline` as for `Notification.wait`.
  @inline(__always)
  func acquire(_ options: Notification.WaitOptions, recovers: Bool, deadline: UInt64)
    throws(Failure) -> Outcome
  {
    if tryAcquire() { return .acquired }
    return try wait(options, recovers: recovers, deadline: deadline)
  }

  @inline(never)
  private func wait(_ options: Notification.WaitOptions, recovers: Bool, deadline: UInt64)
    throws(Failure) -> Outcome
  {
    guard unsafe handle.pointee.notification.waits.count() else { return .closed }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    let me = unsafe try Attachment.sit(handle)
    let word = unsafe record.word
    if deadline != 0 && !options.contains(.sleep) {
      _ = unsafe handle.pointee.seat.spin.spin(until: deadline) {
        unsafe word.pointee.load(ordering: .relaxed) & SeatIdentity.mask == 0
      }
    }
    var waiters: UInt32 = 0
    var isWoken = false
    // Whoever gives up after a wake hands it on: nobody else may have been woken.
    defer { if isWoken { passOn() } }
    while true {
      let now = unsafe word.pointee.load(ordering: .acquiring)
      if now & SeatIdentity.mask == 0 {
        if now & LockRecord.died != 0 && !recovers { throw ownerDied }
        let isTaken = unsafe word.pointee.compareExchange(
          expected: now, desired: now | me.bits | waiters, successOrdering: .acquiring,  // a2
          failureOrdering: .relaxed
        ).exchanged
        guard isTaken else { continue }
        isWoken = false
        if now & LockRecord.died != 0 { return .ownerDied }
        unsafe record.sign(handle.pointee.seat.pid)
        return .acquired
      }
      let time = deadline == 0 ? 0 : czinc_monotonic()
      if time >= deadline {
        if let outcome = try takeOver(from: me, recovers: recovers) { return outcome }
        let isFree = unsafe word.pointee.load(ordering: .relaxed) & SeatIdentity.mask == 0
        if isFree { continue }
        return .timedOut
      }
      let asleep = now | LockRecord.waiters
      if now != asleep {
        let isSet = unsafe word.pointee.compareExchange(
          expected: now, desired: asleep, successOrdering: .relaxed,  // a3
          failureOrdering: .relaxed
        ).exchanged
        guard isSet else { continue }
      }
      let wakeUp = min(deadline, time + Attachment.longestNap)
      let result = unsafe czinc_futex_wait(word, asleep, wakeUp)  // a4
      waiters = LockRecord.waiters
      isWoken = result == 0
      if unsafe handle.pointee.notification.waits.isClosing { return .closed }
      if !Notification.isExpected(result) { czinc_sleep(min(wakeUp - time, 1_000_000)) }
      if result == 0 || result == -EAGAIN { continue }
      if let outcome = try takeOver(from: me, recovers: recovers) { return outcome }
      // At the end of a nap too: a signal may have come before the system call.
      if options.contains(.interruptible) && (result == -EINTR || wakeUp != deadline) {
        if unsafe word.pointee.load(ordering: .relaxed) & SeatIdentity.mask != 0 {
          return .interrupted
        }
      }
    }
  }

  /// Nil if nobody has it, its owner lives or is this handle, or the word has changed meanwhile.
  private func takeOver(from me: SeatIdentity, recovers: Bool) throws(Failure) -> Outcome? {
    let now = unsafe record.word.pointee.load(ordering: .relaxed)
    let owner = SeatIdentity(bits: now)
    if owner == .nobody || owner == me { return nil }
    switch unsafe try Attachment.fate(of: owner, handle) {
    case .alive: return nil
    case .impossible:
      if unsafe record.word.pointee.load(ordering: .relaxed) != now { return nil }
      throw Failure(
        EBADMSG, "damaged: its word is %, which is nobody; somebody wrote where a lock is",
        UInt64(now))
    case .over: break
    }
    let seats = unsafe handle.pointee.header.seats
    if now & LockRecord.died == 0, let pid = seats.pid(of: owner) { record.sign(theDead: pid) }
    let left = recovers ? me.bits | LockRecord.died | LockRecord.waiters : LockRecord.died
    let isTaken = unsafe record.word.pointee.compareExchange(
      expected: now, desired: left, successOrdering: .relaxed,  // a5
      failureOrdering: .relaxed
    ).exchanged
    guard isTaken else { return nil }
    if recovers { return .ownerDied }
    if now & LockRecord.waiters != 0 { unsafe czinc_futex_wake(record.word) }  // a6
    throw ownerDied
  }

  /// Whoever was woken and does not take it.
  private func passOn() {
    while true {
      let now = unsafe record.word.pointee.load(ordering: .relaxed)
      if now & SeatIdentity.mask == 0 {
        unsafe czinc_futex_wake_one(record.word)  // a7
        return
      }
      let isSet = unsafe record.word.pointee.compareExchange(
        expected: now, desired: now | LockRecord.waiters, successOrdering: .relaxed,  // a7
        failureOrdering: .relaxed
      ).exchanged
      if isSet { return }
    }
  }

  /// For who waits for it to be free and does not want it: is it? EOWNERDEAD if its owner is over.
  func sweep(_ me: SeatIdentity) throws(Failure) -> Bool {
    let taken = SeatIdentity.mask | LockRecord.died
    if unsafe record.word.pointee.load(ordering: .relaxed) & taken == 0 { return true }
    return try takeOver(from: me, recovers: false) != nil
  }

  var ownerDied: Failure {
    Failure(
      EOWNERDEAD,
      "its holder, process %, died with it, and what it guards may be half done: recover it",
      UInt64(max(record.pid, 0)))
  }

  /// If this handle has it. What a dead one left is repaired then.
  @inline(__always)
  func tryRelease() -> Bool {
    guard isMine else { return false }
    if record.release() & LockRecord.waiters != 0 {
      unsafe czinc_futex_wake_one(record.word)  // r2
    }
    return true
  }

  /// EPERM unless this handle has it.
  func release() throws(Failure) {
    if !tryRelease() { throw notHeld(unsafe record.word.pointee.load(ordering: .relaxed)) }
  }

  /// Gives it up as it was found: what a dead one left is not repaired.
  func abandon() throws(Failure) {
    let now = unsafe record.word.pointee.load(ordering: .relaxed)
    guard isMine(now) else { throw notHeld(now) }
    let left = unsafe record.word.pointee.exchange(LockRecord.died, ordering: .releasing)  // r3
    if left & LockRecord.waiters != 0 { unsafe czinc_futex_wake(record.word) }  // r4
  }

  /// Says that what a dead one left is repaired, and keeps it.
  func repaired() throws(Failure) {
    let now = unsafe record.word.pointee.load(ordering: .relaxed)
    guard isMine(now) else { throw notHeld(now) }
    unsafe record.word.pointee.bitwiseAnd(~LockRecord.died, ordering: .relaxed)  // r5
    unsafe record.sign(handle.pointee.seat.pid)
  }

  var isMine: Bool { isMine(unsafe record.word.pointee.load(ordering: .relaxed)) }

  @inline(__always)
  private func isMine(_ word: UInt32) -> Bool {
    let me = unsafe Attachment.identity(handle)
    return me != .nobody && SeatIdentity(bits: word) == me
  }

  private func notHeld(_ word: UInt32) -> Failure {
    SeatIdentity(bits: word) == .nobody
      ? Failure(EPERM, "nobody holds it")
      : Failure(
        EPERM, "this handle does not hold it, process % does", UInt64(max(record.pid, 0)))
  }

  /// Who has it, without a wait: a dead holder, too, that nobody has noticed yet.
  func look() throws(Failure) -> LockRecord.Look {
    try AttachedHandles.locked { () throws(Failure) -> LockRecord.Look in
      _ = try unsafe handle.pointee.heldDescriptor()
      switch unsafe handle.pointee.descriptor {
      case .some(let file): return try record.look(unsafe handle.pointee.header.seats, file)
      case .none: throw Failure(EINVAL, "the region is closed, or has no descriptor")
      }
    }
  }
}
