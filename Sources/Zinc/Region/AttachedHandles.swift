internal import CZinc
internal import Synchronization

/// All handles of this process that are attached to a name, so that an orderly
/// exit leaves no dead names behind. A list through the handles themselves; being
/// in it means being attached, and who takes a handle out detaches it.
///
/// Used inside the `ForkGate` alone, so no child inherits the lock taken.
enum AttachedHandles {
  @safe struct Links {
    var next: Attachment.Handle?
    var previous: Attachment.Handle?
    var isListed = false
  }

  private static let isLocked = Atomic<Bool>(false)
  // Guarded by `isLocked`.
  private nonisolated(unsafe) static var first: Attachment.Handle?

  static func insert(_ handle: Attachment.Handle) {
    lock()
    defer { unlock() }
    unsafe handle.pointee.links = unsafe Links(next: first, previous: nil, isListed: true)
    if let first = unsafe first { unsafe first.pointee.links.previous = unsafe handle }
    unsafe first = unsafe handle
  }

  /// Was it in the list? Of several callers one is told yes.
  static func remove(_ handle: Attachment.Handle) -> Bool {
    lock()
    defer { unlock() }
    return unsafe unlink(handle)
  }

  /// At exit. The mappings stay: other threads may still be at work on them.
  static func detachAll() {
    ForkGate.enter()
    defer { ForkGate.leave() }
    while let handle = unsafe removeFirst() { unsafe handle.pointee.releaseName() }
  }

  private static func removeFirst() -> Attachment.Handle? {
    lock()
    defer { unlock() }
    guard let handle = unsafe first else { return nil }
    _ = unsafe unlink(handle)
    return unsafe handle
  }

  private static func unlink(_ handle: Attachment.Handle) -> Bool {
    let links = unsafe handle.pointee.links
    guard links.isListed else { return false }
    if let next = unsafe links.next { unsafe next.pointee.links.previous = unsafe links.previous }
    if let previous = unsafe links.previous {
      unsafe previous.pointee.links.next = unsafe links.next
    } else {
      unsafe first = unsafe links.next
    }
    unsafe handle.pointee.links = Links()
    return true
  }

  private static func lock() {
    poll { !isLocked.exchange(true, ordering: .acquiring) }
  }

  private static func unlock() { isLocked.store(false, ordering: .releasing) }
}

/// Run as the library is loaded: exit handlers run in reverse order, ours after those of
/// the program.
@section(".init_array") @used
private let atLoad: @convention(c) () -> Void = registerAtExit

@c private func registerAtExit() { _ = czinc_at_exit { AttachedHandles.detachAll() } }
