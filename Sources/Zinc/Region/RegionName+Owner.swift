internal import CZinc

// Regions that are objects of a store. Such a one is called like its store, with a dash and sixteen
// digits behind, and has the store's id in its header (`Header.owner`): while it does, it lasts as
// long as the store is there, whoever is attached to it.
//
// That the store is there means that its name leads to the region of that id. An id never comes
// back, so a store that is gone stays gone. But one whose users were killed is still there until
// somebody removes it, and may be opened until then by who has seen its last user alive. So who would
// know first tries to remove the store, under that one's own lock, and looks only then.
extension RegionName {
  /// Is the store of this id, which has the object of this path, gone for good? One that is dead is
  /// only once it is removed: that does this, if it `removes`.
  static func isGone(_ id: UInt64, of object: borrowing RegionPath, removes: Bool) -> Bool {
    guard let store = try? object.store() else { return true }
    if removes { _ = try? tryReclaim(store) }  // o1
    ForkGate.enter()
    defer { ForkGate.leave() }
    return !leads(store, to: id)  // o2
  }

  /// Is it there still, dead or not? Removes nothing. Inside the gate.
  static func isThere(_ id: UInt64, of object: borrowing RegionPath) -> Bool {
    guard let store = try? object.store() else { return false }
    return leads(store, to: id)
  }

  /// Does the name lead to the region of this id, for all that this user can see? Inside the gate.
  private static func leads(_ path: borrowing RegionPath, to id: UInt64) -> Bool {
    do throws(Failure) {
      guard let found = try open(path, orReadonly: true) else { return false }
      return try RegionFile.headerOfAnyLayout(of: found, try found.status()).id == id
    } catch {
      // What is no region is not the store either.
      return error.code != EBADMSG
    }
  }

  /// Does somebody have the object of a store, or is about to: would it stay without the store?
  static func isInUse(_ path: borrowing RegionPath, by store: UInt64) throws(Failure) -> Bool {
    try ForkGate.inside { () throws(Failure) in
      guard let object = try open(path, orReadonly: true) else { return false }
      let header = try RegionFile.headerOfAnyLayout(of: object, try object.status())
      if RegionFile.outlivesItsUsers(header, after: store) { return true }
      return try object.lockOfOthers(.attached) != .none
    }
  }

  /// Removes the objects of the store of this name and id, which is gone, but those that somebody has
  /// or waits for.
  static func reclaimObjects(of store: borrowing RegionPath, _ id: UInt64) {
    unsafe names().visit { name in
      guard unsafe store.hasObject(name), let path = try? unsafe RegionPath(name) else { return }
      _ = try? tryReclaim(path, after: id)
    }
  }
}
