internal import CZinc

// Another name for a region that nobody else has, so that its memory can be used for something else.
//
// Whoever was told of its former name may come at any time, and may be anywhere in `attach`. But
// nobody is attached while the lock is exclusive; nobody is on the way with a ticket, which only
// who is attached can take; and whoever gets the lock later looks whether the name still leads
// there. So what is written from then on nobody sees who does not know the new name. Whoever is
// killed in between has left a region that nobody is attached to, by the one name or the other.
extension Attachment {
  /// Gives it another name if nobody else is attached, no forked child either, and it is kept for
  /// nobody: has it that name? EEXIST if something has it already, ENOENT if its own one is gone.
  ///
  /// No other thread may use the handle meanwhile.
  static func rename(_ handle: Handle, to path: borrowing RegionPath) throws(Failure) -> Bool {
    var new: RegionPath? = try path.copy()
    // Nobody is forked meanwhile, who would have a part in the lock.
    return try AttachedHandles.locked { () throws(Failure) in
      if unsafe handle.pointee.isAnonymous {
        throw Failure(EINVAL, "a region without a name has none to change")
      }
      let keeping = try unsafe handle.pointee.keeping()
      try unsafe handle.pointee.takeDescriptionOfItsOwn()
      guard try unsafe handle.pointee.renameAlone(to: path, unless: keeping) else { return false }
      unsafe handle.pointee.path = new.take()
      return true
    }
  }

  private func renameAlone(to new: borrowing RegionPath, unless keeping: Keeping) throws(Failure)
    -> Bool
  {
    switch descriptor {
    case .some(let lock):
      guard try lock.tryLock(.attached, exclusive: true) else { return false }  // r1
      defer { _ = try? lock.tryLock(.attached, exclusive: false) }  // r4
      if keeping.isAwaited { return false }  // r2
      guard isLinked else { throw RegionName.notFound }
      try moveName(to: new)  // r3
      return true
    case .none: return false  // heldDescriptor has thrown
    }
  }

  private func moveName(to new: borrowing RegionPath) throws(Failure) {
    switch path {
    case .some(let old): try check(unsafe czinc_rename(old.cString, new.cString), "renameat2")
    case .none: break
    }
  }
}
