internal import CZinc
internal import Synchronization

/// How large the system's huge pages are (transparent ones; admin-guide/mm/transhuge).
enum HugePages {
  private static let unknown: UInt64 = .max
  private static let found = Atomic<UInt64>(unknown)

  /// Bytes; 0 where there are none, and until `find` has been called.
  static var size: Int {
    let now = found.load(ordering: .relaxed)
    return now == unknown ? 0 : Int(clamping: now)
  }

  /// Finds out, once. Not inside the gate.
  static func find() {
    guard found.load(ordering: .relaxed) == unknown else { return }
    let path: StaticString = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
    let file = unsafe TextFile(path.cString)
    found.store(file.number(after: "") ?? 0, ordering: .relaxed)
  }
}
