internal import Synchronization

/// Counts the waits in progress on a handle, so that closing can end them before
/// the memory goes. The word:
///
///     bit 63      closing: nobody may begin
///     bits 32-62  the fork generation that the count belongs to: the threads of a
///                 parent do not exist in its child, and never leave
///     bits 0-31   waits in progress
@safe struct WaitsInFlight: ~Copyable {
  private static let closing: UInt64 = 1 << 63
  private let word = Atomic<UInt64>(0)

  var isClosing: Bool { word.load(ordering: .acquiring) & WaitsInFlight.closing != 0 }

  /// False once the handle is being closed.
  func begin() -> Bool {
    var now = word.load(ordering: .relaxed)
    while now & WaitsInFlight.closing == 0 {
      let (exchanged, original) = word.weakCompareExchange(
        expected: now, desired: WaitsInFlight.current(now) + 1,
        successOrdering: .acquiring, failureOrdering: .relaxed)
      if exchanged { return true }
      now = original
    }
    return false
  }

  func end() { word.wrappingSubtract(1, ordering: .releasing) }

  /// Lets none begin any more and calls `wake` until none is left: a wait that
  /// looked before it was told may go to sleep after any one wake.
  func endAll(_ wake: () -> Void) {
    word.bitwiseOr(WaitsInFlight.closing, ordering: .sequentiallyConsistent)
    poll {
      let count = WaitsInFlight.current(word.load(ordering: .acquiring)) & 0xFFFF_FFFF
      if count != 0 { wake() }
      return count == 0
    }
  }

  /// The word with its count, or with zero if that is of an earlier generation.
  private static func current(_ word: UInt64) -> UInt64 {
    let generation = UInt64(ForkGate.generation & 0x7FFF_FFFF) << 32
    let owner = word & (0x7FFF_FFFF << 32)
    return owner == generation ? word & ~closing : generation
  }
}
