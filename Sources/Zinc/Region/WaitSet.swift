internal import CZinc
internal import Synchronization

/// Waits for news from many handles at once: the protocol of `Notification` with
/// futex_waitv(2) in the place of futex(2). A handle may stand there twice.
///
///     w2  P += 1 of each that has no news
///     w3  s = S of each; enough of them with news: done
///     w4  FUTEX_WAIT on each S while it is its s, and from w2 again
///     w1  at last, and before all this: S of each, to say which of them have news
///
/// Each S is read once between w2 and w4, and that one value both decides and is what the
/// sleep compares with: read anew, it might be the very news that is waited for. Of those for
/// all of which one waits, some have news: they are there for the sake of their close.
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
  ///
  /// Others may close the handles meanwhile: none is touched before its wait has begun.
  func wait(
    forAll: Bool, seeing: Bool, _ options: Notification.WaitOptions = [], deadline: UInt64
  ) -> Notification.WaitResult {
    for i in 0..<count { unsafe items[i].is_new = 0 }
    var begun = 0
    defer { for i in 0..<begun { unsafe handle(i).pointee.notification.waits.uncount() } }
    while begun < count {
      guard unsafe handle(begun).pointee.notification.waits.count() else { return .closed }
      begun += 1
    }
    if seeing {
      for i in 0..<count {
        unsafe items[i].after = handle(i).pointee.notification.sequenceSeen
      }
    }
    let result = wait(forAll: forAll, options, deadline: deadline)
    guard result == .notified else { return result }
    for i in 0..<count where isNew(i) { unsafe items[i].is_new = 1 }
    if seeing {
      for i in 0..<count where unsafe items[i].is_new == 1 {
        _ = unsafe handle(i).pointee.notification.tryWait()
      }
    }
    return .notified
  }

  private func wait(forAll: Bool, _ options: Notification.WaitOptions, deadline: UInt64)
    -> Notification.WaitResult
  {
    if hasNews(fromAll: forAll) { return .notified }
    if deadline == 0 { return .timedOut }
    if !options.contains(.sleep),
      unsafe handle(0).pointee.notification.spin.spin(
        until: deadline, { hasNews(fromAll: forAll) })
    {
      return .notified
    }
    let sleepers = Sleepers(count)
    while true {
      for i in 0..<count where !isNew(i) {
        unsafe handle(i).pointee.notification.takeTicket()  // w2
      }
      var news = 0
      for i in 0..<count {
        let word = unsafe words(i).sequence
        let now = unsafe word.pointee.load(ordering: .sequentiallyConsistent)  // w3
        if unsafe now != items[i].after { news += 1 }
        unsafe sleepers.set(i, word, now)
      }
      if forAll ? news == count : news > 0 { return .notified }
      var nap = UInt64.max
      for i in 0..<count {
        if unsafe handle(i).pointee.notification.waits.isClosing { return .closed }
        nap = min(nap, unsafe handle(i).pointee.notification.longestNap)
      }
      let time = czinc_monotonic()
      if time >= deadline { return .timedOut }
      let wakeUp = min(deadline, time + nap)
      let result = sleepers.sleep(until: wakeUp)  // w4
      if options.contains(.interruptible)
        && (result == -EINTR || result == -ETIMEDOUT && wakeUp != deadline)
      {
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
    unsafe words(i).sequence.pointee.load(ordering: .acquiring) != items[i].after  // w1
  }

  private func hasNews(fromAll: Bool) -> Bool {
    for i in 0..<count where isNew(i) != fromAll { return !fromAll }
    return fromAll
  }
}
