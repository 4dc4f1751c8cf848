internal import CZinc

// The life of a name. The rules: a name that can be seen leads to a complete
// region; it lasts as long as somebody is attached; nobody removes a name without
// proof, under a lock, that it is dead. A process may be killed between any two
// system calls, so no state lives outside what the kernel itself cleans up:
//
// * Attached means holding a shared lock on byte 0 through a description of the
//   handle's own (`Descriptor`). The kernel drops it with the description's last
//   descriptor, so a forked child keeps its parent's region alive. Where nobody
//   holds it and the region is not persistent, the region is dead.
// * Mappings go through another description: they keep theirs alive, and a view
//   that outlives close must not keep the name.
// * Byte 1 keeps openers and removers apart. An opener holds it shared while it asks
//   whether the region lives and attaches; a remover holds it exclusively while it
//   proves that the region is dead and unlinks it.
//
// Every descriptor that locks is opened and closed inside the `ForkGate`, which all
// of these functions expect.
extension LockByte {
  /// Shared by every handle for as long as it is attached.
  static var attached: LockByte { LockByte(offset: 0) }
  /// Shared by openers, exclusive for who wants to remove the name.
  static var edge: LockByte { LockByte(offset: 1) }
}

enum RegionName {
  /// What a look at a name found.
  enum Found: Equatable {
    case nothing, living
    /// A dead region, removed; the memory that it had, in bytes.
    case removed(UInt64)
  }

  /// Removes what the name leads to if it is a region and proved to be dead. Leaves
  /// anything else alone; EBADMSG if it is no region.
  static func reclaim(_ path: borrowing RegionPath) throws(Failure) -> Found {
    guard let object = try open(path, orReadonly: false) else { return .nothing }
    // Most names that are met are alive; ask before getting in the way of openers.
    if try object.isLockedElsewhere(.attached) { return .living }
    try object.lock(.edge, exclusive: true)
    let status = try object.status()
    if status.links == 0 { return .nothing }
    let file = try RegionFile(reading: object, status)
    if file.flags.contains(.persistent) { return .living }
    // Through a description of its own: what a forked child holds counts as well.
    guard try object.tryLock(.attached, exclusive: true) else { return .living }
    try check(unsafe czinc_unlink(path.cString), "unlink")
    return .removed(status.memory)
  }

  /// Makes way for a new region: EEXIST if a living one has the name.
  static func claim(_ path: borrowing RegionPath) throws(Failure) {
    do throws(Failure) {
      guard try reclaim(path) == .living else { return }
    } catch  where error.code == EACCES || error.code == EPERM {
      throw Failure(EEXIST, "already exists, and belongs to another user")
    } catch  where error.code == EBADMSG {
      throw Failure(EEXIST, "the name is taken by a file that is not a zinc region; remove it")
    }
    throw Failure(EEXIST, "already exists; open it, or create under another name")
  }

  /// Removes the name of a region, whoever is attached; they go on. With `force` also
  /// what is no region, a damaged one, or one that a stopped process keeps locked.
  static func unlink(_ path: borrowing RegionPath, force: Bool) throws(Failure) {
    if !force {
      // Keeps out removers that have proved their case and are about to unlink: by then
      // the name might be somebody else's. Who may only read can't lock, and with the
      // folder's sticky bit can't unlink either.
      guard let object = try open(path, orReadonly: true) else { throw notFound }
      _ = try RegionFile(reading: object, try object.status())
      if object.isWritable { try object.lock(.edge, exclusive: true) }
      if try object.status().links == 0 { throw notFound }
      _ = try check(unsafe czinc_unlink(path.cString), "unlink")
      return
    }
    let result = unsafe czinc_unlink(path.cString)
    if result == -ENOENT { throw notFound }
    try check(result == -EISDIR ? unsafe czinc_rmdir(path.cString) : result, "unlink")
  }

  /// Reclaims every dead region that this user may, at most `limit` names of them
  /// looked at, and tells each one's name and memory.
  static func reclaimAll(
    limit: Int = .max, _ tell: (UnsafePointer<CChar>, UInt64) -> Void
  ) {
    unsafe visitAll(limit: limit) { name in
      // Others' files, junk, and what is busy or gone by now: no reason to stop.
      guard let path = try? unsafe RegionPath(name) else { return }
      if case .removed(let bytes) = (try? reclaim(path)) ?? .nothing { unsafe tell(name, bytes) }
    }
  }

  /// Tells the name of each object in the folder that is called like a region.
  static func visitAll(limit: Int = .max, _ tell: (UnsafePointer<CChar>) -> Void) {
    guard let folder = unsafe czinc_opendir(SharedFolder.path.cString) else { return }
    defer { unsafe czinc_closedir(folder) }
    var looked = 0
    while looked < limit, let entry = unsafe czinc_readdir(folder) {
      guard let name = unsafe RegionPath.name(ofEntry: entry) else { continue }
      looked += 1
      unsafe tell(name)
    }
  }

  /// The same, for callers outside the gate.
  static func reclaimAllGated(_ tell: (UnsafePointer<CChar>, UInt64) -> Void) {
    ForkGate.enter()
    defer { ForkGate.leave() }
    unsafe reclaimAll(tell)
  }

  /// Opens what the name leads to, for writing if that is allowed: locks to remove
  /// the name and notifications need it. Nil if there is nothing. Never blocks, on a
  /// FIFO say, and never follows a link.
  static func open(_ path: borrowing RegionPath, orReadonly: Bool) throws(Failure) -> Descriptor? {
    let flags = O_NOFOLLOW | O_NONBLOCK
    do throws(Failure) {
      return try unsafe Descriptor(opening: path.cString, O_RDWR | flags)
    } catch  where error.code == EACCES && orReadonly {
      return try unsafe Descriptor(opening: path.cString, O_RDONLY | flags)
    } catch  where error.code == ENOENT {
      return nil
    } catch  where error.code == ELOOP || error.code == EISDIR || error.code == ENXIO {
      throw Failure(EBADMSG, "not a region: what has its place in /dev/shm is no regular file")
    }
  }

  static var notFound: Failure {
    Failure(ENOENT, "not found; nobody who lives has created it, or its last user has gone")
  }
}
