internal import CZinc

/// A control group that this process is in, or one above it (cgroups(7)).
@safe struct ControlGroup {
  /// Of version 2, which has one hierarchy for all controllers.
  let isUnified: Bool
  private let root: StaticString
  private let path: UnsafePointer<CChar>
  private let length: Int32

  /// Calls `body` with this process's group and each above it that `controller` may have, up
  /// to the root; of version 1, those of its own hierarchy.
  static func forEach(
    controller: StaticString, _ body: (borrowing ControlGroup) -> Void
  ) {
    // A line a hierarchy, `number:controllers:path`; the unified one has no controllers.
    let hierarchies = unsafe TextFile(StaticString("/proc/self/cgroup").cString)
    unsafe hierarchies.forEachLine { line in
      guard let first = unsafe strchr(line, colon), let second = unsafe strchr(first + 1, colon)
      else { return }
      unsafe second.pointee = 0
      let isUnified = unsafe second == first + 1
      guard unsafe isUnified || strstr(first + 1, controller.cString) != nil else { return }
      let root: StaticString =
        isUnified
        ? "/sys/fs/cgroup"
        : unsafe strcmp(controller.cString, StaticString("memory").cString) == 0
          ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup/cpuset"
      let path = unsafe second + 1
      var length = unsafe Int32(strlen(path))
      while true {
        unsafe body(ControlGroup(isUnified: isUnified, root: root, path: path, length: length))
        if length <= 0 { break }
        repeat { length -= 1 } while unsafe length > 0 && path[Int(length)] != slash
      }
    }
  }

  private static let colon = Int32(UInt8(ascii: ":"))
  private static let slash = CChar(bitPattern: UInt8(ascii: "/"))

  /// One of the group's files; `name` begins with a slash.
  func file(_ name: StaticString) -> TextFile {
    var place = InlineArray<4400, CChar>(repeating: 0)
    var span = place.mutableSpan
    return unsafe span.withUnsafeMutableBufferPointer {
      guard let start = $0.baseAddress else { return unsafe TextFile(root.cString) }
      unsafe czinc_join(start, UInt($0.count), root.cString, path, length, name.cString)
      return unsafe TextFile(start)
    }
  }
}
