internal import CZinc
internal import Synchronization

extension RegionName {
  /// More names than this are not looked at.
  private static let mostNames = 1000
  /// Nanoseconds: after these no further name is looked at.
  private static let longestSweep: UInt64 = 200_000

  private static let isSwept = Atomic<Bool>(false)

  /// The first time in a process, removes dead regions of whatever name: whoever was killed can't,
  /// and nobody may ever use these names again.
  ///
  /// It waits for nobody, says nothing of what goes wrong, and looks only so long; but what it
  /// finds dead it frees, which takes as long as there is memory. Where there are more names than
  /// it has time for, each process begins at another one.
  @inline(__always)
  static func sweepOnce() {
    if !isSwept.load(ordering: .relaxed) { sweep() }
  }

  @inline(never)
  private static func sweep() {
    if isSwept.exchange(true, ordering: .relaxed) { return }
    reclaimUnfinished(limit: mostNames)
    let names = names(limit: mostNames)
    if names.count == 0 { return }
    let start = czinc_monotonic()
    unsafe names.visit(from: Int(start / 1000 % UInt64(names.count))) { name in
      if let path = try? unsafe RegionPath(name) { _ = try? tryReclaim(path) }
      return czinc_monotonic() - start < longestSweep
    }
  }

  /// Where a new file has a name while it is being made (`Attachment.newFile`): removes those whose
  /// makers were killed. Who makes one locks it as if it were attached; so what nobody locks is
  /// dead, or so new that its maker finds out and makes another one. How many were removed?
  @discardableResult
  static func reclaimUnfinished(limit: Int) -> Int {
    guard czinc_names_what_is_new() != 0 else { return 0 }
    var count = 0
    unsafe SharedFolder.names(after: czinc_new_prefix(), limit: limit).visit { digits in
      var number: UInt64 = 0
      guard unsafe czinc_number(digits, &number) != 0 else { return }
      var remains: Mapping?
      ForkGate.enter()
      if let file = try? Descriptor(openingNew: number),
        (try? file.tryLock(.attached, exclusive: true)) == true  // c1
      {
        remains = try? Mapping(keeping: file)
        if czinc_discard_new(number) == 0 { count += 1 }  // c2
      }
      ForkGate.leave()
      _ = consume remains  // Outside, since it may take long.
    }
    return count
  }
}
