internal import CZinc
internal import Synchronization

// A queue: a channel whose messages wait for who works, and go to exactly one of these. Who has a
// message stands in one word, its slot's owner, from its publication until it is done: so it is
// never two's, and is nobody's only once it is done, whoever is killed wherever. One that is done and
// still read is held as by a writer, for its bytes alone.
//
//     owner of a slot   beside those of channels: 1 << 62 | s << 55 | k << 52 | n: message n, which
//                       seat s is at work on, and k before it were. Seat 127: nobody is, for who was
//                       has died, or gave it back
//
//     take   a1  as often returned as I have seen: on to t1
//            a2  one that is nobody's: owner = mine. None: I have seen a1's
//            t1  n = taken + 1, w = ring[n]: older: nothing there, and closed if it says so
//            t2  its slot's owner: published n -> mine
//            t3  taken: n - 1 -> n, whoever has it now
//     done   d1  owner: mine -> free, or held until it is read no more
//            d2  owner: held -> free
//     back   b1  owner: mine -> nobody's, or free where each is handed out once at most
//            b2  returned + 1
//     clean  c6  each that is that seat's: nobody's, or free where each is handed out once at most
//            c7  returned + 1
//     write  g1  as far as t3 for those who have not come to it: before n + m, n must be taken, where
//                so many may wait
//     close  x1  ring[newest + 1]: old -> old, closed, for which w5 fails
//     join   u1  n = newest
//            u2  no slot is published and in the ring, nor somebody's, nor nobody's
//            u3  newest is n, so none has come meanwhile to a slot that was looked at before
//
// A message that comes back needs neither a slot nor a place: it stays where it is, with its number.
extension ChannelMemory {
  /// Who has a message.
  struct Claim {
    private static let mark: UInt64 = 1 << 62
    private static let mostTimes: UInt64 = 7
    /// Instead of a seat.
    static let nobody = 127

    let bits: UInt64

    /// Nil for an owner that says something else.
    @inline(__always)
    init?(_ owner: UInt64) {
      guard owner >> 62 == 1 else { return nil }
      bits = owner
    }

    @inline(__always)
    init(_ number: UInt64, by seat: Int, times: UInt64) {
      let seat = UInt64(truncatingIfNeeded: seat)
      bits = Claim.mark | seat &<< 55 | times &<< 52 | number & ChannelMemory.mostNumber
    }

    var number: UInt64 { bits & ChannelMemory.mostNumber }
    var seat: Int { Int(truncatingIfNeeded: bits &>> 55 & 127) }
    /// How often it was handed out before, up to 7.
    var times: UInt64 { bits &>> 52 & 7 }

    var isLeft: Bool { seat == Claim.nobody }
    func by(_ seat: Int) -> Claim { Claim(number, by: seat, times: times) }
    var left: Claim { Claim(number, by: Claim.nobody, times: min(times + 1, Claim.mostTimes)) }
  }

  /// The queue of a handle. EBADMSG if its region is none.
  static func queue(of handle: Attachment.Handle) throws(Failure) -> ChannelMemory {
    let memory = unsafe try ChannelMemory(of: handle)
    try memory.checkShared()
    return memory
  }

  func checkShared() throws(Failure) {
    guard geometry.isShared else {
      throw Failure(EBADMSG, "not a queue: a channel, whose messages go to all who read it")
    }
  }

  func visitClaims(_ body: (_ slot: Int, Claim) -> Void) {
    for slot in 0..<geometry.slots {
      if let claim = Claim(unsafe owner(slot).pointee.load(ordering: .acquiring)) {
        body(slot, claim)
      }
    }
  }

  /// Is somebody else at work, or was? One who has died may be among them.
  func isHeld(byOthersThan seat: Int) -> Bool {
    var isHeld = false
    visitClaims { (_, claim) in if claim.seat != seat { isHeld = true } }
    return isHeld
  }

  // MARK: - Who works

  enum Taking {
    case claim(slot: Int, Claim)
    case nothing
    /// Nor does anything come any more.
    case closed
  }

  /// The next message, for this seat. EBADMSG if that can't be.
  @inline(__always)
  func take(_ seat: Int) throws(Failure) -> Taking {
    while true {
      let before = unsafe taken.pointee.load(ordering: .acquiring)  // t1
      let number = before &+ 1
      let entry = unsafe ring(number).pointee.load(ordering: .acquiring)  // t1
      let there = self.number(of: entry, near: number)
      if there < number { return entry & ChannelMemory.closed != 0 ? .closed : .nothing }
      guard there == number else {
        // What stands there now was let in by who knew better.
        if unsafe taken.pointee.load(ordering: .acquiring) != before { continue }
        throw Failure(EBADMSG, "damaged: message % is gone, and was not taken", number)
      }
      let slot = slot(of: entry)
      guard (0..<geometry.slots).contains(slot) else {
        throw Failure(EBADMSG, "damaged: a message stands in slot %", UInt64(clamping: slot))
      }
      let mine = Claim(number, by: seat, times: 0)
      let isMine = unsafe owner(slot).pointee.compareExchange(
        expected: ChannelMemory.published | number, desired: mine.bits,
        ordering: .sequentiallyConsistent  // t2
      ).exchanged
      _ = unsafe taken.pointee.compareExchange(
        expected: before, desired: number, ordering: .sequentiallyConsistent)  // t3
      if isMine { return .claim(slot: slot, mine) }
    }
  }

  /// A message that somebody has left, for this seat; of several the first from slot `first` on.
  @inline(never)
  func takeLeft(_ seat: Int, from first: Int) -> (slot: Int, Claim)? {
    for offset in 0..<geometry.slots {
      let slot = (first + offset) % geometry.slots
      guard let claim = Claim(unsafe owner(slot).pointee.load(ordering: .acquiring)), claim.isLeft
      else { continue }
      let mine = claim.by(seat)
      let isMine = unsafe owner(slot).pointee.compareExchange(
        expected: claim.bits, desired: mine.bits, ordering: .sequentiallyConsistent  // a2
      ).exchanged
      if isMine { return (slot, mine) }
    }
    return nil
  }

  /// The owner of what somebody was at work on who is not any more.
  func left(_ claim: Claim) -> UInt64 { geometry.isOnce ? 0 : claim.left.bits }

  /// Leaves what a dead one was at work on to others, by who holds the lock of its seat.
  func giveBack(_ seat: Int) {
    for slot in 0..<geometry.slots {
      guard let claim = Claim(unsafe owner(slot).pointee.load(ordering: .acquiring)),
        claim.seat == seat
      else { continue }
      unsafe owner(slot).pointee.store(self.left(claim), ordering: .sequentiallyConsistent)  // c6
    }
    unsafe returned.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // c7
  }

  // MARK: - Room

  /// This message and all before it are handed out.
  func handedOut() -> UInt64 {
    while true {
      let before = unsafe taken.pointee.load(ordering: .acquiring)
      let number = before &+ 1
      let entry = unsafe ring(number).pointee.load(ordering: .acquiring)
      let slot = slot(of: entry)
      guard self.number(of: entry, near: number) == number, (0..<geometry.slots).contains(slot),
        unsafe owner(slot).pointee.load(ordering: .acquiring)  // g1
          != ChannelMemory.published | number
      else { return before }
      _ = unsafe taken.pointee.compareExchange(
        expected: before, desired: number, ordering: .sequentiallyConsistent)
    }
  }

  /// May who waits go on? For a slot, if it lacks one, or else for so many places.
  func isRoom(for count: UInt64, lacksSlot: Bool) -> Bool {
    if isClosed { return true }
    if lacksSlot {
      for slot in 0..<geometry.slots
      where unsafe owner(slot).pointee.load(ordering: .relaxed) == 0 { return true }
      return false
    }
    let next = newest() &+ count
    let messages = UInt64(geometry.messages)
    return next <= messages || next &- messages <= handedOut()
  }

  // MARK: - The end

  var isClosed: Bool { next().old & ChannelMemory.closed != 0 }

  /// No message comes any more.
  func close() {
    while true {
      let (next, old) = next()
      if old & ChannelMemory.closed != 0 { return }
      let isDone = unsafe ring(next).pointee.compareExchange(
        expected: old, desired: old | ChannelMemory.closed, ordering: .sequentiallyConsistent  // x1
      ).exchanged
      if isDone { return }
    }
  }

  /// How many messages wait, are worked on, and were left.
  func count() -> (waiting: UInt64, held: UInt64, left: UInt64) {
    var (waiting, held, left) = (0 as UInt64, 0 as UInt64, 0 as UInt64)
    for slot in 0..<geometry.slots {
      let owner = unsafe owner(slot).pointee.load(ordering: .sequentiallyConsistent)  // u2
      if let claim = Claim(owner) {
        if claim.isLeft { left += 1 } else { held += 1 }
      } else if owner & ChannelMemory.published != 0 {
        let number = owner & ~ChannelMemory.published
        let entry = unsafe ring(number).pointee.load(ordering: .sequentiallyConsistent)
        if entry & ~ChannelMemory.closed == self.entry(number, slot) { waiting += 1 }
      }
    }
    return (waiting, held, left)
  }

  /// Who has a message: nil if nobody has, nor will; else its slot's owner.
  func find(_ number: UInt64) -> UInt64? {
    func owner(of slot: Int) -> UInt64? {
      let owner = unsafe self.owner(slot).pointee.load(ordering: .sequentiallyConsistent)
      let isIt = owner == ChannelMemory.published | number || Claim(owner)?.number == number
      return isIt ? owner : nil
    }
    // It stays in one slot, which its place tells until another one stands there.
    let entry = unsafe ring(number).pointee.load(ordering: .sequentiallyConsistent)
    let slot = slot(of: entry)
    if self.number(of: entry, near: number) == number, (0..<geometry.slots).contains(slot) {
      return owner(of: slot)
    }
    for slot in 0..<geometry.slots {
      if let owner = owner(of: slot), Claim(owner) != nil { return owner }
    }
    return nil
  }

  /// Is there something for who comes to take?
  var isWaiting: Bool {
    let number = unsafe taken.pointee.load(ordering: .acquiring) &+ 1
    let entry = unsafe ring(number).pointee.load(ordering: .acquiring)
    return self.number(of: entry, near: number) >= number
  }

  /// Has there been a moment, since this was called, at which all that was published was done?
  var isDone: Bool {
    while true {
      let before = newest()  // u1
      let (waiting, held, left) = count()
      if waiting + held + left > 0 { return false }
      if newest() == before { return true }  // u3
    }
  }
}
