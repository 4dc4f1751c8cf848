internal import CZinc

extension LockByte {
  /// Shared by every handle for as long as it is attached, exclusive for who removes the name.
  static var attached: LockByte { LockByte(offset: 0) }
  /// Of layouts before 4: shared by an opener from its look at `attached` until it is attached.
  fileprivate static var edge: LockByte { LockByte(offset: 1) }
}

// The life of a name. The rules: a name that can be seen leads to a complete
// region; it lasts as long as somebody is attached; nobody removes a name without
// proof, under a lock, that it is dead. A process may be killed between any two
// system calls, so no state lives outside what the kernel itself cleans up:
//
// * Attached means holding a shared lock on byte 0 through a description of the
//   handle's own (`Descriptor`). The kernel drops it with the description's last
//   descriptor, so a forked child keeps its parent's region alive. Where nobody
//   holds it and the region is neither persistent nor kept, the region is dead.
// * Mappings go through another description: they keep theirs alive, and a view
//   that outlives close must not keep the name.
// * Who removes a name first locks byte 0 exclusively, which is the proof that nobody is
//   attached and keeps everybody from attaching, and then looks whether the name still
//   leads to that very file: nobody who keeps to these rules takes it away meanwhile.
// * Who opens asks whether somebody is attached, locks byte 0 shared, and then looks whether
//   the name still leads to that file. If the last one goes in between, the opener has
//   attached before or the remover removed: the lock decides, and the loser looks again.
//
// One byte suffices, and what a stranger may do to it who can only read the file, to lock it
// shared, is no more than to be attached. Who may write it can also lock it exclusively, and
// is waited for until a `Patience` ends.
//
// All this holds for regions of any layout, so that dead ones of a zinc that is no longer in use
// go as well; before layout 4 an opener that had looked relied on a second lock.
//
// Every descriptor that locks is opened and closed inside the `ForkGate`, which these
// functions enter by themselves. Who has to wait does so outside, with nothing open.
enum RegionName {
  /// What a look at a name found.
  enum Found: Equatable {
    case nothing
    /// A region that stays, and its layout version.
    case living(UInt16)
    /// A dead region, removed; the memory that it had, in bytes.
    case removed(UInt64)
    /// A dead region that this user may not remove, and its owner.
    case dead(UInt32)
    /// Somebody is just removing it, or has locked it for another reason.
    case busy
  }

  /// Removes what the name leads to if it is a region and proved to be dead, without
  /// waiting for anybody. Leaves anything else alone; EBADMSG if it is no region. With `own`,
  /// a handle's file, it is about that alone, whatever others scribbled into its header.
  /// Of a store it removes the objects as well, unless it `leavesObjects`; that of the id `gone` is
  /// known to be gone.
  static func tryReclaim(
    _ path: borrowing RegionPath, own: RegionFile? = nil, after gone: UInt64 = 0,
    leavesObjects: Bool = false
  ) throws(Failure) -> Found {
    if let own, own.flags.contains(.persistent) { return .living(Header.version) }
    var gone = gone
    while true {
      var owner: UInt64 = 0
      let found = try tryReclaim(path, own, after: gone, &owner, leavesObjects: leavesObjects)
      // Whoever closes an object leaves it to who removes a store that is dead.
      guard case .living = found, owner != 0, owner != gone,
        isGone(owner, of: path, removes: own == nil)
      else { return found }
      gone = owner
    }
  }

  /// Takes an object from its store, and removes it if nobody has it.
  static func disown(_ path: borrowing RegionPath) throws(Failure) -> Found {
    var owner: UInt64 = 0
    return try tryReclaim(path, nil, after: 0, &owner, disowns: true)
  }

  /// The same, for an object whose store is known to be gone if it is `gone`. `owner` is the store
  /// for which it was left alone.
  @inline(never)
  private static func tryReclaim(
    _ path: borrowing RegionPath, _ own: RegionFile?, after gone: UInt64, _ owner: inout UInt64,
    disowns: Bool = false, leavesObjects: Bool = false
  ) throws(Failure) -> Found {
    var remains: Mapping?
    var store: UInt64?
    let found = try ForkGate.inside { () throws(Failure) -> Found in
      guard let object = try open(path, orReadonly: true) else { return .nothing }
      var layout = Header.version
      if own == nil {
        var header = try RegionFile.headerOfAnyLayout(of: object, try object.status())
        layout = header.version
        if disowns && header.owner != 0 {
          header.owner = 0
          try unsafe withUnsafeBytes(of: header.owner) { (zero) throws(Failure) in
            unsafe try object.write(zero, at: Header.ownerOffset)  // s6
          }
        }
        if RegionFile.outlivesItsUsers(header, after: gone) {
          owner = header.owner
          return .living(layout)
        }
      }
      var isAlone = false
      if object.isWritable { isAlone = try tryLockAlone(object, layout) }
      guard isAlone else {
        switch try object.lockOfOthers(.attached) {
        case .shared: return .living(layout)
        case .exclusive: return .busy
        case .none: return object.isWritable ? .busy : .dead(try object.status().owner)
        }
      }
      let status = try object.status()
      if let own, !own.isIn(status) { return .nothing }
      // Once more, now that nobody is attached: the last one may have asked for it meanwhile.
      if let header = try? RegionFile.headerOfAnyLayout(of: object, status) {
        if RegionFile.isKept(header, after: gone) {
          owner = header.owner
          return .living(layout)
        }
        if header.kind == Header.storeKind { store = header.id }
      }
      guard leads(path, to: status) else { return .nothing }
      if status.memory >= 16 << 20 { remains = try? Mapping(keeping: object) }
      let result = unsafe czinc_unlink(path.cString)
      if result == -EPERM || result == -EACCES || result == -EROFS { return .dead(status.owner) }
      try check(result, "unlink")
      return .removed(status.memory)
    }
    _ = consume remains  // Outside, since it may take long.
    if let store, !leavesObjects, case .removed = found { reclaimObjects(of: path, store) }
    return found
  }

  /// The same, but waits for who is just removing it.
  @inline(never)
  static func reclaim(_ path: borrowing RegionPath, own: RegionFile? = nil) throws(Failure)
    -> Found
  {
    var patience = Patience()
    while true {
      let found = try tryReclaim(path, own: own)
      guard found == .busy else { return found }
      try patience.pauseOrThrow()
    }
  }

  /// Proves that nobody is attached and keeps everybody from attaching, for as long as the
  /// object is open: could it?
  private static func tryLockAlone(_ object: borrowing Descriptor, _ layout: UInt16)
    throws(Failure) -> Bool
  {
    guard try object.tryLock(.attached, exclusive: true) else { return false }
    if layout >= Header.firstVersionWithOneLock { return true }
    return try object.tryLock(.edge, exclusive: true)
  }

  /// Makes way for a new region: EEXIST if a living one has the name.
  @inline(never)
  static func claim(_ path: borrowing RegionPath) throws(Failure) {
    do throws(Failure) {
      switch try reclaim(path) {
      case .nothing, .removed, .busy: return
      case .living(let layout):
        if layout == Header.version {
          throw Failure(EEXIST, "already exists; open it, or create under another name")
        }
        throw Failure(
          EEXIST,
          "already exists, of layout version %, and this zinc reads % alone; create under another name, or end who uses it",
          UInt64(layout), UInt64(Header.version))
      case .dead(let owner):
        throw Failure(
          EEXIST,
          "the name is taken by a dead region of user %, which only its owner or root can remove",
          UInt64(owner))
      }
    } catch  where error.code == EACCES || error.code == EPERM {
      throw Failure(EEXIST, "already exists, and belongs to another user")
    } catch  where error.code == EBADMSG {
      throw Failure(EEXIST, "the name is taken by a file that is not a zinc region; remove it")
    }
  }

  /// How to remove a name that is not known to be dead.
  enum Removal {
    /// Whoever is attached; they go on.
    case always
    /// EBUSY if somebody is.
    case unused
    /// Also what is no region, a damaged one, or one that a stopped process keeps locked.
    case force
    /// ENOENT unless it leads to this file.
    case own(RegionFile)
  }

  /// Removes the name of a region. That is news, for who is attached: one notification, after
  /// which the name leads nowhere, or elsewhere.
  ///
  /// Removers that have proved their case and are about to unlink are kept out by a lock: by
  /// then the name might be somebody else's. If nobody is attached it is the exclusive one;
  /// else this is attached, too, for as long as it takes.
  static func unlink(_ path: borrowing RegionPath, _ how: Removal) throws(Failure) {
    var patience = Patience()
    while true {
      do throws(Failure) {
        if try tryUnlink(path, how) { return }
        try patience.pauseOrThrow()
      } catch {
        guard case .force = how, error.code != ENOENT else { throw error }
        let result = unsafe czinc_unlink(path.cString)
        if result == -ENOENT { throw notFound }
        try check(result == -EISDIR ? unsafe czinc_rmdir(path.cString) : result, "unlink")
        return
      }
    }
  }

  /// Removes the name of a region, if there is one.
  static func free(_ path: borrowing RegionPath) throws(Failure) {
    do throws(Failure) {
      try unlink(path, .always)
    } catch  where error.code == ENOENT {
      // As good as removed.
    }
  }

  /// False if somebody is in the way who will soon be gone.
  private static func tryUnlink(_ path: borrowing RegionPath, _ how: Removal) throws(Failure)
    -> Bool
  {
    var remains: Mapping?
    var store: UInt64?
    let isDone = try ForkGate.inside { () throws(Failure) -> Bool in
      guard let object = try open(path, orReadonly: true) else { throw notFound }
      let status = try object.status()
      var layout = Header.version
      var flags: Header.Flags = []
      let (kind, id): (UInt32, UInt64)
      if case .own(let file) = how {
        if !file.isIn(status) { throw notFound }
        flags = file.flags
        (kind, id) = (file.kind, file.id)
      } else {
        let header = try RegionFile.headerOfAnyLayout(of: object, status)
        layout = header.version
        flags = Header.Flags(rawValue: header.flags)
        (kind, id) = (header.kind, header.id)
      }
      var mayUnlink = false
      if object.isWritable { mayUnlink = try tryLockAlone(object, layout) }
      let isAlone = mayUnlink
      if !mayUnlink {
        if case .unused = how {
          switch try object.lockOfOthers(.attached) {
          case .shared:
            throw Failure(EBUSY, "it is in use; its name stays as long as somebody is attached")
          case .exclusive: return false
          case .none: if object.isWritable { return false }
          }
        }
        // With the folder's sticky bit, who may not write it can't unlink it either.
        mayUnlink = !object.isWritable
        if !mayUnlink { mayUnlink = try object.tryLock(.attached, exclusive: false) }
        if !mayUnlink { return false }
      }
      guard leads(path, to: status) else { return false }
      // Who may only read it can't tell. A file that was cut short has no place for the news.
      let isNews =
        !isAlone && object.isWritable && layout == Header.version
        && status.size >= Int64(Header.size)
      if isNews {
        remains = try Mapping(keeping: object)
      } else if status.memory >= 16 << 20 {
        remains = try? Mapping(keeping: object)
      }
      try check(unsafe czinc_unlink(path.cString), "unlink")
      if kind == Header.storeKind { store = id }
      if isNews, let base = unsafe remains?.base {
        let words = unsafe Header(base).words
        let all = Notification(
          words, canNotify: true, wakesAlways: flags.contains(.wakeAlways))
        _ = all.notify()
      }
      return true
    }
    _ = consume remains
    if let store { reclaimObjects(of: path, store) }
    return isDone
  }

  /// Reclaims every dead region that this user may, of at most `limit` names, and tells each
  /// one's name and memory; and whatever was never completed, which has no name. Waits for nobody.
  /// How many files are gone?
  @discardableResult
  static func reclaimAll(
    limit: Int = .max, _ tell: (UnsafePointer<CChar>, UInt64) -> Void
  ) -> Int {
    var count = reclaimUnfinished(limit: limit)
    // Stores before their objects, or whoever finds these dead removes the store untold.
    let names = names(limit: limit)
    for areObjects in [false, true] {
      unsafe names.visit { name in
        // Others' files, junk, and what is busy or gone by now: no reason to stop.
        guard let path = try? unsafe RegionPath(name) else { return }
        if ((try? path.store()) != nil) != areObjects { return }
        let found = try? tryReclaim(path, leavesObjects: true)
        if case .removed(let bytes) = found ?? .nothing {
          count += 1
          unsafe tell(name, bytes)
        }
      }
    }
    return count
  }

  /// The name of each object in the folder that is called like a region.
  static func names(limit: Int = .max) -> NameList {
    unsafe SharedFolder.names(after: RegionPath.entryPrefix.cString, limit: limit)
  }

  /// Does the name lead to the file with this status?
  @inline(never)
  static func leads(_ path: borrowing RegionPath, to status: czinc_status) -> Bool {
    var now = czinc_status()
    return unsafe czinc_lstat(path.cString, &now) == 0 && now.inode == status.inode
      && now.device == status.device
  }

  @inline(never)
  static func leads(_ path: borrowing RegionPath, to file: RegionFile) -> Bool {
    var now = czinc_status()
    return unsafe czinc_lstat(path.cString, &now) == 0 && file.isIn(now)
  }

  /// Opens what the name leads to, for writing if that is allowed: locks to remove
  /// the name and notifications need it. Nil if there is nothing. Never blocks, on a
  /// FIFO say, and never follows a link.
  @inline(never)
  static func open(_ path: borrowing RegionPath, orReadonly: Bool) throws(Failure) -> Descriptor? {
    do throws(Failure) {
      return try unsafe Descriptor(opening: path.cString, isWritable: true)
    } catch  where (error.code == EACCES || error.code == EROFS) && orReadonly {
      return try unsafe Descriptor(opening: path.cString, isWritable: false)
    } catch  where error.code == ENOENT {
      return nil
    } catch  where error.code == ELOOP || error.code == EISDIR || error.code == ENXIO {
      throw Failure(EBADMSG, "not a region: what has its place in /dev/shm is no regular file")
    }
  }

  static var contradiction: Failure {
    Failure(EINVAL, "the flags contradict each other, or one of them is unknown")
  }

  static var notFound: Failure {
    Failure(ENOENT, "not found; nobody who lives has created it, or its last user has gone")
  }
}
