internal import CZinc
internal import Synchronization

// How all of the family but the lock itself wait: on the notifications of the region, of which each
// change is one, and with an eye on who may have died meanwhile.
extension Attachment {
  /// Nanoseconds. So long a death goes unnoticed.
  static let longestNap: UInt64 = 20_000_000

  /// Calls `attempt` until it has a result, at first and after each notification. `sweep`, at the
  /// end of a nap and before it gives up, says whether it has changed something.
  ///
  /// The result, or that of a wait: timed out, closed, interrupted.
  static func wait(
    _ handle: Handle, _ options: Notification.WaitOptions, until deadline: UInt64,
    _ attempt: () throws(Failure) -> Int32?, sweep: () throws(Failure) -> Bool
  ) throws(Failure) -> Int32 {
    unsafe try wait(
      handle, on: handle.pointee.notification, options, until: deadline, attempt, sweep: sweep)
  }

  /// The same on other words of the region. Where these are `quiet`, who changes something notifies
  /// only if there is a ticket.
  static func wait(
    _ handle: Handle, on notification: borrowing Notification, quiet: Bool = false,
    _ options: Notification.WaitOptions, until deadline: UInt64,
    _ attempt: () throws(Failure) -> Int32?, sweep: () throws(Failure) -> Bool
  ) throws(Failure) -> Int32 {
    guard unsafe handle.pointee.notification.waits.count() else {
      return Notification.WaitResult.closed.rawValue
    }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    while true {
      let seen = notification.sequence
      if let result = try attempt() { return result }
      let now = deadline == 0 ? 0 : czinc_monotonic()
      if now >= deadline {
        if try sweep() { continue }
        return Notification.WaitResult.timedOut.rawValue
      }
      if quiet {
        notification.takeTicket()
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        if let result = try attempt() { return result }
      }
      let wakeUp = min(deadline, now + longestNap)
      let result = notification.wait(past: seen, options, deadline: wakeUp)
      if unsafe handle.pointee.notification.waits.isClosing {
        return Notification.WaitResult.closed.rawValue
      }
      if result == .notified { continue }
      if result != .timedOut { return result.rawValue }
      if try sweep() { continue }
      // A signal may have come just before the nap.
      if options.contains(.interruptible) && wakeUp != deadline {
        return Notification.WaitResult.interrupted.rawValue
      }
    }
  }

  /// Tells who waits that something has changed.
  static func changed(_ handle: Handle) { _ = unsafe handle.pointee.notification.notify() }

  /// Who this handle is to others: it sits if it does not yet.
  @inline(__always)
  static func seated(_ handle: Handle) throws(Failure) -> SeatIdentity {
    let me = unsafe identity(handle)
    return me != .nobody ? me : unsafe try sit(handle)
  }
}
