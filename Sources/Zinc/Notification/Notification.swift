internal import CZinc
internal import Synchronization

// The protocol, which loses no notification and strands no sleeper whoever is killed
// wherever. S, P and W are the three words sequence, parked and woken.
//
//     notify                               wait, with `last` as what it has seen
//     n1  p = P as n3 last found it        w1  if S != last: done
//     n2  S += 1                           w2  P += 1            take a ticket
//     n3  if P != W:                       w3  if S != last: done
//     n4    FUTEX_WAKE all on S            w4  FUTEX_WAIT on S while it is `last`
//     n5    W = p                              and from w1 again
//
// n2 before n3 and w2 before w3, all four sequentially consistent: either the
// notifier sees the ticket or the waiter the new sequence. n1 before n2, which is a
// release: W says of a ticket that it was answered only if it was taken before the
// sequence moved, so a waiter that took its ticket later, and saw the old sequence, is
// still unanswered. n5 after n4, a release too, since the system call orders nothing: a
// notifier killed before the wake leaves the difference for the next. A waiter that is
// killed leaves one too, which costs two needless wakes. All wrap.
//
// n1 is an older P than it might be, which costs a needless wake after one that was
// needed. But a load from this line before the add would fetch the line twice, once to
// read and once to own it: 1.4 instead of 1.0 times the bare traffic.
//
// tests/model searches every interleaving and reordering of this, and finds what breaks when
// any of these orders is weaker. It is read out of here: each line that is a step says which.
/// Three words of shared memory that tell processes of something new, wherever they lie:
///
///     sequence  how many notifications there were; the futex word
///     parked    tickets: how often a waiter has gone to sleep
///     woken     the tickets that a notifier has answered
@safe struct NotificationWords {
  let sequence: UnsafeMutablePointer<Atomic<UInt32>>
  let parked: UnsafeMutablePointer<Atomic<UInt32>>
  let woken: UnsafeMutablePointer<Atomic<UInt32>>
}

/// One party's end of the protocol: the words, and what it remembers of them.
@safe struct Notification: ~Copyable {
  let words: NotificationWords
  /// May write the words: notify, and take tickets.
  let canNotify: Bool
  /// Some can't take tickets: each notification wakes.
  let wakesAlways: Bool

  /// The sequence that was seen last.
  private let seen = Atomic<UInt32>(0)
  /// Where `EventDescriptors` has this party's, if it was asked for one; else 0.
  private let event = Atomic<UInt>(0)
  /// How many tickets the last notification from here found.
  private let ticketsFound = Atomic<UInt32>(0)
  let waits = WaitsInFlight()
  let spin = SpinBudget()

  init(_ words: NotificationWords, canNotify: Bool, wakesAlways: Bool) {
    self.words = words
    self.canNotify = canNotify
    self.wakesAlways = wakesAlways
  }

  /// Tells everybody that there is something new. Returns the new sequence.
  ///
  /// Sequentially consistent includes release: it pairs with the loads in `sequence`
  /// and `sleep`, so whoever sees the new sequence sees what was written before.
  @inline(__always)
  func notify() -> UInt32 {
    guard canNotify else { return 0 }
    let words = words  // Now: the add lets nothing begin before it is done.
    let answered = ticketsFound.load(ordering: .relaxed)  // n1
    let sequence = unsafe words.sequence.pointee.wrappingAdd(
      1, ordering: .sequentiallyConsistent  // n2
    ).newValue
    let tickets = unsafe words.parked.pointee.load(ordering: .sequentiallyConsistent)  // n3
    ticketsFound.store(tickets, ordering: .relaxed)
    if unsafe wakesAlways || tickets != words.woken.pointee.load(ordering: .relaxed) {  // n3w
      wake(answering: answered)
    }
    return sequence
  }

  @inline(never)
  private func wake(answering tickets: UInt32) {
    wakeSleepers()  // n4
    unsafe words.woken.pointee.store(tickets, ordering: .releasing)  // n5
  }

  private func wakeSleepers() { unsafe czinc_futex_wake(words.sequence) }

  /// Acquires: pairs with the add in `notify`.
  @inline(__always)
  var sequence: UInt32 { unsafe words.sequence.pointee.load(ordering: .acquiring) }  // w1

  /// What a wait compares with.
  @inline(__always)
  var sequenceSeen: UInt32 { seen.load(ordering: .relaxed) }

  /// Is there something that was not seen here? It is now.
  @inline(__always)
  func tryWait() -> Bool {
    let now = sequence
    let isNew = now != sequenceSeen
    if isNew { seen.store(now, ordering: .relaxed) }
    settleEvent()
    return isNew
  }

  /// After each look, one that found nothing too: that is how a descriptor becomes right that
  /// somebody found readable just as another thread saw the news.
  @inline(__always)
  private func settleEvent() {
    if event.load(ordering: .relaxed) != 0 {
      EventDescriptors.settle(at: event) { sequenceSeen }
    }
  }

  /// A descriptor that is readable exactly while `tryWait` would say yes, until `closeEvent`.
  func eventDescriptor() throws(Failure) -> Int32 {
    guard waits.count() else { throw Failure(EINVAL, "the region is closed") }
    defer { waits.uncount() }
    return try EventDescriptors.descriptor(
      at: event,
      unsafe EventDescriptors.Event(
        words: words, canNotify: canNotify, longestNap: longestNap, seen: 0, descriptor: -1)
    ) { sequenceSeen }
  }

  /// After `endWaits`, when nobody makes one any more.
  func closeEvent() {
    if event.load(ordering: .relaxed) != 0 { EventDescriptors.remove(at: event) }
  }

  enum WaitResult: Int32 {
    case notified = 0
    case timedOut = -110
    case closed = -125
    case interrupted = -4
  }

  /// What a wait may be asked for beside its deadline.
  struct WaitOptions: OptionSet {
    let rawValue: UInt32
    // The values are those of zinc.h.
    static let interruptible = WaitOptions(rawValue: 2)
    /// Sleeps at once, and does not spin first.
    static let sleep = WaitOptions(rawValue: 4)
    /// For who knows who else is there; the protocol does not.
    static let untilAlone = WaitOptions(rawValue: 8)
  }

  /// Waits until the sequence is not what was seen here, and sees it.
  ///
  /// `deadline` is a time of CLOCK_MONOTONIC in nanoseconds, asked for only if there is
  /// nothing new yet; 0 only looks, UInt64.max waits for ever. Another thread may close
  /// what this belongs to at any time: nothing of it is touched before `begin` says that it
  /// is open, nor after `end`.
  @inline(__always)
  func wait(_ options: WaitOptions = [], deadline: () -> UInt64) -> WaitResult {
    // A hint, which touches nothing: the word is under way while this wait is counted.
    unsafe czinc_prefetch(words.sequence)
    let place = waits.begin()
    if case .none = place { return .closed }
    defer { waits.end(place) }
    if tryWait() { return .notified }
    let result = lookAndSleep(past: sequenceSeen, options, deadline: deadline())
    if result == .notified {
      seen.store(sequence, ordering: .relaxed)
      settleEvent()
    }
    return result
  }

  /// Waits until the sequence is not `last`; otherwise the same.
  func wait(past last: UInt32, _ options: WaitOptions = [], deadline: UInt64) -> WaitResult {
    unsafe czinc_prefetch(words.sequence)
    let place = waits.begin()
    if case .none = place { return .closed }
    defer { waits.end(place) }
    if sequence != last { return .notified }
    return lookAndSleep(past: last, options, deadline: deadline)
  }

  private func lookAndSleep(past last: UInt32, _ options: WaitOptions, deadline: UInt64)
    -> WaitResult
  {
    if deadline == 0 { return .timedOut }
    if !options.contains(.sleep) && spin.spin(until: deadline, { sequence != last }) {
      return .notified
    }
    return sleep(past: last, options, deadline: deadline)
  }

  private func sleep(past last: UInt32, _ options: WaitOptions, deadline: UInt64) -> WaitResult {
    while true {
      takeTicket()  // w2
      let now = unsafe words.sequence.pointee.load(ordering: .sequentiallyConsistent)  // w3
      if now != last { return .notified }
      if waits.isClosing { return .closed }
      let time = czinc_monotonic()
      if time >= deadline { return .timedOut }
      let wakeUp = min(deadline, time + longestNap)
      let result = unsafe czinc_futex_wait(words.sequence, last, wakeUp)  // w4
      if !Notification.isExpected(result) { czinc_sleep(min(wakeUp - time, 1_000_000)) }
      // Also at the end of a nap: a signal may have come before the system call.
      if options.contains(.interruptible)
        && (result == -EINTR || result == -ETIMEDOUT && wakeUp != deadline)
      {
        return sequence != last ? .notified : .interrupted
      }
    }
  }

  /// Is it what a futex says where it works? Filters of system calls refuse it with any
  /// number, where waiters look a thousand times a second.
  static func isExpected(_ result: Int32) -> Bool {
    result >= 0 || result == -EAGAIN || result == -ETIMEDOUT || result == -EINTR
  }

  /// Who may not write here goes without; see `longestNap`.
  func takeTicket() {
    if canNotify {
      unsafe words.parked.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // w2
    }
  }

  /// Nanoseconds. A sleeper looks up once a second, in case the notifier was killed
  /// between n2 and n4 and there is no next one; often, where nobody knows of it.
  var longestNap: UInt64 { canNotify || wakesAlways ? 1_000_000_000 : 5_000_000 }

  /// Ends the waits of other threads with `closed`.
  func endWaits() { waits.endAll { wakeSleepers() } }
}
