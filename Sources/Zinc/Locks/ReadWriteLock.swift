internal import CZinc
internal import Synchronization

/// A lock for one writer, or any number of readers. A writer has a `Lock`; a reader counts itself
/// in a line of its own seat, so readers share nothing, and dead ones are found by their seats.
///
///     read   q1  my line + 1                write  a  the lock, as `Lock` has it
///            q2  the writer's word is 0?           p0 a fence
///            q3  else my line - 1, and wait        p1 each line: 0, or a dead one's?
///     end    q4  my line - 1                end    r1 the word to 0
///            q5  the word is not 0: notify         p2 notify
///
/// q1 before q2 and a before p1 by p0, q4 before q5, all sequentially consistent: of a reader that comes
/// and a writer one sees the other. Writers go first: a reader that finds one waits, unless this
/// handle reads already, for which the writer waits, too.
@safe struct ReadWriteLock {
  static let alignment = 64
  /// The lock, and a line for each seat.
  static let size = 64 + SeatTable.count * 64
  private static let most: UInt32 = 0xFFF

  private let handle: Attachment.Handle
  let writer: Lock
  private let lines: UnsafeMutableRawPointer

  /// At byte `offset`; nil: a region that is nothing else, whose own lock is the writer's.
  init(_ handle: Attachment.Handle, at offset: Int?) throws(Failure) {
    let base = unsafe try Attachment.place(
      handle, offset ?? 0, ReadWriteLock.size, alignment: ReadWriteLock.alignment)
    unsafe self.handle = unsafe handle
    writer = unsafe offset == nil ? Lock(handle) : Lock(handle, LockRecord(base))
    unsafe lines = unsafe base + 64
  }

  /// The generation of who reads << 12, and how often it does.
  private func line(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (lines + seat * 64).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  // MARK: - Readers

  /// EOWNERDEAD where a writer has died: then nobody reads until it is repaired.
  func acquireRead(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure) -> Int32 {
    let me = unsafe try Attachment.seated(handle)
    if try enter(me) { return 0 }
    return unsafe try Attachment.wait(handle, options, until: deadline) { () throws(Failure) in
      try enter(me) ? 0 : nil
    } sweep: { () throws(Failure) in
      try writer.sweep(me)
    }
  }

  private func enter(_ me: SeatIdentity) throws(Failure) -> Bool {
    let line = unsafe self.line(me.seat)
    var before = unsafe line.pointee.load(ordering: .relaxed)
    // Who counts itself only to find a writer has to tell that one, and would wake itself, too.
    if try !mayRead(unsafe writer.record.word.pointee.load(ordering: .acquiring), before, me) {
      return false
    }
    while true {
      let count = ReadWriteLock.count(before, me)
      guard count < ReadWriteLock.most else {
        throw Failure(EAGAIN, "this handle reads % times already", UInt64(ReadWriteLock.most))
      }
      let (exchanged, original) = unsafe line.pointee.compareExchange(
        expected: before, desired: ReadWriteLock.line(me, count + 1),
        ordering: .sequentiallyConsistent)  // q1
      if exchanged { break }
      before = original
    }
    let word = unsafe writer.record.word.pointee.load(ordering: .sequentiallyConsistent)  // q2
    do throws(Failure) {
      if try mayRead(word, before, me) { return true }
    } catch {
      _ = leave(me)  // q3
      throw error
    }
    _ = leave(me)  // q3
    return false
  }

  /// With this word of the writer, and this line before it counts itself.
  private func mayRead(_ word: UInt32, _ line: UInt32, _ me: SeatIdentity) throws(Failure) -> Bool {
    if SeatIdentity(bits: word) != .nobody { return ReadWriteLock.count(line, me) > 0 }
    if word & LockRecord.died != 0 { throw writer.ownerDied }
    return true
  }

  /// EPERM if this handle does not read.
  func releaseRead() throws(Failure) {
    let me = unsafe Attachment.identity(handle)
    if me == .nobody || !leave(me) { throw Failure(EPERM, "this handle does not read") }
  }

  private func leave(_ me: SeatIdentity) -> Bool {
    let line = unsafe self.line(me.seat)
    var before = unsafe line.pointee.load(ordering: .relaxed)
    while true {
      let count = ReadWriteLock.count(before, me)
      if count == 0 { return false }
      let (exchanged, original) = unsafe line.pointee.compareExchange(
        expected: before, desired: ReadWriteLock.line(me, count - 1),
        ordering: .sequentiallyConsistent)  // q4
      if exchanged { break }
      before = original
    }
    if unsafe writer.record.word.pointee.load(ordering: .sequentiallyConsistent) != 0 {  // q5
      unsafe Attachment.changed(handle)
    }
    return true
  }

  private static func line(_ me: SeatIdentity, _ count: UInt32) -> UInt32 {
    me.generation << 12 | count
  }

  /// How often this one reads, as its line says; a line of who sat there before says nothing.
  private static func count(_ line: UInt32, _ reader: SeatIdentity) -> UInt32 {
    line >> 12 == reader.generation ? line & most : 0
  }

  // MARK: - Writers

  /// As `Lock.acquire`; returns once nobody reads.
  func acquireWrite(_ options: Notification.WaitOptions, recovers: Bool, deadline: UInt64)
    throws(Failure) -> Int32
  {
    // Whoever closes it lets this one give up what it has, instead of leaving it to be found.
    guard unsafe handle.pointee.notification.waits.count() else {
      return Notification.WaitResult.closed.rawValue
    }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    let outcome = try writer.acquire(options, recovers: recovers, deadline: deadline)
    guard outcome == .acquired || outcome == .ownerDied else { return outcome.rawValue }
    let result = try waitForReaders(options, deadline: deadline)
    if result == Notification.WaitResult.interrupted.rawValue { try giveUp() }
    return result == 0 ? outcome.rawValue : result
  }

  /// By who has the writer's lock, which is its turn: returns once nobody reads. Interrupted, it keeps
  /// the turn, so that it can go on: one that lets readers in after each nap would not end where they
  /// always overlap. Whatever else comes, it has given it up.
  func waitForReaders(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure)
    -> Int32
  {
    // Whoever closes it lets this one give up what it has, instead of leaving it to be found.
    guard unsafe handle.pointee.notification.waits.count() else {
      return Notification.WaitResult.closed.rawValue
    }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    guard writer.isMine else { throw Failure(EPERM, "this handle does not have the writer's lock") }
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // p0
    let result: Int32
    do throws(Failure) {
      result = unsafe try Attachment.wait(handle, options, until: deadline) {
        () throws(Failure) in
        nobodyReads() ? 0 : nil
      } sweep: { () throws(Failure) in
        unsafe try Attachment.sweepSeats(handle) > 0
      }
    } catch {
      try giveUp()
      throw error
    }
    if result < 0 && result != Notification.WaitResult.interrupted.rawValue { try giveUp() }
    return result
  }

  /// Of what a dead one left nothing is repaired.
  private func giveUp() throws(Failure) {
    let word = unsafe writer.record.word.pointee.load(ordering: .relaxed)
    if word & LockRecord.died != 0 { try abandonWrite() } else { try releaseWrite() }
  }

  func releaseWrite() throws(Failure) {
    try writer.release()
    unsafe Attachment.changed(handle)  // p2
  }

  func abandonWrite() throws(Failure) {
    try writer.abandon()
    unsafe Attachment.changed(handle)
  }

  private func nobodyReads() -> Bool {
    for seat in 0..<SeatTable.count {
      let line = unsafe self.line(seat).pointee.load(ordering: .sequentiallyConsistent)  // p1
      if line & ReadWriteLock.most != 0 && isCurrent(line, seat) { return false }
    }
    return true
  }

  /// Is it the line of who sits there, or was killed there?
  private func isCurrent(_ line: UInt32, _ seat: Int) -> Bool {
    let state = unsafe handle.pointee.header.seats.state(seat).pointee.load(ordering: .acquiring)
    return state & 0xFF != 0 && state >> 8 % SeatIdentity.generations == line >> 12
  }

  /// How many read now, a dead one too that nobody has noticed.
  var readers: Int {
    var count = 0
    for seat in 0..<SeatTable.count {
      let line = unsafe self.line(seat).pointee.load(ordering: .relaxed)
      if isCurrent(line, seat) { count += Int(line & ReadWriteLock.most) }
    }
    return count
  }
}
