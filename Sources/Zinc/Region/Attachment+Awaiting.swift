internal import CZinc

extension Attachment {
  /// Attaches to a region once there is one: waits for it until `deadline`, a time of
  /// CLOCK_MONOTONIC in nanoseconds; 0 only looks, UInt64.max waits for ever. ENOENT if none came,
  /// EINTR after a signal, if that may end it, and whatever keeps it from one that is there.
  ///
  /// The watch comes before the look, and the look before the sleep: a region that is made in
  /// between has woken the sleep before it began. Regions come by linkat(2), complete; a dead one
  /// goes by the look, and its successor comes as any other.
  static func open(
    _ path: borrowing RegionPath, _ options: RegionOptions, awaiting deadline: UInt64,
    isInterruptible: Bool
  ) throws(Failure) -> Handle {
    if let handle = unsafe try openIfThere(path, options, orThrow: deadline == 0) {
      return unsafe handle
    }
    return unsafe try ForkGate.inside { () throws(Failure) in
      let watch = FolderWatch()
      return unsafe try watch.outside { () throws(Failure) in
        while true {
          let isLate = czinc_monotonic() >= deadline
          if let handle = unsafe try openIfThere(path, options, orThrow: isLate) {
            return unsafe handle
          }
          if watch.sleep(until: deadline) && isInterruptible { throw interrupted }
        }
      }
    }
  }

  /// Nil if there is none, unless that is to be thrown.
  private static func openIfThere(
    _ path: borrowing RegionPath, _ options: RegionOptions, orThrow: Bool
  ) throws(Failure) -> Handle? {
    do throws(Failure) {
      return unsafe try open(path, options)
    } catch  where error.code == ENOENT && !orThrow {
      return nil
    }
  }

  private static var interrupted: Failure {
    Failure(EINTR, "a signal came; call again with the same deadline to wait on")
  }
}
