internal import CZinc

// The life of a handle: create, open, detach, close. That of a name, and the lock
// that it all rests on, stand in `RegionName`.
extension Attachment {
  /// Creates a region and attaches to it.
  ///
  /// All of it happens to a file without a name. To give it the name, complete and
  /// attached, is the last step, and the atomic answer to whether the name is free.
  static func create(_ path: borrowing RegionPath, capacity: Int, _ options: RegionOptions)
    throws(Failure) -> Handle
  {
    try options.begin([
      .persistent, .sparse, .replace, .hugepages, .prefault, .group, .transient,
    ])
    RegionName.sweepOnce()
    let file = try RegionFile(capacity: capacity, options)
    // To reserve much takes long, and a dead region of this name may hold the memory;
    // else the linkat below finds out for nothing.
    let replaces = options.flags.contains(.replace)
    if capacity >= 1 << 20 && !replaces { try RegionName.claim(path) }
    while true {
      let handle = unsafe try reclaimingIfFull { remains throws(Failure) in
        unsafe try makeFile(path, file, options, &remains)
      }
      if let handle = unsafe handle {
        unsafe prepare(handle, options)
        return unsafe handle
      }
      try RegionName.claim(path)
    }
  }

  /// Nil if something has the name. `remains` is what may take long to free, for the caller to
  /// do so outside the gate.
  @inline(never)
  private static func makeFile(
    _ path: borrowing RegionPath, _ planned: RegionFile, _ options: RegionOptions,
    _ remains: inout Mapping?
  ) throws(Failure) -> Handle? {
    var file = planned
    let memory = try HandleMemory()
    let ownPath = try path.copy()
    var lock = try newFile(mode: options.mode)
    let status = try file.lay(out: lock, inFolder: true, options)
    if file.size >= 16 << 20 { remains = try? Mapping(keeping: lock) }
    if options.flags.contains(.group) { try lock.setGroup(options.group) }
    // The umask has its say in what a file is opened with.
    if status.mode & 0o7777 != options.mode {
      try check(czinc_fchmod(lock.raw, options.mode), "fchmod")
    }
    guard try lock.tryLock(.attached, exclusive: false) else {
      throw Failure(EBUSY, "another process has locked the new file")
    }
    var result = unsafe lock.publish(as: path.cString)
    var attempts = 0
    // The new one is complete and attached: nobody has the name for as short as can be.
    while result == -EEXIST && options.flags.contains(.replace) {
      if attempts == 1000 {
        throw Failure(EBUSY, "others create it faster than it can be replaced")
      }
      attempts += 1
      try ForkGate.outside(with: lock.raw) { () throws(Failure) in try RegionName.free(path) }
      result = unsafe lock.publish(as: path.cString)
    }
    if result == -EEXIST { return nil }
    try check(result, "linkat")
    let mapping: Mapping
    do throws(Failure) {
      mapping = try map(path, file, lock, options)
    } catch {
      // Ours, which is attached: nobody takes the name away between the look and the removal.
      if RegionName.leads(path, to: status) { _ = unsafe czinc_unlink(path.cString) }
      throw error
    }
    let handle = unsafe memory.hold(
      Attachment(
        ownPath, lock, mapping, file, isReadonly: false, canNotify: true, isCreated: true))
    unsafe AttachedHandles.insert(handle)
    return unsafe handle
  }

  /// Maps a new region, but not through the description that locks; through its name, which
  /// /proc/PID/maps and lsof(8) then tell, or if somebody has removed that already, through /proc.
  private static func map(
    _ path: borrowing RegionPath, _ file: RegionFile, _ lock: borrowing Descriptor,
    _ options: RegionOptions
  ) throws(Failure) -> Mapping {
    if let named = try RegionName.open(path, orReadonly: false), file.isIn(try named.status()) {
      return try Mapping(named, size: file.size, alignment: options.alignment)
    }
    return try Mapping(try lock.reopened(), size: file.size, alignment: options.alignment)
  }

  /// A file in the folder that has no name yet; or one that is attached, lest somebody takes it for
  /// what a process has left that was killed here: so this one waits until it is sure of that.
  private static func newFile(mode: UInt32) throws(Failure) -> Descriptor {
    do throws(Failure) {
      while true {
        let file = try Descriptor(newOf: mode)
        if czinc_names_what_is_new() == 0 { return file }
        guard try file.tryLock(.attached, exclusive: false) else { continue }  // t2
        if try file.status().links > 0 { return file }  // t3
      }
    } catch  where error.code == EOPNOTSUPP || error.code == EISDIR {
      // Who does not know the flag takes it for an open of the folder: EISDIR, open(2).
      throw Failure(
        system: "open", EOPNOTSUPP,
        "/dev/shm can't have a file without a name (O_TMPFILE); mount a tmpfs there; it takes Linux 3.11, and gVisor has none; anonymous regions work"
      )
    }
  }

  /// Calls `body` inside the gate, and if there is no room once more, after the dead regions
  /// that may have it were reclaimed.
  @inline(never)
  private static func reclaimingIfFull(
    _ body: (inout Mapping?) throws(Failure) -> Handle?
  ) throws(Failure) -> Handle? {
    func attempt() throws(Failure) -> Handle? {
      var remains: Mapping?
      return unsafe try ForkGate.inside { () throws(Failure) in unsafe try body(&remains) }
    }
    do throws(Failure) {
      return unsafe try attempt()
    } catch  where error.code == ENOSPC {
      let found = unsafe RegionName.reclaimAll(limit: 10_000) { _, _ in }
      if found == 0 { throw error }
      return unsafe try attempt()
    }
  }

  /// Attaches to a living region.
  static func open(_ path: borrowing RegionPath, _ options: RegionOptions) throws(Failure)
    -> Handle
  {
    try options.begin([.readonly, .anyUser, .hugepages, .prefault])
    RegionName.sweepOnce()
    var patience = Patience()
    while true {
      var remains: Mapping?
      let opening = try ForkGate.inside { () throws(Failure) in
        try attach(path, options, &remains)
      }
      switch opening {
      case .attached(let handle):
        unsafe prepare(handle, options)
        return unsafe handle
      case .moved: continue
      case .busy: try patience.pauseOrThrow()
      case .missing: throw RegionName.notFound
      case .dead:
        switch try RegionName.reclaim(path) {
        case .living: continue
        case .dead(let owner):
          throw Failure(
            ENOENT,
            "not found: what has the name is dead, and only its owner, user %, or root can remove it",
            UInt64(owner))
        case .nothing, .removed, .busy: throw RegionName.notFound
        }
      }
    }
  }

  /// What an attempt to open came to.
  @safe private enum Opening {
    case attached(Handle)
    case missing, dead
    /// Somebody is just removing it.
    case busy
    /// The name has come to lead elsewhere in the meantime.
    case moved
  }

  @inline(never)
  private static func attach(
    _ path: borrowing RegionPath, _ options: RegionOptions, _ remains: inout Mapping?
  ) throws(Failure) -> Opening {
    let isReadonly = options.flags.contains(.readonly)
    guard let pages = try RegionName.open(path, orReadonly: true) else { return .missing }
    let status = try pages.status()
    let header = try RegionFile.headerOfAnyLayout(of: pages, status)
    guard header.version == Header.version else {
      if !RegionFile.outlivesItsUsers(header), try pages.lockOfOthers(.attached) == .none {
        return .dead
      }
      throw RegionFile.foreign(header)
    }
    let file = RegionFile(header, status)
    guard let lock = try RegionName.open(path, orReadonly: true) else { return .missing }
    guard file.isIn(try lock.status()) else { return .moved }
    if !RegionFile.outlivesItsUsers(header) {
      switch try lock.lockOfOthers(.attached) {
      case .none: return .dead
      case .exclusive: return .busy
      case .shared: break
      }
    }
    guard options.flags.contains(.anyUser) || status.owner == czinc_user() else {
      throw Failure(
        EACCES, "the region belongs to user %; say that any user is fine if you expect that",
        UInt64(status.owner))
    }
    guard pages.isWritable || isReadonly else {
      throw Failure(EACCES, "this user may only read the region: open it read-only")
    }
    let memory = try HandleMemory()
    let ownPath = try path.copy()
    let mapping = try Mapping(pages, size: file.size, alignment: options.alignment)
    if isReadonly && pages.isWritable { try mapping.protect(from: file.dataOffset) }
    let isAttached = try lock.tryLock(.attached, exclusive: false)
    guard isAttached && RegionName.leads(path, to: status) else {
      remains = consume mapping
      return isAttached ? .moved : .busy
    }
    let handle = unsafe memory.hold(
      Attachment(
        ownPath, lock, mapping, file, isReadonly: isReadonly, canNotify: pages.isWritable))
    unsafe AttachedHandles.insert(handle)
    return unsafe .attached(handle)
  }

  /// Attaches to the region of this name, and creates it if there is none. Of several
  /// processes that do this at once one creates, the others open.
  static func openOrCreate(
    _ path: borrowing RegionPath, capacity: Int, _ options: RegionOptions
  ) throws(Failure) -> Handle {
    try options.begin([
      .persistent, .sparse, .anyUser, .hugepages, .prefault, .group, .transient,
    ])
    var (opening, creating) = (options, options)
    opening.flags.formIntersection([.readonly, .anyUser, .hugepages, .prefault])
    creating.flags.formIntersection([
      .persistent, .sparse, .hugepages, .prefault, .group, .transient,
    ])
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
        // Somebody was faster, or it is dead and stays.
        if case .dead = try? RegionName.tryReclaim(path) { throw error }
      }
    }
    throw Failure(EBUSY, "others create and remove it faster than it can be opened")
  }

  /// Creates a region that has no name: a sealed memfd. No lock and no list, since
  /// the kernel removes it with its last descriptor and mapping.
  static func createAnonymous(capacity: Int, _ options: RegionOptions) throws(Failure) -> Handle {
    try options.begin([.sparse, .local, .hugepages, .prefault])
    if options.flags.contains(.local) { return unsafe try createLocal(capacity: capacity, options) }
    let handle = unsafe try reclaimingIfFull { _ throws(Failure) in
      var file = try RegionFile(capacity: capacity, options)
      let handle = try HandleMemory()
      let memory = try Descriptor(unnamed: ())
      _ = try file.lay(out: memory, inFolder: false, options)
      let mapping = try Mapping(memory, size: file.size, alignment: options.alignment)
      try check(czinc_fix_size(memory.raw), "fcntl(F_ADD_SEALS)")
      return unsafe handle.hold(
        Attachment(
          nil, memory, mapping, file, isReadonly: false, canNotify: true, isCreated: true))
    }
    unsafe prepare(handle.unsafelyUnwrapped, options)  // Nil says that a name is taken.
    return unsafe handle.unsafelyUnwrapped
  }

  /// Creates a region for the threads of this process: memory that is in no file, since some
  /// systems forbid memfd_create(2) and who only waits for others needs none. Only the words of
  /// its notification are ever looked at, and they begin as 0.
  @inline(never)
  private static func createLocal(capacity: Int, _ options: RegionOptions) throws(Failure)
    -> Handle
  {
    let file = try RegionFile(capacity: capacity, options)
    guard file.metadataLength == 0, options.written == 0 else {
      throw Failure(EINVAL, "a region for this process alone takes no metadata and no contents")
    }
    return unsafe try ForkGate.inside { () throws(Failure) in
      let handle = try HandleMemory()
      let mapping = try Mapping(unnamedSize: file.size)
      return unsafe handle.hold(
        Attachment(nil, nil, mapping, file, isReadonly: false, canNotify: true, isCreated: true))
    }
  }

  /// Attaches to an anonymous region by a descriptor, which stays the caller's.
  static func open(descriptor: Int32, _ options: RegionOptions) throws(Failure) -> Handle {
    try options.begin([.readonly, .hugepages, .prefault])
    let handle = unsafe try ForkGate.inside { () throws(Failure) in
      let handle = try HandleMemory()
      let memory = try Descriptor(duplicating: descriptor)
      guard czinc_is_size_fixed(memory.raw) == 1 else {
        throw Failure(EBADMSG, "not an anonymous region: its size is not sealed")
      }
      let file = try RegionFile(reading: memory, try memory.status())
      let mapping = try Mapping(memory, size: file.size, alignment: options.alignment)
      let isWritable = memory.isWritable
      let isReadonly = options.flags.contains(.readonly) || !isWritable
      if isReadonly && isWritable { try mapping.protect(from: file.dataOffset) }
      return unsafe handle.hold(
        Attachment(nil, memory, mapping, file, isReadonly: isReadonly, canNotify: isWritable))
    }
    unsafe prepare(handle, options)
    return unsafe handle
  }

  /// Ends the waits of other threads and gives up the name and the descriptor; the mapping
  /// stays. Returns when that is done, whoever does it.
  static func detach(_ handle: Handle) {
    unsafe handle.pointee.notification.endWaits()
    unsafe handle.pointee.notification.closeEvent()
    if unsafe AttachedHandles.take(handle) {
      unsafe release(handle)
    } else {
      poll { unsafe AttachedHandles.isFinished(handle) }
    }
  }

  /// As the last one out, removes the name of a handle that was taken. What can't be done here
  /// (no descriptor left, a reader that may not unlink) the next call that meets the name does.
  @inline(never)
  static func release(_ handle: Handle) {
    switch unsafe handle.pointee.path {
    case .some(let path): _ = try? unsafe RegionName.reclaim(path, own: handle.pointee.file)
    case .none: break
    }
    unsafe AttachedHandles.finish(handle)
  }

  static func close(_ handle: Handle) {
    unsafe detach(handle)
    unsafe free(handle)
  }

  /// Frees the rest of a detached handle, once nobody looks at it any more.
  static func free(_ handle: Handle) {
    unsafe handle.pointee.clear()
    unsafe AttachedHandles.retire(handle)
  }
}

extension RegionOptions {
  /// What each way to attach begins with. EINVAL for a flag that this call does not know.
  fileprivate func begin(_ known: Flags) throws(Failure) {
    guard flags.isSubset(of: known) else {
      throw Failure(
        EINVAL, "a flag that this call does not take: flags are %", UInt64(flags.rawValue))
    }
    guard flags.isDisjoint(with: .pages) || flags.isDisjoint(with: [.sparse, .local]) else {
      throw Failure(
        EINVAL, "huge pages and pages that are touched at once need memory that is reserved")
    }
    Processors.find()
    if flags.contains(.hugepages) { HugePages.find() }
  }
}
