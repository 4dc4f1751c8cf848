internal import CZinc
internal import Synchronization

// A channel: a ring of published messages, a pool of slots, and seats for who writes and reads.
//
//     owner of a slot   0 free; s + 1 held by seat s; `parked`: free once nobody reads it;
//                       1 << 63 | n: published, or about to be, as message n
//     place of the ring lap << 20 | slot + 1: message n stands at n mod R, with lap n div R; a queue
//                       that is closed says so in the highest bit
//
// Messages are numbered from 1, without gaps. Publication is one compare-and-exchange of a place,
// which claims the number and shows the message. What somebody is at work on stands in that one's
// own seat, so whoever proves it dead can undo or finish it.
//
//     write  w0  a slot: a spare one, one that I displaced and nobody reads, a free one
//            w1  fill it
//            w2  n = newest + 1, old = ring[n]; n or later already: again
//            w3  where writers wait: for the least cursor of the readers, known from before or, if
//                members is another number, looked at again; members after old
//            w4  slot.n = n; giving = (slot, n); taking = (old's slot, n - R) or none; owner = n
//            w5  ring[n]: old -> (n, slot). Failed: owner = me, taking and giving none, from w2
//            w6  owner of old's slot = me, which is displaced
//            w7  taking, giving none; head = n
//            w8  notify
//     read   r1  w = ring[next]: older: nothing there; newer: lost, and on from the oldest
//            r2  pin = its slot, an exchange
//            r3  ring[next] is not w: pin = 0, from r1
//            r4  cursor = next + 1, and tell who waits for room
//            r5  in the end, pin = 0
//     join   j1  cursor = first, the one it wants
//            e1  one that was evicted is not any more: the same for it
//            j2  members + 1
//            j3  first = max(first, newest + 2 - R): who saw members before may publish one more
//            j4  cursor = first
//     clean  c1  pins = 0
//            c2  for giving and taking: owner is "published n" and ring[n] is not it,
//            c3  then no living seat is taking it, then owner -> this seat
//            c4  giving, taking none
//            c5  each slot of this seat: free, or parked where somebody reads it
//
// w5 before a writer looks at pins, and r2 before r3, all sequentially consistent: the writer sees
// the pin, or the reader sees the new word.
@safe struct ChannelMemory {
  static let parked: UInt64 = 0xFFFE
  static let published: UInt64 = 1 << 63
  private static let slotBits: UInt64 = 20
  private static let lapBits: UInt64 = 43
  /// More messages there are never: a claim has as many bits for its number.
  static let mostNumber: UInt64 = 1 << 52 - 1
  /// Of the place of a queue where the next message would stand: none comes any more.
  static let closed: UInt64 = 1 << 63

  let geometry: ChannelGeometry
  // What each message needs is not worked out for each.
  private let base: UnsafeMutableRawPointer
  private let places: UnsafeMutableRawPointer
  private let slots: UnsafeMutableRawPointer
  private let stride: Int
  private let ringBits: UInt64

  init(_ base: UnsafeMutableRawPointer, _ geometry: ChannelGeometry) {
    unsafe self.base = unsafe base
    unsafe places = unsafe base + geometry.ringOffset
    unsafe slots = unsafe base + geometry.slotsOffset
    stride = geometry.stride
    ringBits = UInt64(geometry.places.trailingZeroBitCount)
    self.geometry = geometry
  }

  /// EBADMSG if the handle's region is no channel, or a damaged one.
  init(of handle: Attachment.Handle) throws(Failure) {
    try ChannelMemory.check(unsafe handle.pointee.file.kind)
    let data = unsafe handle.pointee.data
    unsafe self.init(
      data, try ChannelGeometry(reading: data, of: handle.pointee.file))
  }

  static func check(_ kind: UInt32) throws(Failure) {
    guard kind == Header.channelKind else {
      throw Failure(EBADMSG, "not a channel: a region of kind %", UInt64(kind))
    }
  }

  @inline(__always)
  private func long(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inline(__always)
  private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// The number of the newest message, or of one before: a hint.
  @inline(__always)
  var head: UnsafeMutablePointer<Atomic<UInt64>> { unsafe long(64) }

  /// How often a reader has come.
  var members: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(128) }

  /// Nobody has ever sat on this seat, nor on one after it.
  @inline(__always)
  var seatsUsed: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(132) }

  /// As many seats have to be looked at, whatever others have written there.
  @inline(__always)
  var seatCount: Int {
    min(unsafe Int(seatsUsed.pointee.load(ordering: .acquiring)), SeatTable.count)
  }

  /// Of a queue: this message and all before it are handed out. May lag by those whose worker has
  /// not yet said so.
  @inline(__always)
  var taken: UnsafeMutablePointer<Atomic<UInt64>> { unsafe long(192) }

  /// How often somebody may have left messages of a queue.
  @inline(__always)
  var returned: UnsafeMutablePointer<Atomic<UInt32>> { unsafe word(200) }

  /// For who waits for room.
  var roomWords: NotificationWords {
    unsafe NotificationWords(sequence: word(136), parked: word(140), woken: word(144))
  }

  @inline(__always)
  func owner(_ slot: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe long(ChannelGeometry.ownersOffset &+ slot &* 8)
  }

  @inline(__always)
  func ring(_ number: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    let place = Int(truncatingIfNeeded: number) & (geometry.places &- 1)
    return unsafe (places + place &* 8).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// The head of a slot: u64 number, length, time, tag; the payload after 64 bytes.
  @inline(__always)
  func slot(_ slot: Int) -> UnsafeMutableRawPointer {
    unsafe slots + slot &* stride
  }

  @inline(__always)
  func payload(_ slot: Int) -> UnsafeMutableRawPointer {
    unsafe self.slot(slot) + ChannelGeometry.slotHead
  }

  /// What a message says of itself, and its payload.
  @inline(__always)
  func look(at slot: Int, _ number: UInt64) -> (head: ZincMessageHead, data: UnsafeRawPointer) {
    var head = unsafe self.slot(slot).load(as: ZincMessageHead.self)
    head.number = number
    // Others may have scribbled.
    head.length = min(head.length, UInt64(truncatingIfNeeded: geometry.payload))
    return unsafe (head, UnsafeRawPointer(payload(slot)))
  }

  // MARK: - Seats

  @inline(__always)
  private func seat(_ seat: Int, _ offset: Int) -> Int {
    ChannelGeometry.seatsOffset &+ seat &* ChannelGeometry.seatStride &+ offset
  }

  /// The number that a reader wants next.
  @inline(__always)
  func cursor(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe long(self.seat(seat, 0))
  }

  /// The message that a writer is about to publish, and slot + 1; 0 for none.
  @inline(__always)
  func givingNumber(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe long(self.seat(seat, 8))
  }

  @inline(__always)
  func giving(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe word(self.seat(seat, 16))
  }

  /// Slot + 1 of the message that it displaces, R before that one; 0 for none.
  @inline(__always)
  func taking(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe word(self.seat(seat, 20))
  }

  func lost(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe long(self.seat(seat, 24))
  }

  /// Since when a writer waits for readers: ns since 1970; 0 if it does not.
  func waiting(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe long(self.seat(seat, 32))
  }

  /// The identity of a reader for which writers wait no more; of another one it says nothing.
  @inline(__always)
  func evicted(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe word(self.seat(seat, 40))
  }

  /// Slot + 1 of each message that a reader holds; 0 for none.
  @inline(__always)
  func pin(_ seat: Int, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe word(self.seat(seat, 64) &+ index &* 4)
  }

  // MARK: - Numbers

  /// What a place says of message `number` in `slot`.
  @inline(__always)
  func entry(_ number: UInt64, _ slot: Int) -> UInt64 {
    (number &>> ringBits) &<< ChannelMemory.slotBits | UInt64(truncatingIfNeeded: slot &+ 1)
  }

  /// -1 for a place that was never used.
  @inline(__always)
  func slot(of entry: UInt64) -> Int { Int(entry & (1 << ChannelMemory.slotBits - 1)) - 1 }

  /// The message that stands at the place of `number`, whose lap is known to 43 bits. 0 for none.
  @inline(__always)
  func number(of entry: UInt64, near number: UInt64) -> UInt64 {
    if entry &<< 1 == 0 { return 0 }
    let spare = 64 - ChannelMemory.lapBits
    let laps = (entry &>> ChannelMemory.slotBits) &- (number &>> ringBits)
    let signed = Int64(truncatingIfNeeded: laps &<< spare) &>> Int64(spare)
    return number &+ UInt64(bitPattern: signed &<< Int64(ringBits))
  }

  /// The number of the newest message; 0 if there is none.
  @inline(__always)
  func newest() -> UInt64 { next().number &- 1 }

  /// The number after the newest, and what stands at its place: an older one, or none.
  @inline(__always)
  func next() -> (number: UInt64, old: UInt64) {
    var next = unsafe head.pointee.load(ordering: .acquiring) &+ 1
    while true {
      let entry = unsafe ring(next).pointee.load(ordering: .sequentiallyConsistent)  // w2
      let there = number(of: entry, near: next)
      // Places that others have scribbled on may each be newer than the one before, without an end.
      if there < next || there > ChannelMemory.mostNumber { return (next, entry) }
      next = there &+ 1
    }
  }

  /// The oldest that a reader may count on: the place after it is the next to be taken.
  func oldest(_ newest: UInt64) -> UInt64 {
    let messages = UInt64(geometry.messages)
    return newest &+ 2 > messages ? newest &+ 2 &- messages : 1
  }

  // MARK: - Who reads

  /// Does somebody who reads hold this slot?
  func isPinned(_ slot: Int, _ seats: SeatTable) -> Bool {
    var isPinned = false
    visitPins(seats) { pinned in if pinned == slot { isPinned = true } }
    return isPinned
  }

  /// Calls `body` with each slot that somebody holds who reads.
  @inline(__always)
  func visitPins(_ seats: SeatTable, _ body: (_ slot: Int) -> Void) {
    for seat in 0..<seatCount where seats.role(seat) == SeatTable.Role.reads.rawValue {
      for index in 0..<geometry.views {
        let pinned = unsafe pin(seat, index).pointee.load(ordering: .sequentiallyConsistent)
        if pinned != 0 { body(Int(pinned) - 1) }
      }
    }
  }

  /// The least number that a reader wants next.
  func leastCursor(_ seats: SeatTable) -> UInt64 {
    var least = UInt64.max
    visitReaders(seats) { (_, cursor) in least = min(least, cursor) }
    return least
  }

  /// Waits no more for the readers that hold up message `number`.
  func evict(before number: UInt64, _ seats: SeatTable) {
    visitReaders(seats) { (reader, cursor) in
      if cursor <= number &- UInt64(geometry.messages) {
        unsafe evicted(reader.seat).pointee.store(reader.bits, ordering: .sequentiallyConsistent)
      }
    }
  }

  /// Calls `body` for each reader that has joined, and was not evicted, with what it wants next.
  func visitReaders(_ seats: SeatTable, _ body: (SeatIdentity, _ cursor: UInt64) -> Void) {
    for seat in 0..<seatCount {
      guard let reader = seats.identity(seat, .reads),
        unsafe evicted(seat).pointee.load(ordering: .sequentiallyConsistent) != reader.bits
      else { continue }
      let cursor = unsafe cursor(seat).pointee.load(ordering: .sequentiallyConsistent)
      if cursor != 0 { body(reader, cursor) }
    }
  }

  /// Tells of who writes or reads, or did, from a seat of the region.
  func visit(_ seat: ZincSeat, _ seats: SeatTable, _ tell: (ZincChannelUser) -> Void) {
    let number = Int(seat.number)
    var user = ZincChannelUser()
    user.seat = seat
    if seats.identity(number, .writes) != nil {
      user.waiting_since = unsafe waiting(number).pointee.load(ordering: .relaxed)
    } else if let reader = seats.identity(number, .reads) {
      user.next = unsafe cursor(number).pointee.load(ordering: .relaxed)
      user.lost = unsafe lost(number).pointee.load(ordering: .relaxed)
      let evicted = unsafe evicted(number).pointee.load(ordering: .relaxed)
      user.is_evicted = evicted == reader.bits ? 1 : 0
      for index in 0..<geometry.views
      where unsafe pin(number, index).pointee.load(ordering: .relaxed) != 0 {
        user.views += 1
      }
    } else if seats.identity(number, .works) != nil {
      visitClaims { (_, claim) in
        guard claim.seat == number else { return }
        user.views += 1
        user.next = user.next == 0 ? claim.number : min(user.next, claim.number)
      }
    } else {
      return
    }
    tell(user)
  }

  // MARK: - Who has died

  /// Takes away what a dead one has left on its seat, by who holds its lock; false if it can't yet:
  /// one that lives is just taking the same slot. Again, should it be killed meanwhile.
  func clean(_ seat: Int, _ isAlive: (Int) -> Bool, _ seats: SeatTable) -> Bool {
    for index in 0..<ChannelGeometry.mostViews {
      unsafe pin(seat, index).pointee.store(0, ordering: .releasing)  // c1
    }
    let number = unsafe givingNumber(seat).pointee.load(ordering: .acquiring)
    let given = unsafe Int(giving(seat).pointee.load(ordering: .acquiring)) - 1
    let taken = unsafe Int(taking(seat).pointee.load(ordering: .acquiring)) - 1
    if !resolve(given, number, seat, isAlive) { return false }
    if !resolve(taken, number &- UInt64(geometry.messages), seat, isAlive) { return false }
    unsafe giving(seat).pointee.store(0, ordering: .releasing)  // c4
    unsafe taking(seat).pointee.store(0, ordering: .releasing)
    for slot in 0..<geometry.slots
    where unsafe owner(slot).pointee.load(ordering: .acquiring) == UInt64(seat + 1) {
      let left = isPinned(slot, seats) ? ChannelMemory.parked : 0
      unsafe owner(slot).pointee.store(left, ordering: .sequentiallyConsistent)  // c5
    }
    unsafe cursor(seat).pointee.store(.max, ordering: .sequentiallyConsistent)
    if geometry.isShared { giveBack(seat) }
    return true
  }

  /// A slot that is marked as message `number`, and stands nowhere as such, is this seat's.
  private func resolve(_ slot: Int, _ number: UInt64, _ seat: Int, _ isAlive: (Int) -> Bool) -> Bool
  {
    guard (0..<geometry.slots).contains(slot) else { return true }
    let mark = ChannelMemory.published | number
    guard unsafe owner(slot).pointee.load(ordering: .sequentiallyConsistent) == mark,  // c2
      unsafe ring(number).pointee.load(ordering: .sequentiallyConsistent)  // c2
        & ~ChannelMemory.closed != entry(number, slot)
    else { return true }
    for other in 0..<seatCount where other != seat {
      let its = unsafe taking(other).pointee.load(ordering: .sequentiallyConsistent)  // c3
      if its == UInt32(slot + 1) && isAlive(other) { return false }
    }
    _ = unsafe owner(slot).pointee.compareExchange(
      expected: mark, desired: UInt64(seat + 1), ordering: .sequentiallyConsistent)
    return true
  }
}
