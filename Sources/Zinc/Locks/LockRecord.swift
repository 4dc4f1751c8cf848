internal import CZinc
internal import Synchronization

/// Sixteen bytes of shared memory that are a lock, wherever they lie; all zero is a free one.
///
///     u32 word   who has it (30 bits); 1 << 30 died: its last holder did, and nobody has repaired
///                what it left; 1 << 31 waiters: somebody may sleep on it. The futex word
///     i32 pid    of who had it last, for people
///     u64 since  ns since 1970, to some milliseconds; likewise
@safe struct LockRecord {
  static let size = 16
  static let alignment = 8
  static let died: UInt32 = 1 << 30
  static let waiters: UInt32 = 1 << 31

  let word: UnsafeMutablePointer<Atomic<UInt32>>
  private let process: UnsafeMutablePointer<Atomic<Int32>>
  private let time: UnsafeMutablePointer<Atomic<UInt64>>

  init(_ base: UnsafeMutableRawPointer) {
    unsafe word = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self)
    unsafe process = unsafe (base + 4).assumingMemoryBound(to: Atomic<Int32>.self)
    unsafe time = unsafe (base + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  var pid: Int32 { unsafe process.pointee.load(ordering: .relaxed) }
  var since: UInt64 { unsafe time.pointee.load(ordering: .relaxed) }

  /// Says who has it, once it is ours. The coarse clock costs 3 ns, the other 20.
  @inline(__always)
  func sign(_ pid: Int32) {
    unsafe process.pointee.store(pid, ordering: .relaxed)
    unsafe time.pointee.store(czinc_wall_coarse(), ordering: .relaxed)
  }

  /// Says whose it was, as a sitter's table still knows it: one may have died before it signed.
  func sign(theDead pid: Int32) { unsafe process.pointee.store(pid, ordering: .relaxed) }

  @inline(__always)
  func tryAcquire(_ me: SeatIdentity) -> Bool {
    unsafe word.pointee.compareExchange(
      expected: 0, desired: me.bits, successOrdering: .acquiring,  // a1
      failureOrdering: .relaxed
    ).exchanged
  }

  /// Of who has it. The word that it leaves says whether somebody may sleep on it.
  @inline(__always)
  func release() -> UInt32 {
    unsafe word.pointee.exchange(0, ordering: .releasing)  // r1
  }

  enum State: UInt32 {
    case free = 0
    case held = 1
    /// Held by who has not yet repaired what a dead one left.
    case repairing = 2
    /// Its holder died, and nobody has it since.
    case abandoned = 3
    /// Its word is nobody's.
    case damaged = 4
  }

  struct Look {
    let state: State
    /// Who has it, or who died; 0 for nobody.
    var pid: Int32 = 0
    /// ns since 1970; 0 where that is not known.
    var since: UInt64 = 0
  }

  /// What can be told of it: of a mapped one, or of bytes that were read.
  func look(_ seats: SeatTable, _ file: borrowing Descriptor) throws(Failure) -> Look {
    let now = unsafe word.pointee.load(ordering: .acquiring)
    let hasDied = now & LockRecord.died != 0
    let owner = SeatIdentity(bits: now)
    if owner == .nobody {
      return hasDied ? Look(state: .abandoned, pid: pid, since: since) : Look(state: .free)
    }
    switch try seats.fate(of: owner, file) {
    case .impossible: return Look(state: .damaged)
    case .over:
      return Look(state: .abandoned, pid: hasDied ? pid : seats.pid(of: owner) ?? pid, since: since)
    case .alive:
      let holder = seats.pid(of: owner) ?? pid
      return hasDied
        ? Look(state: .repairing, pid: holder) : Look(state: .held, pid: holder, since: since)
    }
  }
}
