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
    unsafe czinc_space(SharedFolder.path.cString, &free, &total)
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
    // A line a hierarchy, `number:controllers:path`; the unified one has no controllers.
    let hierarchies = unsafe TextFile(StaticString("/proc/self/cgroup").cString)
    unsafe hierarchies.forEachLine { line in
      guard let first = unsafe strchr(line, colon), let second = unsafe strchr(first + 1, colon)
      else { return }
      unsafe second.pointee = 0
      let isUnified = unsafe second == first + 1
      guard unsafe isUnified || strstr(first + 1, StaticString("memory").cString) != nil else {
        return
      }
      let group = unsafe second + 1
      var length = unsafe Int32(strlen(group))
      while true {
        unsafe least = min(least, left(in: group, length, isUnified))
        if length <= 0 { break }
        repeat { length -= 1 } while unsafe length > 0 && group[Int(length)] != slash
      }
    }
    return least
  }

  private static let colon = Int32(UInt8(ascii: ":"))
  private static let slash = CChar(bitPattern: UInt8(ascii: "/"))

  /// What a group may still take: its limit less what it holds, but for the page cache,
  /// which the kernel gives back before it kills.
  private static func left(in group: UnsafePointer<CChar>, _ length: Int32, _ isUnified: Bool)
    -> UInt64
  {
    func file(_ name: StaticString) -> TextFile {
      let root: StaticString = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
      var path = InlineArray<4400, CChar>(repeating: 0)
      var span = path.mutableSpan
      return unsafe span.withUnsafeMutableBufferPointer {
        guard let start = $0.baseAddress else { return unsafe TextFile(root.cString) }
        unsafe czinc_join(start, UInt($0.count), root.cString, group, length, name.cString)
        return unsafe TextFile(start)
      }
    }
    let limit = file(isUnified ? "/memory.max" : "/memory.limit_in_bytes").number(after: "")
    let usage = file(isUnified ? "/memory.current" : "/memory.usage_in_bytes").number(after: "")
    guard let limit, let usage else { return .max }
    let statistics = file("/memory.stat")
    let inactive = statistics.number(after: isUnified ? "inactive_file " : "total_inactive_file ")
    let active = statistics.number(after: isUnified ? "active_file " : "total_active_file ")
    let held = usage - min(usage, (inactive ?? 0) &+ (active ?? 0))
    return limit - min(limit, held)
  }
}

/// The start of a small file; empty where it can't be read.
@safe private struct TextFile: ~Copyable {
  private static let longest = 8192
  private let start: UnsafeMutablePointer<CChar>

  init(_ path: UnsafePointer<CChar>) {
    unsafe start = .allocate(capacity: TextFile.longest)
    var count: Int64 = 0
    if let file = try? unsafe Descriptor(opening: path, O_RDONLY) {
      count = unsafe max(0, czinc_pread(file.raw, start, UInt(TextFile.longest - 1), 0))
    }
    unsafe start[Int(count)] = 0
  }

  deinit { unsafe start.deallocate() }

  /// The number that stands at the start of a line after `key` and spaces.
  func number(after key: StaticString) -> UInt64? {
    var result: UInt64?
    unsafe forEachLine { line in
      guard result == nil, unsafe strncmp(line, key.cString, key.utf8CodeUnitCount) == 0 else {
        return
      }
      var value: UInt64 = 0
      if unsafe czinc_number(line + key.utf8CodeUnitCount, &value) != 0 { result = value }
    }
    return result
  }

  /// Each line as a C string, for as long as the call lasts.
  func forEachLine(_ body: (UnsafeMutablePointer<CChar>) -> Void) {
    let newline = UInt8(ascii: "\n")
    var line = unsafe start
    while unsafe line.pointee != 0 {
      let end = unsafe strchr(line, Int32(newline))
      if let end = unsafe end { unsafe end.pointee = 0 }
      unsafe body(line)
      guard let end = unsafe end else { break }
      unsafe end.pointee = CChar(bitPattern: newline)
      unsafe line = end + 1
    }
  }
}
