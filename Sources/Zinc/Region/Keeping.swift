internal import CZinc
internal import Synchronization

/// Two words of a region's header that let it outlive its last user: without users it is alive
/// while there are tickets and the time lies ahead (`RegionFile.isKept`).
///
///     keptUntil  ns of CLOCK_BOOTTIME; only ever moves on
///     tickets    how many may still come for it
///
/// Who takes a ticket moves the time on first, who gives one back only subtracts: whoever is killed
/// in between leaves a region that is kept for longer, never for shorter. Whoever takes one is
/// attached, so nobody finds the region dead meanwhile; the release of its lock, a system call,
/// orders both words before the look of who locks it next.
@safe struct Keeping {
  let keptUntil: UnsafeMutablePointer<Atomic<UInt64>>
  let tickets: UnsafeMutablePointer<Atomic<UInt32>>

  /// Adds a ticket, and moves the time on to `lease` nanoseconds from now, unless it is later.
  func take(lease: UInt64) {
    let (sum, isTooLate) = czinc_boot().addingReportingOverflow(lease)
    let wanted = isTooLate ? .max : sum
    // Not `Atomic.max`, which compares as if it had a sign.
    var found = unsafe keptUntil.pointee.load(ordering: .relaxed)
    while found < wanted {
      let (isExchanged, original) = unsafe keptUntil.pointee.compareExchange(
        expected: found, desired: wanted, ordering: .sequentiallyConsistent)
      if isExchanged { break }
      found = original
    }
    // A count at its end stays there: what wrapped would say that nobody comes.
    change { $0 == .max ? nil : $0 + 1 }
  }

  /// Takes a ticket away, unless there is none.
  func giveBack() { change { $0 == 0 ? nil : $0 - 1 } }

  /// May somebody still come for it? Even after the time, which may be moved on.
  var isAwaited: Bool { unsafe tickets.pointee.load(ordering: .sequentiallyConsistent) != 0 }

  private func change(_ next: (UInt32) -> UInt32?) {
    var found = unsafe tickets.pointee.load(ordering: .relaxed)
    while let wanted = next(found) {
      let (isExchanged, original) = unsafe tickets.pointee.compareExchange(
        expected: found, desired: wanted, ordering: .sequentiallyConsistent)
      if isExchanged { return }
      found = original
    }
  }
}
