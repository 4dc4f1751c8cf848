internal import CZinc
internal import Synchronization

/// What a writer and a reader have in common: a handle of its own, which sits for it.
@safe struct ChannelEnd: ~Copyable {
  let handle: Attachment.Handle
  let memory: ChannelMemory
  /// Of who waits for room.
  let room: Notification
  let role: SeatTable.Role

  /// EBADMSG, or EINVAL, if the handle's region is no channel.
  init(_ handle: Attachment.Handle, _ role: SeatTable.Role) throws(Failure) {
    let kind = unsafe handle.pointee.file.kind
    guard kind == Header.channelKind else {
      throw Failure(EBADMSG, "not a channel: a region of kind %", UInt64(kind))
    }
    let data = unsafe handle.pointee.data
    let geometry = unsafe try ChannelGeometry(
      reading: data, capacity: handle.pointee.capacity)
    unsafe self.handle = unsafe handle
    memory = unsafe ChannelMemory(data, geometry)
    room = Notification(memory.roomWords, canNotify: true, wakesAlways: false)
    self.role = role
  }

  /// Creates a channel, and is attached to it.
  static func create(
    _ path: borrowing RegionPath, _ geometry: ChannelGeometry, _ options: RegionOptions
  ) throws(Failure) -> Attachment.Handle {
    var options = options
    options.kind = Header.channelKind
    // Complete before anybody can open it.
    let memory = unsafe try allocate(UInt(ChannelGeometry.described))
    defer { unsafe czinc_free(memory) }
    unsafe geometry.write(memory)
    let described = unsafe UnsafeRawBufferPointer(start: memory, count: ChannelGeometry.described)
    return unsafe try Attachment.create(
      path, capacity: geometry.size, options.beginning(with: described))
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
    // Who waits for room may find some.
    if isCleaned { _ = room.notify() }
    return isCleaned
  }

  /// Leaves the seat as it was found, and closes the handle.
  func close() {
    let seat = seat
    if seat >= 0 {
      unsafe Attachment.leave(handle) {
        memory.clean(seat, { unsafe Attachment.isTaken($0, handle) }, seats)
      }
      _ = room.notify()
    }
    unsafe Attachment.close(handle)
  }
}
