internal import CZinc
internal import Synchronization

/// A handle's own seat, which it takes at the first use of what needs one, and keeps.
///
/// A forked child closes the description, or its parent's death would not be seen as long as it
/// lives, and takes a seat of its own when it needs one.
@safe struct Seat: ~Copyable {
  /// The fork generation plus one of whose it is in the upper half, the identity in the lower.
  private let owner = Atomic<UInt64>(0)
  private var note: UnsafeMutablePointer<ForkGate.Note>?
  /// Of who sits.
  private(set) var pid: Int32 = 0
  /// How long it is worth looking before sleeping, for who waits on others' seats.
  let spin = SpinBudget()

  /// Nobody, before it sits.
  @inline(__always)
  var identity: SeatIdentity {
    let now = owner.load(ordering: .relaxed)
    return now >> 32 == Seat.generation
      ? SeatIdentity(bits: UInt32(truncatingIfNeeded: now)) : .nobody
  }

  private static var generation: UInt64 { UInt64(ForkGate.generation) + 1 }

  /// The descriptor of who sits; -1 for nobody.
  var descriptor: Int32 {
    guard identity != .nobody, let note = unsafe note else { return -1 }
    return unsafe note.pointee.descriptor
  }

  /// Takes a free seat, with a description of its own, which stays open. Inside the gate, by one
  /// thread at a time. EUSERS if there is none. `clean` as for `SeatTable.sweep`.
  mutating func sit(
    _ table: SeatTable, _ file: consuming Descriptor, _ role: SeatTable.Role,
    _ clean: (Int) -> Bool
  ) throws(Failure) -> SeatIdentity {
    let status = try file.status()
    guard let seat = try Seat.free(table, file, clean) else {
      throw Failure(
        EUSERS, "all % seats are taken, the first by process %; close some of those who use it",
        UInt64(SeatTable.count), UInt64(max(table.pid(0), 0)))
    }
    let memory = unsafe try allocate(UInt(MemoryLayout<ForkGate.Note>.stride))
    let identity = table.begin(seat, role)
    unsafe czinc_free(note)  // A parent's.
    let note = unsafe memory.assumingMemoryBound(to: ForkGate.Note.self)
    unsafe note.initialize(to: ForkGate.Note(file.raw, of: status))
    unsafe ForkGate.enlist(note)
    unsafe self.note = unsafe note
    pid = table.pid(seat)
    file.forget()
    owner.store(Seat.generation << 32 | UInt64(identity.bits), ordering: .releasing)
    return identity
  }

  /// One whose lock could be taken: of those on which nobody sits, and else of those whose last
  /// sitter did not get up.
  private static func free(
    _ table: SeatTable, _ file: borrowing Descriptor, _ clean: (Int) -> Bool
  ) throws(Failure) -> Int? {
    for wantsIdle in [true, false] {
      for seat in 0..<SeatTable.count where (table.role(seat) == 0) == wantsIdle {
        guard try file.tryLock(.seat(seat), exclusive: true) else { continue }  // s1
        if table.role(seat) == 0 { return seat }
        if clean(seat) {
          table.countDeath()
          return seat
        }
        file.unlock(.seat(seat))
      }
    }
    return nil
  }

  /// Does its descriptor still lead to the region, as `isOurs` says? For who sits.
  func keeps(isOurs: (borrowing Descriptor) -> Bool) -> Bool {
    let own = Descriptor(remembered: descriptor)
    let isKept = isOurs(own)
    own.forget()
    return isKept
  }

  /// Takes the role from all who were killed on their seats; how many. Inside the gate.
  func sweep(_ table: SeatTable, _ clean: (Int) -> Bool) throws(Failure) -> Int {
    let own = Descriptor(remembered: descriptor)
    do throws(Failure) {
      let count = try table.sweep(own, except: identity.seat, clean)
      own.forget()
      return count
    } catch {
      own.forget()
      throw error
    }
  }

  /// Inside the gate. What it still holds is then a dead one's. `isOurs` says whether a descriptor
  /// still leads to the region: code that knows nothing of it may have closed it.
  mutating func leave(_ table: SeatTable, _ isOurs: (borrowing Descriptor) -> Bool) {
    guard let note = unsafe note else { return }
    let identity = identity
    if identity != .nobody {
      table.end(identity)
      unsafe ForkGate.strike(note)
      let file = unsafe Descriptor(remembered: note.pointee.descriptor)
      if !isOurs(file) { file.forget() }  // s6
    }
    owner.store(0, ordering: .relaxed)
    unsafe czinc_free(note)
    unsafe self.note = nil
  }
}
