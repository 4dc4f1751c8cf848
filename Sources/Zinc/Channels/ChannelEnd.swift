internal import CZinc
internal import Synchronization

/// What a writer and a reader have in common: a handle, which sits for it and for nothing else.
@safe struct ChannelEnd: ~Copyable {
  let handle: Attachment.Handle
  let memory: ChannelMemory
  /// Of who waits for room.
  let room: Notification
  let role: SeatTable.Role

  /// EBADMSG if the handle's region is no channel, or a damaged one; EBUSY if it sits already.
  init(_ handle: Attachment.Handle, _ role: SeatTable.Role) throws(Failure) {
    let memory = unsafe try ChannelMemory(of: handle)
    guard unsafe Attachment.identity(handle) == .nobody else {
      throw Failure(
        EBUSY,
        "this handle writes or reads already, or has used a lock: open the channel once more")
    }
    unsafe self.handle = unsafe handle
    self.memory = memory
    room = Notification(memory.roomWords, canNotify: true, wakesAlways: false)
    self.role = role
  }

  /// A write to a message through this handle is a segmentation fault then.
  func protectSlots() throws(Failure) {
    let offset = memory.geometry.slotsOffset
    let start = unsafe handle.pointee.file.dataOffset + offset
    let status = unsafe handle.pointee.withMapping { mapping in
      do throws(Failure) {
        try mapping.protect(from: start)
        return 0
      } catch {
        return error.status
      }
    }
    if status < 0 { throw Failure(system: "mprotect", -status) }
  }

  var seats: SeatTable { unsafe handle.pointee.header.seats }

  /// The seat; -1 before it sits, and in a child whose parent does.
  @inline(__always)
  var seat: Int { unsafe Attachment.identity(handle).seat }

  func sit() throws(Failure) -> Int {
    let identity = unsafe try Attachment.sit(handle, as: role) { clean($0) }
    let used = UInt32(identity.seat + 1)
    var found = unsafe memory.seatsUsed.pointee.load(ordering: .relaxed)
    while found < used {
      let (exchanged, original) = unsafe memory.seatsUsed.pointee.compareExchange(
        expected: found, desired: used, ordering: .sequentiallyConsistent)
      if exchanged { break }
      found = original
    }
    return identity.seat
  }

  /// What came of a look at all seats.
  enum Sweep: UInt32 {
    case nothing
    /// One that lives is at work on what a dead one has left.
    case notYet
    case cleaned
  }

  /// Cleans the seats of all who have died.
  func sweep() throws(Failure) -> Sweep {
    var isLeft = false
    let count = unsafe try Attachment.sweepSeats(handle) { seat in
      let isCleaned = clean(seat)
      if !isCleaned { isLeft = true }
      return isCleaned
    }
    return count > 0 ? .cleaned : isLeft ? .notYet : .nothing
  }

  private func clean(_ seat: Int) -> Bool {
    let isCleaned = memory.clean(seat, { unsafe Attachment.isTaken($0, handle) }, seats)
    if isCleaned { tellOfWhatIsLeft() }
    return isCleaned
  }

  /// Who waits for room may find some, and who works a message that a dead one was at work on.
  private func tellOfWhatIsLeft() {
    _ = room.notify()
    if memory.geometry.isShared { _ = unsafe handle.pointee.notification.notify() }
  }

  /// Tells who waits for room, after a step that is sequentially consistent.
  @inline(__always)
  func tellOfRoom() {
    let words = room.words
    if unsafe words.parked.pointee.load(ordering: .sequentiallyConsistent)
      != words.woken.pointee.load(ordering: .relaxed)
    {
      _ = room.notify()
    }
  }

  /// Does one live who writes, or has nobody written yet?
  var hasWriters: Bool {
    unsafe memory.newest() == 0 || Attachment.users(handle, .writes) > 0
  }

  /// Leaves the seat as it was found. The handle stays.
  func leave() {
    let seat = seat
    guard seat >= 0 else { return }
    unsafe Attachment.leave(handle) {
      memory.clean(seat, { unsafe Attachment.isTaken($0, handle) }, seats)
    }
    tellOfWhatIsLeft()
  }
}
