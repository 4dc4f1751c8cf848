internal import CZinc

/// Calls `isDone` until it says yes, after the first tries with pauses of up to a millisecond.
func poll(_ isDone: () -> Bool) {
  var pause: UInt64 = 500
  while !isDone() {
    pause = min(pause * 2, 1_000_000)
    if pause > 16_000 { czinc_sleep(pause) } else { czinc_pause() }
  }
}

/// How long to wait for another process that is in the middle of something, which takes it
/// microseconds unless it was stopped there: a second, and a stopped process must not stop us.
///
/// A time, not a count of pauses, which a signal ends early. Never inside the `ForkGate`.
struct Patience {
  private static let limit: UInt64 = 1_000_000_000
  private var end: UInt64 = 0
  private var pause: UInt64 = 1_000

  /// Pauses for up to a millisecond; EBUSY once the time is over.
  @inline(never)
  mutating func pauseOrThrow() throws(Failure) {
    let now = czinc_monotonic()
    if end == 0 { end = now + Patience.limit }
    guard now < end else {
      throw Failure(
        EBUSY,
        "another process keeps a lock on the region's file and does not go on; is one stopped?"
      )
    }
    czinc_sleep(min(pause, end - now))
    pause = min(pause * 2, 1_000_000)
  }
}
