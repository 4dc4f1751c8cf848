internal import CZinc
internal import Synchronization

/// Waits for news from many handles at once: the protocol of `Notification`
/// with futex_waitv(2) in the place of futex(2). A handle may stand there twice.
@safe struct WaitSet {
  typealias Item = ZincWaitItem

  private let items: UnsafeMutableBufferPointer<Item>
  private let count: Int

  /// `items` are at least one, with handles that are not null.
  init(_ items: UnsafeMutableBufferPointer<Item>) {
    unsafe self.items = unsafe items
    count = items.count
  }

  /// Waits until there is news from one, or from all, and says where in each item's
  /// `is_new`. News are what differs from `after`; `seeing` takes it from the handles
  /// first and, at the end, lets them see what is new.
  func wait(forAll: Bool, seeing: Bool, deadline: UInt64, isInterruptible: Bool)
    -> Notification.WaitResult
  {
    for i in 0..<count {
      unsafe items[i].is_new = 0
      if seeing { unsafe items[i].after = handle(i).pointee.notification.sequenceSeen }
    }
    var begun = 0
    defer { for i in 0..<begun { unsafe handle(i).pointee.notification.waits.end() } }
    while begun < count {
      guard unsafe handle(begun).pointee.notification.waits.begin() else { return .closed }
      begun += 1
    }
    let result = wait(forAll: forAll, deadline: deadline, isInterruptible: isInterruptible)
    guard result == .notified else { return result }
    for i in 0..<count where isNew(i) { unsafe items[i].is_new = 1 }
    if seeing {
      for i in 0..<count where unsafe items[i].is_new == 1 {
        _ = unsafe handle(i).pointee.notification.tryWait()
      }
    }
    return .notified
  }

  private func wait(forAll: Bool, deadline: UInt64, isInterruptible: Bool)
    -> Notification.WaitResult
  {
    if hasNews(fromAll: forAll) { return .notified }
    if deadline == 0 { return .timedOut }
    if unsafe handle(0).pointee.notification.spin.spin(
      until: deadline, { hasNews(fromAll: forAll) })
    {
      return .notified
    }
    while true {
      for i in 0..<count where !isNew(i) { unsafe handle(i).pointee.notification.takeTicket() }
      if hasNews(fromAll: forAll) { return .notified }
      var nap = UInt64.max
      for i in 0..<count {
        if unsafe handle(i).pointee.notification.waits.isClosing { return .closed }
        nap = min(nap, unsafe handle(i).pointee.notification.longestNap)
      }
      let time = czinc_clock(CLOCK_MONOTONIC)
      if time >= deadline { return .timedOut }
      let wakeUp = min(deadline, time + nap)
      let result = sleep(until: wakeUp)
      if isInterruptible && (result == -EINTR || result == -ETIMEDOUT && wakeUp != deadline) {
        return hasNews(fromAll: forAll) ? .notified : .interrupted
      }
    }
  }

  private func handle(_ i: Int) -> Attachment.Handle {
    // Not null, says init.
    unsafe items[i].handle.unsafelyUnwrapped.assumingMemoryBound(to: Attachment.self)
  }

  private func words(_ i: Int) -> NotificationWords {
    unsafe handle(i).pointee.notification.words
  }

  private func isNew(_ i: Int) -> Bool {
    unsafe words(i).sequence.pointee.load(ordering: .sequentiallyConsistent)
      != items[i].after
  }

  private func hasNews(fromAll: Bool) -> Bool {
    for i in 0..<count where isNew(i) != fromAll { return !fromAll }
    return fromAll
  }

  /// Sleeps while no sequence moves: the caller's thread on the first words, one more
  /// thread for each 127 others, all of them also on `done`, which the first to wake sets.
  private func sleep(until wakeUp: UInt64) -> Int32 {
    let groups = (count + Sleeper.capacity - 1) / Sleeper.capacity
    let done = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)
    let entries = UnsafeMutablePointer<futex_waitv>.allocate(capacity: count + groups)
    let sleepers = UnsafeMutablePointer<Sleeper>.allocate(capacity: groups)
    defer {
      unsafe done.deallocate()
      unsafe entries.deallocate()
      unsafe sleepers.deallocate()
    }
    unsafe done.initialize(to: Atomic(0))
    var end = unsafe entries
    for group in 0..<groups {
      let first = group * Sleeper.capacity
      let start = unsafe end
      for i in first..<min(first + Sleeper.capacity, count) {
        // One that has news, while others have not, is there for the sake of its close.
        let now = unsafe isNew(i) ? handle(i).pointee.notification.sequence : items[i].after
        unsafe end.initialize(to: czinc_futex_entry(words(i).sequence, now))
        unsafe end += 1
      }
      unsafe end.initialize(to: czinc_futex_entry(done, 0))
      unsafe end += 1
      unsafe sleepers[group] = unsafe Sleeper(
        entries: start, count: UInt32(end - start), wakeUp: wakeUp, done: done)
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
    if started < groups {
      unsafe sleepers[0].wakeUp = min(wakeUp, czinc_clock(CLOCK_MONOTONIC) + 1_000_000)
    }
    let result = unsafe sleepers[0].sleep()
    for i in 1..<started { unsafe czinc_thread_join(sleepers[i].thread) }
    return result
  }
}

/// One thread's share of a sleep.
@safe private struct Sleeper {
  /// futex_waitv takes 128 words; one is `done`.
  static let capacity = 127

  let entries: UnsafeMutablePointer<futex_waitv>
  let count: UInt32
  var wakeUp: UInt64
  let done: UnsafeMutablePointer<Atomic<UInt32>>
  var thread = pthread_t()

  func sleep() -> Int32 {
    var result = unsafe czinc_futex_wait_many(entries, count, wakeUp)
    if result == -ENOSYS || result == -EPERM {
      // Without that call, look a thousand times a second.
      let soon = min(wakeUp, czinc_clock(CLOCK_MONOTONIC) + 1_000_000)
      result = unsafe czinc_futex_wait(done, 0, soon)
    }
    unsafe done.pointee.store(1, ordering: .sequentiallyConsistent)
    unsafe czinc_futex_wake(done)
    return result
  }
}
