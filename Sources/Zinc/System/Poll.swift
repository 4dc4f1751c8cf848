internal import CZinc

/// Calls `isDone` until it says yes, after the first tries with pauses of up to a millisecond.
func poll(_ isDone: () -> Bool) {
  var pause: UInt64 = 500
  while !isDone() {
    pause = min(pause * 2, 1_000_000)
    if pause > 16_000 { czinc_sleep(pause) } else { czinc_pause() }
  }
}
