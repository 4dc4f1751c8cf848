internal import CZinc
internal import Synchronization

/// Keeps fork out of the middle of a transition.
///
/// A forked child inherits every descriptor, so one that is just being set up or
/// taken down would live on in a child that knows nothing of it, and with it the
/// locks. Creates, opens and closes therefore pass this gate, any number at a time,
/// and a fork waits until none is inside. Both ways to wait are rare and short, so
/// they poll. The word:
///
///     bit 31     a fork is under way: nobody may enter
///     bits 0-30  how many threads are inside
enum ForkGate {
  private static let forking: UInt32 = 1 << 31
  private static let word = Atomic<UInt32>(0)
  private static let forks = Atomic<UInt32>(0)

  /// How often this process's memory was inherited by a fork: tells what belongs
  /// to threads that a child does not have.
  static var generation: UInt32 { forks.load(ordering: .relaxed) }

  static func enter() {
    change { $0 & forking == 0 ? $0 + 1 : nil }
  }

  static func leave() {
    word.wrappingSubtract(1, ordering: .releasing)
  }

  // The handlers of pthread_atfork(3). A second thread that forks waits for the first.
  private static func beforeFork() {
    change { $0 & forking == 0 ? $0 | forking : nil }
    poll { word.load(ordering: .acquiring) == forking }
  }
  private static func afterForkInParent() { word.store(0, ordering: .releasing) }
  private static func afterForkInChild() {
    forks.wrappingAdd(1, ordering: .relaxed)
    word.store(0, ordering: .releasing)
  }

  fileprivate static func register() {
    _ = czinc_at_fork(
      { ForkGate.beforeFork() }, { ForkGate.afterForkInParent() }, { ForkGate.afterForkInChild() })
  }

  /// Replaces the word by what `next` makes of it, once that is not nil.
  private static func change(_ next: (UInt32) -> UInt32?) {
    poll {
      let now = word.load(ordering: .relaxed)
      guard let next = next(now) else { return false }
      return word.weakCompareExchange(
        expected: now, desired: next, successOrdering: .acquiring, failureOrdering: .relaxed
      ).exchanged
    }
  }
}

/// Run as the library is loaded, when no other thread can be in here yet.
@section(".init_array") @used
private let atLoad: @convention(c) () -> Void = registerHandlers

@c private func registerHandlers() { ForkGate.register() }
