internal import CZinc
internal import Synchronization

/// How long a wait looks before it sleeps: some microseconds as long as that pays, half
/// as long after each time in a row that it did not, down to one. Never where this process
/// has one processor, which the notifier needs.
///
/// Two that answer each other would, once one had slept, both sleep for ever after: each
/// finds the other's wake-up longer than its patience. So every sixteenth failure is
/// followed by an attempt that outlasts a wake-up (50 µs on a virtual machine).
@safe struct SpinBudget: ~Copyable {
  private static let usual: UInt64 = 8_000
  private static let longest: UInt64 = 64_000
  /// Relaxed: threads that share a handle may lose each other's hints.
  private let failuresInARow = Atomic<UInt32>(0)
  private let maySpin = czinc_processors() > 1

  /// Calls `isDone` until it says yes or the budget or the deadline is over.
  func spin(until deadline: UInt64, _ isDone: () -> Bool) -> Bool {
    guard maySpin else { return false }
    let failures = failuresInARow.load(ordering: .relaxed)
    let budget =
      failures & 15 == 15 ? SpinBudget.longest : SpinBudget.usual >> UInt64(min(failures, 3))
    let end = min(deadline, czinc_clock(CLOCK_MONOTONIC) + budget)
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
