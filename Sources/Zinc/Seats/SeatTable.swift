internal import CZinc
internal import Synchronization

// Seats: who takes part, proved by the kernel. Who sits on seat i holds an exclusive lock on byte
// 1024 + i of the region's file, through a description of its own, until it leaves or ends, however
// it ends. So what somebody holds is marked with who holds it, and nobody has to count, or to
// repair a count.
//
//     sit    s1  lock the byte of a seat          fate   s3  another generation: over
//            s2  the seat's next generation              s4  nobody has the byte: over
//     leave  s5  role idle    s6  close
//
// s1 before s2: a generation is whoever's has the lock. s2 releases what the last sitter wrote, which
// s1 came after, and s3 acquires it. A fence keeps s2 before all that follows: a word says who has it
// by steps that acquire only, and whoever reads it there must find that generation. s3 before s4,
// which may find the next sitter's lock before its generation: one that has died is then taken for
// alive, until the next look. One that lives is never taken for dead: it has had the lock since
// before anybody could learn its identity.

/// Who sits, or sat, on a seat: what shared words say instead of a process's number. None comes
/// back before a million others have sat there.
struct SeatIdentity: Equatable {
  /// Seat + 1 in the lower 10 bits, the generation in the next 20; 0 is nobody.
  let bits: UInt32

  static let mask: UInt32 = 0x3FFF_FFFF
  static let generations: UInt32 = 1 << 20
  static let nobody = SeatIdentity(bits: 0)

  init(bits: UInt32) { self.bits = bits & SeatIdentity.mask }

  init(seat: Int, generation: UInt32) {
    let number = UInt32(truncatingIfNeeded: seat) + 1
    bits = number | (generation % SeatIdentity.generations) << 10
  }

  /// -1 for nobody.
  var seat: Int { Int(bits & 1023) - 1 }
  var generation: UInt32 { bits >> 10 }
}

extension LockByte {
  static func seat(_ number: Int) -> LockByte { LockByte(offset: 1024 + Int64(number)) }
}

/// The seats of a region: 16 bytes each, which their sitter alone writes.
///
///     u32 state  generation << 8 | role
///     i32 pid    for people, never for decisions
///     u64 since  ns since 1970
@safe struct SeatTable {
  static let count = 120
  static let stride = 16

  /// What somebody sits for.
  enum Role: UInt32 {
    case nothing = 0
    case locks = 1
    case writes = 2
    case reads = 3
    case works = 4
  }

  private let base: UnsafeMutableRawPointer
  private let dead: UnsafeMutablePointer<Atomic<UInt32>>

  init(_ base: UnsafeMutableRawPointer, deaths: UnsafeMutablePointer<Atomic<UInt32>>) {
    unsafe self.base = unsafe base
    unsafe dead = unsafe deaths
  }

  /// How many were found dead on their seats. Of those who wait for somebody, one finds the death: the
  /// others see it here.
  var deaths: UInt32 { unsafe dead.pointee.load(ordering: .sequentiallyConsistent) }

  /// Before the seat is another's or nobody's: who is killed in between has counted it, and the next one
  /// does once more.
  func countDeath() { unsafe dead.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent) }

  func state(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + seat * SeatTable.stride).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  private func process(_ seat: Int) -> UnsafeMutablePointer<Atomic<Int32>> {
    unsafe (base + seat * SeatTable.stride + 4).assumingMemoryBound(to: Atomic<Int32>.self)
  }

  private func time(_ seat: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (base + seat * SeatTable.stride + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  func role(_ seat: Int) -> UInt32 { unsafe state(seat).pointee.load(ordering: .relaxed) & 0xFF }

  /// Who sits, or sat, there for that; nil if nobody does.
  @inline(__always)
  func identity(_ seat: Int, _ role: Role) -> SeatIdentity? {
    let state = unsafe self.state(seat).pointee.load(ordering: .relaxed)
    return state & 0xFF == role.rawValue ? SeatIdentity(seat: seat, generation: state >> 8) : nil
  }

  func pid(_ seat: Int) -> Int32 { unsafe process(seat).pointee.load(ordering: .relaxed) }

  func since(_ seat: Int) -> UInt64 { unsafe time(seat).pointee.load(ordering: .relaxed) }

  /// The next one on a seat whose lock was just taken.
  func begin(_ seat: Int, _ role: Role) -> SeatIdentity {
    unsafe process(seat).pointee.store(czinc_process(), ordering: .relaxed)
    unsafe time(seat).pointee.store(czinc_wall(), ordering: .relaxed)
    let generation = unsafe state(seat).pointee.load(ordering: .relaxed) >> 8 &+ 1
    unsafe state(seat).pointee.store(
      generation << 8 | role.rawValue, ordering: .releasing)  // s2
    atomicMemoryFence(ordering: .releasing)  // s2f
    return SeatIdentity(seat: seat, generation: generation)
  }

  /// Whoever this is gets up, and did not before.
  func end(_ identity: SeatIdentity) {
    let now = unsafe state(identity.seat).pointee.load(ordering: .relaxed)
    // What others have to be cleaned of is left to who cleans.
    guard now & 0xFF == Role.locks.rawValue else { return }
    if now >> 8 % SeatIdentity.generations == identity.generation { clear(identity.seat) }
  }

  /// The role, by who has the lock of the seat.
  func clear(_ seat: Int) {
    unsafe state(seat).pointee.bitwiseAnd(~0xFF, ordering: .releasing)  // s5
  }

  enum Fate: UInt32 {
    case alive, over
    /// Nobody has been that: somebody wrote where only identities belong.
    case impossible
  }

  /// Is whoever this is still there? Asks through a description that nobody sits through. A stopped
  /// one is.
  func fate(of identity: SeatIdentity, _ file: borrowing Descriptor) throws(Failure) -> Fate {
    guard (0..<SeatTable.count).contains(identity.seat) else { return .impossible }
    let state = unsafe self.state(identity.seat).pointee.load(ordering: .acquiring)  // s3
    let successors = (state >> 8 &- identity.generation) % SeatIdentity.generations
    if successors != 0 { return successors < SeatIdentity.generations / 2 ? .over : .impossible }
    return try isTaken(identity.seat, file) ? .alive : .over
  }

  /// The process of who still has the seat, or had it last; nil if another has come since.
  func pid(of identity: SeatIdentity) -> Int32? {
    guard (0..<SeatTable.count).contains(identity.seat) else { return nil }
    let state = unsafe self.state(identity.seat).pointee.load(ordering: .relaxed)
    return state >> 8 % SeatIdentity.generations == identity.generation ? pid(identity.seat) : nil
  }

  /// Does somebody who lives sit there?
  func isTaken(_ seat: Int, _ file: borrowing Descriptor) throws(Failure) -> Bool {
    try file.lockOfOthers(.seat(seat)) != .none  // s4
  }

  /// Takes the role from all who were killed on their seats, each under the lock of its byte, so that
  /// of several who look one finds it; how many. Through the description of who sits on `own`.
  /// `clean` takes away what one has left there: again, should it have been killed before.
  func sweep(_ file: borrowing Descriptor, except own: Int, _ clean: (Int) -> Bool) throws(Failure)
    -> Int
  {
    var count = 0
    for seat in 0..<SeatTable.count where role(seat) != 0 && seat != own {
      guard try file.tryLock(.seat(seat), exclusive: true) else { continue }
      if role(seat) != 0 && clean(seat) {
        countDeath()
        clear(seat)
        count += 1
      }
      file.unlock(.seat(seat))
    }
    return count
  }

  /// Tells of each seat on which somebody sits, or did when it was killed.
  func visit(_ file: borrowing Descriptor, _ tell: (ZincSeat) -> Void) throws(Failure) {
    for seat in 0..<SeatTable.count where role(seat) != 0 {
      let isAlive = try isTaken(seat, file)
      tell(
        ZincSeat(
          number: UInt32(seat), role: role(seat), pid: pid(seat), is_alive: isAlive ? 1 : 0,
          since: since(seat)))
    }
  }
}
