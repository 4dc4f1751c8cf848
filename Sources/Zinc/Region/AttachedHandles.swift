internal import CZinc
internal import Synchronization

/// All handles of this process: the attached ones in a list, so that an orderly exit leaves
/// no dead names behind, and the memory of closed ones.
///
/// A handle is detached once, by whoever takes it; others who would detach it wait until that
/// is done, so nobody frees what somebody else still works on.
///
/// A closed handle's memory is handed on to a new one, after others, and never given back: a
/// wait that another thread had begun as it was closed finds it closed, and not gone.
///
/// The lock is taken inside the `ForkGate` alone, so no child inherits it taken.
enum AttachedHandles {
  @safe struct Links {
    // With raw values, since else Swift derives hashing, and its random seed, into the library.
    enum State: UInt32 { case attached, taken, detached, closed }
    var state = State.attached
    /// The `ForkGate.generation` in which it was taken: by a thread that a child does not have.
    var generation: UInt32 = 0
    var next: Attachment.Handle?
    var previous: Attachment.Handle?
  }

  private static let isLocked = Atomic<Bool>(false)
  // Guarded by `isLocked`. The attached ones; the closed ones, the oldest first.
  private nonisolated(unsafe) static var first: Attachment.Handle?
  private nonisolated(unsafe) static var oldest: Attachment.Handle?
  private nonisolated(unsafe) static var newest: Attachment.Handle?
  private nonisolated(unsafe) static var closedCount = 0
  /// Of this generation.
  private nonisolated(unsafe) static var takenCount = 0
  private nonisolated(unsafe) static var takenGeneration: UInt32 = 0

  /// So many closed handles are kept before one is used again.
  private static let quarantine = 64

  /// The memory of a handle that was closed long ago; nil if there is none.
  fileprivate static func reuse() -> Attachment.Handle? {
    lock()
    defer { unlock() }
    guard unsafe closedCount > quarantine, let handle = unsafe oldest else { return nil }
    unsafe oldest = unsafe handle.pointee.links.next
    unsafe closedCount -= 1
    unsafe handle.pointee.links.state = .detached
    return unsafe handle
  }

  /// Inside the gate, in which the handle was made.
  static func insert(_ handle: Attachment.Handle) {
    lock()
    defer { unlock() }
    unsafe handle.pointee.links.next = unsafe first
    if let first = unsafe first { unsafe first.pointee.links.previous = unsafe handle }
    unsafe first = unsafe handle
  }

  /// Takes a handle, to detach it: is it the caller's now? Of several one is told yes.
  static func take(_ handle: Attachment.Handle) -> Bool {
    locked { unsafe takeLocked(handle) }
  }

  /// Whoever took it is done.
  static func finish(_ handle: Attachment.Handle) {
    locked {
      unsafe handle.pointee.links.state = .detached
      unsafe takenCount -= 1
    }
  }

  /// Is whoever took it done? A forked child's parent is, for the child.
  static func isFinished(_ handle: Attachment.Handle) -> Bool {
    locked {
      let links = unsafe handle.pointee.links
      if case .taken = links.state { return links.generation != ForkGate.generation }
      return true
    }
  }

  /// Keeps the memory of a closed handle, for a new one; once, should it be closed twice.
  static func retire(_ handle: Attachment.Handle) {
    ForkGate.enter()
    unsafe keep(handle)
    ForkGate.leave()
  }

  fileprivate static func keep(_ handle: Attachment.Handle) {
    lock()
    defer { unlock() }
    if case .closed = unsafe handle.pointee.links.state { return }
    unsafe handle.pointee.links = Links(state: .closed)
    if unsafe closedCount == 0 {
      unsafe oldest = unsafe handle
    } else {
      unsafe newest?.pointee.links.next = unsafe handle
    }
    unsafe newest = unsafe handle
    unsafe closedCount += 1
  }

  /// At exit. The mappings stay: other threads may still be at work on them. Waits for
  /// threads that are just detaching, but not for ever: one may be what exit interrupted.
  static func detachAll() {
    while let handle = unsafe takeFirst() { unsafe Attachment.release(handle) }
    var patience = Patience()
    while isAnyTaken(), (try? patience.pauseOrThrow()) != nil {}
  }

  private static func takeFirst() -> Attachment.Handle? {
    unsafe locked {
      guard let handle = unsafe first else { return nil }
      return unsafe takeLocked(handle) ? handle : nil
    }
  }

  private static func isAnyTaken() -> Bool {
    locked { unsafe takenGeneration == ForkGate.generation && takenCount > 0 }
  }

  @inline(never)
  private static func takeLocked(_ handle: Attachment.Handle) -> Bool {
    let links = unsafe handle.pointee.links
    guard case .attached = links.state else { return false }
    if let next = unsafe links.next { unsafe next.pointee.links.previous = unsafe links.previous }
    if let previous = unsafe links.previous {
      unsafe previous.pointee.links.next = unsafe links.next
    } else if unsafe first == handle {
      unsafe first = unsafe links.next
    }
    let generation = ForkGate.generation
    if unsafe takenGeneration != generation {
      unsafe takenGeneration = generation
      unsafe takenCount = 0
    }
    unsafe takenCount += 1
    unsafe handle.pointee.links = Links(state: .taken, generation: generation)
    // Now, since a child that is forked from here on takes it for detached.
    unsafe handle.pointee.closeDescriptors()
    return true
  }

  /// Calls `body` while nobody is forked, and no handle of this process detached.
  static func locked<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure)
    -> Value
  {
    ForkGate.enter()
    lock()
    defer {
      unlock()
      ForkGate.leave()
    }
    return try body()
  }

  @inline(never)
  private static func lock() {
    poll { !isLocked.exchange(true, ordering: .acquiring) }
  }

  private static func unlock() { isLocked.store(false, ordering: .releasing) }
}

/// Memory for a handle that is still to be made.
@safe struct HandleMemory: ~Copyable {
  private let place: Attachment.Handle
  private let isUsed: Bool
  private var isHeld = false

  /// Lives inside the gate.
  @inline(never)
  init() throws(Failure) {
    if let place = unsafe AttachedHandles.reuse() {
      unsafe self.place = unsafe place
      isUsed = true
    } else {
      unsafe place = try allocate(UInt(MemoryLayout<Attachment>.stride))
        .assumingMemoryBound(to: Attachment.self)
      isUsed = false
    }
  }

  deinit {
    if isHeld { return }
    if isUsed { unsafe AttachedHandles.keep(place) } else { unsafe czinc_free(place) }
  }

  consuming func hold(_ attachment: consuming Attachment) -> Attachment.Handle {
    unsafe place.initialize(to: attachment)
    isHeld = true
    return unsafe place
  }
}
