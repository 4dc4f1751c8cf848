internal import CZinc
internal import Synchronization

/// Sleeps on any number of words at once: the caller's thread on the first 127, one more
/// thread for each 127 others. All of them also sleep on `done`, which the first to wake sets.
@safe struct Sleepers: ~Copyable {
  /// futex_waitv takes 128 words; one is `done`.
  private static let capacity = 127

  private let count: Int
  private let groups: Int
  /// Each group's words, and `done` after them; nil where there is no memory for it.
  private let entries: UnsafeMutablePointer<czinc_sleep_entry>?
  private let sleepers: UnsafeMutablePointer<Sleeper>?
  private let done: UnsafeMutablePointer<Atomic<UInt32>>?

  init(_ count: Int) {
    self.count = count
    groups = (count + Sleepers.capacity - 1) / Sleepers.capacity
    let entries = (count + groups) * MemoryLayout<czinc_sleep_entry>.stride
    let sleepers = groups * MemoryLayout<Sleeper>.stride
    let base = unsafe czinc_allocate(UInt(entries + sleepers + MemoryLayout<UInt32>.stride))
    unsafe self.entries = unsafe base?.assumingMemoryBound(to: czinc_sleep_entry.self)
    unsafe self.sleepers = unsafe base.map {
      unsafe ($0 + entries).assumingMemoryBound(to: Sleeper.self)
    }
    unsafe done = unsafe base.map {
      unsafe ($0 + entries + sleepers).assumingMemoryBound(to: Atomic<UInt32>.self)
    }
    unsafe done?.initialize(to: Atomic(0))
  }

  deinit { unsafe czinc_free(entries) }

  /// Which word is the `i`-th, and what it must be for the sleep to begin.
  func set(_ i: Int, _ word: UnsafeMutablePointer<Atomic<UInt32>>, _ expected: UInt32) {
    unsafe entries?[i + i / Sleepers.capacity] = czinc_sleep_on(word, expected)
  }

  /// Sleeps while each word is what was expected, at most until `wakeUp`. What futex_waitv says.
  func sleep(until wakeUp: UInt64) -> Int32 {
    let soon = min(wakeUp, czinc_monotonic() + 1_000_000)
    guard let entries = unsafe entries, let sleepers = unsafe sleepers, let done = unsafe done
    else { return nap(until: soon) }
    unsafe done.pointee.store(0, ordering: .relaxed)
    for group in 0..<groups {
      let first = group * (Sleepers.capacity + 1)
      let words = min(Sleepers.capacity, count - group * Sleepers.capacity)
      unsafe entries[first + words] = czinc_sleep_on(done, 0)
      unsafe sleepers[group] = unsafe Sleeper(
        entries: entries + first, count: UInt32(words + 1), wakeUp: wakeUp, done: done)
    }
    var started = 1
    while started < groups {
      let isStarted = unsafe czinc_thread_start(
        &sleepers[started].thread,
        { sleeper in
          _ = unsafe sleeper?.assumingMemoryBound(to: Sleeper.self).pointee.sleep()
          return nil
        }, &sleepers[started])
      if isStarted < 0 { break }
      started += 1
    }
    // No thread to be had: look up often.
    if started < groups { unsafe sleepers[0].wakeUp = soon }
    let result = unsafe sleepers[0].sleep()
    for i in 1..<started { unsafe czinc_thread_join(sleepers[i].thread) }
    return Notification.isExpected(result) ? result : nap(until: soon)
  }

  /// Where the system can't do that: looks a thousand times a second.
  private func nap(until soon: UInt64) -> Int32 {
    let now = czinc_monotonic()
    if now < soon { czinc_sleep(soon - now) }
    return -ETIMEDOUT
  }
}

/// One thread's share of a sleep.
@safe private struct Sleeper {
  let entries: UnsafeMutablePointer<czinc_sleep_entry>
  let count: UInt32
  var wakeUp: UInt64
  let done: UnsafeMutablePointer<Atomic<UInt32>>
  var thread = czinc_thread()

  /// Whoever wakes first, or can't sleep, wakes the others.
  func sleep() -> Int32 {
    let result = unsafe czinc_futex_wait_many(entries, count, wakeUp)
    unsafe done.pointee.store(1, ordering: .sequentiallyConsistent)  // done
    unsafe czinc_futex_wake(done)  // done
    return result
  }
}
