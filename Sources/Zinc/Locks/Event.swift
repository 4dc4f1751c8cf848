internal import CZinc
internal import Synchronization

/// Set or not; who waits for it to be set also learns that it was, should it be cleared at once.
///
///     u32 state  how often it was set and cleared: odd is set
@safe struct Event {
  static let alignment = 8
  static let size = 8

  private let handle: Attachment.Handle
  private let state: UnsafeMutablePointer<Atomic<UInt32>>

  init(_ handle: Attachment.Handle, at offset: Int) throws(Failure) {
    unsafe self.handle = unsafe handle
    unsafe state = unsafe try Attachment.place(
      handle, offset, Event.size, alignment: Event.alignment
    ).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  private var now: UInt32 { unsafe state.pointee.load(ordering: .acquiring) }

  var isSet: Bool { now & 1 == 1 }

  func set() {
    if change(to: 1) { unsafe Attachment.changed(handle) }
  }

  func clear() { _ = change(to: 0) }

  /// False if it is so already.
  private func change(to wanted: UInt32) -> Bool {
    var found = now
    while found & 1 != wanted {
      let (exchanged, original) = unsafe state.pointee.compareExchange(
        expected: found, desired: found &+ 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      found = original
    }
    return false
  }

  /// Nobody has to be proved dead: one that was killed as it set it has either done so or not.
  func wait(_ options: Notification.WaitOptions, deadline: UInt64) throws(Failure) -> Int32 {
    let before = now
    if before & 1 == 1 { return 0 }
    return unsafe try Attachment.wait(handle, options, until: deadline) {
      now != before ? 0 : nil
    } sweep: {
      false
    }
  }
}
