internal import CZinc
internal import Synchronization

/// How long a wait looks before it sleeps: up to a few microseconds, twice as long
/// after each time that it paid, half as long after each time that it did not; not
/// at all where this process has one processor, which the notifier needs.
@safe struct SpinBudget: ~Copyable {
  private static let longest: UInt64 = 8_000
  private static let shortest: UInt64 = 500
  /// Nanoseconds. Relaxed: threads that share a handle may lose each other's hints.
  private let budget = Atomic<UInt64>(czinc_processors() > 1 ? SpinBudget.longest : 0)

  /// Calls `isDone` until it says yes or the budget or the deadline is over.
  func spin(until deadline: UInt64, _ isDone: () -> Bool) -> Bool {
    let budget = budget.load(ordering: .relaxed)
    if budget == 0 { return false }
    let end = min(deadline, czinc_clock(CLOCK_MONOTONIC) + budget)
    repeat {
      for _ in 0..<32 {
        if isDone() {
          self.budget.store(min(budget * 2, SpinBudget.longest), ordering: .relaxed)
          return true
        }
        czinc_pause()
      }
    } while czinc_clock(CLOCK_MONOTONIC) < end
    self.budget.store(max(budget / 2, SpinBudget.shortest), ordering: .relaxed)
    return false
  }
}
