internal import Synchronization

/// Counts the waits in progress on a handle, so that closing can end them before
/// the memory goes. The words:
///
///     word  bit 63      closing: nobody may begin
///           bits 32-62  the fork generation that the count belongs to: the threads of a
///                       parent do not exist in its child, and never leave
///           bits 0-31   waits in progress
///     only  a place for one more wait, which thus ends by a plain store: the fork
///           generation plus one of who has it, 0 where nobody has
///
/// Who takes `only` looks for `closing` after that, and who closes looks at `only` after it has
/// said so, all sequentially consistent: one of the two sees the other. tests/model searches it
/// with the orders that it reads here: b1 takes `only` and b2 looks for `closing`, c1 counts, e1
/// and e2 end either; x1 says `closing` and x2 looks at `only`.
@safe struct WaitsInFlight: ~Copyable {
  enum Place: UInt32 { case none, only, counted }

  private static let closing: UInt64 = 1 << 63
  private let word = Atomic<UInt64>(0)
  private let only = Atomic<UInt64>(0)

  var isClosing: Bool { word.load(ordering: .acquiring) & WaitsInFlight.closing != 0 }

  /// A place for one wait, to be given to `end`; `none` once the handle is being closed.
  @inline(__always)
  func begin() -> Place {
    let mine = WaitsInFlight.mine
    let now = only.load(ordering: .relaxed)
    guard now != mine,
      only.compareExchange(expected: now, desired: mine, ordering: .sequentiallyConsistent)  // b1
        .exchanged
    else { return count() ? .counted : .none }
    let state = word.load(ordering: .sequentiallyConsistent)  // b2
    if state & WaitsInFlight.closing == 0 { return .only }
    only.store(0, ordering: .releasing)
    return .none
  }

  @inline(__always)
  func end(_ place: Place) {
    guard case .only = place else { return uncount() }
    only.store(0, ordering: .releasing)  // e1
  }

  /// One more of any number; false once the handle is being closed.
  func count() -> Bool {
    var now = word.load(ordering: .relaxed)
    while now & WaitsInFlight.closing == 0 {
      let (exchanged, original) = word.weakCompareExchange(
        expected: now, desired: WaitsInFlight.current(now) + 1,
        successOrdering: .acquiring,  // c1
        failureOrdering: .relaxed)
      if exchanged { return true }
      now = original
    }
    return false
  }

  func uncount() {
    word.wrappingSubtract(1, ordering: .releasing)  // e2
  }

  /// Lets none begin any more and calls `wake` until none is left: a wait that
  /// looked before it was told may go to sleep after any one wake.
  func endAll(_ wake: () -> Void) {
    word.bitwiseOr(WaitsInFlight.closing, ordering: .sequentiallyConsistent)  // x1
    poll {
      let count = WaitsInFlight.current(word.load(ordering: .acquiring)) & 0xFFFF_FFFF
      let holder = only.load(ordering: .sequentiallyConsistent)  // x2
      let isAlone = holder != WaitsInFlight.mine
      if count == 0 && isAlone { return true }
      wake()
      return false
    }
  }

  private static var mine: UInt64 { UInt64(ForkGate.generation) + 1 }

  /// The word with its count, or with zero if that is of an earlier generation.
  private static func current(_ word: UInt64) -> UInt64 {
    let generation = UInt64(ForkGate.generation & 0x7FFF_FFFF) << 32
    let owner = word & (0x7FFF_FFFF << 32)
    return owner == generation ? word & ~closing : generation
  }
}
