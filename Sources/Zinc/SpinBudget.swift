internal import CZinc
internal import Synchronization

/// How long a wait looks before it sleeps: some microseconds, what a sleep and a wake-up
/// cost, as long as that pays; half as long after each time in a row that it did not, and
/// soon not at all. Every sixteenth of those tries in full again, or a handle that once
/// had to be patient would never learn that times have changed. Never where this process
/// has one processor, which the notifier needs.
@safe struct SpinBudget: ~Copyable {
  private static let longest: UInt64 = 8_000
  /// Relaxed: threads that share a handle may lose each other's hints.
  private let failuresInARow = Atomic<UInt32>(0)
  private let maySpin = czinc_processors() > 1

  /// Calls `isDone` until it says yes or the budget or the deadline is over.
  func spin(until deadline: UInt64, _ isDone: () -> Bool) -> Bool {
    let failures = failuresInARow.load(ordering: .relaxed)
    let patience = failures & 15
    guard maySpin, patience < 4 else {
      failuresInARow.store(failures &+ 1, ordering: .relaxed)
      return false
    }
    let end = min(deadline, czinc_clock(CLOCK_MONOTONIC) + SpinBudget.longest >> patience)
    repeat {
      for _ in 0..<32 {
        if isDone() {
          if failures != 0 { failuresInARow.store(0, ordering: .relaxed) }
          return true
        }
        czinc_pause()
      }
    } while czinc_clock(CLOCK_MONOTONIC) < end
    failuresInARow.store(failures &+ 1, ordering: .relaxed)
    return false
  }
}
