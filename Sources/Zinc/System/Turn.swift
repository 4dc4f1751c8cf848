internal import Synchronization

/// Lets one thread in at a time, for what takes nanoseconds: who waits polls. A forked child does
/// not wait for a thread that only its parent has.
struct Turn: ~Copyable {
  /// The fork generation plus one of the thread that is inside; 0 for none.
  private let taker = Atomic<UInt32>(0)

  @inline(__always)
  func enter() {
    if !tryEnter(0) { wait() }
  }

  @inline(__always)
  private func tryEnter(_ found: UInt32) -> Bool {
    taker.compareExchange(
      expected: found, desired: ForkGate.generation &+ 1, successOrdering: .acquiring,
      failureOrdering: .relaxed
    ).exchanged
  }

  @inline(never)
  private func wait() {
    poll {
      let found = taker.load(ordering: .relaxed)
      return found != ForkGate.generation &+ 1 && tryEnter(found)
    }
  }

  @inline(__always)
  func leave() { taker.store(0, ordering: .releasing) }
}
