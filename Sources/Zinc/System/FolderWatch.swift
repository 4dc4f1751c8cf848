internal import CZinc

/// Sleeps until something comes into the folder of regions. What came since `init` is not missed:
/// who looks for a name after that, and sleeps only then, finds it or is woken.
///
/// The system gives a user a limited number of watches (`fs.inotify.max_user_instances`), and some
/// sandboxes none: then it wakes a hundred times a second, and its owner looks.
@safe struct FolderWatch: ~Copyable {
  private static let interval: UInt64 = 10_000_000
  /// A signal that came just before the system call, and a folder that is filled from outside of
  /// what this kernel sees, would else be missed for ever.
  private static let longest: UInt64 = 1_000_000_000

  private let queue: Descriptor?

  /// Lives inside the gate.
  init() { queue = try? unsafe Descriptor.watch(of: SharedFolder.path) }

  /// Calls `body` outside of the gate; a child that is forked meanwhile has no watch.
  func outside<Value>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
    try ForkGate.outside(with: raw, body)
  }

  private var raw: Int32 {
    switch queue {
    case .some(let queue): queue.raw
    case .none: -1  // Which nobody can close.
    }
  }

  /// Sleeps until something came, or at most until `deadline`; true if a signal may have come.
  func sleep(until deadline: UInt64) -> Bool {
    let now = czinc_monotonic()
    guard now < deadline else { return false }
    let isShort = deadline - now <= (raw < 0 ? FolderWatch.interval : FolderWatch.longest)
    guard raw >= 0 else {
      czinc_sleep(isShort ? deadline - now : FolderWatch.interval)
      return !isShort
    }
    let result = czinc_sleep_until_readable(raw, isShort ? deadline - now : FolderWatch.longest)
    guard result > 0 else { return result == -EINTR || !isShort }
    // What came says no more than that it is time to look; what is not read now wakes again.
    czinc_watch_drain(raw)
    return false
  }
}
