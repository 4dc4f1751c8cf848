internal import CZinc
internal import Synchronization

/// Are there processors for two at a time?
///
/// Of the machine, or of the container that its control group keeps to some processors; what
/// a process was pinned to (sched_setaffinity(2)) is no matter: who pins both sides of a
/// conversation gives each a processor of its own, or wants them to share one.
enum Processors {
  private static let unknown: UInt32 = 0
  private static let one: UInt32 = 1
  private static let many: UInt32 = 2
  private static let known = Atomic<UInt32>(unknown)

  /// False until `find` has been called.
  static var areMany: Bool { known.load(ordering: .relaxed) == many }

  /// Finds out, once: who attaches can afford it, who waits need not.
  static func find() {
    if known.load(ordering: .relaxed) == unknown { look() }
  }

  @inline(never)
  private static func look() {
    var count = UInt64(max(1, czinc_processors()))
    // The groups above one may have more; a file that is not there says nothing.
    ControlGroup.forEach(controller: "cpuset") { group in
      let name: StaticString = group.isUnified ? "/cpuset.cpus.effective" : "/cpuset.effective_cpus"
      if let allowed = group.file(name).countOfList() { count = min(count, allowed) }
    }
    known.store(count > 1 ? many : one, ordering: .relaxed)
  }
}
