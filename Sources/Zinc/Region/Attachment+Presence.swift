internal import CZinc

// Who else is there. Attached means holding a shared lock through a description of one's own (see
// `RegionName`), so the kernel knows, however they end: who asks it through one description is told
// of the locks of all others.
//
// But a forked child shares its parent's description, and with it the one lock. So whoever asks
// after a fork first takes a new description, which the child does not have, in the place of the
// old one: the number stays, the region is never without a lock, and if the child still has the
// old one, that one's lock is now another's.
extension Attachment {
  /// Is no other handle attached, of this process or another, and no forked child?
  static func isAlone(_ handle: Handle) throws(Failure) -> Bool {
    try AttachedHandles.locked { () throws(Failure) -> Bool in
      if unsafe handle.pointee.isAnonymous { throw noRecord }
      try unsafe handle.pointee.takeDescriptionOfItsOwn()
      return try unsafe handle.pointee.askAlone()
    }
  }

  private static var noRecord: Failure {
    Failure(EINVAL, "a region without a name has no record of who uses it")
  }

  private func askAlone() throws(Failure) -> Bool {
    switch descriptor {
    case .some(let descriptor): try descriptor.lockOfOthers(.attached) == .none
    case .none: false  // heldDescriptor has thrown
    }
  }

  /// Has a description that no child has which was forked before. Among `AttachedHandles.locked`.
  mutating func takeDescriptionOfItsOwn() throws(Failure) {
    _ = try heldDescriptor()
    if descriptionEpoch == ForkGate.epoch { return }
    switch descriptor {
    case .some(let old):
      let new = try description(insteadOf: old)
      guard try new.tryLock(.attached, exclusive: false) else {
        throw Failure(EBUSY, "another process keeps a lock on the region's file")
      }
      try old.lead(to: new)
      descriptionEpoch = ForkGate.epoch
    case .none: break
    }
  }

  /// By its name, where there is no /proc, or this user may no longer open what it has open.
  func description(insteadOf old: borrowing Descriptor) throws(Failure) -> Descriptor {
    do throws(Failure) {
      return try old.anew()
    } catch {
      guard let named = try named(), named.isWritable == old.isWritable,
        file.isIn(try named.status())
      else { throw error }
      return named
    }
  }

  /// What its name leads to, if it leads to something.
  private func named() throws(Failure) -> Descriptor? {
    switch path {
    case .some(let path): try RegionName.open(path, orReadonly: true)
    case .none: nil
    }
  }

  /// How often a wait looks who is there: within twice that it knows of the last one's end.
  private static let interval: UInt64 = 25_000_000
  private static let patience: UInt64 = 1_000_000_000

  /// As the notification's own wait, past `last` or what was seen; nil as soon as nobody else is
  /// attached. News come first: those of who has gone since, too.
  ///
  /// Nothing in the kernel wakes whoever would like to know, but for a lock that is waited for in
  /// a thread of its own, which nothing can end. So this looks, a system call or two each time.
  static func waitUntilAlone(
    _ handle: Handle, past last: UInt32?, _ options: Notification.WaitOptions, deadline: UInt64
  ) throws(Failure) -> Notification.WaitResult? {
    guard unsafe handle.pointee.notification.waits.count() else { return .closed }
    defer { unsafe handle.pointee.notification.waits.uncount() }
    if unsafe handle.pointee.isAnonymous { throw noRecord }
    var how = options
    var result = unsafe wait(handle, past: last, how, deadline: 0)
    let end = czinc_monotonic() + patience
    while result == .timedOut {
      if try unsafe isAlone(handle) {
        result = unsafe wait(handle, past: last, how, deadline: 0)
        return result == .timedOut ? nil : result
      }
      let now = czinc_monotonic()
      if now >= deadline { return .timedOut }
      // A signal may have come just before one of the naps.
      if now >= end && options.contains(.interruptible) { return .interrupted }
      result = unsafe wait(handle, past: last, how, deadline: min(deadline, now + interval))
      how.insert(.sleep)
    }
    return result
  }

  private static func wait(
    _ handle: Handle, past last: UInt32?, _ how: Notification.WaitOptions, deadline: UInt64
  ) -> Notification.WaitResult {
    if let last {
      return unsafe handle.pointee.notification.wait(past: last, how, deadline: deadline)
    }
    return unsafe handle.pointee.notification.wait(how) { deadline }
  }
}
