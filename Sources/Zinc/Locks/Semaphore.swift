internal import CZinc
internal import Synchronization

/// A number of permits. Each one says who has it, so those of a dead one are found and come back,
/// and there are never more than there were.
///
///     u32 permits  as many; 0 until the first one says
///     u32 hint     where one was free last
///     u32 each     who has it; 0 nobody
@safe struct Semaphore {
  static let alignment = 8

  static func size(_ permits: UInt32) -> Int { 8 + (Int(permits) + 1) / 2 * 8 }

  private let handle: Attachment.Handle
  private let hint: UnsafeMutablePointer<Atomic<UInt32>>
  private let owners: UnsafeMutablePointer<Atomic<UInt32>>
  let permits: Int

  /// EINVAL where there is none yet, and nobody says how many permits it shall have; EEXIST if it
  /// has another number. 0 asks for none in particular.
  init(_ handle: Attachment.Handle, at offset: Int, permits wanted: UInt32 = 0) throws(Failure) {
    let base = unsafe try Attachment.place(
      handle, offset, Semaphore.size(max(wanted, 1)), alignment: Semaphore.alignment)
    permits = unsafe try Attachment.agree(
      on: base, wanted, room: (handle.pointee.capacity - offset - 8) / 4)
    unsafe self.handle = unsafe handle
    unsafe hint = unsafe (base + 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    unsafe owners = unsafe (base + 8).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  func acquire(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure) -> Int32 {
    let me = unsafe try Attachment.seated(handle)
    if take(me) { return 0 }
    return unsafe try Attachment.wait(handle, options, until: deadline) { () throws(Failure) in
      take(me) ? 0 : nil
    } sweep: { () throws(Failure) in
      try sweep(me)
    }
  }

  /// EPERM if this handle has none.
  func release() throws(Failure) {
    let me = unsafe Attachment.identity(handle)
    for i in 0..<permits where unsafe me != .nobody && owners[i].load(ordering: .relaxed) == me.bits
    {
      let isGiven = unsafe owners[i].compareExchange(
        expected: me.bits, desired: 0, ordering: .sequentiallyConsistent
      ).exchanged
      guard isGiven else { continue }  // Another thread gave that one back.
      unsafe hint.pointee.store(UInt32(truncatingIfNeeded: i), ordering: .relaxed)
      unsafe Attachment.changed(handle)
      return
    }
    throw Failure(EPERM, "this handle has no permit to give back")
  }

  /// How many are free.
  var value: Int {
    var count = 0
    for i in 0..<permits where unsafe owners[i].load(ordering: .relaxed) == 0 { count += 1 }
    return count
  }

  private func take(_ me: SeatIdentity) -> Bool {
    let first = unsafe Int(hint.pointee.load(ordering: .relaxed)) % permits
    for step in 0..<permits {
      let i = (first + step) % permits
      guard unsafe owners[i].load(ordering: .relaxed) == 0 else { continue }
      let isTaken = unsafe owners[i].compareExchange(
        expected: 0, desired: me.bits, ordering: .sequentiallyConsistent
      ).exchanged
      if isTaken { return true }
    }
    return false
  }

  /// Takes back those of the dead: were there any?
  private func sweep(_ me: SeatIdentity) throws(Failure) -> Bool {
    var isSome = false
    var known = me
    var isOver = false
    for i in 0..<permits {
      let word = unsafe owners[i].load(ordering: .acquiring)
      if word == 0 { continue }
      let owner = SeatIdentity(bits: word)
      if owner != known {
        isOver = unsafe try Attachment.fate(of: owner, handle) != .alive
        known = owner
      }
      guard isOver else { continue }
      let isBack = unsafe owners[i].compareExchange(
        expected: word, desired: 0, ordering: .sequentiallyConsistent
      ).exchanged
      isSome = isSome || isBack
    }
    if isSome { unsafe Attachment.changed(handle) }
    return isSome
  }
}
