internal import CZinc

/// How much memory this process may still take, as the system tells.
///
/// A reservation that runs into the limit of a memory cgroup, as containers have one,
/// is not refused: the process is killed. So a large one asks here first. The files
/// are described in proc_meminfo(5) and the kernel's admin-guide/cgroup-v2 and
/// cgroup-v1/memory.
enum AvailableMemory {
  /// Throws ENOSPC if `size` bytes can't fit, into /dev/shm either if that is where
  /// they are to go.
  static func check(_ size: Int, inFolder: Bool) throws(Failure) {
    // Looking costs more than reserving little.
    if size < 16 << 20 { return }
    if inFolder {
      let (free, total) = folder()
      if total > 0 && UInt64(size) > free { throw folderIsFull(size) }
    }
    let available = min(machine(), groups())
    if UInt64(size) > available {
      throw Failure(
        ENOSPC,
        "% bytes do not fit: this machine or container has % bytes of memory to give; free some, raise its limit, or reserve nothing",
        UInt64(size), available)
    }
  }

  static func folderIsFull(_ size: Int) -> Failure {
    let (free, total) = folder()
    return Failure(
      ENOSPC,
      "% bytes do not fit: /dev/shm has % of % bytes free; free some, enlarge it (mount -o remount,size=...; docker run --shm-size=...), or reserve nothing",
      UInt64(size), free, total)
  }

  /// A tmpfs without a limit says 0 and 0.
  private static func folder() -> (free: UInt64, total: UInt64) {
    var (free, total) = (UInt64(0), UInt64(0))
    unsafe czinc_space(SharedFolder.path, &free, &total)
    return (free, total)
  }

  private static func machine() -> UInt64 {
    let file = unsafe TextFile(StaticString("/proc/meminfo").cString)
    guard let available = file.number(after: "MemAvailable:") else { return .max }
    return (available + (file.number(after: "SwapFree:") ?? 0)) << 10
  }

  /// The least that any group on the way up to the root has left.
  private static func groups() -> UInt64 {
    var least = UInt64.max
    ControlGroup.forEach(controller: "memory") { least = min(least, left(in: $0)) }
    return least
  }

  /// What a group may still take: its limit less what it holds, but for the page cache,
  /// which the kernel gives back before it kills.
  private static func left(in group: borrowing ControlGroup) -> UInt64 {
    let isUnified = group.isUnified
    let limit = group.file(isUnified ? "/memory.max" : "/memory.limit_in_bytes").number(after: "")
    let usage = group.file(isUnified ? "/memory.current" : "/memory.usage_in_bytes")
      .number(after: "")
    guard let limit, let usage else { return .max }
    let statistics = group.file("/memory.stat")
    let inactive = statistics.number(after: isUnified ? "inactive_file " : "total_inactive_file ")
    let active = statistics.number(after: isUnified ? "active_file " : "total_active_file ")
    let held = usage - min(usage, (inactive ?? 0) &+ (active ?? 0))
    return limit - min(limit, held)
  }
}
