internal import CZinc
internal import Synchronization

/// Who writes to a channel: one thread at a time, but for `waitForRoom`.
@safe struct ChannelWriter: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<ChannelWriter>

  private static let most = 64
  private static let piece = 4096

  // Those of a seat, of which a forked child has none. The first of all, since the thread sanitizer
  // takes what may change this for a change of its first word, and `waitForRoom` needs the end.
  private var listsOwner = SeatIdentity.nobody
  let end: ChannelEnd
  private let spares: UnsafeMutablePointer<Int32>
  private var spareCount = 0
  private let displaced: UnsafeMutablePointer<Int32>
  private var displacedCount = 0
  private var readCount = 0
  /// So many that were displaced are looked at together: each look at the pins fetches a line of each
  /// reader. Of large ones, a few keep more of the processor's cache for what is in use.
  private let enough: Int
  // What the least cursor was, and of how many readers that have come, where writers wait.
  var gate: UInt64 = 0
  var membersSeen: UInt32 = 0
  // The message that waits for readers, 0 for none, and until when for those who hold it up.
  var waitingFor: UInt64 = 0
  let evictAt = Atomic<UInt64>(.max)
  /// Nanoseconds that a reader may hold a message up.
  var evictAfter: UInt64 = .max
  private var next = 0
  /// Of a sparse channel: so many pieces of each slot are known to have memory.
  private let reserved: UnsafeMutablePointer<UInt32>?
  /// Of a queue: it waits for a slot rather than for a place.
  let lacksSlot = Atomic<Bool>(false)

  private init(_ end: consuming ChannelEnd) throws(Failure) {
    _ = try end.sit()
    let geometry = end.memory.geometry
    let numbers = 2 * ChannelWriter.most + (geometry.isSparse ? geometry.slots : 0)
    let memory = unsafe try allocate(UInt(numbers * MemoryLayout<Int32>.stride))
    unsafe spares = unsafe memory.assumingMemoryBound(to: Int32.self)
    unsafe displaced = unsafe spares + ChannelWriter.most
    if geometry.isSparse {
      let first = unsafe memory.assumingMemoryBound(to: UInt32.self) + 2 * ChannelWriter.most
      unsafe first.initialize(repeating: 0, count: geometry.slots)
      unsafe reserved = unsafe first
    } else {
      unsafe reserved = nil
    }
    enough = max(1, min(8, 65536 / geometry.stride))
    self.end = end
  }

  /// Sits. The handle stays the caller's, and lasts longer.
  static func make(_ handle: Attachment.Handle) throws(Failure) -> UnsafeMutableRawPointer {
    let memory = unsafe try allocate(UInt(MemoryLayout<ChannelWriter>.stride))
    let place = unsafe memory.assumingMemoryBound(to: ChannelWriter.self)
    do throws(Failure) {
      unsafe place.initialize(to: try ChannelWriter(ChannelEnd(handle, .writes)))
    } catch {
      unsafe czinc_free(memory)
      throw error
    }
    return unsafe memory
  }

  static func free(_ writer: Pointer) {
    unsafe writer.pointee.end.leave()
    unsafe czinc_free(writer.pointee.spares)
    unsafe czinc_free(writer)
  }

  // MARK: - Loans

  /// Of a loan that is -1.
  static var noSlot: Failure {
    Failure(
      ENOBUFS,
      "no slot is free: more write, or hold loans and messages, than the channel was made for")
  }

  static func tooLong(_ length: UInt64, _ most: UInt64) -> Failure {
    Failure(EMSGSIZE, "% bytes, and a message of this channel has at most %", length, most)
  }

  /// A slot to fill with so many bytes; -1 if all are held: by readers, and by loans. ENOSPC if it is
  /// of a sparse channel, and there is no memory for it.
  @inline(__always)
  mutating func loan(for length: Int) throws(Failure) -> Int {
    let slot = isSeated && spareCount > 0 ? spare() : try find()
    if unsafe reserved != nil, slot >= 0 { try reserve(slot, length) }
    return slot
  }

  /// A write to a slot without memory would end the process where there is none.
  @inline(never)
  private mutating func reserve(_ slot: Int, _ length: Int) throws(Failure) {
    let bytes = ChannelGeometry.slotHead + length
    let pieces = UInt32((bytes + ChannelWriter.piece - 1) / ChannelWriter.piece)
    guard let reserved = unsafe reserved, unsafe reserved[slot] < pieces else { return }
    let geometry = end.memory.geometry
    let start =
      unsafe end.handle.pointee.file.dataOffset + geometry.slotsOffset
      + slot * geometry.stride
    do throws(Failure) {
      let descriptor = unsafe try end.handle.pointee.heldDescriptor()
      let size = min(Int(pieces) * ChannelWriter.piece, geometry.stride)
      try AvailableMemory.check(size, inFolder: unsafe !end.handle.pointee.isAnonymous)
      try Descriptor.reserve(descriptor, from: start, to: start + size)
    } catch {
      keep(slot, listsOwner.seat)
      throw error
    }
    unsafe reserved[slot] = pieces
  }

  /// Is what it knows that of its own seat?
  @inline(__always)
  private var isSeated: Bool {
    unsafe listsOwner != .nobody && Attachment.identity(end.handle) == listsOwner
  }

  @inline(never)
  private mutating func find() throws(Failure) -> Int {
    let seat = try seated()
    var patience = 20
    while true {
      if spareCount == 0 && displacedCount >= readCount + enough { collect() }
      if spareCount > 0 { return spare() }
      if let slot = free(seat) {
        lacksSlot.store(false, ordering: .relaxed)
        return slot
      }
      collect()
      if spareCount > 0 { return spare() }
      switch try end.sweep() {
      case .cleaned: continue
      case .nothing:
        lacksSlot.store(true, ordering: .relaxed)
        return -1
      case .notYet:
        // That takes nanoseconds, unless it was stopped there.
        if patience == 0 { return -1 }
        patience -= 1
        czinc_sleep(50_000)
      }
    }
  }

  private mutating func seated() throws(Failure) -> Int {
    if isSeated { return listsOwner.seat }
    let seat = try end.sit()
    listsOwner = unsafe Attachment.identity(end.handle)
    spareCount = 0
    displacedCount = 0
    readCount = 0
    gate = 0
    waitingFor = 0
    unsafe end.memory.waiting(seat).pointee.store(0, ordering: .relaxed)
    return seat
  }

  @inline(__always)
  private mutating func spare() -> Int {
    spareCount &-= 1
    if spareCount > 0 {
      // The next one's lines, which readers have: they come while this one is filled.
      let next = unsafe Int(truncatingIfNeeded: spares[spareCount &- 1])
      unsafe czinc_prefetch_to_write(end.memory.slot(next))
      unsafe czinc_prefetch_to_write(end.memory.payload(next))
    }
    return unsafe Int(spares[spareCount])
  }

  /// Those that were displaced, and that nobody reads any more, are spare.
  private mutating func collect() {
    var isRead: UInt64 = 0
    end.memory.visitPins(end.seats) { slot in
      for i in 0..<displacedCount where unsafe Int(displaced[i]) == slot { isRead |= 1 << i }
    }
    readCount = 0
    for i in 0..<displacedCount {
      let slot = unsafe displaced[i]
      if isRead & (1 << i) != 0 {
        unsafe displaced[readCount] = slot
        readCount += 1
      } else {
        unsafe spares[spareCount] = slot
        spareCount += 1
      }
    }
    displacedCount = readCount
  }

  /// One that is free, which is this seat's now.
  private mutating func free(_ seat: Int) -> Int? {
    let geometry = end.memory.geometry
    // Those that were used last have memory, in the caches of all who use them: few are enough as
    // long as few messages wait.
    if geometry.isShared && geometry.stride > ChannelWriter.piece {
      for slot in 0..<min(geometry.slots, ChannelWriter.most) where take(slot, seat) {
        return slot
      }
    }
    for _ in 0..<geometry.slots {
      next = next + 1 == geometry.slots ? 0 : next + 1
      if take(next, seat) { return next }
    }
    return nil
  }

  /// False if it is somebody's.
  @inline(__always)
  private func take(_ slot: Int, _ seat: Int) -> Bool {
    let memory = end.memory
    let owner = unsafe memory.owner(slot)
    // Acquires, so that no pin is looked at before: it may be parked because it is read since.
    let found = unsafe owner.pointee.load(ordering: .acquiring)  // w0
    guard found == 0 || found == ChannelMemory.parked && !memory.isPinned(slot, end.seats) else {
      return false
    }
    return unsafe owner.pointee.compareExchange(
      expected: found, desired: UInt64(seat + 1), ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Gives a loan back, unpublished. EINVAL if it is none of this writer's.
  mutating func discard(_ slot: Int) throws(Failure) {
    let seat = try check(slot)
    endWaiting(seat)
    keep(slot, seat)
  }

  @inline(__always)
  func check(_ slot: Int) throws(Failure) -> Int {
    let seat = listsOwner.seat
    guard isSeated, (0..<end.memory.geometry.slots).contains(slot),
      unsafe end.memory.owner(slot).pointee.load(ordering: .relaxed)
        == UInt64(
          truncatingIfNeeded: seat &+ 1)
    else { throw Failure(EINVAL, "no loan of this writer's: slot %", UInt64(clamping: slot)) }
    return seat
  }

  private mutating func keep(_ slot: Int, _ seat: Int) {
    if spareCount < 8 && !end.memory.geometry.isShared {
      unsafe spares[spareCount] = Int32(truncatingIfNeeded: slot)
      spareCount += 1
    } else {
      unsafe end.memory.owner(slot).pointee.store(0, ordering: .sequentiallyConsistent)
    }
  }

  /// It is nobody's, once nobody reads it; or it is spare later.
  @inline(__always)
  mutating func keep(displaced slot: Int) {
    if displacedCount < ChannelWriter.most - 8 {
      unsafe displaced[displacedCount] = Int32(truncatingIfNeeded: slot)
      displacedCount &+= 1
    } else {
      unsafe end.memory.owner(slot).pointee.store(
        ChannelMemory.parked, ordering: .sequentiallyConsistent)
    }
  }
}
