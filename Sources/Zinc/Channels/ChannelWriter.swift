internal import CZinc
internal import Synchronization

/// Who writes to a channel: any number of threads, one after the other.
@safe struct ChannelWriter: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<ChannelWriter>

  private static let most = 64

  let end: ChannelEnd
  /// The fork generation plus one of the thread that is at work; 0 for none. A child does not have
  /// a thread of its parent's.
  private let busy = Atomic<UInt32>(0)
  // Guarded by it: those of a seat, of which a forked child has none.
  private var listsOwner = SeatIdentity.nobody
  private let spares: UnsafeMutablePointer<Int32>
  private var spareCount = 0
  private let displaced: UnsafeMutablePointer<Int32>
  private var displacedCount = 0
  // What the least cursor was, and of how many readers that have come, where writers wait.
  var gate: UInt64 = 0
  var membersSeen: UInt32 = 0
  // The message that waits for readers, 0 for none, and until when for those who hold it up.
  var waitingFor: (number: UInt64, evictAt: UInt64) = (0, .max)
  /// Nanoseconds that a reader may hold a message up.
  var evictAfter: UInt64 = .max
  private var next = 0

  private init(_ end: consuming ChannelEnd) throws(Failure) {
    _ = try end.sit()
    let memory = unsafe try allocate(UInt(2 * ChannelWriter.most * MemoryLayout<Int32>.stride))
    unsafe spares = unsafe memory.assumingMemoryBound(to: Int32.self)
    unsafe displaced = unsafe spares + ChannelWriter.most
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

  /// One thread at a time.
  @inline(__always)
  func enter() {
    if !tryEnter(0) { wait() }
  }

  @inline(__always)
  private func tryEnter(_ found: UInt32) -> Bool {
    busy.compareExchange(
      expected: found, desired: ForkGate.generation &+ 1, successOrdering: .acquiring,
      failureOrdering: .relaxed
    ).exchanged
  }

  @inline(never)
  private func wait() {
    poll {
      let found = busy.load(ordering: .relaxed)
      return found != ForkGate.generation &+ 1 && tryEnter(found)
    }
  }

  @inline(__always)
  func leave() { busy.store(0, ordering: .releasing) }

  /// Readers that hold a message up for so many nanoseconds are waited for no more.
  mutating func evict(after nanoseconds: UInt64) {
    enter()
    evictAfter = nanoseconds
    leave()
  }

  // MARK: - Loans

  /// A slot to fill; -1 if all are held: by readers, and by loans.
  mutating func loan() throws(Failure) -> Int {
    enter()
    defer { leave() }
    let seat = try seated()
    var patience = 20
    while true {
      if spareCount == 0 { collect() }
      if spareCount > 0 { return spare() }
      if let slot = free(seat) { return slot }
      switch try end.sweep() {
      case .cleaned: continue
      case .nothing: return -1
      case .notYet:
        // That takes nanoseconds, unless it was stopped there.
        if patience == 0 { return -1 }
        patience -= 1
        czinc_sleep(50_000)
      }
    }
  }

  private mutating func seated() throws(Failure) -> Int {
    let identity = unsafe Attachment.identity(end.handle)
    if identity == listsOwner && identity != .nobody { return identity.seat }
    let seat = try end.sit()
    listsOwner = unsafe Attachment.identity(end.handle)
    spareCount = 0
    displacedCount = 0
    gate = 0
    waitingFor.number = 0
    unsafe end.memory.waiting(seat).pointee.store(0, ordering: .relaxed)
    return seat
  }

  private mutating func spare() -> Int {
    spareCount -= 1
    return unsafe Int(spares[spareCount])
  }

  /// Those that were displaced, and that nobody reads any more, are spare.
  private mutating func collect() {
    let memory = end.memory
    let seats = end.seats
    var kept = 0
    for i in 0..<displacedCount {
      let slot = unsafe displaced[i]
      if memory.isPinned(Int(slot), seats) {
        unsafe displaced[kept] = slot
        kept += 1
      } else {
        unsafe spares[spareCount] = slot
        spareCount += 1
      }
    }
    displacedCount = kept
  }

  /// One that is free, which is this seat's now.
  private mutating func free(_ seat: Int) -> Int? {
    let memory = end.memory
    let count = memory.geometry.slots
    for _ in 0..<count {
      next = next + 1 == count ? 0 : next + 1
      let owner = unsafe memory.owner(next)
      // Acquires, so that no pin is looked at before: it may be parked because it is read since.
      let found = unsafe owner.pointee.load(ordering: .acquiring)  // w0
      guard found == 0 || found == ChannelMemory.parked && !memory.isPinned(next, end.seats) else {
        continue
      }
      let isMine = unsafe owner.pointee.compareExchange(
        expected: found, desired: UInt64(seat + 1), ordering: .sequentiallyConsistent
      ).exchanged
      if isMine { return next }
    }
    return nil
  }

  /// Gives a loan back, unpublished. EINVAL if it is none of this writer's.
  mutating func discard(_ slot: Int) throws(Failure) {
    enter()
    defer { leave() }
    let seat = try check(slot)
    endWaiting(seat)
    keep(slot, seat)
  }

  func check(_ slot: Int) throws(Failure) -> Int {
    let seat = end.seat
    guard seat >= 0, (0..<end.memory.geometry.slots).contains(slot),
      unsafe end.memory.owner(slot).pointee.load(ordering: .relaxed) == UInt64(seat + 1)
    else { throw Failure(EINVAL, "no loan of this writer's: slot %", UInt64(clamping: slot)) }
    return seat
  }

  private mutating func keep(_ slot: Int, _ seat: Int) {
    if spareCount < 8 {
      unsafe spares[spareCount] = Int32(truncatingIfNeeded: slot)
      spareCount += 1
    } else {
      unsafe end.memory.owner(slot).pointee.store(0, ordering: .sequentiallyConsistent)
    }
  }

  /// It is nobody's, once nobody reads it; or it is spare later.
  mutating func keep(displaced slot: Int) {
    if displacedCount < ChannelWriter.most - 8 {
      unsafe displaced[displacedCount] = Int32(truncatingIfNeeded: slot)
      displacedCount += 1
    } else {
      unsafe end.memory.owner(slot).pointee.store(
        ChannelMemory.parked, ordering: .sequentiallyConsistent)
    }
  }
}
