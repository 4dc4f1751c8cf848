internal import CZinc

// The life of a name. The rules: a name that can be seen leads to a complete
// region; it lasts as long as somebody is attached; nobody removes a name without
// proof, under a lock, that it is dead. A process may be killed between any two
// lines below, so no state lives outside what the kernel itself cleans up:
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
// Every descriptor that locks is opened and closed inside the `ForkGate`.
extension Attachment {
  /// Creates a region and attaches to it.
  ///
  /// All of it happens to a file without a name. To give it the name, complete and
  /// attached, is the last step that can fail, and the atomic answer to whether the
  /// name is free.
  static func create(_ path: consuming RegionPath, capacity: Int, _ options: RegionOptions)
    throws(Failure) -> Handle
  {
    guard options.flags.isSubset(of: [.persistent, .sparse]) else {
      throw Failure(EINVAL, "create takes the flags persistent and sparse, no others")
    }
    let file = try RegionFile(capacity: capacity, options)
    ForkGate.enter()
    defer { ForkGate.leave() }

    // To reserve much takes long, and a dead region of this name may hold the memory;
    // else the linkat below finds out for nothing.
    if capacity >= 1 << 20 { try reclaimForCreate(path) }
    let pages = try unsafe Descriptor(
      opening: RegionPath.directory.cString, O_TMPFILE | O_RDWR, mode: 0o600)
    try check(czinc_fchmod(pages.raw, options.mode), "fchmod")
    try pages.allocate(file.size, sparse: options.flags.contains(.sparse))
    try file.write(to: pages, options)
    let mapping = try Mapping(pages, size: file.size)
    let lock = try pages.reopened()
    guard try lock.tryLock(.attached, exclusive: false) else {
      throw Failure(EBUSY, "another process has locked the new file")
    }
    while true {
      let result = unsafe czinc_link(lock.raw, path.cString)
      if result == -EEXIST {
        try reclaimForCreate(path)
      } else {
        try check(result, "linkat")
        break
      }
    }
    return unsafe publish(
      Attachment(path, lock, mapping, file, isReadonly: false, canNotify: true))
  }

  /// Attaches to a living region.
  static func open(_ path: consuming RegionPath, _ options: RegionOptions) throws(Failure)
    -> Handle
  {
    guard options.flags.isSubset(of: [.readonly, .anyUser]) else {
      throw Failure(EINVAL, "open takes the flags readonly and any user, no others")
    }
    let isReadonly = options.flags.contains(.readonly)
    ForkGate.enter()
    defer { ForkGate.leave() }

    while true {
      guard let pages = try openObject(path, orReadonly: isReadonly) else {
        throw RegionPath.notFound
      }
      let status = try pages.status()
      let file = try RegionFile(reading: pages, status)
      guard options.flags.contains(.anyUser) || status.owner == czinc_user() else {
        throw Failure(
          EACCES, "the region belongs to user %; say that any user is fine if you expect that",
          UInt64(status.owner))
      }
      let mapping = try Mapping(pages, size: file.size)
      if isReadonly && pages.isWritable { try mapping.protect(from: file.dataOffset) }

      guard let lock = try openObject(path, orReadonly: isReadonly) else { continue }
      try lock.lock(.edge, exclusive: false)
      let now = try lock.status()
      // Removed, or replaced, since we looked: look again.
      if now.links == 0 || now.inode != status.inode || now.device != status.device { continue }
      var isAlive = file.flags.contains(.persistent)
      if !isAlive { isAlive = try lock.isLockedElsewhere(.attached) }
      var isAttached = false
      if isAlive { isAttached = try lock.tryLock(.attached, exclusive: false) }
      lock.unlock(.edge)
      if isAttached {
        return unsafe publish(
          Attachment(path, lock, mapping, file, isReadonly: isReadonly, canNotify: pages.isWritable)
        )
      }
      // Busy with a remover that does not use the edge lock: none of ours.
      if isAlive { throw Failure(EBUSY, "another process keeps a lock on the region's file") }
      _ = try reclaim(path)
      throw RegionPath.notFound
    }
  }

  /// Ends the waits of other threads and gives up the name; the mapping stays.
  static func detach(_ handle: Handle) {
    unsafe handle.pointee.endWaits()
    ForkGate.enter()
    defer { ForkGate.leave() }
    if unsafe AttachedHandles.remove(handle) { unsafe handle.pointee.releaseName() }
  }

  static func close(_ handle: Handle) {
    unsafe detach(handle)
    unsafe handle.deinitialize(count: 1)
    unsafe handle.deallocate()
  }

  /// Drops the attach lock and, as the last one out, the name. What can't be done
  /// here (no descriptor left, a reader that may not unlink) the next call that
  /// meets the name does.
  mutating func releaseName() {
    lock = nil
    _ = try? Attachment.reclaim(path)
  }

  private static func publish(_ attachment: consuming Attachment) -> Handle {
    let handle = Handle.allocate(capacity: 1)
    unsafe handle.initialize(to: attachment)
    unsafe AttachedHandles.insert(handle)
    return unsafe handle
  }

  // MARK: - Names

  /// What a look at a name found.
  enum Found {
    case nothing, living, removed
  }

  /// Removes what the name leads to if it is a region and proved to be dead. Leaves
  /// anything else alone; EBADMSG if it is no region.
  static func reclaim(_ path: borrowing RegionPath) throws(Failure) -> Found {
    guard let object = try openObject(path, orReadonly: false) else { return .nothing }
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
    return .removed
  }

  /// Makes way for a new region: EEXIST if a living one has the name.
  private static func reclaimForCreate(_ path: borrowing RegionPath) throws(Failure) {
    do throws(Failure) {
      guard try reclaim(path) == .living else { return }
    } catch  where error.code == EACCES || error.code == EPERM {
      throw Failure(EEXIST, "already exists, and belongs to another user")
    } catch  where error.code == EBADMSG {
      throw Failure(EEXIST, "the name is taken by a file that is not a zinc region; remove it")
    }
    throw Failure(EEXIST, "already exists; open it, or create under another name")
  }

  /// Opens what the name leads to, for writing if that is allowed: locks to remove
  /// the name and notifications need it. Nil if there is nothing. Never blocks, on a FIFO say, and never
  /// follows a link.
  private static func openObject(_ path: borrowing RegionPath, orReadonly: Bool) throws(Failure)
    -> Descriptor?
  {
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
}
