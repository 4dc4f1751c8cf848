internal import CZinc
internal import Synchronization

/// Keeps fork out of the middle of a transition.
///
/// A forked child inherits every descriptor, so one that is just being set up or taken down
/// would live on in a child that knows nothing of it, and with it its locks and memory.
/// Whatever opens and closes descriptors therefore passes this gate, any number of threads at
/// a time, and a fork waits until none is inside. So nothing that may take long stays inside:
/// no waiting for others, no code of a caller's, and what a system call needs long for happens
/// `outside`, with its descriptors noted down for the child to close. Both ways to wait here
/// are rare and short, so they poll. The word:
///
///     bit 31     a fork is under way: nobody may enter
///     bits 0-30  how many threads are inside
enum ForkGate {
  private static let forking: UInt32 = 1 << 31
  private static let word = Atomic<UInt32>(0)
  private static let forks = Atomic<UInt32>(0)
  private static let forksAsParent = Atomic<UInt32>(0)

  /// A descriptor that is not a child's, in a list that changes inside the gate alone. Lies on the
  /// stack of a thread that is `outside` with it, or with what has it for longer.
  @safe struct Note {
    let descriptor: Int32
    /// What it leads to, for one that stays open long enough for code that knows nothing of it to
    /// close it: the number may be a stranger's then, whose child keeps it.
    private let device: UInt64
    private let inode: UInt64?
    fileprivate var next: UnsafeMutablePointer<Note>?

    init(_ descriptor: Int32, of file: czinc_status? = nil) {
      self.descriptor = descriptor
      device = file?.device ?? 0
      inode = file?.inode
    }

    fileprivate func close() {
      if let inode {
        var status = czinc_status()
        guard unsafe czinc_fstat(descriptor, &status) == 0 else { return }
        guard status.inode == inode && status.device == device else { return }
      }
      _ = czinc_close(descriptor)
    }
  }
  private static let isListLocked = Atomic<Bool>(false)
  // Guarded by `isListLocked`.
  private nonisolated(unsafe) static var notes: UnsafeMutablePointer<Note>?

  /// How often this process's memory was inherited by a fork: tells what belongs
  /// to threads that a child does not have.
  static var generation: UInt32 { forks.load(ordering: .relaxed) }

  /// Changes with each fork, in parent and child: tells whose descriptors a child may have.
  static var epoch: UInt32 { forksAsParent.load(ordering: .relaxed) }

  static func inside<Value: ~Copyable>(_ body: () throws(Failure) -> Value) throws(Failure)
    -> Value
  {
    enter()
    defer { leave() }
    return try body()
  }

  /// Called inside, runs `body` outside: a child that is forked meanwhile closes `descriptor`,
  /// which must stay open here.
  static func outside<Value: ~Copyable>(
    with descriptor: Int32, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    var note = Note(descriptor)
    return try unsafe withUnsafeMutablePointer(to: &note) { (note) throws(Failure) -> Value in
      unsafe enlist(note)
      leave()
      defer {
        enter()
        unsafe strike(note)
      }
      return try body()
    }
  }

  /// From now on each child that is forked closes the note's descriptor. Inside the gate.
  static func enlist(_ note: UnsafeMutablePointer<Note>) {
    lockList()
    unsafe note.pointee.next = unsafe notes
    unsafe notes = unsafe note
    unlockList()
  }

  /// Ends that. Inside the gate of the process that has enlisted it: a child has no notes at first.
  static func strike(_ note: UnsafeMutablePointer<Note>) {
    lockList()
    defer { unlockList() }
    if unsafe notes == note {
      unsafe notes = unsafe note.pointee.next
      return
    }
    var previous = unsafe notes
    while let other = unsafe previous {
      if unsafe other.pointee.next == note {
        unsafe other.pointee.next = unsafe note.pointee.next
        return
      }
      unsafe previous = unsafe other.pointee.next
    }
  }

  @inline(never)
  private static func lockList() {
    poll { !isListLocked.exchange(true, ordering: .acquiring) }
  }

  private static func unlockList() { isListLocked.store(false, ordering: .releasing) }

  @inline(never)  // None of these is hot, and inlined everywhere they are a third of the library.
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
    forksAsParent.wrappingAdd(1, ordering: .relaxed)
  }
  private static func afterForkInParent() { word.store(0, ordering: .releasing) }
  private static func afterForkInChild() {
    forks.wrappingAdd(1, ordering: .relaxed)
    while let note = unsafe notes {
      unsafe note.pointee.close()
      unsafe notes = unsafe note.pointee.next
    }
    word.store(0, ordering: .releasing)
  }

  /// Run as the library is loaded, when no other thread can be in here yet.
  static func register() {
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
