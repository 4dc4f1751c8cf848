internal import CZinc

// The life of a handle: create, open, detach, close. That of a name, and the locks
// that it all rests on, stand in `RegionName`.
extension Attachment {
  /// Creates a region and attaches to it.
  ///
  /// All of it happens to a file without a name. To give it the name, complete and
  /// attached, is the last step that can fail, and the atomic answer to whether the
  /// name is free.
  static func create(_ path: borrowing RegionPath, capacity: Int, _ options: RegionOptions)
    throws(Failure) -> Handle
  {
    try options.allow([.persistent, .sparse])
    let file = try RegionFile(capacity: capacity, options)
    ForkGate.enter()
    defer { ForkGate.leave() }

    // To reserve much takes long, and a dead region of this name may hold the memory;
    // else the linkat below finds out for nothing.
    if capacity >= 1 << 20 { try RegionName.claim(path) }
    let pages = try unsafe Descriptor(
      opening: SharedFolder.path.cString, O_TMPFILE | O_RDWR, mode: 0o600)
    try check(czinc_fchmod(pages.raw, options.mode), "fchmod")
    let mapping = try file.lay(out: pages, inFolder: true, options)
    var lock = try pages.reopened()
    guard try lock.tryLock(.attached, exclusive: false) else {
      throw Failure(EBUSY, "another process has locked the new file")
    }
    while true {
      let result = unsafe czinc_link(lock.raw, path.cString)
      if result == -EEXIST {
        try RegionName.claim(path)
      } else {
        try check(result, "linkat")
        break
      }
    }
    // Without /proc the mapping's description has locked so far; the name leads to another.
    if lock.isCopy, let named = try? RegionName.open(path, orReadonly: false),
      (try? named.status().inode) == (try? pages.status().inode),
      (try? named.tryLock(.attached, exclusive: false)) == true
    {
      lock.unlock(.attached)
      lock = named
    }
    return unsafe publish(
      Attachment(path.copy(), lock, mapping, file, isReadonly: false, canNotify: true))
  }

  /// Attaches to a living region.
  static func open(_ path: borrowing RegionPath, _ options: RegionOptions) throws(Failure)
    -> Handle
  {
    try options.allow([.readonly, .anyUser])
    let isReadonly = options.flags.contains(.readonly)
    ForkGate.enter()
    defer { ForkGate.leave() }

    while true {
      guard let pages = try RegionName.open(path, orReadonly: isReadonly) else {
        throw RegionName.notFound
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

      guard let lock = try RegionName.open(path, orReadonly: isReadonly) else { continue }
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
          Attachment(
            path.copy(), lock, mapping, file, isReadonly: isReadonly,
            canNotify: pages.isWritable))
      }
      // Somebody who is not zinc, or does not keep to its rules, locks this file.
      if isAlive { throw Failure(EBUSY, "another process keeps a lock on the region's file") }
      _ = try RegionName.reclaim(path)
      throw RegionName.notFound
    }
  }

  /// Attaches to the region of this name, and creates it if there is none. Of several
  /// processes that do this at once one creates, the others open.
  static func openOrCreate(
    _ path: borrowing RegionPath, capacity: Int, _ options: RegionOptions
  ) throws(Failure) -> Handle {
    try options.allow([.persistent, .sparse, .anyUser])
    var (opening, creating) = (options, options)
    opening.flags.formIntersection([.readonly, .anyUser])
    creating.flags.formIntersection([.persistent, .sparse])
    for _ in 0..<1000 {
      do throws(Failure) {
        let handle = unsafe try open(path, opening)
        let existing = unsafe handle.pointee.capacity
        if existing == capacity { return unsafe handle }
        unsafe close(handle)
        throw Failure(
          EEXIST, "already exists with % bytes, and % were asked for", UInt64(existing),
          UInt64(max(capacity, 0)))
      } catch  where error.code == ENOENT {
        // As good as any moment to create it.
      }
      do throws(Failure) {
        return unsafe try create(path, capacity: capacity, creating)
      } catch  where error.code == EEXIST {
        // Somebody was faster.
      }
    }
    throw Failure(EBUSY, "others create and remove it faster than it can be opened")
  }

  /// Creates a region that has no name: a sealed memfd. No lock and no list, since
  /// the kernel removes it with its last descriptor and mapping.
  static func createAnonymous(capacity: Int, _ options: RegionOptions) throws(Failure) -> Handle {
    try options.allow([.sparse])
    let file = try RegionFile(capacity: capacity, options)
    ForkGate.enter()
    defer { ForkGate.leave() }
    let memory = try Descriptor(unnamed: ())
    let mapping = try file.lay(out: memory, inFolder: false, options)
    try check(czinc_seal_size(memory.raw), "fcntl(F_ADD_SEALS)")
    return unsafe allocate(
      Attachment(nil, memory, mapping, file, isReadonly: false, canNotify: true))
  }

  /// Attaches to an anonymous region by a descriptor, which stays the caller's.
  static func open(descriptor: Int32, _ options: RegionOptions) throws(Failure) -> Handle {
    try options.allow([.readonly])
    ForkGate.enter()
    defer { ForkGate.leave() }
    let memory = try Descriptor(duplicating: descriptor)
    guard czinc_is_size_sealed(memory.raw) == 1 else {
      throw Failure(EBADMSG, "not an anonymous region: its size is not sealed")
    }
    let file = try RegionFile(reading: memory, try memory.status())
    let mapping = try Mapping(memory, size: file.size)
    let isWritable = memory.isWritable
    let isReadonly = options.flags.contains(.readonly) || !isWritable
    if isReadonly && isWritable { try mapping.protect(from: file.dataOffset) }
    return unsafe allocate(
      Attachment(nil, memory, mapping, file, isReadonly: isReadonly, canNotify: isWritable))
  }

  /// Ends the waits of other threads and gives up the name; the mapping stays.
  static func detach(_ handle: Handle) {
    unsafe handle.pointee.notification.endWaits()
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
    descriptor = nil
    switch path {
    case .some(let path): _ = try? RegionName.reclaim(path)
    case .none: break
    }
  }

  private static func publish(_ attachment: consuming Attachment) -> Handle {
    let handle = unsafe allocate(attachment)
    unsafe AttachedHandles.insert(handle)
    return unsafe handle
  }

  private static func allocate(_ attachment: consuming Attachment) -> Handle {
    let handle = Handle.allocate(capacity: 1)
    unsafe handle.initialize(to: attachment)
    return unsafe handle
  }
}

extension RegionOptions {
  /// EINVAL for a flag that this call does not know.
  fileprivate func allow(_ known: Flags) throws(Failure) {
    guard flags.isSubset(of: known) else {
      throw Failure(
        EINVAL, "a flag that this call does not take: flags are %", UInt64(flags.rawValue))
    }
  }
}
