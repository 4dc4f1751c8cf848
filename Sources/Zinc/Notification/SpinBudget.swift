internal import CZinc
internal import Synchronization

/// How long a wait looks before it sleeps: some microseconds as long as that pays, half
/// as long after each time in a row that it did not, and after sixteen not at all.
///
/// Two that answer each other would, once one had slept, both sleep for ever after: each
/// finds the other's wake-up longer than its patience. So now and then a wait looks for
/// longer than a wake-up takes (50 µs on a virtual machine): after 15, 31, 63 ... failures,
/// and at last after every 1024th, so that those whose notifier can't run meanwhile, since it
/// shares their processor, spend next to nothing on it.
@safe struct SpinBudget: ~Copyable {
  private static let usual: UInt64 = 8_000
  /// About what 32 looks take, with a pause after each.
  private static let least: UInt64 = 1_000
  private static let longest: UInt64 = 64_000
  /// Relaxed: threads that share a handle may lose each other's hints.
  private let failuresInARow = Atomic<UInt32>(0)

  /// In nanoseconds, after so many failures in a row.
  static func budget(after failures: UInt32) -> UInt64 {
    if failures < 15 { return usual >> UInt64(min(failures, 3)) }
    let next = failures &+ 1
    return next & (next &- 1) == 0 || next % 1024 == 0 ? longest : 0
  }

  /// Calls `isDone` until it says yes or the budget or the deadline is over.
  func spin(until deadline: UInt64, _ isDone: () -> Bool) -> Bool {
    guard Processors.areMany else { return false }
    let failures = failuresInARow.load(ordering: .relaxed)
    let budget = SpinBudget.budget(after: failures)
    if budget > 0 {
      // The first looks come before the clock is read, which takes as long as an answer may.
      var end: UInt64 = 0
      repeat {
        for _ in 0..<32 {
          if isDone() {
            if failures != 0 { failuresInARow.store(0, ordering: .relaxed) }
            return true
          }
          czinc_pause()
        }
        let now = czinc_monotonic()
        if end == 0 { end = min(deadline, now + budget - SpinBudget.least) }
        if now >= end { break }
      } while true
    }
    failuresInARow.store(failures &+ 1, ordering: .relaxed)
    return false
  }
}
